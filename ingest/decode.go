package ingest

import "unship.dev/ingest/otlp/wire"

// TracesProto takes an ExportTraceServiceRequest in protobuf. It walks the bytes once,
// and keeps nothing of them. The error is wire.ErrMalformed, wire.ErrTooDeep or
// ErrOverloaded, and then nothing of the request was taken, or nil.
func (a *Aggregator) TracesProto(message []byte) (Refusal, error) {
	return a.proto(message, (*decoder).takeSpan, nil)
}

// TracesKept is TracesProto, and hands over what [Aggregator.TracesReduced] needs to take
// the same again, once it was taken. What keep is given must not be used later. The
// error may be that of keep, too; then all was taken.
func (a *Aggregator) TracesKept(message []byte, keep func(reduced []byte) error) (Refusal, error) {
	return a.proto(message, (*decoder).takeSpan, keep)
}

// MetricsProto takes an ExportMetricsServiceRequest as TracesProto takes traces.
func (a *Aggregator) MetricsProto(message []byte) (Refusal, error) {
	return a.proto(message, (*decoder).metric, nil)
}

// LogsProto takes an ExportLogsServiceRequest as TracesProto takes traces.
func (a *Aggregator) LogsProto(message []byte) (Refusal, error) {
	return a.proto(message, (*decoder).logRecord, nil)
}

// proto takes a request in protobuf. The three kinds differ in what their scopes hold. If
// keep is not nil, it is given the spans, reduced.
func (a *Aggregator) proto(message []byte, record recordReader, keep func([]byte) error) (r Refusal, err error) {
	in, err := a.begin(0)
	if err != nil {
		return Refusal{}, err
	}
	d := decoder{in: in, record: record, numbers: in.numbers[:0], written: in.written[:0], told: in.told[:0]}
	d.request(message)
	in.numbers, in.written, in.told = d.numbers, d.written, d.told
	if n := len(in.stage.spans) + len(in.points.points) + len(in.lines.lines); d.err == nil && !a.room(n) {
		d.err = a.overloaded()
	}
	if d.err != nil {
		in.letGo()
		in.done()
		return Refusal{}, d.err
	}
	var reduced []byte
	if keep != nil {
		reduced = in.reduce()
	}
	in.commit()
	r = in.account() // counted in Latest before it is in the journal: see wal.Log.RotateWith
	if keep != nil {
		err = keep(reduced)
	}
	in.done()
	return r, err
}

// recordReader reads a record of a resource: a span, a metric, a log record. It is
// taken only if it counts. The resource is nil if it has no service.
type recordReader func(d *decoder, res *resource, message []byte, count bool)

// decoder reads protobuf into an intake. The first error stays.
type decoder struct {
	in      *intake
	record  recordReader
	err     error
	numbers []byte // texts of numbers, until the end of the request
	written []byte // how the series of the data point at work is written
	thrown  exceptionData
	any     bool       // thrown is that of the span at work
	told    []flagData // of the span at work
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
			d.resourceRecords(r.Data)
		}
	}
	d.ends(&r)
}

// deprecatedScopes is the number that scopes had before version 0.15 of OTLP. They
// count where there are none with the present number.
const deprecatedScopes = 1000

func (d *decoder) resourceRecords(message []byte) {
	res, scopes := d.resource(message)
	r := wire.Reader{Rest: message}
	for d.err == nil && r.Next() {
		switch {
		case r.Field == 2 && r.Want(wire.Bytes):
			d.scopeRecords(res, r.Data, true)
		case r.Field == deprecatedScopes && r.Want(wire.Bytes):
			d.scopeRecords(res, r.Data, scopes == 0)
		case r.Field == 3:
			r.Want(wire.Bytes)
		}
	}
	d.ends(&r)
}

// resource finds the resource of a group of scopes, nil if it has no service, and how
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

// scopeRecords reads the records of one scope; they are taken only if they count.
func (d *decoder) scopeRecords(res *resource, message []byte, count bool) {
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
				d.record(d, res, r.Data, count)
			}
		case 3:
			r.Want(wire.Bytes)
		}
	}
	d.ends(&r)
}
