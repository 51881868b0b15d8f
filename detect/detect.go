// Package detect judges releases: is the new version worse than what it
// replaced, and which of several releases is to blame?
//
// In: ticks of windows in order of event time, the releases that began, and the
// policies. Out: one assessment a tick, with a judgement of every release under
// watch, the blame of every environment, and the recoveries that were asked for.
//
// Every signal of a release (failures, rejections, self duration, calls) is a
// sequential test: an e-process that may be looked at after every window. While
// old and new serve side by side they are compared in the same moments; when
// nothing old is left, with the service's own past and with the other services.
// Evidence is a weighted average of e-values (Vovk & Wang 2021), so the number
// of operations and signals is paid for once and for all.
//
// The package is pure: no wall clock, no randomness, no I/O, no goroutines. The
// same ticks give the same assessments. A Detector is not safe for concurrent
// use. Nothing here fails while it runs: what cannot be judged is inconclusive,
// with the reason.
package detect

import (
	"fmt"
	"time"

	"unship.dev"
	"unship.dev/rules"
)

// Options are the settings of a Detector. The zero value of a field means its default.
type Options struct {
	Window    time.Duration // length of a window; default 5 s
	History   int           // windows of history that a comparison learns from; default 360
	Services  int           // services kept at once; default 5000
	Instances int           // instances kept for one service; default 200
	Placebos  int           // placebo releases watched at once; default none
	Leave     Parts         // what an evaluation leaves out; default nothing
}

func (o Options) withDefaults() Options {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	if o.Window == 0 {
		o.Window = 5 * time.Second
	}
	def(&o.History, 360)
	def(&o.Services, 5000)
	def(&o.Instances, 200)
	return o
}

func (o Options) validate() error {
	switch {
	case o.Window < time.Second:
		return fmt.Errorf("detect options: window is %v; want 1s or more", o.Window)
	case o.History < 60 || o.History > 10000:
		return fmt.Errorf("detect options: history is %d windows; want 60 to 10000", o.History)
	case o.Services < 1 || o.Instances < 1:
		return fmt.Errorf("detect options: services and instances are %d and %d; want 1 or more of each", o.Services, o.Instances)
	case o.Placebos < 0 || o.Placebos > maxPlacebos:
		return fmt.Errorf("detect options: placebos is %d; want 0 to %d", o.Placebos, maxPlacebos)
	}
	return nil
}

// Detector is the state of all services and of all releases under watch.
type Detector struct {
	opt      Options
	signals  []*signal // at the usual tolerance: what services teach each other
	services map[unship.Service]*service
	order    []*service                     // sorted
	watches  []*watch                       // sorted
	watched  map[unship.ReleaseID]time.Time // when each release under watch now or before was first seen
	guilty   []*watch                       // the last regressed ones whose watch is over: they may yet be verified
	checks   []*verification
	changes  []*placebo   // watches of changes without a new version
	rumours  []rumour     // releases that were announced and not seen, oldest first
	ended    []*candidate // whose watch is over, oldest first
	audit    audit
	epoch    time.Time                  // start of the first window, which has index 1
	spreads  map[spreadKey]estateSpread // of levels in the estate, by block
	now      int32                      // the latest window; 0: none
	swept    int32
	dropped  uint64  // details that ingest had no room for, so far
	gaps     []int32 // windows between the latest ticks
}

// New makes a Detector that has seen nothing.
func New(o Options) (*Detector, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	return &Detector{
		opt: o, signals: signalsFor(rules.Default(unship.ModeObserve).Tolerance),
		services: map[unship.Service]*service{}, watched: map[unship.ReleaseID]time.Time{},
		spreads: map[spreadKey]estateSpread{},
		audit:   audit{slots: make([]slotOfAudit, o.Placebos), day: -1},
	}, nil
}

// Observe advances by one tick. releases are those new or changed in this tick;
// policies give each release its settings. Ticks must come in order of time;
// one that is not later than the last is ignored.
func (d *Detector) Observe(tick unship.Tick, releases []unship.Release, policies rules.Set) unship.Assessment {
	a := unship.Assessment{At: tick.Closed}
	if d.now == 0 {
		d.epoch = tick.Start
	}
	t := int32(tick.Start.Sub(d.epoch)/d.opt.Window) + 1
	if t <= d.now {
		return a
	}
	for _, r := range releases {
		d.release(r, policies, t)
	}
	a.Outage = d.outage(&tick, t)
	d.dropped += tick.Losses.Dropped
	d.now = t
	d.read(&tick, t)
	d.readChanges(&tick, t)
	d.remember(tick.Start, t)
	for _, w := range d.watches {
		if a.Outage != "" {
			w.skipped[t] = true
		}
		w.note(t)
		d.advance(w, t)
	}
	d.hearRumours(&tick, policies, t)
	d.judge(&a, t)
	d.runAudit(&a, &tick, policies, t)
	a.Recoveries = d.verify(t, tick.Closed)
	d.sweep(t)
	return a
}

// lateRelease is by how many windows a release may be told after it began to
// serve; its watch then begins where it did.
const lateRelease = 12

// release begins the watch of a release, or takes in what became known of it.
func (d *Detector) release(r unship.Release, policies rules.Set, t int32) {
	for _, w := range d.watches {
		if w.release.ReleaseID == r.ReleaseID {
			w.release = r
			return
		}
	}
	if first, ok := d.watched[r.ReleaseID]; ok && first.Equal(r.FirstSeen) {
		return // its watch is over
	}
	begin := int32(r.FirstSeen.Sub(d.epoch)/d.opt.Window) + 1
	begin = max(min(begin, t), t-lateRelease, 1)
	if r.Change != (unship.Change{}) {
		d.alter(r, policies.For(r.Service), begin)
		return
	}
	d.openWatch(r, policies.For(r.Service), begin)
}

// Dismiss ends the watch of a release: a person said that it is not the cause.
func (d *Detector) Dismiss(release unship.ReleaseID) {
	for _, w := range d.watches {
		if w.release.ReleaseID == release {
			w.closing = "a person said that it is not the cause"
			w.dismissed = true
		}
	}
}
