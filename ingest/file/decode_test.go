package file

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

func TestRecordsAreToldApart(t *testing.T) {
	bare := ptrace.NewTraces()
	bare.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty().SetTraceID([16]byte{1})
	named := pmetric.NewMetrics()
	named.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty().SetName("a name of 16 bytes")
	gauge := pmetric.NewMetrics()
	g := gauge.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	g.SetName("exactly 16 bytes")
	g.SetDescription("8 bytes!!")
	g.SetEmptyGauge().DataPoints().AppendEmpty().SetIntValue(1)
	body := plog.NewLogs()
	body.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("only a body")
	severity := plog.NewLogs()
	severity.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().SetSeverityNumber(9)
	for _, tt := range []struct {
		name string
		msg  []byte
		want Kind
	}{
		{"span", must((&ptrace.ProtoMarshaler{}).MarshalTraces(spans(after(1)))), KindTraces},
		{"metric", must((&pmetric.ProtoMarshaler{}).MarshalMetrics(gauges(after(1)))), KindMetrics},
		{"log record", must((&plog.ProtoMarshaler{}).MarshalLogs(records(after(1)))), KindLogs},
		{"metric by its name alone", must((&pmetric.ProtoMarshaler{}).MarshalMetrics(named)), KindMetrics},
		{"gauge with a name as long as a trace id", must((&pmetric.ProtoMarshaler{}).MarshalMetrics(gauge)), KindMetrics},
		{"log record by its body alone", must((&plog.ProtoMarshaler{}).MarshalLogs(body)), KindLogs},
		{"log record by its severity", must((&plog.ProtoMarshaler{}).MarshalLogs(severity)), KindLogs},
		{"empty request", nil, KindTraces},
		{"noise", []byte{0xff, 0xff, 0xff}, KindNone},
	} {
		if got := kindOfMessage(tt.msg); got != tt.want {
			t.Errorf("%s: kind %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestKeysInAnyOrder(t *testing.T) {
	for line, want := range map[string]Kind{
		`{"resourceSpans":[]}`:                  KindTraces,
		`{ "resourceLogs" : []}`:                KindLogs,
		`{"x":1,"resourceMetrics":[]}`:          KindMetrics,
		`{"subject":{},"context":{}}`:           KindAnnouncements,
		`{"version":"1","service":"a","at":""}`: KindAnnouncements,
		`[]`:                                    KindAnnouncements,
		`{"x":1}`:                               KindNone,
		`7`:                                     KindNone,
	} {
		if got := kindOfLine([]byte(line)); got != want {
			t.Errorf("%s: kind %d, want %d", line, got, want)
		}
	}
}

func FuzzDecodeLine(f *testing.F) {
	for _, line := range []string{spanLine(after(1)), pointLine(after(1)), recordLine(after(1)),
		`{"service":"a","version":"1","at":"2026-03-02T09:00:00Z"}`, `{"resourceSpans":[{"scopeSpans":[{"spans":[{"endTimeUnixNano":"x"}]}]}]}`} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		before := bytes.Clone(line)
		item, err := decodeLine(line)
		if (err == nil) != (item.Kind != KindNone) {
			t.Errorf("kind %d with error %v", item.Kind, err)
		}
		if !bytes.Equal(before, line) {
			t.Error("the line was changed")
		}
	})
}

// FuzzSplit reads any bytes as a file: each message is decoded, and it ends.
func FuzzSplit(f *testing.F) {
	pb := must((&ptrace.ProtoMarshaler{}).MarshalTraces(spans(after(1))))
	f.Add(framed(pb, pb))
	f.Add(gzipped(framed(pb)))
	f.Add(zstded([]byte(spanLine(after(1)) + "\n{}\n")))
	f.Add([]byte{0, 0, 1, 0, 1})
	f.Fuzz(func(t *testing.T, content []byte) {
		split, closer, err := newSplitter(bytes.NewReader(content), 1<<16)
		if err != nil {
			return
		}
		defer closer.Close()
		for range 1 << 16 {
			msg, err := split.next()
			if errors.Is(err, io.EOF) || err != nil && !errors.Is(err, errTooLong) {
				return
			}
			if len(msg) >= 1<<16 {
				t.Fatalf("message of %d bytes", len(msg))
			}
			_, _ = decodeMessage(msg) // must not panic
		}
	})
}
