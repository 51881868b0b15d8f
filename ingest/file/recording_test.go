package file

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

var epoch = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// after is the event time so many seconds into a recording.
func after(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

func stamp(at time.Time) pcommon.Timestamp { return pcommon.NewTimestampFromTime(at) }

// spans makes a request with one span of each resource, ended at the times given.
func spans(ends ...time.Time) ptrace.Traces {
	td := ptrace.NewTraces()
	for _, end := range ends {
		s := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		s.SetName("GET /")
		s.SetTraceID([16]byte{1})
		s.SetSpanID([8]byte{1})
		s.SetStartTimestamp(stamp(end.Add(-time.Millisecond)))
		s.SetEndTimestamp(stamp(end))
	}
	return td
}

func gauges(at time.Time) pmetric.Metrics {
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("process.cpu.time")
	p := m.SetEmptySum().DataPoints().AppendEmpty()
	p.SetTimestamp(stamp(at))
	p.SetDoubleValue(1)
	return md
}

func records(at time.Time) plog.Logs {
	ld := plog.NewLogs()
	r := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	r.SetTimestamp(stamp(at))
	r.Body().SetStr("hello")
	return ld
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func spanLine(ends ...time.Time) string {
	return string(must((&ptrace.JSONMarshaler{}).MarshalTraces(spans(ends...))))
}

func pointLine(at time.Time) string {
	return string(must((&pmetric.JSONMarshaler{}).MarshalMetrics(gauges(at))))
}

func recordLine(at time.Time) string {
	return string(must((&plog.JSONMarshaler{}).MarshalLogs(records(at))))
}

func framed(messages ...[]byte) []byte {
	var out []byte
	for _, m := range messages {
		out = binary.BigEndian.AppendUint32(out, uint32(len(m)))
		out = append(out, m...)
	}
	return out
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func zstded(b []byte) []byte { return must(zstd.NewWriter(nil)).EncodeAll(b, nil) }

// folder writes files, by name, into a new folder.
func folder(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// readAll gives every item of a recording, and the ceiling at each.
func readAll(t *testing.T, opts Options, paths ...string) (items []Item, ceilings []time.Time, broken int) {
	t.Helper()
	r, err := Open(paths, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		item, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return items, ceilings, r.Broken()
		}
		if err != nil {
			t.Fatal(err)
		}
		items, ceilings = append(items, item), append(ceilings, r.Ceiling())
	}
}
