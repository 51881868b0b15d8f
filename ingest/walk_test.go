package ingest

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Here pdata's objects are read, as an oracle for the decoder: what it gives of bytes is
// what comes of the same request decoded by pdata. In tests it is a way to send, too.

// Traces takes spans. The error is ErrOverloaded or nil.
func (a *Aggregator) Traces(td ptrace.Traces) (Refusal, error) {
	in, err := a.begin(td.SpanCount())
	if err != nil {
		return Refusal{}, err
	}
	for _, rs := range td.ResourceSpans().All() {
		r := in.stage.use(in.walkResource(rs.Resource()))
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				in.data.read(span, in.a.keys)
				in.span(r, &in.data)
			}
		}
	}
	in.commit()
	return in.end(), nil
}

// Logs takes log records. The error is ErrOverloaded or nil.
func (a *Aggregator) Logs(ld plog.Logs) (Refusal, error) {
	in, err := a.begin(ld.LogRecordCount())
	if err != nil {
		return Refusal{}, err
	}
	for _, rl := range ld.ResourceLogs().All() {
		r := in.stage.use(in.walkResource(rl.Resource()))
		for _, sl := range rl.ScopeLogs().All() {
			for _, record := range sl.LogRecords().All() {
				d := in.readLog(record)
				in.log(r, &d)
			}
		}
	}
	in.commit()
	return in.end(), nil
}

// Metrics takes data points. The error is ErrOverloaded or nil.
func (a *Aggregator) Metrics(md pmetric.Metrics) (Refusal, error) {
	in, err := a.begin(md.DataPointCount())
	if err != nil {
		return Refusal{}, err
	}
	for _, rm := range md.ResourceMetrics().All() {
		r := in.stage.use(in.walkResource(rm.Resource()))
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				in.walkMetric(r, m)
			}
		}
	}
	in.commit()
	return in.end(), nil
}

func (in *intake) walkResource(res pcommon.Resource) *resource {
	var d resourceData
	for key, v := range res.Attributes().All() {
		if f := resourceFieldOf(key); f != resourceOther {
			d[f] = text(v)
		}
	}
	return in.resource(&d)
}

// text gives a value as text: of a list the first element. Semantic conventions
// allow numbers where older ones had text, and the other way round.
func text(v pcommon.Value) string {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return v.Str()
	case pcommon.ValueTypeInt:
		return strconv.FormatInt(v.Int(), 10)
	case pcommon.ValueTypeDouble:
		return strconv.FormatFloat(v.Double(), 'g', -1, 64)
	case pcommon.ValueTypeBool:
		return strconv.FormatBool(v.Bool())
	case pcommon.ValueTypeSlice:
		if v.Slice().Len() > 0 {
			return text(v.Slice().At(0))
		}
	}
	return ""
}

func (d *spanData) read(s ptrace.Span, keys *attributeKeys) {
	trace, id, parent := s.TraceID(), s.SpanID(), s.ParentSpanID()
	*d = spanData{
		trace:      words(trace),
		id:         binary.BigEndian.Uint64(id[:]),
		parent:     binary.BigEndian.Uint64(parent[:]),
		start:      uint64(s.StartTimestamp()),
		end:        uint64(s.EndTimestamp()),
		kind:       kindOf(s.Kind()),
		failed:     s.Status().Code() == ptrace.StatusCodeError,
		name:       s.Name(),
		message:    s.Status().Message(),
		traceState: s.TraceState().AsRaw(),
		traits:     d.traits[:0],
	}
	for key, v := range s.Attributes().All() {
		kind := keys.kind(key)
		if kind.field != fieldOther {
			d.fields[kind.field] = text(v)
		} else if kind.large && v.Type() == pcommon.ValueTypeInt {
			d.addTrait(kind.trait, orderOf(float64(v.Int())))
		} else if kind.large && v.Type() == pcommon.ValueTypeDouble {
			d.addTrait(kind.trait, orderOf(v.Double()))
		} else if kind.trait != 0 && isScalar(v.Type()) {
			d.addTrait(kind.trait, text(v))
		}
	}
	if d.failed || d.kind.isEntry() {
		d.readException(s)
	}
	for _, e := range s.Events().All() {
		if e.Name() == "feature_flag.evaluation" || e.Name() == "feature_flag" {
			d.readFlag(e.Attributes(), keys)
		}
	}
	d.readFlag(s.Attributes(), keys)
}

