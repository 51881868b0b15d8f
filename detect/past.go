package detect

import (
	"math"
	"slices"

	"unship.dev"
	"unship.dev/detect/stat"
)

// newPast makes the comparison with the past, counting from window from.
func (d *Detector) newPast(w *watch, from int32) *past {
	p := &past{grounds: grounds{w: w, from: from, exogenous: pExogenous, course: d.foretell(w.svc, w.begin), served: map[int]bool{}, well: w.servedWell(), called: w.svc.called(w.history())}}
	if d.leaves(PartTime) {
		p.exogenous = 1e-12
	}
	p.begin()
	h := w.history()
	own := history{h.from, max(from, w.begin)} // what the old version did beside the new one is its past as well
	p.outside = w.outsiders(h) && !d.leaves(PartNeighbours)
	old := func(i *instance) bool { return i.version != w.release.Version }
	p.asked, p.busy = w.svc.askedBefore(h), w.svc.busyness(h, old)
	p.meetNeighbours(d)
	ops, calls := w.svc.traffic(ofRequests, old, h), w.svc.traffic(ofCalls, old, h)
	for _, u := range ops {
		p.served[u.unit] = u.requests > 0
	}
	look := w.svc.looks(old, h, ops)
	for _, sig := range w.signals {
		switch {
		case sig.kind == unship.SignalThroughput:
			if !w.svc.logged {
				p.addFlows(sig, ops, h)
			}
		case sig.whether != nil: // the past tells no instances apart
		case sig.unit == ofWhole: // what is called may be slow by itself: a person is asked
			x := *sig
			x.ambiguous = true
			p.addSignal(&x, x.weight, w.svc.traffic(ofWhole, old, h), &look, own)
		case sig.near != nowhere && d.leaves(PartNeighbours):
		case sig.near != nowhere:
			p.addNearPast(d, sig, h)
		case sig.unit == ofCalls:
			p.addSignal(sig, sig.weight, calls, &look, own)
		case sig.ownTime() && sig.count == countP50+thresholds-1:
			x := *sig
			x.beyond = true
			p.addSignal(sig, sig.weight/2, ops, &look, own)
			p.addSignal(&x, sig.weight/2, ops, &look, own)
		case sig.kind != unship.SignalInclusiveError: // what is called may fail by itself
			p.addSignal(sig, sig.weight, ops, &look, own)
		}
	}
	p.addTrends(d, h)
	p.addPoints(d, h)
	p.addEvents(h)
	p.rest()
	p.lookBack(nil)
	return p
}

// begin makes the past one that has no evidence yet.
func (p *past) begin() {
	p.release, p.late = stat.NewShiftRelease(p.exogenous, beforeThreshold/4), newLateHarm(p.exogenous, p.well, p.w.svc.apart)
}

// servedWell is for how many windows a release that has replaced everything served beside
// the old version without harm; 0 if it is not known to have.
func (w *watch) servedWell() int {
	if w.conc == nil || w.frozen >= 0 || w.conc.risen() != nil || w.samples.Candidate < clearRequests {
		return 0
	}
	return int(w.switched - w.begin)
}

// evidence is the log e-value to judge the release, and to ask about it.
func (p *past) evidence() (judge, ask float64) {
	return p.late.beside(p.sparing(p.release.LogE()), p.late.acts.LogE(), p.late.asks.LogE())
}

// rest sets the weights that the release's evidence is made of.
func (p *past) rest() {
	p.weights, p.late.weights = p.weights[:0], p.late.weights[:0]
	for _, s := range p.streams {
		late := 0.0
		if p.late.tells(p, s) {
			late = s.weight
		}
		p.weights, p.late.weights = append(p.weights, s.weight), append(p.late.weights, late)
	}
	p.logA, p.logB = make([]float64, len(p.streams)), make([]float64, len(p.streams))
	p.late.act, p.late.ask, p.late.outside = make([]float64, len(p.streams)), make([]float64, len(p.streams)), make([]float64, len(p.streams))
}

