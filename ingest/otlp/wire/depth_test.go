package wire

import (
	"errors"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/protobuf/encoding/protowire"
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
var places = map[string]func(depth int) (Message, []byte, error){
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
	"log": func(depth int) (Message, []byte, error) {
		r := plogotlp.NewExportRequest()
		nest(r.Logs().ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Attributes(), depth)
		b, err := r.MarshalProto()
		return Logs, b, err
	},
	"body": func(depth int) (Message, []byte, error) {
		r := plogotlp.NewExportRequest()
		body := r.Logs().ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body()
		nest(body.SetEmptyMap(), depth-1)
		b, err := r.MarshalProto()
		return Logs, b, err
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

func inTraces(at func(ptraceotlp.ExportRequest) pcommon.Map) func(int) (Message, []byte, error) {
	return func(depth int) (Message, []byte, error) {
		r := ptraceotlp.NewExportRequest()
		nest(at(r), depth)
		b, err := r.MarshalProto()
		return Traces, b, err
	}
}

func inMetric(at func(pmetric.Metric) pcommon.Map) func(int) (Message, []byte, error) {
	return func(depth int) (Message, []byte, error) {
		r := pmetricotlp.NewExportRequest()
		nest(at(r.Metrics().ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()), depth)
		b, err := r.MarshalProto()
		return Metrics, b, err
	}
}

func TestCheckDepth(t *testing.T) {
	for name, place := range places {
		for depth, want := range map[int]error{1: nil, MaxDepth: nil, MaxDepth + 1: ErrTooDeep} {
			m, body, err := place(depth)
			if err != nil {
				t.Fatal(err)
			}
			if got := CheckDepth(m, body); !errors.Is(got, want) {
				t.Errorf("%s, %d deep: %v, want %v", name, depth, got, want)
			}
		}
	}
}

func TestCheckDepthOfAnEndlessNest(t *testing.T) {
	if err := CheckDepth(Traces, nested(2<<20)); !errors.Is(err, ErrTooDeep) {
		t.Errorf("got %v, want %v", err, ErrTooDeep)
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

func FuzzCheckDepth(f *testing.F) {
	for _, place := range places {
		m, body, err := place(3)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(m), body)
	}
	f.Fuzz(func(t *testing.T, m uint8, body []byte) {
		if err := CheckDepth(Message(m%4), body); errors.Is(err, ErrTooDeep) && len(body) < 2*MaxDepth {
			t.Errorf("%d bytes cannot be nested that deep: %v", len(body), err)
		}
	})
}