// tells is whole once more.
func (f *flagData) tells() bool {
	value := cmp.Or(f.variant, f.value)
	return f.key != "" && len(f.key) <= 80 && value != "" && len(value) <= 64
}

// readFlag makes the evaluation of a feature flag a trait; of several the last counts.
func (d *spanData) readFlag(attributes pcommon.Map, keys *attributeKeys) {
	var f flagData
	for key, v := range attributes.All() {
		switch key {
		case "feature_flag.key":
			f.key = text(v)
		case "feature_flag.result.variant", "feature_flag.variant":
			f.variant = text(v)
		case "feature_flag.result.value":
			f.value = text(v)
		}
	}
	if f.tells() {
		if kind := keys.kind("feature_flag." + f.key); kind.trait != 0 {
			d.traits = slices.DeleteFunc(d.traits, func(t trait) bool { return t.key == kind.trait })
			d.addTrait(kind.trait, cmp.Or(f.variant, f.value))
		}
	}
}

// isScalar says that values of a type can be few.
func isScalar(t pcommon.ValueType) bool {
	return t == pcommon.ValueTypeStr || t == pcommon.ValueTypeBool || t == pcommon.ValueTypeInt
}

// readException takes the last exception: the one that ended the span. Of spans
// that did not fail only requests are asked: what they report was turned into an
// answer for the caller (a rejection, a fallback). Inside a request an exception
// without a failure was handled where it was thrown, and many libraries report it so.
func (d *spanData) readException(s ptrace.Span) {
	for _, e := range s.Events().All() {
		if e.Name() != "exception" {
			continue
		}
		d.fields[exceptionType], d.fields[exceptionMessage], d.fields[exceptionStack] = "", "", ""
		for key, v := range e.Attributes().All() {
			switch key {
			case "exception.type":
				d.fields[exceptionType] = text(v)
			case "exception.message":
				d.fields[exceptionMessage] = text(v)
			case "exception.stacktrace":
				d.fields[exceptionStack] = text(v)
			}
		}
	}
}

func kindOf(k ptrace.SpanKind) kind {
	return kindNumbered(int32(k))
}

func words(id pcommon.TraceID) [2]uint64 {
	return [2]uint64{binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])}
}

func (in *intake) readLog(r plog.LogRecord) logData {
	d := logData{
		time:     uint64(r.Timestamp()),
		severity: max(int32(r.SeverityNumber()), 0), severityText: r.SeverityText(),
		body: body(r.Body()), trace: words(r.TraceID()),
	}
	if d.time == 0 {
		d.time = uint64(r.ObservedTimestamp())
	}
	in.said = in.said[:0]
	for key, v := range r.Attributes().All() {
		switch f := logFieldOf(key); {
		case d.field(f) != nil:
			*d.field(f) = text(v)
		case f != fieldOther:
			in.readSaid(f, v)
		}
	}
	in.readSaid(logGroup, r.Body())
	if name := cmp.Or(r.EventName(), d.event); d.flag.tells() && (name == "feature_flag.evaluation" || name == "feature_flag") {
		d.template = "feature_flag.evaluation " + d.flag.key + "=" + cmp.Or(d.flag.variant, d.flag.value)
	}
	return d
}

// readSaid notes what may tell of a request, and the members of groups in their place.
func (in *intake) readSaid(f field, v pcommon.Value) {
	if f != logGroup {
		in.said = append(in.said, fieldText{f, text(v)})
		return
	}
	if v.Type() != pcommon.ValueTypeMap {
		return
	}
	for key, v := range v.Map().All() {
		if f := logFieldOf(key); f.ofRequest() {
			in.readSaid(f, v)
		}
	}
}

