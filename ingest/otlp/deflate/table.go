package deflate

import "math/bits"

// A code is looked up by the next bits of the input in a table of entries, which has
// tables of longer codes behind it. An entry is, from the lowest bit on:
//
//	8 bits    how many bits it takes, with the extra ones behind the code
//	4 bits    how many of them are the code; of a further table by how many bits it is looked up
//	4 bits    marks
//	16 bits   a literal, what the extra bits are added to, or where the further table begins
type entry uint32

const (
	furtherMark entry = 1 << 12 // look into a further table
	endMark     entry = 1 << 13 // the block ends
	badMark     entry = 1 << 14 // no code is written so
	literalMark entry = 1 << 15
	unusual           = furtherMark | endMark | badMark
)

// value gives the length or the distance of an entry, with its extra bits.
func (e entry) value(bits uint64) int {
	return int(e>>16) + int(bits&(1<<(e&63)-1)>>(e>>8&15))
}

// further gives the place of the entry in the further table of this one.
func (e entry) further(bits uint64) uint64 {
	return uint64(e>>16) + bits&(1<<(e>>8&15)-1)
}

const (
	literalBits  = 11 // looked up at once
	distanceBits = 8
	maxLength    = 15 // of a code, in bits
	// How many entries complete codes of that many symbols need at most (zlib's enough.c).
	literalEntries  = 2342
	distanceEntries = 402
)

const (
	literals  = 288
	distances = 30
	endBlock  = 256
)

// literalOf and distanceOf are the entries of the symbols, without the bits of their codes:
// with the number of extra bits in the lowest eight.
var (
	literalOf  = makeLiterals()
	distanceOf = makeDistances()
)

func makeLiterals() (list [literals]entry) {
	for i := range endBlock {
		list[i] = entry(i)<<16 | literalMark
	}
	list[endBlock] = endMark
	base := 3
	for i := endBlock + 1; i < literals; i++ {
		extra := max((i-(endBlock+1))/4-1, 0)
		switch {
		case i == 285:
			list[i] = 258 << 16
		case i > 285:
			list[i] = badMark
		default:
			list[i] = entry(base)<<16 | entry(extra)
			base += 1 << extra
		}
	}
	return list
}

func makeDistances() (list [distances]entry) {
	base := 1
	for i := range list {
		extra := max(i/2-1, 0)
		list[i] = entry(base)<<16 | entry(extra)
		base += 1 << extra
	}
	return list
}

// build makes the table of a canonical code with codes of these lengths, 0 for symbols that
// do not occur. It says no if there is no such code, or if not all sequences of bits are
// used: but none at all, or one of one bit, may be.
func build(table []entry, tableBits int, lengths []uint8, symbols []entry) bool {
	var count, first [maxLength + 2]int // codes of each length, and the place of the first of them
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	longest, code := 0, 0
	for n := 1; n <= maxLength; n++ {
		code = code<<1 + count[n]
		first[n+1] = first[n] + count[n]
		if count[n] > 0 {
			longest = n
		}
	}
	if used := code >> (maxLength - longest); longest > 0 && used != 1<<longest && (used != 1 || longest != 1) {
		return false
	}
	var sorted [literals]uint16 // symbols by the lengths of their codes, which is the order of the codes
	next := first
	for symbol, n := range lengths {
		if n > 0 {
			sorted[next[n]] = uint16(symbol)
			next[n]++
		}
	}
	if longest <= 1 {
		table[0], table[1] = badMark, badMark
	}
	b := builder{table: table, tableBits: tableBits, end: 1 << tableBits, longest: longest, count: count}
	code = 0
	for n := 1; n <= max(longest, tableBits); n++ { // long ones last: what is left of a further table's room is known
		if n > 1 && n <= tableBits { // shorter codes stand in the table of one bit less, which is the half of this
			copy(table[1<<(n-1):1<<n], table)
		}
		code <<= 1
		for _, symbol := range sorted[first[n]:first[n+1]] {
			b.put(code, n, symbols[symbol])
			code++
			b.count[n]--
		}
	}
	return true
}

type builder struct {
	table              []entry
	tableBits, longest int
	end                int                // of the entries in use
	count              [maxLength + 2]int // codes of each length to come
	prefix             int                // 1 + the first bits that lead to the last further table; 0: none
	further            []entry
}

// put enters a code of a length.
func (b *builder) put(code, length int, symbol entry) {
	reversed := int(bits.Reverse16(uint16(code)) >> (16 - length))
	if length <= b.tableBits {
		b.table[reversed] = symbol + entry(length)<<8 + entry(length)
		return
	}
	first := reversed & (1<<b.tableBits - 1)
	if first+1 != b.prefix {
		b.open(first, length)
	}
	length -= b.tableBits
	e := symbol + entry(length)<<8 + entry(length)
	for i := reversed >> b.tableBits; i < len(b.further); i += 1 << length {
		b.further[i] = e
	}
}

// open begins the table of the codes that begin with the same bits, of which the first has
// a length. The others follow: it is as large as the longest of them needs.
func (b *builder) open(first, length int) {
	n := length - b.tableBits
	for left := 1<<n - b.count[length]; left > 0 && n+b.tableBits < b.longest; {
		n++
		left = left<<1 - b.count[n+b.tableBits]
	}
	b.prefix = first + 1
	b.further = b.table[b.end : b.end+1<<n]
	b.table[first] = entry(b.end)<<16 | entry(n)<<8 | furtherMark | entry(b.tableBits)
	b.end += 1 << n
}
