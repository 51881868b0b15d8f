package ingest

import (
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

const (
	meteredServices = 12
	meteredRound    = 10 * time.Second // in which each instance exports once
)

// meteredResource is one of two instances of a service, of two versions.
func meteredResource(a pcommon.Map, service, instance int) {
	a.PutStr("service.name", fmt.Sprintf("service-%d", service))
	a.PutStr("service.version", fmt.Sprintf("1.%d.0", instance))
	a.PutStr("k8s.pod.name", fmt.Sprintf("service-%d-5c66d57d5%d-zxw8n", service, instance))
	a.PutStr("deployment.environment.name", "production")
}

// metricPayload is one batch as a Collector sends it: all series of the two instances of
// a service, 72 points of every kind.
func metricPayload(batch int) pmetric.Metrics {
	md := pmetric.NewMetrics()
	at := pcommon.NewTimestampFromTime(epoch.Add(time.Duration(batch) * meteredRound / meteredServices))
	service, round := batch%meteredServices, batch/meteredServices
	for instance := range 2 {
		rm := md.ResourceMetrics().AppendEmpty()
		meteredResource(rm.Resource().Attributes(), service, instance)
		sm := rm.ScopeMetrics().AppendEmpty()
		sm.Scope().SetName("io.opentelemetry.runtime")
		named := func(name, unit string) pmetric.Metric {
			m := sm.Metrics().AppendEmpty()
			m.SetName(name)
			m.SetUnit(unit)
			m.SetDescription("What it is that this metric tells, in a sentence.")
			return m
		}
		requestDurations(named("http.server.request.duration", "s"), at, round)
		active := named("http.server.active_requests", "{request}").SetEmptySum()
		active.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for i := range 4 {
			p := active.DataPoints().AppendEmpty()
			p.SetTimestamp(at)
			p.SetStartTimestamp(stamp(0))
			p.SetIntValue(int64(round % (i + 2)))
			p.Attributes().PutStr("http.request.method", [...]string{"GET", "POST", "PUT", "DELETE"}[i])
			p.Attributes().PutStr("url.scheme", "http")
		}
		runtimeMetrics(named, at, round)
	}
	return md
}

// requestDurations is a histogram of ten routes.
func requestDurations(m pmetric.Metric, at pcommon.Timestamp, round int) {
	bounds := []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for route := range 10 {
		p := m.Histogram().DataPoints().AppendEmpty()
		p.SetTimestamp(at)
		p.SetStartTimestamp(stamp(0))
		p.ExplicitBounds().FromRaw(bounds)
		counts := make([]uint64, len(bounds)+1)
		for i := range counts {
			counts[i] = uint64(round * (i * (route + 1) % 7))
		}
		p.BucketCounts().FromRaw(counts)
		p.SetCount(uint64(round * 40))
		p.SetSum(float64(round) * 1.25)
		p.SetMin(.001)
		p.SetMax(3)
		a := p.Attributes()
		a.PutStr("http.request.method", "GET")
		a.PutStr("http.route", fmt.Sprintf("/orders/%c/{id}", 'a'+route))
		a.PutInt("http.response.status_code", 200)
		a.PutStr("network.protocol.version", "1.1")
		a.PutStr("url.scheme", "http")
	}
}

func runtimeMetrics(named func(name, unit string) pmetric.Metric, at pcommon.Timestamp, round int) {
	memory := named("jvm.memory.used", "By").SetEmptyGauge()
	for i := range 8 {
		p := memory.DataPoints().AppendEmpty()
		p.SetTimestamp(at)
		p.SetIntValue(int64(1<<20*(i+1) + round*4096))
		p.Attributes().PutStr("jvm.memory.pool.name", fmt.Sprintf("G1 pool number %d", i))
		p.Attributes().PutStr("jvm.memory.type", "heap")
	}
	sum := func(name string, n int) {
		s := named(name, "s").SetEmptySum()
		s.SetIsMonotonic(true)
		s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for i := range n {
			p := s.DataPoints().AppendEmpty()
			p.SetTimestamp(at)
			p.SetStartTimestamp(stamp(0))
			p.SetDoubleValue(float64(round*(i+1)) * .37)
			p.Attributes().PutStr("cpu.mode", fmt.Sprintf("mode-%d", i))
		}
	}
	sum("process.cpu.time", 3)
	sum("process.context_switches", 2)
	named("process.threads", "{thread}").SetEmptyGauge().DataPoints().AppendEmpty().SetTimestamp(at)
	e := named("rpc.client.call.duration", "s").SetEmptyExponentialHistogram()
	e.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for i := range 4 {
		p := e.DataPoints().AppendEmpty()
		p.SetTimestamp(at)
		p.SetStartTimestamp(stamp(0))
		p.SetScale(4)
		p.SetCount(uint64(round * 30))
		p.SetSum(float64(round))
		p.Positive().SetOffset(-100)
		for k := range 40 {
			p.Positive().BucketCounts().Append(uint64(round * (k % 5)))
		}
		p.Attributes().PutStr("rpc.method", fmt.Sprintf("shop.Cart/Method%d", i))
		p.Attributes().PutStr("server.address", "cart.shop.svc.cluster.local")
	}
	for i := range 4 {
		p := named("queue.wait", "ms").SetEmptySummary().DataPoints().AppendEmpty()
		p.SetTimestamp(at)
		p.SetStartTimestamp(stamp(0))
		p.SetCount(uint64(round * 10))
		p.SetSum(float64(round) * 7)
		p.QuantileValues().AppendEmpty().SetQuantile(.5)
		p.QuantileValues().AppendEmpty().SetQuantile(.99)
		p.Attributes().PutStr("queue", fmt.Sprintf("queue-%d", i))
	}
}

// logPayload is one batch of records of 24 instances. Of three, one always says the same,
// one has two values in its text, and one is a warning with a long text.
func logPayload(batch, n int) plog.Logs {
	ld := plog.NewLogs()
	var scopes []plog.LogRecordSlice
	for i := range 24 {
		rl := ld.ResourceLogs().AppendEmpty()
		meteredResource(rl.Resource().Attributes(), i/2, i%2)
		scopes = append(scopes, rl.ScopeLogs().AppendEmpty().LogRecords())
	}
	at := epoch.Add(time.Duration(batch) * 10 * time.Millisecond)
	for i := range n {
		k := batch*n + i
		r := scopes[k%24].AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(at))
		r.SetObservedTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Millisecond)))
		r.SetTraceID(traceID(uint64(k+1) * 0x9e3779b97f4a7c15))
		r.SetSpanID(spanID(uint64(k + 1)))
		r.SetSeverityNumber(plog.SeverityNumberInfo)
		r.SetSeverityText("INFO")
		switch k % 3 {
		case 0:
			r.Body().SetStr([...]string{"Order accepted", "Cart was emptied after checkout", "Cache refreshed", "Session restored from store"}[k/3%4])
		case 1:
			r.Body().SetStr(fmt.Sprintf("Fetched %d items of order %08x-5c66 for customer in %dms", k%17, k*7919, k%250))
		case 2:
			r.SetSeverityNumber(plog.SeverityNumberWarn)
			r.SetSeverityText("WARN")
			r.Body().SetStr(fmt.Sprintf("Retrying call to inventory at http://inventory.shop.svc:8080/items/%d, attempt %d of 3: connection reset by peer (read tcp 10.1.2.3:%d)", k, k%3+1, 30000+k%20000))
		}
		a := r.Attributes()
		a.PutStr("log.logger", "com.acme.shop.OrderService")
		a.PutStr("thread.name", "worker-17")
		a.PutInt("thread.id", int64(k%40))
		a.PutStr("code.function", "placeOrder")
	}
	return ld
}

