// Package ingest turns OpenTelemetry data into ticks: what every instance of
// every release did in each short span of event time.
//
// In go traces, metrics and logs as OTLP in protobuf, and announcements of releases;
// out come [unship.Tick]s in order of time. The [Aggregator] is both ends:
//
//  1. A decoder walks the bytes once, resolves the resource to a release and an
//     instance, and reduces each span to a 64 byte record of a shard (chosen by
//     trace) and a window (chosen by the time at which the span ended). A data point
//     refers to its series, which is found by the bytes of its attributes; a log
//     record to its line, masked, and to the request that it tells of.
//  2. The watermark follows the latest event time, [Options.Lateness] behind.
//     A window closes when the watermark reaches its end.
//  3. At close the records of each trace are joined: self time, failures that
//     began here, calls for each request, callers. Then they are summed up.
//
// As long as nothing comes late the ticks do not depend on batches or on the
// order of arrival: everything that could depend on it is decided at close, on
// sorted data, and sums are of integers.
//
// An Aggregator may be used from many goroutines. Errors are [ErrOverloaded]
// (nothing was taken, send again later); refused records are a [Refusal].
package ingest

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"unship.dev"
)

// ErrOverloaded says that open windows take all memory allowed. Nothing of the
// request was taken; the sender should try again a little later.
var ErrOverloaded = errors.New("overloaded: open windows take all memory allowed; send again later")

// Options configure an [Aggregator]. All but Clock and Logger are required.
type Options struct {
	Window   time.Duration // length of a window; windows begin at multiples of it since the epoch
	Lateness time.Duration // how long after a window's end its data may still come
	// MaxOperations bounds the operations told apart in one service. Further
	// ones are counted under unship.OverflowOperation.
	MaxOperations int
	// MaxPendingBytes bounds the estimated memory of open windows. A recording
	// has nobody to send again: give it what the machine has.
	MaxPendingBytes int64
	// Ceiling is the latest event time to be believed. Live it is the wall
	// clock and some mercy for clocks that are fast.
	Ceiling func() time.Time
	// Clock is what time it is, without that mercy. The watermark does not follow
	// data beyond it, so one fast clock cannot make everybody else late. Nil believes
	// all that is below the ceiling.
	Clock  func() time.Time
	Logger *slog.Logger // nil discards
}

func (o Options) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Window < 100*time.Millisecond || o.Window > time.Hour {
		bad("window: is %v; want 100ms to 1h", o.Window)
	}
	if o.Lateness < 0 || o.Lateness > 24*time.Hour {
		bad("lateness: is %v; want 0s to 24h", o.Lateness)
	}
	if o.MaxOperations < 1 {
		bad("max operations: is %d; want 1 or more", o.MaxOperations)
	}
	if o.MaxPendingBytes < 1<<20 {
		bad("max pending bytes: is %d; want 1 MiB or more", o.MaxPendingBytes)
	}
	if o.Ceiling == nil {
		bad("ceiling: is missing; want a function that gives the latest event time to believe")
	}
	return errors.Join(errs...)
}

// Aggregator gathers telemetry into windows. Use [New].
type Aggregator struct {
	opt       Options
	resources *resources
	keys      *attributeKeys // of spans
	logKeys   *attributeKeys
	intakes   sync.Pool // of *intake
	shards    [shardCount]shard
	points    lists[point]
	buckets   lists[unship.Bucket]
	readings  lists[reading]
	pending   atomic.Int64 // estimated bytes of open windows and resources
	ready     chan struct{}

	// open is the index of the first window that is not closed. It is read
	// under a shard's lock, and raised before that lock is taken to close.
	open atomic.Int64
	// resumed is the index before which windows were counted before a restart.
	resumed atomic.Int64

	mu        sync.Mutex // guards what follows
	maxTime   int64      // latest event time taken, ns
	watermark int64      // ns
	told      int64      // latest time of an announcement, ns
	held      bool       // the watermark does not follow data at present
	announced map[int64][]unship.Announcement
	lost      unship.Losses // belongs to no open window
	stats     Stats
	closed    int64 // the first window that Take has not seen

	closing  sync.Mutex // held while windows are closed; guards what follows
	done     int64      // all windows before it were closed
	services map[unship.Service]*service
	meters   meters
	joiners  []*joiner // at rest
}

// New makes an Aggregator.
func New(opt Options) (*Aggregator, error) {
	if err := opt.validate(); err != nil {
		return nil, fmt.Errorf("ingest options: %w", err)
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Aggregator{
		opt:       opt,
		keys:      newAttributeKeys(fieldOf),
		logKeys:   newAttributeKeys(logFieldOf),
		ready:     make(chan struct{}, 1),
		announced: map[int64][]unship.Announcement{},
		services:  map[unship.Service]*service{},
	}
	a.resources = newResources(&a.pending)
	a.open.Store(firstIndex)
	a.resumed.Store(firstIndex)
	a.closed, a.done = firstIndex, firstIndex
	for i := range a.shards {
		a.shards[i].panes = map[int64]*pane{}
	}
	return a, nil
}
