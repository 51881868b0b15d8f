package ingest

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"unship.dev"
	"unship.dev/ingest/series"
)

// maxMetrics bounds the data points told in one instance and window.
const maxMetrics = 500

// reading is a point with the durations of the requests that it counts.
type reading struct {
	point
	durations unship.Histogram
}

func (m *point) reading(p *pane) reading {
	return reading{*m, unship.Histogram(p.buckets[m.from:m.to:m.to])}
}

func compareReadings(a, b *reading) int {
	if c := compareForms(a.form, b.form); c != 0 {
		return c
	}
	if c := cmp.Or(compareBool(a.cumulative, b.cumulative), cmp.Compare(a.at, b.at)); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.value, b.value), cmp.Compare(a.count, b.count),
		slices.CompareFunc(a.durations, b.durations, func(x, y unship.Bucket) int {
			return cmp.Or(cmp.Compare(x.Index, y.Index), cmp.Compare(x.Count, y.Count))
		}))
}

// compareForms orders forms by their series: one may be written in several ways.
func compareForms(a, b *form) int {
	if a == b {
		return 0
	}
	if c := strings.Compare(a.name, b.name); c != 0 {
		return c
	}
	if c := strings.Compare(a.attributes, b.attributes); c != 0 {
		return c
	}
	return cmp.Or(strings.Compare(a.unit, b.unit), cmp.Compare(a.kind, b.kind))
}

// meter is what closing remembers of what counts, or measures, one instance.
type meter struct {
	series  map[seriesKey]*memory
	heard   int64 // last window with a point
	spacing int64 // the least time between two points of one series that counts requests, ns; 0: unknown
	block   map[metricCell]*gathered
	// What its windows are told to be of.
	node, build string
}

type seriesKey struct {
	name, unit, attributes string
	kind                   pointKind
}

type memory struct {
	series.Series
	last  int64 // time of the last point
	heard int64 // its window
	gone  bool  // no series' any more
}

// meters are those of all instances.
type meters struct {
	of map[windowKey]*meter
	n  int // series
	// since is when the first window began whose points were all seen: what a series
	// that is younger counted was counted in windows of ours.
	since int64
	swept int64 // the window at which the silent ones were last dropped

	room  unship.Histogram // for the buckets of an increase
	order []uint32         // for sorted
}

// sorted gives the order of readings, until the next is asked for.
func (t *meters) sorted(list []reading) []uint32 {
	t.order = t.order[:0]
	for i := range list {
		t.order = append(t.order, uint32(i))
	}
	slices.SortFunc(t.order, func(i, j uint32) int { return compareReadings(&list[i], &list[j]) })
	return t.order
}

// measure turns the points of each instance into metrics. Sorted, the points of one
// series follow one another in time, and the places for series are given out in the
// same order always.
func (b *builder) measure() {
	if b.index < b.a.resumed.Load() {
		return
	}
	all := &b.a.meters
	if all.of == nil {
		all.of, all.since = map[windowKey]*meter{}, b.start.UnixNano()
	}
	for _, key := range slices.SortedFunc(maps.Keys(b.windows), compareWindowKeys) {
		w := b.windows[key]
		if len(w.readings) == 0 {
			continue
		}
		m := b.meter(key, w)
		w.metrics = make([]unship.Metric, 0, len(w.readings))
		var last *reading
		counted := false
		for _, i := range all.sorted(w.readings) {
			r := &w.readings[i]
			if last == nil || compareReadings(last, r) != 0 { // else it was sent twice
				b.read(key, w, m, r)
			}
			last = r
			counted = counted || r.request.source != sourceNone
		}
		if counted { // or will be, for it may be the base
			b.a.service(key.release.Service).told = b.index
		}
		b.a.readings.put(w.readings)
		w.readings = nil
	}
}

// meter finds or makes what is remembered of an instance.
func (b *builder) meter(key windowKey, w *window) *meter {
	m := b.a.meters.of[key]
	if m == nil {
		m = &meter{series: map[seriesKey]*memory{}, block: map[metricCell]*gathered{}}
		b.a.meters.of[key] = m
	}
	m.heard, m.node, m.build = b.index, w.node, w.build
	return m
}

