package detect

import (
	"math"
	"slices"
	"sort"

	"unship.dev"
	"unship.dev/detect/stat"
)

// Constants of the comparison with the past.
const (
	pExogenous      = .02  // that something else shifts during the watch
	controlWindows  = 12   // trailing windows of the control ratio
	controlPseudo   = 20   // counts by which a control's ratio is shrunk to 1
	jumpDeviations  = 4    // by so many the latest windows differ from those before if the rate jumped …
	jumpPseudo      = 2    // … and is drawn to 1 by so few counts
	maxControls     = 30   // services
	loadWindows     = 6    // over which the present load is taken
	loadDeadZone    = .25  // of the log load: a quarter more or less than ever before is no saturation
	strainSD        = .5   // deviation of a log rate for each unit by which the controls' moved: an outage hits no two alike
	beforePhi       = 1.5  // dispersion of counts around their own past
	beforeSingle    = 10   // operations with a stream of their own
	releasedNear    = 24   // windows: a caller or control released that near is no witness
	outsideShare    = .1   // of the traffic: known callers that are not being released
	beforeThreshold = 4.61 // log 100, over which the limiter spreads
)

// afterCell is what one instance of the candidate did in one window in one
// operation, at thresholds fixed before the release.
type afterCell struct {
	at        int32
	inst      *instance
	lat       uint8
	starting  bool   // so young that failures do not count
	n         uint32 // requests with a duration
	all       uint32 // … and without, of an operation
	y         [thresholds]uint32
	beyond    uint32 // beyond what any start is granted: see [signal]
	grown     bool   // so old that these count
	outN, out uint32 // requests and failures from callers that are not being released
}

// control is a service that is not being released: what happens to it is not the release's doing.
type control struct {
	svc    *service
	course course  // by its own season
	limits []fixed // by unit
	pre    [counts]rate
	recent [controlWindows][counts]rate
	at     [controlWindows]int32
}

type rate struct{ x, n float64 }

// context is what one window of the comparison with the past is seen against.
type context struct {
	at    int32
	ratio [counts]float64 // of the controls, after to before
	now   float64         // log of the load beyond what the past had, and the dead zone
	// shared: another service was released about when this one was.
	shared bool
	moved  [counts]bool // most of the others got worse, whether or not that may follow from what this one does
	load   float64      // the largest of the trailing windows, over which the controls' ratio is taken
}

// enlistControls chooses the services to which a release is compared in time:
// those of the environment with most traffic that are not being released.
func (d *Detector) enlistControls(w *watch) {
	from := w.svc.history(w.begin, int32(d.opt.History)).from
	var all []*service
	for _, s := range d.order {
		if s.id != w.svc.id && s.id.Environment == w.svc.id.Environment && (s.released == 0 || s.released < from) {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b *service) int {
		return -compareFloats(a.requests(from, w.begin), b.requests(from, w.begin))
	})
	h := history{from, w.begin}
	for _, s := range all[:min(len(all), maxControls)] {
		c := d.newControl(s, h)
		w.controls = append(w.controls, c)
		s.controls = append(s.controls, c)
	}
	w.own = d.newControl(w.svc, h)
}

func (d *Detector) newControl(s *service, h history) *control {
	c := &control{svc: s, course: d.foretell(s, h.to), limits: make([]fixed, len(s.units))}
	c.learn(h)
	return c
}

