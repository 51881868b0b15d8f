package detect

import (
	"fmt"
	"math"
	"slices"
	"time"

	"unship.dev"
	"unship.dev/detect/stat"
)

const (
	verifyFor     = 15 * time.Minute
	verifyStreams = 2  // signals, the strongest of each
	remains       = .1 // of the harm: less than that is recovery
)

// verification watches whether the rollback of a release helped.
type verification struct {
	release unship.ReleaseID
	since   time.Time
	svc     *service
	streams []*returning
	begin   int32 // the first window that counts; 0 while the release still serves
	still   uint64
	next    int32
}

// returning is one affected signal on its way back to what it was.
type returning struct {
	evidence
	before, bad float64
	about       string // the event
	test        *stat.Recovery
	recovered   bool
	failed      bool
	seen        rate
}

// Verify asks for the recovery of a release: from now on assessments say
// whether its signals returned to what they were before it. since is when the
// rollback was carried out. A release that was not found guilty has no signal
// to return: its recovery is unknown.
func (d *Detector) Verify(release unship.ReleaseID, since time.Time) {
	v := &verification{release: release, since: since, next: d.now + 1}
	d.checks = slices.DeleteFunc(d.checks, func(o *verification) bool { return o.release == release })
	d.checks = append(d.checks, v)
	slices.SortFunc(d.checks, func(a, b *verification) int { return a.release.Compare(b.release) })
	for _, w := range slices.Concat(d.guilty, d.watches) {
		if w.release.ReleaseID == release {
			v.svc, v.streams = w.svc, affected(w)
		}
	}
}

// affected gives the strongest stream of each signal that got worse, bounded.
func affected(w *watch) (out []*returning) {
	for _, e := range w.streams() {
		if len(out) == verifyStreams || e.share() < showFindings {
			break
		}
		if e.level != nil || e.mix != nil || e.flow != nil {
			continue // it says nothing fast enough, or nothing of what remains
		}
		known := slices.ContainsFunc(out, func(r *returning) bool { return r.signal.kind == e.signal.kind })
		before, bad, _ := e.rates()
		phi := beforePhi
		if e.cal != nil {
			phi = e.cal.MaxPhi()
		}
		test := stat.NewRecovery(stat.RecoveryOptions{Before: before, Bad: bad, Phi: phi, Delta: math.Max(.001, remains*(bad-before))})
		if known || !test.Decidable() {
			continue
		}
		about := ""
		if e.event > 0 {
			about = w.svc.events[e.event-1].words()
		}
		if e.points != nil {
			about = e.points.title(w.svc)
		}
		out = append(out, &returning{evidence: e, about: about, before: before, bad: bad, test: test})
	}
	return out
}

// verify advances all verifications and gives their states.
func (d *Detector) verify(t int32, at time.Time) (out []unship.Recovery) {
	keep := d.checks[:0]
	for _, v := range d.checks {
		r := d.verifyOne(v, t, at)
		out = append(out, r)
		if r.Status == unship.RecoveryPending {
			keep = append(keep, v)
		}
	}
	clear(d.checks[len(keep):])
	d.checks = keep
	return out
}

func (d *Detector) verifyOne(v *verification, t int32, at time.Time) unship.Recovery {
	r := unship.Recovery{Release: v.release, Status: unship.RecoveryPending, At: at}
	if len(v.streams) == 0 {
		r.Status, r.Why = unship.RecoveryUnknown, "the release was not found guilty of anything that could be measured again"
		return r
	}
	v.drain(t)
	for u := max(v.next, v.begin); v.begin != 0 && u <= t; u++ {
		for _, s := range v.streams {
			s.step(v, u)
		}
	}
	v.next = t + 1
	v.conclude(&r, d.time(t+1).Sub(v.since))
	return r
}

