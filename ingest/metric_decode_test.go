package ingest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"unship.dev"
	"unship.dev/ingest/otlp/wire"
)

var metricsWay = way{
	wire.Metrics, func(a *Aggregator, message []byte) (r Refusal, malformed bool, err error) {
		req := pmetricotlp.NewExportRequest()
		if req.UnmarshalProto(message) != nil {
			return Refusal{}, true, nil
		}
		r, err = a.Metrics(req.Metrics())
		return r, false, err
	},
	func(a *Aggregator, body []byte) (Refusal, error) {
		req := pmetricotlp.NewExportRequest()
		if err := req.UnmarshalJSON(body); err != nil {
			return Refusal{}, err
		}
		return a.Metrics(req.Metrics())
	},
	(*Aggregator).MetricsProto,
}

func marshalMetrics(t testing.TB, md pmetric.Metrics) []byte {
	t.Helper()
	b, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// richMetrics are points of every kind with all that OTLP allows.
func richMetrics() pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.SetSchemaUrl("https://example.org/schema")
	meteredResource(rm.Resource().Attributes(), 1, 0)
	sm := rm.ScopeMetrics().AppendEmpty()
	sm.Scope().SetName("scope")
	sm.Scope().Attributes().PutBool("b", true)
	sm.SetSchemaUrl("https://example.org/schema")
	named := func(name, unit string) pmetric.Metric {
		m := sm.Metrics().AppendEmpty()
		m.SetName(name)
		m.SetUnit(unit)
		m.SetDescription("what it is")
		m.Metadata().PutStr("type", "x")
		return m
	}
	example := func(list pmetric.ExemplarSlice) {
		e := list.AppendEmpty()
		e.SetTimestamp(stamp(0))
		e.SetTraceID(traceID(7))
		e.SetSpanID(spanID(7))
		e.SetIntValue(-1)
		e.FilteredAttributes().PutInt("k", 1)
		list.AppendEmpty().SetDoubleValue(.5)
	}
	g := named("level", "By").SetEmptyGauge().DataPoints()
	p := g.AppendEmpty()
	p.SetTimestamp(stamp(0))
	p.SetIntValue(-7)
	p.SetFlags(pmetric.DefaultDataPointFlags)
	p.Attributes().PutEmptySlice("list").AppendEmpty().SetInt(300)
	p.Attributes().PutDouble("double", .25)
	p.Attributes().PutEmptyMap("map").PutStr("k", "v")
	p.Attributes().PutBool("bool", true)
	g.AppendEmpty().SetTimestamp(stamp(time.Second))
	g.At(1).SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	g.AppendEmpty().SetTimestamp(stamp(time.Second))
	g.At(2).SetDoubleValue(math.Inf(1))
	example(p.Exemplars())
	threads := named("process.threads", "").SetEmptySum()
	threads.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	threads.SetIsMonotonic(true)
	threads.DataPoints().AppendEmpty().SetTimestamp(stamp(time.Minute))
	example(threads.DataPoints().At(0).Exemplars())
	q := named("queue.wait", "ms").SetEmptySummary().DataPoints().AppendEmpty()
	q.SetTimestamp(stamp(time.Minute))
	q.SetStartTimestamp(stamp(0))
	q.SetCount(3)
	q.SetSum(7)
	q.QuantileValues().AppendEmpty().SetQuantile(.5)
	q.QuantileValues().AppendEmpty().SetQuantile(.99)
	q.Attributes().PutStr("queue", "a")
	requestDurations(named("http.server.request.duration", "s"), stamp(time.Minute), 2)
	h := sm.Metrics().At(sm.Metrics().Len() - 1).Histogram().DataPoints()
	left := h.Len() - 2
	h.RemoveIf(func(pmetric.HistogramDataPoint) bool { left--; return left >= 0 })
	example(h.At(0).Exemplars())
	e := named("http.server.duration", "ms").SetEmptyExponentialHistogram()
	e.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	x := e.DataPoints().AppendEmpty()
	x.SetTimestamp(stamp(time.Minute))
	x.SetStartTimestamp(stamp(0))
	x.SetCount(9)
	x.SetSum(12)
	x.SetMin(-1)
	x.SetMax(5)
	x.SetScale(-2)
	x.SetZeroCount(2)
	x.SetZeroThreshold(.1)
	x.Positive().SetOffset(-3)
	x.Positive().BucketCounts().FromRaw([]uint64{1, 0, 300})
	x.Negative().SetOffset(2)
	x.Negative().BucketCounts().FromRaw([]uint64{1, 300})
	x.Attributes().PutStr("http.route", "/orders/17")
	x.Attributes().PutInt("http.status_code", 503)
	x.Attributes().PutStr("tenant.id", "t1")
	example(x.Exemplars())
	e.DataPoints().AppendEmpty().SetTimestamp(stamp(time.Minute))
	return md
}