// dischargeControls ends what enlistControls began.
func (w *watch) dischargeControls() {
	for _, c := range w.controls {
		c.svc.controls = slices.DeleteFunc(c.svc.controls, func(x *control) bool { return x == c })
	}
	w.controls, w.own = nil, nil
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// learn sums what the control did before the release.
func (c *control) learn(h history) {
	for u, x := range c.svc.units {
		if x.kind() != ofRequests {
			continue
		}
		var ok bool
		if c.limits[u].limits, ok = x.lat.before(h.from, h.to); ok {
			c.limits[u].ok = true
			for _, b := range x.lat.blocks {
				for k, limit := range c.limits[u].limits {
					y, n := b.above(limit)
					c.pre[countP50+k].x += y
					c.pre[countP50+k].n += n
				}
			}
		}
		for _, i := range c.svc.instances {
			if u >= len(i.units) {
				continue
			}
			for k := range i.units[u] {
				if x := &i.units[u][k]; x.at >= h.from && x.at < h.to {
					for j := countFailedHere; j <= countRejected; j++ {
						c.pre[j].x += float64(x.y[j])
						c.pre[j].n += float64(x.n)
					}
				}
			}
		}
	}
}

// see counts one operation of one of the control's instances.
func (c *control) see(t int32, unit int, p *unship.Operation, h unship.Histogram, raise int16, lat uint8) {
	slot := &c.recent[t%controlWindows]
	if c.at[t%controlWindows] != t {
		*slot, c.at[t%controlWindows] = [counts]rate{}, t
	}
	for j, x := range [...]uint64{p.FailedHere, p.Failed, p.Rejected} {
		slot[j].x += float64(x)
		slot[j].n += float64(p.Requests)
	}
	if unit >= len(c.limits) || !c.limits[unit].ok || len(h) == 0 {
		return
	}
	total := float64(h.Total())
	for k, limit := range c.limits[unit].limits {
		if holds(lat, k) {
			slot[countP50+k].x += float64(h.Above(limit + raise))
			slot[countP50+k].n += total
		}
	}
}

// ratio gives how the control's rate changed, by the trailing windows: by the
// latest alone if they are unlike those before them, for what begins at once must
// not be taken for the release's because a control follows slowly.
func (c *control) ratio(count int, t, begin int32) (float64, bool) {
	pre := c.pre[count]
	if pre.n == 0 {
		return 1, false
	}
	p := (pre.x + .5) / (pre.n + 1)
	all := c.trailing(count, t, begin, controlWindows)
	for _, windows := range [...]int32{1, 2, 4} {
		now := c.trailing(count, t, begin, windows)
		want := now.n * p * timesRate(rate{all.x - now.x, all.n - now.n}, p, controlPseudo)
		if math.Abs(now.x-want) > jumpDeviations*math.Sqrt(beforePhi*(want+1)) {
			return timesRate(now, p, jumpPseudo), true
		}
	}
	return timesRate(all, p, controlPseudo), true
}

// A service that is known by metrics fails and is slow with what it calls. Each request
// that fails in a callee fails at most one of a caller's, but for retries and calls that
// are made twice: a service that fails no more requests than the release's does may have
// failed because of it, and if another fails more, the release's may have failed because
// of that one.
const (
	followTimes = 1.5 // so many times as many, for retries and windows that do not fit
	movedBy     = 3   // deviations: what differs less has not moved
)

// more is how many bad requests more than before a control had in the trailing windows,
// and how many were to be expected.
func (c *control) more(count int, t, begin int32) (more, want float64) {
	now := c.trailing(count, t, begin, controlWindows)
	want = now.n * (c.pre[count].x + .5) / (c.pre[count].n + 1)
	return now.x - want, want
}

// order says whether what happened to a control may follow from what happened to the
// release's service, so that it tells nothing of time, or the other way round.
func (w *watch) order(x *control, count int, t int32) (follows, leads bool) {
	if x.svc.apart && w.svc.apart {
		return false, false
	}
	more, want := x.more(count, t, w.begin)
	if more <= movedBy*math.Sqrt(beforePhi*(want+1)) {
		return false, false
	}
	own, _ := w.own.more(count, t, w.begin)
	less := more <= followTimes*own
	return less && !x.svc.apart, !less && !w.svc.apart
}

// history is the time before the release that it is compared with.
func (w *watch) history() history { return w.svc.history(w.begin, w.length) }

// carries says that more of what the release's service calls fails than before the
// release: what it throws and logs, and what it calls no longer, may then follow from that.
func (w *watch) carries(was rate, t int32) bool {
	now := w.svc.called(history{max(w.begin, t+1-controlWindows), t + 1})
	want := now.n * (was.x + .5) / (was.n + 1)
	return now.x > outsideTimes*want && now.x-want > movedBy*math.Sqrt(beforePhi*(want+1))
}

// called counts a service's calls and those that failed.
func (s *service) called(h history) (r rate) {
	for k := len(s.load) - 1; k >= 0 && s.load[k].at >= h.from; k-- {
		if s.load[k].at < h.to {
			r.x, r.n = r.x+float64(s.load[k].callsFailed), r.n+float64(s.load[k].calls)
		}
	}
	return r
}

// trailing sums up the latest windows since the release.
func (c *control) trailing(count int, t, begin, windows int32) (sum rate) {
	for k, at := range c.at {
		if at > t-windows && at >= begin && at <= t {
			sum.x += c.recent[k][count].x
			sum.n += c.recent[k][count].n
		}
	}
	return sum
}

// timesRate is how many times p a rate is, drawn to 1 by so many counts.
func timesRate(r rate, p, pseudo float64) float64 { return (r.x + pseudo) / (float64(r.n*p) + pseudo) }

// steady is by how many buckets an instance's thresholds are raised in the
// comparison with the past, where all instances are young at once: as many as
// when it begins to count as warm, and no fewer later. A threshold that sinks
// with age would look like a shift that came late.
func (i *instance) steady() int16 {
	if i.settled {
		return 0
	}
	return min(warmLittle, int16(math.Log1p(i.warmness.doubt*i.warmness.amplitude)/math.Log(bucketRatio)))
}

// note keeps the context of window t: controls and load.
func (w *watch) note(t int32) {
	if w.own == nil { // of a rollback, which is not judged
		return
	}
	c := context{at: t, shared: w.svc.amongReleases(w)}
	var r, all []float64
	for count := range c.ratio {
		r, all = r[:0], all[:0]
		led := false
		for _, x := range w.controls {
			if x.svc.released > w.begin-releasedNear && x.svc.released > 0 {
				continue
			}
			v, ok := x.ratio(count, t, w.begin)
			follows, leads := w.order(x, count, t)
			led = led || leads && v > outsideTimes
			if !ok {
				continue
			}
			v /= x.course.ratio(count, t-w.begin)
			all = append(all, v)
			if !follows {
				r = append(r, v)
			}
		}
		c.moved[count] = median(all) > outsideTimes
		// What is no worse than it was before is not taken back because others got better.
		c.ratio[count] = math.Max(1, median(r))
		if led {
			own, _ := w.own.ratio(count, t, w.begin)
			c.ratio[count] = math.Max(c.ratio[count], own)
		}
	}
	c.now = math.Max(w.loadNews(t, loadWindows), w.loadNews(t, t-w.begin+1))
	c.load = c.now
	for k := len(w.context) - 1; k >= 0 && w.context[k].at > t-controlWindows; k-- {
		c.load = math.Max(c.load, w.context[k].now)
	}
	w.context = append(w.context, c)
}

// median of ratios; 1 without any.
func median(r []float64) float64 {
	if len(r) == 0 {
		return 1
	}
	slices.Sort(r)
	k := len(r)
	return (r[(k-1)/2] + r[k/2]) / 2
}

func (w *watch) contextAt(t int32) (context, bool) {
	k := sort.Search(len(w.context), func(k int) bool { return w.context[k].at >= t })
	if k < len(w.context) && w.context[k].at == t {
		return w.context[k], true
	}
	return context{}, false
}

// drift is the deviation of the log rate that time alone brings, and that a
// change of the load brings.
func drift(s *signal, usual, load float64) float64 {
	if s.latency() {
		return usual + 1.5*load
	}
	return usual + .5*load
}

// drift is that of a stream, so many windows after the release.
func (p *past) drift(s *shiftStream, load float64, windows int32) float64 {
	switch {
	case s.flow != nil:
		return s.flow.sd
	case s.points != nil:
		return pointDrift
	case s.signal.ofOperations():
		return drift(s.signal, p.course.deviation(s.signal.count, windows), load)
	}
	return drift(s.signal, usualDrift(countFailedHere), load)
}

// past compares a release with what its service did before.
type past struct {
	grounds
	streams []*shiftStream
	release *stat.ShiftRelease
	late    *lateHarm
	weights []float64
	logA    []float64
	logB    []float64
	events  *eventShift
	levels  *levelTest
	carries bool    // see [watch.carries]
	spared  float64 // weight of harm from the beginning that the time beside the old version rules out
}

// grounds are what a comparison with the past was made on, and stand.
type grounds struct {
	w         *watch
	from      int32
	course    course       // by the service's own season
	exogenous float64      // probability that something else shifts during the watch
	outside   bool         // failures are counted from callers that are not being released
	busy      rate         // requests and instances of a window before the release
	asked     float64      // calls to the service a window before the release, by its callers' word
	served    map[int]bool // operations that were served before the release
	well      int          // see [watch.servedWell]
	called    rate         // what the service called before the release, and what of it failed
	of        *service     // the service itself, where w's is a copy of it
	callers   []*service
	callees   []*service // both in order: neighbours that may be released as well
}

// shiftStream is one signal in some operations, before and after.
type shiftStream struct {
	signal   *signal
	units    []int
	slice    string
	strata   []stratum
	flow     *flow // of throughput
	points   *pointShift
	level    *level    // instead of a shift: of a metric
	crossing *crossing // instead of a shift: a comparison with other callers
	heard    *hearing  // instead of a shift: what neighbours saw, before and after
	event    int       // index of the event that it is about and 1; 0: none
	milder   int       // the same said with less severity and 1, which counts as well; 0: none
	fresh    bool      // the event is one that first came after the release began
	good     bool      // counted are the requests that are not bad, and fewer of them are looked for: see [past.addStream]
	single   bool
	weight   float64
	rates    []float64 // by stratum: bad requests before, per request
	opt      stat.ShiftOptions
	shift    *stat.Shift
	pre      rate
	lost     float64 // calls that nobody answered before
	post     rate
	want     float64              // bad requests after, if nothing had changed
	beside   rate                 // bad requests of the release beside the old version, and those expected: see [past.lookBack]
	stirred  bool                 // controls or load moved since the release
	late     [calmBefore]lateWord // of the latest windows in which they had not, oldest first
	strain   rate                 // |log| of the controls' ratio, weighed by the bad requests expected
}
