package ingest

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"pgregory.net/rapid"

	"unship.dev/ingest/otlp/wire"
)

// checkSameJSON wants of JSON that is turned into protobuf what pdata makes of it, and says
// whether it was turned.
func (w way) checkSameJSON(t testing.TB, body []byte) bool {
	t.Helper()
	message, ok := wire.Transcode(nil, w.kind, body)
	if !ok {
		return false
	}
	a := newAggregator(t)
	refusal, err := w.json(a, body)
	if err != nil {
		t.Errorf("%q was read; pdata: %v", body, err)
		return true
	}
	want := outcome{Refusal: refusal}
	if diff := cmp.Diff(want.finish(a), w.byDecoder(t, message, 1)); diff != "" {
		t.Errorf("%s\n%s\n%s", body, hex.EncodeToString(message), diff)
	}
	return true
}

func checkSameJSON(t testing.TB, body []byte) bool {
	t.Helper()
	return tracesWay.checkSameJSON(t, body)
}

func marshalJSON(t testing.TB, td ptrace.Traces) []byte {
	t.Helper()
	b, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestJSONBecomesTheSameInProtobuf(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		td := ptrace.NewTraces()
		for _, s := range drawSpans(rt) {
			s.put(t, td)
		}
		if body := marshalJSON(t, td); !checkSameJSON(t, body) {
			t.Errorf("%s was left to others", body)
		}
	})
}

// plainly is the rich span without what is left to others.
func plainly(t testing.TB) []byte {
	td := rich(t)
	a := only(td).Attributes()
	a.Remove("bytes")
	a.Remove("map")
	a.PutStr("escaped", "a \"quoted\"\tpath\\name\n/ü")
	return marshalJSON(t, td)
}

func TestJSONChangedAnywhere(t *testing.T) {
	for name, c := range map[string]struct {
		way  way
		body []byte
	}{
		"traces": {tracesWay, plainly(t)}, "metrics": {metricsWay, marshalMetricsJSON(t, plainMetrics())}, "logs": {logsWay, marshalLogsJSON(t, plainLogs())},
	} {
		if !c.way.checkSameJSON(t, c.body) {
			t.Fatalf("%s: %s was left to others", name, c.body)
		}
		r := rand.New(rand.NewPCG(1, 2))
		read := 0
		const bytes = `{}[]",:0123456789-.eE\/ntu abcx` + "\x00\n\xff"
		for range 4_000 {
			b := append([]byte(nil), c.body...)
			for range 1 + r.IntN(2) {
				b[r.IntN(len(b))] = bytes[r.IntN(len(bytes))]
			}
			if c.way.checkSameJSON(t, b) {
				read++
			}
		}
		if read < 300 {
			t.Errorf("%s: %d of 4,000 changed ones were read, want those of which a text or a number was changed", name, read)
		}
	}
}

// plainMetrics are the rich ones without what is left to others.
func plainMetrics() pmetric.Metrics {
	md := richMetrics()
	p := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Gauge().DataPoints()
	p.At(2).SetDoubleValue(-1.25e-7)
	return md
}

// plainLogs are the rich ones without what is left to others.
func plainLogs() plog.Logs {
	ld := richLogs()
	ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().RemoveIf(func(r plog.LogRecord) bool { return r.Body().Type() == pcommon.ValueTypeBytes })
	return ld
}