func (p *past) addSignal(sig *signal, weight float64, units []share, look *looks, h history) {
	kept := units[:0:0]
	for _, u := range units {
		if u.requests >= minCalls && (!sig.latency() || u.unit < len(p.w.limits) && p.w.limits[u.unit].ok) {
			kept = append(kept, u)
		}
	}
	if len(kept) == 0 {
		return
	}
	if sig.kind == unship.SignalErrorRatio {
		weight += weightFailed + weightFailing
	}
	index := make([]int, len(kept))
	for k, u := range kept {
		index[k] = u.unit
	}
	p.addStream(&shiftStream{signal: sig, units: index, strata: wholeUnits(index), weight: weight / 2}, h)
	rest := weight/2 - p.addSlices(sig, look, weight/4, h)
	single := kept[:min(len(kept), beforeSingle)]
	for k, part := range spread(single) {
		p.addStream(&shiftStream{signal: sig, units: index[k : k+1], strata: wholeUnits(index[k : k+1]), weight: rest * part, single: true}, h)
	}
}

// addSlices gives slices streams of their own and tells how much weight they
// take. Durations by slice are not kept at the thresholds of the past, and who
// fails for a caller that is being released itself cannot be told by slice.
func (p *past) addSlices(sig *signal, look *looks, weight float64, h history) float64 {
	if sig.unit == ofCalls || sig.latency() || sig.kind == unship.SignalErrorRatio && p.outside {
		return 0
	}
	streams := look.streams()
	for k, x := range streams {
		s := &shiftStream{signal: sig, slice: x.name, strata: x.strata, weight: weight * orderWeight(k), single: true}
		for _, st := range x.strata {
			s.units = append(s.units, st.unit)
		}
		p.addStream(s, h)
	}
	if len(streams) == 0 {
		return 0
	}
	return weight
}

// addStream learns the rates before the release. Exposure is the number of bad
// requests that the rates of the single operations predict, so that another
// mix of operations changes nothing.
//
// What is granted is a drift of the log rate, which is nearly that of the log odds where
// the rate is small. A rate above one half cannot even double: of a call that two in five
// requests make, none at all would pass for drift. There the requests that are not bad
// are counted, which are the fewer, and fewer of them are looked for.
func (p *past) addStream(s *shiftStream, h history) {
	length := int(h.to - h.from)
	x, n := make([][]float64, s.places()), make([][]float64, s.places())
	var all rate
	sums := make([]rate, s.places())
	for k := range sums {
		x[k], n[k] = p.historyOf(s, k, h)
		for i := range length {
			sums[k].x, sums[k].n = sums[k].x+x[k][i], sums[k].n+n[k][i]
		}
		all.x, all.n = all.x+sums[k].x, all.n+sums[k].n
	}
	if all.n < minCalls {
		return
	}
	if s.good = s.signal.unit == ofCalls && all.x > all.n/2; s.good {
		all.x = all.n - all.x
		for k := range sums {
			sums[k].x = sums[k].n - sums[k].x
			for i := range length {
				x[k][i] = n[k][i] - x[k][i]
			}
		}
	}
	mean := (all.x + .5) / (all.n + 1)
	s.opt = stat.ShiftOptions{PreX: make([]float64, length), PreN: make([]float64, length), Phi: beforePhi, Lenient: s.signal.latency(), Fall: s.good}
	s.opt.Late = p.w.release.Change != (unship.Change{}) // it takes time to reach all instances
	if s.signal.near == unheard {                        // hardly any call is lost before, nearly all after instances die, and they may live for a while
		s.opt.Late, s.opt.Grid = true, stat.Grid(1.12, 30000, 18)
	}
	if s.signal.latency() && s.signal.count == countP50 {
		s.opt.Phi = 1
	}
	for k := range sums {
		r := (sums[k].x + 10*mean) / (sums[k].n + 10)
		s.rates = append(s.rates, r)
		for i := range length {
			s.opt.PreX[i] += x[k][i]
			s.opt.PreN[i] += n[k][i] * r
		}
	}
	s.opt.Phi = stat.Unrest(s.opt.PreX, s.opt.PreN, s.opt.Phi)
	switch {
	case s.points != nil:
		s.opt.Phi = s.scattered()
	case s.signal.near == unheard:
		tolerate(&s.opt, s.lost, all.n)
	}
	s.pre = all
	s.shift = stat.NewShift(s.opt)
	p.streams = append(p.streams, s)
}

