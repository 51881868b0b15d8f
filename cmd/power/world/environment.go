// Package world simulates one service and the releases that come to it, as
// ingest would tell of them: ticks of integer counts, drawn from a seed.
//
// An [Environment] says what disturbs the service: clustered failures, instances
// that differ, outages, cold starts, another mix. Nothing of that is a release's
// doing. An [Effect] is what a faulty release does on top. Every process is
// described where it is drawn, so that anybody can simulate it again.
package world

import (
	"fmt"
	"slices"
)

// Environment is a service and what happens to it by itself. All probabilities
// and deviations are of the healthy service.
type Environment struct {
	Name  string
	About string

	Instances int     // of the old version beside the new one
	Canaries  int     // of the new version
	Requests  float64 // of one instance in one window of five seconds
	Failures  float64 // probability that a request fails
	Cluster   float64 // mean size of the geometric clusters in which requests fail; 0: one by one

	InstanceSD float64 // of an instance's log failure rate, for good
	InstanceAR float64 // of an instance's log failure rate, coming and going within a minute
	SharedAR   float64 // the same of all instances together
	Outages    float64 // shared outages in half an hour: 2 to 11 windows with 5 to 30 % more failures
	Incidents  float64 // of one instance in an hour: 2 to 4 windows with 30 % more failures, five times slower
	LongOutage bool    // one shared outage of five minutes with 10 % more failures, in every watch
	Durations  bool    // requests have durations
	Disturbed  bool    // durations differ between instances, drift by themselves, and pause for garbage collection
	Cold       bool    // young instances are slow for a minute or two
	Mix        bool    // the new version is given another mix of operations
	Surge      bool    // load doubles in the watch; everything is slower and fails more
	Rubbish    bool    // one application begins to send what must be refused, to both versions
	Operations int     // at least 1; Zipf distributed
	Slices     int     // applications that call; 0: unknown
	Replaced   bool    // the new version takes the place of all instances at once
	Controls   int     // other services, which are not released
	Days       bool    // load and failures follow the hour, all services' failures drift alike, and each by itself
	Shared     bool    // outages hit the controls as well
}

// Windows of a watch and of what comes before it.
const (
	Watch  = 360 // half an hour
	Minute = 12
)

// Environments gives all of them: S0 to S8 have failures only and one candidate
// of ten instances; E1 to E7 have durations too and two candidates of ten, and
// so has what follows them. In R1 to R3 nothing old is left to compare with.
func Environments() []Environment {
	all := slices.Concat(failuresOnly(), realistic(), replaced())
	for k := range all {
		all[k].Operations = max(1, all[k].Operations)
	}
	return all
}

func failuresOnly() []Environment {
	base := Environment{Instances: 9, Canaries: 1, Requests: 100, Failures: .005}
	mixed := base
	mixed.Cluster, mixed.InstanceSD, mixed.InstanceAR, mixed.SharedAR, mixed.Outages, mixed.Incidents = 2, .15, .3, .3, 1, .3
	of := func(e Environment, name, about string, change func(*Environment)) Environment {
		e.Name, e.About = name, about
		change(&e)
		return e
	}
	return []Environment{
		of(base, "S0", "independent failures", func(*Environment) {}),
		of(base, "S1", "failures in clusters of four", func(e *Environment) { e.Cluster = 4 }),
		of(base, "S2", "shared outages", func(e *Environment) { e.Outages, e.SharedAR = 3, .5 }),
		of(base, "S3", "instances differ", func(e *Environment) { e.InstanceSD = .3 }),
		of(base, "S4", "instances drift", func(e *Environment) { e.InstanceAR = .5 }),
		of(base, "S5", "incidents of single instances", func(e *Environment) { e.Incidents = 1 }),
		of(mixed, "S6", "all of it", func(*Environment) {}),
		of(mixed, "S7", "all of it, ten times the traffic", func(e *Environment) { e.Requests, e.InstanceSD, e.InstanceAR = 1000, .1, .2 }),
		of(mixed, "S8", "all of it, failures are rare", func(e *Environment) {
			e.Failures, e.InstanceSD, e.Outages, e.SharedAR, e.Incidents = .0003, .2, 0, 0, .1
		}),
	}
}

