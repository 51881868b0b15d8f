package scenario

import (
	"container/heap"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// The files of a recording beside its label.
const (
	tracesFile = "traces.pb.zst"
	logsFile   = "logs.pb.zst"
	metricFile = "metrics.pb.zst"
	eventsFile = "events.jsonl"
)

// exportEvery is how often a pod sends what has ended since.
const exportEvery = 3 * time.Second

// record simulates the scenario and writes its telemetry into dir.
func record(dir string, b *builder) (err error) {
	traces, err := create(filepath.Join(dir, tracesFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, traces.Close()) }()
	logs, err := create(filepath.Join(dir, logsFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, logs.Close()) }()
	metrics, err := create(filepath.Join(dir, metricFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, metrics.Close()) }()
	s := &simulation{
		world: b.world, effects: b.effects, surges: b.surges,
		rng: rand.New(rand.NewPCG(b.options.Seed, 3)),
		out: &exporter{traces: traces, logs: logs, metrics: metrics, outages: b.outages, effects: b.effects, telemetry: b.telemetry, idle: b.idle},
	}
	if err := s.run(b.length()); err != nil {
		return err
	}
	return announce(dir, b.releases)
}

// exporter collects spans, log records and usage by pod and sends them in
// batches, in the order in which a collector would receive them.
type exporter struct {
	traces, logs, metrics io.Writer
	telemetry             telemetry
	idle                  float64 // of a core: see builder
	outages               []outage
	effects               []effect
	waiting               queue
}

// batch is what one pod sends at one moment.
type batch struct {
	pod    *pod
	at     time.Duration
	traces ptrace.Traces
	spans  ptrace.SpanSlice
	logs   plog.Logs
	logged bool
	used   usage
}

// batch gives the batch in which something that ended at end will be sent.
func (x *exporter) batch(p *pod, end time.Duration) *batch {
	offset := time.Duration(p.index) * 397 * time.Millisecond % exportEvery
	at := offset + ((end-offset)/exportEvery+1)*exportEvery
	for _, b := range p.batches {
		if b.at == at {
			return b
		}
	}
	b := &batch{pod: p, at: at, traces: ptrace.NewTraces()}
	rs := b.traces.ResourceSpans().AppendEmpty()
	resource(p, rs.Resource())
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("shop.instrumentation")
	b.spans = ss.Spans()
	p.batches = append(p.batches, b)
	heap.Push(&x.waiting, b)
	return b
}

func (b *batch) span(trace [16]byte, id, parent [8]byte, at, end time.Duration) ptrace.Span {
	sp := b.spans.AppendEmpty()
	sp.SetTraceID(trace)
	sp.SetSpanID(id)
	sp.SetParentSpanID(parent)
	sp.SetStartTimestamp(stamp(at))
	sp.SetEndTimestamp(stamp(end))
	return sp
}

func (b *batch) logRecords() plog.LogRecordSlice {
	if !b.logged {
		b.logged, b.logs = true, plog.NewLogs()
		rl := b.logs.ResourceLogs().AppendEmpty()
		resource(b.pod, rl.Resource())
		rl.ScopeLogs().AppendEmpty().Scope().SetName("shop.log")
	}
	return b.logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
}

// flush sends everything due by a moment.
func (x *exporter) flush(now time.Duration) error {
	for len(x.waiting) > 0 && x.waiting[0].at <= now {
		if err := x.send(heap.Pop(&x.waiting).(*batch)); err != nil {
			return err
		}
	}
	return nil
}

// drain sends everything.
func (x *exporter) drain() error { return x.flush(1<<63 - 1) }

func (x *exporter) send(b *batch) error {
	b.pod.batches = slices.DeleteFunc(b.pod.batches, func(o *batch) bool { return o == b })
	if x.lost(b) {
		b.pod.meter.add(b.used)
		return nil
	}
	if err := x.measure(b); err != nil {
		return err
	}
	if x.telemetry == sampledTraces {
		b.sample()
	}
	data, err := ptraceotlp.NewExportRequestFromTraces(b.traces).MarshalProto()
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	if b.spans.Len() > 0 && (x.telemetry == tracesAndLogs || x.telemetry == sampledTraces) {
		err = frame(x.traces, data)
	}
	if err != nil || !b.logged || x.telemetry == metricsOnly {
		return err
	}
	if data, err = plogotlp.NewExportRequestFromLogs(b.logs).MarshalProto(); err != nil {
		return fmt.Errorf("encode log records: %w", err)
	}
	return frame(x.logs, data)
}

// sampledState tells that one trace in eight is kept: those whose randomness is
// at least e0000000000000 (consistent probability sampling, W3C trace context level 2).
const sampledState = "ot=th:e"

// sample drops what a sampler in the head would never have recorded.
func (b *batch) sample() {
	b.spans.RemoveIf(func(sp ptrace.Span) bool {
		id := sp.TraceID()
		sp.TraceState().FromRaw(sampledState)
		return id[9] < 0xe0
	})
	if !b.logged {
		return
	}
	rl := b.logs.ResourceLogs().At(0)
	rl.ScopeLogs().At(0).LogRecords().RemoveIf(func(r plog.LogRecord) bool { return r.TraceID()[9] < 0xe0 })
}

// lost says that an outage of telemetry swallows the batch.
func (x *exporter) lost(b *batch) bool {
	for _, o := range x.outages {
		if o.from > b.at || b.at >= o.until {
			continue
		}
		if o.of == nil && float64(b.pod.index%10) < 10*o.share || o.of != nil && b.pod.service == o.of.service && b.pod.version == o.of.to {
			return true
		}
	}
	return false
}

// frame writes one message behind its length, as the Collector's file exporter does.
func frame(w io.Writer, message []byte) error {
	length := binary.BigEndian.AppendUint32(nil, uint32(len(message)))
	if _, err := w.Write(append(length, message...)); err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	return nil
}

// compressed is a file that is compressed as it is written.
type compressed struct {
	*zstd.Encoder
	file *os.File
}

func create(name string) (*compressed, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("create recording: %w", err)
	}
	// One goroutine, so that the same input gives the same bytes.
	z, err := zstd.NewWriter(f, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("compress recording: %w", err), f.Close())
	}
	return &compressed{z, f}, nil
}

