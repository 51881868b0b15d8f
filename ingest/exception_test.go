package ingest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"pgregory.net/rapid"

	"unship.dev"
)

// trace of a Java program, cut after so many frames of its own.
func javaTrace(frames int) string {
	text := "com.acme.Empty: none\n\tat java.base/java.util.Optional.get(Optional.java:1)\n"
	for i := range frames {
		text += fmt.Sprintf("\tat com.acme.Stock.f%d(Stock.java:%d)\n", i, i+10)
	}
	return text
}

// testThrow is an exception as tests write it: as an event of a span, or as a log record.
type testThrow struct {
	pod               string
	trace, id         uint64
	log               bool
	kind              ptrace.SpanKind
	failed            bool
	typ, message, way string
}

func (x testThrow) attributes() map[string]any {
	return map[string]any{"exception.type": x.typ, "exception.message": x.message, "exception.stacktrace": x.way}
}

func (x testThrow) send(t testing.TB, a *Aggregator) {
	t.Helper()
	if x.log {
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		set(t, rl.Resource().Attributes(), map[string]any{"service.name": "web", "service.version": "1", "k8s.pod.name": x.pod})
		r := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		r.SetTimestamp(stamp(time.Second))
		r.SetTraceID(traceID(x.trace))
		set(t, r.Attributes(), x.attributes())
		if _, err := a.Logs(ld); err != nil {
			t.Fatal(err)
		}
		return
	}
	td := traces(t, testSpan{
		service: "web", version: "1", pod: x.pod, trace: x.trace, id: x.id, kind: x.kind, name: "op", from: 0, to: time.Second, failed: x.failed,
	})
	e := only(td).Events().AppendEmpty()
	e.SetName("exception")
	set(t, e.Attributes(), x.attributes())
	if _, err := a.Traces(td); err != nil {
		t.Fatal(err)
	}
}

func thrownBy(t testing.TB, list ...testThrow) (exceptions []unship.Exception) {
	t.Helper()
	a := newAggregator(t)
	for _, x := range list {
		x.send(t, a)
	}
	for _, tick := range a.Flush() {
		for _, w := range tick.Windows {
			exceptions = append(exceptions, w.Exceptions...)
		}
	}
	return exceptions
}

func TestExceptions(t *testing.T) {
	server, inner := ptrace.SpanKindServer, ptrace.SpanKindInternal
	const one = "00000000000000000000000000000001"
	tests := map[string]struct {
		thrown []testThrow
		want   []unship.Exception
	}{
		"of a failed span": {
			[]testThrow{{trace: 1, id: 1, kind: inner, failed: true, typ: "E", message: "b\nmore", way: javaTrace(2)}},
			[]unship.Exception{{Type: "E", Place: "com.acme.Stock.f0 < com.acme.Stock.f1", Count: 1, Example: "b", TraceID: one}},
		},
		"of a request that was answered": {
			[]testThrow{{trace: 1, id: 1, kind: server, typ: "E"}},
			[]unship.Exception{{Type: "E", Count: 1, Handled: 1, TraceID: one}},
		},
		"handled inside a request": {[]testThrow{{trace: 1, id: 1, kind: inner, typ: "E"}}, nil},
		"as an event twice and as a log record, of one trace": {
			[]testThrow{
				{trace: 1, id: 1, kind: server, failed: true, typ: "E", message: "b", way: javaTrace(2)},
				{trace: 1, id: 2, kind: inner, failed: true, typ: "E", message: "a", way: javaTrace(1)},
				{trace: 1, log: true, typ: "E"},
			},
			[]unship.Exception{{Type: "E", Place: "com.acme.Stock.f0 < com.acme.Stock.f1", Count: 1, Example: "a", TraceID: one}},
		},
		"at two places of one trace": {
			[]testThrow{
				{trace: 1, id: 1, kind: server, failed: true, typ: "E", way: "\tat com.acme.A.f(A.java:1)\n"},
				{trace: 1, id: 2, kind: inner, failed: true, typ: "E", way: "\tat com.acme.A.foo(A.java:9)\n"},
			},
			[]unship.Exception{{Type: "E", Place: "com.acme.A.f", Count: 1, TraceID: one}, {Type: "E", Place: "com.acme.A.foo", Count: 1, TraceID: one}},
		},
		"without a trace, each": {
			[]testThrow{{log: true, typ: "E"}, {log: true, typ: "E"}},
			[]unship.Exception{{Type: "E", Count: 2}},
		},
		"of two instances": {
			[]testThrow{{pod: "p", trace: 1, log: true, typ: "E"}, {pod: "q", trace: 1, log: true, typ: "E"}},
			[]unship.Exception{{Type: "E", Count: 1, TraceID: one}, {Type: "E", Count: 1, TraceID: one}},
		},
	}
	for name, c := range tests {
		if diff := cmp.Diff(c.want, thrownBy(t, c.thrown...)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestExceptionsDoNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var list []testThrow
		for i := range rapid.IntRange(1, 12).Draw(rt, "thrown") {
			list = append(list, testThrow{
				trace: uint64(rapid.IntRange(1, 2).Draw(rt, "trace")), id: uint64(i + 1), kind: ptrace.SpanKindServer,
				failed: true, log: rapid.Bool().Draw(rt, "log"), typ: rapid.SampledFrom([]string{"E", "F"}).Draw(rt, "type"),
				message: rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "message"), way: javaTrace(rapid.IntRange(0, 4).Draw(rt, "frames")),
			})
		}
		want := thrownBy(t, list...)
		if diff := cmp.Diff(want, thrownBy(t, rapid.Permutation(list).Draw(rt, "order")...)); diff != "" {
			rt.Fatal(diff)
		}
		for _, x := range want {
			if x.Count > 2 {
				rt.Fatalf("%+v is counted more often than there are traces", x)
			}
		}
	})
}

func TestManyExceptionsStayBounded(t *testing.T) {
	var list []testThrow
	for i := range 500 {
		list = append(list, testThrow{trace: uint64(i + 1), log: true, typ: fmt.Sprintf("E%d", i)})
	}
	got, total := thrownBy(t, list...), uint64(0)
	for _, x := range got {
		total += x.Count
	}
	if len(got) != maxExceptions+1 || total != 500 {
		t.Errorf("%d exceptions counted %d times; want %d and 500", len(got), total, maxExceptions+1)
	}
}
