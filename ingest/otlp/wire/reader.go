package wire

import (
	"encoding/binary"
	"math"
)

// Type is how a field's value is written.
type Type uint8

// The types. Groups, which OTLP has not, are malformed.
const (
	Varint  Type = 0
	Fixed64 Type = 1
	Bytes   Type = 2
	Fixed32 Type = 5
)

// Reader walks the fields of one message. Nothing is copied.
//
//	r := wire.Reader{Rest: message}
//	for r.Next() {
//		switch r.Field { … }
//	}
//	if r.Bad { … }
type Reader struct {
	Rest []byte // what is not read yet
	// The field that Next read.
	Field uint32
	Type  Type
	Num   uint64 // of numbers
	Data  []byte // of bytes, texts and messages; part of the message
	Bad   bool   // the message is malformed, or Want found another type
}

// Next reads the next field. It says no at the end, and where the message is malformed:
// a number of a field that is zero or beyond 31 bits, a varint of more than 64 bits, a
// group, or an end in the middle.
func (r *Reader) Next() bool {
	b := r.Rest
	if len(b) == 0 || r.Bad {
		return false
	}
	tag, n := uint64(b[0]), 1
	if tag >= 0x80 {
		tag, n = Number(b)
	}
	r.Field, r.Type = uint32(tag>>3), Type(tag&7)
	if n == 0 || tag < 1<<3 || tag>>3 > math.MaxInt32 {
		return r.fail()
	}
	b = b[n:]
	switch r.Type {
	case Varint:
		r.Num, n = Number(b)
		if n == 0 {
			return r.fail()
		}
		r.Rest = b[n:]
	case Bytes:
		size := uint64(0)
		if len(b) > 0 && b[0] < 0x80 {
			size, n = uint64(b[0]), 1
		} else if size, n = Number(b); n == 0 {
			return r.fail()
		}
		if size > uint64(len(b)-n) {
			return r.fail()
		}
		end := n + int(size)
		r.Data, r.Rest = b[n:end:end], b[end:]
	case Fixed64:
		if len(b) < 8 {
			return r.fail()
		}
		r.Num, r.Rest = binary.LittleEndian.Uint64(b), b[8:]
	case Fixed32:
		if len(b) < 4 {
			return r.fail()
		}
		r.Num, r.Rest = uint64(binary.LittleEndian.Uint32(b)), b[4:]
	default:
		return r.fail()
	}
	return true
}

// Want says whether the field has a type; otherwise the message is malformed.
func (r *Reader) Want(t Type) bool {
	if r.Type != t {
		r.fail()
	}
	return r.Type == t
}

func (r *Reader) fail() bool {
	r.Bad = true
	return false
}

// Number reads a varint of at most 64 bits; size 0 if there is none.
func Number(b []byte) (v uint64, size int) {
	for i := 0; i < len(b) && i < binary.MaxVarintLen64; i++ {
		c := b[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			return 0, 0
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}
