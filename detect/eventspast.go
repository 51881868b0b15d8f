package detect

import (
	"math"
	"slices"

	"unship.dev"
	"unship.dev/detect/stat"
)

// eventShift is what the comparison with the past knows of events.
type eventShift struct {
	signals map[unship.Signal]*signal
	before  history
	fresh   int
}

// addEvents gives every known event a stream, and those that first came beside the old version.
func (p *past) addEvents(h history) {
	p.events = &eventShift{signals: eventSignals(p.w.policy.Tolerance.Ratio), before: h}
	known := p.w.svc.knownEvents(h)
	for _, e := range known {
		p.addEvent(e, weightEvents*shareKnown/float64(len(known)), false)
	}
	for t := p.w.begin; t < p.from; t++ {
		p.addFresh(t)
	}
}

// meetEvents gives the events that are new in window t a stream each.
func (p *past) meetEvents(t int32) {
	if p.addFresh(t) {
		p.rest()
	}
}

// addFresh adds the events that first came in window t, and says whether there were any.
func (p *past) addFresh(t int32) (any bool) {
	for _, e := range p.w.svc.freshEvents(t) {
		if p.w.svc.events[e].acts && p.events.fresh < maxFreshEvents {
			p.addEvent(e, weightEvents*(1-shareKnown)*orderWeight(p.events.fresh), true)
			p.events.fresh++
			any = true
		}
	}
	return any
}

// addEvent makes the stream of an event. One that is new did not come in all
// the windows before, but with less severity.
func (p *past) addEvent(event int, weight float64, fresh bool) {
	svc, h := p.w.svc, p.events.before
	old := func(i *instance) bool { return i.version != p.w.release.Version }
	what := svc.sign(event, old, h)
	s := &shiftStream{signal: p.events.signals[svc.events[event].kind], event: event + 1, milder: what.milder + 1, fresh: fresh, weight: weight, single: true}
	s.opt = stat.ShiftOptions{PreX: make([]float64, h.to-h.from), PreN: make([]float64, h.to-h.from), Phi: beforePhi}
	for t := h.from; t < h.to; t++ {
		x, n := svc.shown(what, t, old)
		s.opt.PreX[t-h.from], s.opt.PreN[t-h.from] = x, n
		s.pre.x, s.pre.n = s.pre.x+x, s.pre.n+n
	}
	if s.pre.n < minCalls {
		return
	}
	rate := (s.pre.x + .5) / (s.pre.n + 1)
	for k := range s.opt.PreN {
		s.opt.PreN[k] *= rate
	}
	s.opt.Phi = stat.Unrest(s.opt.PreX, s.opt.PreN, beforePhi)
	s.rates = []float64{rate}
	s.shift = stat.NewShift(s.opt)
	// As long as the event has not come, half-grown instances count: what begins when
	// they are grown did not begin with the release.
	candidate := func(t int32) func(i *instance) bool {
		return func(i *instance) bool {
			return i.version == p.w.release.Version && 2*i.age(t) >= int32(adolescence/p.w.window)
		}
	}
	for t := p.from; fresh && t < svc.events[event].first; t++ {
		if c, ok := p.w.contextAt(t); ok && !p.w.skipped[t] {
			x, n := svc.shown(what, t, candidate(t))
			want := n * showing(rate, p.busier(t, nil))
			s.shift.Add(x, want, p.drift(s, c.load, t-p.w.begin))
			s.post.x, s.post.n, s.want = s.post.x+x, s.post.n+n, s.want+want
		}
	}
	p.streams = append(p.streams, s)
}

// hearTrouble notes, where logs are all there is and tell of late harm, that something is
// wrong everywhere.
func (p *past) hearTrouble() {
	var telling []*shiftStream
	for k, s := range p.streams {
		if s.event > 0 && !s.stirred && p.late.ask[k] > negligible {
			telling = append(telling, s)
		}
	}
	if len(telling) > 0 && p.w.troubledElsewhere() {
		for _, s := range telling {
			s.stirred = true
		}
	}
}

// troubledElsewhere says that most services that were not released show more of what should
// not happen than before the release: where logs are all there is, nothing else tells that
// something is wrong everywhere.
func (w *watch) troubledElsewhere() bool {
	worse, all := 0, 0
	h := w.history()
	for id, s := range w.svc.estate { // counted: the order does not matter
		if s == w.svc || id == w.svc.id || id.Environment != w.svc.id.Environment || s.near(id, w) {
			continue
		}
		was, is := s.troubles(h), s.troubles(history{max(w.begin, w.next-controlWindows), w.next})
		if was.n < minCalls || is.n == 0 {
			continue
		}
		all++
		if is.x >= outsideBad/2 && is.x/is.n > outsideTimes*(was.x+1)/was.n {
			worse++
		}
	}
	return 2*worse > all
}

// troubles counts what a service's instances show that should not happen, window by window,
// and the windows in which they were heard.
func (s *service) troubles(h history) (r rate) {
	for _, i := range s.instances {
		_, windows := i.heardIn(h.from, h.to)
		r.n += float64(windows)
		for k, v := range i.events {
			if s.events[k].acts {
				from, _ := slices.BinarySearch(v, h.from)
				to, _ := slices.BinarySearch(v, h.to)
				r.x += float64(to - from)
			}
		}
	}
	return r
}

// busier is how many times the requests that an instance served before one of the
// candidate's serves, in the latest windows up to t; where nobody tells of requests, how
// many times fewer instances there are.
func (p *past) busier(t int32, out map[*instance]bool) float64 {
	now := p.w.svc.busyness(history{max(p.w.begin, t+1-controlWindows), t + 1}, func(i *instance) bool {
		return i.version == p.w.release.Version && !out[i]
	})
	switch {
	case now.n == 0:
		return 1
	case p.busy.x == 0:
		return p.busy.n / now.n
	}
	return now.x / now.n * p.busy.n / p.busy.x
}

// busyness gives the mean requests of some instances in a window, and how many instances
// were heard of in it.
func (s *service) busyness(h history, of func(*instance) bool) (r rate) {
	for _, i := range s.instances {
		if of(i) {
			requests, windows := i.heardIn(h.from, h.to)
			r.x, r.n = r.x+float64(requests), r.n+float64(windows)
		}
	}
	length := float64(max(1, h.to-h.from))
	return rate{r.x / length, r.n / length}
}

// showing is the probability that an instance shows an event which one of them did with
// probability r, now that it serves q times the requests: if single requests bring it
// about, 1−(1−r)^q; if whole instances do, r. The larger one is granted.
func showing(r, q float64) float64 {
	return math.Max(r, 1-math.Pow(1-r, q))
}

// shown gives how many of the candidate's grown instances showed an event in
// window t, and how many were heard.
func (p *past) shown(what sign, t int32, out map[*instance]bool) (x, n float64) {
	return p.w.svc.shown(what, t, func(i *instance) bool {
		return i.version == p.w.release.Version && !out[i] && i.grown(t, p.w.window)
	})
}

// shown gives how many of some instances showed an event in window t, and how many were heard.
func (s *service) shown(what sign, t int32, of func(*instance) bool) (x, n float64) {
	for _, i := range s.instances {
		if _, heard := i.heardAt(t); !heard || !of(i) {
			continue
		}
		n++
		if i.gives(what, t) {
			x++
		}
	}
	return x, n
}
