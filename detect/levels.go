package detect

import (
	"cmp"
	"math"
	"slices"
	"time"

	"unship.dev"
	"unship.dev/detect/stat"
)

// Rules of the comparison of levels. A level differs between equal instances
// for as long as they live, so its every block says the same again: instances,
// not points, are what there are many of.
const (
	weightLevels    = .02 // share of a release's evidence: levels …
	weightTrends    = .01 // … and trends
	maxLevels       = 32  // metrics with a stream of a release each
	levelAge        = 4 * time.Minute
	toleratedLevel  = .2231 // log 1.25: usage and durations of a fourth more are nobody's harm
	toleratedShare  = .005
	leastSpread     = .02  // of log levels between instances, granted
	leastShare      = .002 // of shares
	tailDF          = 8    // heavier tails than normal ones, however many instances there are
	leastReferences = 2
	actReferences   = 15  // of the estate: with fewer, their spread is not known well enough to act on
	sameLoad        = .25 // of the log load of an instance: more makes levels incomparable
	sameMix         = .1  // of the requests, by operation and slice
	trendFloors     = 4   // blocks after the first ones
	trendSoon       = 6 * time.Hour
	trendRoughness  = .002             // of the level, granted
	leastSlope      = .05              // deviation of slopes a block, in units of noise, granted
	settling        = 10 * time.Minute // in which the growth of what starts falls by a factor e, where nothing is known
	growsOn         = 3                // deviations by which growth must exceed one that ends
)

// levelTest compares levels and trends of metrics, block by block. Where nothing old
// is left beside the release it knows trends alone: those need none, and what time and
// age do to levels is not known well enough to ask anybody.
type levelTest struct {
	det    *Detector
	svc    *service
	sides  cohorts
	begin  int32 // block
	blocks float64
	length int32 // windows of a block
	idle   bool  // no requests were counted in the present block: what instances had to do is unknown
	levels []*level
}

// level is the evidence of one metric. Blocks are not independent, so their
// e-values are averaged with weights fixed beforehand: the sum Σ e_b/B over B
// blocks never falls and its mean at the end is at most one, whatever the
// dependence (Vovk and Wang 2021), so it may be looked at after every block.
type level struct {
	metric     int
	trend      bool
	weight     float64 // of the release's evidence
	logE       float64
	logWeight  float64 // of a block
	candidate  float64
	baseline   float64
	se, nu     float64 // of the candidate's level or trend, as compared
	since      int32
	shown      bool // it does not act: see why
	few, idle  bool // too few references; no requests were counted
	past       bool // nothing old is left beside it
	candidates int
	references int
	settles    bool          // the growth may end before that
	soon       time.Duration // until what it measures is full, or twice as large
	full       bool          // soon is until a known limit
}

// newLevelTest gives the metrics that the baseline has trends, if they may fill up, and
// levels, if it serves beside the release.
func (d *Detector) newLevelTest(w *watch, h history) *levelTest {
	n := d.blockWindows()
	x := &levelTest{
		det: d, svc: w.svc, sides: cohorts{candidate: w.release.Version, baseline: w.baseline},
		begin: w.begin / n, length: n, blocks: math.Max(1, float64((w.until-w.begin)/n)),
	}
	var level, trend []int
	for k, m := range w.svc.metrics {
		if m.last < h.from || !w.svc.has(k, w.baseline) {
			continue
		}
		if w.past == nil && !m.limit && m.class == pointNone && (m.worse != 0 || m.kind != unship.MetricCount || m.ofThings()) {
			level = append(level, k)
		}
		if m.grows {
			trend = append(trend, k)
		}
	}
	order := func(a, b int) int {
		p, q := w.svc.metrics[a], w.svc.metrics[b]
		return cmp.Or(-cmp.Compare(p.worse*p.worse, q.worse*q.worse), cmp.Compare(p.name, q.name), cmp.Compare(p.attributes, q.attributes))
	}
	slices.SortFunc(level, order)
	slices.SortFunc(trend, order)
	level, trend = level[:min(len(level), maxLevels)], trend[:min(len(trend), maxLevels)]
	for _, k := range level {
		x.levels = append(x.levels, x.newLevel(k, false, weightLevels/float64(len(level))))
	}
	for _, k := range trend {
		x.levels = append(x.levels, x.newLevel(k, true, weightTrends/float64(len(trend))))
	}
	return x
}

// has says that a version's instances have a metric.
func (s *service) has(metric int, version string) bool {
	return slices.ContainsFunc(s.instances, func(i *instance) bool {
		return i.version == version && metric < len(i.metrics) && len(i.metrics[metric].blocks) > 0
	})
}

var levelSignal = &signal{kind: unship.SignalMetric, what: "has"}

func (x *levelTest) newLevel(metric int, trend bool, weight float64) *level {
	return &level{metric: metric, trend: trend, weight: weight, logWeight: -math.Log(x.blocks), logE: math.Inf(-1)}
}

// without is the test as if some instances had not been there, and nothing seen yet.
func (x *levelTest) without(out map[*instance]bool) *levelTest {
	y := *x
	y.sides.without, y.levels = out, nil
	return &y
}

