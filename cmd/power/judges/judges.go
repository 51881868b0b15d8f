// Package judges are other ways to judge a release, each from its published
// rules, to be compared with on the same simulated telemetry.
//
// A judge sees what a metrics database would show it: crude totals of the new
// instances, of the old ones, and of old ones started at the same time
// ([world.Sample]). It says, window after window, whether it would take the
// release back by now; the first yes stands. Where nothing old is left beside the
// release, only some of them can judge ([Maker.Alone]).
package judges

import (
	"math"

	"unship.dev/cmd/power/world"
)

// Judge decides on one release.
type Judge interface {
	// Observe takes in one window of the watch and says whether the release would now be taken back.
	Observe(s world.Sample) bool
}

// Maker makes a judge for one release that begins after some history.
type Maker struct {
	Name  string
	About string
	Alone bool // it needs no old instances beside the new ones
	New   func(history []Minute) Judge
}

// All are the judges, in the order in which they are shown.
func All() []Maker {
	return []Maker{
		{"Kayenta", "Mann–Whitney as NetflixACAJudge applies it, every five minutes, score below 75", false, newKayenta},
		{"Flagger", "its documented example: 99 % succeed, p99 at most 500 ms, the fifth failed minute", true, newFlagger},
		{"Argo", "its documented example each minute: 95 % succeed, more than three failed measurements", true, newArgo},
		{"z peeked", "z-tests of failures and of mean log duration at p < .001, each window", false, newPeeked},
		{"3 sigma", "failures, p50 or p99 of two minutes in a row above mean + 3 deviations of the half hour before", true, newSigma},
	}
}

// Minute is what a group did in one minute.
type Minute struct {
	Requests     int
	Failed       float64 // share
	Median, Tail float64 // seconds, at the 50 and the 99 % quantile; 0: no durations
}

// Meter makes minutes of windows.
type Meter struct {
	windows int
	group   world.Group
}

// Add takes in one window; ok says that a minute is full.
func (m *Meter) Add(g world.Group) (minute Minute, ok bool) {
	m.group.Merge(g)
	m.windows++
	if m.windows < world.Minute {
		return minute, false
	}
	minute = Minute{Requests: m.group.Requests, Median: m.group.Quantile(.5), Tail: m.group.Quantile(.99)}
	if minute.Requests > 0 {
		minute.Failed = float64(m.group.Failed) / float64(minute.Requests)
	}
	clear(m.group.Durations)
	m.windows, m.group = 0, world.Group{Durations: m.group.Durations}
	return minute, true
}

// metrics are the three figures of a minute that judges look at. Shares are in
// per cent, durations in milliseconds.
func (m Minute) metrics() [3]float64 {
	return [3]float64{100 * m.Failed, 1000 * m.Median, 1000 * m.Tail}
}

// kayenta compares the minutes of the new instances with those of fresh old ones.
type kayenta struct {
	canary, fresh   Meter
	candidate, base [3][]float64
	minutes         int
}

// What the judge's source and its documentation set.
const (
	kayentaEvery = 5  // minutes
	kayentaScore = 75 // marginal: below it the release fails
)

func newKayenta([]Minute) Judge { return &kayenta{} }

// Observe implements [Judge].
func (k *kayenta) Observe(s world.Sample) bool {
	c, ok := k.canary.Add(s.Canary)
	b, _ := k.fresh.Add(s.Fresh)
	if !ok {
		return false
	}
	for m := range k.candidate {
		k.candidate[m] = append(k.candidate[m], c.metrics()[m])
		k.base[m] = append(k.base[m], b.metrics()[m])
	}
	k.minutes++
	if k.minutes%kayentaEvery != 0 {
		return false
	}
	pass, all := 0, 0
	for m := range k.candidate {
		if m > 0 && c.Median == 0 {
			continue
		}
		all++
		if !High(k.candidate[m], k.base[m]) {
			pass++
		}
	}
	return 100*pass < kayentaScore*all
}

// flagger counts failed checks of the new instances alone; the count never falls.
type flagger struct {
	meter  Meter
	failed int
}

const (
	flaggerSuccess = .99
	flaggerTail    = .5 // seconds
	flaggerChecks  = 5
)

func newFlagger([]Minute) Judge { return &flagger{} }

// Observe implements [Judge].
func (f *flagger) Observe(s world.Sample) bool {
	m, ok := f.meter.Add(s.Canary)
	if ok && m.Requests > 0 && (1-m.Failed < flaggerSuccess || m.Tail > flaggerTail) {
		f.failed++
	}
	return f.failed >= flaggerChecks
}

// argo counts failed measurements of the new instances alone.
type argo struct {
	meter  Meter
	failed int
}

const (
	argoSuccess = .95
	argoLimit   = 3
)

func newArgo([]Minute) Judge { return &argo{} }

// Observe implements [Judge].
func (a *argo) Observe(s world.Sample) bool {
	m, ok := a.meter.Add(s.Canary)
	if ok && m.Requests > 0 && 1-m.Failed < argoSuccess {
		a.failed++
	}
	return a.failed > argoLimit
}

// peeked is a textbook test that is looked at after every window as if it were the only time.
type peeked struct{ canary, base sums }

// sums are what the tests need of one group.
type sums struct{ n, failed, timed, log, square float64 }

// critical is the two-sided quantile of p = .001.
const critical = 3.2905

func newPeeked([]Minute) Judge { return &peeked{} }

// Observe implements [Judge].
func (p *peeked) Observe(s world.Sample) bool {
	p.canary.add(s.Canary)
	p.base.add(s.Baseline)
	a, b := &p.canary, &p.base
	if a.n == 0 || b.n == 0 {
		return false
	}
	pool := (a.failed + b.failed) / (a.n + b.n)
	se := math.Sqrt(pool * (1 - pool) * (1/a.n + 1/b.n))
	if se > 0 && (a.failed/a.n-b.failed/b.n)/se > critical {
		return true
	}
	if a.timed < 30 || b.timed < 30 {
		return false
	}
	se = math.Sqrt(a.variance()/a.timed + b.variance()/b.timed)
	return (a.log/a.timed-b.log/b.timed)/se > critical
}

func (s *sums) add(g world.Group) {
	s.n += float64(g.Requests)
	s.failed += float64(g.Failed)
	for k, n := range g.Durations {
		x := float64(k)
		s.timed, s.log, s.square = s.timed+float64(n), s.log+x*float64(n), s.square+x*x*float64(n)
	}
}

func (s *sums) variance() float64 {
	mean := s.log / s.timed
	return s.square/s.timed - mean*mean
}

// sigma is the usual alert on a control chart.
type sigma struct {
	meter Meter
	limit [3]float64
	over  [3]int
}

const sigmaInARow = 2

func newSigma(history []Minute) Judge {
	s := &sigma{}
	for m := range s.limit {
		var sum, square float64
		for _, x := range history {
			v := x.metrics()[m]
			sum, square = sum+v, square+v*v
		}
		n := float64(len(history))
		mean := sum / n
		s.limit[m] = mean + 3*math.Sqrt(math.Max(0, square/n-mean*mean))
	}
	return s
}

// Observe implements [Judge].
func (s *sigma) Observe(x world.Sample) bool {
	m, ok := s.meter.Add(x.Canary)
	if !ok {
		return false
	}
	for k, v := range m.metrics() {
		if v > s.limit[k] {
			s.over[k]++
		} else {
			s.over[k] = 0
		}
		if s.over[k] >= sigmaInARow {
			return true
		}
	}
	return false
}
