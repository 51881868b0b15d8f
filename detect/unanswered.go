package detect

import (
	"math"
	"slices"

	"unship.dev"
	"unship.dev/detect/stat"
)

// Rules of calls that nobody answers.
const (
	lostTolerated = .005 // of the calls: so many are lost while instances come and go
	lostRatio     = 1.25
	shareWindows  = 12 // calm windows that tell the release's share of the traffic
	sparesFor     = 6  // windows with lost calls, until which it is too early to tell whose they were
	seenLate      = 6  // windows by which a version that loses calls may be seen late
	fellSilent    = 2  // windows without a request after which an instance that had some is silent
	maxNames      = 256
)

// askedCell counts, in one window, the calls to a service that its callers know of.
type askedCell struct {
	at            int32
	calls, unseen uint64
	lost          float64
	received      []receivedCell // by whom, of those that were lost, as far as it is known
	elsewhere     float64        // part of the calls to other services that were lost
}

// receivedCell counts lost calls that a version is known to have got.
type receivedCell struct {
	version string
	calls   float64
}

// receivedBy is how many of the lost calls a version is known to have got.
func (c *askedCell) receivedBy(version string) float64 {
	for _, r := range c.received {
		if r.version == version {
			return math.Min(r.calls, c.lost)
		}
	}
	return 0
}

func (c *askedCell) receive(version string, calls float64) {
	k := slices.IndexFunc(c.received, func(r receivedCell) bool { return r.version == version })
	if k < 0 {
		k = len(c.received)
		c.received = append(c.received, receivedCell{version: version})
	}
	c.received[k].calls += calls
}

// learnNames notes under which names a caller calls whom, as far as answers
// tell. A name under which several services answer is nobody's.
func learnNames(s *service, w *unship.Window) {
	for k := range w.Operations {
		for _, c := range w.Operations[k].Calls {
			for _, a := range c.Answered {
				known, ok := s.names[c.Callee]
				switch {
				case !ok && len(s.names) < maxNames:
					s.names[c.Callee] = a.Release.Service
				case ok && known != a.Release.Service:
					s.names[c.Callee] = unship.Service{}
				}
			}
		}
	}
}

// ask counts a caller's calls at the services that it called.
func (d *Detector) ask(s *service, w *unship.Window, t int32) {
	for k := range w.Operations {
		for _, c := range w.Operations[k].Calls {
			callee := d.services[s.names[c.Callee]]
			if callee == nil || callee == s {
				continue
			}
			if k := len(callee.asked) - 1; k < 0 || callee.asked[k].at != t {
				callee.asked = append(callee.asked, askedCell{at: t})
			}
			x := &callee.asked[len(callee.asked)-1]
			x.calls, x.unseen, x.lost = x.calls+c.Total, x.unseen+c.Unseen, x.lost+lostOf(&c)
			for _, r := range c.Received {
				if r.Release.Service == callee.id {
					x.receive(r.Release.Version, float64(r.Unanswered))
				}
			}
		}
	}
}

// lostElsewhere tells every service which part of the calls to others was lost in window t:
// a network or a tracer that loses the calls of all is not a release's doing.
func (d *Detector) lostElsewhere(t int32) {
	sums := map[string]askedCell{}
	for _, s := range d.order {
		x, all := s.askedAt(t), sums[s.id.Environment]
		sums[s.id.Environment] = askedCell{calls: all.calls + x.calls, lost: all.lost + x.lost}
	}
	for _, s := range d.order {
		if k := len(s.asked) - 1; k >= 0 && s.asked[k].at == t {
			x, all := &s.asked[k], sums[s.id.Environment]
			x.elsewhere = math.Max(0, all.lost-x.lost) / math.Max(1, float64(all.calls-x.calls))
		}
	}
}

// lostOf is how many calls were lost: those that nobody was seen to answer, less the
// failed ones of which the answer is not seen because the callee's spans get lost, as
// large a part of them as of those that ended well.
func lostOf(c *unship.Call) float64 {
	lost, failed := float64(min(c.Total, c.Unanswered)), float64(min(c.Total, max(c.Failed, c.Unanswered)))
	unseen := float64(c.Unseen) / math.Max(1, float64(c.Total)-failed)
	return math.Max(0, lost-float64(failed*unseen))
}

