package ingest

import (
	"sync"

	"unship.dev"
)

// shardCount is fixed: which spans share a shard must not depend on the machine.
const shardCount = 16

// firstIndex stands for a window before all others.
const firstIndex = -1 << 40

// record is a span as it waits for its window to close. It has no pointers, so
// that the garbage collector need not read millions of them.
type record struct {
	trace      [2]uint64
	id, parent uint64
	start, end int64
	resource   uint32
	name       uint32 // number of the operation or of the callee, in pane.names
	detail     uint32 // 1 + index in pane.details; 0: none
	about      uint32 // of a request its traits, of a call who answered
	sampling   weight // 0: not told
	kind       kind
	result     result
	garbled    bool // of a call that failed: its answer came in time and looked like success
}

// recordBytes is the estimated memory of a record, with what slices grow beyond need.
const recordBytes = 108

// isTop says that a span is a request by itself: a server or consumer span, or
// the root of a trace that began inside a process.
func (r *record) isTop() bool {
	return r.kind.isEntry() || r.parent == 0 && !r.kind.isCall()
}

// traits is the number of a request's combination in pane.traits; 0: none.
func (r *record) traits() uint32 {
	if r.kind.isCall() {
		return 0
	}
	return r.about
}

// answeredBy is 1 + the number of the resource whose server span answered a call; 0: none was seen.
func (r *record) answeredBy() uint32 {
	if r.kind.isCall() {
		return r.about
	}
	return 0
}

// detail is what is known about a failure.
type detail struct{ err, exception string }

const (
	maxError     = 120 // bytes of detail.err
	maxException = 300 // bytes of detail.exception
)

// pane is what one shard holds for one window.
type pane struct {
	spans      recordList
	names      names
	traits     traits
	details    []detail
	logs       map[logKey]*lineSum
	logged     map[uint32]loggedSums // by number of a resource
	points     []point
	buckets    []unship.Bucket // of points
	exceptions []thrown
	losses     unship.Losses
	bytes      int64
}

// shard holds the open windows of a share of all traces. Its fields below the
// panes belong to whoever closes windows.
type shard struct {
	mu    sync.Mutex
	panes map[int64]*pane

	carried carried // spans of closed windows whose request is not over yet
	recent  []calls // calls of closed windows, oldest first
}

// fate is what becomes of a record because of its time.
type fate uint8

const (
	fateKept    fate = iota
	fateContext      // counted before a restart, still good to join with
	fateResumed      // counted before a restart
	fateLate
)

// at gives the pane of a window. The shard must be locked.
func (s *shard) at(a *Aggregator, index int64) (*pane, fate) {
	f := fateKept
	if resumed := a.resumed.Load(); index < resumed {
		if index < a.open.Load() || index < resumed-joinWindows {
			return nil, fateResumed
		}
		f = fateContext
	} else if index < a.open.Load() {
		return nil, fateLate
	}
	p := s.panes[index]
	if p == nil {
		p = &pane{}
		s.panes[index] = p
	}
	return p, f
}

// Reasons for which records are refused.
const (
	whyNoService = "resource has no service.name"
	whyNoTime    = "no time"
	whyAncient   = "time before the year 2000"
	whyBackwards = "ends before it starts"
	whyNoTrace   = "trace id is zero"
	whyNoSpan    = "span id is zero"
	whyFuture    = "time is further ahead than a clock can be wrong"
)

// year2000 is the earliest time believed, in ns.
const year2000 = 946684800e9

func invalidTime(t uint64) string {
	switch {
	case t == 0:
		return whyNoTime
	case t < year2000:
		return whyAncient
	}
	return ""
}

func (d *spanData) invalid() string {
	for _, t := range [...]uint64{d.end, d.start} {
		if why := invalidTime(t); why != "" {
			return why
		}
	}
	switch {
	case d.end < d.start:
		return whyBackwards
	case d.trace == [2]uint64{}:
		return whyNoTrace
	case d.id == 0:
		return whyNoSpan
	}
	return ""
}

// shardOf spreads traces. Trace ids are random, in their last bytes at least.
func shardOf(trace [2]uint64) int { return int(traceHash(trace) >> 60) }

func traceHash(trace [2]uint64) uint64 {
	const mix = 0x9e3779b97f4a7c15
	return (trace[0] ^ trace[1]) * mix
}
