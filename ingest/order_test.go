package ingest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"pgregory.net/rapid"

	"unship.dev"
)

// drawSpans draws traces of nested spans over a few services, versions and pods,
// some of them broken: parents missing, clocks skewed, ids shared, cycles.
func drawSpans(t *rapid.T) (spans []testSpan) {
	traces := rapid.IntRange(1, 12).Draw(t, "traces")
	for trace := range traces {
		n := rapid.IntRange(1, 14).Draw(t, "spans")
		for range n {
			from := time.Duration(rapid.IntRange(0, 30_000).Draw(t, "from")) * ms
			service := rapid.IntRange(0, 3).Draw(t, "service")
			s := testSpan{
				service: fmt.Sprintf("s%d", service),
				version: fmt.Sprint(rapid.IntRange(1, 2).Draw(t, "version")),
				trace:   uint64(trace + 1),
				id:      uint64(rapid.IntRange(1, 14).Draw(t, "id")),
				parent:  uint64(rapid.IntRange(0, 14).Draw(t, "parent")),
				kind:    ptrace.SpanKind(rapid.IntRange(0, 5).Draw(t, "kind")),
				name:    fmt.Sprintf("op%c", 'a'+rune(rapid.IntRange(0, 5).Draw(t, "name"))),
				from:    from,
				to:      from + time.Duration(rapid.IntRange(0, 8000).Draw(t, "duration"))*ms,
				failed:  rapid.Bool().Draw(t, "failed"),
				attrs:   map[string]any{},
			}
			s.pod = fmt.Sprintf("%s-%s-%d", s.service, s.version, rapid.IntRange(0, 1).Draw(t, "pod"))
			s.region = fmt.Sprintf("r%d", len(s.pod)%2+len(spans)%2)
			s.traceState = rapid.SampledFrom([]string{"", "", "ot=th:8", "ot=th:c"}).Draw(t, "tracestate")
			if tenant := rapid.IntRange(0, 3).Draw(t, "tenant"); tenant > 0 {
				s.attrs["tenant.id"] = fmt.Sprintf("t%d", tenant)
			}
			s.attrs["request.number"] = len(spans) // has too many values soon
			if callee := rapid.IntRange(0, 3).Draw(t, "callee"); callee > 0 {
				s.attrs["peer.service"] = fmt.Sprintf("s%d", callee)
			}
			spans = append(spans, s)
		}
	}
	return spans
}