func realistic() []Environment {
	calm := Environment{Instances: 8, Canaries: 2, Requests: 60, Failures: .005, Durations: true}
	e2 := calm
	e2.Disturbed, e2.Cluster, e2.InstanceSD, e2.InstanceAR, e2.SharedAR, e2.Outages, e2.Incidents = true, 2, .1, .3, .3, 1, .3
	of := func(e Environment, name, about string, change func(*Environment)) Environment {
		e.Name, e.About = name, about
		change(&e)
		return e
	}
	wide := func(e *Environment) { e.Operations, e.Slices = 20, 5 }
	return []Environment{
		of(calm, "E1", "calm", func(*Environment) {}),
		of(e2, "E2", "realistic", func(*Environment) {}),
		of(e2, "E3", "1.2 % fail anyway", func(e *Environment) { e.Failures = .012 }),
		of(e2, "E4", "cold candidates", func(e *Environment) { e.Cold = true }),
		of(e2, "E5", "one request a second", func(e *Environment) { e.Requests = 5 }),
		of(e2, "E6", "outage of five minutes", func(e *Environment) { e.LongOutage = true }),
		of(e2, "E7", "retries counted once", func(e *Environment) { e.Cluster = 0 }),
		of(e2, "mix", "another mix on the candidate", func(e *Environment) { e.Mix, e.Operations = true, 5 }),
		of(e2, "surge", "twice the load", func(e *Environment) { e.Surge = true }),
		of(e2, "rubbish", "one application sends rubbish", func(e *Environment) { e.Rubbish, e.Slices, e.Operations = true, 5, 3 }),
		of(e2, "E2-wide", "20 operations, 5 applications", wide),
		of(e2, "E4-wide", "the same, cold candidates", func(e *Environment) { wide(e); e.Cold = true }),
		of(e2, "mix-wide", "the same, another mix", func(e *Environment) { wide(e); e.Mix = true }),
		of(e2, "rubbish-wide", "the same, one sends rubbish", func(e *Environment) { wide(e); e.Rubbish = true }),
	}
}

// replaced are environments in which only the past and other services tell what
// would be without the release.
func replaced() []Environment {
	r1 := Environment{Name: "R1", About: "replaced at once", Instances: 10, Requests: 50, Failures: .005, Replaced: true, Controls: 5, Days: true}
	r2 := r1
	r2.Name, r2.About, r2.Durations, r2.Disturbed = "R2", "the same, with durations", true, true
	r2.Cluster, r2.InstanceSD, r2.InstanceAR, r2.Incidents = 2, .1, .3, .3
	r3 := r1
	r3.Name, r3.About, r3.Outages, r3.Shared = "R3", "R1, with outages of all services", 1, true
	return []Environment{r1, r2, r3}
}

// Effect is what a faulty release does to its requests.
type Effect struct {
	Name     string
	Failures float64 // additional probability to fail
	Slower   float64 // factor of all durations; 0: 1
	Tenfold  float64 // share of requests that take ten times as long
	After    int     // windows after the release at which it begins
}

// Effects gives the faults whose delays are compared.
func Effects() []Effect {
	return []Effect{
		{Name: "failures .5 → 1 %", Failures: .005},
		{Name: "failures .5 → 2 %", Failures: .015},
		{Name: "failures .5 → 5 %", Failures: .045},
		{Name: "failures .5 → 25 %", Failures: .245},
		{Name: "duration + 30 %", Slower: 1.3},
		{Name: "duration × 2", Slower: 2},
		{Name: "duration × 5", Slower: 5},
		{Name: "2 % of requests × 10", Tenfold: .02},
		{Name: "failures → 5 % after 10 min", Failures: .045, After: 10 * Minute},
	}
}

// Named gives the environment of a name.
func Named(name string) (Environment, error) {
	var names []string
	for _, e := range Environments() {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Environment{}, fmt.Errorf("environment %q is not known; want one of %v", name, names)
}
