package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"unship.dev/ingest/otlp/wire"
	"unship.dev/ingest/webhook"
)

// decodeLine reads one line of JSON, and keeps nothing of the bytes. Telemetry becomes
// protobuf.
func decodeLine(line []byte) (item Item, err error) {
	line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")))
	if len(line) == 0 {
		return Item{}, errors.New("the line is empty")
	}
	item.Kind = kindOfLine(line)
	if last := line[len(line)-1]; item.Kind != KindAnnouncements && last != '}' {
		return Item{}, errors.New("the line is cut short: it does not end in }")
	}
	switch item.Kind {
	case KindTraces, KindMetrics, KindLogs:
		item.Message, err = wire.AppendJSON(slices.Grow(room(), len(line)/2), item.Kind.message(), line)
	case KindAnnouncements:
		// Without a clock: an announcement in a recording has to say when it was.
		item.Announcements, err = webhook.Parse("application/json", line, time.Time{})
	default:
		return Item{}, errors.New("the line has none of resourceSpans, resourceMetrics, resourceLogs, and is no announcement")
	}
	if err != nil {
		return Item{}, err
	}
	item.At = item.latest()
	return item, nil
}

// decodeMessage reads the times of one OTLP export request in protobuf, which it keeps.
func decodeMessage(msg []byte) (item Item, err error) {
	item.Kind = kindOfMessage(msg)
	if item.Kind == KindNone {
		return Item{}, errors.New("the message is not an OTLP export request of traces, metrics or logs")
	}
	item.Message = msg
	item.At = item.latest()
	return item, nil
}

// message is the kind of request of an item.
func (k Kind) message() wire.Message {
	switch k {
	case KindTraces:
		return wire.Traces
	case KindMetrics:
		return wire.Metrics
	}
	return wire.Logs
}

// kindOfLine looks at the keys of the line. Mostly the first tells.
func kindOfLine(line []byte) Kind {
	if len(line) > 0 && line[0] == '[' {
		return KindAnnouncements // CloudEvents come in batches
	}
	if k := kindOfKey(firstKey(line)); k != KindNone {
		return k
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(line, &all) != nil {
		return KindNone
	}
	for _, key := range []string{"resourceSpans", "resourceMetrics", "resourceLogs", "context", "specversion", "service"} {
		if _, ok := all[key]; ok {
			return kindOfKey(key)
		}
	}
	return KindNone
}

// firstKey is the first key of an object, "" if that cannot be told.
func firstKey(line []byte) string {
	rest, ok := bytes.CutPrefix(line, []byte("{"))
	if !ok {
		return ""
	}
	rest, ok = bytes.CutPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(`"`))
	if !ok {
		return ""
	}
	key, _, _ := bytes.Cut(rest[:min(len(rest), 32)], []byte(`"`))
	return string(key)
}

func kindOfKey(key string) Kind {
	switch key {
	case "resourceSpans", "resource_spans":
		return KindTraces
	case "resourceMetrics", "resource_metrics":
		return KindMetrics
	case "resourceLogs", "resource_logs":
		return KindLogs
	case "context", "specversion", "service":
		return KindAnnouncements
	}
	return KindNone
}

// kindOfMessage tells the three export requests apart, which begin alike:
// field 1 the resource's part, in it field 2 the scope's part, in it field 2 the
// records. A request without a record is taken for one of traces.
func kindOfMessage(msg []byte) Kind {
	found := KindTraces
	ok := eachField(msg, 1, func(resource []byte) bool {
		return eachField(resource, 2, func(scope []byte) bool {
			return eachField(scope, 2, func(record []byte) bool {
				found = kindOfRecord(record)
				return false
			})
		})
	})
	if !ok && found == KindTraces && !wellFormed(msg) {
		return KindNone
	}
	return found
}

// eachField calls yield with each submessage of one number until it says no; it
// says whether it came to the end.
func eachField(msg []byte, number protowire.Number, yield func([]byte) bool) bool {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return false
		}
		msg = msg[n:]
		n = protowire.ConsumeFieldValue(num, typ, msg)
		if n < 0 {
			return false
		}
		if num == number && typ == protowire.BytesType {
			if sub, _ := protowire.ConsumeBytes(msg); !yield(sub) {
				return false
			}
		}
		msg = msg[n:]
	}
	return true
}

func wellFormed(msg []byte) bool { return eachField(msg, 0, func([]byte) bool { return true }) }

// kindOfRecord tells a span, a metric and a log record apart by the types of
// their fields, which differ where the numbers are the same.
func kindOfRecord(record []byte) Kind {
	types := map[protowire.Number]protowire.Type{}
	lengths := map[protowire.Number]int{}
	for len(record) > 0 {
		num, typ, n := protowire.ConsumeTag(record)
		if n < 0 {
			return KindNone
		}
		size := protowire.ConsumeFieldValue(num, typ, record[n:])
		if size < 0 {
			return KindNone
		}
		types[num], lengths[num] = typ, size-1 // of an id: one byte of length before it
		record = record[n+size:]
	}
	is := func(num protowire.Number, typ protowire.Type) bool {
		t, ok := types[num]
		return ok && t == typ
	}
	switch {
	case is(1, protowire.Fixed64Type), is(11, protowire.Fixed64Type), is(2, protowire.VarintType), is(8, protowire.Fixed32Type):
		return KindLogs // its times, severity number, flags
	case is(7, protowire.Fixed64Type), is(8, protowire.Fixed64Type), lengths[1] == 16 && lengths[2] == 8:
		return KindTraces // its times, its two ids
	case is(1, protowire.BytesType):
		return KindMetrics // its name
	case len(types) == 0:
		return KindTraces
	}
	return KindLogs // a record without times: only its body, or its attributes
}