func TestTheDecoderReadsAllOfMetrics(t *testing.T) {
	message := marshalMetrics(t, richMetrics())
	metricsWay.checkChanged(t, message)
	if o := metricsWay.byDecoder(t, message, 1); o.Malformed || o.Stats.Points != 7 || o.Stats.Invalid[whyNotANumber] != 1 {
		t.Errorf("%+v, want 7 points and one that is none", o.Stats)
	}
}

// drawMetrics draws a request of points of a few series, written in different ways.
func drawMetrics(tb testing.TB, t *rapid.T) pmetric.Metrics {
	md := pmetric.NewMetrics()
	for range rapid.IntRange(1, 3).Draw(t, "resources") {
		rm := md.ResourceMetrics().AppendEmpty()
		if rapid.IntRange(0, 9).Draw(t, "known") > 0 {
			meteredResource(rm.Resource().Attributes(), rapid.IntRange(0, 1).Draw(t, "service"), rapid.IntRange(0, 1).Draw(t, "instance"))
		}
		for range rapid.IntRange(0, 4).Draw(t, "metrics") {
			m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
			p := testPoint{
				kind:  rapid.SampledFrom([]string{"gauge", "sum", "both", "histogram", "exponential", "summary"}).Draw(t, "kind"),
				delta: rapid.Bool().Draw(t, "delta"),
				from:  time.Duration(rapid.IntRange(0, 3).Draw(t, "from")) * time.Second,
				at:    time.Duration(rapid.IntRange(0, 40).Draw(t, "at")) * time.Second,
				value: float64(rapid.IntRange(0, 100).Draw(t, "value")),
				count: uint64(rapid.IntRange(0, 100).Draw(t, "count")),
				scale: int32(rapid.IntRange(-3, 6).Draw(t, "scale")), offset: int32(rapid.IntRange(-9, 9).Draw(t, "offset")),
				bounds: []float64{.1, 1}, buckets: []uint64{1, uint64(rapid.IntRange(0, 9).Draw(t, "bucket")), 3},
			}
			m.SetName(rapid.SampledFrom([]string{"http.server.request.duration", "http_requests_total", "queue.size"}).Draw(t, "name"))
			m.SetUnit(rapid.SampledFrom([]string{"", "s", "ms"}).Draw(t, "unit"))
			p.attrs = map[string]any{"http.route": fmt.Sprintf("/r%d", rapid.IntRange(0, 2).Draw(t, "route")), "http.response.status_code": 100 * rapid.IntRange(2, 5).Draw(t, "status")}
			if rapid.Bool().Draw(t, "plain") {
				p.attrs = nil
			}
			p.put(tb, m)
		}
	}
	return md
}

