package ingest

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"unship.dev"
	"unship.dev/ingest/template"
)

func good() testSpan {
	return testSpan{service: "web", version: "1", pod: "p", trace: 1, id: 1, kind: ptrace.SpanKindServer, name: "op", from: 0, to: ms}
}

// only gives the first span of td.
func only(td ptrace.Traces) ptrace.Span {
	return td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
}

func TestInvalidSpansAreRefusedByName(t *testing.T) {
	tests := map[string]func(ptrace.Traces){
		whyNoService: func(td ptrace.Traces) { td.ResourceSpans().At(0).Resource().Attributes().PutStr("service.name", "") },
		whyNoTime:    func(td ptrace.Traces) { only(td).SetEndTimestamp(0) },
		whyAncient:   func(td ptrace.Traces) { only(td).SetStartTimestamp(pcommon.NewTimestampFromTime(time.Unix(3600, 0))) },
		whyBackwards: func(td ptrace.Traces) { only(td).SetStartTimestamp(stamp(time.Second)) },
		whyNoTrace:   func(td ptrace.Traces) { only(td).SetTraceID(pcommon.TraceID{}) },
		whyNoSpan:    func(td ptrace.Traces) { only(td).SetSpanID(pcommon.SpanID{}) },
		whyFuture: func(td ptrace.Traces) {
			only(td).SetEndTimestamp(pcommon.NewTimestampFromTime(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)))
		},
		whyFuture + " ": func(td ptrace.Traces) { only(td).SetEndTimestamp(math.MaxUint64) },
	}
	for why, spoil := range tests {
		a := newAggregator(t)
		td := traces(t, good(), good())
		spoil(td)
		r, err := a.Traces(td)
		if want := (Refusal{1, "1: " + strings.TrimSpace(why)}); err != nil || r != want {
			t.Errorf("%s: %+v, %v; want %+v", why, r, err, want)
		}
		ticks := a.Flush()
		if len(ticks) != 1 || ticks[0].Losses.Invalid+ticks[0].Losses.Future != 1 {
			t.Errorf("%s: losses of %+v, want one", why, ticks)
		}
		if s := a.Stats(); s.Spans != 1 || s.Future+s.Invalid[why] != 1 {
			t.Errorf("%s: %+v", why, s)
		}
	}
}

func TestLateDataAreCountedAndNotMixedIn(t *testing.T) {
	a := newAggregator(t)
	late, now := good(), good()
	now.trace, now.from, now.to = 2, time.Hour-time.Minute, time.Hour
	send(t, a, late)
	send(t, a, now)
	if r := send(t, a, late); r.Count != 0 {
		t.Errorf("late spans were refused: %+v", r)
	}
	ticks := a.Flush()
	if len(ticks) != 2 || operation(t, ticks[:1], "web", "op").Requests != 1 || ticks[0].Losses.Late != 1 {
		t.Errorf("ticks %+v", ticks)
	}
	if a.Stats().Late != 1 {
		t.Errorf("late %d, want 1", a.Stats().Late)
	}
}

func TestOneFastClockDoesNotMakeTheOthersLate(t *testing.T) {
	now := epoch.Add(time.Hour)
	a := newAggregator(t, func(o *Options) {
		o.Clock, o.Ceiling = func() time.Time { return now }, func() time.Time { return now.Add(time.Minute) }
	})
	fast, right := good(), good()
	fast.to = time.Hour + 50*time.Second
	right.trace, right.to = 2, time.Hour-5*time.Second
	send(t, a, fast)
	send(t, a, right)
	if s := a.Stats(); s.Late != 0 || s.Spans != 2 {
		t.Errorf("late %d, spans %d; want 0 and 2", s.Late, s.Spans)
	}
	fast.to = 2 * time.Hour
	if r := send(t, a, fast); r.Count != 1 {
		t.Errorf("a clock an hour ahead: %+v, want it refused", r)
	}
	if got, want := a.Watermark(), now.Add(-10*time.Second); !got.Equal(want) {
		t.Errorf("watermark %v, want %v", got, want)
	}
}

func TestAJumpOfYearsIsQuick(t *testing.T) {
	a := newAggregator(t, func(o *Options) {
		o.Window, o.Ceiling = time.Second, func() time.Time { return epoch.Add(100 * 365 * 24 * time.Hour) }
	})
	far := good()
	far.to = 60 * 365 * 24 * time.Hour
	send(t, a, good())
	send(t, a, far)
	if n := len(a.Take()) + len(a.Flush()); n != 2 {
		t.Errorf("%d ticks, want 2", n)
	}
}