func marshalMetricsJSON(t testing.TB, md pmetric.Metrics) []byte {
	t.Helper()
	b, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func marshalLogsJSON(t testing.TB, ld plog.Logs) []byte {
	t.Helper()
	b, err := plogotlp.NewExportRequestFromLogs(ld).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestJSONOfMetricsAndLogsForOthers(t *testing.T) {
	metric := func(metric string) string {
		return `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[` + metric + `]}]}]}`
	}
	for _, body := range []string{
		`{"resourceSpans":[]}`, `{"resource_metrics":[]}`, metric(`{"name":null}`), metric(`{"gauge":{},"sum":{}}`), metric(`{"sum":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_DELTA"}}`),
		metric(`{"gauge":{"dataPoints":[{"asInt":"1","asDouble":1}]}}`), metric(`{"gauge":{"dataPoints":[{"asDouble":"NaN"}]}}`), metric(`{"gauge":{"dataPoints":[{"asDouble":1e999}]}}`),
		metric(`{"gauge":{"dataPoints":[{"asDouble":1.}]}}`), metric(`{"gauge":{"dataPoints":[{"asDouble":.5}]}}`), metric(`{"gauge":{"dataPoints":[{"asDouble":01}]}}`),
		metric(`{"gauge":{"dataPoints":[{"asDouble":1e}]}}`), metric(`{"gauge":{"dataPoints":[{"asDouble":+1}]}}`), metric(`{"gauge":{"dataPoints":[{"asInt":1.5}]}}`),
		metric(`{"histogram":{"dataPoints":[{"bucketCounts":["-1"]}]}}`), metric(`{"histogram":{"dataPoints":[{"bucketCounts":[1,]}]}}`), metric(`{"histogram":{"dataPoints":[{"bucketCounts":null}]}}`),
		metric(`{"exponentialHistogram":{"dataPoints":[{"scale":2147483648}]}}`), metric(`{"exponentialHistogram":{"dataPoints":[{"scale":"1"}]}}`),
	} {
		if message, ok := wire.Transcode(nil, wire.Metrics, []byte(body)); ok {
			t.Errorf("%s became %x", body, message)
		}
	}
	if message, ok := wire.Transcode(nil, wire.Logs, []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":"SEVERITY_NUMBER_WARN"}]}]}]}`)); ok {
		t.Errorf("a severity by name became %x", message)
	}
}

func TestJSONForOthers(t *testing.T) {
	for _, body := range []string{
		"", "{", `{"resourceSpans":[]} x`, `{"resourceSpans":[],}`, `{"resourceSpans":[],"resourceSpans":[]}`, `{"resource_spans":[]}`, `{"resourceSpans":null}`, `{"resourceLogs":[]}`,
		`{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"SPAN_KIND_SERVER"}]}]}]}`, `{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"\u0041"}]}]}]}`,
		`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"00"}]}]}]}`, `{"resourceSpans":[{"scopeSpans":[{"spans":[{"endTimeUnixNano":"18446744073709551615"}]}]}]}`,
		`{"resourceSpans":[{"scopeSpans":[{"spans":[{"endTimeUnixNano":1e3}]}]}]}`, `{"resourceSpans":[{"scopeSpans":[{"spans":[{"endTimeUnixNano":" 1"}]}]}]}`,
		`{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":{"intValue":"-"}}]}}]}`, `{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":{"intValue":01}}]}}]}`,
		`{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":{"intValue":1,"stringValue":"b"}}]}}]}`, `{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":{"doubleValue":1.}}]}}]}`,
	} {
		if message, ok := wire.Transcode(nil, wire.Traces, []byte(body)); ok {
			t.Errorf("%s became %x", body, message)
		}
	}
	for _, body := range []string{`{}`, ` { "resourceSpans" : [ ] } `, `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{}}]}}]}`} {
		if !checkSameJSON(t, []byte(body)) {
			t.Errorf("%s was left to others", body)
		}
	}
}

func FuzzTracesJSON(f *testing.F) {
	f.Add(plainly(f))
	f.Add(marshalJSON(f, traces(f, shop()...)))
	f.Fuzz(func(t *testing.T, body []byte) { checkSameJSON(t, body) })
}

func FuzzMetricsJSON(f *testing.F) {
	f.Add(marshalMetricsJSON(f, plainMetrics()))
	f.Add(marshalMetricsJSON(f, metricPayload(13)))
	f.Fuzz(func(t *testing.T, body []byte) { metricsWay.checkSameJSON(t, body) })
}

func FuzzLogsJSON(f *testing.F) {
	f.Add(marshalLogsJSON(f, plainLogs()))
	f.Add(marshalLogsJSON(f, logPayload(1, 30)))
	f.Fuzz(func(t *testing.T, body []byte) { logsWay.checkSameJSON(t, body) })
}

// BenchmarkJSON is OTLP's JSON to what the windows are made of, here and by pdata.
func BenchmarkJSON(b *testing.B) {
	for _, c := range []struct {
		name    string
		kind    wire.Message
		body    []byte
		records int
		pdata   func([]byte) error
	}{
		{"spans", wire.Traces, marshalJSON(b, payload(1, 512)), 512, func(body []byte) error { return ptraceotlp.NewExportRequest().UnmarshalJSON(body) }},
		{"points", wire.Metrics, marshalMetricsJSON(b, metricPayload(20)), metricPayload(20).DataPointCount(), func(body []byte) error { return pmetricotlp.NewExportRequest().UnmarshalJSON(body) }},
		{"records", wire.Logs, marshalLogsJSON(b, logPayload(1, 512)), 512, func(body []byte) error { return plogotlp.NewExportRequest().UnmarshalJSON(body) }},
	} {
		var out []byte
		for _, way := range []struct {
			name string
			read func() error
		}{
			{"transcoded", func() error {
				message, ok := wire.Transcode(out[:0], c.kind, c.body)
				if out = message; !ok {
					return errors.New("it was left to others")
				}
				return nil
			}},
			{"pdata", func() error { return c.pdata(c.body) }},
		} {
			b.Run(c.name+"/"+way.name, func(b *testing.B) {
				b.SetBytes(int64(len(c.body)))
				b.ReportAllocs()
				begin, n := cpu(b), 0
				for b.Loop() {
					if err := way.read(); err != nil {
						b.Fatal(err)
					}
					n++
				}
				b.ReportMetric(float64((cpu(b)-begin).Nanoseconds())/float64(n*c.records), "CPU-ns/record")
			})
		}
	}
}
