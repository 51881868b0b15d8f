package ingest

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"pgregory.net/rapid"

	"unship.dev"
)

// testPoint is a data point as tests write it. Times are offsets from epoch.
type testPoint struct {
	service, version, pod string
	name, unit            string
	kind                  string // gauge, sum, both (rises and falls), histogram, exponential, summary
	delta                 bool
	from, at              time.Duration // from 0 is unknown
	value                 float64
	count                 uint64
	bounds                []float64
	buckets               []uint64
	scale, offset         int32
	attrs                 map[string]any
}

func (p testPoint) send(t testing.TB, a *Aggregator) Refusal {
	t.Helper()
	r, err := a.Metrics(p.metrics(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (p testPoint) metrics(t testing.TB) pmetric.Metrics {
	t.Helper()
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	set(t, rm.Resource().Attributes(), map[string]any{"service.name": orWeb(p.service), "service.version": p.version, "k8s.pod.name": p.pod})
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(p.name)
	m.SetUnit(p.unit)
	p.put(t, m)
	return md
}

func orWeb(service string) string {
	if service == "" {
		return "web"
	}
	return service
}

func (p testPoint) put(t testing.TB, m pmetric.Metric) {
	t.Helper()
	temporality := pmetric.AggregationTemporalityCumulative
	if p.delta {
		temporality = pmetric.AggregationTemporalityDelta
	}
	number := func(n pmetric.NumberDataPoint) {
		n.SetDoubleValue(p.value)
		p.common(t, n)
	}
	switch p.kind {
	case "gauge":
		number(m.SetEmptyGauge().DataPoints().AppendEmpty())
	case "sum", "both":
		m.SetEmptySum().SetIsMonotonic(p.kind == "sum")
		m.Sum().SetAggregationTemporality(temporality)
		number(m.Sum().DataPoints().AppendEmpty())
	case "histogram":
		m.SetEmptyHistogram().SetAggregationTemporality(temporality)
		h := m.Histogram().DataPoints().AppendEmpty()
		h.SetCount(p.count)
		h.SetSum(p.value)
		h.ExplicitBounds().FromRaw(p.bounds)
		h.BucketCounts().FromRaw(p.buckets)
		p.common(t, h)
	case "exponential":
		m.SetEmptyExponentialHistogram().SetAggregationTemporality(temporality)
		h := m.ExponentialHistogram().DataPoints().AppendEmpty()
		h.SetCount(p.count)
		h.SetSum(p.value)
		h.SetScale(p.scale)
		h.Positive().SetOffset(p.offset)
		h.Positive().BucketCounts().FromRaw(p.buckets)
		p.common(t, h)
	case "summary":
		s := m.SetEmptySummary().DataPoints().AppendEmpty()
		s.SetCount(p.count)
		s.SetSum(p.value)
		for i, v := range p.bounds {
			q := s.QuantileValues().AppendEmpty()
			q.SetQuantile(float64(i+1) / 4)
			q.SetValue(v)
		}
		p.common(t, s)
	default:
		t.Fatalf("kind %q", p.kind)
	}
}

type settable interface {
	pointLike
	SetTimestamp(v pcommon.Timestamp)
	SetStartTimestamp(v pcommon.Timestamp)
}

func (p testPoint) common(t testing.TB, s settable) {
	t.Helper()
	s.SetTimestamp(stamp(p.at))
	if p.from != 0 {
		s.SetStartTimestamp(stamp(p.from))
	}
	set(t, s.Attributes(), p.attrs)
}

func metricsOf(ticks []unship.Tick) (list []unship.Metric) {
	for _, tick := range ticks {
		for _, w := range tick.Windows {
			list = append(list, w.Metrics...)
		}
	}
	return list
}

// A pod that began a minute before we did, and one that began later.
const older, newer = -time.Minute, 10 * time.Second

func TestMetrics(t *testing.T) {
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	tests := map[string]struct {
		points []testPoint
		want   []unship.Metric
	}{
		"gauge": {[]testPoint{{kind: "gauge", at: time.Second, value: 3}}, []unship.Metric{{Kind: unship.MetricGauge, At: at(1), Value: 3}}},
		"a level that is sent as a sum": {
			[]testPoint{{kind: "both", from: older, at: time.Second, value: 3}}, []unship.Metric{{Kind: unship.MetricGauge, At: at(1), Value: 3}},
		},
		"delta": {
			[]testPoint{{kind: "sum", delta: true, from: older, at: time.Second, value: 3}},
			[]unship.Metric{{Kind: unship.MetricCount, At: at(1), Over: 61 * time.Second, Value: 3}},
		},
		"cumulative": {
			[]testPoint{
				{kind: "sum", from: older, at: time.Second, value: 3}, {kind: "sum", from: older, at: 61 * time.Second, value: 5},
				{kind: "sum", from: 90 * time.Second, at: 121 * time.Second, value: 4},
			},
			[]unship.Metric{
				{Kind: unship.MetricCount, At: at(61), Over: time.Minute, Value: 2}, {Kind: unship.MetricCount, At: at(121), Over: 31 * time.Second, Value: 4},
			},
		},
		"cumulative, of a pod that is new": {
			[]testPoint{{kind: "gauge", at: 0}, {kind: "sum", from: newer, at: 20 * time.Second, value: 3}},
			[]unship.Metric{{At: at(0)}, {Kind: unship.MetricCount, At: at(20), Over: 10 * time.Second, Value: 3}},
		},
		"histogram": {
			[]testPoint{
				{kind: "histogram", from: older, at: time.Second, value: 3, count: 2}, {kind: "histogram", from: older, at: 61 * time.Second, value: 5, count: 6},
				{kind: "histogram", from: older, at: 121 * time.Second, value: 5, count: 6},
			},
			[]unship.Metric{{Kind: unship.MetricDistribution, At: at(61), Over: time.Minute, Value: .5, Count: 4}},
		},
		"exponential histogram": {
			[]testPoint{{kind: "exponential", delta: true, from: older, at: time.Second, value: 3, count: 2}},
			[]unship.Metric{{Kind: unship.MetricDistribution, At: at(1), Over: 61 * time.Second, Value: 1.5, Count: 2}},
		},
		"summary": {
			[]testPoint{{kind: "summary", from: older, at: time.Second, value: 3, count: 2, bounds: []float64{7, math.NaN()}}, {kind: "summary", from: older, at: 61 * time.Second, value: 9, count: 4}},
			[]unship.Metric{
				{Kind: unship.MetricGauge, Attributes: "quantile=0.25", At: at(1), Value: 7},
				{Kind: unship.MetricDistribution, At: at(61), Over: time.Minute, Value: 3, Count: 2},
			},
		},
	}
	for name, c := range tests {
		a := newAggregator(t)
		for _, p := range c.points {
			if r := p.send(t, a); r.Count > 0 {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if diff := cmp.Diff(c.want, metricsOf(a.Flush())); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestPointsWithoutMeaningAreRefused(t *testing.T) {
	a := newAggregator(t)
	if r := (testPoint{kind: "both", delta: true, at: time.Second}).send(t, a); r.Count != 1 || !strings.Contains(r.Reason, whyLevel) {
		t.Errorf("%+v", r)
	}
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "web")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetEmptySum().SetIsMonotonic(true)
	m.Sum().DataPoints().AppendEmpty().SetTimestamp(stamp(0))
	if r, err := a.Metrics(md); err != nil || r.Count != 1 || !strings.Contains(r.Reason, whyTemporal) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestLongAttributesStayApart(t *testing.T) {
	a := newAggregator(t)
	long := strings.Repeat("x", 1000)
	for i := range 2 {
		testPoint{kind: "gauge", at: time.Second, attrs: map[string]any{"a": fmt.Sprint(long, i)}}.send(t, a)
	}
	got := metricsOf(a.Flush())
	if len(got) != 2 || got[0].Attributes == got[1].Attributes || len(got[0].Attributes) > maxAttributes {
		t.Errorf("%+v", got)
	}
}

// drawPoints draws the points of a few instances, of which some restart.
func drawPoints(t *rapid.T) (points []testPoint) {
	for pod := range rapid.IntRange(1, 3).Draw(t, "pods") {
		for _, kind := range []string{"sum", "histogram"} {
			now, from, value := time.Duration(0), older, 0
			for range rapid.IntRange(0, 8).Draw(t, "points") {
				now += time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second
				if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
					from, value = now-time.Second/2, 0
				}
				value += rapid.IntRange(0, 5).Draw(t, "more")
				points = append(points, testPoint{
					version: fmt.Sprint(pod % 2), pod: fmt.Sprint("p", pod), name: "m." + kind, kind: kind, from: from, at: now,
					value: float64(value), count: uint64(value),
				})
			}
		}
	}
	return points
}

// Cumulative points give the same increases in whatever order they come, as long as
// none of them is late.
func TestIncreasesDoNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		points := drawPoints(rt)
		run := func(points []testPoint, take bool) (ticks []unship.Tick) {
			a := newAggregator(t, func(o *Options) { o.Lateness = 4 * time.Minute })
			for _, p := range points {
				p.send(t, a)
				if take {
					ticks = append(ticks, a.Take()...)
				}
			}
			return append(ticks, a.Flush()...)
		}
		want := run(points, false)
		if diff := cmp.Diff(want, run(rapid.Permutation(points).Draw(rt, "order"), true)); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func TestSeriesAreForgotten(t *testing.T) {
	a := newAggregator(t, func(o *Options) { o.Ceiling = func() time.Time { return epoch.Add(1000 * time.Hour) } })
	for i := range 30 {
		testPoint{kind: "sum", pod: fmt.Sprint("p", i), at: time.Duration(i) * time.Hour, value: 3}.send(t, a)
		a.Take()
	}
	if n := a.meters.n; n > 3 || len(a.meters.of) > 3 {
		t.Errorf("%d series of %d instances are remembered", n, len(a.meters.of))
	}
}

// After a restart the first point of a series that is older sets the base.
func TestIncreasesAfterARestart(t *testing.T) {
	a := newAggregator(t)
	a.Resume(epoch.Add(30 * time.Second))
	for i := range 4 {
		testPoint{kind: "sum", from: older, at: time.Duration(i) * 20 * time.Second, value: float64(i * i)}.send(t, a)
	}
	want := []unship.Metric{{Kind: unship.MetricCount, At: epoch.Add(time.Minute), Over: 20 * time.Second, Value: 5}}
	if diff := cmp.Diff(want, metricsOf(a.Flush())); diff != "" {
		t.Error(diff)
	}
}

func TestSeriesBeyondTheBoundAreDropped(t *testing.T) {
	a := newAggregator(t)
	testPoint{kind: "sum", from: older, at: 0, value: 3}.send(t, a)
	a.Advance(epoch.Add(10 * time.Second))
	a.Take()
	a.meters.n = maxSeries
	testPoint{kind: "sum", from: older, at: 20 * time.Second, value: 4}.send(t, a)
	testPoint{kind: "sum", name: "other", from: newer, at: 20 * time.Second, value: 4}.send(t, a)
	ticks := a.Flush()
	if got := metricsOf(ticks); len(got) != 1 || got[0].Name != "" || got[0].Value != 1 {
		t.Errorf("%+v; want that of the series that was known", got)
	}
	if ticks[0].Losses.Dropped != 1 {
		t.Errorf("losses %+v", ticks[0].Losses)
	}
}
