package ingest

import (
	"encoding/binary"

	"unship.dev/ingest/otlp/wire"
)

// The fields of a Metric that hold its points. It has one of them.
const (
	gaugeField       = 5
	sumField         = 7
	histogramField   = 9
	exponentialField = 10
	summaryField     = 11
)

// metric reads a metric and its points. The last field that holds points is the one
// that counts.
func (d *decoder) metric(res *resource, message []byte, count bool) {
	p := &d.in.pointData
	p.name, p.unit = "", ""
	field, points := uint32(0), []byte(nil)
	r := wire.Reader{Rest: message}
	for d.err == nil && r.Next() {
		switch r.Field {
		case 1:
			p.name = d.string(&r)
		case 2:
			r.Want(wire.Bytes)
		case 3:
			p.unit = d.string(&r)
		case gaugeField, sumField, histogramField, exponentialField, summaryField:
			if !r.Want(wire.Bytes) {
				continue
			}
			if field != 0 {
				d.points(res, field, points, false)
			}
			field, points = r.Field, r.Data
		case 12:
			if r.Want(wire.Bytes) {
				d.keyValue(r.Data)
			}
		}
	}
	if d.ends(&r); d.err == nil && field != 0 {
		d.points(res, field, points, count)
	}
}

// points reads the points that a field of a metric holds.
func (d *decoder) points(res *resource, field uint32, message []byte, count bool) {
	p := &d.in.pointData
	p.kind, p.temporality = d.aggregation(field, message)
	d.written = p.appendWritten(d.written[:0])
	if res != nil && count {
		res.series.mu.Lock()
		defer res.series.mu.Unlock()
	}
	head := len(d.written)
	r := wire.Reader{Rest: message}
	for d.err == nil && r.Next() {
		if r.Field == 1 {
			d.written = d.written[:head]
			d.point(res, field, r.Data, count)
		}
	}
}

// aggregation tells what the points that a field of a metric holds are: that stands
// behind them.
func (d *decoder) aggregation(field uint32, message []byte) (k pointKind, t temporality) {
	monotonic := false
	r := wire.Reader{Rest: message}
	for r.Next() {
		switch {
		case r.Field == 1:
			r.Want(wire.Bytes)
		case r.Field == 2 && field != gaugeField && field != summaryField && r.Want(wire.Varint):
			t = temporality(r.Num)
		case r.Field == 3 && field == sumField && r.Want(wire.Varint):
			monotonic = r.Num != 0
		}
	}
	d.ends(&r)
	switch {
	case field == gaugeField:
		return pointGauge, temporalityNone
	case field == summaryField: // of a sum and a count; its start tells whether they begin anew
		return pointDistribution, temporalityCumulative
	case field != sumField:
		return pointDistribution, t
	case monotonic:
		return pointSum, t
	}
	return pointSumBoth, t
}

// appendWritten appends how the series of a metric begin to be written; their
// attributes follow.
func (p *pointData) appendWritten(dst []byte) []byte {
	dst = append(dst, byte(p.kind))
	dst = append(binary.AppendUvarint(dst, uint64(len(p.name))), p.name...)
	return append(binary.AppendUvarint(dst, uint64(len(p.unit))), p.unit...)
}

// noRecordedValue is the flag of a point that says that there is none.
const noRecordedValue = 1

// point reads one point and takes it, if it counts.
func (d *decoder) point(res *resource, field uint32, message []byte, count bool) {
	p := &d.in.pointData
	p.clear()
	p.noSum = field == histogramField || field == exponentialField
	flags := uint32(0)
	r := wire.Reader{Rest: message}
	for d.err == nil && r.Next() {
		switch field {
		case gaugeField, sumField:
			d.numberField(p, &r, &flags)
		case histogramField:
			d.histogramField(p, &r, &flags)
		case exponentialField:
			d.exponentialField(p, &r, &flags)
		case summaryField:
			d.summaryField(p, &r, &flags)
		}
	}
	if d.ends(&r); d.err != nil {
		return
	}
	number := attributesField(field)
	if !count || res != nil && flags&noRecordedValue != 0 || !d.in.accepts(res, p) {
		d.attributes(message, number)
		return
	}
	d.take(res, p, message, number)
}

// attributesField is the number that the attributes of a point have.
func attributesField(field uint32) uint32 {
	switch field {
	case histogramField:
		return 9
	case exponentialField:
		return 1
	}
	return 7
}

// take stages a point. Mostly its series was written before, to the last byte; then its
// attributes are known to be well-formed.
func (d *decoder) take(res *resource, p *pointData, message []byte, number uint32) {
	in := d.in
	f := res.series.known[string(d.written)]
	if f == nil {
		p.attributes = d.pairs(message, number)
		if d.err != nil {
			return
		}
		f = in.newForm(res, p)
		if !in.thin {
			in.a.resources.noteForm(res, d.written, f)
		}
	}
	f.heard = max(f.heard, in.a.index(int64(p.time)))
	in.point(res, f, p)
	for _, q := range p.quantiles {
		if !isNumber(q.value) {
			continue // nothing was observed
		}
		l := f.level(q.q)
		if l == nil {
			l = f.newLevel(q.q, d.pairs(message, number))
			in.a.resources.noteLevel(res, f, q.q, l)
		}
		in.level(res, l, p, q.value)
	}
}

// pairs gives the attributes of a message, with that number, until the next are read.
func (d *decoder) pairs(message []byte, number uint32) []attribute {
	list := d.in.pairs[:0]
	r := wire.Reader{Rest: message}
	for d.err == nil && r.Next() {
		if r.Field == number && r.Type == wire.Bytes {
			key, v := d.keyValue(r.Data)
			list = append(list, attribute{key, d.text(&v)})
		}
	}
	d.in.pairs = list
	return list
}
