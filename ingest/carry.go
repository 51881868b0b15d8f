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

// calls tell who made the calls of one closed window, in 9 bytes each. They are most of what
// closed windows leave behind. An entry has 48 bits of a hash of the call's ids, beside the first
// ones, by which entries are found, and the place of the resource in the list. The hash has keys
// of this process: of a billion pairs of calls none is mistaken.
type calls struct {
	window    int64
	entries   []uint64 // by the first bits, in the order in which the calls came
	begins    []uint32 // of the entries with the same first bits, and the end of all
	shift     int      // leaves the first bits
	resources []uint32 // each once: there are no more than calls, which are maxRecent at most
}

const (
	placeBits = 16
	placeMask = 1<<placeBits - 1
)

func hashCall(trace [2]uint64, id uint64) uint64 {
	hi, lo := bits.Mul64(hashTrace(trace)^callKey, id^traceKeys[1])
	return hi ^ lo
}

// indexed makes the calls of a window ready to be found, in the room of those of another.
func (j *joiner) indexed(list []call, room calls) calls {
	const together = 4 // calls with the same first bits, in the mean
	n := bits.Len(uint(len(list) / together))
	c := calls{
		window: j.window, entries: resized(room.entries, len(list)), begins: zeroed(room.begins, 1<<n+1), shift: 64 - n,
		resources: room.resources[:0],
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
		x := &list[i]
		if j.places[x.resource] == 0 {
			c.resources = append(c.resources, x.resource)
			j.places[x.resource] = uint32(len(c.resources))
		}
		k := x.hash >> c.shift
		c.begins[k]--
		c.entries[c.begins[k]] = c.entry(x.hash) | uint64(j.places[x.resource]-1)
	}
	for _, resource := range c.resources {
		j.places[resource] = 0
	}
	return c
}

// resized gives room for n entries, that of others if it is enough and not far more.
func resized(list []uint64, n int) []uint64 {
	if cap(list) < n || cap(list) > 2*n {
		return make([]uint64, n, n+n/16)
	}
	return list[:n]
}

// entry is that of a hash, without a place.
func (c *calls) entry(hash uint64) uint64 { return hash << (64 - c.shift) &^ placeMask }

// find gives the resource that made a call; of several with one id the first of its trace.
func (c *calls) find(trace [2]uint64, id uint64) (resource uint32, ok bool) {
	h := hashCall(trace, id)
	k, e := h>>c.shift, c.entry(h)
	for _, have := range c.entries[c.begins[k]:c.begins[k+1]] {
		if have&^placeMask == e {
			return c.resources[have&placeMask], true
		}
	}
	return 0, false
}

// remember adds this window's calls to the recent ones. Beyond the bound whole
// windows go, the oldest first.
func (j *joiner) remember(s *shard) {
	kept := make([]calls, 0, joinWindows)
	left := maxRecent - len(j.made)
	var room calls // of the latest that go
	for i := len(s.recent) - 1; i >= 0 && left >= 0; i-- {
		c := s.recent[i]
		if left -= len(c.entries); left >= 0 && c.window > j.window-joinWindows {
			kept = append(kept, c)
		} else if room.entries == nil {
			room = c
		}
	}
	slices.Reverse(kept)
	if n := len(j.made); n > 0 && n <= maxRecent {
		kept = append(kept, j.indexed(j.made, room))
	}
	s.recent = kept
}
