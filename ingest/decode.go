package ingest

import (
	"encoding/binary"
	"math"
	"strconv"
	"unsafe"

	"unship.dev/ingest/otlp/wire"
)

// TracesProto takes an ExportTraceServiceRequest in protobuf, and gives what Traces
// gives for the same request decoded by pdata. It walks the bytes once, and keeps
// nothing of them. The error is wire.ErrMalformed, wire.ErrTooDeep, ErrOverloaded or
// nil; then nothing of the request was taken.
func (a *Aggregator) TracesProto(message []byte) (Refusal, error) {
	in, err := a.begin(0)
	if err != nil {
		return Refusal{}, err
	}
	d := decoder{in: in, numbers: in.numbers[:0]}
	d.request(message)
	in.numbers = d.numbers
	if d.err == nil && !a.room(len(in.stage.spans)) {
		d.err = a.overloaded()
	}
	if d.err != nil {
		in.letGo()
		in.done()
		return Refusal{}, d.err
	}
	in.commit()
	return in.end(), nil
}

// decoder reads protobuf into an intake. The first error stays.
type decoder struct {
	in      *intake
	err     error
	numbers []byte // texts of numbers, until the end of the request
	thrown  exceptionData
	any     bool // thrown is that of the span at work
}

// ends says whether a message was well-formed to its end.
func (d *decoder) ends(r *wire.Reader) {
	if r.Bad && d.err == nil {
		d.err = wire.ErrMalformed
	}
}

func (d *decoder) request(message []byte) {
	r := wire.Reader{Rest: message}
	for d.err == nil && r.Next() {
		if r.Field == 1 && r.Want(wire.Bytes) {
			d.resourceSpans(r.Data)
		}
	}
	d.ends(&r)
}

// deprecatedScopes is the number that scopes had before version 0.15 of OTLP. They
// count where there are none with the present number.
const deprecatedScopes = 1000

func (d *decoder) resourceSpans(message []byte) {
	res, scopes := d.resource(message)
	r := wire.Reader{Rest: message}
	for d.err == nil && r.Next() {
		switch {
		case r.Field == 2 && r.Want(wire.Bytes):
			d.scopeSpans(res, r.Data, true)
		case r.Field == deprecatedScopes && r.Want(wire.Bytes):
			d.scopeSpans(res, r.Data, scopes == 0)
		case r.Field == 3:
			r.Want(wire.Bytes)
		}
	}
	d.ends(&r)
}

// resource finds the resource of a ResourceSpans, nil if it has no service, and how
// many scopes there are. Mostly it is one that was seen before, to the last byte.
func (d *decoder) resource(message []byte) (res *resource, scopes int) {
	var parts [][]byte
	var only [1][]byte
	r := wire.Reader{Rest: message}
	for r.Next() {
		switch {
		case r.Field == 1 && r.Want(wire.Bytes):
			if parts == nil {
				only[0] = r.Data
				parts = only[:]
			} else {
				parts = append(parts, r.Data)
			}
		case r.Field == 2:
			scopes++
		}
	}
	if d.ends(&r); d.err != nil {
		return nil, 0
	}
	if len(parts) == 1 {
		if res = d.in.a.resources.recall(parts[0]); res != nil {
			return d.in.stage.use(res), scopes
		}
	}
	var data resourceData
	for _, part := range parts {
		d.resourceAttributes(&data, part)
	}
	if d.err != nil {
		return nil, 0
	}
	res = d.in.stage.use(d.in.resource(&data))
	if res != nil && len(parts) == 1 {
		d.in.a.resources.note(parts[0], res)
	}
	return res, scopes
}

func (d *decoder) resourceAttributes(data *resourceData, message []byte) {
	r := wire.Reader{Rest: message}
	for d.err == nil && r.Next() {
		switch r.Field {
		case 1:
			if r.Want(wire.Bytes) {
				key, v := d.keyValue(r.Data)
				if f := resourceFieldOf(key); f != resourceOther {
					data[f] = d.text(&v)
				}
			}
		case 2:
			r.Want(wire.Varint)
		case 3:
			if r.Want(wire.Bytes) {
				d.strict(r.Data, entityTypes[:])
			}
		}
	}
	d.ends(&r)
}

