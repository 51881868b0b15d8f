package detect

import (
	"math"

	"unship.dev/detect/stat"
)

// crossing compares, at one callee's operations, the calls of a release that
// replaced everything with those of the callee's other callers in the same
// moments: a before/after control would follow an outage of the callee too slowly.
type crossing struct {
	opt    stat.ProcessOptions
	proc   *stat.Process
	near   []neighbour
	others [][]*relation // by stratum: of the callee's other callers that are not being released
	totals []tally
}

// addNearPast adds the streams that neighbours feed after everything was
// replaced. Callers that could not use its answers are none of them: with nothing
// old left to answer them, a caller that breaks by itself soon after an innocent
// release looks the same.
func (p *past) addNearPast(d *Detector, sig *signal, h history) {
	switch sig.near {
	case atCallees:
		if c := p.newCrossing(d, sig, h); c != nil {
			p.streams = append(p.streams, &shiftStream{signal: sig, weight: sig.weight, crossing: c})
		}
	case unheard:
		p.addStream(&shiftStream{signal: sig, weight: sig.weight}, h)
	}
}

// newCrossing finds callees that others call as well. Callers differ in what
// they ask for: what the odds of failing were before the release is granted.
func (p *past) newCrossing(d *Detector, sig *signal, h history) *crossing {
	c := &crossing{}
	var offsets []float64
	for _, n := range d.neighbours(p.w.svc, atCallees, anyPart, h) {
		var others []*relation
		var theirs, theirsBad uint64
		for k, r := range n.svc.callers {
			if k.unit == n.unit && k.other != p.w.svc.id && !p.w.svc.near(k.other, p.w) {
				others = append(others, r)
				all, bad := r.between(h, anyPart)
				theirs, theirsBad = theirs+all, theirsBad+bad
			}
		}
		if theirs < minCalls {
			continue
		}
		mine, mineBad := n.rel.between(h, anyPart)
		odds := func(bad, all uint64) float64 { return (float64(bad) + .5) / (float64(all-bad) + .5) }
		c.near, c.others = append(c.near, n), append(c.others, others)
		offsets = append(offsets, math.Max(0, math.Log(odds(mineBad, mine)/odds(theirsBad, theirs))))
	}
	if len(c.near) == 0 {
		return nil
	}
	kc, _ := p.w.instances(p.from + settleWindows)
	c.opt = stat.ProcessOptions{
		InstancesC: kc, InstancesB: kc, ExtraSD: sig.extra, Threshold: math.Log(100),
		Delta: sig.delta, LogRho: math.Log(sig.ratio), Offsets: offsets,
	}
	c.restart()
	return c
}

func (c *crossing) restart() {
	c.proc, c.totals = stat.NewProcess(c.opt), make([]tally, len(c.near))
}

// step takes in window t.
func (c *crossing) step(candidate string, t int32) {
	for k := range c.near {
		h := history{t, t + 1}
		n, bad := c.near[k].rel.between(h, of(candidate))
		x := stat.Table{NC: int(n), XC: int(bad)}
		for _, r := range c.others[k] { // sums: the order does not matter
			n, bad := r.between(h, anyPart)
			x.NB, x.XB = x.NB+int(n), x.XB+int(bad)
		}
		if x.NC > 0 && x.NB > 0 {
			c.proc.Add(k, x)
			c.totals[k].add(x)
		}
	}
	c.proc.Close()
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

// countsOf gives the candidate's bad and all requests of a stratum in window t.
func (p *past) countsOf(s *shiftStream, stratum int, t int32, out map[*instance]bool) (x, n float64) {
	if s.signal.near == unheard {
		c := p.w.svc.askedAt(t)
		return c.beyond(), float64(c.calls)
	}
	if s.flow != nil {
		return p.flowAt(s.flow, t, out)
	}
	if s.points != nil {
		return p.pointsAt(s.points.pointLook, stratum, t, out)
	}
	return p.counts(s.signal, &s.strata[stratum], t, out)
}