// Series that are written the same way are found by their bytes; windows close between.
func TestStreamsOfPointsGiveWhatPdataGives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		one, other := newAggregator(t), newAggregator(t)
		var want, got []unship.Tick
		for range rapid.IntRange(1, 8).Draw(rt, "requests") {
			md := drawMetrics(t, rt)
			message := marshalMetrics(t, md)
			r, err := one.Metrics(md)
			q, wrong := other.MetricsProto(message)
			if err != nil || wrong != nil || r != q {
				rt.Fatal(err, wrong, r, q)
			}
			want, got = append(want, one.Take()...), append(got, other.Take()...)
		}
		want, got = append(want, one.Flush()...), append(got, other.Flush()...)
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// What SDKs do not write and protobuf allows.
func TestTheDecoderReadsUnusualMetrics(t *testing.T) {
	field := func(number protowire.Number, parts ...[]byte) []byte {
		var all []byte
		for _, p := range parts {
			all = append(all, p...)
		}
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), all)
	}
	fixed := func(number protowire.Number, v uint64) []byte {
		return protowire.AppendFixed64(protowire.AppendTag(nil, number, protowire.Fixed64Type), v)
	}
	varint := func(number protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v)
	}
	text := func(s string) []byte { return []byte(s) }
	attribute := func(number protowire.Number, key, v string) []byte {
		return field(number, field(1, text(key)), field(2, field(1, text(v))))
	}
	at := fixed(3, uint64(stamp(time.Minute)))
	one := math.Float64bits(1)
	request := func(metric ...[]byte) []byte {
		return field(1, field(1, attribute(1, "service.name", "web")), field(2, field(2, metric...)))
	}
	name := field(1, text("http.server.request.duration"))
	histogram := func(point ...[]byte) []byte {
		return request(name, field(9, field(1, point...), varint(2, 2)))
	}
	exponential := func(point ...[]byte) []byte {
		return request(name, field(10, varint(2, 1), field(1, point...)))
	}
	for what, message := range map[string][]byte{
		"no points":                        request(name),
		"the name behind the points":       request(field(5, field(1, at, fixed(4, one))), name),
		"two kinds of points":              request(name, field(5, field(1, at, fixed(4, one))), field(7, field(1, at, fixed(6, 3)), varint(2, 2))),
		"the first kind malformed":         request(name, field(5, field(1, at, fixed(4, one), varint(2, 1))), field(7, field(1, at, fixed(6, 3)), varint(2, 2))),
		"the first kind's attributes, too": request(name, field(5, field(1, at, field(7, varint(1, 1)))), field(7, field(1, at, fixed(6, 3)), varint(2, 2))),
		"an int and a double":              request(name, field(5, field(1, at, fixed(6, 3), fixed(4, one)))),
		"a temporality beyond":             request(name, field(7, field(1, at, fixed(6, 3)), varint(2, 258), varint(3, 1))),
		"an unknown temporality":           request(name, field(7, field(1, at, fixed(6, 3)), varint(2, 7), varint(3, 1))),
		"a temporality of a gauge":         request(name, field(5, field(1, at, fixed(6, 3)), field(2), field(3))),
		"buckets one by one":               histogram(at, fixed(4, 3), fixed(6, 1), fixed(6, 2), fixed(7, one)),
		"buckets in two lists":             histogram(at, fixed(4, 3), field(6, make([]byte, 8)), field(6, make([]byte, 16)), field(7, make([]byte, 8))),
		"a list and one more":              histogram(at, fixed(4, 3), field(6, make([]byte, 8)), fixed(6, 5), fixed(7, one)),
		"a list of seven bytes":            histogram(at, field(6, make([]byte, 7))),
		"a bucket of another type":         histogram(at, varint(6, 1)),
		"bounds of another type":           histogram(at, varint(7, 1)),
		"exponential buckets one by one":   exponential(at, fixed(4, 3), field(8, varint(1, 3), varint(2, 7), varint(2, 8), field(2, []byte{1, 2}))),
		"exponential buckets twice":        exponential(at, fixed(4, 3), field(8, varint(2, 7)), field(8, varint(1, 5), varint(2, 8))),
		"a bucket that does not end":       exponential(at, field(8, field(2, []byte{0x80}))),
		"a negative one":                   exponential(at, field(9, field(2, []byte{0x80}))),
		"a large scale":                    exponential(at, varint(6, math.MaxUint64), field(8, varint(1, math.MaxUint32), varint(2, 8))),
		"attributes between others":        request(name, field(7, field(1, attribute(7, "http.route", "/a"), at, fixed(6, 3), attribute(7, "tenant.id", "b")), varint(2, 1), varint(3, 1))),
		"a key twice":                      request(name, field(7, field(1, at, fixed(6, 3), attribute(7, "a", "b"), attribute(7, "a", "c")), varint(2, 1), varint(3, 1))),
		"malformed where none is recorded": request(name, field(5, field(1, at, varint(8, 1), field(7, varint(1, 1))))),
		"malformed where the time is bad":  request(name, field(5, field(1, fixed(6, 1), field(7, varint(1, 1))))),
		"malformed without a service":      field(1, field(2, field(2, name, field(5, field(1, at, field(7, varint(1, 1))))))),
		"none recorded without a service":  field(1, field(2, field(2, name, field(5, field(1, at, varint(8, 1)))))),
		"the old number of scopes":         field(1, field(1, attribute(1, "service.name", "web")), field(1000, field(2, name, field(5, field(1, at, fixed(6, 3)))))),
		"a quantile that is no number":     request(name, field(11, field(1, at, fixed(4, 2), field(6, fixed(1, one), fixed(2, math.Float64bits(math.NaN()))), field(6, fixed(1, math.Float64bits(math.NaN())), fixed(2, one))))),
		"a quantile twice":                 request(name, field(11, field(1, at, fixed(4, 2), attribute(7, "quantile", "x"), field(6, fixed(1, one), fixed(2, one)), field(6, fixed(1, one), fixed(2, 0))))),
		"an example of a wrong id":         request(name, field(5, field(1, at, fixed(6, 3), field(5, field(4, text("xx")))))),
		"an example of a wrong type":       request(name, field(5, field(1, at, fixed(6, 3), field(5, varint(6, 1))))),
		"no text":                          request(field(1, text("\xff")), field(3, text("\xff")), field(5, field(1, at, fixed(6, 3), attribute(7, "a", "\xff")))),
		"nothing":                          nil,
	} {
		t.Run(what, func(t *testing.T) { metricsWay.checkSame(t, message) })
	}
}