// again gives the test another's level, of which nothing is known yet.
func (x *levelTest) again(l *level) *level {
	x.levels = append(x.levels, x.newLevel(l.metric, l.trend, l.weight))
	return x.levels[len(x.levels)-1]
}

// addTrends gives the release's metrics their trends.
func (p *past) addTrends(d *Detector, h history) {
	p.levels = d.newLevelTest(p.w, h)
	for _, l := range p.levels.levels {
		l.past = true
		p.streams = append(p.streams, &shiftStream{signal: levelSignal, level: l, single: true, weight: l.weight})
	}
}

// addLevels compares the levels of both versions' metrics.
func (c *comparison) addLevels(d *Detector, w *watch, h history) {
	c.levels = d.newLevelTest(w, h)
	for _, l := range c.levels.levels {
		c.addLevelStream(l)
	}
}

func (c *comparison) addLevelStream(l *level) {
	c.streams = append(c.streams, &stream{signal: levelSignal, weight: l.weight, single: true, from: c.start, level: l})
}

// blockWindows is the length of a block.
func (d *Detector) blockWindows() int32 { return max(1, int32(levelBlock/d.opt.Window)) }

// step takes in the block that window t ends, if it ends one.
func (x *levelTest) step(t int32) {
	if (t+1)%x.length != 0 {
		return
	}
	block := t / x.length
	if block <= x.begin || float64(block-x.begin) > x.blocks {
		return
	}
	load, mix := x.alike(block)
	for _, l := range x.levels {
		m := x.svc.metrics[l.metric]
		var logE float64
		switch {
		case l.trend:
			logE = x.trendEvidence(l, m, block)
		case m.perRequest(x.svc) && mix || !m.perRequest(x.svc) && load:
			logE = x.levelEvidence(l, m, block)
		default:
			continue // incomparable: nothing is said
		}
		if logE > math.Log(enoughAlone) && l.since == 0 {
			l.since = block * x.length
		}
		l.logE = stat.LogAdd(l.logE, l.logWeight+logE)
	}
}

// levelEvidence is the log e-value of one block: the difference of the cohorts'
// mean levels beyond what is tolerated, against the spread of instances, here
// and in the estate, whichever is more. All of the candidate's instances must
// be beyond all of the baseline's: whatever the distribution, one odd instance
// on either side proves nothing. Where it is not known which direction is worse,
// either is looked at, of counters only less: orders that are not made any more.
func (x *levelTest) levelEvidence(l *level, m *metric, block int32) float64 {
	candidate, baseline := x.sample(l.metric, block, 1), x.sample(l.metric, block, 2)
	if len(candidate.level) == 0 || len(baseline.level) < leastReferences {
		return 0
	}
	l.candidate, l.baseline, l.candidates, l.references = mean(candidate.level), mean(baseline.level), len(candidate.level), len(baseline.level)
	more, v := slices.Clone(candidate.level), baseline.level
	less := slices.Clone(more)
	if m.perRequest(x.svc) {
		candidate.amortise(m, more, less, mean(baseline.requests))
	}
	if m.scale == scaleLog && (slices.Min(more) <= 0 || slices.Min(v) <= 0) {
		return 0 // counters that mostly stand still are events
	}
	for _, y := range [3][]float64{more, less, v} {
		for k := range y {
			y[k] = m.onScale(y[k])
		}
	}
	estate, references := x.det.spreadOf(x.svc, m, block)
	l.few, l.idle = references < actReferences, x.idle
	l.shown = l.few || l.idle || len(more) < 2 || m.worse == 0
	tolerated, least := m.tolerances()
	s := math.Max(math.Max(deviation(v), estate), least)
	l.nu = tailDF
	if l.few {
		l.nu = math.Min(tailDF, float64(len(v)-1))
	}
	l.se = math.Sqrt(s*s*(1/float64(len(more))+1/float64(len(v))) + candidate.chance(m) + baseline.chance(m))
	beyond := func(u, v []float64) float64 {
		e := stat.StudentShift((mean(u)-mean(v)-tolerated)/l.se, l.nu)
		if slices.Min(u) <= slices.Max(v) {
			return math.Min(e, 0)
		}
		return e
	}
	switch {
	case m.worse > 0:
		return beyond(more, v)
	case m.worse < 0: // on the scale of what is worse
		return beyond(less, v)
	case m.kind == unship.MetricCount:
		return beyond(v, less)
	}
	return stat.LogAdd(beyond(more, v), beyond(v, less)) - math.Ln2
}

// sample is what one cohort's ripe instances show of a metric in a block.
type sample struct{ level, sum, requests []float64 }

func (x *levelTest) sample(metric int, block int32, side int) (s sample) {
	for _, i := range x.svc.instances {
		if x.sides.side(i) != side || !x.ripe(i, block) {
			continue
		}
		if y, ok := i.value(x.svc, metric, block, x.length); ok {
			n, _ := i.heardIn(block*x.length, (block+1)*x.length)
			s.level, s.sum, s.requests = append(s.level, y), append(s.sum, i.metrics[metric].at(block).sum), append(s.requests, float64(n))
		}
	}
	return s
}

