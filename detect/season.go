package detect

import (
	"math"
	"time"

	"unship.dev"
)

// Rules of what time alone does to a service.
const (
	slotPrior    = 2       // placebos that a slot's mean is shrunk by, towards no change
	slotForget   = 1. / 16 // of a slot, each time that it comes again
	slotSpan     = 3       // deviations at which what one placebo says is cut off
	driftPrior   = 20      // placebos that the usual drift is worth
	driftFleet   = 40      // placebos, at most, that the other services are worth
	driftMost    = 400     // placebos that are remembered
	driftWider   = 1.15    // of the deviation that is learnt
	leastDrift   = .05
	leastCounted = 10 // bad requests of both halves: fewer say nothing of a drift
)

// season is what time alone does to a service's rates. At the end of every
// history in which nothing was released a replacement is pretended at its
// start: the log of the ratio of the rates of bad requests after and before,
// operation by operation, durations by the thresholds of before. Its mean by
// time of day, of working days and of weekends, is the seasonal profile; the
// spread around what the profile foretold is the drift that the comparison with
// the past grants: both by the same pretended replacements, each foretold
// before it was seen.
type season struct {
	last  *period
	slots []slotMeans // by kind of day and time of it; nil until something is known
	drift [counts]wander
}

type slotMeans [counts]struct{ sum, n float32 }

// wander sums squared deviations beyond those of counts, by their weights.
type wander struct{ ss, weight float64 }

func (a *wander) add(b wander, times float64) {
	a.ss, a.weight = a.ss+float64(times*b.ss), a.weight+float64(times*b.weight)
}

// period is what a service did in one history.
type period struct {
	turn  int64
	units []periodUnit
}

type periodUnit struct {
	limits fixed
	own    [counts]rate // durations by the limits of this period …
	by     [counts]rate // … and by those of the one before
}

// usualDrift is the deviation of the log rate that is granted where nothing is known.
func usualDrift(count int) float64 {
	if count == countP50 {
		return .1
	}
	return .15
}

func dispersionBefore(count int) float64 {
	if count == countP50 {
		return 1
	}
	return beforePhi
}

// learnSeason takes in the history that ends with window t, if nothing was released since the one before.
func (d *Detector) learnSeason(s *service, turn int64, t int32) {
	x, length := &s.memory.season, int32(d.opt.History)
	last := x.last
	x.last = nil
	if t-length < s.first || len(s.watches) > 0 || s.released > 0 && s.released > t-2*length {
		return
	}
	x.last = s.newPeriod(turn, history{t + 1 - length, t + 1}, last)
	if last == nil || last.turn != turn-1 {
		return
	}
	slot := d.slot(s, turn-1)
	if slot < 0 {
		return
	}
	for count := range counts {
		x.pretend(slot, count, 2*d.slotsOfDay(), last, x.last)
	}
}

// newPeriod counts what all instances did in a history.
func (s *service) newPeriod(turn int64, h history, last *period) *period {
	p := &period{turn: turn, units: make([]periodUnit, len(s.units))}
	for u, x := range s.units {
		if x.callee != "" {
			continue
		}
		y := &p.units[u]
		for _, i := range s.instances {
			if u >= len(i.units) {
				continue
			}
			for k := range i.units[u] {
				if c := &i.units[u][k]; c.at >= h.from && c.at < h.to {
					for j := countFailedHere; j <= countRejected; j++ {
						y.own[j].x, y.own[j].n = y.own[j].x+float64(c.y[j]), y.own[j].n+float64(c.n)
					}
				}
			}
		}
		y.by = y.own
		y.limits.limits, y.limits.ok = x.lat.before(h.from, h.to)
		if y.limits.ok {
			x.lat.slowIn(h, &y.limits.limits, &y.own)
		}
		if last != nil && u < len(last.units) && last.units[u].limits.ok {
			x.lat.slowIn(h, &last.units[u].limits.limits, &y.by)
		}
	}
	return p
}

// slowIn counts the slow requests of a history by given limits.
func (l *latency) slowIn(h history, limits *[thresholds]int16, to *[counts]rate) {
	for _, b := range l.blocks {
		if b.at < h.from || b.at >= h.to {
			continue
		}
		for k, limit := range limits {
			y, n := b.above(limit)
			to[countP50+k].x += y
			to[countP50+k].n += n
		}
	}
}

