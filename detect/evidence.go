package detect

import (
	"math"
	"slices"
	"sort"

	"unship.dev"
	"unship.dev/detect/stat"
)

// evidence is one stream of either comparison, as findings see it.
type evidence struct {
	signal *signal
	units  []int
	near   []neighbour
	slice  string
	strata []stratum
	event  int
	fresh  bool  // the event is one that first came after the release began
	loss   *loss // of lost calls, while old and new serve side by side
	lost   bool  // of lost calls
	rise   bool  // … whichever version they were meant for
	late   bool  // it is evidence of harm that began later
	mix    *mix  // of an operation's share of the traffic
	flow   *flow // of the same, compared with the past
	points *pointLook
	level  *level
	single bool
	whole  bool // not divided by what the release may do
	again  bool // another stream looks at the same requests and is told of
	weight float64
	logE   float64
	cal    *stat.Calibration // nil when compared with the past
	shift  *stat.Shift       // nil when compared in the same moments
	totals []tally
	onset  int32
	sd     float64
	// granted is the log odds that the candidate may be worse because of its place.
	granted float64
}

func (e *evidence) share() float64 { return math.Log(e.weight) + e.logE }

// moreCalls says that it is evidence of more calls than there were.
func (e *evidence) moreCalls() bool { return e.signal.unit == ofCalls && e.signal.count != countNoCall }

// streams gives the streams of both comparisons, strongest first.
func (w *watch) streams() []evidence {
	var out []evidence
	if w.conc != nil {
		for _, s := range w.conc.streams {
			out = append(out, w.concurrentEvidence(s))
		}
	}
	if w.past != nil {
		for k, s := range w.past.streams {
			e := w.pastEvidence(s)
			if late := w.past.late.ask[k]; late > showFindings && e.share() < showFindings {
				e.logE, e.late = late, true
			}
			out = append(out, e)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].share() > out[j].share() })
	return out
}

func (w *watch) concurrentEvidence(s *stream) evidence {
	if s.level != nil {
		return w.levelEvidence(s.level)
	}
	if s.rise != nil {
		return w.rising(s)
	}
	d := s.weakest()
	if x := w.conc.counting(s); x != nil { // people are told of ratios, as wide as counts are uncertain
		e := w.concurrentEvidence(x)
		e.weight, e.logE, e.onset, e.again = s.weight, d.proc.LogE(), max(s.from, w.conc.start)+int32(d.proc.Onset()), true
		return e
	}
	e := evidence{
		signal: s.signal, units: s.units, near: s.near, loss: s.loss, lost: s.loss != nil, mix: s.mix, points: s.points, slice: s.slice, strata: d.strata,
		event: s.event, fresh: s.event > 0 && w.svc.events[s.event-1].first >= w.begin,
		single: s.single, weight: s.weight, logE: s.logE(), totals: d.totals, cal: d.opt.Calibration,
		onset: max(s.from, w.conc.start) + int32(d.proc.Onset()), sd: d.opt.Calibration.Sigma0(w.conc.kc, w.conc.kb, s.signal.extra),
		granted: w.conc.granted(d, w.next-1),
	}
	if s.loss != nil {
		e.onset = s.loss.onset(w.begin)
	}
	e.whole = w.conc.undivided(s)
	return e
}

func (w *watch) levelEvidence(l *level) evidence {
	return evidence{signal: levelSignal, level: l, single: true, weight: l.weight, logE: l.logE, onset: max(l.since, w.begin)}
}

// pastEvidence is what a stream of the comparison with the past tells.
func (w *watch) pastEvidence(s *shiftStream) evidence {
	if s.level != nil {
		return w.levelEvidence(s.level)
	}
	e := evidence{
		signal: s.signal, units: s.units, lost: s.signal.near == unheard, slice: s.slice, strata: s.strata,
		event: s.event, fresh: s.fresh, single: s.single, weight: s.weight, onset: w.past.from, sd: w.past.drift(s, 0, w.next-w.begin), flow: s.flow,
	}
	if s.points != nil {
		e.points = s.points.pointLook
	}
	switch c := s.crossing; {
	case c != nil:
		e.near, e.logE, e.totals = c.near(), c.proc.LogE(), c.totals
	case s.heard != nil:
		e.near, e.logE, e.totals = s.heard.near, s.heard.logE, []tally{s.heard.tally()}
	default:
		e.logE, e.totals, e.shift = s.shift.LogA(), []tally{s.tally()}, s.shift
	}
	return e
}