func (c *compressed) Close() error { return errors.Join(c.Encoder.Close(), c.file.Close()) }

// queue orders batches by the moment of sending, then by pod.
type queue []*batch

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q queue) Less(i, j int) bool {
	if q[i].at != q[j].at {
		return q[i].at < q[j].at
	}
	return q[i].pod.index < q[j].pod.index
}
func (q *queue) Push(b any) { *q = append(*q, b.(*batch)) }
func (q *queue) Pop() any {
	old := *q
	b := old[len(old)-1]
	*q = old[:len(old)-1]
	return b
}

// announce writes the announcements of those releases that have one.
func announce(dir string, releases []*release) (err error) {
	f, err := os.Create(filepath.Join(dir, eventsFile))
	if err != nil {
		return fmt.Errorf("announce releases: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sorted := slices.Clone(releases)
	slices.SortStableFunc(sorted, func(a, b *release) int { return int(a.at - b.at) })
	enc := json.NewEncoder(f)
	for _, r := range sorted {
		if !r.announced {
			continue
		}
		if err := enc.Encode(event(r)); err != nil {
			return fmt.Errorf("announce %s %s: %w", r.service.name, r.to, err)
		}
	}
	return nil
}

// event is the CDEvents announcement of a release.
func event(r *release) any {
	type object = map[string]any
	return object{
		"context": object{
			"version": "0.4.1", "id": r.service.name + "-" + r.to, "source": "/ci/deploy",
			"type": "dev.cdevents.service.upgraded.0.2.0", "timestamp": epoch.Add(r.at).Format(time.RFC3339Nano),
		},
		"subject": object{
			"id": r.service.name, "source": "/ci/deploy", "type": "service",
			"content": object{
				"environment": object{"id": environment},
				"artifactId":  "pkg:oci/" + r.service.name + "@" + r.to,
			},
		},
	}
}
