package file

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"

	"unship.dev/ingest/otlp/wire"
)

// inward puts value into one submessage for each field of path, the innermost first.
func inward(value []byte, path ...protowire.Number) []byte {
	for _, number := range path {
		value = protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
	}
	return value
}

// nest is an attribute value of lists in lists.
func nest(depth int) []byte {
	value := []byte{}
	for range depth {
		value = inward(value, 1, 5)
	}
	return value
}

// Whoever takes a message refuses such a nest: here nothing goes down into it.
func TestANestWithoutEndIsGivenAsItIs(t *testing.T) {
	value := nest(1000)
	attribute := inward(value, 2) // of a KeyValue
	metric := append(inward([]byte("requests"), 1), inward(attribute, 12)...)
	record := inward(value, 5)
	for name, tt := range map[string]struct {
		body []byte
		kind Kind
	}{
		"metrics": {inward(metric, 2, 2, 1), KindMetrics},
		"logs":    {inward(record, 2, 2, 1), KindLogs},
	} {
		if item, err := decodeMessage(tt.body); err != nil || item.Kind != tt.kind || !bytes.Equal(item.Message, tt.body) {
			t.Errorf("%s: kind %d, error %v; want %d and the message", name, item.Kind, err, tt.kind)
		}
	}
}

func TestANestWithoutEndInJSONIsTheErrorOfItsLine(t *testing.T) {
	const n = 20_000
	for name, body := range map[string]string{
		"lists": strings.Repeat(`{"arrayValue":{"values":[`, n) + strings.Repeat("]}}", n),
		"cut":   strings.Repeat(`{"arrayValue":{"values":[`, n) + "}",
		"maps":  strings.Repeat(`{"kvlistValue":{"values":[{"value":`, n) + "{}" + strings.Repeat("}]}}", n),
	} {
		line := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":` + body + `}]}]}]}`
		if _, err := decodeLine([]byte(line)); !errors.Is(err, wire.ErrNoJSON) {
			t.Errorf("%s: error %v, want %v", name, err, wire.ErrNoJSON)
		}
		dir := folder(t, map[string][]byte{"a.jsonl": []byte(line + "\n" + recordLine(after(1)) + "\n")})
		items, _, broken := readAll(t, Options{}, dir)
		if len(items) != 1 || broken != 1 {
			t.Errorf("%s: %d items, %d broken; want one each", name, len(items), broken)
		}
	}
}

// Requests in protobuf are read by whoever takes them: what they make of a message is
// reported as the error of its place in the file.
func TestRequestsInProtobufAreGivenAsTheyAre(t *testing.T) {
	good := must((&ptrace.ProtoMarshaler{}).MarshalTraces(spans(after(3), after(2), after(1))))
	bad := append(bytes.Clone(good), inward([]byte{8<<3 | 1}, 2, 2, 1)...) // one more span, cut within its time
	dir := folder(t, map[string][]byte{"a.pb": framed(good, bad, good)})
	for _, strict := range []bool{false, true} {
		var told []int
		r, err := Open([]string{dir}, Options{Strict: strict, OnError: func(e *LineError) { told = append(told, e.Line) }})
		if err != nil {
			t.Fatal(err)
		}
		first := must(r.Next(t.Context()))
		if !bytes.Equal(first.Message, good) || !first.At.Equal(after(2)) || first.Kind != KindTraces {
			t.Errorf("kind %d at %v, want the message as it is, at %v", first.Kind, first.At, after(2))
		}
		item := must(r.Next(t.Context()))
		refused := r.Refuse(item, wire.ErrMalformed)
		if errors.Is(refused, wire.ErrMalformed) != strict || r.Broken() != 1 || len(told) != 1 || told[0] != item.Line {
			t.Errorf("strict %v: %v, %d broken, told of %v", strict, refused, r.Broken(), told)
		}
		if _, err := r.Next(t.Context()); (err != nil) != strict {
			t.Errorf("strict %v: afterwards %v", strict, err)
		}
		r.Close()
	}
}
