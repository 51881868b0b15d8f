package wire

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"unsafe"
)

// message writes a submessage; its length is known afterwards.
func (t *transcoder) message(field byte, body func()) {
	t.out = append(t.out, field<<3|byte(Bytes), 0)
	begin := len(t.out)
	body()
	size := uint64(len(t.out) - begin)
	if size < 0x80 {
		t.out[begin-1] = byte(size)
		return
	}
	var length [10]byte
	n := len(appendVarint(length[:0], size))
	t.out = append(t.out, length[:n-1]...)
	copy(t.out[begin+n-1:], t.out[begin:begin+int(size)])
	copy(t.out[begin-1:], length[:n])
}

// list writes a submessage for each element.
func (t *transcoder) list(field byte, element func()) {
	t.elements(func() { t.message(field, element) })
}

// elements reads the elements of a list.
func (t *transcoder) elements(element func()) {
	if !t.take('[') {
		t.ok = false
		return
	}
	if t.take(']') {
		return
	}
	for t.ok {
		element()
		if t.take(',') {
			continue
		}
		if !t.take(']') {
			t.ok = false
		}
		return
	}
}

// object reads an object. The value of each key is read by field, which gives the key's
// own small number, or 0 if it does not know the key.
func (t *transcoder) object(field func(key string) int) {
	if !t.take('{') {
		t.ok = false
		return
	}
	if t.take('}') {
		return
	}
	seen := 0
	for t.ok {
		key := t.str()
		if !t.take(':') {
			t.ok = false
			return
		}
		number := field(unsafe.String(unsafe.SliceData(key), len(key)))
		if number == 0 || seen&(1<<number) != 0 {
			t.ok = false
			return
		}
		seen |= 1 << number
		if t.take(',') {
			continue
		}
		if !t.take('}') {
			t.ok = false
		}
		return
	}
}

// text writes a string.
func (t *transcoder) text(field byte) {
	s := t.str()
	t.out = append(t.out, field<<3|byte(Bytes))
	t.out = appendVarint(t.out, uint64(len(s)))
	t.out = append(t.out, s...)
}

func (t *transcoder) traceID(field byte) { t.id(field, 16) }
func (t *transcoder) spanID(field byte)  { t.id(field, 8) }

// id writes hexadecimal digits as bytes; nothing for an empty id.
func (t *transcoder) id(field byte, size int) {
	s := t.str()
	if len(s) == 0 {
		return
	}
	if len(s) != 2*size {
		t.ok = false
		return
	}
	t.out = append(t.out, field<<3|byte(Bytes), byte(size))
	for i := 0; i < len(s); i += 2 {
		high, low := digit(s[i]), digit(s[i+1])
		if high|low > 15 {
			t.ok = false
		}
		t.out = append(t.out, high<<4|low&15)
	}
}

// digit is the value of a hexadecimal digit; 255 if it is none.
func digit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// natural reads a number without sign, fraction or exponent, as text or not.
func (t *transcoder) natural() (v uint64) {
	quoted := t.take('"')
	begin := t.at
	for t.at < len(t.in) && t.in[t.at]-'0' <= 9 {
		v = v*10 + uint64(t.in[t.at]-'0')
		t.at++
	}
	// 19 digits always fit; zeros in front are no JSON.
	if n := t.at - begin; n == 0 || n > 19 || n > 1 && t.in[begin] == '0' {
		t.ok = false
	}
	if quoted {
		t.ok = t.ok && t.at < len(t.in) && t.in[t.at] == '"'
		t.at++
	}
	return v
}

func (t *transcoder) fixed64(field byte) {
	t.out = append(t.out, field<<3|byte(Fixed64))
	t.eight()
}

// eight writes a number in eight bytes, as the next do.
func (t *transcoder) eight() { t.out = binary.LittleEndian.AppendUint64(t.out, t.natural()) }

func (t *transcoder) double() { t.out = binary.LittleEndian.AppendUint64(t.out, t.floatBits()) }

func (t *transcoder) fixedInteger(field byte) {
	t.out = append(t.out, field<<3|byte(Fixed64))
	t.out = binary.LittleEndian.AppendUint64(t.out, t.signed())
}

func (t *transcoder) varint() { t.out = appendVarint(t.out, t.natural()) }

// zigzag32 writes a number with a sign in the form that is short for small ones.
func (t *transcoder) zigzag32(field byte) {
	if t.next() == '"' {
		t.ok = false
		return
	}
	v := int64(t.signed())
	t.ok = t.ok && v == int64(int32(v))
	t.out = appendVarint(append(t.out, field<<3|byte(Varint)), uint64(v<<1^v>>63))
}

// number32 writes an enumeration's number.
func (t *transcoder) number32(field byte) {
	if t.next() == '"' {
		t.ok = false // its name
		return
	}
	v := t.natural()
	t.ok = t.ok && v <= math.MaxInt32
	t.out = appendVarint(append(t.out, field<<3|byte(Varint)), v)
}

// count reads a number that says nothing here.
func (t *transcoder) count(byte) {
	if t.next() == '"' || t.natural() > math.MaxUint32 {
		t.ok = false
	}
}

func (t *transcoder) integer(field byte) {
	t.out = append(t.out, field<<3|byte(Varint))
	t.out = appendVarint(t.out, t.signed())
}

