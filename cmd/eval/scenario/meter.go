package scenario

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// meterEvery is how often a pod sends its metrics.
const meterEvery = 15 * time.Second

// Telemetry is what the services of a recording send of their requests. All
// send process metrics.
type telemetry uint8

const (
	tracesAndLogs telemetry = iota
	metricsOnly
	logsOnly
	accessLogs    // and other logs, nothing else
	sampledTraces // one trace in eight, as a sampler in the head keeps them, and its logs
)

// bounds are those that semantic conventions advise for durations of requests, in seconds.
var bounds = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

// meter is what a pod counts from its start on.
type meter struct {
	next     time.Duration // when it sends again
	cpu      float64       // seconds
	requests []*requests   // in the order in which they were first seen
	memory   float64       // bytes in use after a collection
	phase    float64       // of the saw tooth of garbage
}

// requests counts the requests of one operation and outcome.
type requests struct {
	op      *operation
	status  int
	buckets []uint64
	sum     float64
}

// usage is what one batch adds to a meter.
type usage struct {
	cpu  float64
	done []finished
}

type finished struct {
	op     *operation
	status int
	took   time.Duration
}

func newMeter(rng *rand.Rand) meter {
	return meter{memory: 2.4e8 * math.Exp(.3*rng.NormFloat64()), phase: rng.Float64()}
}

func (m *meter) add(u usage) {
	m.cpu += u.cpu
	for _, f := range u.done {
		k := slices.IndexFunc(m.requests, func(r *requests) bool { return r.op == f.op && r.status == f.status })
		if k < 0 {
			k = len(m.requests)
			m.requests = append(m.requests, &requests{op: f.op, status: f.status, buckets: make([]uint64, len(bounds)+1)})
		}
		r, took := m.requests[k], f.took.Seconds()
		at, _ := slices.BinarySearch(bounds, took)
		r.buckets[at]++
		r.sum += took
	}
}

// fills is in how many seconds what is missing in a cache falls by a factor e.
const fills = 360

// inUse is the memory of a pod: what lives, what leaks or is kept, and garbage that
// grows until it is collected, once in 70 s or so.
func (x *exporter) inUse(p *pod, at time.Duration) float64 {
	age := max(0, at-p.born).Seconds()
	_, tooth := math.Modf(p.meter.phase + age/70)
	kept := 0.0
	for _, e := range x.effects {
		if e.from <= at && e.where(visit{pod: p, at: at}) {
			kept += e.leak*(at-max(e.from, p.born)).Seconds() + e.cache*(1-math.Exp(-age/fills))
		}
	}
	return p.meter.memory*(1-.3*math.Exp(-age/60)) + kept + 6e7*tooth
}

// measure sends a pod's metrics when it is time.
func (x *exporter) measure(b *batch) error {
	p := b.pod
	p.meter.add(b.used)
	if b.at < p.meter.next {
		return nil
	}
	p.meter.next = b.at - b.at%meterEvery + meterEvery
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	resource(p, rm.Resource())
	list := rm.ScopeMetrics().AppendEmpty().Metrics()
	born, now := stamp(max(p.born, -time.Hour)), stamp(b.at)
	x.process(list, p, b.at, born)
	if x.telemetry == metricsOnly {
		served(list, p, born, now)
	}
	data, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		return fmt.Errorf("encode metrics: %w", err)
	}
	return frame(x.metrics, data)
}

func (x *exporter) process(list pmetric.MetricSlice, p *pod, at time.Duration, born pcommon.Timestamp) {
	cpu := list.AppendEmpty()
	cpu.SetName("process.cpu.time")
	cpu.SetUnit("s")
	sum := cpu.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	used := sum.DataPoints().AppendEmpty()
	used.SetStartTimestamp(born)
	used.SetTimestamp(stamp(at))
	age := min(at-p.born, at+time.Hour)
	used.SetDoubleValue(p.meter.cpu + x.idle*(age.Seconds()+100*(1-decay(age, time.Minute))))
	memory := list.AppendEmpty()
	memory.SetName("process.memory.usage")
	memory.SetUnit("By")
	level := memory.SetEmptySum()
	level.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	inUse := level.DataPoints().AppendEmpty()
	inUse.SetStartTimestamp(born)
	inUse.SetTimestamp(stamp(at))
	inUse.SetIntValue(int64(x.inUse(p, at)))
}

// served tells of requests as semantic conventions have it for services without spans.
func served(list pmetric.MetricSlice, p *pod, born, now pcommon.Timestamp) {
	if len(p.meter.requests) == 0 {
		return
	}
	m := list.AppendEmpty()
	scale := 1.0
	switch s := p.service; {
	case s.worker:
		m.SetName("messaging.process.duration")
	case s.grpc:
		m.SetName("rpc.server.duration")
		scale = 1000
	default:
		m.SetName("http.server.request.duration")
	}
	m.SetUnit("s")
	if scale > 1 {
		m.SetUnit("ms")
	}
	h := m.SetEmptyHistogram()
	h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for _, r := range p.meter.requests {
		r.point(h.DataPoints().AppendEmpty(), scale, born, now)
	}
}

func (r *requests) point(d pmetric.HistogramDataPoint, scale float64, born, now pcommon.Timestamp) {
	d.SetStartTimestamp(born)
	d.SetTimestamp(now)
	count := uint64(0)
	for _, n := range r.buckets {
		count += n
	}
	d.SetCount(count)
	d.SetSum(r.sum * scale)
	for _, b := range bounds {
		d.ExplicitBounds().Append(b * scale)
	}
	d.BucketCounts().FromRaw(r.buckets)
	a := d.Attributes()
	switch op := r.op; {
	case op.service.worker:
		a.PutStr("messaging.system", "rabbitmq")
		a.PutStr("messaging.destination.name", op.route)
		a.PutStr("messaging.operation.name", "process")
	case op.service.grpc:
		putRPC(a, op, r.status)
	default:
		a.PutStr("http.request.method", op.method)
		a.PutStr("http.route", op.route)
		a.PutInt("http.response.status_code", int64(r.status))
	}
	if r.status >= 500 {
		a.PutStr("error.type", fmt.Sprint(r.status))
	}
}
