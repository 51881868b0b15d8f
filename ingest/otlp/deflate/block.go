package deflate

import (
	"encoding/binary"
	"io"
)

// block inflates a compressed block.
func (f *inflater) block() error {
	for {
		f.reserve(0)
		if f.refill(); f.ended() {
			return io.ErrUnexpectedEOF
		}
		if more, err := f.run(); !more || err != nil {
			return err
		}
	}
}

// run inflates the block as long as eight bytes of input follow and there is room, and one
// literal or match more. What it uses all the time it keeps to itself.
func (f *inflater) run() (more bool, err error) {
	in, pos, next, out, at := f.in, f.pos, f.ahead, f.out, f.at
	for more = true; ; {
		// Three literals of 11 bits leave as many bits as a code has; a match takes 48.
		e := f.literal[next.bits&(1<<literalBits-1)]
		for range 2 {
			if e&literalMark == 0 {
				break
			}
			out[at] = byte(e >> 16)
			at++
			next = next.after(e)
			e = f.literal[next.bits&(1<<literalBits-1)]
		}
		if e&furtherMark != 0 {
			next = next.after(e)
			e = f.literal[e.further(next.bits)]
		}
		switch {
		case e&literalMark != 0:
			out[at] = byte(e >> 16)
			at++
			next = next.after(e)
		case e&badMark != 0:
			err = ErrCorrupt
		case e&endMark != 0:
			more = false
			next = next.after(e)
		default:
			length := e.value(next.bits)
			if next = next.after(e); next.count < 28 { // of a distance
				f.pos, f.ahead = pos, next
				f.refill()
				pos, next = f.pos, f.ahead
			}
			e = f.distance[next.bits&(1<<distanceBits-1)]
			if e&furtherMark != 0 {
				next = next.after(e)
				e = f.distance[e.further(next.bits)]
			}
			distance := e.value(next.bits)
			if next = next.after(e); e&badMark != 0 || distance > at-f.begin {
				err = ErrCorrupt
				break
			}
			repeat(out, at, distance, length)
			at += length
		}
		if at > f.limit {
			err = ErrTooLarge
		}
		if !more || err != nil || pos+8 > len(in) || len(out)-at < Slack {
			f.pos, f.ahead, f.at = pos, next, at
			return more, err
		}
		next.bits |= binary.LittleEndian.Uint64(in[pos:]) << (next.count & 63)
		pos += int((63 - next.count) >> 3)
		next.count |= 56
	}
}

// repeat writes a match: so many bytes at a place, as they are a distance before. It may
// write some bytes more.
func repeat(out []byte, at, distance, length int) {
	from, end := at-distance, at+length
	switch {
	case distance < 8:
		for ; at < end; at++ {
			out[at] = out[from]
			from++
		}
		return
	case length > 32 && distance >= length:
		copy(out[at:end], out[from:])
		return
	}
	for ; at < end; at += 8 {
		binary.LittleEndian.PutUint64(out[at:], binary.LittleEndian.Uint64(out[from:]))
		from += 8
	}
}
