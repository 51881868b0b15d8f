package detect

import (
	"math"

	"unship.dev"
	"unship.dev/detect/stat"
)

// crossing compares requests that have to do with a release that replaced
// everything with others of the same place in the same moments: calls of a
// callee's other callers, or a caller's requests that the release did not
// answer. A control before and after would follow an outage too slowly.
type crossing struct {
	opt    stat.ProcessOptions
	proc   *stat.Process
	places []crossed
	totals []tally
}

// crossed is one stratum of a crossing.
type crossed struct {
	near   []neighbour // what the release had to do with
	others []*relation // and what it had not: of other callers …
	rest   *service    // … or of this service, the requests that the release's service did not answer
	blame  []*relation // answers of other services that are being released: what fails with them may be their doing
}

func (c *crossing) near() (out []neighbour) {
	for _, p := range c.places {
		out = append(out, p.near...)
	}
	return out
}

// newCrossing makes a crossing. Requests that have to do with the release differ
// from the others: what the odds of failing were before the release is granted.
func newCrossing(w *watch, sig *signal, from int32, places []crossed, h history) *crossing {
	c := &crossing{places: places}
	var offsets []float64
	for k := range places {
		x := places[k].table(anyPart, h)
		odds := func(bad, all int) float64 { return (float64(bad) + .5) / (float64(all-bad) + .5) }
		offsets = append(offsets, math.Max(0, math.Log(odds(x.XC, x.NC)/odds(x.XB, x.NB))))
	}
	kc, _ := w.instances(from + settleWindows)
	c.opt = stat.ProcessOptions{
		InstancesC: kc, InstancesB: kc, ExtraSD: math.Max(sig.extra, calleeSD), Threshold: math.Log(100),
		Delta: sig.delta, LogRho: math.Log(sig.ratio), Offsets: offsets,
	}
	c.restart()
	return c
}

func (c *crossing) restart() {
	c.proc, c.totals = stat.NewProcess(c.opt), make([]tally, len(c.places))
}

// step takes in window t.
func (c *crossing) step(candidate string, t int32) {
	for k := range c.places {
		x := c.places[k].table(of(candidate), history{t, t + 1})
		if x.NC > 0 && x.NB > 0 {
			c.proc.Add(k, x)
			c.totals[k].add(x)
		}
	}
	c.proc.Close()
}

// table counts a stratum in a span of time.
func (c *crossed) table(wanted func(*relationPart) bool, h history) stat.Table {
	var x stat.Table
	for k := range c.near {
		n, bad := c.near[k].rel.between(h, wanted)
		x.NC, x.XC = x.NC+int(n), x.XC+int(bad)
	}
	for _, r := range c.blame {
		_, bad := r.between(h, anyPart)
		x.XC = max(0, x.XC-int(bad))
	}
	for _, r := range c.others { // sums: the order does not matter
		n, bad := r.between(h, anyPart)
		x.NB, x.XB = x.NB+int(n), x.XB+int(bad)
	}
	if c.rest != nil {
		n, bad := c.rest.unlike(c.near, h)
		x.NB, x.XB = x.NB+n, x.XB+bad
	}
	return x
}

// unlike counts a service's requests other than those of some relations.
func (s *service) unlike(near []neighbour, h history) (n, bad int) {
	for k := len(s.load) - 1; k >= 0 && s.load[k].at >= h.from; k-- {
		if s.load[k].at < h.to {
			n, bad = n+int(s.load[k].n), bad+int(s.load[k].bad)+int(s.load[k].garbled)
		}
	}
	for k := range near {
		a, x := near[k].rel.between(h, anyPart)
		n, bad = n-int(a), bad-int(x)
	}
	return max(0, n), min(max(0, n), max(0, bad))
}

// addNearPast adds the streams that neighbours feed after everything was replaced.
func (p *past) addNearPast(d *Detector, sig *signal, h history) {
	switch sig.near {
	case atCallers:
		p.addCallers(d, sig, h)
	case atCallees:
		p.addCallees(d, sig, h)
	case unheard:
		// Since shortly before it was first seen, which version was meant for what was lost is not
		// known: one that loses calls from its start may be seen late.
		h.to = max(h.from, min(h.to, p.w.begin-seenLate))
		lost, _ := p.w.svc.lost(h)
		p.addStream(&shiftStream{signal: sig, weight: sig.weight, lost: lost}, h)
	}
}

