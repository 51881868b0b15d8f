package detect

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"unship.dev"
	"unship.dev/detect/stat"
)

// Rules of points: ratios and durations of requests that something else has
// summed up already, without telling of how many requests. Each point is one
// observation, whatever is behind it: that is its effective number.
const (
	weightPoints     = .01 // share of a release's evidence, of ratios and of durations …
	weightPointRatio = weightFailedHere + weightFailing + weightFailed
	minPoints        = 20 // of the baseline's history, or there is no limit
	maxPointWindows  = 60 // the longest interval between points that is waited for
	pointSD          = .3 // deviation of the log odds of a bad point between equal instances, granted beside what is tolerated
)

// … and where a service has no requests that are counted, they have the weight
// of what they stand for: weightPointRatio and weightSelf.

// pointClass is what the points of a metric tell of requests.
type pointClass uint8

const (
	pointNone pointClass = iota
	pointRatio
	pointDuration
)

var pointClasses = [...]pointClass{pointRatio, pointDuration}

// pointQuantiles are the parts of the baseline's past points that set a limit.
var pointQuantiles = [...]float64{.5, .9}

// points says what a metric's points are: ratios of requests (successes,
// failures) or durations of requests, of which fewer or more is known to be worse.
func (m *metric) points() pointClass {
	if m.kind != unship.MetricGauge || m.worse == 0 || m.limit {
		return pointNone
	}
	words := nameWords(m.name)
	is := func(list map[string]bool) bool {
		return slices.ContainsFunc(words, func(t string) bool { return list[t] })
	}
	switch {
	case m.scale == scaleShare:
		return pointRatio
	case m.worse > 0 && is(durationWords) && !is(pauseWords):
		return pointDuration
	}
	return pointNone
}

var (
	durationWords = words("latency duration")
	pauseWords    = words("gc pause collection cpu")
)

// point is one value of a gauge.
type point struct {
	at int32
	v  float64
}

// pointLook says which points of some metrics are bad: those beyond a limit.
type pointLook struct {
	class     pointClass
	metrics   []int     // strata
	limits    []float64 // by stratum, on the scale of comparison
	tolerated float64   // of the candidate's, beyond the limits
	every     int32     // windows from one point to the next
	young     int32     // age in windows before which durations do not count
}

// lookAt sets the limits by what a version's points were: the quantile q of all
// its instances'. Metrics with fewer than minPoints are left out; nil if all are.
func (s *service) lookAt(class pointClass, q float64, of func(*instance) bool, h history, young int32) *pointLook {
	l := &pointLook{class: class, every: 1}
	if class == pointDuration {
		l.young, l.tolerated = young, toleratedLevel
	} else {
		l.tolerated = toleratedShare
	}
	for k, m := range s.metrics {
		if m.class != class {
			continue
		}
		var all []float64
		for _, i := range s.instances {
			if !of(i) || k >= len(i.metrics) {
				continue
			}
			own := i.metrics[k].between(h)
			for _, x := range own {
				all = append(all, m.onScale(x.v))
			}
			if n := int32(len(own)); n > 1 {
				l.every = max(l.every, min(maxPointWindows, (own[n-1].at-own[0].at+n-2)/(n-1)))
			}
		}
		if len(all) >= minPoints {
			slices.Sort(all)
			l.metrics, l.limits = append(l.metrics, k), append(l.limits, all[int(math.Ceil(q*float64(len(all))))-1])
		}
	}
	if len(l.metrics) == 0 {
		return nil
	}
	return l.ordered(s)
}

// ordered sorts the metrics by name, so that arrival changes nothing, and keeps a bounded number.
func (l *pointLook) ordered(s *service) *pointLook {
	order := make([]int, len(l.metrics))
	for k := range order {
		order[k] = k
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := s.metrics[l.metrics[a]], s.metrics[l.metrics[b]]
		return cmp.Or(cmp.Compare(x.name, y.name), cmp.Compare(x.attributes, y.attributes))
	})
	o := *l
	o.metrics, o.limits = nil, nil
	for _, k := range order[:min(len(order), maxLevels)] {
		o.metrics, o.limits = append(o.metrics, l.metrics[k]), append(o.limits, l.limits[k])
	}
	return &o
}

// only is the look at one of the metrics.
func (l *pointLook) only(k int) *pointLook {
	o := *l
	o.metrics, o.limits = l.metrics[k:k+1], l.limits[k:k+1]
	return &o
}

