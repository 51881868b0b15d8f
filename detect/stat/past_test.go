package stat

import (
	"math"
	"testing"
)

// pastOf pools that many histories of half an hour.
func pastOf(e environment, seed uint64, histories int) *Past {
	var p Past
	for k := range histories {
		p.Add(Calibrate([]Cells{e.run(newRandom(seed+uint64(k)), 8, 360, 0)}, nil))
	}
	return &p
}

func TestAPastOfNothingChangesNothing(t *testing.T) {
	cells := []Cells{environments()["S6 mixed"].run(newRandom(1), 8, 360, 0)}
	a, b := Calibrate(cells, nil), Calibrate(cells, &Prior{Past: &Past{}})
	if !sameFloats(a.PhiS, b.PhiS) || a.Tau2 != b.Tau2 || a.LongestRun != b.LongestRun {
		t.Errorf("with an empty past %+v, without %+v", b, a)
	}
}

// Histories that are remembered count as if they had been calibrated with the present one.
func TestAPastCountsForWhatItSaw(t *testing.T) {
	one := []Cells{environments()["S1 clusters"].run(newRandom(1), 8, 360, 0)}
	var p Past
	p.Add(Calibrate(one, nil))
	alone, twice := Calibrate(one, nil), Calibrate(one, &Prior{Past: &p})
	for i := range alone.DF {
		if !near(twice.DF[i], 2*alone.DF[i], 1e-9) || !near(twice.Chi2[i], 2*alone.Chi2[i], 1e-9) {
			t.Errorf("scale %d: χ² %v of %v, alone %v of %v; want twice as much", i, twice.Chi2[i], twice.DF[i], alone.Chi2[i], alone.DF[i])
		}
	}
	var again Past
	again.Add(twice)
	if !sameFloats(again.DF, p.DF) {
		t.Errorf("what the past added is remembered again: %v, want %v", again.DF, p.DF)
	}
	p.Forget(.5)
	if half := Calibrate(one, &Prior{Past: &p}); !near(half.DF[0], 1.5*alone.DF[0], 1e-9) {
		t.Errorf("half forgotten: %v degrees of freedom, alone %v", half.DF[0], alone.DF[0])
	}
}

// Geometric clusters of mean four have dispersion 2·4−1 = 7 before clipping,
// some 4 after. The present history knows that to a third, a day to some per cent.
func TestAPastMakesTheDispersionKnown(t *testing.T) {
	for name, e := range environments() {
		past := pastOf(e, 100, 48)
		truth := pastOf(e, 1000, 200)
		want := math.Inf(-1)
		for i, b := range blockLengths() {
			if b <= 128 { // longer ones also show what differs for good
				want = math.Max(want, truth.Chi2[i]/truth.DF[i])
			}
		}
		far, near := 0.0, 0.0
		for seed := range uint64(20) {
			cells := []Cells{e.run(newRandom(seed), 8, 360, 0)}
			far = math.Max(far, Calibrate(cells, nil).Phi(128)/want)
			near = math.Max(near, Calibrate(cells, &Prior{Past: past}).Phi(128)/want)
		}
		if near > 1.25 || near > far {
			t.Errorf("%s: φ is at most %.2f of the true %.2f with a day's past, %.2f without; want 1.25 or less", name, near, want, far)
		}
	}
}

// What is said of the instances' differences keeps its sign until it is pooled:
// noise around nothing averages to nothing.
func TestEqualInstancesAreKnownToBeEqual(t *testing.T) {
	past := pastOf(environment{n: 100, p: .005}, 1, 48)
	if tau := math.Max(0, past.TauSum) / past.TauWeight; tau > .002 {
		t.Errorf("equal instances: variance %v after a day, want none", tau)
	}
	differ := pastOf(environment{n: 100, p: .005, podSD: .3}, 1, 48)
	if tau := math.Sqrt(differ.TauSum / differ.TauWeight); tau < .22 || tau > .36 {
		t.Errorf("instances that differ by .3: %v after a day", tau)
	}
}