// addCallees adds a crossing of the callees that others call as well, and a
// shift of what the others make of the release's calls.
func (p *past) addCallees(d *Detector, sig *signal, h history) {
	var places []crossed
	var lonely []neighbour
	for _, n := range d.neighbours(p.w.svc, atCallees, anyPart, h) {
		c := crossed{near: []neighbour{n}}
		var theirs uint64
		for k, r := range n.svc.callers {
			if k.unit == n.unit && k.other != p.w.svc.id && !p.w.svc.near(k.other, p.w) {
				c.others = append(c.others, r)
				all, _ := r.between(h, anyPart)
				theirs += all
			}
		}
		for k, r := range n.svc.answers {
			if k.unit == n.unit && k.other != p.w.svc.id && p.w.svc.near(k.other, p.w) {
				c.blame = append(c.blame, r)
			}
		}
		if theirs < minCalls {
			lonely = append(lonely, n)
			continue
		}
		places = append(places, c)
	}
	weight := sig.weight
	if len(places) > 0 && len(lonely) > 0 {
		weight /= 2
	}
	if len(places) > 0 {
		p.streams = append(p.streams, &shiftStream{signal: sig, weight: weight, crossing: newCrossing(p.w, sig, p.from, places, h)})
	}
	p.addHearing(&shiftStream{signal: sig, weight: weight}, [][]neighbour{lonely}, nil, h)
}

// addCallers adds what callers make of the release's answers. A caller that
// breaks by itself at that moment looks the same, unless something tells them
// apart: its requests that the release did not answer fail as well; or several
// callers, which do not break by themselves at once. Where there is neither a
// person is asked.
func (p *past) addCallers(d *Detector, sig *signal, h history) {
	var controlled []crossed
	var alone [][]neighbour
	for _, near := range p.hearers(d, sig, h) {
		c := crossed{near: near, rest: near[0].svc}
		if x := c.table(anyPart, h); x.NB >= minCalls && float64(x.NB) >= outsideShare*float64(x.NC) {
			controlled = append(controlled, c)
		} else {
			alone = append(alone, near)
		}
	}
	s := &shiftStream{signal: sig, weight: sig.weight}
	if len(controlled) > 0 && len(alone) > 0 {
		s.weight /= 2
	}
	if len(controlled) > 0 {
		c := newCrossing(p.w, sig, p.from, controlled, h)
		p.addHearing(s, [][]neighbour{c.near()}, c, h)
	}
	if len(alone) == 1 {
		asked := *sig
		asked.ambiguous = true
		s = &shiftStream{signal: &asked, weight: s.weight}
	}
	p.addHearing(&shiftStream{signal: s.signal, weight: s.weight}, alone, nil, h)
}

// hearers gives the release's callers, each with its operations: those that are
// not being released, or all where there are no others.
func (p *past) hearers(d *Detector, sig *signal, h history) [][]neighbour {
	calm, near := map[unship.Service][]neighbour{}, map[unship.Service][]neighbour{}
	for _, n := range d.neighbours(p.w.svc, sig.near, anyPart, h) {
		into := calm
		if p.w.svc.near(n.svc.id, p.w) {
			into = near
		}
		into[n.svc.id] = append(into[n.svc.id], n)
	}
	if len(calm) == 0 {
		calm = near
	}
	var out [][]neighbour
	for _, o := range p.callers { // in order
		if v := calm[o.id]; len(v) > 0 {
			out = append(out, v)
		}
	}
	return out
}

// places is how many strata a stream has.
func (s *shiftStream) places() int {
	if s.signal.near == unheard || s.flow != nil {
		return 1
	}
	if s.points != nil {
		return len(s.points.metrics)
	}
	return len(s.strata)
}

// alone is the log evidence of a shift. That calls go unanswered since the release is weighed
// by itself against a shift that came at a moment of its own. One stream shifts so with the probability
// that any does, and it is this one with its part of the weights. That others shift, such as
// durations when more is asked, does not speak against it: who answers more slowly answers.
func (p *past) alone(s *shiftStream) float64 {
	e := s.shift.LogA()
	if s.signal.near == unheard && e > negligible {
		own := p.exogenous * s.weight
		e -= stat.LogAdd(math.Log1p(-own), math.Log(own)+s.shift.LogB())
	}
	return e
}

// historyOf gives bad and all requests of a stratum by window before the release.
func (p *past) historyOf(s *shiftStream, stratum int, h history) (x, n []float64) {
	if s.signal.near == unheard {
		return p.w.svc.lostBefore(h)
	}
	if s.points != nil {
		return p.pointsBefore(s.points.pointLook, stratum, h)
	}
	return p.before(s.signal, &s.strata[stratum], h)
}

// countsOf gives the candidate's bad requests of a stratum in window t, or those that are not
// bad where these are counted, and all.
func (p *past) countsOf(s *shiftStream, stratum int, t int32, out map[*instance]bool) (x, n float64) {
	if s.signal.near == unheard {
		c := p.w.svc.askedAt(t)
		return math.Max(0, c.lost-p.lostByOthers(t)*float64(c.calls)), float64(c.calls)
	}
	if s.flow != nil {
		return p.flowAt(s.flow, t, out)
	}
	if s.points != nil {
		return p.pointsAt(s.points.pointLook, stratum, t, out)
	}
	if x, n = p.counts(s.signal, &s.strata[stratum], t, out); s.good {
		x = n - x
	}
	return x, n
}