// between gives the points of some windows.
func (g *gauge) between(h history) []point {
	a := sort.Search(len(g.points), func(k int) bool { return g.points[k].at >= h.from })
	b := sort.Search(len(g.points), func(k int) bool { return g.points[k].at >= h.to })
	return g.points[a:b]
}

// count gives an instance's bad and all points of a stratum in some windows.
func (l *pointLook) count(s *service, i *instance, stratum int, h history, candidate bool) (bad, all int) {
	k := l.metrics[stratum]
	if k >= len(i.metrics) {
		return 0, 0
	}
	limit := l.limits[stratum]
	if candidate {
		limit += l.tolerated
	}
	for _, x := range i.metrics[k].between(h) {
		if i.age(x.at) < l.young {
			continue
		}
		all++
		if s.metrics[k].onScale(x.v) > limit {
			bad++
		}
	}
	return bad, all
}

// elsewhere counts the points of all versions but one in window t.
func (l *pointLook) elsewhere(s *service, version string, t int32) (x, n float64) {
	for k := range l.metrics {
		for _, i := range s.instances {
			if i.version != version {
				bad, all := l.count(s, i, k, history{t, t + 1}, false)
				x, n = x+float64(bad), n+float64(all)
			}
		}
	}
	return x, n
}

// cells is the history of a stratum, one row of blocks for each instance.
func (l *pointLook) cells(s *service, stratum int, of func(*instance) bool, h history) stat.Cells {
	var c stat.Cells
	first, last := h.from/l.every+1, h.to/l.every
	for _, i := range s.instances {
		if !of(i) || i.first >= h.to {
			continue
		}
		var n, y []int32
		for b := first; b < last; b++ {
			bad, all := l.count(s, i, stratum, history{b * l.every, (b + 1) * l.every}, false)
			n, y = append(n, int32(all)), append(y, int32(bad))
		}
		c.N, c.Y = append(c.N, n), append(c.Y, y)
	}
	return c
}

// pointWeight is the weight of a class in a release's evidence.
func (s *service) pointWeight(class pointClass) float64 {
	switch {
	case s.ops > 0:
		return weightPoints
	case class == pointRatio:
		return weightPointRatio
	}
	return weightSelf
}

// addPoints gives the points of each class streams: half of the weight to all
// metrics together, stratified, half to single ones.
func (c *comparison) addPoints(d *Detector, w *watch, h history) {
	for _, class := range pointClasses {
		for _, q := range pointQuantiles {
			l := c.svc.lookAt(class, q, isVersion(w.baseline), h, d.levelWindows())
			if l == nil {
				continue
			}
			sig := pointSignal
			prior, half := d.pointPrior(c.svc, class, q, h), c.svc.pointWeight(class)/2/float64(len(pointQuantiles))
			all := make([]stat.Cells, len(l.metrics))
			for k := range all {
				all[k] = l.cells(c.svc, k, isVersion(w.baseline), h)
			}
			if len(l.metrics) > 1 {
				c.addPointStream(&stream{signal: sig, points: l, weight: half, opt: c.options(w, sig, stat.Calibrate(all, prior))})
			} else {
				half *= 2
			}
			for k := range all {
				s := &stream{signal: sig, points: l.only(k), weight: half / float64(len(all)), single: true, opt: c.options(w, sig, stat.Calibrate(all[k:k+1], prior))}
				c.addPointStream(s)
			}
		}
	}
}

var pointSignal = &signal{kind: unship.SignalMetric, what: "has", extra: pointSD, ratio: 1}

// addPointStream adds a stream without evidence.
func (c *comparison) addPointStream(s *stream) {
	s.divisions = []*division{{opt: s.opt, proc: stat.NewProcess(s.opt), totals: make([]tally, len(s.points.metrics))}}
	c.streams = append(c.streams, s)
	c.points = append(c.points, s)
}

// levelWindows is the age at which levels and durations of an instance count.
func (d *Detector) levelWindows() int32 { return int32(levelAge / d.opt.Window) }

