package ingest

import (
	"cmp"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"unship.dev"
	"unship.dev/ingest/series"
)

const (
	maxMetrics    = 500 // data points told in one instance and window
	maxMetricName = 200 // bytes
	maxAttributes = 300 // bytes of a data point's attributes
	// maxSeries bounds the cumulative series whose last points are remembered, of all
	// instances together. Points of further ones are dropped and counted.
	maxSeries = 1 << 17
)

// pointKind is what OTLP says of a data point.
type pointKind uint8

const (
	pointGauge        pointKind = iota
	pointSum                    // that only rises
	pointSumBoth                // that rises and falls
	pointDistribution           // a histogram of either form, or a summary
)

// temporality has OTLP's numbers.
type temporality uint8

const (
	temporalityNone temporality = iota
	temporalityDelta
	temporalityCumulative
)

// pointData is a data point as a decoder hands it over. Nothing in it is kept.
type pointData struct {
	time, start uint64 // ns since the epoch; start 0: unknown
	name, unit  string
	attributes  []attribute
	kind        pointKind
	temporality temporality
	value       float64 // of distributions the sum of the observations
	// What follows is of distributions.
	count     uint64
	noSum     bool
	bounds    []float64 // of explicit buckets: upper ones; the last bucket has none
	buckets   []uint64  // of explicit buckets: counts
	scale     int32     // of exponential buckets, as the next three
	zero      uint64
	offset    int32
	positive  []uint64
	quantiles []quantile // of summaries
}

type attribute struct{ key, value string }

type quantile struct{ q, value float64 }

// Reasons for which data points are refused, beside those for all records.
const (
	whyNotANumber = "value is not a number"
	whyLevel      = "delta of a sum that rises and falls: its level is unknown; send it cumulative"
	whyTemporal   = "sum or distribution without an aggregation temporality"
)

func (d *pointData) invalid() string {
	if why := invalidTime(d.time); why != "" {
		return why
	}
	switch {
	case math.IsNaN(d.value) || math.IsInf(d.value, 0):
		return whyNotANumber
	case d.kind == pointSumBoth && d.temporality == temporalityDelta:
		return whyLevel
	case (d.kind == pointSum || d.kind == pointDistribution) && d.temporality == temporalityNone:
		return whyTemporal
	}
	return ""
}

