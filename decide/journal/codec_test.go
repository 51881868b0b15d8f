package journal

import (
	"bytes"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"unship.dev"
)

// fill sets every field of v, however deep, to something other than zero. A
// field that the codec forgets makes TestEveryFieldIsKept fail.
func fill(v reflect.Value, next *int) {
	*next++
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(int64(*next), int64(*next)).UTC()))
			return
		}
		for k := range v.NumField() {
			fill(v.Field(k), next)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), next)
		fill(v.Index(1), next)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), next)
	case reflect.String:
		v.SetString(string(rune('a' + *next%26)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(uint64(*next % 200))
	case reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(-*next))
	case reflect.Float64:
		v.SetFloat(float64(*next) + 0.1)
	default:
		panic("fill knows no " + v.Type().String() + "; teach it, and the codec")
	}
}

func TestEveryFieldIsKept(t *testing.T) {
	var want unship.Tick
	next := 0
	fill(reflect.ValueOf(&want).Elem(), &next)
	got, err := decode(encode(want))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("what was read (+) is not what was written (-):", d)
	}
}

func TestExtremesAreKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := unship.Histogram{
			{Index: rapid.Int16().Draw(t, "index"), Count: rapid.Uint64().Draw(t, "count")},
			{Index: rapid.Int16().Draw(t, "index"), Count: math.MaxUint64},
		}
		want := unship.Tick{Windows: []unship.Window{{
			Length:     time.Duration(rapid.Int64().Draw(t, "length")),
			Operations: []unship.Operation{{Name: rapid.String().Draw(t, "name"), Duration: h}},
			Metrics:    []unship.Metric{{Value: rapid.Float64().Draw(t, "value")}, {Value: math.Inf(-1)}},
			Logs:       []unship.LogCount{{Severity: rapid.Int32().Draw(t, "severity"), Pattern: "\xff\x00"}},
		}}}
		before := encode(want)
		got, err := decode(before)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		if !bytes.Equal(before, encode(got)) {
			t.Fatal("encoded again it differs")
		}
	})
}

// FuzzDecode: no bytes make the decoder panic or take memory beyond their size,
// and what it accepts can be written again.
func FuzzDecode(f *testing.F) {
	var full unship.Tick
	next := 0
	fill(reflect.ValueOf(&full).Elem(), &next)
	f.Add(encode(full))
	f.Add(encode(unship.Tick{}))
	f.Add([]byte{tickForm, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		tick, err := decode(b)
		if err != nil {
			return
		}
		again, err := decode(encode(tick))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encode(again), encode(tick)) {
			t.Error("not the same when written and read again")
		}
	})
}
