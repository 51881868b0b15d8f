package detect

import (
	"math"
	"slices"

	"unship.dev"
	"unship.dev/detect/blame"
	"unship.dev/detect/stat"
)

// rival is another release that would explain a change, had it begun with it.
type rival struct {
	at    int     // window in which it began, counted from the release it is a rival of
	prior float64 // that it is bad in a way that shows here
}

// meetNeighbours notes who calls the service and whom it calls.
func (p *past) meetNeighbours(d *Detector) {
	calls, answers := map[unship.Service]bool{}, map[unship.Service]bool{}
	own := p.w.svc
	if s := d.services[own.id]; s != nil { // of which own may be a copy
		own, p.of = s, s
	}
	for k := range own.callers {
		calls[k.other] = true
	}
	for k := range own.answers {
		answers[k.other] = true
	}
	for _, o := range d.order {
		for k := range o.answers { // who calls it by its own word
			calls[o.id] = calls[o.id] || k.other == p.w.svc.id
		}
		if o.id == p.w.svc.id || o.id.Environment != p.w.svc.id.Environment || d.leaves(PartNeighbours) {
			continue
		}
		if calls[o.id] {
			p.callers = append(p.callers, o)
		}
		if answers[o.id] {
			p.callees = append(p.callees, o)
		}
	}
}

// rivalsOf gives the neighbours' releases that would explain a change of a
// signal at the service's own instances: callees whose answers it cannot use, so that
// it fails or calls nobody further, callers whose requests make it fail or slow. Failures that are counted from
// callers that are not being released are no caller's doing.
func (p *past) rivalsOf(sig *signal) (out []rival) {
	if sig.near != nowhere {
		return nil
	}
	out = p.addOwnRivals(out)
	for _, o := range p.callees {
		out = p.addRival(out, o, blame.PriorNeighbour*math.Exp(-p.unexplained(sig, o)))
	}
	if sig.kind == unship.SignalErrorRatio && p.outside {
		return out
	}
	for _, o := range p.callers {
		out = p.addRival(out, o, blame.PriorNeighbour)
	}
	return out
}

// unexplained is the log evidence of operations that a callee's release cannot explain, for
// they do not call it: those that call it may fail by it, all at once and just then, but not these.
func (p *past) unexplained(sig *signal, callee *service) (logE float64) {
	for _, s := range p.streams {
		if s.signal == sig && s.single && s.slice == "" && s.shift != nil && !p.w.svc.asks(s.units, callee) {
			logE += math.Max(0, s.shift.LogA())
		}
	}
	return logE
}

// asks says that any of some operations calls a service.
func (s *service) asks(units []int, callee *service) bool {
	return slices.ContainsFunc(s.units, func(u *unit) bool {
		return u.callee != "" && s.names[u.callee] == callee.id && slices.ContainsFunc(units, func(k int) bool { return s.units[k].operation == u.operation })
	})
}

// addOwnRivals adds other releases of the service itself: what changes with
// a flag is not the version's doing, and the other way round.
func (p *past) addOwnRivals(out []rival) []rival {
	s := p.of
	if s == nil {
		return out
	}
	if p.w.release.Change == (unship.Change{}) {
		if s.altered > 0 {
			out = addMoment(out, int(s.altered-p.w.begin), blame.PriorRelease)
		}
		return out
	}
	for _, x := range s.watches {
		out = addMoment(out, int(x.begin-p.w.begin), blame.PriorRelease)
	}
	return out
}

func addMoment(out []rival, at int, prior float64) []rival {
	if at < -stat.MaxMoment || at > stat.MaxMoment {
		return out
	}
	return append(out, rival{at, prior})
}

// addRival adds the latest release of a service if it began near this one.
func (p *past) addRival(out []rival, s *service, prior float64) []rival {
	if s.released == 0 {
		return out
	}
	return addMoment(out, int(s.released-p.w.begin), prior)
}

// outsideOf is the log evidence that a change is not the release's: it came at
// a moment of its own, or with the release of a neighbour. It is relative to
// the probability of a shift from outside.
func (p *past) outsideOf(s *stat.Shift, rivals []rival) float64 {
	b := s.LogB()
	for _, r := range rivals {
		at := r.at
		if at > 0 { // what came while old and new served side by side is not counted
			at = max(0, at-int(p.from-p.w.begin))
		}
		b = stat.LogAdd(b, math.Log(r.prior/p.exogenous)+s.WorseSince(at))
	}
	return b
}

// How many bad requests of their own old instances may have while they end: such as are cut
// off fail, and are not refused.
const (
	failedStrays = 1
	otherStrays  = .1
)

// onBoth is the log evidence that a change came from outside while both versions served: then the
// old one showed it as well, as often as the new one does, and more than old instances do while
// they end. It is relative to the probability of a shift from outside, which is as likely in any window.
func (p *past) onBoth(s *shiftStream) float64 {
	if s.signal.near != nowhere || s.signal.latency() || s.good || s.flow != nil || s.points != nil || s.event > 0 || s.post.n == 0 {
		return math.Inf(-1)
	}
	ending, requests, x := otherStrays, 0.0, 0.0
	if s.signal.failure() {
		ending = failedStrays
	}
	for k := range s.rates {
		sum := p.w.svc.sum(&s.strata[k], isVersion(p.w.baseline), history{p.w.begin, p.w.next})
		x, requests, ending = x+sum.y[s.signal.count], requests+sum.n, ending+sum.n*s.rates[k]
	}
	alike := requests * s.post.x / s.post.n
	if x == 0 || alike <= ending {
		return math.Inf(-1)
	}
	shown := (x*math.Log(alike/ending) - alike + ending) / math.Max(1, s.opt.Phi)
	if shown <= 0 {
		return math.Inf(-1)
	}
	return s.shift.WorseSince(0) + shown - math.Log(2*stat.MaxMoment+1)
}
