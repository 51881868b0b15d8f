package ingest

import (
	"cmp"
	"math/bits"
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

// call is a client or producer span of the window at work.
type call struct {
	hash     uint64 // of its ids
	resource uint32
}

// calls tell who made the calls of one closed window: of each a hash of its ids and the
// resource, 13 bytes. They are most of what closed windows leave behind. The hash has
// 64 bits and keys of this process: of a billion pairs of calls none is mistaken.
type calls struct {
	window    int64
	hashes    []uint64 // by their first bits, in the order in which the calls came
	resources []uint32 // of the same calls
	begins    []uint32 // of the calls with the same first bits, and the end of all
	shift     int      // leaves the first bits
}

func hashCall(trace [2]uint64, id uint64) uint64 {
	hi, lo := bits.Mul64(hashTrace(trace)^callKey, id^traceKeys[1])
	return hi ^ lo
}

// indexed makes the calls of a window ready to be found.
func indexed(window int64, list []call) calls {
	const together = 4 // calls with the same first bits, in the mean
	n := bits.Len(uint(len(list) / together))
	c := calls{
		window: window, hashes: make([]uint64, len(list)), resources: make([]uint32, len(list)),
		begins: make([]uint32, 1<<n+1), shift: 64 - n,
	}
	for i := range list {
		c.begins[list[i].hash>>c.shift]++
	}
	sum := uint32(0)
	for k, n := range c.begins {
		sum += n
		c.begins[k] = sum
	}
	for i := len(list) - 1; i >= 0; i-- { // from their ends down: then they are where each begins
		h := list[i].hash
		c.begins[h>>c.shift]--
		at := c.begins[h>>c.shift]
		c.hashes[at], c.resources[at] = h, list[i].resource
	}
	return c
}

// find gives the resource that made a call; of several with one id the first of its trace.
func (c *calls) find(trace [2]uint64, id uint64) (resource uint32, ok bool) {
	h := hashCall(trace, id)
	k := h >> c.shift
	for at := c.begins[k]; at < c.begins[k+1]; at++ {
		if c.hashes[at] == h {
			return c.resources[at], true
		}
	}
	return 0, false
}

// remember adds this window's calls to the recent ones. Beyond the bound whole
// windows go, the oldest first.
func (j *joiner) remember(s *shard) {
	kept := make([]calls, 0, joinWindows)
	room := maxRecent - len(j.made)
	for i := len(s.recent) - 1; i >= 0 && room >= 0; i-- {
		c := s.recent[i]
		if room -= len(c.hashes); room >= 0 && c.window > j.window-joinWindows {
			kept = append(kept, c)
		}
	}
	slices.Reverse(kept)
	if n := len(j.made); n > 0 && n <= maxRecent {
		kept = append(kept, indexed(j.window, j.made))
	}
	s.recent = kept
}