// follows says that what a stream counts may follow from calls that fail: what is thrown
// and logged about it, waiting for it, and calls that are not made any more.
func (s *shiftStream) follows() bool {
	return s.event > 0 || s.signal.unit == ofWhole || s.signal.unit == ofCalls && s.signal.count == countNoCall
}

// before gives the bad and all requests of a stratum by window.
func (p *past) before(sig *signal, st *stratum, h history) (x, n []float64) {
	x, n = make([]float64, h.to-h.from), make([]float64, h.to-h.from)
	svc := p.w.svc
	switch {
	case sig.latency():
		p.durationsBefore(sig, st.unit, h, x, n)
	case sig.kind == unship.SignalErrorRatio && p.outside:
		for k, v := range svc.callers {
			if k.unit == st.unit && !svc.near(k.other, p.w) {
				v.spread(h, func(q *relationPart) bool { return q.own != p.w.release.Version }, x, n) // whole numbers: the order of the map does not matter
			}
		}
	default:
		for _, i := range svc.instances {
			if i.version == p.w.release.Version {
				continue
			}
			v := i.series(st)
			for k := range v {
				if c := &v[k]; c.at >= h.from && c.at < h.to {
					bad, all := sig.of(c)
					x[c.at-h.from] += float64(bad)
					n[c.at-h.from] += float64(all)
				}
			}
		}
	}
	return x, n
}

// durationsBefore spreads the blocks of the past evenly over their windows.
func (p *past) durationsBefore(sig *signal, unit int, h history, x, n []float64) {
	l := p.w.svc.units[unit].lat
	for _, b := range l.blocks {
		if b.at >= h.to {
			break
		}
		first, last := max(b.at, h.from), min(b.at+b.len, h.to)
		if first >= last {
			continue
		}
		limit := p.w.limits[unit].limits[sig.count-countP50]
		if sig.beyond {
			limit = p.w.limits[unit].beyond
		}
		y, all := b.above(limit)
		for t := first; t < last; t++ {
			x[t-h.from] += y / float64(last-first)
			n[t-h.from] += all / float64(last-first)
		}
	}
}

// step takes in window t and weighs what is known by then.
func (p *past) step(t int32) {
	if ctx, ok := p.w.contextAt(t); ok {
		p.carries = p.carries || p.w.carries(p.called, t)
		p.take(nil, t, ctx)
		p.weigh()
	}
}

// take takes in window t, without some instances.
func (p *past) take(out map[*instance]bool, t int32, ctx context) {
	if p.levels != nil {
		p.levels.step(t)
	}
	starting, busier := p.w.svc.starting(p.w.release.Version, t), p.busier(t, out)
	for k, s := range p.streams {
		if starting && s.signal.near != nowhere || ctx.shared && s.signal.unit == ofWhole || p.carries && s.follows() || p.w.blinded[t] && s.signal.ofOwnCalls() {
			s.pass()
			continue
		}
		switch {
		case s.level != nil:
			p.logA[k] = s.level.logE
			continue
		case s.crossing != nil:
			s.crossing.step(p.w.known, t)
			p.logA[k] = s.crossing.proc.LogE()
			continue
		case s.heard != nil:
			s.heard.step(p, t)
			p.logA[k] = s.heard.logE
			continue
		}
		if x, n, want := p.counted(s, t, out, busier); n > 0 {
			ratio, season, load := 1.0, 1.0, ctx.load
			switch {
			case s.points != nil:
				ratio = s.points.ratio(p.w, t)
			case s.event > 0: // where others fail more as well, they have more to say of it
				ratio = ctx.ratio[countFailedHere]
			case s.signal.near == unheard: // what load does to others is left out already
				load = 0
			case s.signal.unit != ofCalls && s.flow == nil:
				ratio, season = ctx.ratio[s.signal.count], p.course.ratio(s.signal.count, t-p.w.begin)
			}
			s.stirred = s.stirred || ratio > outsideTimes || load > 0 || s.signal.unit == ofRequests && ctx.moved[s.signal.count]
			s.strain.x += want * ratio * math.Abs(math.Log(ratio))
			s.strain.n += want * ratio
			ratio *= season
			calm := p.drift(s, 0, t-p.w.begin)
			usual := math.Hypot(calm, strainSD*s.strain.x/math.Max(1e-12, s.strain.n))
			s.shift.AddStrained(x, want*ratio, usual, p.drift(s, load, t-p.w.begin)-calm)
			s.post.x, s.post.n, s.want = s.post.x+x, s.post.n+n, s.want+want*ratio
		} else {
			s.pass()
		}
		p.logA[k] = p.alone(s)
	}
}

