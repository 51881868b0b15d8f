package ingest

import (
	"errors"
	"slices"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/protobuf/encoding/protowire"

	"unship.dev/ingest/otlp/wire"
)

// nest puts a value of a depth into m.
func nest(m pcommon.Map, depth int) {
	v := m.PutEmpty("k")
	for i := 1; i < depth; i++ {
		if i%2 == 0 {
			v = v.SetEmptyMap().PutEmpty("k")
		} else {
			v = v.SetEmptySlice().AppendEmpty()
		}
	}
	v.SetInt(1)
}

// places are all attribute maps that OTLP has.
var places = map[string]func(depth int) (way, []byte, error){
	"resource": inTraces(func(r ptraceotlp.ExportRequest) pcommon.Map {
		return r.Traces().ResourceSpans().AppendEmpty().Resource().Attributes()
	}),
	"scope": inTraces(func(r ptraceotlp.ExportRequest) pcommon.Map {
		return r.Traces().ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Scope().Attributes()
	}),
	"span": inTraces(func(r ptraceotlp.ExportRequest) pcommon.Map {
		return r.Traces().ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty().Attributes()
	}),
	"event": inTraces(func(r ptraceotlp.ExportRequest) pcommon.Map {
		return r.Traces().ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty().Events().AppendEmpty().Attributes()
	}),
	"link": inTraces(func(r ptraceotlp.ExportRequest) pcommon.Map {
		return r.Traces().ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty().Links().AppendEmpty().Attributes()
	}),
	"log": func(depth int) (way, []byte, error) {
		r := plogotlp.NewExportRequest()
		nest(r.Logs().ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Attributes(), depth)
		b, err := r.MarshalProto()
		return logsWay, b, err
	},
	"body": func(depth int) (way, []byte, error) {
		r := plogotlp.NewExportRequest()
		body := r.Logs().ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body()
		nest(body.SetEmptyMap(), depth-1)
		b, err := r.MarshalProto()
		return logsWay, b, err
	},
	"metadata": inMetric(func(m pmetric.Metric) pcommon.Map { return m.Metadata() }),
	"gauge":    inMetric(func(m pmetric.Metric) pcommon.Map { return m.SetEmptyGauge().DataPoints().AppendEmpty().Attributes() }),
	"sum":      inMetric(func(m pmetric.Metric) pcommon.Map { return m.SetEmptySum().DataPoints().AppendEmpty().Attributes() }),
	"histogram": inMetric(func(m pmetric.Metric) pcommon.Map {
		return m.SetEmptyHistogram().DataPoints().AppendEmpty().Attributes()
	}),
	"exponential": inMetric(func(m pmetric.Metric) pcommon.Map {
		return m.SetEmptyExponentialHistogram().DataPoints().AppendEmpty().Attributes()
	}),
	"summary": inMetric(func(m pmetric.Metric) pcommon.Map { return m.SetEmptySummary().DataPoints().AppendEmpty().Attributes() }),
	"gauge exemplar": inMetric(func(m pmetric.Metric) pcommon.Map {
		return m.SetEmptyGauge().DataPoints().AppendEmpty().Exemplars().AppendEmpty().FilteredAttributes()
	}),
	"histogram exemplar": inMetric(func(m pmetric.Metric) pcommon.Map {
		return m.SetEmptyHistogram().DataPoints().AppendEmpty().Exemplars().AppendEmpty().FilteredAttributes()
	}),
	"exponential exemplar": inMetric(func(m pmetric.Metric) pcommon.Map {
		return m.SetEmptyExponentialHistogram().DataPoints().AppendEmpty().Exemplars().AppendEmpty().FilteredAttributes()
	}),
}

func inTraces(at func(ptraceotlp.ExportRequest) pcommon.Map) func(int) (way, []byte, error) {
	return func(depth int) (way, []byte, error) {
		r := ptraceotlp.NewExportRequest()
		nest(at(r), depth)
		b, err := r.MarshalProto()
		return tracesWay, b, err
	}
}

func inMetric(at func(pmetric.Metric) pcommon.Map) func(int) (way, []byte, error) {
	return func(depth int) (way, []byte, error) {
		r := pmetricotlp.NewExportRequest()
		nest(at(r.Metrics().ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()), depth)
		b, err := r.MarshalProto()
		return metricsWay, b, err
	}
}

func TestValuesThatAreTooDeep(t *testing.T) {
	for name, place := range places {
		for depth, want := range map[int]error{1: nil, wire.MaxDepth: nil, wire.MaxDepth + 1: wire.ErrTooDeep} {
			w, body, err := place(depth)
			if err != nil {
				t.Fatal(err)
			}
			if _, got := w.here(newAggregator(t), body); !errors.Is(got, want) {
				t.Errorf("%s, %d deep: %v, want %v", name, depth, got, want)
			}
			w.checkSame(t, body)
		}
	}
}

func TestAnEndlessNest(t *testing.T) {
	if _, err := newAggregator(t).TracesProto(nested(2 << 20)); !errors.Is(err, wire.ErrTooDeep) {
		t.Errorf("got %v, want %v", err, wire.ErrTooDeep)
	}
}

// nested makes a request of about size bytes that is nothing but nesting, from the inside out.
func nested(size int) []byte {
	buf, pos := make([]byte, size), size
	wrap := func(field protowire.Number) {
		head := protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.BytesType), uint64(size-pos))
		pos -= len(head)
		copy(buf[pos:], head)
	}
	for pos > 100 {
		wrap(1)
		wrap(5)
	}
	for _, field := range []protowire.Number{2, 1, 1, 1} {
		wrap(field)
	}
	return buf[pos:]
}

// deepLogs is the content of a ResourceLogs, and of the ScopeLogs in it, with a body 200 deep.
func deepLogs() (resource, scope []byte) {
	value := []byte{}
	for range 200 {
		value = message(5, message(1, value))
	}
	scope = message(2, message(5, value))
	return message(2, scope), scope
}

func message(number protowire.Number, value []byte) []byte {
	return tagged(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

func tagged(tag, value []byte) []byte {
	return protowire.AppendBytes(slices.Clone(tag), value)
}

// Some bytes are read by pdata and refused by the protobuf library, and the other way
// round. None of them may carry a nest past the decoder.
func TestNoWayRoundTheDepth(t *testing.T) {
	resource, scope := deepLogs()
	group := protowire.AppendTag(nil, 99, protowire.StartGroupType)
	group = protowire.AppendVarint(protowire.AppendTag(group, 98, protowire.VarintType), 1)
	group = append(group, message(1, resource)...)
	for name, tt := range map[string]struct {
		body []byte
		want error
	}{
		"as it should be":              {message(1, resource), wire.ErrTooDeep},
		"the old number of scopes":     {message(1, message(1000, scope)), wire.ErrTooDeep},
		"a number beyond 32 bits":      {tagged(protowire.AppendVarint(nil, (1<<32+1)<<3|2), resource), wire.ErrMalformed},
		"a varint that overflows":      {tagged([]byte{0x8a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02}, resource), wire.ErrMalformed},
		"in a group":                   {protowire.AppendTag(group, 99, protowire.EndGroupType), wire.ErrMalformed},
		"in a group that does not end": {group, wire.ErrMalformed},
		"before a broken end":          {append(message(1, resource), 0xff), wire.ErrTooDeep},
	} {
		if _, got := newAggregator(t).LogsProto(tt.body); !errors.Is(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
