package stat

import "testing"

func TestScatter(t *testing.T) {
	r := newRandom(4)
	counts := func(mean func(k int) float64) (x, e []float64) {
		for k := range 360 {
			x, e = append(x, float64(r.scattered(mean(k), 1.0001))), append(e, 7) // exposures need no scale
		}
		return x, e
	}
	if phi := Scatter(counts(func(int) float64 { return 20 })); phi < 1 || phi > 3.5 {
		t.Errorf("independent counts: %v; want little above 1", phi)
	}
	if phi := Scatter(counts(func(k int) float64 { return 10 + 20*float64(k/60%2) })); phi < 100 {
		t.Errorf("every other five minutes: %v; want the wandering of blocks of five minutes", phi)
	}
	// By hand, blocks of one and of two windows: (4+4+4+4+4+4)/(2·5)·(1+√.4), 0 for pairs.
	if phi := Scatter([]float64{4, 0, 4, 0, 4, 0}, []float64{1, 1, 1, 1, 1, 1}); !near(phi, 12./5*1.6324555320336759, 1e-12) {
		t.Errorf("alternating: %v", phi)
	}
	for _, x := range [][]float64{nil, {1, 2}, {0, 0, 0, 0, 0, 0}} {
		if phi := Scatter(x, []float64{1, 1, 1, 1, 1, 1}); phi != 1 {
			t.Errorf("%v: %v; want 1", x, phi)
		}
	}
}

// A fall is to Fall what a rise is without it.
func TestShiftFindsFalls(t *testing.T) {
	for _, c := range []struct {
		after float64
		found bool
	}{{500, false}, {800, false}, {350, false}, {20, true}, {0, true}} {
		r, o := newRandom(5), ShiftOptions{Fall: true, Grid: Grid(2, 300, 8), Phi: 3}
		for range 120 {
			o.PreX, o.PreN = append(o.PreX, float64(r.scattered(500, 2))), append(o.PreN, 500)
		}
		s, e := NewShift(o), NewShiftRelease(.02, 0)
		for range 40 {
			x := 0.0
			if c.after > 0 {
				x = float64(r.scattered(c.after, 2))
			}
			s.Add(x, 500, .3)
			e.Step([]float64{.01}, []float64{s.LogA()}, []float64{s.LogB()})
		}
		if found := e.LogE() >= 4.6; found != c.found {
			t.Errorf("from 500 to %v: log E %.1f, log A %.1f, log B %.1f", c.after, e.LogE(), s.LogA(), s.LogB())
		}
	}
}