func TestTicksDependNeitherOnBatchesNorOnOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		spans := drawSpans(rt)
		few := func(o *Options) { o.MaxOperations, o.Lateness = 3, time.Minute }
		whole := newAggregator(t, few)
		send(t, whole, spans...)
		want := whole.Flush()

		shuffled := rapid.Permutation(spans).Draw(rt, "order")
		split := newAggregator(t, few)
		var got []unship.Tick
		for len(shuffled) > 0 {
			n := rapid.IntRange(1, len(shuffled)).Draw(rt, "batch")
			send(t, split, shuffled[:n]...)
			got = append(got, split.Take()...)
			shuffled = shuffled[n:]
		}
		got = append(got, split.Flush()...)
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// Shards are joined by as many joiners as there are processors. What each counted is added up.
func TestTicksDoNotDependOnProcessors(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		spans := drawSpans(rt)
		ticks := func(processors int) []unship.Tick {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
			a := newAggregator(t)
			send(t, a, spans...)
			return a.Flush()
		}
		if diff := cmp.Diff(ticks(1), ticks(5)); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// timeline is telemetry of minutes: spans, logs and points in order of time.
func timeline(seed uint64, n int) (spans []testSpan) {
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range n {
		from := time.Duration(i) * 20 * ms
		pod := fmt.Sprintf("p%d", r.IntN(3))
		spans = append(spans,
			testSpan{service: "web", version: "1", pod: pod, trace: uint64(i + 1), id: 1, kind: ptrace.SpanKindServer, name: fmt.Sprintf("op%d", r.IntN(4)), from: from, to: from + time.Duration(r.IntN(9000))*ms, failed: r.IntN(5) == 0},
			testSpan{service: "web", version: "1", pod: pod, trace: uint64(i + 1), id: 2, parent: 1, kind: ptrace.SpanKindClient, from: from, to: from + time.Duration(r.IntN(6000))*ms, attrs: map[string]any{"peer.service": "cart"}},
			testSpan{service: "cart", version: "2", pod: "c", trace: uint64(i + 1), id: 3, parent: 2, kind: ptrace.SpanKindServer, name: "get", from: from, to: from + time.Duration(r.IntN(5000))*ms})
	}
	return spans
}

func TestTicksWhileWindowsCloseAreThoseOfTheWhole(t *testing.T) {
	spans := timeline(7, 3000)
	whole := newAggregator(t)
	send(t, whole, spans...)
	want := whole.Flush()

	live := newAggregator(t)
	var got []unship.Tick
	for i := 0; i < len(spans); i += 90 { // 600 ms apart; at most 9 s late
		send(t, live, spans[i:min(i+90, len(spans))]...)
		got = append(got, live.Take()...)
	}
	got = append(got, live.Flush()...)
	if s := live.Stats(); s.Late != 0 {
		t.Fatalf("%d late; the test is to have none", s.Late)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	total := 0
	for _, tick := range got {
		for _, w := range tick.Windows {
			for _, op := range w.Operations {
				total += int(op.Requests)
			}
		}
	}
	if total != 6000 {
		t.Errorf("%d requests counted, want 6000", total)
	}
}

func TestManySendersAtOnce(t *testing.T) {
	spans := timeline(8, 2000)
	want := take(t, spans...)
	a := newAggregator(t, func(o *Options) { o.Lateness = time.Hour })
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := i; k < len(spans); k += 8 {
				if _, err := a.Traces(traces(t, spans[k])); err != nil {
					t.Error(err)
				}
				a.Take()
			}
		})
	}
	wg.Wait()
	got := a.Flush()
	for i := range got {
		got[i].Closed = want[i].Closed // the lateness differs, and nothing else
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestResumeGivesTheRestOfTheTicks(t *testing.T) {
	spans := timeline(9, 2000)
	want := take(t, spans...)
	cutoff := epoch.Add(20 * time.Second)
	a := newAggregator(t, func(o *Options) { o.Lateness = 10 * time.Second })
	a.Resume(cutoff)
	for _, tick := range want {
		if tick.End.After(cutoff) {
			break
		}
		a.Remember(tick)
	}
	var got []unship.Tick
	for i := 0; i < len(spans); i += 90 {
		send(t, a, spans[i:min(i+90, len(spans))]...)
		got = append(got, a.Take()...)
	}
	got = append(got, a.Flush()...)
	if diff := cmp.Diff(want[4:], got); diff != "" {
		t.Error(diff)
	}
	if s := a.Stats(); s.Late != 0 || s.Resumed == 0 || s.Resumed+s.Spans != 6000 {
		t.Errorf("late %d, resumed %d, spans %d; want 0, some, and 6000 together", s.Late, s.Resumed, s.Spans)
	}
}

// records are logs and points of one minute.
func records(t testing.TB, seed uint64, n int) (logs []plog.Logs, metrics []pmetric.Metrics) {
	r := rand.New(rand.NewPCG(seed, 2))
	for range n {
		resource := map[string]any{"service.name": "web", "service.version": "1", "k8s.pod.name": fmt.Sprintf("p%d", r.IntN(2))}
		at := time.Duration(r.IntN(40_000)) * ms
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		set(t, rl.Resource().Attributes(), resource)
		l := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		l.SetTimestamp(stamp(at))
		l.SetSeverityNumber(plog.SeverityNumber(r.IntN(24)))
		l.SetTraceID(traceID(uint64(r.IntN(9))))
		l.Body().SetStr(fmt.Sprintf("line %d", r.IntN(3)))
		if r.IntN(2) == 0 {
			l.Attributes().PutStr("log.record.template", fmt.Sprintf("line <*> %d", r.IntN(150)))
		}
		logs = append(logs, ld)
		md := pmetric.NewMetrics()
		rm := md.ResourceMetrics().AppendEmpty()
		set(t, rm.Resource().Attributes(), resource)
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName(fmt.Sprintf("m%d", r.IntN(3)))
		p := m.SetEmptyGauge().DataPoints().AppendEmpty()
		p.SetTimestamp(stamp(at))
		p.SetDoubleValue(float64(r.IntN(5)))
		set(t, p.Attributes(), map[string]any{"b": r.IntN(2), "a": "x"})
		metrics = append(metrics, md)
	}
	return logs, metrics
}

func TestLogsAndMetricsInAnyOrder(t *testing.T) {
	logs, metrics := records(t, 3, 4000)
	run := func(order []int) []unship.Tick {
		a := newAggregator(t, func(o *Options) { o.Lateness = time.Minute })
		for _, i := range order {
			if _, err := a.Logs(logs[i]); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Metrics(metrics[i]); err != nil {
				t.Fatal(err)
			}
		}
		return a.Flush()
	}
	r := rand.New(rand.NewPCG(4, 4))
	want := run(r.Perm(len(logs)))
	if diff := cmp.Diff(want, run(r.Perm(len(logs)))); diff != "" {
		t.Error(diff)
	}
	var count uint64
	for _, tick := range want {
		for _, w := range tick.Windows {
			for _, l := range w.Logs {
				count += l.Count
			}
		}
	}
	if count != 4000 {
		t.Errorf("%d log records counted, want 4000", count)
	}
}

func TestManySendersOfLogsAndMetricsAtOnce(t *testing.T) {
	const senders, batches = 8, 48
	far := func(o *Options) { o.Lateness = time.Hour }
	one, many := newAggregator(t, far), newAggregator(t, far)
	send := func(a *Aggregator, batch int) {
		_, err := a.MetricsProto(marshalMetrics(t, metricPayload(batch)))
		_, wrong := a.LogsProto(marshalLogs(t, logPayload(batch, 30)))
		if err != nil || wrong != nil {
			t.Error(err, wrong)
		}
	}
	for batch := range batches {
		send(one, batch)
	}
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for batch := i; batch < batches; batch += senders {
				send(many, batch)
				many.Take()
			}
		})
	}
	wg.Wait()
	want := one.Flush()
	if diff := cmp.Diff(want, many.Flush()); diff != "" || len(want) == 0 {
		t.Errorf("%d ticks\n%s", len(want), diff)
	}
}
