package file

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"unship.dev/ingest/otlp/wire"
)

// What is passed over quickly is what a reader of all fields passes over, in messages
// that are malformed as well.
func TestFixedAgreesWithTheReader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b []byte
		for range rapid.IntRange(0, 12).Draw(t, "fields") {
			number := protowire.Number(rapid.SampledFrom([]int{1, 7, 8, 9, 15, 16, 300}).Draw(t, "number"))
			switch kind := rapid.SampledFrom([]protowire.Type{0, 1, 2, 5}).Draw(t, "type"); kind {
			case protowire.VarintType:
				b = protowire.AppendVarint(protowire.AppendTag(b, number, kind), rapid.Uint64().Draw(t, "varint"))
			case protowire.Fixed64Type:
				b = protowire.AppendFixed64(protowire.AppendTag(b, number, kind), rapid.Uint64().Draw(t, "fixed"))
			case protowire.BytesType:
				b = protowire.AppendBytes(protowire.AppendTag(b, number, kind), make([]byte, rapid.IntRange(0, 200).Draw(t, "size")))
			case protowire.Fixed32Type:
				b = protowire.AppendFixed32(protowire.AppendTag(b, number, kind), rapid.Uint32().Draw(t, "fixed32"))
			}
		}
		b = b[:len(b)-rapid.IntRange(0, len(b)).Draw(t, "cut off")]
		b = append(b, rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, "rubbish")...)
		want := uint64(0)
		for r := (wire.Reader{Rest: b}); r.Next(); {
			if r.Field == 8 && r.Type == wire.Fixed64 {
				want = r.Num
			}
		}
		if got := fixed(b, 8); got != want {
			t.Fatalf("fixed(%x) = %d, want %d", b, got, want)
		}
	})
}
