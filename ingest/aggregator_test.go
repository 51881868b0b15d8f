package ingest

import (
	"encoding/binary"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"unship.dev"
)

// epoch is when the tests' telemetry begins: a multiple of the window.
var epoch = time.Unix(1_800_000_000, 0).UTC()

func testOptions() Options {
	return Options{
		Window: 5 * time.Second, Lateness: 10 * time.Second, MaxOperations: 200, MaxPendingBytes: 1 << 30,
		Ceiling: func() time.Time { return epoch.Add(time.Hour) },
	}
}

func newAggregator(t testing.TB, change ...func(*Options)) *Aggregator {
	t.Helper()
	opt := testOptions()
	for _, f := range change {
		f(&opt)
	}
	a, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// testSpan is a span as tests write it. Times are offsets from epoch.
type testSpan struct {
	service, version, pod string
	trace, id, parent     uint64
	kind                  ptrace.SpanKind
	name                  string
	from, to              time.Duration
	failed                bool
	attrs                 map[string]any
	region, traceState    string
	events                []map[string]any // by attributes; "name" is the event's
}

func (s testSpan) put(t testing.TB, td ptrace.Traces) {
	t.Helper()
	rs := td.ResourceSpans().AppendEmpty()
	set(t, rs.Resource().Attributes(), map[string]any{
		"service.name": s.service, "service.version": s.version, "k8s.pod.name": s.pod, "cloud.region": s.region,
	})
	span := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetTraceID(traceID(s.trace))
	span.SetSpanID(spanID(s.id))
	span.SetParentSpanID(spanID(s.parent))
	span.SetKind(s.kind)
	span.SetName(s.name)
	span.TraceState().FromRaw(s.traceState)
	span.SetStartTimestamp(stamp(s.from))
	span.SetEndTimestamp(stamp(s.to))
	if s.failed {
		span.Status().SetCode(ptrace.StatusCodeError)
	}
	set(t, span.Attributes(), s.attrs)
	for _, attributes := range s.events {
		e := span.Events().AppendEmpty()
		set(t, e.Attributes(), attributes)
		e.SetName(attributes["name"].(string))
	}
}

func set(t testing.TB, m pcommon.Map, values map[string]any) {
	t.Helper()
	if err := m.FromRaw(values); err != nil {
		t.Fatal(err)
	}
}

func stamp(d time.Duration) pcommon.Timestamp { return pcommon.NewTimestampFromTime(epoch.Add(d)) }

func spanID(n uint64) (id pcommon.SpanID) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}

func traceID(n uint64) (id pcommon.TraceID) {
	binary.BigEndian.PutUint64(id[8:], n)
	return id
}

func traces(t testing.TB, spans ...testSpan) ptrace.Traces {
	t.Helper()
	td := ptrace.NewTraces()
	for _, s := range spans {
		s.put(t, td)
	}
	return td
}

// take gives spans to a new aggregator and returns all ticks.
func take(t testing.TB, spans ...testSpan) []unship.Tick {
	t.Helper()
	a := newAggregator(t)
	send(t, a, spans...)
	return a.Flush()
}

func send(t testing.TB, a *Aggregator, spans ...testSpan) Refusal {
	t.Helper()
	r, err := a.Traces(traces(t, spans...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// operation finds one operation of one service, over all ticks and instances.
func operation(t testing.TB, ticks []unship.Tick, service, name string) unship.Operation {
	t.Helper()
	sum := unship.Operation{Name: name}
	found := false
	for _, tick := range ticks {
		for _, w := range tick.Windows {
			for _, op := range w.Operations {
				if w.Release.Name == service && op.Name == name {
					sum.Merge(op)
					found = true
				}
			}
		}
	}
	if !found {
		t.Fatalf("%s has no operation %q in %+v", service, name, ticks)
	}
	return sum
}

// While held, the watermark stays where it is: what senders kept during a
// restart finds its window open, beside data that is newer than the lateness.
func TestHoldKeepsWindowsOpen(t *testing.T) {
	a := newAggregator(t)
	at := func(id uint64, d time.Duration) testSpan {
		return testSpan{service: "ledger", version: "1", pod: "p", trace: id, id: id, kind: ptrace.SpanKindServer, name: "GET /x", from: d, to: d + 1}
	}
	a.Hold(true)
	send(t, a, at(1, time.Minute))
	send(t, a, at(2, time.Second))
	if got := a.Take(); len(got) != 0 {
		t.Errorf("held, %d ticks closed", len(got))
	}
	a.Hold(false)
	if got := a.Take(); len(got) != 1 || len(got[0].Windows) != 1 {
		t.Errorf("let go, %d ticks closed; want that of the span that was kept", len(got))
	}
	if late := a.Stats().Late; late != 0 {
		t.Errorf("%d spans are late", late)
	}
}

// An announcement counts for what must be kept, and moves no watermark.
func TestLatestCountsAnnouncements(t *testing.T) {
	a := newAggregator(t)
	at := epoch.Add(time.Minute)
	n := unship.Announcement{ID: "1", At: at, ReleaseID: unship.ReleaseID{Service: unship.Service{Name: "ledger"}, Version: "2"}}
	if err := a.Announce(n); err != nil {
		t.Fatal(err)
	}
	if got := a.Latest(); !got.Equal(at) {
		t.Errorf("latest is %v; want %v", got, at)
	}
	if !a.Watermark().IsZero() || !a.MaxTime().IsZero() {
		t.Errorf("the watermark moved to %v, the telemetry's time to %v", a.Watermark(), a.MaxTime())
	}
}
