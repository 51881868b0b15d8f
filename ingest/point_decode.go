package ingest

import (
	"encoding/binary"
	"math"

	"unship.dev/ingest/otlp/wire"
)

// clear empties what one point has, and keeps what its metric tells and the room of lists.
func (p *pointData) clear() {
	*p = pointData{
		name: p.name, unit: p.unit, kind: p.kind, temporality: p.temporality,
		bounds: p.bounds[:0], buckets: p.buckets[:0], positive: p.positive[:0], quantiles: p.quantiles[:0],
	}
}

// attribute notes how an attribute is written. It is looked at when the point is.
func (d *decoder) attribute(r *wire.Reader) {
	if r.Want(wire.Bytes) {
		d.written = append(binary.AppendUvarint(d.written, uint64(len(r.Data))), r.Data...)
	}
}

// times reads the two times that all points have.
func (p *pointData) times(r *wire.Reader) {
	if !r.Want(wire.Fixed64) {
		return
	}
	if r.Field == 2 {
		p.start = r.Num
	} else {
		p.time = r.Num
	}
}

func (d *decoder) flags(r *wire.Reader, flags *uint32) {
	if r.Want(wire.Varint) {
		*flags = uint32(r.Num)
	}
}

// numberField reads a field of a NumberDataPoint.
func (d *decoder) numberField(p *pointData, r *wire.Reader, flags *uint32) {
	switch r.Field {
	case 2, 3:
		p.times(r)
	case 4:
		if r.Want(wire.Fixed64) {
			p.value = math.Float64frombits(r.Num)
		}
	case 5:
		d.exemplar(r)
	case 6:
		if r.Want(wire.Fixed64) {
			p.value = float64(int64(r.Num))
		}
	case 7:
		d.attribute(r)
	case 8:
		d.flags(r, flags)
	}
}

// histogramField reads a field of a HistogramDataPoint.
func (d *decoder) histogramField(p *pointData, r *wire.Reader, flags *uint32) {
	switch r.Field {
	case 2, 3:
		p.times(r)
	case 4, 5:
		p.total(r)
	case 6:
		p.buckets = appendFixed(p.buckets, r, func(n uint64) uint64 { return n })
	case 7:
		p.bounds = appendFixed(p.bounds, r, math.Float64frombits)
	case 8:
		d.exemplar(r)
	case 9:
		d.attribute(r)
	case 10:
		d.flags(r, flags)
	case 11, 12: // the smallest and the largest
		r.Want(wire.Fixed64)
	}
}

// exponentialField reads a field of an ExponentialHistogramDataPoint.
func (d *decoder) exponentialField(p *pointData, r *wire.Reader, flags *uint32) {
	switch r.Field {
	case 1:
		d.attribute(r)
	case 2, 3:
		p.times(r)
	case 4, 5:
		p.total(r)
	case 6:
		if r.Want(wire.Varint) {
			p.scale = zigzag(r.Num)
		}
	case 7:
		if r.Want(wire.Fixed64) {
			p.zero = r.Num
		}
	case 8:
		if r.Want(wire.Bytes) {
			d.buckets(r.Data, &p.offset, &p.positive)
		}
	case 9:
		if r.Want(wire.Bytes) {
			d.negative(r.Data)
		}
	case 10:
		d.flags(r, flags)
	case 11:
		d.exemplar(r)
	case 12, 13, 14: // the smallest, the largest, and what counts as zero
		r.Want(wire.Fixed64)
	}
}

// summaryField reads a field of a SummaryDataPoint.
func (d *decoder) summaryField(p *pointData, r *wire.Reader, flags *uint32) {
	switch r.Field {
	case 2, 3:
		p.times(r)
	case 4, 5:
		p.total(r)
	case 6:
		if r.Want(wire.Bytes) {
			d.quantile(p, r.Data)
		}
	case 7:
		d.attribute(r)
	case 8:
		d.flags(r, flags)
	}
}

// total reads the count and the sum of a distribution.
func (p *pointData) total(r *wire.Reader) {
	if !r.Want(wire.Fixed64) {
		return
	}
	if r.Field == 4 {
		p.count = r.Num
	} else {
		p.value, p.noSum = math.Float64frombits(r.Num), false
	}
}

// appendFixed reads numbers of eight bytes: all of a list, or one more.
func appendFixed[T any](list []T, r *wire.Reader, convert func(uint64) T) []T {
	switch {
	case r.Type == wire.Fixed64:
		return append(list, convert(r.Num))
	case !r.Want(wire.Bytes):
		return list
	}
	list = list[:0]
	for b := r.Data; len(b) > 0; b = b[8:] {
		if len(b) < 8 {
			r.Bad = true
			break
		}
		list = append(list, convert(binary.LittleEndian.Uint64(b)))
	}
	return list
}

// zigzag gives the signed number that a varint stands for.
func zigzag(v uint64) int32 { return int32(uint32(v>>1) ^ -uint32(v&1)) }

// buckets reads exponential buckets: more of them, if there were some.
func (d *decoder) buckets(message []byte, offset *int32, counts *[]uint64) {
	r := wire.Reader{Rest: message}
	for r.Next() {
		switch {
		case r.Field == 1 && r.Want(wire.Varint):
			*offset = zigzag(r.Num)
		case r.Field == 2 && r.Type == wire.Varint:
			*counts = append(*counts, r.Num)
		case r.Field == 2 && r.Want(wire.Bytes):
			*counts = appendVarints(*counts, &r)
		}
	}
	d.ends(&r)
}

func appendVarints(list []uint64, r *wire.Reader) []uint64 {
	for b := r.Data; len(b) > 0; {
		v, n := wire.Number(b)
		if n == 0 {
			r.Bad = true
			break
		}
		list, b = append(list, v), b[n:]
	}
	return list
}

// negative checks the buckets of observations below zero, which durations have not.
func (d *decoder) negative(message []byte) {
	r := wire.Reader{Rest: message}
	for r.Next() {
		switch {
		case r.Field == 1:
			r.Want(wire.Varint)
		case r.Field == 2 && r.Type != wire.Varint && r.Want(wire.Bytes):
			for b := r.Data; len(b) > 0 && !r.Bad; {
				_, n := wire.Number(b)
				r.Bad, b = n == 0, b[n:]
			}
		}
	}
	d.ends(&r)
}

func (d *decoder) quantile(p *pointData, message []byte) {
	var q quantile
	r := wire.Reader{Rest: message}
	for r.Next() {
		switch {
		case r.Field == 1 && r.Want(wire.Fixed64):
			q.q = math.Float64frombits(r.Num)
		case r.Field == 2 && r.Want(wire.Fixed64):
			q.value = math.Float64frombits(r.Num)
		}
	}
	d.ends(&r)
	p.quantiles = append(p.quantiles, q)
}

// exemplar checks an example of what was observed. Nothing is taken of it.
func (d *decoder) exemplar(r *wire.Reader) {
	if !r.Want(wire.Bytes) {
		return
	}
	x := wire.Reader{Rest: r.Data}
	for d.err == nil && x.Next() {
		switch x.Field {
		case 2, 3, 6:
			x.Want(wire.Fixed64)
		case 4:
			d.spanID(&x)
		case 5:
			d.traceID(&x)
		case 7:
			if x.Want(wire.Bytes) {
				d.keyValue(x.Data)
			}
		}
	}
	d.ends(&x)
}
