package wire

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/protobuf/encoding/protowire"
)

// deepLogs is the content of a ResourceLogs, and of the ScopeLogs in it, with a body 200 deep.
func deepLogs() (resource, scope []byte) {
	value := []byte{}
	for range 200 {
		value = field(5, field(1, value))
	}
	scope = field(2, field(5, value))
	return field(2, scope), scope
}

func field(number protowire.Number, value []byte) []byte {
	return tagged(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

func tagged(tag, value []byte) []byte {
	return protowire.AppendBytes(slices.Clone(tag), value)
}

// The decoder reads some bytes that the protobuf library refuses, and the other way
// round. None of them may carry a nest past the check.
func TestNoWayRoundTheCheck(t *testing.T) {
	resource, scope := deepLogs()
	group := protowire.AppendTag(nil, 99, protowire.StartGroupType)
	group = protowire.AppendVarint(protowire.AppendTag(group, 98, protowire.VarintType), 1)
	group = append(group, field(1, resource)...)
	for name, tt := range map[string]struct {
		body []byte
		want error
	}{
		"as it should be":              {field(1, resource), ErrTooDeep},
		"the old number of scopes":     {field(1, field(1000, scope)), ErrTooDeep},
		"a number beyond 32 bits":      {tagged(protowire.AppendVarint(nil, (1<<32+1)<<3|2), resource), ErrMalformed},
		"a varint that overflows":      {tagged([]byte{0x8a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02}, resource), ErrMalformed},
		"in a group":                   {protowire.AppendTag(group, 99, protowire.EndGroupType), ErrMalformed},
		"in a group that does not end": {group, ErrMalformed},
		"before a broken end":          {append(field(1, resource), 0xff), ErrTooDeep},
	} {
		if got := CheckDepth(Logs, tt.body); !errors.Is(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// FuzzDecoderAgrees: what passes and can be decoded is, written anew, not too deep.
func FuzzDecoderAgrees(f *testing.F) {
	resource, scope := deepLogs()
	f.Add(field(1, resource))
	f.Add(field(1, field(1000, scope)))
	f.Add(tagged(protowire.AppendVarint(nil, (1<<32+1)<<3|2), resource))
	f.Fuzz(func(t *testing.T, body []byte) {
		request := plogotlp.NewExportRequest()
		if CheckDepth(Logs, body) != nil || request.UnmarshalProto(body) != nil {
			return
		}
		again, err := request.MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckDepth(Logs, again); err != nil {
			t.Errorf("passed, and what was decoded of it does not: %v", err)
		}
	})
}

func TestCheckJSON(t *testing.T) {
	const level = `{"arrayValue":{"values":[`
	deep := func(n int) string { return strings.Repeat(level, n) + "{}" + strings.Repeat("]}}", n) }
	for _, tt := range []struct {
		name, body string
		want       error
	}{
		{"usual", deep(3), nil},
		{"many lists side by side", "[" + strings.Repeat("[],", 2*fewBrackets) + "[]]", nil},
		{"brackets in a text", `{"a":"` + strings.Repeat("[", 2*fewBrackets) + `"}`, nil},
		{"endless", deep(1 << 20), ErrNoJSON},
		{"endless and cut off", strings.Repeat(level, 1<<20), ErrNoJSON},
		{"behind a mistake", `{"stringValue":x"` + deep(1<<20), ErrNoJSON},
	} {
		if got := CheckJSON([]byte(tt.body)); !errors.Is(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
