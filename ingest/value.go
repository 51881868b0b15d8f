package ingest

import (
	"encoding/binary"
	"math"
	"strconv"
	"unsafe"

	"unship.dev/ingest/otlp/wire"
)

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

func (v *value) isNumber() bool { return v.field == intValue || v.field == doubleValue }

// number gives a value that is one.
func (v *value) number() float64 {
	if v.field == intValue {
		return float64(int64(v.num))
	}
	return math.Float64frombits(v.num)
}

// keyValue reads an attribute.
func (d *decoder) keyValue(b []byte) (key string, v value) {
	if key, text, ok := usualAttribute(b); ok {
		return key, d.valueOf(text)
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

// usualAttribute splits an attribute as it is mostly written into its key and the bytes
// of its value, both short: in this order by SDKs, the other way round by a Collector.
func usualAttribute(b []byte) (key string, v []byte, ok bool) {
	const keyTag, valueTag = 1<<3 | byte(wire.Bytes), 2<<3 | byte(wire.Bytes)
	if len(b) < 4 || b[1] >= 0x80 {
		return "", nil, false
	}
	k := 2 + int(b[1])
	if len(b) < k+2 || b[k+1] >= 0x80 || int(b[k+1]) != len(b)-k-2 {
		return "", nil, false
	}
	switch {
	case b[0] == keyTag && b[k] == valueTag:
		return textOf(b[2:k]), b[k+2:], true
	case b[0] == valueTag && b[k] == keyTag:
		return textOf(b[k+2:]), b[2:k], true
	}
	return "", nil, false
}

// isText says that a value is a short text, well-formed, and nothing else.
func isText(b []byte) bool {
	return len(b) >= 2 && b[0] == stringValue<<3|byte(wire.Bytes) && b[1] < 0x80 && int(b[1]) == len(b)-2
}

// isUsual says that a value is a short text or a number, well-formed, and nothing else.
func isUsual(b []byte) bool {
	switch {
	case isText(b):
		return true
	case len(b) < 2:
		return false
	}
	switch b[0] {
	case intValue<<3 | byte(wire.Varint), boolValue<<3 | byte(wire.Varint):
		_, n := binary.Uvarint(b[1:])
		return n == len(b)-1
	}
	return false
}

// valueOf reads an AnyValue.
func (d *decoder) valueOf(b []byte) (v value) {
	switch {
	case isText(b):
		v.field, v.data = stringValue, b[2:]
	case !isUsual(b):
		d.anyValue(&v, b, 1)
	default:
		v.field = uint32(b[0] >> 3)
		v.num, _ = binary.Uvarint(b[1:])
	}
	return v
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

// smallNumbers are the texts of numbers as small as status codes are.
var smallNumbers = func() (texts [1000]string) {
	for i := range texts {
		texts[i] = strconv.Itoa(i)
	}
	return texts
}()

// text gives a value as text: of a list the first element.
func (d *decoder) text(v *value) string {
	begin := len(d.numbers)
	switch v.field {
	case stringValue:
		return textOf(v.data)
	case boolValue:
		return strconv.FormatBool(v.num != 0)
	case intValue:
		if v.num < uint64(len(smallNumbers)) {
			return smallNumbers[v.num]
		}
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