// read takes one point. Those that count requests are no metrics besides.
func (b *builder) read(key windowKey, w *window, m *meter, r *reading) {
	if r.kind == pointGauge || r.kind == pointSumBoth {
		w.metrics = append(w.metrics, r.metric(unship.MetricGauge, r.value, 0))
		return
	}
	x, ok := b.increase(m, r)
	switch {
	case !ok:
	case r.request.source != sourceNone:
		s := &b.a.service(key.release.Service).metering
		s.hear(&r.request, b.index)
		b.gather(s, m, &r.request, r.counted(&x), x.Buckets)
	case r.kind == pointSum:
		w.metrics = append(w.metrics, r.metric(unship.MetricCount, x.Value, x.Over))
	case x.Count > 0 && !r.noSum:
		d := r.metric(unship.MetricDistribution, x.Value/float64(x.Count), x.Over)
		d.Count = x.Count
		w.metrics = append(w.metrics, d)
	}
}

// increase gives what a point of a sum or of a distribution adds.
func (b *builder) increase(m *meter, r *reading) (x series.Increase, ok bool) {
	if !r.cumulative && r.request.source == sourceNone {
		return r.delta(), true
	}
	s := b.memory(m, r.form)
	if s == nil {
		b.dropped++
		return x, false
	}
	last := s.last
	s.last = max(s.last, r.at)
	if x, ok = r.delta(), true; r.cumulative {
		all := &b.a.meters
		all.room = slices.Grow(all.room[:0], len(r.durations))
		x, ok = s.Next(series.Point{
			Start: r.start, At: r.at, Value: r.value, Count: r.count, Distribution: r.kind == pointDistribution, Buckets: r.durations,
		}, all.since, all.room)
	}
	if space := r.at - last; r.request.source != sourceNone && last > 0 && space > 0 && (m.spacing == 0 || space < m.spacing) {
		m.spacing = space
	}
	return x, ok
}

// delta is a point that tells an increase itself.
func (r *reading) delta() series.Increase {
	x := series.Increase{Value: r.value, Count: r.count, Buckets: r.durations}
	if r.start > 0 {
		x.Over = r.at - r.start
	}
	return x
}

// counted is how many requests an increase is of.
func (r *reading) counted(x *series.Increase) uint64 {
	if r.kind == pointSum {
		return uint64(max(0, math.Round(x.Value)))
	}
	return x.Count
}

// memory finds or makes what is known of a form's series; nil if there is no place.
func (b *builder) memory(m *meter, f *form) *memory {
	s, key := f.memory, seriesKey{f.name, f.unit, f.attributes, f.kind}
	if s == nil || s.gone {
		s = m.series[key]
	}
	switch {
	case s == nil && b.a.meters.n >= maxSeries:
		return nil
	case s == nil:
		b.a.meters.n++
		s = &memory{}
		m.series[key] = s
	case s.heard < b.index-forgetWindows: // forgotten, whether or not that is done yet
		*s = memory{}
	}
	s.heard = b.index
	f.memory = s
	return s
}

func (r *reading) metric(kind unship.MetricKind, value float64, over int64) unship.Metric {
	return unship.Metric{
		Name: r.name, Unit: r.unit, Attributes: r.attributes, Kind: kind,
		At: time.Unix(0, r.at).UTC(), Over: time.Duration(over), Value: value,
	}
}

func compareWindowKeys(a, b windowKey) int {
	return cmp.Or(a.release.Compare(b.release), strings.Compare(a.instance, b.instance))
}

// sweepWindows is how often silent series are looked for: among many, that takes a while.
const sweepWindows = 60

// forget drops the series that were silent since a window. To have them longer makes no
// difference but for the places that they take.
func (t *meters) forget(before int64) {
	if before-t.swept < sweepWindows {
		return
	}
	t.swept = before
	for key, m := range t.of {
		for id, s := range m.series {
			if s.heard < before {
				s.gone = true
				delete(m.series, id)
				t.n--
			}
		}
		if m.heard < before {
			delete(t.of, key)
		}
	}
}

// sortedMetrics drops what is beyond the bound.
func (b *builder) sortedMetrics(w *window) []unship.Metric {
	slices.SortFunc(w.metrics, compareMetrics)
	if n := len(w.metrics) - maxMetrics; n > 0 {
		b.dropped += uint64(n)
		return w.metrics[:maxMetrics]
	}
	return w.metrics
}

func compareMetrics(a, b unship.Metric) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Attributes, b.Attributes),
		a.At.Compare(b.At), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value),
		cmp.Compare(a.Count, b.Count), cmp.Compare(a.Over, b.Over), strings.Compare(a.Unit, b.Unit))
}
