package ingest

import (
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"

	"unship.dev"
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

func (p *pointData) invalid() string {
	if why := invalidTime(p.time); why != "" {
		return why
	}
	switch {
	case !isNumber(p.value):
		return whyNotANumber
	case p.kind == pointSumBoth && p.temporality == temporalityDelta:
		return whyLevel
	case (p.kind == pointSum || p.kind == pointDistribution) && p.temporality == temporalityNone:
		return whyTemporal
	}
	return ""
}

func isNumber(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// point is one data point as it waits for its window to close.
type point struct {
	*form
	at, start  int64
	value      float64
	count      uint64
	resource   uint32
	from, to   uint32 // of the durations of requests, in pane.buckets
	cumulative bool
	noSum      bool
}

// pointBytes is the estimated memory of a point, with what slices grow beyond need.
const pointBytes = 96

// pointStage holds the points of one request until all of it was read.
type pointStage struct {
	points  []point
	buckets []unship.Bucket // of their durations
}

// reset empties the stage, and keeps its room unless that is more than most requests need.
func (t *pointStage) reset() {
	const most = 1 << 14
	if cap(t.points) > most || cap(t.buckets) > 4*most {
		*t = pointStage{}
	}
	clear(t.points) // they hold on to their forms
	t.points, t.buckets = t.points[:0], t.buckets[:0]
}

// accepts says that a point of a resource may be staged; r is nil if that has no service.
func (in *intake) accepts(r *resource, d *pointData) bool {
	why := whyNoService
	if r != nil {
		why = d.invalid()
	}
	if why != "" {
		in.stage.refused = append(in.stage.refused, refused{why, d.time})
		return false
	}
	return in.believed(d.time)
}

// point stages one data point of a form. Every decoder ends here.
func (in *intake) point(r *resource, f *form, d *pointData) {
	m := point{
		at: int64(d.time), value: d.value, count: d.count, form: f, resource: r.number,
		cumulative: d.temporality == temporalityCumulative, noSum: d.noSum,
	}
	if invalidTime(d.start) == "" && d.start < d.time {
		m.start = int64(d.start)
	} else if d.start == d.time {
		m.start = m.at
	}
	t := &in.points
	if f.request.timed {
		in.durations = appendDurations(in.durations[:0], d, f.request.unit)
		m.from = uint32(len(t.buckets))
		t.buckets = append(t.buckets, in.durations...)
		m.to = uint32(len(t.buckets))
	}
	t.points = append(t.points, m)
}

// level stages a quantile of the summary before it.
func (in *intake) level(r *resource, f *form, d *pointData, value float64) {
	in.points.points = append(in.points.points, point{form: f, at: int64(d.time), value: value, resource: r.number})
}

// settle gives the points that count somebody else's requests to whom they are of.
func (in *intake) settle() {
	var of *identity
	var r *resource
	for i := range in.points.points {
		m := &in.points.points[i]
		if m.served == nil {
			continue
		}
		if m.served != of {
			of, r = m.served, in.stage.use(in.a.resources.find(*m.served))
		}
		m.resource = r.number
	}
}

// commitPoints hands the staged points to their shards.
func (in *intake) commitPoints() {
	in.settle()
	counted := false
	commitRuns(in, in.points.points, (*point).place, func(p *pane, f fate, index int64, m *point) int64 {
		if !m.isLevel { // a level shares the fate of its summary
			if counted = in.count(f, index); counted {
				in.tally.Points++
			}
		}
		if !counted {
			return 0
		}
		return in.addPoint(p, m)
	})
}

func (m *point) place() (resource uint32, at int64) { return m.resource, m.at }

func (in *intake) addPoint(p *pane, m *point) (added int64) {
	added = pointBytes
	if !m.noted {
		added += m.form.size()
	}
	if p.points == nil {
		p.points, p.buckets = in.a.points.get(), in.a.buckets.get()
	}
	durations := in.points.buckets[m.from:m.to]
	m.from = uint32(len(p.buckets))
	p.buckets = append(p.buckets, durations...)
	m.to = uint32(len(p.buckets))
	p.points = append(p.points, *m)
	return added + 8*int64(len(durations))
}

// attributesText writes "key=value,key=value", sorted by key. What is too long is
// cut, and ends in a hash of the whole, so that it stays another series.
func attributesText(list []attribute) string {
	if len(list) == 0 {
		return ""
	}
	pairs := make([]string, 0, len(list))
	for _, a := range list {
		pairs = append(pairs, a.key+"="+a.value)
	}
	slices.Sort(pairs)
	text := strings.Join(pairs, ",")
	if len(text) <= maxAttributes {
		return cut(text, maxAttributes)
	}
	h := fnv.New64a()
	h.Write([]byte(text))
	return string(strconv.AppendUint([]byte(cut(text, maxAttributes-17)+"#"), h.Sum64(), 16))
}
