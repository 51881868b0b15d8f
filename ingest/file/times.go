package file

import (
	"encoding/binary"
	"slices"
	"time"

	"unship.dev/ingest/otlp/wire"
)

// latest is the item's time: the latest of each resource, and of these the
// (lower) median, so that one wrong clock among several is outvoted. An item
// cannot have been sent before what it tells had happened.
func (i *Item) latest() time.Time {
	var times []int64
	switch i.Kind {
	case KindTraces:
		times = messageTimes(i.Message, spanTime)
	case KindMetrics:
		times = messageTimes(i.Message, metricTime)
	case KindLogs:
		times = messageTimes(i.Message, logTime)
	case KindAnnouncements:
		for _, a := range i.Announcements {
			times = append(times, a.At.UnixNano())
		}
	case KindNone:
	}
	times = slices.DeleteFunc(times, func(t int64) bool { return t <= 0 })
	if len(times) == 0 {
		return time.Time{}
	}
	slices.Sort(times)
	return time.Unix(0, times[(len(times)-1)/2]).UTC()
}

// messageTimes are the latest times of each resource of a request in protobuf, by the
// time of each record. A malformed one has the times before it goes wrong.
func messageTimes(message []byte, of func(record []byte) uint64) (times []int64) {
	for resource := range each(message, 1) {
		last := int64(0)
		for scope := range each(resource, 2) {
			for record := range each(scope, 2) {
				last = max(last, believable(of(record)))
			}
		}
		times = append(times, last)
	}
	return times
}

// each gives the submessages of a number, as far as the message is well-formed.
func each(message []byte, number uint32) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for r := (wire.Reader{Rest: message}); r.Next(); {
			if r.Field == number && r.Type == wire.Bytes && !yield(r.Data) {
				return
			}
		}
	}
}

// believable gives a time as int64 nanoseconds; 0, which is none, beyond the year 2262.
func believable(t uint64) int64 {
	if t > farFuture {
		return 0
	}
	return int64(t)
}

// fixed gives the last value of a field of eight bytes, 0 if there is none.
func fixed(message []byte, number uint32) (v uint64) {
	for {
		var last uint64
		var found bool
		if message, last, found = skipUsual(message, number); found {
			v = last
		}
		r := wire.Reader{Rest: message}
		if !r.Next() {
			return v
		}
		if r.Field == number && r.Type == wire.Fixed64 {
			v = r.Num
		}
		message = r.Rest
	}
}

// skipUsual passes over fields whose tag and length, or short number, take a byte each,
// as nearly all do. Of those of eight bytes with the number it gives the last.
func skipUsual(b []byte, number uint32) (rest []byte, v uint64, found bool) {
	for len(b) >= 9 && b[0] >= 1<<3 && b[0] < 0x80 {
		size := 2
		switch wire.Type(b[0] & 7) {
		case wire.Bytes:
			size += int(b[1])
			if b[1] >= 0x80 || size > len(b) {
				return b, v, found
			}
		case wire.Fixed64:
			size = 9
			if uint32(b[0]>>3) == number {
				v, found = binary.LittleEndian.Uint64(b[1:]), true
			}
		case wire.Varint:
			if b[1] >= 0x80 {
				return b, v, found
			}
		default:
			return b, v, found
		}
		b = b[size:]
	}
	return b, v, found
}

// spanTime is the end of a span.
func spanTime(span []byte) uint64 { return fixed(span, 8) }

// logTime is when a log record happened, else when it was observed.
func logTime(record []byte) uint64 {
	if t := fixed(record, 1); t > 0 {
		return t
	}
	return fixed(record, 11)
}

// metricTime is the time of a metric's latest point.
func metricTime(metric []byte) (last uint64) {
	for r := (wire.Reader{Rest: metric}); r.Next(); {
		switch r.Field {
		case 5, 7, 9, 10, 11: // points of each kind
			if r.Type != wire.Bytes {
				continue
			}
			for point := range each(r.Data, 1) {
				last = max(last, fixed(point, 3))
			}
		}
	}
	return last
}
