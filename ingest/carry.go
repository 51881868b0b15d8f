package ingest

import (
	"cmp"
	"slices"
)

// carried are the spans of closed windows that wait in a shard for their request.
type carried struct {
	spans   []record
	names   names
	details []detail
}

// keepForLater carries a span whose request may still end.
func (j *joiner) keepForLater(p position) {
	r, up := j.at(p), j.above[p]
	if !up.open {
		return
	}
	wait := int64(joinWindows)
	if r.kind == kindServer && up.first {
		wait = callerWindows
	}
	if j.window-r.end/j.length < wait {
		j.carry = append(j.carry, r)
	}
}

// carryOver replaces what waited. Beyond the bound the earliest go.
func (j *joiner) carryOver(s *shard) {
	if len(j.carry) > maxCarried {
		slices.SortFunc(j.carry, func(a, b *record) int {
			return cmp.Or(cmp.Compare(b.end, a.end), slices.Compare(a.trace[:], b.trace[:]), j.compare(a, b))
		})
		clear(j.carry[maxCarried:])
		j.carry = j.carry[:maxCarried]
	}
	next := carried{spans: s.carried.spans[:0]}
	for _, p := range j.carry {
		r := *p
		r.name = next.names.numberOf(j.name(&r))
		if !r.kind.isCall() {
			r.about = 0 // it was counted, with its traits
		}
		if d := j.detail(&r); r.detail != 0 {
			next.details = append(next.details, d)
			r.detail = uint32(len(next.details))
		}
		next.spans = append(next.spans, r)
	}
	s.carried = next
}

// calls are the client and producer spans of one closed window.
type calls struct {
	window int64
	list   []call
	slots  []uint32 // 1 + index in list, by hash; 0: free
}

type call struct {
	trace    [2]uint64
	id       uint64
	resource uint32
}

func hashCall(trace [2]uint64, id uint64) uint64 {
	return hashTrace([2]uint64{trace[0] ^ id, trace[1]})
}

// index makes the calls ready to be found.
func (c *calls) index() {
	size := 16
	for size < 2*len(c.list) {
		size *= 2
	}
	c.slots = make([]uint32, size)
	for i := range c.list {
		x := &c.list[i]
		if at := c.slot(x.trace, x.id); c.slots[at] == 0 { // of several with one id the first of its trace counts
			c.slots[at] = uint32(i) + 1
		}
	}
}

// slot gives the place of a call: where it is, or where it would be.
func (c *calls) slot(trace [2]uint64, id uint64) int {
	mask := len(c.slots) - 1
	for at := int(hashCall(trace, id)) & mask; ; at = (at + 1) & mask {
		if k := c.slots[at]; k == 0 || c.list[k-1].id == id && c.list[k-1].trace == trace {
			return at
		}
	}
}

// find gives the resource that made a call.
func (c *calls) find(trace [2]uint64, id uint64) (resource uint32, ok bool) {
	if k := c.slots[c.slot(trace, id)]; k != 0 {
		return c.list[k-1].resource, true
	}
	return 0, false
}

// remember adds this window's calls to the recent ones. Beyond the bound whole
// windows go, the oldest first.
func (j *joiner) remember(s *shard) {
	kept := make([]calls, 0, joinWindows)
	room := maxRecent - len(j.now.list)
	for i := len(s.recent) - 1; i >= 0 && room >= 0; i-- {
		c := s.recent[i]
		if room -= len(c.list); room >= 0 && c.window > j.window-joinWindows {
			kept = append(kept, c)
		}
	}
	slices.Reverse(kept)
	if n := len(j.now.list); n > 0 && n <= maxRecent {
		c := calls{window: j.window, list: slices.Clone(j.now.list)}
		c.index()
		kept = append(kept, c)
	}
	s.recent = kept
}
