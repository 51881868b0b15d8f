package ingest

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// sums are what a joiner counts in one window. Shards number texts each in their own
// way; here every text has one number.
type sums struct {
	blocks []*sumBlock // of all sums, in the order in which they came up
	size   int
	slots  []uint32 // 1 + place of a sum, by hash of its key; 0: free
	names  names
	traits names
	// By the numbers of the shard at work, 1 + the numbers here; 0: not asked yet.
	nameOf, traitsOf []uint32
}

const blockSums = 32

type sumBlock [blockSums]sum

// keptSums is how many sums, with the room in them, a joiner keeps from window to window.
// Those beyond are in a pool: the garbage collector may have them.
const keptSums = 1 << 10

var sumPool = sync.Pool{New: func() any { return new(sumBlock) }}

// maxRemembered is for how many sums and names the room that a window took is kept.
const maxRemembered = 1 << 16

func (s *sums) reset() {
	for i := range s.size {
		s.at(i).clear()
	}
	if n := keptSums / blockSums; len(s.blocks) > n {
		for _, b := range s.blocks[n:] {
			sumPool.Put(b)
		}
		clear(s.blocks[n:])
		s.blocks = s.blocks[:n]
	}
	if s.size+len(s.nameOf) > maxRemembered {
		s.slots, s.nameOf, s.traitsOf = nil, nil, nil
	}
	clear(s.slots)
	s.size = 0
	s.names, s.traits = names{}, names{}
}

func (s *sums) at(place int) *sum { return &s.blocks[place/blockSums][place%blockSums] }

// of finds or adds the sum of a key.
func (s *sums) of(key sumKey) *sum {
	if s.size*2 >= len(s.slots) {
		s.grow()
	}
	slot := s.slot(key)
	if k := s.slots[slot]; k != 0 {
		return s.at(int(k) - 1)
	}
	if s.size == len(s.blocks)*blockSums {
		s.blocks = append(s.blocks, sumPool.Get().(*sumBlock))
	}
	x := s.at(s.size)
	x.sumKey = key
	s.size++
	s.slots[slot] = uint32(s.size)
	return x
}

// slot gives the place of a key: where it is, or where it would be.
func (s *sums) slot(key sumKey) int {
	mask := len(s.slots) - 1
	for at := int(key.hash()) & mask; ; at = (at + 1) & mask {
		if k := s.slots[at]; k == 0 || s.at(int(k)-1).sumKey == key {
			return at
		}
	}
}

func (s *sums) grow() {
	s.slots = make([]uint32, max(64, 2*len(s.slots)))
	for i := range s.size {
		s.slots[s.slot(s.at(i).sumKey)] = uint32(i) + 1
	}
}

func (k sumKey) hash() uint64 {
	const mix = 0x9e3779b97f4a7c15
	h := uint64(k.resource)<<32 | uint64(k.name)
	if k.root {
		h = ^h
	}
	if k.uncalled {
		h ^= 1 << 31
	}
	h *= mix
	return h ^ h>>32
}

// begin prepares for the numbers of another shard.
func (s *sums) begin(p *pane) {
	s.nameOf = zeroed(s.nameOf, len(p.names.list)+1)
	s.traitsOf = zeroed(s.traitsOf, len(p.traits.list)+1)
}

// nameNumber gives the number here of a name of the shard at work.
func (j *joiner) nameNumber(name uint32) uint32 {
	t := &j.sums
	for int(name) >= len(t.nameOf) { // names come up while calls are joined
		t.nameOf = append(t.nameOf, 0)
	}
	if t.nameOf[name] == 0 {
		text := ""
		if name != 0 {
			text = j.p.names.list[name]
		}
		t.nameOf[name] = t.names.numberOf(text) + 1
	}
	return t.nameOf[name] - 1
}

// traitsNumber gives the number here of a combination of the shard at work, without the
// traits whose key has too many values there.
func (j *joiner) traitsNumber(number uint32) uint32 {
	if number == 0 {
		return 0
	}
	t := &j.sums
	if t.traitsOf[number] == 0 {
		t.traitsOf[number] = t.traits.numberOf(j.p.traits.usable(number)) + 1
	}
	return t.traitsOf[number] - 1
}

// placed is the place of a sum, with what it is ordered by.
type placed struct {
	resource uint32
	rank     uint32 // of its name among all, four times that; one more of a root, two of what nobody calls
	place    int
}

// ordered gives the places of all sums: those of one resource together, by name.
func (s *sums) ordered() []placed {
	numbers := make([]uint32, len(s.names.list))
	for i := range numbers {
		numbers[i] = uint32(i)
	}
	slices.SortFunc(numbers, func(a, b uint32) int { return strings.Compare(s.names.list[a], s.names.list[b]) })
	ranks := make([]uint32, max(len(numbers), 1))
	for rank, number := range numbers {
		ranks[number] = uint32(rank)
	}
	list := make([]placed, s.size)
	for i := range list {
		x := s.at(i)
		list[i] = placed{x.resource, 4 * ranks[x.name], i}
		if x.root {
			list[i].rank++
		}
		if x.uncalled {
			list[i].rank += 2
		}
	}
	slices.SortFunc(list, func(a, b placed) int {
		return cmp.Compare(uint64(a.resource)<<32|uint64(a.rank), uint64(b.resource)<<32|uint64(b.rank))
	})
	return list
}