// body gives a log line's text, without building all of a large structured one
// where a text is enough.
func body(v pcommon.Value) string {
	if v.Type() == pcommon.ValueTypeMap {
		for _, key := range bodyKeys {
			if m, ok := v.Map().Get(key); ok {
				return text(m)
			}
		}
	}
	if v.Type() == pcommon.ValueTypeStr {
		return v.Str()
	}
	return cut(v.AsString(), maxBody)
}

// walkMetric hands over each data point of a metric.
func (in *intake) walkMetric(r *resource, m pmetric.Metric) {
	take := func(p pointLike, d pointData) {
		d.time, d.start = uint64(p.Timestamp()), uint64(p.StartTimestamp())
		if r != nil && p.Flags().NoRecordedValue() || !in.accepts(r, &d) {
			return
		}
		d.name, d.unit, d.attributes = m.Name(), m.Unit(), in.attributes(p.Attributes())
		f := in.newForm(r, &d)
		in.point(r, f, &d)
		for _, q := range d.quantiles {
			if isNumber(q.value) {
				in.level(r, f.newLevel(q.q, d.attributes), &d, q.value)
			}
		}
	}
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		walkNumbers(m.Gauge().DataPoints(), pointData{kind: pointGauge}, take)
	case pmetric.MetricTypeSum:
		d := pointData{kind: pointSumBoth, temporality: temporality(m.Sum().AggregationTemporality())}
		if m.Sum().IsMonotonic() {
			d.kind = pointSum
		}
		walkNumbers(m.Sum().DataPoints(), d, take)
	case pmetric.MetricTypeHistogram:
		walkHistogram(m.Histogram(), take)
	case pmetric.MetricTypeExponentialHistogram:
		walkExponential(m.ExponentialHistogram(), take)
	case pmetric.MetricTypeSummary:
		walkSummary(m.Summary(), take)
	}
}

// attributes gives the attributes of a point, until the next point is read.
func (in *intake) attributes(m pcommon.Map) []attribute {
	in.pairs = in.pairs[:0]
	for key, v := range m.All() {
		in.pairs = append(in.pairs, attribute{key, text(v)})
	}
	return in.pairs
}

type pointLike interface {
	Timestamp() pcommon.Timestamp
	StartTimestamp() pcommon.Timestamp
	Flags() pmetric.DataPointFlags
	Attributes() pcommon.Map
}

func walkNumbers(points pmetric.NumberDataPointSlice, d pointData, take func(pointLike, pointData)) {
	for _, p := range points.All() {
		d.value = p.DoubleValue()
		if p.ValueType() == pmetric.NumberDataPointValueTypeInt {
			d.value = float64(p.IntValue())
		}
		take(p, d)
	}
}

func walkHistogram(m pmetric.Histogram, take func(pointLike, pointData)) {
	for _, p := range m.DataPoints().All() {
		take(p, pointData{
			kind: pointDistribution, temporality: temporality(m.AggregationTemporality()),
			value: p.Sum(), count: p.Count(), noSum: !p.HasSum(),
			bounds: p.ExplicitBounds().AsRaw(), buckets: p.BucketCounts().AsRaw(),
		})
	}
}

func walkExponential(m pmetric.ExponentialHistogram, take func(pointLike, pointData)) {
	for _, p := range m.DataPoints().All() {
		take(p, pointData{
			kind: pointDistribution, temporality: temporality(m.AggregationTemporality()),
			value: p.Sum(), count: p.Count(), noSum: !p.HasSum(),
			scale: p.Scale(), zero: p.ZeroCount(), offset: p.Positive().Offset(), positive: p.Positive().BucketCounts().AsRaw(),
		})
	}
}

// walkSummary hands over a summary as a distribution: its sum and its count are
// cumulative, or begin anew at each point, which its start tells.
func walkSummary(m pmetric.Summary, take func(pointLike, pointData)) {
	for _, p := range m.DataPoints().All() {
		d := pointData{kind: pointDistribution, temporality: temporalityCumulative, value: p.Sum(), count: p.Count()}
		for _, q := range p.QuantileValues().All() {
			d.quantiles = append(d.quantiles, quantile{q.Quantile(), q.Value()})
		}
		take(p, d)
	}
}
