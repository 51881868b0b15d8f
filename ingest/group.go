package ingest

import (
	"cmp"
	"hash/maphash"
	"math/bits"
	"slices"
)

// groups gathers the spans of one pane by trace, in a hash table over a list. Its room is
// used again for the next pane.
type groups struct {
	spans  []*record
	next   []uint32 // 1 + index of another span of the trace; 0: none
	slots  []uint32 // 1 + index of a span of a trace; 0: free
	traces []uint32 // the slots of all traces, in the order in which they came up
}

// Traces are hashed with keys of this process, so that no sender can choose ids that collide.
var (
	traceKeys = [2]uint64{maphash.String(nameSeed, "high"), maphash.String(nameSeed, "low")}
	callKey   = maphash.String(nameSeed, "call")
)

func hashTrace(trace [2]uint64) uint64 {
	hi, lo := bits.Mul64(trace[0]^traceKeys[0], trace[1]^traceKeys[1])
	return hi ^ lo
}

// fill takes the spans of a list.
func (g *groups) fill(list *recordList) {
	g.spans = list.appendTo(g.spans[:0])
	size := 16
	for size < 2*len(g.spans) {
		size *= 2
	}
	g.slots = zeroed(g.slots, size)
	g.next = zeroed(g.next, len(g.spans))
	g.traces = g.traces[:0]
	at := 0
	for i, r := range g.spans {
		if i == 0 || r.trace != g.spans[i-1].trace { // spans of one trace often come together
			at = int(hashTrace(r.trace)) & (size - 1)
			for g.slots[at] != 0 && g.spans[g.slots[at]-1].trace != r.trace {
				at = (at + 1) & (size - 1)
			}
			if g.slots[at] == 0 {
				g.traces = append(g.traces, uint32(at))
			}
		}
		g.next[i] = g.slots[at]
		g.slots[at] = uint32(i) + 1
	}
}

// zeroed gives a list of n zeros, in the room of another if that is enough.
func zeroed(list []uint32, n int) []uint32 {
	if cap(list) < n {
		return make([]uint32, n, n+n/4)
	}
	list = list[:n]
	clear(list)
	return list
}

// each calls do with the spans of each trace, which it may sort. The order means nothing, but
// spans that came one after the other lie so in memory: to go through them as they lie is to
// wait for it less.
func (g *groups) each(do func(trace []*record)) {
	var trace []*record
	for _, at := range g.traces {
		trace = trace[:0]
		for k := g.slots[at]; k != 0; k = g.next[k-1] {
			trace = append(trace, g.spans[k-1])
		}
		do(trace)
	}
	clear(g.spans) // they are used again elsewhere
	g.spans = g.spans[:0]
}

// sort orders the spans of one trace by span id, what else is equal by content, so that
// the order of arrival does not show.
func (j *joiner) sort(trace []*record) {
	if len(trace) > 16 {
		slices.SortFunc(trace, j.compare)
		return
	}
	for i := 1; i < len(trace); i++ {
		for k := i; k > 0 && (trace[k].id < trace[k-1].id || trace[k].id == trace[k-1].id && j.compare(trace[k], trace[k-1]) < 0); k-- {
			trace[k], trace[k-1] = trace[k-1], trace[k]
		}
	}
}

// compare orders two spans of one trace.
func (j *joiner) compare(x, y *record) int {
	if c := cmp.Or(cmp.Compare(x.id, y.id), cmp.Compare(x.kind, y.kind), cmp.Compare(x.end, y.end), cmp.Compare(x.start, y.start)); c != 0 {
		return c
	}
	if x.resource != y.resource {
		return j.resources[x.resource].compare(j.resources[y.resource].identity)
	}
	if c := cmp.Or(cmp.Compare(x.parent, y.parent), cmp.Compare(x.result, y.result), cmp.Compare(x.sampling, y.sampling)); c != 0 {
		return c
	}
	return j.compareTexts(x, y)
}