// askedAt gives what was asked of a service in window t.
func (s *service) askedAt(t int32) askedCell {
	k, ok := slices.BinarySearchFunc(s.asked, t, func(c askedCell, t int32) int { return int(c.at - t) })
	if !ok {
		return askedCell{}
	}
	return s.asked[k]
}

// askedBefore gives the mean number of calls to the service in a window.
func (s *service) askedBefore(h history) float64 {
	_, calls := s.lost(h)
	return calls / float64(max(1, h.to-h.from))
}

// surges says that the service is called more, beyond the dead zone, than before.
func (s *service) surges(t int32, before float64) bool {
	is := s.askedBefore(history{t - loadWindows + 1, t + 1})
	return math.Log((is+1)/(before+1)) > loadDeadZone
}

// lostByOthers is the part of the calls that others lose in window t as well: of all
// the others' or, when the service is called more than before, the largest that one
// loses which is so, too. Who calls the service may lose calls because of it.
func (p *past) lostByOthers(t int32) float64 {
	part := float64(p.w.svc.askedAt(t).elsewhere)
	if !p.w.svc.surges(t, p.asked) {
		return part
	}
	h := p.w.history()
	for id, o := range p.w.svc.estate { // the largest: the order does not matter
		if id == p.w.svc.id || id.Environment != p.w.svc.id.Environment || slices.Contains(p.callers, o) || !o.surges(t, o.askedBefore(h)) {
			continue
		}
		if lost, calls := o.lost(history{t - loadWindows + 1, t + 1}); calls >= minCalls {
			part = math.Max(part, lost/calls)
		}
	}
	return part
}

// lostBefore gives lost calls, and those that would have been tolerated, and all calls,
// by window.
func (s *service) lostBefore(h history) (x, n []float64) {
	x, n = make([]float64, h.to-h.from), make([]float64, h.to-h.from)
	for _, c := range s.asked {
		if c.at >= h.from && c.at < h.to {
			x[c.at-h.from], n[c.at-h.from] = c.lost+float64(lostTolerated*float64(c.calls)), float64(c.calls)
		}
	}
	return x, n
}

// tolerate makes the past of lost calls as certain as it is. The rate of those that were lost,
// so many of so many calls, is as uncertain as its counts make it; the rate that would have been
// tolerated beside them is not, although it is among the counts. A gamma distribution with the
// mean and the variance of the sum has so many times the counts of both.
func tolerate(o *stat.ShiftOptions, lost, calls float64) {
	times := 1 + lostTolerated*calls/(lost+.5)
	for k := range o.PreX {
		o.PreX[k], o.PreN[k] = o.PreX[k]*times, o.PreN[k]*times
	}
}

// blindShare is how much more of the calls to a service, in so many windows, may have no
// span of it than before.
const (
	blindShare   = .03
	blindWindows = 6
)

// blind says that spans of the release's service get lost that came before: its callers
// tell of more answers of which there is none, or more of its requests than before must have
// called what no call of theirs is seen of. What it calls itself cannot be told then,
// nor what of its time is its own.
func (w *watch) blind(t int32) bool {
	now, before := history{t + 1 - blindWindows, t + 1}, w.history()
	return w.svc.unseen(now) > w.svc.unseen(before)+blindShare || partialOf(w.candidates(), now) > partialOf(w.svc.instances, before)+blindShare
}

// partialOf is the share of some instances' requests of which spans are known to be missing.
func partialOf(list []*instance, h history) float64 {
	partial, all := uint64(0), uint64(0)
	for _, i := range list {
		for k := len(i.heard) - 1; k >= 0 && i.heard[k].at >= h.from; k-- {
			if c := &i.heard[k]; c.at < h.to {
				partial, all = partial+uint64(c.partial), all+c.n
			}
		}
	}
	return float64(partial) / float64(max(1, all))
}

// unseen is the share of the calls to a service that ended well without a span of it.
func (s *service) unseen(h history) float64 {
	unseen, calls := uint64(0), uint64(0)
	for _, c := range s.asked {
		if c.at >= h.from && c.at < h.to {
			unseen, calls = unseen+c.unseen, calls+c.calls
		}
	}
	return float64(unseen) / float64(max(1, calls))
}

// lost counts the calls that nobody answered, and all calls.
func (s *service) lost(h history) (lost, calls float64) {
	for _, c := range s.asked {
		if c.at >= h.from && c.at < h.to {
			lost, calls = lost+c.lost, calls+float64(c.calls)
		}
	}
	return lost, calls
}