// counted gives what a shift counts in window t: bad and all requests, and the bad ones that
// are expected by the rates before the release.
func (p *past) counted(s *shiftStream, t int32, out map[*instance]bool, busier float64) (x, n, want float64) {
	if s.event > 0 {
		x, n = p.shown(sign{s.event - 1, s.milder - 1}, t, out)
		want = n * showing(s.rates[0], busier)
	}
	for i := range s.places() {
		a, b := p.countsOf(s, i, t, out)
		x, n, want = x+a, n+b, want+b*s.rates[i]
	}
	return x, n, want
}

// weigh combines what the streams tell.
func (p *past) weigh() {
	if len(p.streams) == 0 {
		return
	}
	p.hearTrouble()
	p.late.weigh(p.streams)
	p.weighOutside()
	p.release.Step(p.weights, p.fromStart(), p.logB)
	p.late.step(p.streams, p.logB)
}

// amongReleases says that another service of the environment was released about when w
// began, and that this one may wait for it: it calls it, directly or not, or whom it calls
// is not known.
func (s *service) amongReleases(w *watch) bool {
	var near []*service
	for id, o := range s.estate {
		if id != s.id && id.Environment == s.id.Environment && s.near(id, w) {
			near = append(near, o)
		}
	}
	if len(near) == 0 || len(s.answers) == 0 {
		return len(near) > 0
	}
	awaited := map[*service]bool{s: true}
	for list, depth := []*service{s}, 0; len(list) > 0 && depth < farAbove; depth++ {
		var next []*service
		for _, x := range list {
			for k := range x.answers { // a set: the order does not matter
				if o := s.estate[k.other]; o != nil && !awaited[o] {
					awaited[o] = true
					next = append(next, o)
				}
			}
		}
		list = next
	}
	return slices.ContainsFunc(near, func(o *service) bool { return awaited[o] })
}

// pass lets a window go by that tells a stream nothing.
func (s *shiftStream) pass() {
	switch {
	case s.shift != nil:
		s.shift.Add(0, 0, 0)
	case s.heard != nil:
		for _, l := range s.heard.leave {
			l.shift.Add(0, 0, 0)
		}
	}
}

// negligible is the evidence below which nothing can be decided, so that what
// speaks for a shift from outside need not be known: it is costly.
const negligible = 1.0986 // log 3

// weighOutside finds what speaks for a shift that is not the release's. Without
// it the evidence is an upper bound, which is good enough while it is small.
func (p *past) weighOutside() {
	sum := math.Inf(-1)
	for k, s := range p.streams {
		sum = stat.LogAdd(sum, math.Log(s.weight)+math.Max(p.logA[k], math.Max(p.late.act[k], p.late.ask[k])))
	}
	for k, s := range p.streams {
		p.logB[k] = 0
		switch {
		case s.shift == nil || s.signal.near == unheard: // what trends and neighbours tell is weighed against shifts from outside already
			p.logB[k] = math.Inf(-1)
		case sum > negligible:
			p.logB[k] = stat.LogAdd(p.outsideOf(s.shift, p.rivalsOf(s.signal)), p.onBoth(s))
		}
	}
}

