package ingest

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"unship.dev/ingest/otlp/wire"
)

func (d *decoder) takeSpan(res *resource, message []byte, count bool) {
	d.span(message)
	if d.err == nil && count {
		d.in.span(res, &d.in.data)
	}
}

// span reads a span into the intake's data.
func (d *decoder) span(message []byte) {
	s := &d.in.data
	s.clear()
	d.any, d.told = false, d.told[:0]
	d.in.keys.begin()
	for {
		message = d.usualFields(s, message)
		if len(message) == 0 || d.err != nil {
			break
		}
		r := wire.Reader{Rest: message}
		if r.Next() {
			d.field(s, &r)
		}
		d.ends(&r)
		message = r.Rest
	}
	if d.any && (s.failed || s.kind.isEntry()) {
		s.fields[exceptionType], s.fields[exceptionMessage], s.fields[exceptionStack] = d.thrown.typ, d.thrown.message, d.thrown.trace
	}
	if s.fields[flagKey] != "" {
		d.told = append(d.told, s.flag())
	}
	for k := range d.told {
		d.evaluated(s, &d.told[k])
	}
}

// Tags of the fields of a span, in one byte, but for that of the flags, which has two.
const (
	traceTag     = 1<<3 | byte(wire.Bytes)
	idTag        = 2<<3 | byte(wire.Bytes)
	parentTag    = 4<<3 | byte(wire.Bytes)
	nameTag      = 5<<3 | byte(wire.Bytes)
	kindTag      = 6<<3 | byte(wire.Varint)
	startTag     = 7<<3 | byte(wire.Fixed64)
	endTag       = 8<<3 | byte(wire.Fixed64)
	attributeTag = 9<<3 | byte(wire.Bytes)
	statusTag    = 15<<3 | byte(wire.Bytes)
	flagsTag     = 16<<3&0x7f | 0x80 | byte(wire.Fixed32)
	flagsTag2    = 16 >> 4
)

// usualFields reads the fields that a message begins with, as far as they are written as
// every SDK writes them, and gives what field has to look at. It is two thirds of all
// decoding.
func (d *decoder) usualFields(s *spanData, b []byte) (rest []byte) {
	for len(b) >= 9 {
		size := 2 + int(b[1])
		switch b[0] {
		case attributeTag:
			if size = d.spanAttributes(s, b); d.err != nil || size == 0 {
				return b
			}
		case nameTag:
			if b[1] >= 0x80 || size > len(b) {
				return b
			}
			s.name = textOf(b[2:size])
		case startTag:
			s.start = binary.LittleEndian.Uint64(b[1:])
			size = 9
		case endTag:
			s.end = binary.LittleEndian.Uint64(b[1:])
			size = 9
		case traceTag:
			if b[1] != 16 || len(b) < 18 {
				return b
			}
			s.trace = [2]uint64{binary.BigEndian.Uint64(b[2:]), binary.BigEndian.Uint64(b[10:])}
		case idTag:
			if b[1] != 8 || len(b) < 10 {
				return b
			}
			s.id = binary.BigEndian.Uint64(b[2:])
		case parentTag:
			switch {
			case b[1] == 8 && len(b) >= 10:
				s.parent = binary.BigEndian.Uint64(b[2:])
			case b[1] == 0:
				s.parent = 0
			default:
				return b
			}
		case kindTag:
			if b[1] >= 0x80 {
				return b
			}
			s.kind = kindNumbered(int32(b[1]))
			size = 2
		case statusTag: // of most spans it tells nothing
			if b[1] != 0 {
				return b
			}
		case flagsTag:
			if b[1] != flagsTag2 {
				return b
			}
			size = 6
		default:
			return b
		}
		b = b[size:]
	}
	return b
}

