package estate

import (
	"math"
	"slices"
)

// Fault is what the guilty release does.
type Fault struct {
	Name   string
	fail   float64 // probability that a request fails
	slow   float64 // factor on self time
	poison float64 // probability that what it calls fails
	repeat int     // calls where there was one
	skip   float64 // probability that it answers without calling
	bad    float64 // probability of an answer that only the caller finds bad
	crash  bool    // its instances stop answering after twenty seconds
	whole  bool    // all of its operations, not one
}

// Faults are the kinds of guilt, the first being none.
func Faults() []Fault {
	return []Fault{
		{Name: "none"},
		{Name: "failure 2 %, one operation", fail: .02},
		{Name: "failure 5 %, one operation", fail: .05},
		{Name: "failure 20 %, one operation", fail: .2},
		{Name: "failure 5 %", fail: .05, whole: true},
		{Name: "latency x1.5, one operation", slow: 1.5},
		{Name: "latency x3, one operation", slow: 3},
		{Name: "poisons callee 5 %", poison: .05},
		{Name: "poisons callee 20 %", poison: .2},
		{Name: "five calls for one", repeat: 5},
		{Name: "work skipped 50 %", skip: .5, whole: true},
		{Name: "bad answers 20 %", bad: .2},
		{Name: "crash", crash: true, whole: true},
	}
}

// fault is where the guilty release does it.
type fault struct {
	Fault
	service *service
	op      int
}

// chooseFault makes one of the releases guilty, at an operation that is used
// and, where that matters, calls something or is called by a service.
func (e *Estate) chooseFault() {
	f := e.options.Fault
	if f.Name == "" || f.Name == "none" {
		return
	}
	type place struct{ guilty, op int }
	var places []place
	for g, r := range e.Releases {
		for _, route := range e.routes {
			route.each(func(c *call) {
				calls := f.poison > 0 || f.repeat > 0 || f.skip > 0
				if p := (place{g, c.op}); c.service == r.service && (!calls || len(c.calls) > 0) && !slices.Contains(places, p) {
					places = append(places, p)
				}
			})
		}
	}
	if len(places) == 0 { // none of them calls anything: it fails instead
		f = Fault{Name: f.Name, fail: .2, whole: true}
		places = []place{{0, 0}}
	}
	p := places[e.rng.IntN(len(places))]
	e.Guilty, e.fault = p.guilty, fault{f, e.Releases[p.guilty].service, p.op}
}

// at gives what the fault does to a request, nothing mostly.
func (f *fault) at(s *service, i *instance, op int) Fault {
	if f.service != s || !i.fresh || !f.whole && f.op != op {
		return Fault{}
	}
	return f.Fault
}

// crashAfter is how many windows an instance that will crash serves.
const crashAfter = 4

func (f *fault) crashed(s *service, i *instance, t int) bool {
	return f.service == s && f.crash && i.fresh && t >= i.from+crashAfter
}

// distractor is what goes wrong without anybody's release.
type distractor struct {
	kind     int
	from, to int
	services []*service // that fail, or become slower
	fail     float64
	node     string
}

// The distractors.
const (
	quiet     = iota
	outage    // of a service that is not being released, for some minutes
	breakdown // the same, for good
	surge     // twice the traffic, three services slower
	badNode   // under an instance of a release
)

var distractorNames = []string{"nothing else", "an outage", "a breakdown", "a surge", "a bad node"}

// newDistractor chooses one.
func (e *Estate) newDistractor() distractor {
	d := distractor{kind: 1 + e.rng.IntN(4), from: history + 6 + e.rng.IntN(30), to: math.MaxInt}
	var others []*service
	for _, s := range e.used() {
		if s.release == nil {
			others = append(others, s)
		}
	}
	switch d.kind {
	case outage:
		d.to = d.from + 30 + e.rng.IntN(40)
		fallthrough
	case breakdown:
		d.services, d.fail = []*service{others[e.rng.IntN(len(others))]}, .03+.07*e.rng.Float64()
	case surge:
		d.to = d.from + 50
		used := e.used()
		for range 3 {
			d.services = append(d.services, used[e.rng.IntN(len(used))])
		}
	case badNode:
		d.from = history + 6
		v := e.Releases[e.rng.IntN(len(e.Releases))].service.instances
		d.node = v[instances+e.rng.IntN(len(v)-instances)].node
	}
	return d
}

// at gives what the distractor does to a request: extra failures, a factor on self time.
func (d *distractor) at(s *service, i *instance, t int) (fail, slow float64) {
	if t < d.from || t >= d.to {
		return 0, 1
	}
	switch {
	case d.kind == badNode && i.node == d.node:
		return .02, 2
	case d.kind == surge && slices.Contains(d.services, s):
		return 0, 1.5
	case d.fail > 0 && slices.Contains(d.services, s):
		return d.fail, 1
	}
	return 0, 1
}

// load is the factor on traffic.
func (d *distractor) load(t int) float64 {
	if d.kind == surge && t >= d.from && t < d.to {
		return 2
	}
	return 1
}