// pointPrior pools what the points of the environment's other services show of
// how much equal instances differ.
func (d *Detector) pointPrior(s *service, class pointClass, q float64, h history) *stat.Prior {
	prior, taught := &stat.Prior{}, 0
	for _, o := range d.order {
		if o.id == s.id || o.id.Environment != s.id.Environment || taught == fleetServices {
			continue
		}
		of := func(i *instance) bool { return !o.candidate(i.version) }
		l := o.lookAt(class, q, of, h, d.levelWindows())
		if l == nil {
			continue
		}
		all := make([]stat.Cells, len(l.metrics))
		for k := range all {
			all[k] = l.cells(o, k, of, h)
		}
		taught++
		prior.Add(stat.Calibrate(all, nil))
	}
	return prior
}

// stepPoints takes in the points of the interval that window t ends, if it ends
// one: instances do not all tell at the same moment.
func (c *comparison) stepPoints(t int32) {
	for _, s := range c.points {
		if (t+1)%s.points.every != 0 {
			continue
		}
		d := s.divisions[0]
		for k := range s.points.metrics {
			table := c.pointTable(s.points, k, t)
			if table.NC > 0 && table.NB > 0 {
				d.proc.Add(k, table)
				d.totals[k].add(table)
			}
		}
	}
}

func (c *comparison) pointTable(l *pointLook, stratum int, t int32) (table stat.Table) {
	for _, i := range c.svc.instances {
		side := c.sides.side(i)
		if side == 0 {
			continue
		}
		bad, all := l.count(c.svc, i, stratum, history{t + 1 - l.every, t + 1}, side == 1)
		if side == 1 {
			table.NC, table.XC = table.NC+all, table.XC+bad
		} else {
			table.NB, table.XB = table.NB+all, table.XB+bad
		}
	}
	return table
}

// pointsSince adds up the tables of the intervals that end from window from to t.
func (c *comparison) pointsSince(l *pointLook, from, t int32) []tally {
	out := make([]tally, len(l.metrics))
	for u := from + (l.every-(from+1)%l.every)%l.every; u <= t; u += l.every {
		for k := range out {
			if x := c.pointTable(l, k, u); x.NC > 0 && x.NB > 0 {
				out[k].add(x)
			}
		}
	}
	return out
}

// title names what the points are of, with the limit of a single metric.
func (l *pointLook) title(s *service) string {
	m := s.metrics[l.metrics[0]]
	if len(l.metrics) > 1 {
		for _, k := range l.metrics {
			if s.metrics[k].name != m.name {
				return map[pointClass]string{pointRatio: "ratios of requests", pointDuration: "durations of requests"}[l.class]
			}
		}
		return m.name
	}
	than, limit := "above", l.limits[0]
	if m.worse < 0 {
		than, limit = "below", -limit
	}
	if m.scale == scaleLog {
		limit = math.Exp(limit)
	} else if m.unit == "%" {
		limit *= 100
	}
	unit := m.unit
	if unit == "1" {
		unit = ""
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %.4g %s", m.title(), than, limit, unit))
}

// lone says that a finding about durations rests on one instance of the release,
// which may be on a slow node: metrics do not tell of others' requests there.
func (w *watch) lone(l *pointLook) bool {
	if l.class != pointDuration {
		return false
	}
	heard := 0
	for _, i := range w.candidates() {
		for k := range l.metrics {
			if _, n := l.count(w.svc, i, k, history{w.begin, w.until}, true); n > 0 {
				heard++
				break
			}
		}
	}
	return heard < 2
}

// sayPointless says how many points of ratios and durations there are instead of requests.
func (w *watch) sayPointless(j *unship.Judgement) string {
	if j.LogE >= showFindings && len(j.Findings) > 0 {
		return "it may be worse: " + w.words(&j.Findings[0])
	}
	n := 0
	for _, i := range w.candidates() {
		for k := range i.metrics {
			n += len(i.metrics[k].between(history{w.begin, w.until}))
		}
	}
	return fmt.Sprintf("%d points of ratios and durations so far", n)
}

// sayPoints puts a finding about points into words.
func (w *watch) sayPoints(f *unship.Finding, l *pointLook) string {
	than := "in " + w.baseline + " at the same time"
	if w.past != nil {
		than = "before the release"
	}
	what := "are worse than usual"
	if len(l.metrics) == 1 {
		what = "are so"
	}
	return fmt.Sprintf("%s: %s: %s of the points %s, %s %s; %d points against %d, each counted once however many requests it is of",
		w.release.Service, f.Name, percent(f.Candidate), what, percent(f.Baseline), than, f.Samples.Candidate, f.Samples.Baseline)
}
