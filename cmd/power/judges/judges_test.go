package judges

import (
	"math"
	"testing"

	"unship.dev/cmd/power/world"
)

// Values by an independent program: ranks counted pair by pair, roots by two
// hundred bisections; the shift is also the median of all pairwise differences
// (Hodges and Lehmann 1963).
func TestShiftReference(t *testing.T) {
	x := []float64{12.1, 9.7, 14.2, 13.3, 11.8, 15.9, 12.7, 10.4, 13.9, 12.2}
	y := []float64{10.2, 9.1, 11.4, 12.5, 8.8, 10.9, 11.1, 9.9, 12.0, 10.6}
	if z := statistic(x, y, 0, true); math.Abs(z-2.3811761799581315) > 1e-9 {
		t.Errorf("corrected statistic %v", z)
	}
	if z := statistic(x, y, 0, false); math.Abs(z-2.418972627259054) > 1e-9 {
		t.Errorf("statistic %v", z)
	}
	lower, estimate, ok := Shift(x, y)
	if !ok || math.Abs(lower-.1) > 2*rootWithin || math.Abs(estimate-1.9) > 2*rootWithin {
		t.Errorf("shift %v from %v, want 1.9 from .1", estimate, lower)
	}
	if High(x, y) {
		t.Error("the interval reaches below a quarter of the shift and is called high")
	}
	if _, _, ok := Shift([]float64{1, 1}, []float64{1, 1, 1}); ok {
		t.Error("equal values have a shift")
	}
	if rare := []float64{0, 0, 0, 0, 1.7, 0, 0, 1.6, 0, 0}; High(rare, []float64{0, 0, 0, 0, 0, 0, 0, 0, 0, 1.6}) {
		t.Error("minutes that are nearly all the same are called high")
	}
	tied := []float64{0, 0, 0, 1, 1, 2}
	if z := statistic(tied, tied, 0, true); z != 0 {
		t.Errorf("the same values differ by %v", z)
	}
}

// minutes makes a judge's windows: every minute the same.
func observe(j Judge, minutes int, canary, base func(minute int) world.Group) int {
	for t := range minutes * world.Minute {
		s := world.Sample{Canary: canary(t / world.Minute), Baseline: base(t / world.Minute)}
		s.Fresh = s.Baseline
		if j.Observe(s) {
			return t
		}
	}
	return -1
}

func group(n, failed, bucket int) world.Group {
	g := world.Group{Requests: n, Failed: failed, Durations: make([]int, 352)}
	g.Durations[bucket-world.LowestBucket] = n
	return g
}

func TestJudgesDecideByTheirRules(t *testing.T) {
	steady := func(int) world.Group { return group(100, 1, -53) } // about 100 ms
	history := []Minute{{Requests: 1200, Failed: .01, Median: .1, Tail: .1}, {Requests: 1200, Failed: .012, Median: .12, Tail: .12}}
	for _, c := range []struct {
		judge  string
		canary func(minute int) world.Group
		want   int // window
	}{
		{"Kayenta", steady, -1},
		{"Kayenta", func(m int) world.Group { return group(100, 5+m%3, -53) }, 5*world.Minute - 1},
		{"Flagger", steady, -1},
		{"Flagger", func(int) world.Group { return group(100, 2, -53) }, 5*world.Minute - 1},
		{"Flagger", func(m int) world.Group { return group(100, 2*(m%2), -53) }, 10*world.Minute - 1},
		{"Flagger", func(int) world.Group { return group(100, 0, -15) }, 5*world.Minute - 1}, // above 500 ms
		{"Argo", func(int) world.Group { return group(100, 4, -53) }, -1},
		{"Argo", func(int) world.Group { return group(100, 6, -53) }, 4*world.Minute - 1},
		{"z peeked", steady, -1},
		{"z peeked", func(int) world.Group { return group(100, 50, -53) }, 0},
		{"3 sigma", steady, -1},
		{"3 sigma", func(int) world.Group { return group(100, 3, -53) }, 2*world.Minute - 1},
	} {
		for _, m := range All() {
			if m.Name != c.judge {
				continue
			}
			if got := observe(m.New(history), 12, c.canary, steady); got != c.want {
				t.Errorf("%s: decided in window %d, want %d", c.judge, got, c.want)
			}
		}
	}
}