// drain starts the clock one window after the first in which the release served nothing.
func (v *verification) drain(t int32) {
	v.still = 0
	for _, i := range v.svc.instances {
		if i.version != v.release.Version {
			continue
		}
		for u := range i.units {
			if c := i.units[u].at(t); c != nil && v.svc.units[u].callee == "" {
				v.still += uint64(c.n)
			}
		}
	}
	switch {
	case v.still > 0:
		v.begin = 0
	case v.begin == 0:
		v.begin = t + 1
	}
}

// step takes in what all versions but the bad one did in window t.
func (s *returning) step(v *verification, t int32) {
	var x, n float64
	for k := range s.near {
		bad, all := s.near[k].counts(v.release.Version, t)
		x, n = x+bad, n+all
	}
	if s.lost {
		c := v.svc.askedAt(t)
		x, n = x+c.lost, n+float64(c.calls)
	}
	if s.event > 0 {
		bad, all := v.svc.shown(sign{s.event - 1, -1}, t, func(i *instance) bool { return i.version != v.release.Version })
		x, n = x+bad, n+all
	}
	if s.points != nil {
		bad, all := s.points.elsewhere(v.svc, v.release.Version, t)
		x, n = x+bad, n+all
	}
	for k := range s.strata {
		for _, i := range v.svc.instances {
			if i.version == v.release.Version {
				continue
			}
			if c, ok := i.read(&s.strata[k], t); ok {
				bad, all := s.signal.of(&c)
				x, n = x+float64(bad), n+float64(all)
			}
		}
	}
	s.seen.x, s.seen.n = s.seen.x+x, s.seen.n+n
	recovered, failed := s.test.Step(x, n)
	s.recovered, s.failed = s.recovered || recovered, s.failed || failed
}

func (v *verification) conclude(r *unship.Recovery, after time.Duration) {
	recovered := 0
	for _, s := range v.streams {
		if s.failed {
			r.Status = unship.NotRecovered
			r.Why = fmt.Sprintf("%s is as bad as with the release: %s", s.name(), s.compare())
			return
		}
		if s.recovered {
			recovered++
		}
	}
	s := v.streams[0]
	switch late := after >= verifyFor; {
	case recovered == len(v.streams):
		r.Status, r.Why = unship.Recovered, fmt.Sprintf("%s is back: %s", s.name(), s.compare())
	case late && v.begin == 0:
		r.Status, r.Why = unship.RecoveryUnknown, fmt.Sprintf("the release still serves (%d requests in the last window): its traffic never went away", v.still)
	case late:
		r.Status, r.Why = unship.RecoveryUnknown, fmt.Sprintf("undecided after %v: %s", verifyFor, s.compare())
	case v.begin == 0:
		r.Why = fmt.Sprintf("the release still serves (%d requests in the last window)", v.still)
	default:
		r.Why = "the release serves no more; " + s.compare()
	}
}

// name is the signal in words.
func (s *returning) name() string {
	switch {
	case s.signal.kind == unship.SignalErrorRatio:
		return "the failure ratio"
	case s.signal.kind == unship.SignalRejectionRatio:
		return "the rejection ratio"
	case s.event > 0:
		return s.about
	case s.signal.near == atCallers:
		return "the failure ratio of the callers"
	case s.signal.near == unheard:
		return "the share of calls without an answer"
	case s.signal.near == atCallees:
		return "the failure ratio of what it calls"
	case s.points != nil:
		return "the share of points of " + s.about + " that are worse than usual"
	case s.signal.latency():
		return "the share of slow requests"
	}
	return string(s.signal.kind)
}

func (s *returning) compare() string {
	now := 0.0
	if s.seen.n > 0 {
		now = s.seen.x / s.seen.n
	}
	of := "requests"
	if s.points != nil {
		of = "points"
	}
	if s.event > 0 {
		of = "windows of instances"
	}
	return fmt.Sprintf("%s in %d %s since, %s before the release, %s with it",
		percent(now), int(math.Round(s.seen.n)), of, percent(s.before), percent(s.bad))
}
