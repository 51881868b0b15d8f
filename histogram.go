package unship

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"
)

// Bucket is one bucket of a [Histogram].
type Bucket struct {
	Index int16  `json:"i"`
	Count uint64 `json:"n"`
}

// Histogram counts durations in exponential buckets of OTel scale 4: bucket i
// holds durations in (2^(i/16), 2^((i+1)/16)] seconds, 4.4 % wide. Buckets are
// sorted by index and none is empty. It merges exactly with what an SDK sends
// as an exponential histogram of scale 4 or more.
type Histogram []Bucket

const bucketsPerDoubling = 16

// BucketOf gives the bucket of a duration. Durations of a nanosecond or less share the lowest.
func BucketOf(d time.Duration) int16 {
	d = max(d, 1)
	i := bucketNear[near(d)]
	for d > bucketEnds[i-lowestBucket] {
		i++
	}
	return i
}

// bucketByLogarithm is what BucketOf tells by its tables.
func bucketByLogarithm(d time.Duration) int16 {
	return int16(math.Ceil(math.Log2(float64(d)/1e9)*bucketsPerDoubling)) - 1
}

// The buckets of a nanosecond and of the longest duration there is.
var (
	lowestBucket  = bucketByLogarithm(1)
	highestBucket = bucketByLogarithm(math.MaxInt64)
)

// bucketEnds are the longest durations of the buckets, from the lowest on. A logarithm
// for each request would cost as much as reading it.
var bucketEnds = func() []time.Duration {
	var ends []time.Duration
	for i := lowestBucket; i < highestBucket; i++ {
		d := UpperBound(i) // but for rounding
		for bucketByLogarithm(d) > i {
			d--
		}
		for bucketByLogarithm(d+1) <= i {
			d++
		}
		ends = append(ends, d)
	}
	return append(ends, math.MaxInt64)
}()

// bucketNear are the buckets of the shortest durations that share a length in bits and
// the four bits behind the first one; the bucket of any of them is at most three further.
var bucketNear = func() (first [1024]int16) {
	for k := range first[:63<<4] {
		bit := uint64(1) << (k >> 4)
		first[k] = bucketByLogarithm(time.Duration(bit + uint64(k&15)*bit>>4))
	}
	return first
}()

func near(d time.Duration) int {
	n := bits.Len64(uint64(d)) - 1
	return n<<4 | int(uint64(d)<<(63-n)>>59&15)
}

// UpperBound is the largest duration that bucket i holds.
func UpperBound(i int16) time.Duration {
	return time.Duration(math.Exp2(float64(i+1)/bucketsPerDoubling) * 1e9)
}

// Total is the number of durations counted.
func (h Histogram) Total() (n uint64) {
	for _, b := range h {
		n += b.Count
	}
	return n
}

// Above counts the durations in buckets beyond index i.
func (h Histogram) Above(i int16) (n uint64) {
	for k := len(h) - 1; k >= 0 && h[k].Index > i; k-- {
		n += h[k].Count
	}
	return n
}

// Quantile gives the index of the bucket that holds the q-quantile, 0 < q ≤ 1;
// false without data.
func (h Histogram) Quantile(q float64) (int16, bool) {
	want, seen := q*float64(h.Total()), 0.0
	for _, b := range h {
		seen += float64(b.Count)
		if seen >= want {
			return b.Index, true
		}
	}
	return 0, false
}

// Add counts n more durations in bucket i.
func (h *Histogram) Add(i int16, n uint64) {
	if n == 0 {
		return
	}
	k, ok := slices.BinarySearchFunc(*h, i, func(b Bucket, i int16) int { return cmp.Compare(b.Index, i) })
	if ok {
		(*h)[k].Count += n
		return
	}
	*h = slices.Insert(*h, k, Bucket{Index: i, Count: n})
}

// Merge adds the counts of o.
func (h *Histogram) Merge(o Histogram) {
	for _, b := range o {
		h.Add(b.Index, b.Count)
	}
}
