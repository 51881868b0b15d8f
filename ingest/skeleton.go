package ingest

import (
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"unship.dev"
)

const shardCount = 16
const firstIndex = -1 << 62

type (
	resources struct{}
	shard     struct {
		mu    sync.Mutex
		panes map[int64]*pane
	}
	pane     struct{}
	counters struct{}
	service  struct{}
)

func newResources(*atomic.Int64) *resources { return &resources{} }

// Refusal says how many records of a request were refused for good, and why.
// It becomes an OTLP partial success.
type Refusal struct {
	Count  int
	Reason string
}

// Stats are counters since the start.
type Stats struct {
	Spans, Points, Records  uint64 // accepted
	Late, Future, Duplicate uint64
	Resumed                 uint64
	Overflow, Dropped       uint64
	Overloaded              uint64
	Invalid                 map[string]uint64 // refused, by reason
	PendingBytes            int64
}

// Traces takes spans.
func (a *Aggregator) Traces(td ptrace.Traces) (Refusal, error) { return Refusal{}, nil }

// Metrics takes data points.
func (a *Aggregator) Metrics(md pmetric.Metrics) (Refusal, error) { return Refusal{}, nil }

// Logs takes log records.
func (a *Aggregator) Logs(ld plog.Logs) (Refusal, error) { return Refusal{}, nil }

// Announce takes what somebody told about a release.
func (a *Aggregator) Announce(n unship.Announcement) error { return nil }

// Take gives the ticks that the watermark has passed since the last call.
func (a *Aggregator) Take() []unship.Tick { return nil }

// Flush gives all ticks that are still open.
func (a *Aggregator) Flush() []unship.Tick { return nil }

// Advance moves the watermark forward without data.
func (a *Aggregator) Advance(to time.Time) {}

// Watermark is the event time before which everything is closed.
func (a *Aggregator) Watermark() time.Time { return time.Time{} }

// MaxTime is the latest event time taken.
func (a *Aggregator) MaxTime() time.Time { return time.Time{} }

// Resume continues after a restart at a watermark.
func (a *Aggregator) Resume(watermark time.Time) {}

// Stats gives the counters.
func (a *Aggregator) Stats() Stats { return Stats{} }

// NormalizeVersion reduces the forms of one version to one.
func NormalizeVersion(raw string) string { return raw }