func TestHugeAttributesAreNotKept(t *testing.T) {
	huge := strings.Repeat("ü", 1<<20)
	s := good()
	s.service, s.pod, s.version, s.name, s.failed = huge, huge, huge, huge, true
	s.attrs = map[string]any{"http.route": huge, "error.type": huge, "other": huge}
	td := traces(t, s)
	only(td).Status().SetMessage(huge)
	a := newAggregator(t)
	if _, err := a.Traces(td); err != nil {
		t.Fatal(err)
	}
	if p := a.Stats().PendingBytes; p > 4096 {
		t.Errorf("%d bytes pending", p)
	}
	w := a.Flush()[0].Windows[0]
	for _, text := range []string{w.Release.Name, w.Release.Version, w.Instance.ID, w.Operations[0].Name, w.Operations[0].Exemplars[0].Error, w.Operations[0].Exemplars[0].Exception} {
		if len(text) > 300 || text == "" {
			t.Errorf("a text of %d bytes was kept", len(text))
		}
	}
}

// inUse is the heap after two collections: pools let go of what is not used at the second.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestManyOperationsStayBounded(t *testing.T) {
	before := inUse()
	a := newAggregator(t)
	var last []unship.Tick
	for window := range 2 {
		for batch := range 10 {
			td := ptrace.NewTraces()
			rs := td.ResourceSpans().AppendEmpty()
			rs.Resource().Attributes().PutStr("service.name", "web")
			spans := rs.ScopeSpans().AppendEmpty().Spans()
			for i := range 10_000 {
				n := batch*10_000 + i
				s := spans.AppendEmpty()
				s.SetTraceID(traceID(uint64(window*100_000 + n + 1)))
				s.SetSpanID(spanID(1))
				s.SetKind(ptrace.SpanKindServer)
				s.SetName(fmt.Sprintf("op%c%c%c%c", 'a'+n%26, 'a'+n/26%26, 'a'+n/676%26, 'a'+n/17576))
				s.SetStartTimestamp(stamp(time.Duration(window) * time.Minute))
				s.SetEndTimestamp(stamp(time.Duration(window) * time.Minute))
			}
			if _, err := a.Traces(td); err != nil {
				t.Fatal(err)
			}
		}
		if p := a.Stats().PendingBytes; p > 64<<20 {
			t.Errorf("%d MiB pending", p>>20)
		}
		if ticks := a.Take(); window > 0 {
			last = ticks
		}
	}
	w := last[0].Windows[0]
	if n := len(w.Operations); n != 201 || last[0].Losses.Overflow != 100_000-200 {
		t.Errorf("%d operations, overflow %d; want 200 and the rest together", n, last[0].Losses.Overflow)
	}
	op := operation(t, last, "web", unship.OverflowOperation)
	if op.Requests != 100_000-200 {
		t.Errorf("%d requests in the overflow", op.Requests)
	}
	a.Flush()
	if grown := inUse() - before; grown > 16<<20 {
		t.Errorf("%d MiB kept after everything was closed", grown>>20)
	}
	runtime.KeepAlive(a)
}

