package deflate_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	fast "github.com/klauspost/compress/gzip"

	"unship.dev/ingest/otlp/deflate"
)

const most = 1 << 22

// pack compresses at a level.
func pack(t testing.TB, level int, plain []byte) []byte {
	t.Helper()
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Name, w.Comment, w.Extra = "name", "comment", []byte("extra")
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

// packFast compresses as the encoder that most Collectors use.
func packFast(t testing.TB, plain []byte) []byte {
	t.Helper()
	var z bytes.Buffer
	w := fast.NewWriter(&z)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

// check wants what compress/gzip gives, or an error where it has one.
func check(t testing.TB, message []byte) {
	t.Helper()
	var want []byte
	r, err := gzip.NewReader(bytes.NewReader(message))
	if err == nil {
		want, err = io.ReadAll(io.LimitReader(r, most+1))
	}
	got, here := deflate.AppendGzip([]byte("before "), message, most)
	switch {
	case err == nil && len(want) > most:
		if !errors.Is(here, deflate.ErrTooLarge) {
			t.Errorf("%v, want %v", here, deflate.ErrTooLarge)
		}
	case err != nil && here == nil:
		t.Errorf("no error of %.200x, want %v", message, err)
	case err == nil && here != nil:
		t.Errorf("%v of %.200x", here, message)
	case err == nil && string(got) != "before "+string(want):
		t.Errorf("%.200q of %.200x, want %.200q", got, message, want)
	}
}

// plains are texts that compress well, badly, and in other ways.
func plains() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 100_000)
	few := make([]byte, 100_000)
	skewed := make([]byte, 200_000)
	for i := range random {
		random[i], few[i] = byte(r.Uint32()), "ab"[r.IntN(2)]
	}
	for i := range skewed { // has codes of very different lengths
		skewed[i] = byte(min(255, int(r.ExpFloat64()*8)))
	}
	var lines bytes.Buffer
	for i := range 5000 {
		fmt.Fprintf(&lines, "GET /orders/%d from 10.1.2.%d took %dms\n", r.Uint32(), i%250, r.IntN(1000))
	}
	return map[string][]byte{
		"nothing": nil, "one byte": {7}, "zeros": make([]byte, 1_000_000), "random": random, "two letters": few,
		"skewed": skewed, "lines": lines.Bytes(), "a period of three": []byte(strings.Repeat("abc", 20_000)),
	}
}

func TestWhatIsPackedComesOut(t *testing.T) {
	for name, plain := range plains() {
		t.Run(name, func(t *testing.T) {
			for _, level := range []int{gzip.NoCompression, gzip.BestSpeed, gzip.DefaultCompression, gzip.BestCompression, gzip.HuffmanOnly} {
				check(t, pack(t, level, plain))
			}
			z := packFast(t, plain)
			check(t, z)
			check(t, append(append([]byte(nil), z...), z...)) // two members
			if deflate.SizeHint(z) != len(plain) {
				t.Errorf("a hint of %d bytes, want %d", deflate.SizeHint(z), len(plain))
			}
		})
	}
}

func TestDamageIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, plain := range [][]byte{plains()["lines"][:3000], plains()["random"][:300], make([]byte, 3000)} {
		z := packFast(t, plain)
		for n := range z {
			check(t, z[:n])
		}
		for range 3000 {
			b := bytes.Clone(z)
			for range 1 + r.IntN(3) {
				b[r.IntN(len(b))] = byte(r.Uint32())
			}
			check(t, b)
		}
		check(t, append(bytes.Clone(z), 0))
	}
}

func TestTheLimitHolds(t *testing.T) {
	z := pack(t, gzip.BestSpeed, make([]byte, 1000))
	if _, err := deflate.AppendGzip(nil, z, 999); !errors.Is(err, deflate.ErrTooLarge) {
		t.Errorf("%v, want %v", err, deflate.ErrTooLarge)
	}
	if got, err := deflate.AppendGzip(nil, z, 1000); err != nil || len(got) != 1000 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if got, err := deflate.AppendGzip(make([]byte, 0, 1000+deflate.Slack), z, 1000); err != nil || cap(got) != 1000+deflate.Slack {
		t.Errorf("room for %d bytes, %v: want what there was", cap(got), err)
	}
}

func FuzzAppendGzip(f *testing.F) {
	for _, plain := range plains() {
		f.Add(pack(f, gzip.DefaultCompression, plain[:min(len(plain), 2000)]))
		f.Add(pack(f, gzip.HuffmanOnly, plain[:min(len(plain), 300)]))
	}
	f.Fuzz(func(t *testing.T, message []byte) { check(t, message) })
}

// FuzzBlocks has sums that fit, so that damage is found, or not, by what inflates.
func FuzzBlocks(f *testing.F) {
	for _, plain := range plains() {
		var z bytes.Buffer
		w, err := flate.NewWriter(&z, flate.DefaultCompression)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := w.Write(plain[:min(len(plain), 2000)]); err != nil {
			f.Fatal(err)
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(z.Bytes())
	}
	f.Fuzz(func(t *testing.T, blocks []byte) { check(t, framed(blocks)) })
}

// framed makes blocks a member whose sums are those of what the library inflates.
func framed(blocks []byte) []byte {
	r := bytes.NewReader(blocks)
	plain, _ := io.ReadAll(io.LimitReader(flate.NewReader(r), most+1))
	var z bytes.Buffer
	w, _ := gzip.NewWriterLevel(&z, gzip.NoCompression)
	_, _ = w.Write(plain)
	_ = w.Close()
	trailer := z.Bytes()[z.Len()-8:]
	message := append(z.Bytes()[:10:10], blocks[:len(blocks)-r.Len()]...)
	return append(message, trailer...)
}

func BenchmarkAppendGzip(b *testing.B) {
	plain := plains()["lines"]
	message := packFast(b, plain)
	room := make([]byte, 0, len(plain)+deflate.Slack)
	b.Run("here", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		for b.Loop() {
			if _, err := deflate.AppendGzip(room, message, most); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("klauspost", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		r := new(fast.Reader)
		for b.Loop() {
			if err := r.Reset(bytes.NewReader(message)); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(r, room[:len(plain)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