// benchBatches gives the batches again and again to a new Aggregator, and reports the
// processor time of a record, windows included. They are taken after so many batches.
func benchBatches(b *testing.B, batches, records, takeAfter int, unit string, take func(a *Aggregator, batch int) error) {
	b.Helper()
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
		if n > 0 && n%batches == 0 { // the same again would be duplicates
			a.Flush()
			a, _ = New(opt)
		}
		if err := take(a, n%batches); err != nil {
			b.Fatal(err)
		}
		if n%takeAfter == takeAfter-1 {
			a.Take()
		}
		n++
	}
	a.Flush()
	b.ReportMetric(float64((cpu(b)-begin).Nanoseconds())/float64(n*records), "CPU-ns/"+unit)
}

// BenchmarkMetricsProto is the whole way of data points: bytes to windows.
func BenchmarkMetricsProto(b *testing.B) {
	const batches = 400
	var all [][]byte
	points := metricPayload(0).DataPointCount()
	for i := range batches {
		m, err := pmetricotlp.NewExportRequestFromMetrics(metricPayload(i)).MarshalProto()
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, m)
	}
	benchBatches(b, batches, points, 12, "point", func(a *Aggregator, batch int) error {
		_, err := a.MetricsProto(all[batch])
		return err
	})
}

// BenchmarkLogsProto is the whole way of log records: bytes to windows.
func BenchmarkLogsProto(b *testing.B) {
	const batches, records = 400, 512
	var all [][]byte
	for i := range batches {
		m, err := plogotlp.NewExportRequestFromLogs(logPayload(i, records)).MarshalProto()
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, m)
	}
	benchBatches(b, batches, records, 12, "record", func(a *Aggregator, batch int) error {
		_, err := a.LogsProto(all[batch])
		return err
	})
}