// counting is the stream of counts beside a stream of presence: of the same
// requests. nil beside others.
func (c *comparison) counting(s *stream) *stream {
	if s.signal.whether == nil {
		return nil
	}
	for _, x := range c.streams {
		if x.signal == s.signal.whether && x.slice == s.slice && x.single == s.single && slices.Equal(x.units, s.units) {
			return x
		}
	}
	return nil
}

// tally is the table that a shift amounts to: the baseline's bad requests are
// those expected of as many requests.
func (s *shiftStream) tally() tally {
	if s.post.n == 0 {
		return tally{}
	}
	if s.flow != nil {
		return s.flow.tally(s)
	}
	t := tally{xc: s.post.x, nc: s.post.n, nb: s.pre.n, xb: math.Min(s.pre.n, s.want/s.post.n*s.pre.n)}
	if s.good {
		t.xc, t.xb = t.nc-t.xc, t.nb-t.xb
	}
	if s.signal.near == unheard { // what would have been tolerated was not seen
		t.xb = s.lost
	}
	return t
}

// rates gives the baseline's rate, for the candidate's mix of operations, and the candidate's.
func (e *evidence) rates() (baseline, candidate float64, n unship.Samples) {
	var want, xc, nc, nb float64
	for _, t := range e.totals {
		if t.nc == 0 || t.nb == 0 {
			continue
		}
		want += t.nc * t.xb / t.nb
		xc, nc, nb = xc+t.xc, nc+t.nc, nb+t.nb
	}
	if nc == 0 {
		return 0, 0, n
	}
	return want / nc, xc / nc, unship.Samples{Baseline: uint64(nb), Candidate: uint64(nc)}
}

// since gives the totals from the estimated onset on: what a fault that came
// late does now, not thinned by the good time before it.
func (w *watch) since(e *evidence, t int32) []tally {
	if e.cal == nil || e.event > 0 || w.switched != 0 || e.onset <= w.begin+settleWindows {
		return e.totals
	}
	if e.points != nil {
		return w.conc.pointsSince(e.points, max(e.onset, t-maxKept), t)
	}
	if e.mix != nil {
		return w.conc.mixSince(e.mix, max(e.onset, t-maxKept), t)
	}
	if e.loss != nil {
		return e.loss.since(e.onset)
	}
	if e.near != nil {
		return w.conc.heardSince(e.near, max(e.onset, t-maxKept), t)
	}
	out := make([]tally, len(e.strata))
	for k := range e.strata {
		x := source{stratum: e.strata[k]}
		for i := max(e.onset, t-maxKept); i <= t; i++ {
			if x.read(w.conc, i); x.frame.both {
				out[k].merge(x.frame.tally(e.signal))
			}
		}
	}
	return out
}

// retold says that own time may have been waiting time before: calls are not told of any
// more, and whole times are not worse.
func retold(e *evidence, all []evidence) bool {
	if !e.signal.latency() || e.signal.unit != ofRequests || e.points != nil {
		return false
	}
	silent := false
	for _, x := range all {
		switch {
		case x.logE < showFindings:
		case x.signal.unit == ofWhole:
			return false
		case x.signal.unit == ofCalls && x.signal.count == countNoCall:
			silent = true
		}
	}
	return silent
}

// pooled says that a stream is of the calls of several callees, and that one of them shows
// the same: people are told of requests, and each of those counts once for each callee.
func (e *evidence) pooled(all []evidence) bool {
	return e.signal.unit == ofCalls && len(e.units) > 1 && slices.ContainsFunc(all, func(x evidence) bool {
		return x.signal == e.signal && len(x.units) == 1 && x.share() >= showFindings
	})
}

// attributed says that lost calls are known to have been meant for the release: that
// more of them are lost at all is no news then.
func (e *evidence) attributed(all []evidence) bool {
	return e.rise && slices.ContainsFunc(all, func(x evidence) bool { return x.loss != nil && x.share() >= showFindings })
}

// worse says that the candidate's bad requests are more than so many times the baseline's
// odds bring, by more than chance does, where requests come one by one.
func (e *evidence) worse(times float64) bool {
	var more, variance float64
	for _, t := range e.totals {
		if t.nc == 0 || t.nb == 0 {
			continue
		}
		odds := times * (t.xb + .5) / (t.nb - t.xb + .5)
		p := odds / (1 + odds)
		more += t.xc - t.nc*p
		variance += t.nc * p * (1 - p) * (1 + t.nc/t.nb)
	}
	return more > sightSD*math.Sqrt(variance)
}
