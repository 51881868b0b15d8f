package ingest

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"pgregory.net/rapid"

	"unship.dev/ingest/otlp/wire"
)

// checkSameJSON wants of JSON that is turned into protobuf what pdata makes of it, and says
// whether it was turned.
func checkSameJSON(t testing.TB, body []byte) bool {
	t.Helper()
	message, ok := wire.AppendTracesJSON(nil, body)
	if !ok {
		return false
	}
	req := ptraceotlp.NewExportRequest()
	if err := req.UnmarshalJSON(body); err != nil {
		t.Errorf("%q was read; pdata: %v", body, err)
		return true
	}
	a := newAggregator(t)
	want := outcome{}
	var err error
	if want.Refusal, err = a.Traces(req.Traces()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.finish(a), byDecoder(t, message)); diff != "" {
		t.Errorf("%s\n%s\n%s", body, hex.EncodeToString(message), diff)
	}
	return true
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
	body := plainly(t)
	if !checkSameJSON(t, body) {
		t.Fatalf("%s was left to others", body)
	}
	r := rand.New(rand.NewPCG(1, 2))
	read := 0
	const bytes = `{}[]",:0123456789-.eE\/ntu abcx` + "\x00\n\xff"
	for range 6_000 {
		b := append([]byte(nil), body...)
		for range 1 + r.IntN(2) {
			b[r.IntN(len(b))] = bytes[r.IntN(len(bytes))]
		}
		if checkSameJSON(t, b) {
			read++
		}
	}
	if read < 500 {
		t.Errorf("%d of 6,000 changed ones were read, want those of which a text or a number was changed", read)
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
		if message, ok := wire.AppendTracesJSON(nil, []byte(body)); ok {
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

// BenchmarkTracesJSON is OTLP's JSON to what the windows are made of, here and by pdata.
func BenchmarkTracesJSON(b *testing.B) {
	body := marshalJSON(b, payload(1, 512))
	b.Run("transcoded", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		var out []byte
		begin, n := cpu(b), 0
		for b.Loop() {
			message, ok := wire.AppendTracesJSON(out[:0], body)
			if out = message; !ok {
				b.Fatal("left to others")
			}
			n++
		}
		b.ReportMetric(float64((cpu(b)-begin).Nanoseconds())/float64(n*512), "CPU-ns/span")
	})
	b.Run("pdata", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		begin, n := cpu(b), 0
		for b.Loop() {
			if err := ptraceotlp.NewExportRequest().UnmarshalJSON(body); err != nil {
				b.Fatal(err)
			}
			n++
		}
		b.ReportMetric(float64((cpu(b)-begin).Nanoseconds())/float64(n*512), "CPU-ns/span")
	})
}