// amortise takes levels for each request that speak for more, and such that speak for
// less, to the requests that an instance of the baseline had, where that makes the
// difference smaller: whoever spends a+b·n on n requests spends the more on each the
// fewer there are, and an idle instance spends a on none. Of things that are counted,
// such as orders, fewer on each request are fewer.
func (s *sample) amortise(m *metric, more, less []float64, usual float64) {
	for k, n := range s.requests {
		if usual > 0 {
			more[k] *= math.Min(1, n/usual)
			if !m.ofThings() {
				less[k] *= math.Max(1, n/usual)
			}
		}
	}
}

// chance is the variance of the mean log level by chance alone: the relative one of a
// count of c things is 1/c (Poisson).
func (s *sample) chance(m *metric) (v float64) {
	if !m.ofThings() || m.scale != scaleLog {
		return 0
	}
	for _, c := range s.sum {
		v += 1 / math.Max(c, 1)
	}
	return v / float64(len(s.sum)*len(s.sum))
}

// perRequest says that a metric is a matter of what is asked for.
func (m *metric) perRequest(s *service) bool { return m.kind != unship.MetricGauge && s.ops > 0 }

// value gives an instance's level of a metric in a block.
func (i *instance) value(s *service, metric int, block, length int32) (v float64, ok bool) {
	if metric >= len(i.metrics) {
		return 0, false
	}
	b := i.metrics[metric].at(block)
	if b == nil {
		return 0, false
	}
	m := s.metrics[metric]
	if m.kind != unship.MetricCount {
		return b.sum / float64(b.n), true
	}
	requests, windows := i.heardIn(block*length, (block+1)*length)
	over := float64(windows)
	if m.perRequest(s) {
		over = float64(requests)
	}
	return b.sum / over, over > 0
}

// heardIn sums an instance's requests from a window up to another, and counts
// the windows in which it was heard.
func (i *instance) heardIn(from, to int32) (requests uint64, windows int) {
	for k := len(i.heard) - 1; k >= 0 && i.heard[k].at >= from; k-- {
		if i.heard[k].at < to {
			requests, windows = requests+i.heard[k].n, windows+1
		}
	}
	return requests, windows
}

// ripe says that an instance is old enough for its levels, at the start of a block.
func (x *levelTest) ripe(i *instance, block int32) bool {
	return i.age(block*x.length) >= int32(levelAge/x.det.opt.Window)
}

// onScale turns a level into what is compared, the more the worse.
func (m *metric) onScale(v float64) float64 {
	if m.scale == scaleLog {
		v = math.Log(math.Max(v, 1e-12))
	} else if m.unit == "%" {
		v /= 100
	}
	if m.worse < 0 {
		return -v
	}
	return v
}

func (m *metric) tolerances() (tolerated, spread float64) {
	if m.scale == scaleShare {
		return toleratedShare, leastShare
	}
	return toleratedLevel, leastSpread
}

// alike says whether an instance of either cohort had about as much to do in a
// block, and whether they were asked for about the same things.
func (x *levelTest) alike(block int32) (load, mix bool) {
	from, to := block*x.length, (block+1)*x.length
	var n, k [2]float64
	sums := [2][]float64{make([]float64, len(x.svc.units)+len(x.svc.slices)), make([]float64, len(x.svc.units)+len(x.svc.slices))}
	for _, i := range x.svc.instances {
		side := x.sides.side(i)
		requests, windows := i.heardIn(from, to)
		if side == 0 || windows == 0 {
			continue
		}
		n[side-1] += float64(requests)
		k[side-1]++
		for u := range i.units {
			if x.svc.units[u].callee == "" {
				sums[side-1][u] += i.units[u].requests(from, to)
			}
		}
		for u := range i.slices {
			sums[side-1][len(x.svc.units)+u] += i.slices[u].requests(from, to)
		}
	}
	x.idle = n[0]+n[1] == 0
	load = k[0] > 0 && k[1] > 0 && (x.idle || math.Abs(math.Log((n[0]+1)/k[0])-math.Log((n[1]+1)/k[1])) <= sameLoad)
	if n[0] == 0 || n[1] == 0 {
		return load, x.svc.ops == 0
	}
	differ := 0.0
	noise := 2 * math.Sqrt(1/n[0]+1/n[1])
	for u := range sums[0] {
		differ = math.Max(differ, math.Abs(sums[0][u]/n[0]-sums[1][u]/n[1]))
	}
	return load, differ <= sameMix+noise
}

func (s series) requests(from, to int32) (n float64) {
	for k := len(s) - 1; k >= 0 && s[k].at >= from; k-- {
		if s[k].at < to {
			n += float64(s[k].n)
		}
	}
	return n
}

func mean(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// deviation is the sample's standard deviation; 0 of fewer than two.
func deviation(x []float64) float64 {
	if len(x) < 2 {
		return 0
	}
	m, ss := mean(x), 0.0
	for _, v := range x {
		ss += (v - m) * (v - m)
	}
	return math.Sqrt(ss / float64(len(x)-1))
}