// The types of the fields of messages that are looked at for nothing else, by number.
const anyType = wire.Type(0xff)

var (
	entityTypes = [...]wire.Type{anyType, wire.Bytes, wire.Bytes, wire.Bytes, wire.Bytes}
	scopeTypes  = [...]wire.Type{anyType, wire.Bytes, wire.Bytes, wire.Bytes, wire.Varint}
	linkTypes   = [...]wire.Type{anyType, wire.Bytes, wire.Bytes, wire.Bytes, wire.Bytes, wire.Varint, wire.Fixed32}
)

// strict checks that a message of plain fields is well-formed.
func (d *decoder) strict(message []byte, types []wire.Type) {
	r := wire.Reader{Rest: message}
	for r.Next() {
		if int(r.Field) < len(types) {
			r.Want(types[r.Field])
		}
	}
	d.ends(&r)
}

// attributes checks that the attributes of a message, with that number, are well-formed.
func (d *decoder) attributes(message []byte, number uint32) {
	r := wire.Reader{Rest: message}
	for d.err == nil && r.Next() {
		if r.Field == number && r.Type == wire.Bytes {
			d.keyValue(r.Data)
		}
	}
	d.ends(&r)
}

// scopeSpans reads the spans of one scope; they are taken only if they count.
func (d *decoder) scopeSpans(res *resource, message []byte, count bool) {
	r := wire.Reader{Rest: message}
	for d.err == nil && r.Next() {
		switch r.Field {
		case 1:
			if r.Want(wire.Bytes) {
				d.strict(r.Data, scopeTypes[:])
				d.attributes(r.Data, 3)
			}
		case 2:
			if r.Want(wire.Bytes) {
				d.span(r.Data)
				if d.err == nil && count {
					d.in.span(res, &d.in.data)
				}
			}
		case 3:
			r.Want(wire.Bytes)
		}
	}
	d.ends(&r)
}

// span reads a span into the intake's data.
func (d *decoder) span(message []byte) {
	s := &d.in.data
	s.clear()
	d.any = false
	r := wire.Reader{Rest: message}
	for r.Next() {
		switch r.Field {
		case 1:
			s.trace = d.traceID(&r)
		case 2:
			s.id = d.spanID(&r)
		case 3:
			s.traceState = d.string(&r)
		case 4:
			s.parent = d.spanID(&r)
		case 5:
			s.name = d.string(&r)
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
				d.spanAttribute(s, r.Data)
			}
		default:
			d.rareField(s, &r)
		}
	}
	d.ends(&r)
	if d.any && (s.failed || s.kind.isEntry()) {
		s.fields[exceptionType], s.fields[exceptionMessage], s.fields[exceptionStack] = d.thrown.typ, d.thrown.message, d.thrown.trace
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

func (d *decoder) spanAttribute(s *spanData, message []byte) {
	key, v := d.keyValue(message)
	kind := d.in.keys.kind(d.in.a.keys, key)
	switch {
	case kind.field != fieldOther:
		s.fields[kind.field] = d.text(&v)
	case kind.trait != 0 && v.isScalar():
		s.addTrait(kind.trait, d.text(&v))
	}
}

// event notes the last exception.
func (d *decoder) event(message []byte) {
	var x exceptionData
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
				}
			}
		case 4:
			r.Want(wire.Varint)
		}
	}
	d.ends(&r)
	if name == "exception" {
		d.thrown, d.any = x, true
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
	return unsafe.String(unsafe.SliceData(r.Data), len(r.Data))
}

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

// value is an AnyValue: which of its fields was set last, and to what.
type value struct {
	field uint32 // 0: none
	num   uint64
	data  []byte
}

// The fields of AnyValue.
const (
	stringValue = iota + 1
	boolValue
	intValue
	doubleValue
	arrayValue
	listValue
	bytesValue
	indexValue
)

func (v *value) isScalar() bool { return v.field >= stringValue && v.field <= intValue }

