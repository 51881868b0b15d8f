package stat

import (
	"math"
	"testing"
)

// What comes in bursts may come again right after a release: no evidence,
// whichever part of a burst the release meets. What lasts much longer than any
// burst is.
func TestBurstsOfThePastMayComeAgain(t *testing.T) {
	for _, c := range []struct {
		name    string
		windows int // of the burst after the release
		raised  bool
	}{{"as long", 24, false}, {"half as long", 12, false}, {"for ever", 300, true}} {
		r, o := newRandom(8), ShiftOptions{}
		rate := func(burst bool) float64 {
			if burst {
				return 6
			}
			return .5
		}
		for w := range 360 {
			o.PreX, o.PreN = append(o.PreX, float64(r.poisson(rate(w%180 < 24)))), append(o.PreN, 100)
		}
		s, e := NewShift(o), NewShiftRelease(.02, 0)
		top := 0.0
		for w := range 120 {
			s.Add(float64(r.poisson(rate(w < c.windows))), 100, .15)
			top = math.Max(top, e.Step([]float64{.2}, []float64{s.LogA()}, []float64{s.LogB()}))
		}
		if raised := top >= math.Log(100); raised != c.raised {
			t.Errorf("a burst %s as those before: evidence %.1f at most; want raised: %v", c.name, top, c.raised)
		}
	}
}

func TestUnrest(t *testing.T) {
	for _, c := range []struct {
		name        string
		rate        func(w int) float64
		phi         float64
		least, most float64
	}{
		{"independent", func(int) float64 { return 5 }, 1, 1, 2.5},
		{"in clusters", func(int) float64 { return 5 }, 4, 3, 7},
		{"a change of level", func(w int) float64 { return map[bool]float64{true: 20, false: 5}[w > 180] }, 1, 1, 3},
		{"a slow wave", func(w int) float64 { return 5 * (1 + .5*math.Sin(float64(w)/60)) }, 1, 1, 3.5},
		{"rare", func(int) float64 { return .05 }, 1, 1, 3},
	} {
		for seed := range uint64(20) {
			r := newRandom(seed)
			x, e := make([]float64, 360), make([]float64, 360)
			for w := range x {
				x[w], e[w] = float64(r.scattered(c.rate(w), c.phi)), 5
			}
			if phi := Unrest(x, e, 1.5); phi < c.least || phi > c.most {
				t.Errorf("%s, seed %d: unrest %.2f; want %v to %v", c.name, seed, phi, c.least, c.most)
			}
		}
	}
	if phi := Unrest(nil, nil, 1.5); phi != 1.5 {
		t.Errorf("of nothing %v; want the prior", phi)
	}
	if phi := Unrest(make([]float64, 9), []float64{1, 1, 1, 1, 1, 1, 1, 1, 1}, .5); phi != 1 {
		t.Errorf("without counts %v; want 1", phi)
	}
}
