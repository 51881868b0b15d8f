package series

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"unship.dev"
)

func at(s int64) int64 { return s * int64(time.Second) }

func counter(start, end int64, value float64) Point {
	return Point{Start: at(start), At: at(end), Value: value}
}

func distribution(end int64, count uint64, sum float64, buckets ...unship.Bucket) Point {
	return Point{Start: at(1), At: at(end), Value: sum, Count: count, Distribution: true, Buckets: buckets}
}

func TestNext(t *testing.T) {
	const since = 100
	tests := map[string]struct {
		points []Point
		want   Increase // of the last
		ok     bool
	}{
		"the first, of a series that is older": {[]Point{counter(10, 160, 7)}, Increase{}, false},
		"the first, of unknown age":            {[]Point{counter(0, 160, 7)}, Increase{}, false},
		"the first, of a series that is new":   {[]Point{counter(150, 160, 7)}, Increase{Over: at(10), Value: 7}, true},
		"the first, that only marks a start":   {[]Point{counter(150, 150, 7)}, Increase{}, false},
		"the second":                           {[]Point{counter(10, 160, 7), counter(10, 220, 9)}, Increase{Over: at(60), Value: 2}, true},
		"nothing more":                         {[]Point{counter(10, 160, 7), counter(10, 220, 7)}, Increase{Over: at(60)}, true},
		"sent twice":                           {[]Point{counter(10, 160, 7), counter(10, 160, 7)}, Increase{}, false},
		"older than the last":                  {[]Point{counter(10, 160, 7), counter(10, 150, 6)}, Increase{}, false},
		"restarted":                            {[]Point{counter(10, 160, 7), counter(200, 220, 9)}, Increase{Over: at(20), Value: 9}, true},
		"restarted, and only marks it":         {[]Point{counter(10, 160, 7), counter(220, 220, 9)}, Increase{}, false},
		"after the mark":                       {[]Point{counter(10, 160, 7), counter(220, 220, 9), counter(220, 280, 12)}, Increase{Over: at(60), Value: 3}, true},
		"fell without a start":                 {[]Point{counter(0, 160, 7), counter(0, 220, 3)}, Increase{Over: at(60), Value: 3}, true},
		"a start that moved a little":          {[]Point{counter(10, 160, 7), counter(11, 220, 9)}, Increase{Over: at(60), Value: 2}, true},
		"a distribution": {
			[]Point{distribution(160, 3, 6, unship.Bucket{Index: 1, Count: 3}), distribution(220, 5, 4, unship.Bucket{Index: 0, Count: 1}, unship.Bucket{Index: 1, Count: 4})},
			Increase{Over: at(60), Value: -2, Count: 2, Buckets: unship.Histogram{{Index: 0, Count: 1}, {Index: 1, Count: 1}}}, true,
		},
		"a distribution that fell": {
			[]Point{distribution(160, 3, 6, unship.Bucket{Index: 1, Count: 3}), distribution(220, 1, 9, unship.Bucket{Index: 1, Count: 1})},
			Increase{Over: at(60), Value: 9, Count: 1, Buckets: unship.Histogram{{Index: 1, Count: 1}}}, true,
		},
		"buckets of another width": {
			[]Point{distribution(160, 3, 6, unship.Bucket{Index: 1, Count: 3}), distribution(220, 4, 9, unship.Bucket{Index: 2, Count: 4})},
			Increase{Over: at(60), Value: 3, Count: 1}, true,
		},
	}
	for name, c := range tests {
		var s Series
		var got Increase
		var ok bool
		for _, p := range c.points {
			got, ok = s.Next(p, at(since), nil)
		}
		if ok != c.ok {
			t.Errorf("%s: %+v, %v", name, got, ok)
			continue
		}
		if diff := cmp.Diff(c.want, got); ok && diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Whatever is counted while a series is watched from its start is counted once,
// however the points lie, and restarts that tell their start lose only what no point told of.
func TestIncreasesAddUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var s Series
		var want, got float64
		now, start, value := int64(1), int64(1), 0.0
		for range rapid.IntRange(1, 30).Draw(rt, "points") {
			if rapid.IntRange(0, 5).Draw(rt, "restart") == 0 {
				now++
				start, value = now, 0
			}
			more := float64(rapid.IntRange(0, 9).Draw(rt, "more"))
			now += int64(rapid.IntRange(1, 60).Draw(rt, "seconds"))
			value, want = value+more, want+more
			x, ok := s.Next(counter(start, now, value), at(1), nil)
			if !ok || x.Over <= 0 || x.Value < 0 {
				rt.Fatalf("%+v, %v", x, ok)
			}
			got += x.Value
		}
		if got != want {
			rt.Fatalf("%v counted, want %v", got, want)
		}
	})
}
