package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Reference values: Python's math module, with thirds' means a, b, c of the last nine points,
// f = b-a, g = c-b, r = exp(-3/5) or 20/(20+g), d = 1 or 1+f/(20+g),
//
//	g-r*f, sqrt((d*d+(d+r)**2+r*r)/3)
func TestGrowthAgainstReference(t *testing.T) {
	g, ok := GrowthOf([]float64{99, 0, 1, 3, 4, 6, 7, 9, 10, 12})
	if !ok {
		t.Fatal("no growth; want some")
	}
	excess, deviation := g.Slowing(5)
	if math.Abs(excess-2.288482910259219) > 1e-12 || math.Abs(deviation-1.1105571718755196) > 1e-12 {
		t.Errorf("Slowing: %v, %v; want 2.2885, 1.1106", excess, deviation)
	}
	excess, deviation = g.Filling(20 + 31./3)
	if math.Abs(excess-1.1531531531531534) > 1e-12 || math.Abs(deviation-1.4125338965014334) > 1e-12 {
		t.Errorf("Filling: %v, %v; want 1.1532, 1.4125", excess, deviation)
	}
	for _, y := range [][]float64{{1, 2}, {3, 2, 1}, {1, 2, 2}, nil} {
		if g, ok := GrowthOf(y); ok {
			t.Errorf("growth of %v is %+v; want none", y, g)
		}
	}
}

// What slows down as fast as is granted, or ends where the room does, exceeds it by
// nothing in the mean and seldom by three deviations; a leak exceeds both.
func TestGrowthThatEndsIsNoLeak(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	const runs, points, settling, noise = 20000, 12, 5.0, .5
	course := func(at func(k float64) float64) (Growth, bool) {
		y := make([]float64, points)
		for k := range y {
			y[k] = at(float64(k)) + noise*rng.NormFloat64()
		}
		return GrowthOf(y)
	}
	beyond := func(x, d float64) bool { return x > 3*noise*d }
	slows, fills, leakSlows, leakFills := 0, 0, 0, 0
	for range runs {
		if g, ok := course(func(k float64) float64 { return 100 * (1 - math.Exp(-k/settling)) }); ok {
			if beyond(g.Slowing(settling)) {
				slows++
			}
			if beyond(g.Filling(100)) {
				fills++
			}
		}
		if g, ok := course(func(k float64) float64 { return 3 * k }); ok {
			if beyond(g.Slowing(settling)) {
				leakSlows++
			}
			if beyond(g.Filling(60)) {
				leakFills++
			}
		}
	}
	// A normal variable exceeds three deviations in .00135 of runs.
	if slows > runs/400 || fills > runs/400 {
		t.Errorf("of %d courses that end %d do not slow down, %d fill more than the room", runs, slows, fills)
	}
	if leakSlows < runs*9/10 || leakFills < runs*5/10 {
		t.Errorf("of %d leaks %d do not slow down, %d fill the room", runs, leakSlows, leakFills)
	}
}
