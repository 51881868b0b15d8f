package ingest

import (
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// spread is a batch of 510 spans, of 17 instances and all their operations by turns: what
// a Collector passes on of series that are this many.
func spread(batch, series int) ptrace.Traces {
	const spans, instances, operations = 510, 17, 50
	all := max(series/operations, 1)
	td := ptrace.NewTraces()
	at := epoch.Add(time.Duration(batch) * 10 * time.Millisecond)
	for k := range instances {
		i := (batch*instances + k) % all
		rs := td.ResourceSpans().AppendEmpty()
		a := rs.Resource().Attributes()
		a.PutStr("service.name", fmt.Sprintf("service-%d", i/4))
		a.PutStr("service.version", "1.0.0")
		a.PutStr("k8s.pod.name", fmt.Sprintf("service-%d-5c66d57d50-%c", i/4, 'a'+i%4))
		out := rs.ScopeSpans().AppendEmpty().Spans()
		for n := range spans / instances {
			trace, part := uint64(batch*spans+k*spans/instances+n/3+1), n%3
			s := out.AppendEmpty()
			s.SetTraceID(traceID(trace * 0x9e3779b97f4a7c15))
			s.SetSpanID(spanID(uint64(n + 1)))
			s.SetStartTimestamp(pcommon.NewTimestampFromTime(at))
			s.SetEndTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Duration(20-part) * time.Millisecond)))
			s.SetKind(ptrace.SpanKindServer)
			if part > 0 {
				s.SetParentSpanID(spanID(uint64(n + 1 - part)))
				s.SetKind(ptrace.SpanKindClient)
			}
			fill(s.Attributes(), n)
			op := (batch/max(all/instances, 1)*10 + n/3) % operations
			s.Attributes().PutStr("http.route", fmt.Sprintf("/orders/%c%c/{id}", 'a'+op/10, 'a'+op%10))
		}
	}
	return td
}

// BenchmarkSeries is the whole way of spans, of few and of many series.
func BenchmarkSeries(b *testing.B) {
	for _, series := range []int{100, 1_000, 10_000, 50_000} {
		b.Run(fmt.Sprint(series), func(b *testing.B) {
			const batches = 1500 // three windows
			var all [][]byte
			for i := range batches {
				all = append(all, marshal(b, spread(i, series)))
			}
			opt := testOptions()
			opt.Ceiling = func() time.Time { return epoch.Add(1000 * time.Hour) }
			var a *Aggregator
			told := map[[3]string]struct{}{}
			b.ReportAllocs()
			b.ResetTimer()
			begin, n := cpu(b), 0
			for b.Loop() {
				a, _ = New(opt)
				for i, m := range all {
					if _, err := a.TracesProto(m); err != nil {
						b.Fatal(err)
					}
					if i%50 == 49 {
						a.Take()
					}
				}
				ticks := a.Flush()
				n += batches * 510
				for _, tick := range ticks { // of the last two windows or so
					for _, w := range tick.Windows {
						for _, op := range w.Operations {
							told[[3]string{w.Release.Name, w.Instance.ID, op.Name}] = struct{}{}
						}
					}
				}
			}
			b.ReportMetric(float64((cpu(b)-begin).Nanoseconds())/float64(n), "CPU-ns/span")
			b.ReportMetric(float64(len(told)), "series")
		})
	}
}