// field reads any field of a span.
func (d *decoder) field(s *spanData, r *wire.Reader) {
	switch r.Field {
	case 1:
		s.trace = d.traceID(r)
	case 2:
		s.id = d.spanID(r)
	case 3:
		s.traceState = d.string(r)
	case 4:
		s.parent = d.spanID(r)
	case 5:
		s.name = d.string(r)
	case 6:
		if r.Want(wire.Varint) {
			s.kind = kindNumbered(int32(r.Num))
		}
	case 7:
		if r.Want(wire.Fixed64) {
			s.start = r.Num
		}
	case 8:
		if r.Want(wire.Fixed64) {
			s.end = r.Num
		}
	case 9:
		if r.Want(wire.Bytes) {
			x := d.spanAttribute(r.Data)
			s.take(&x)
		}
	default:
		d.rareField(s, r)
	}
}

func (d *decoder) rareField(s *spanData, r *wire.Reader) {
	switch r.Field {
	case 10, 12, 14:
		r.Want(wire.Varint)
	case 11:
		if r.Want(wire.Bytes) {
			d.event(r.Data)
		}
	case 13:
		if r.Want(wire.Bytes) {
			d.link(r.Data)
		}
	case 15:
		if r.Want(wire.Bytes) {
			d.status(s, r.Data)
		}
	case 16:
		r.Want(wire.Fixed32)
	}
}

// attributeRun are the attributes of a span that follow one another. Those of the next span of
// its kind are mostly the same ones, and most of them have the same values: what is the same, to
// the byte, means the same, and is not read again.
type attributeRun struct {
	message []byte // begins with the first of them
	list    []spanAttribute
}

// spanAttribute is what an attribute tells.
type spanAttribute struct {
	size  uint32 // of its message, with tag and length
	field field
	trait uint16
	value string     // of the field or the trait
	key   *cachedKey // its name
}

// forget lets go of the request, and of room that is more than most spans need.
func (r *attributeRun) forget() {
	if r.message == nil {
		return
	}
	const most = 128
	if cap(r.list) > most {
		r.list = nil
	}
	clear(r.list[:cap(r.list)])
	r.message, r.list = nil, r.list[:0]
}

// spanAttributes reads the attributes that a message begins with, as far as they are short
// enough, and says how many bytes they have.
func (d *decoder) spanAttributes(s *spanData, b []byte) (size int) {
	run := &d.in.runs[s.kind]
	before, k := run.message, 0 // what is left of it, and of its list
	run.message = b
	for len(b) > 2 && b[0] == attributeTag {
		if k < len(run.list) {
			n, same := k, 0
			for most := commonBytes(b, before); n < len(run.list) && same+int(run.list[n].size) <= most; n++ {
				same += int(run.list[n].size)
				s.take(&run.list[n])
			}
			if n > k {
				d.in.keys.last = run.list[n-1].key
				b, before, k = b[same:], before[same:], n
				continue
			}
		}
		head, length := 2, int(b[1])
		if length >= 0x80 {
			head, length = 3, length&0x7f|int(b[2])<<7
		}
		if length >= 0x80<<7 || head+length > len(b) {
			break
		}
		x := d.spanAttribute(b[head : head+length])
		if x.size = uint32(head + length); d.err != nil {
			break
		}
		s.take(&x)
		if b = b[x.size:]; k < len(run.list) {
			before = before[run.list[k].size:]
			run.list[k] = x
		} else {
			run.list = append(run.list, x)
		}
		k++
	}
	run.list = run.list[:k]
	return len(run.message) - len(b)
}

