package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"unship.dev"
	"unship.dev/cmd/power/judges"
	"unship.dev/cmd/power/world"
	"unship.dev/detect"
	"unship.dev/rules"
)

// plan is a number of releases in one environment, all harmless or all with one effect.
type plan struct {
	env      world.Environment
	effect   world.Effect
	harmless bool
	history  int // windows before the first release
	releases int
	seeds    []uint64 // of the worlds that share the releases
	each     int      // releases in one world
	results  [][]result
}

// result is what became of one release, for the detector and for each judge:
// the window of the watch in which it was found, −1 if never.
type result struct {
	unship int
	asked  int // when a person is asked, at the latest when it is found
	judges []int
	why    string
	at     string
}

// inWorld is how many releases follow one another in one world, where the
// history allows for it: their common past is simulated once.
const inWorld = 25

// wideShare is which part of the releases wide environments get; they cost more.
const wideShare = 6

// faultyIn are the environments in which delays are measured.
var faultyIn = []string{"E2", "E4", "E7", "R1"}

func (o options) plan(all []world.Environment) (plans []*plan) {
	seed := o.seed << 32
	add := func(p plan, releases int) {
		p.history = int(o.history / (5 * time.Second))
		p.each = 1
		if o.history >= time.Hour {
			p.each = inWorld
		}
		for left := releases; left > 0; left -= p.each {
			seed++
			p.seeds = append(p.seeds, seed)
		}
		p.releases, p.results = releases, make([][]result, len(p.seeds))
		if releases > 0 {
			plans = append(plans, &p)
		}
	}
	for _, e := range all {
		n := o.releases
		if e.Operations >= 20 {
			n = (n + wideShare - 1) / wideShare
		}
		add(plan{env: e, harmless: true}, n)
	}
	for _, e := range all {
		for _, f := range world.Effects() {
			if strings.Contains(strings.Join(faultyIn, ",")+",", e.Name+",") && strings.Contains(f.Name, o.effects) {
				add(plan{env: e, effect: f}, o.faulty)
			}
		}
	}
	return plans
}

// measure carries out plans on that many workers.
func measure(ctx context.Context, plans []*plan, workers int, progress io.Writer) error {
	type job struct{ plan, world int }
	jobs := make(chan job)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for j := range jobs {
				plans[j.plan].simulate(ctx, j.world)
			}
		})
	}
	started := time.Now()
	for k, p := range plans {
		for n := range p.seeds {
			if ctx.Err() == nil {
				jobs <- job{k, n}
			}
		}
		what := "harmless"
		if !p.harmless {
			what = p.effect.Name
		}
		fmt.Fprintf(progress, "%6.0fs  %d/%d  %s: %s\n", time.Since(started).Seconds(), k+1, len(plans), p.env.Name, what)
	}
	close(jobs)
	group.Wait()
	return ctx.Err()
}

// calm is how many windows lie between two releases: long enough that each has
// a half hour of undisturbed past, as the first has.
const calm = world.Watch

// practice is how many harmless releases come before the faulty ones, where the
// world is old enough to have had any.
const practice = 6

// simulate runs one world with its share of the releases.
func (p *plan) simulate(ctx context.Context, n int) {
	s := newService(p.env, p.seeds[n])
	s.pass(p.history)
	if p.each > 1 && !p.harmless {
		for range practice {
			s.watch(world.Effect{})
			s.pass(calm)
		}
	}
	count := min(p.each, p.releases-n*p.each)
	for k := range count {
		if ctx.Err() != nil {
			return
		}
		if k > 0 {
			s.pass(calm)
		}
		p.results[n] = append(p.results[n], s.watch(p.effect))
	}
}

// service is a world under the detector's watch.
type service struct {
	world    *world.World
	detector *detect.Detector
	policies rules.Set
	meter    judges.Meter
	minutes  []judges.Minute
}

func newService(e world.Environment, seed uint64) *service {
	d, err := detect.New(detect.Options{})
	if err != nil {
		panic(err) // the defaults are valid
	}
	return &service{world: world.New(e, seed), detector: d, policies: rules.Set{rules.Default(unship.ModeAuto)}}
}

const historyMinutes = 30

// pass lets time pass without a release. Each half hour the old instances are others.
func (s *service) pass(windows int) {
	for t := range windows {
		if t%calm == 0 {
			s.world.Settle()
		}
		tick, sample := s.world.Step()
		s.detector.Observe(*tick, nil, s.policies)
		if m, ok := s.meter.Add(sample.Baseline); ok {
			s.minutes = append(s.minutes, m)
			if len(s.minutes) > historyMinutes {
				s.minutes = s.minutes[1:]
			}
		}
	}
}

// watch ships one release and gives what became of it. Judges count from the
// moment at which the effect begins: what they say before is not of the effect,
// and a faulty release that is taken back earlier was not found.
func (s *service) watch(e world.Effect) result {
	r := result{unship: -1, asked: -1}
	var all []judges.Judge
	for _, m := range judges.All() {
		all = append(all, m.New(s.minutes))
		r.judges = append(r.judges, -1)
	}
	release := s.world.Release(e)
	for t := range world.Watch {
		tick, sample := s.world.Step()
		var begun []unship.Release
		if t == 0 {
			begun = []unship.Release{release}
		}
		a := s.detector.Observe(*tick, begun, s.policies)
		for _, j := range a.Judgements {
			if j.Release != release.ReleaseID {
				continue
			}
			if j.Verdict == unship.Regressed && r.unship < 0 {
				r.unship, r.why, r.at = t, j.Why, tick.Closed.Format(time.RFC3339)
			}
			if (j.Asks || r.unship >= 0) && r.asked < 0 {
				r.asked = t
			}
		}
		for k, j := range all {
			if r.judges[k] < 0 && j.Observe(sample) {
				r.judges[k] = t
			}
		}
	}
	s.world.Withdraw()
	s.detector.Dismiss(release.ReleaseID)
	return r
}
