package detect

import (
	"math"
	"slices"
	"sort"
	"time"

	"unship.dev"
	"unship.dev/detect/blame"
	"unship.dev/rules"
)

// Rules of the way from one comparison to the other.
const (
	settleWindows  = 2  // instances that serve by then count as the candidate's
	switchShare    = .8 // of the traffic: from here on too little of the old version is left
	switchRequests = 30
	switchWindows  = 12 // less overlap than that is no overlap
	maxWatches     = 8  // of one service at once
)

// watch is one release under watch.
type watch struct {
	svc      *service
	release  unship.Release
	policy   rules.Policy
	baseline string // the version it is compared with; "" without one
	known    string // the version by which neighbours know the release
	signals  []*signal
	begin    int32
	until    int32 // the first window beyond the watch
	length   int32 // of the history learnt from
	window   time.Duration

	conc     *comparison
	past     *past
	next     int32 // the first window that no comparison has seen
	switched int32 // the first window of the comparison with the past; 0 before
	frozen   float64
	skipped  map[int32]bool
	blinded  map[int32]bool // windows in which what the service calls cannot be told: see [watch.blind]
	dropped  uint64         // details without room when the watch began

	// What the comparison with the past needs, noted as it happens.
	limits   []fixed       // by unit: thresholds of durations as of the release
	after    [][]afterCell // by unit
	controls []*control
	own      *control  // the service itself, seen like them
	pastLoad []float64 // requests before the release, summed up window by window
	context  []context

	shown       []shown  // by unit: what findings show
	shownSlices []shown  // by slice
	did         [2]deeds // of candidate and baseline since the release
	was         deeds    // of the service before it
	samples     unship.Samples
	logE, askE  float64 // evidence to judge it, and to ask about it
	gates       gates
	owes        string         // what may have brought about what is worse: see [Detector.keepCompany]
	aloneE      float64        // evidence that no release which is judged can have brought about
	last        blame.Evidence // of a watch that is over, since window ended
	ended       int32
	shared      string         // what else may have the same cause: see [watch.sharesCause]
	verdict     unship.Verdict // once regressed, always regressed
	final       *unship.Judgement
	closing     string // why the watch ends before its time
	dismissed   bool
	ranked      int // how it was when its standing among the others was last told: see turns
	onset       time.Time
	why         string
	seen        detectability
	found       []unship.Finding // as of window foundAt, when the verdict was foundAs
	foundAt     int32
	foundAs     unship.Verdict
}

// fixed are thresholds of durations that stay as they were at the release.
type fixed struct {
	limits [thresholds]int16
	beyond int16 // that of the far tail and what a start is granted at most
	ok     bool
	timed  float64 // the part of the requests that had a time of their own; 0: no matter
}

// openWatch begins to watch a release.
func (d *Detector) openWatch(r unship.Release, p rules.Policy, t int32) {
	s := d.service(r.Service, t)
	if s == nil {
		return
	}
	if len(s.watches) >= maxWatches {
		s.watches[0].closing = "too many versions of the service followed one another"
	}
	d.watched[r.ReleaseID] = r.FirstSeen
	for _, old := range s.watches {
		if old.release.Version == r.Previous {
			old.closing = "release " + r.Version + " replaced it before its watch was over"
		}
	}
	d.watches = append(d.watches, d.newWatch(s, r, p, t))
	slices.SortFunc(d.watches, compareWatches)
}

func compareWatches(a, b *watch) int { return a.release.ReleaseID.Compare(b.release.ReleaseID) }

// newWatch makes the watch of a release of s that began in window t.
func (d *Detector) newWatch(s *service, r unship.Release, p rules.Policy, t int32) *watch {
	w := &watch{
		svc: s, release: r, policy: p, baseline: r.Previous, known: r.Version, signals: s.signals(p.Tolerance),
		begin: t, next: t, until: t + int32(p.Watch/d.opt.Window), length: int32(d.opt.History), window: d.opt.Window, skipped: map[int32]bool{}, blinded: map[int32]bool{},
		dropped: d.dropped,
	}
	s.released = t
	s.watches = append(s.watches, w)
	if !r.IsRollback() {
		w.fixLimits(d.warmth(s).buckets())
		w.was = s.deeds(s.history(w.begin, w.length))
		d.enlistControls(w)
	}
	return w
}