// keyValue reads an attribute. The way in which every SDK writes it is tried first: a
// short key, then a short text.
func (d *decoder) keyValue(b []byte) (key string, v value) {
	const keyTag, valueTag, stringTag = 1<<3 | 2, 2<<3 | 2, stringValue<<3 | 2
	if len(b) >= 2 && b[0] == keyTag && b[1] < 0x80 {
		k := 2 + int(b[1])
		if len(b) >= k+4 && b[k] == valueTag && b[k+2] == stringTag && b[k+3] < 0x80 &&
			int(b[k+1]) == len(b)-k-2 && int(b[k+3]) == len(b)-k-4 {
			return unsafe.String(unsafe.SliceData(b[2:]), k-2), value{field: stringValue, data: b[k+4:]}
		}
	}
	r := wire.Reader{Rest: b}
	for d.err == nil && r.Next() {
		switch r.Field {
		case 1:
			key = d.string(&r)
		case 2:
			if r.Want(wire.Bytes) {
				d.anyValue(&v, r.Data, 1)
			}
		case 3:
			r.Want(wire.Varint)
		}
	}
	d.ends(&r)
	return key, v
}

var valueTypes = [...]wire.Type{anyType, wire.Bytes, wire.Varint, wire.Varint, wire.Fixed64, wire.Bytes, wire.Bytes, wire.Bytes, wire.Varint}

// anyValue reads an AnyValue and all that is nested in it. What it does not set stays
// as it was.
func (d *decoder) anyValue(v *value, message []byte, depth int) {
	if depth > wire.MaxDepth {
		d.err = wire.ErrTooDeep
		return
	}
	r := wire.Reader{Rest: message}
	for d.err == nil && r.Next() {
		if int(r.Field) >= len(valueTypes) || !r.Want(valueTypes[r.Field]) {
			continue
		}
		*v = value{field: r.Field, num: r.Num, data: r.Data}
		switch r.Field {
		case arrayValue:
			d.nested(r.Data, depth, func(inner value, b []byte) { d.anyValue(&inner, b, depth+1) })
		case listValue:
			d.nested(r.Data, depth, func(inner value, b []byte) { d.pair(&inner, b, depth+1) })
		}
	}
	d.ends(&r)
}

// nested checks the elements of an array or a list.
func (d *decoder) nested(message []byte, depth int, element func(value, []byte)) {
	r := wire.Reader{Rest: message}
	for d.err == nil && r.Next() {
		if r.Field == 1 && r.Want(wire.Bytes) {
			element(value{}, r.Data)
		}
	}
	d.ends(&r)
}

// pair checks an attribute inside a list.
func (d *decoder) pair(v *value, message []byte, depth int) {
	r := wire.Reader{Rest: message}
	for d.err == nil && r.Next() {
		switch r.Field {
		case 1:
			r.Want(wire.Bytes)
		case 2:
			if r.Want(wire.Bytes) {
				d.anyValue(v, r.Data, depth)
			}
		case 3:
			r.Want(wire.Varint)
		}
	}
	d.ends(&r)
}

// text gives a value as text: of a list the first element.
func (d *decoder) text(v *value) string {
	begin := len(d.numbers)
	switch v.field {
	case stringValue:
		return unsafe.String(unsafe.SliceData(v.data), len(v.data))
	case boolValue:
		return strconv.FormatBool(v.num != 0)
	case intValue:
		d.numbers = strconv.AppendInt(d.numbers, int64(v.num), 10)
	case doubleValue:
		d.numbers = strconv.AppendFloat(d.numbers, math.Float64frombits(v.num), 'g', -1, 64)
	case arrayValue:
		return d.first(v.data)
	default:
		return ""
	}
	return unsafe.String(&d.numbers[begin], len(d.numbers)-begin)
}

// first gives the first element of an array as text. It is known to be well-formed.
func (d *decoder) first(array []byte) string {
	r := wire.Reader{Rest: array}
	for r.Next() {
		if r.Field == 1 {
			var v value
			d.anyValue(&v, r.Data, 1)
			return d.text(&v)
		}
	}
	return ""
}
