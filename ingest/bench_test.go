package ingest

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// payload is one batch as a Collector sends it: 12 services of two versions, traces of a
// server span with two calls, ten attributes a span.
func payload(batch, spans int) ptrace.Traces {
	td := ptrace.NewTraces()
	var scopes []ptrace.SpanSlice
	for i := range 24 {
		rs := td.ResourceSpans().AppendEmpty()
		a := rs.Resource().Attributes()
		a.PutStr("service.name", fmt.Sprintf("service-%d", i/2))
		a.PutStr("service.version", fmt.Sprintf("1.%d.0", i%2))
		a.PutStr("k8s.pod.name", fmt.Sprintf("service-%d-5c66d57d5%d-zxw8n", i/2, i%2))
		a.PutStr("deployment.environment.name", "production")
		scopes = append(scopes, rs.ScopeSpans().AppendEmpty().Spans())
	}
	at := epoch.Add(time.Duration(batch) * 10 * time.Millisecond)
	for n := range spans {
		trace, part := batch*spans+n/3, n%3
		s := scopes[trace%24].AppendEmpty()
		s.SetTraceID(traceID(uint64(trace+1) * 0x9e3779b97f4a7c15))
		s.SetSpanID(spanID(uint64(n + 1)))
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(at))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Duration(20-part) * time.Millisecond)))
		s.SetName("GET /orders/{id}")
		s.SetKind(ptrace.SpanKindServer)
		if part > 0 {
			s.SetParentSpanID(spanID(uint64(n + 1 - part)))
			s.SetKind(ptrace.SpanKindClient)
		}
		fill(s.Attributes(), n)
	}
	return td
}

func fill(a pcommon.Map, n int) {
	a.PutStr("http.request.method", "GET")
	a.PutStr("http.route", fmt.Sprintf("/orders/%c/{id}", 'a'+n%10))
	a.PutStr("url.path", fmt.Sprintf("/orders/a/%d", n))
	a.PutInt("http.response.status_code", 200)
	a.PutStr("server.address", "orders.shop.svc.cluster.local")
	a.PutInt("server.port", 8080)
	a.PutStr("network.protocol.version", "1.1")
	a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")
	a.PutStr("client.address", "10.1.2.3")
	a.PutStr("thread.name", "worker-17")
}

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTraces gives spans through the walkers and the joins, without decoding.
func BenchmarkTraces(b *testing.B) {
	const batches, spans = 500, 512
	var all []ptrace.Traces
	for i := range batches {
		all = append(all, payload(i, spans))
	}
	opt := testOptions()
	opt.Ceiling = func() time.Time { return epoch.Add(1000 * time.Hour) }
	a, err := New(opt)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	begin, n := cpu(b), 0
	for b.Loop() {
		if n > 0 && n%batches == 0 { // the same payload again would be duplicates
			b.StopTimer()
			paused := cpu(b)
			a.Flush()
			a, _ = New(opt)
			begin += cpu(b) - paused
			b.StartTimer()
		}
		if _, err := a.Traces(all[n%batches]); err != nil {
			b.Fatal(err)
		}
		if n%50 == 49 {
			a.Take()
		}
		n++
	}
	a.Flush()
	b.ReportMetric(float64(n*spans)/(cpu(b)-begin).Seconds(), "spans/CPU-s")
}

// BenchmarkIdleSeries gives the memory of an operation of an instance that is known and silent.
func BenchmarkIdleSeries(b *testing.B) {
	const series = 10_000
	for b.Loop() {
		before := inUse()
		a := newAggregator(b)
		for i := range series {
			s := good()
			s.trace, s.service, s.name = uint64(i+1), fmt.Sprintf("s%d", i/100), fmt.Sprintf("op%c%c", 'a'+i%10, 'a'+i/10%10)
			send(b, a, s)
		}
		a.Flush()
		b.ReportMetric(float64(inUse()-before)/series, "B/series")
		a.Stats()
	}
}