// Series and lines that are known are found, not made.
func TestTheDecoderAllocatesNothingForWhatIsKnown(t *testing.T) {
	logs := marshalLogs(t, logPayload(1, 512))
	for name, c := range map[string]struct {
		way     way
		message []byte
		most    float64
	}{
		"512 log records": {logsWay, logs, 2},
		"72 data points":  {metricsWay, marshalMetrics(t, metricPayload(20)), 4}, // the pane grows
	} {
		a := newAggregator(t, func(o *Options) { o.MaxPendingBytes = 1 << 40 })
		per := testing.AllocsPerRun(200, func() {
			if _, err := c.way.here(a, c.message); err != nil {
				t.Fatal(err)
			}
		})
		if per > c.most*pools {
			t.Errorf("%v allocations for %s, want hardly any", per, name)
		}
	}
}

func TestMemoryOfFormsComesBack(t *testing.T) {
	a := newAggregator(t)
	send := func(batch int) {
		if _, err := a.MetricsProto(marshalMetrics(t, metricPayload(batch))); err != nil {
			t.Fatal(err)
		}
		a.Take()
	}
	send(0)
	one := a.resources.series.Load()
	if one == 0 || a.Stats().PendingBytes < one*100 {
		t.Fatalf("%d forms in %d bytes", one, a.Stats().PendingBytes)
	}
	for batch := range 12 * 60 { // ten minutes, the series of one service after the other
		send(batch)
	}
	if n := a.resources.series.Load(); n != 12*one {
		t.Errorf("%d forms, want %d of each of 12 services", n, one)
	}
	a.Advance(epoch.Add(time.Hour))
	a.Take()
	if p, n := a.Stats().PendingBytes, a.resources.series.Load(); p != 0 || n != 0 {
		t.Errorf("%d bytes pending, %d forms, want none", p, n)
	}
}

func TestFormsOfSilentSeriesAreForgotten(t *testing.T) {
	a := newAggregator(t)
	for i := range 1000 { // an hour and a half, in each window another series of one instance
		p := testPoint{kind: "gauge", name: "queue.size", at: time.Duration(i) * 5 * time.Second, attrs: map[string]any{"queue": i}}
		if _, err := a.MetricsProto(marshalMetrics(t, p.metrics(t))); err != nil {
			t.Fatal(err)
		}
		a.Take()
	}
	if n := a.resources.series.Load(); n == 0 || n > 2*sweepWindows {
		t.Errorf("%d forms are remembered, want those of the last minutes", n)
	}
}

func FuzzMetricsProto(f *testing.F) {
	f.Add(marshalMetrics(f, richMetrics()))
	f.Add(marshalMetrics(f, metricPayload(13)))
	f.Fuzz(func(t *testing.T, message []byte) { metricsWay.checkSame(t, message) })
}
