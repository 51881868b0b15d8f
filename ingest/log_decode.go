package ingest

import (
	"cmp"
	"encoding/binary"

	"go.opentelemetry.io/collector/pdata/plog"

	"unship.dev/ingest/otlp/wire"
)

// logRecord reads a log record and takes it, if it counts.
func (d *decoder) logRecord(res *resource, message []byte, count bool) {
	var l logData
	var body value
	observed := uint64(0)
	d.in.said = d.in.said[:0]
	d.in.logKeys.begin()
	r := wire.Reader{Rest: message}
	for d.err == nil && r.Next() {
		switch r.Field {
		case 1:
			if r.Want(wire.Fixed64) {
				l.time = r.Num
			}
		case 2:
			if r.Want(wire.Varint) {
				l.severity = max(int32(r.Num), 0)
			}
		case 3:
			l.severityText = d.string(&r)
		case 5:
			if r.Want(wire.Bytes) {
				d.anyValue(&body, r.Data, 1)
			}
		case 6:
			if r.Want(wire.Bytes) {
				d.logAttribute(&l, r.Data)
			}
		case 9:
			l.trace = d.traceID(&r)
		case 11:
			if r.Want(wire.Fixed64) {
				observed = r.Num
			}
		default:
			d.rareLogField(&l, &r)
		}
	}
	if d.ends(&r); d.err != nil || !count {
		return
	}
	if l.time == 0 {
		l.time = observed
	}
	l.body = d.body(&body)
	if body.field == listValue {
		d.sayMembers(body.data)
	}
	if isEvaluation(cmp.Or(l.name, l.event)) && l.flag.whole() {
		d.written = l.flag.appendPattern(d.written[:0])
		l.template = textOf(d.written)
	}
	d.in.log(res, &l)
}

// rareLogField checks a field that says nothing here, but for the name of an event.
func (d *decoder) rareLogField(l *logData, r *wire.Reader) {
	switch r.Field {
	case 7:
		r.Want(wire.Varint)
	case 8:
		r.Want(wire.Fixed32)
	case 10:
		d.spanID(r)
	case 12:
		l.name = d.string(r)
	}
}

func (d *decoder) logAttribute(l *logData, message []byte) {
	key, text, ok := usualAttribute(message)
	if !ok {
		key, v := d.keyValue(message)
		d.say(l, d.logField(key), &v)
		return
	}
	f := d.logField(key)
	if f == fieldOther && isUsual(text) {
		return // most say nothing here
	}
	v := d.valueOf(text)
	d.say(l, f, &v)
}

func (d *decoder) logField(key string) field { return d.in.logKeys.kind(d.in.a.logKeys, key).field }

// say notes what an attribute says.
func (d *decoder) say(l *logData, f field, v *value) {
	if f == fieldOther {
		return
	}
	if at := l.field(f); at != nil {
		*at = d.text(v)
	} else {
		d.sayOfRequest(f, v)
	}
}

// sayOfRequest notes what may tell of a request.
func (d *decoder) sayOfRequest(f field, v *value) {
	switch {
	case f != logGroup:
		d.in.said = append(d.in.said, fieldText{f, d.text(v)})
	case v.field == listValue:
		d.sayMembers(v.data)
	}
}

// sayMembers notes what the members of a list say of a request. It is known to be
// well-formed.
func (d *decoder) sayMembers(list []byte) {
	r := wire.Reader{Rest: list}
	for r.Next() {
		if r.Field != 1 {
			continue
		}
		key, v := d.keyValue(r.Data)
		if f := d.logField(key); f.ofRequest() {
			d.sayOfRequest(f, &v)
		}
	}
}

// maxBody is how many bytes of a structured log line without a message are looked at.
const maxBody = 1200

// bodyKeys are the keys of a structured log line's message, best first.
var bodyKeys = [...]string{"message", "msg", "body"}

// body gives a log line's text: of a structured one its message, if it has one.
func (d *decoder) body(v *value) string {
	switch v.field {
	case 0:
		return ""
	case stringValue, boolValue, intValue:
		return d.text(v)
	case listValue:
		for _, key := range bodyKeys {
			if m, ok := d.member(v.data, key); ok {
				return d.text(&m)
			}
		}
	}
	return cut(asText(v), maxBody)
}

// member finds the first value of a key in a list, which is known to be well-formed.
func (d *decoder) member(list []byte, key string) (value, bool) {
	r := wire.Reader{Rest: list}
	for r.Next() {
		if r.Field == 1 {
			if k, v := d.keyValue(r.Data); k == key {
				return v, true
			}
		}
	}
	return value{}, false
}

// asText has pdata write any value as text. It reads a body, alone in a request.
func asText(v *value) string {
	var message []byte
	switch v.field {
	case doubleValue:
		message = binary.LittleEndian.AppendUint64([]byte{byte(v.field<<3) | byte(wire.Fixed64)}, v.num)
	case indexValue:
		message = binary.AppendUvarint([]byte{byte(v.field<<3) | byte(wire.Varint)}, v.num)
	default:
		message = appendBytes(nil, v.field, v.data)
	}
	for _, number := range [...]uint32{5, 2, 2, 1} { // in a record of a scope of a resource
		message = appendBytes(nil, number, message)
	}
	ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(message)
	if err != nil {
		return "" // not of what is well-formed
	}
	return ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().AsString()
}

func appendBytes(dst []byte, number uint32, value []byte) []byte {
	dst = append(dst, byte(number<<3)|byte(wire.Bytes))
	return append(binary.AppendUvarint(dst, uint64(len(value))), value...)
}