// fixLimits takes the thresholds of the whole past for the comparison with it. Starts are
// granted to be slower by so many buckets.
func (w *watch) fixLimits(granted int16) {
	h := w.history()
	w.limits = make([]fixed, len(w.svc.units))
	for u, x := range w.svc.units {
		if x.lat != nil {
			w.limits[u].limits, w.limits[u].ok = x.lat.before(h.from, h.to)
			w.limits[u].beyond = w.limits[u].limits[thresholds-1] + granted
			if x.lat.self {
				w.limits[u].timed = w.svc.timed(u, h)
			}
		}
	}
}

// instances counts the copies that serve by window t.
func (w *watch) instances(t int32) (candidate, baseline int) {
	for _, i := range w.svc.instances {
		switch {
		case i.version == w.release.Version && i.first <= t:
			candidate++
		case i.version == w.baseline && i.last >= w.begin-1:
			baseline++
		}
	}
	return max(1, candidate), max(1, baseline)
}

// count gives the requests of both cohorts in window t.
func (w *watch) count(t int32) (candidate, baseline uint64) {
	for _, i := range w.svc.instances {
		if i.version != w.release.Version && i.version != w.baseline {
			continue
		}
		n := uint64(0)
		for u := range i.units {
			if w.svc.units[u].callee == "" {
				if c := i.units[u].at(t); c != nil {
					n += uint64(c.n)
				}
			}
		}
		if i.version == w.release.Version {
			candidate += n
		} else {
			baseline += n
		}
	}
	return candidate, baseline
}

// presence gives how much of both cohorts there is in window t: requests, or
// instances of a service that only tells of itself in other ways.
func (w *watch) presence(t int32) (candidate, baseline uint64) {
	if w.svc.ops > 0 {
		return w.count(t)
	}
	for _, i := range w.svc.instances {
		if _, heard := i.heardAt(t); heard {
			switch i.version {
			case w.release.Version:
				candidate++
			case w.baseline:
				baseline++
			}
		}
	}
	return candidate, baseline
}

// taken says that the release has taken nearly all of the traffic by window t.
func (w *watch) taken(t int32) bool {
	var c, b uint64
	looked := int32(0)
	for u := t; u >= w.begin && looked < switchWindows; u-- {
		x, y := w.presence(u)
		c, b = c+x, b+y
		looked++
		if looked > settleWindows && c+b >= switchRequests {
			break
		}
	}
	return looked > settleWindows && (c+b >= switchRequests || looked == switchWindows) &&
		float64(c) > switchShare*float64(c+b)
}

// advance takes in the windows up to t.
func (d *Detector) advance(w *watch, t int32) {
	if w.release.IsRollback() || t < w.begin+settleWindows {
		return
	}
	if w.switched == 0 && w.taken(t) {
		d.turn(w, t)
	}
	if w.conc == nil && w.switched == 0 && w.baseline != "" {
		w.conc = d.newComparison(w, t, w.begin)
		w.conc.skipped, w.conc.blinded = w.skipped, w.blinded
	}
	d.part(w, t)
	if t-w.next > int32(d.opt.History) {
		w.next = t - int32(d.opt.History)
	}
	for u := w.next; u <= t; u++ {
		c, b := w.count(u)
		w.samples.Candidate, w.samples.Baseline = w.samples.Candidate+c, w.samples.Baseline+b
		if w.skipped[u] {
			continue
		}
		if w.blind(u) {
			w.blinded[u] = true
		}
		switch {
		case w.switched != 0:
			if u >= w.switched {
				w.past.meetEvents(u)
				w.past.step(u)
			}
		case w.conc != nil:
			w.conc.meetEvents(w, u)
			w.conc.step(u)
		}
	}
	w.next = t + 1
	w.logE, w.askE = w.evidence()
}