// counts gives the candidate's bad and all requests of a stratum in window t.
func (p *past) counts(sig *signal, st *stratum, t int32, out map[*instance]bool) (x, n float64) {
	if sig.latency() || sig.kind == unship.SignalErrorRatio && p.outside {
		return p.noted(sig, st.unit, t, out)
	}
	for _, i := range p.w.svc.instances {
		if i.version != p.w.release.Version || out[i] {
			continue
		}
		if c, ok := i.read(st, t); ok {
			bad, all := sig.of(&c)
			x, n = x+float64(bad), n+float64(all)
		}
	}
	return x, n
}

func (p *past) noted(sig *signal, unit int, t int32, out map[*instance]bool) (x, n float64) {
	if unit >= len(p.w.after) {
		return 0, 0
	}
	v, all := p.w.after[unit], 0.0
	for k := lowerBound(v, t); k < len(v) && v[k].at == t; k++ {
		c := &v[k]
		switch {
		case out[c.inst]:
		case !sig.latency() && c.starting:
		case !sig.latency():
			x, n = x+float64(c.out), n+float64(c.outN)
		case sig.beyond && c.grown:
			x, n, all = x+float64(c.beyond), n+float64(c.n), all+float64(c.all)
		case sig.beyond:
		case c.lat == latAll: // thresholds that sink while instances warm up would look like a shift that came late
			x, n, all = x+float64(c.y[sig.count-countP50]), n+float64(c.n), all+float64(c.all)
		}
	}
	if sig.ownTime() {
		return p.w.evened(unit, t, x, n, all)
	}
	return x, n
}

// lowerBound is the first cell of window t; live it is near the end.
func lowerBound(v []afterCell, t int32) int {
	k := len(v)
	for k > 0 && v[k-1].at >= t {
		k--
		if len(v)-k > 256 {
			lo, hi := 0, k
			for lo < hi {
				if m := (lo + hi) / 2; v[m].at < t {
					lo = m + 1
				} else {
					hi = m
				}
			}
			return lo
		}
	}
	return k
}

// without gives the evidence as if some instances had not been there, to judge and to
// ask. It is weighed once, at the end: what windows may add one by one is no matter here.
func (p *past) without(out map[*instance]bool, t int32) (judge, ask float64) {
	again := &past{grounds: p.grounds, carries: p.carries}
	again.begin()
	if p.levels != nil {
		again.levels = p.levels.without(out)
	}
	for _, s := range p.streams {
		if s.heard != nil && !s.heard.testifies(out) {
			continue
		}
		x := *s
		if s.level != nil {
			x.level = again.levels.again(s.level)
		} else if s.crossing != nil {
			c := *s.crossing
			c.restart()
			x.crossing = &c
		} else if s.heard != nil {
			x.heard = s.heard.again()
		} else {
			x.shift, x.strain, x.post, x.want = stat.NewShift(x.opt), rate{}, rate{}, 0 // that others stirred remains
		}
		again.streams = append(again.streams, &x)
	}
	again.rest()
	again.lookBack(out)
	for u := max(p.from, t-maxKept); u <= t; u++ {
		if !p.w.skipped[u] {
			if ctx, ok := p.w.contextAt(u); ok {
				again.take(out, u, ctx)
			}
		}
	}
	again.weigh()
	return again.late.beside(again.sparing(again.release.Raw()), again.late.acts.Raw(), again.late.asks.Raw())
}

// outsiders says whether enough of the traffic comes from known callers that
// are not being released: then failures are counted from them alone.
func (w *watch) outsiders(h history) bool {
	var known, all uint64
	for k, v := range w.svc.callers {
		if !w.svc.near(k.other, w) {
			n, _ := v.between(h, anyPart)
			known += n
		}
	}
	for _, l := range w.svc.load {
		if l.at >= h.from && l.at < h.to {
			all += l.n
		}
	}
	return known > 0 && float64(known) > outsideShare*float64(all)
}