func TestBusiestOperationsGetThePlaces(t *testing.T) {
	a := newAggregator(t, func(o *Options) { o.MaxOperations = 2 })
	for i, name := range []string{"c", "b", "b", "a", "d", "d"} {
		s := good()
		s.trace, s.name = uint64(i+1), name
		send(t, a, s)
	}
	var names []string
	for _, op := range a.Flush()[0].Windows[0].Operations {
		names = append(names, op.Name)
	}
	if diff := cmp.Diff([]string{"(other)", "b", "d"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestOverload(t *testing.T) {
	a := newAggregator(t, func(o *Options) { o.MaxPendingBytes = 1 << 20 })
	accepted := 0
	for i := range 20_000 {
		s := good()
		s.trace = uint64(i + 1)
		_, err := a.Traces(traces(t, s))
		if errors.Is(err, ErrOverloaded) {
			break
		}
		accepted++
	}
	if p := a.Stats().PendingBytes; accepted == 20_000 || p > 1<<20 {
		t.Fatalf("%d accepted, %d bytes pending", accepted, p)
	}
	if _, err := a.Logs(plog.NewLogs()); !errors.Is(err, ErrOverloaded) && a.Stats().PendingBytes >= 1<<20 {
		t.Errorf("logs: %v", err)
	}
	a.Advance(epoch.Add(time.Minute))
	if op := operation(t, a.Take(), "web", "op"); op.Requests != uint64(accepted) {
		t.Errorf("%d counted, %d accepted", op.Requests, accepted)
	}
	if p := a.Stats().PendingBytes; p > resourceBytes {
		t.Errorf("%d bytes pending after all was closed", p)
	}
	next := good()
	next.from, next.to = 2*time.Minute, 2*time.Minute
	send(t, a, next)
}

func TestOneNameInTwoEnvironmentsIsTwoServices(t *testing.T) {
	a := newAggregator(t)
	td := traces(t, good(), good(), good())
	td.ResourceSpans().At(0).Resource().Attributes().PutStr("deployment.environment.name", "staging")
	td.ResourceSpans().At(1).Resource().Attributes().PutStr("service.namespace", "shop")
	if _, err := a.Traces(td); err != nil {
		t.Fatal(err)
	}
	if n := len(a.Flush()[0].Windows); n != 3 {
		t.Errorf("%d windows, want 3", n)
	}
}

func TestResourcesAreForgotten(t *testing.T) {
	a := newAggregator(t)
	for i := range 1000 {
		s := good()
		s.trace, s.pod = uint64(i+1), fmt.Sprintf("pod-%d", i)
		s.from, s.to = time.Duration(i)*time.Second, time.Duration(i)*time.Second
		send(t, a, s)
		a.Take()
	}
	if n := a.Stats().Resources; n > 150 {
		t.Errorf("%d resources known, want those of the last two minutes or so", n)
	}
}

func TestAnnouncements(t *testing.T) {
	a := newAggregator(t)
	announce := func(id string, at time.Duration) error {
		return a.Announce(unship.Announcement{ID: id, At: epoch.Add(at), ReleaseID: unship.ReleaseID{Service: unship.Service{Name: "web"}, Version: "2"}})
	}
	for _, err := range []error{announce("b", time.Second), announce("a", time.Second), announce("a", time.Second), announce("far", 200*time.Second)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	a.Advance(epoch.Add(time.Minute))
	ticks := a.Take()
	if len(ticks) != 1 || len(ticks[0].Announcements) != 2 || ticks[0].Announcements[0].ID != "a" {
		t.Fatalf("ticks %+v, want a and b in the first", ticks)
	}
	if err := announce("late", 2*time.Second); err != nil {
		t.Fatal(err)
	}
	a.Advance(epoch.Add(2 * time.Minute))
	if ticks = a.Take(); len(ticks) != 1 || ticks[0].Announcements[0].ID != "late" || !ticks[0].Start.Equal(epoch.Add(time.Minute)) {
		t.Errorf("ticks %+v, want the late one in the next", ticks)
	}
	if ticks = a.Flush(); len(ticks) != 1 || ticks[0].Announcements[0].ID != "far" {
		t.Errorf("ticks %+v, want the far one", ticks)
	}
	for _, bad := range []unship.Announcement{
		{At: epoch}, {ReleaseID: unship.ReleaseID{Service: unship.Service{Name: "x"}}},
		{ReleaseID: unship.ReleaseID{Service: unship.Service{Name: "x"}}, At: epoch.Add(2 * time.Hour)},
	} {
		if err := a.Announce(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestNumbersThatAreNone(t *testing.T) {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "web")
	m := rm.ScopeMetrics().AppendEmpty().Metrics()
	points := m.AppendEmpty().SetEmptyGauge().DataPoints()
	for _, v := range []float64{1, math.NaN(), math.Inf(1)} {
		p := points.AppendEmpty()
		p.SetDoubleValue(v)
		p.SetTimestamp(stamp(0))
	}
	stale := points.AppendEmpty()
	stale.SetTimestamp(stamp(0))
	stale.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	h := m.AppendEmpty()
	h.SetName("h")
	h.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	p := h.Histogram().DataPoints().AppendEmpty()
	p.SetTimestamp(stamp(0))
	p.SetCount(4)
	p.SetSum(10)
	a := newAggregator(t)
	r, err := a.Metrics(md)
	if want := (Refusal{2, "2: " + whyNotANumber}); err != nil || r != want {
		t.Errorf("%+v, %v; want %+v", r, err, want)
	}
	want := []unship.Metric{{At: epoch, Value: 1}, {Name: "h", Kind: unship.MetricDistribution, At: epoch, Value: 2.5, Count: 4}}
	if diff := cmp.Diff(want, a.Flush()[0].Windows[0].Metrics); diff != "" {
		t.Error(diff)
	}
}

func TestManyPatternsStayBounded(t *testing.T) {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "web")
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	for i := range 5000 {
		r := records.AppendEmpty()
		r.SetObservedTimestamp(stamp(0))
		r.SetSeverityNumber(plog.SeverityNumberError)
		r.Body().SetStr(fmt.Sprintf("%c%c%c is broken %s", 'a'+i%26, 'a'+i/26%26, 'a'+i/676, strings.Repeat(" x", 500)))
	}
	a := newAggregator(t)
	if _, err := a.Logs(ld); err != nil {
		t.Fatal(err)
	}
	logs, total := a.Flush()[0].Windows[0].Logs, uint64(0)
	for _, l := range logs {
		total += l.Count
		if len(l.Example) > unship.MaxExample {
			t.Errorf("example of %d bytes", len(l.Example))
		}
	}
	if len(logs) != template.MaxTemplates+1 || total != 5000 || logs[0].Pattern != "" {
		t.Errorf("%d patterns with %d records, want %d with 5000, the first without a pattern", len(logs), total, template.MaxTemplates+1)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Options{Lateness: -1})
	for _, want := range []string{"window", "lateness", "max operations", "max pending bytes", "ceiling"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %q", err, want)
		}
	}
}
