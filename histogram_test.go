package unship

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestBucketOfIsTheLogarithm(t *testing.T) {
	check := func(d time.Duration) {
		t.Helper()
		if got, want := BucketOf(d), bucketByLogarithm(max(d, 1)); got != want {
			t.Errorf("%d ns: bucket %d, want %d", d, got, want)
		}
	}
	for _, end := range bucketEnds {
		check(end - 1)
		check(end)
		if end < math.MaxInt64 {
			check(end + 1)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		check(time.Duration(r.Int64N(math.MaxInt64) >> r.IntN(63)))
	}
	check(0)
	check(-5)
}

func BenchmarkBucketOf(b *testing.B) {
	d := time.Duration(1)
	for b.Loop() {
		BucketOf(d)
		d = (d*7 + 13) & (1<<36 - 1)
	}
}