// commonBytes is how many bytes two messages begin with in common, or a few less.
func commonBytes(a, b []byte) (n int) {
	const word, step = 8, 32
	least := min(len(a), len(b))
	for ; n+step <= least; n += step {
		x, y := a[n:n+step], b[n:n+step]
		if load(x) != load(y) || load(x[word:]) != load(y[word:]) || load(x[2*word:]) != load(y[2*word:]) || load(x[3*word:]) != load(y[3*word:]) {
			break
		}
	}
	for ; n+word <= least; n += word {
		if x := load(a[n:]) ^ load(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
	}
	return n
}

func load(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

func (d *spanData) take(x *spanAttribute) {
	switch {
	case x.field != fieldOther:
		d.fields[x.field] = x.value
	case x.trait != 0:
		d.addTrait(x.trait, x.value)
	}
}

// spanAttribute reads an attribute.
func (d *decoder) spanAttribute(message []byte) (x spanAttribute) {
	key, text, ok := usualAttribute(message)
	if !ok {
		key, v := d.keyValue(message)
		x.key = d.in.keys.kind(d.in.a.keys, key)
		d.tell(&x, &v)
		return x
	}
	x.key = d.in.keys.kind(d.in.a.keys, key)
	switch {
	case x.key.field == fieldOther && x.key.trait == 0 && isUsual(text): // most say nothing here
	case isText(text) && x.key.field != fieldOther:
		x.field, x.value = x.key.field, textOf(text[2:])
	default:
		v := d.valueOf(text)
		d.tell(&x, &v)
	}
	return x
}

// tell notes what an attribute of that name tells with a value.
func (d *decoder) tell(x *spanAttribute, v *value) {
	switch {
	case x.key.field != fieldOther:
		x.field, x.value = x.key.field, d.text(v)
	case x.key.large && v.isNumber():
		x.trait, x.value = x.key.trait, orderOf(v.number())
	case x.key.trait != 0 && v.isScalar():
		x.trait, x.value = x.key.trait, d.text(v)
	}
}

// event notes the last exception, and which values of feature flags were found.
func (d *decoder) event(message []byte) {
	var x exceptionData
	var flag flagData
	name := ""
	r := wire.Reader{Rest: message}
	for r.Next() {
		switch r.Field {
		case 1:
			r.Want(wire.Fixed64)
		case 2:
			name = d.string(&r)
		case 3:
			if r.Want(wire.Bytes) {
				key, v := d.keyValue(r.Data)
				switch key {
				case "exception.type":
					x.typ = d.text(&v)
				case "exception.message":
					x.message = d.text(&v)
				case "exception.stacktrace":
					x.trace = d.text(&v)
				default:
					if to := flag.field(key); to != nil {
						*to = d.text(&v)
					}
				}
			}
		case 4:
			r.Want(wire.Varint)
		}
	}
	d.ends(&r)
	switch {
	case name == "exception":
		d.thrown, d.any = x, true
	case isEvaluation(name):
		d.told = append(d.told, flag)
	}
}

func (d *decoder) link(message []byte) {
	d.strict(message, linkTypes[:])
	d.attributes(message, 4)
	r := wire.Reader{Rest: message}
	for r.Next() {
		switch r.Field {
		case 1:
			d.traceID(&r)
		case 2:
			d.spanID(&r)
		}
	}
	d.ends(&r)
}

func (d *decoder) status(s *spanData, message []byte) {
	r := wire.Reader{Rest: message}
	for r.Next() {
		switch r.Field {
		case 2:
			s.message = d.string(&r)
		case 3:
			if r.Want(wire.Varint) {
				s.failed = int32(r.Num) == statusError
			}
		}
	}
	d.ends(&r)
}

const statusError = 2

// string reads a text, which lies in the message.
func (d *decoder) string(r *wire.Reader) string {
	if !r.Want(wire.Bytes) {
		return ""
	}
	return textOf(r.Data)
}

// textOf gives bytes of the message as a text, which lies in the message.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func (d *decoder) traceID(r *wire.Reader) (id [2]uint64) {
	switch {
	case !r.Want(wire.Bytes) || len(r.Data) == 0:
	case len(r.Data) == 16:
		id = [2]uint64{binary.BigEndian.Uint64(r.Data), binary.BigEndian.Uint64(r.Data[8:])}
	default:
		r.Bad = true
	}
	return id
}

func (d *decoder) spanID(r *wire.Reader) (id uint64) {
	switch {
	case !r.Want(wire.Bytes) || len(r.Data) == 0:
	case len(r.Data) == 8:
		id = binary.BigEndian.Uint64(r.Data)
	default:
		r.Bad = true
	}
	return id
}