// pretend takes in one pretended replacement.
func (x *season) pretend(slot, count, slots int, before, after *period) {
	var bad, all, seen, want float64
	for u := range before.units {
		bad, all = bad+before.units[u].own[count].x, all+before.units[u].own[count].n
	}
	mean := (bad + .5) / (all + 1)
	for u := range after.units {
		if u >= len(before.units) {
			break
		}
		r := before.units[u].own[count]
		y := after.units[u].by[count]
		seen, want = seen+y.x, want+float64(y.n*(r.x+10*mean)/(r.n+10))
	}
	if bad+seen < leastCounted || all == 0 {
		return
	}
	change := math.Log((seen + .5) / (want + .5))
	noise := dispersionBefore(count) * (1/(seen+.5) + 1/(bad+.5))
	usual := usualDrift(count) * usualDrift(count)
	says := usual / (usual + noise)
	off := change - x.mean(slot, count)
	x.drift[count].add(wander{off*off - noise, 1}, says*says)
	if w := &x.drift[count]; w.weight > driftMost {
		w.ss, w.weight = w.ss*driftMost/w.weight, driftMost
	}
	if x.slots == nil {
		x.slots = make([]slotMeans, slots)
	}
	limit := slotSpan * math.Sqrt(math.Max(usual, x.drift[count].variance())+noise)
	m := &x.slots[slot][count]
	m.sum += float32(says*math.Max(-limit, math.Min(limit, change))) - m.sum*slotForget
	m.n += float32(says) - m.n*slotForget
}

// variance is what the spread comes to by itself; 0 if nothing is known.
func (a *wander) variance() float64 {
	if a.weight == 0 {
		return 0
	}
	return math.Max(0, a.ss/a.weight)
}

// mean is the change of the log rate that is foretold for a slot.
func (x *season) mean(slot, count int) float64 {
	if slot < 0 || slot >= len(x.slots) {
		return 0
	}
	m := &x.slots[slot][count]
	return float64(m.sum / (m.n + slotPrior))
}

// slotsOfDay is how many histories a day has; 0 if it has no whole number of them.
func (d *Detector) slotsOfDay() int {
	length := time.Duration(d.opt.History) * d.opt.Window
	if 24*time.Hour%length != 0 {
		return 0
	}
	return int(24 * time.Hour / length)
}

// slot gives the place of the moment at which a service's turn begins; −1 if there is none.
func (d *Detector) slot(s *service, turn int64) int {
	n := d.slotsOfDay()
	if n == 0 {
		return -1
	}
	length := int64(d.opt.History)
	windows := turn*length - phase(s.id, length)
	kind := 0
	if w := time.Unix(0, windows*int64(d.opt.Window)).UTC().Weekday(); w == time.Saturday || w == time.Sunday {
		kind = 1
	}
	return kind*n + int(((turn%int64(n))+int64(n))%int64(n))
}

// course is what is foretold of a service from a moment on.
type course struct {
	slope  [counts]float64 // of the log rates, over a history
	length float64         // of a history, in windows
	drift  [counts]wander  // with what other services teach
}

// foretell gives the course of a service since window begin.
func (d *Detector) foretell(s *service, begin int32) (c course) {
	c.length = float64(d.opt.History)
	length := int64(d.opt.History)
	at := d.time(begin).UnixNano()/int64(d.opt.Window) + phase(s.id, length)
	turn, part := at/length, float64(at%length)/c.length
	now, next := d.slot(s, turn), d.slot(s, turn+1)
	for count := range counts {
		c.slope[count] = (1-part)*s.memory.season.mean(now, count) + part*s.memory.season.mean(next, count)
		var fleet wander
		for _, o := range d.order {
			if o.id != s.id && o.id.Environment == s.id.Environment {
				fleet.add(o.memory.season.drift[count], 1)
			}
		}
		c.drift[count] = s.memory.season.drift[count]
		if fleet.weight > 0 {
			c.drift[count].add(fleet, math.Min(1, driftFleet/fleet.weight))
		}
	}
	return c
}

// ratio is the seasonal change of a rate so many windows after the release,
// against the mean of the history before it.
func (c *course) ratio(count int, windows int32) float64 {
	if c.length == 0 {
		return 1
	}
	return math.Exp(c.slope[count] * (.5 + math.Min(1, float64(windows)/c.length)))
}

// deviation is that of the log rate which passes for drift so many windows after
// the release: what was learnt at a history's distance grows with the root of
// the distance between the middle of the times compared, and is taken to be a
// standard error more than it seems. What is usual is worth driftPrior placebos.
func (c *course) deviation(count int, windows int32) float64 {
	usual := usualDrift(count)
	w := &c.drift[count]
	if c.length == 0 || w.weight == 0 {
		return usual
	}
	reach := .5 + math.Min(1, float64(windows)/c.length)/2
	learnt := driftWider * driftWider * w.variance() * reach * (1 + math.Sqrt(2/(driftPrior+w.weight)))
	return math.Max(leastDrift, math.Sqrt((driftPrior*usual*usual+w.weight*learnt)/(driftPrior+w.weight)))
}

// ofOperations says that a signal counts requests of operations, of which a season is known.
func (s *signal) ofOperations() bool {
	switch s.kind {
	case unship.SignalErrorRatio, unship.SignalInclusiveError, unship.SignalRejectionRatio, unship.SignalSelfDuration:
		return true
	}
	return false
}