// point takes one data point of a resource. Every decoder ends here.
func (in *intake) point(r *resource, d *pointData) {
	if why := d.invalid(); why != "" {
		in.refuse(why, d.time)
		return
	}
	if !in.believed(d.time) {
		return
	}
	index := in.a.index(int64(d.time))
	s := &in.a.shards[r.number%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	p, f := s.at(in.a, index)
	if !in.count(f, index) {
		return
	}
	in.tally.Points++
	request, added := in.request(p, d)
	added += in.addPoint(p, r, d, request)
	for _, q := range d.quantiles {
		if math.IsNaN(q.value) || math.IsInf(q.value, 0) {
			continue // nothing was observed
		}
		named := append(slices.Clone(d.attributes), attribute{"quantile", strconv.FormatFloat(q.q, 'g', -1, 64)})
		level := pointData{time: d.time, name: d.name, unit: d.unit, attributes: named, value: q.value}
		added += in.addPoint(p, r, &level, request)
	}
	p.bytes += added
	in.bytes += added
}

// point is one data point as it waits for its window to close. Its texts are numbers in
// pane.names.
type point struct {
	at, start                    int64
	value                        float64
	count                        uint64
	resource                     uint32
	nameNo, unitNo, attributesNo uint32
	kind                         pointKind
	cumulative                   bool
	noSum                        bool
	request                      request
	from, to                     uint32 // of the durations of requests, in pane.buckets
}

// pointBytes is the estimated memory of a point, with what slices grow beyond need.
const pointBytes = 110

func (in *intake) addPoint(p *pane, r *resource, d *pointData, q request) int64 {
	m := point{
		at: int64(d.time), value: d.value, count: d.count, resource: r.number,
		kind: d.kind, cumulative: d.temporality == temporalityCumulative, noSum: d.noSum, request: q,
	}
	if invalidTime(d.start) == "" && d.start < d.time {
		m.start = int64(d.start)
	} else if d.start == d.time {
		m.start = m.at
	}
	added := int64(pointBytes)
	if q.timed && d.kind == pointDistribution {
		m.from = uint32(len(p.buckets))
		p.buckets = append(p.buckets, in.durations...)
		m.to = uint32(len(p.buckets))
		added += 8 * int64(len(in.durations))
	}
	for _, t := range []struct {
		text   []byte
		number *uint32
	}{
		{[]byte(cut(d.name, maxMetricName)), &m.nameNo},
		{[]byte(cut(d.unit, maxMetricName)), &m.unitNo},
		{attributesText(d.attributes), &m.attributesNo},
	} {
		number, more := p.names.number(t.text)
		*t.number = number
		added += more
	}
	p.points = append(p.points, m)
	return added
}

// attributesText writes "key=value,key=value", sorted by key. What is too long is
// cut, and ends in a hash of the whole, so that it stays another series.
func attributesText(list []attribute) []byte {
	if len(list) == 0 {
		return nil
	}
	pairs := make([]string, 0, len(list))
	for _, a := range list {
		pairs = append(pairs, a.key+"="+a.value)
	}
	slices.Sort(pairs)
	text := strings.Join(pairs, ",")
	if len(text) <= maxAttributes {
		return []byte(cut(text, maxAttributes))
	}
	h := fnv.New64a()
	h.Write([]byte(text))
	return strconv.AppendUint([]byte(cut(text, maxAttributes-17)+"#"), h.Sum64(), 16)
}

// reading is a point with its texts.
type reading struct {
	point
	name, unit, attributes string
	operation, traits      string // of requests
	durations              unship.Histogram
}

func (m *point) reading(p *pane) reading {
	n := &p.names
	return reading{
		*m, n.list0(m.nameNo), n.list0(m.unitNo), n.list0(m.attributesNo),
		n.list0(m.request.operation), n.list0(m.request.traits), unship.Histogram(p.buckets[m.from:m.to:m.to]),
	}
}

func compareReadings(a, b reading) int {
	return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.attributes, b.attributes), strings.Compare(a.unit, b.unit),
		cmp.Compare(a.kind, b.kind), compareBool(a.cumulative, b.cumulative), cmp.Compare(a.at, b.at),
		cmp.Compare(a.start, b.start), cmp.Compare(a.value, b.value), cmp.Compare(a.count, b.count),
		slices.CompareFunc(a.durations, b.durations, func(x, y unship.Bucket) int {
			return cmp.Or(cmp.Compare(x.Index, y.Index), cmp.Compare(x.Count, y.Count))
		}))
}

// meter is what closing remembers of the metrics of one instance.
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
}

// meters are those of all instances.
type meters struct {
	of map[windowKey]*meter
	n  int // series
	// since is when the first window began whose points were all seen: what a series
	// that is younger counted was counted in windows of ours.
	since int64
	swept int64 // the window at which the silent ones were last dropped
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
		m := all.of[key]
		if m == nil {
			m = &meter{series: map[seriesKey]*memory{}, block: map[metricCell]*gathered{}}
			all.of[key] = m
		}
		m.heard, m.node, m.build = b.index, w.node, w.build
		slices.SortFunc(w.readings, compareReadings)
		w.readings = slices.CompactFunc(w.readings, func(x, y reading) bool { return compareReadings(x, y) == 0 })
		for i := range w.readings {
			b.read(key, w, m, &w.readings[i])
		}
	}
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
		b.gather(key, m, r, &x)
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
	s := b.memory(m, seriesKey{r.name, r.unit, r.attributes, r.kind})
	if s == nil {
		b.dropped++
		return x, false
	}
	last := s.last
	s.last = max(s.last, r.at)
	if x, ok = r.delta(), true; r.cumulative {
		x, ok = s.Next(series.Point{
			Start: r.start, At: r.at, Value: r.value, Count: r.count, Distribution: r.kind == pointDistribution, Buckets: r.durations,
		}, b.a.meters.since)
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

// memory finds or makes what is known of a series; nil if there is no place.
func (b *builder) memory(m *meter, key seriesKey) *memory {
	s := m.series[key]
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