// signed reads a number that may have a sign, as text or not.
func (t *transcoder) signed() uint64 {
	quoted := t.take('"')
	negative := t.at < len(t.in) && t.in[t.at] == '-'
	if negative {
		t.at++
	}
	if t.at >= len(t.in) || t.in[t.at]-'0' > 9 { // no blank behind the sign, no second quote
		t.ok = false
		return 0
	}
	v := t.natural()
	t.ok = t.ok && v <= math.MaxInt64
	if negative {
		v = -v
	}
	if quoted {
		t.ok = t.ok && t.at < len(t.in) && t.in[t.at] == '"'
		t.at++
	}
	return v
}

func (t *transcoder) float(field byte) {
	t.out = append(t.out, field<<3|byte(Fixed64))
	t.double()
}

// floatBits reads a number with a fraction or an exponent. Texts are for others, and
// numbers beyond what a double can be.
func (t *transcoder) floatBits() uint64 {
	t.next()
	begin := t.at
	for t.at < len(t.in) && isNumeric[t.in[t.at]] {
		t.at++
	}
	text := t.in[begin:t.at]
	if len(text) > 40 || !isNumber(text) {
		t.ok = false
		return 0
	}
	v, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(text), len(text)), 64)
	if err != nil {
		t.ok = false
	}
	return math.Float64bits(v)
}

var isNumeric = [256]bool{
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
	'.': true, '-': true, '+': true, 'e': true, 'E': true,
}

// isNumber says that a text is a number as JSON wants it: no zeros in front, digits on
// both sides of the point and behind the exponent.
func isNumber(text []byte) bool {
	text = bytes.TrimPrefix(text, []byte("-"))
	whole := digits(text)
	if whole == 0 || whole > 1 && text[0] == '0' {
		return false
	}
	text = text[whole:]
	if len(text) > 0 && text[0] == '.' {
		n := digits(text[1:])
		if n == 0 {
			return false
		}
		text = text[1+n:]
	}
	if len(text) > 0 && text[0]|0x20 == 'e' {
		text = text[1:]
		if len(text) > 0 && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		n := digits(text)
		if n == 0 {
			return false
		}
		text = text[n:]
	}
	return len(text) == 0
}

// digits counts the digits that a text begins with.
func digits(text []byte) (n int) {
	for n < len(text) && text[n]-'0' <= 9 {
		n++
	}
	return n
}

func (t *transcoder) truth(field byte) {
	switch {
	case t.next() == 't' && t.word("true"):
		t.out = append(t.out, field<<3|byte(Varint), 1)
	case t.next() == 'f' && t.word("false"):
		t.out = append(t.out, field<<3|byte(Varint), 0)
	default:
		t.ok = false
	}
}

func (t *transcoder) word(w string) bool {
	if rest := t.in[t.at:]; len(rest) < len(w) || string(rest[:len(w)]) != w {
		return false
	}
	t.at += len(w)
	return true
}

// next passes over blanks, and gives the byte that follows; 0 at the end.
func (t *transcoder) next() byte {
	for t.at < len(t.in) {
		switch c := t.in[t.at]; c {
		case ' ', '\t', '\r', '\n':
			t.at++
		default:
			return c
		}
	}
	return 0
}

func (t *transcoder) take(c byte) bool {
	if t.next() != c || t.at >= len(t.in) {
		return false
	}
	t.at++
	return true
}

// str reads a string, valid until the next one is read.
func (t *transcoder) str() []byte {
	if !t.take('"') {
		t.ok = false
		return nil
	}
	begin := t.at
	for len(t.in)-t.at >= 8 {
		n := plainBytes(binary.LittleEndian.Uint64(t.in[t.at:]))
		if t.at += n; n < 8 {
			break
		}
	}
	for ; t.at < len(t.in); t.at++ {
		switch c := t.in[t.at]; {
		case c == '"':
			t.at++
			return t.in[begin : t.at-1]
		case c == '\\':
			return t.escaped(begin)
		case c < ' ':
			t.ok = false
			return nil
		}
	}
	t.ok = false
	return nil
}

// plainBytes counts, of eight bytes of a string, those before the first quote, backslash
// or control character. A byte is found by the borrow of a subtraction, which can reach
// only bytes behind it (Mycroft, 1987).
func plainBytes(x uint64) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	quote, backslash := x^each*'"', x^each*'\\'
	found := (quote-each)&^quote | (backslash-each)&^backslash | (x-each*' ')&^x
	return bits.TrailingZeros64(found&high) / 8
}

// escaped reads on in a string with escapes.
func (t *transcoder) escaped(begin int) []byte {
	t.scratch = append(t.scratch[:0], t.in[begin:t.at]...)
	for t.at < len(t.in) {
		c := t.in[t.at]
		t.at++
		switch {
		case c == '"':
			return t.scratch
		case c < ' ':
			t.ok = false
			return nil
		case c == '\\':
			if t.at >= len(t.in) {
				break
			}
			c = unescaped[t.in[t.at]]
			t.at++
			if c == 0 {
				t.ok = false
				return nil
			}
		}
		t.scratch = append(t.scratch, c)
	}
	t.ok = false
	return nil
}

// unescaped are the bytes that escapes of one letter stand for; 0: none.
var unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func appendVarint(dst []byte, v uint64) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}