// turn goes over to the comparison with the past: of the whole time since the
// release if old and new hardly overlapped, else from here on, so that no
// window is used twice.
func (d *Detector) turn(w *watch, t int32) {
	w.switched = t
	if t-w.begin < switchWindows || w.conc == nil {
		w.switched, w.conc, w.next, w.samples = w.begin, nil, w.begin, unship.Samples{}
	} else {
		w.frozen, _ = w.conc.evidence()
	}
	w.past, w.seen = d.newPast(w, w.switched), detectability{}
}

// evidence is the log e-value of the release, to judge it and to ask: a person is also
// asked where the harm may have begun later than a release's mostly does.
func (w *watch) evidence() (judge, ask float64) {
	switch {
	case w.past != nil:
		judge, ask = w.past.evidence()
		judge, ask = w.frozen+judge, w.frozen+ask
	case w.conc != nil:
		judge, ask = w.conc.evidence()
	}
	return judge, math.Max(judge, ask)
}

// forget drops what no later computation can need.
func (w *watch) forget(from int32) {
	for u, v := range w.after {
		w.after[u] = append(v[:0], v[lowerBound(v, from):]...)
	}
	k := sort.Search(len(w.context), func(k int) bool { return w.context[k].at >= from })
	w.context = append(w.context[:0], w.context[k:]...)
	for _, windows := range []map[int32]bool{w.skipped, w.blinded} {
		for t := range windows {
			if t < from {
				delete(windows, t)
			}
		}
	}
}

// without gives a lower bound of the evidence as if some instances had not been
// there, by so many of the streams that compare in the same moments.
func (w *watch) without(out map[*instance]bool, t int32, streams int) float64 {
	judge, ask := 0.0, 0.0
	if w.conc != nil {
		last := t
		if w.switched != 0 {
			last = w.switched - 1
		}
		judge, ask = w.conc.without(out, last, streams)
		if w.past != nil {
			ask = judge // questions of then are over
		}
	}
	if w.past != nil {
		j, a := w.past.without(out, t)
		judge, ask = judge+j, ask+a
	}
	if w.logE < w.level() {
		return math.Max(judge, ask)
	}
	return judge
}

// threshold is the evidence at which the release counts as regressed. The
// comparison with the past cannot promise one in a thousand, for timing alone
// cannot tell a release from an outage that began with it: its level is ten
// times more lenient than the policy and no more lenient than a hundred.
func (w *watch) threshold() float64 {
	if w.past != nil {
		return math.Max(math.Log(100), math.Log(.1/w.policy.FalseRollbacks))
	}
	return math.Log(1 / w.policy.FalseRollbacks)
}

// level is the evidence at which a person is asked: no more than is wanted to judge.
func (w *watch) level() float64 {
	return math.Min(math.Log(1/w.policy.FalseQuestions), w.threshold())
}

// reached is the higher of both levels, if the evidence is beyond it.
func (w *watch) reached() float64 {
	if w.logE < w.threshold() {
		return w.level()
	}
	return w.threshold()
}

// certainty is the posterior that is wanted beside the evidence.
func (w *watch) certainty() float64 {
	if w.past != nil {
		return .8
	}
	return .95
}

func (w *watch) comparison() unship.Comparison {
	switch {
	case w.past != nil:
		return unship.ComparisonBefore
	case w.conc != nil:
		return unship.ComparisonConcurrent
	}
	return unship.ComparisonNone
}

// candidates are the release's instances.
func (w *watch) candidates() (out []*instance) {
	for _, i := range w.svc.instances {
		if i.version == w.release.Version {
			out = append(out, i)
		}
	}
	return out
}

// time gives the start of window t.
func (d *Detector) time(t int32) time.Time {
	return d.epoch.Add(time.Duration(t) * d.opt.Window)
}
