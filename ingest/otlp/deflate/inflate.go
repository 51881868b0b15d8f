package deflate

import (
	"encoding/binary"
	"io"
	"slices"
)

// ahead are the next bits of the input, of which the lowest count are valid; those above
// are, if they are not zero, what the input has there.
type ahead struct {
	bits  uint64
	count uint
}

// after gives what comes after the code of an entry.
func (a ahead) after(e entry) ahead {
	return ahead{a.bits >> (e & 63), a.count - uint(e&63)}
}

// inflater inflates the blocks of deflate.
type inflater struct {
	ahead
	in   []byte
	pos  int  // of the first byte that is not in ahead
	over uint // bytes in ahead that are beyond the end of the input

	out   []byte // to its capacity
	at    int    // end of what is written
	begin int    // of what matches may refer to
	limit int    // at may not be beyond it

	literal  [literalEntries]entry
	distance [distanceEntries]entry
	lengths  [literals + 32]uint8
}

// refill makes sure that there are 56 bits.
func (f *inflater) refill() {
	if f.pos+8 <= len(f.in) {
		f.bits |= binary.LittleEndian.Uint64(f.in[f.pos:]) << f.count
		f.pos += int((63 - f.count) >> 3)
		f.count |= 56
		return
	}
	for f.count < 56 {
		if f.pos < len(f.in) {
			f.bits |= uint64(f.in[f.pos]) << f.count
			f.pos++
		} else {
			f.over++
		}
		f.count += 8
	}
}

// take takes up to 16 bits.
func (f *inflater) take(n uint) int {
	if f.count < n {
		f.refill()
	}
	v := f.bits & (1<<n - 1)
	f.bits >>= n
	f.count -= n
	return int(v)
}

// ended says that bits were taken that the input has not.
func (f *inflater) ended() bool { return f.over*8 > f.count }

// align lets go of the bits up to the next whole byte, and of those beyond.
func (f *inflater) align() {
	f.pos -= int(f.count/8) - int(f.over)
	f.ahead, f.over = ahead{}, 0
}

// blocks inflates all blocks.
func (f *inflater) blocks() error {
	f.ahead, f.over = ahead{}, 0
	for {
		final, kind := f.take(1), f.take(2)
		var err error
		switch kind {
		case 0:
			err = f.stored()
		case 1:
			f.fixed()
			err = f.block()
		case 2:
			if err = f.dynamic(); err == nil {
				err = f.block()
			}
		default:
			err = ErrCorrupt
		}
		switch {
		case f.ended():
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case final == 1:
			f.align()
			return nil
		}
	}
}

// stored copies a block that is not compressed.
func (f *inflater) stored() error {
	if f.ended() {
		return io.ErrUnexpectedEOF
	}
	f.align()
	if len(f.in)-f.pos < 4 {
		return io.ErrUnexpectedEOF
	}
	size, check := binary.LittleEndian.Uint16(f.in[f.pos:]), binary.LittleEndian.Uint16(f.in[f.pos+2:])
	if f.pos += 4; size != ^check {
		return ErrCorrupt
	}
	if len(f.in)-f.pos < int(size) {
		return io.ErrUnexpectedEOF
	}
	if f.at+int(size) > f.limit {
		return ErrTooLarge
	}
	f.reserve(int(size))
	f.at += copy(f.out[f.at:], f.in[f.pos:][:size])
	f.pos += int(size)
	return nil
}

// reserve makes room for n bytes and some more.
func (f *inflater) reserve(n int) {
	if len(f.out)-f.at < n+Slack {
		out := slices.Grow(f.out[:f.at], max(n+Slack, f.at))
		f.out = out[:cap(out)]
	}
}

func (f *inflater) fixed() {
	lengths := f.lengths[:literals]
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	build(f.literal[:], literalBits, lengths, literalOf[:])
	fixedDistances(f.distance[:])
}

// fixedDistances makes the table of codes of five bits. Two of them mean nothing.
func fixedDistances(table []entry) {
	var symbols [32]entry
	copy(symbols[:], distanceOf[:])
	symbols[30], symbols[31] = badMark, badMark
	var lengths [32]uint8
	for i := range lengths {
		lengths[i] = 5
	}
	build(table, distanceBits, lengths[:], symbols[:])
}

// lengthOrder is the order in which the lengths of the codes of lengths are written.
var lengthOrder = [...]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// lengthOf are the entries of the code in which lengths are written.
var lengthOf = func() (list [19]entry) {
	for i := range list {
		list[i] = entry(i) << 16
	}
	return list
}()

// dynamic reads the codes of a block.
func (f *inflater) dynamic() error {
	nLiterals, nDistances, n := f.take(5)+257, f.take(5)+1, f.take(4)+4
	if nLiterals > 286 || nDistances > distances {
		return ErrCorrupt
	}
	var order [19]uint8
	for _, k := range lengthOrder[:n] {
		order[k] = uint8(f.take(3))
	}
	if !build(f.distance[:], distanceBits, order[:], lengthOf[:]) {
		return ErrCorrupt
	}
	lengths := f.lengths[:nLiterals+nDistances]
	if err := f.readLengths(lengths); err != nil {
		return err
	}
	if !build(f.literal[:], literalBits, lengths[:nLiterals], literalOf[:]) ||
		!build(f.distance[:], distanceBits, lengths[nLiterals:], distanceOf[:]) {
		return ErrCorrupt
	}
	return nil
}

// readLengths reads the lengths of codes, by the code of lengths in f.distance: its own
// codes have seven bits at most.
func (f *inflater) readLengths(lengths []uint8) error {
	for i := 0; i < len(lengths); {
		if f.refill(); f.ended() {
			return io.ErrUnexpectedEOF
		}
		e := f.distance[f.bits&(1<<distanceBits-1)]
		if e&unusual != 0 {
			return ErrCorrupt
		}
		f.take(uint(e & 0xff))
		value, again := uint8(0), 1
		switch symbol := e >> 16; symbol {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			value, again = lengths[i-1], 3+f.take(2)
		case 17:
			again = 3 + f.take(3)
		case 18:
			again = 11 + f.take(7)
		default:
			value = uint8(symbol)
		}
		if i+again > len(lengths) {
			return ErrCorrupt
		}
		for ; again > 0; again-- {
			lengths[i] = value
			i++
		}
	}
	return nil
}
