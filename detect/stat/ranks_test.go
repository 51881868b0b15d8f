package stat

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestWorseIsTheIntegral(t *testing.T) {
	for _, p := range [][]float64{{1, 1, 1}, {.5, 1, .3}, {.02, .03, .05}, slices.Repeat([]float64{.05}, 20), slices.Repeat([]float64{.001}, 240)} {
		const steps = 200000
		r, logs := Ranks{p: p}, make([]float64, steps)
		for k := range logs {
			kappa := (float64(k) + .5) / steps
			logs[k] = float64(len(p)) * math.Log(kappa)
			for _, x := range p {
				logs[k] += (kappa - 1) * math.Log(x)
			}
		}
		if got, want := r.worse(0), LogSumExp(logs)-math.Log(steps); math.Abs(got-want) > 1e-3 {
			t.Errorf("%d points %.3f…: %v; want %v", len(p), p[0], got, want)
		}
	}
}

// Where points come in a random order, the evidence has an expectation of one at
// most, whatever their distribution, and with ties.
func TestRanksPromiseNoMoreThanOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() float64{
		"normal": rng.NormFloat64,
		"heavy":  func() float64 { return math.Exp(3 * rng.NormFloat64()) },
		"ties":   func() float64 { return float64(rng.IntN(3)) },
	} {
		const runs = 20000
		now, late := 0.0, 0.0
		for range runs {
			var o Order
			var r Ranks
			for range 8 {
				o.Keep(draw())
			}
			for k := range 6 {
				r.Meet(k*slotWidth, &o, draw())
			}
			now, late = now+math.Exp(r.Since(0)), late+math.Exp(r.Late(0))
		}
		if now/runs > 1.1 || late/runs > 1.1 {
			t.Errorf("%s: mean evidence %.3f, late %.3f; want 1 at most", name, now/runs, late/runs)
		}
	}
}

func TestRanksTellFewPointsFromMany(t *testing.T) {
	var o, same Order
	for k := range 60 {
		o.Keep(float64(k % 7))
		same.Keep(1)
	}
	var worse, usual Ranks
	for k := range 3 {
		worse.Meet(k, &o, 100+float64(k))
		usual.Meet(k, &same, 1)
	}
	ways := math.Log(63 * 62 * 61 / 6)
	if e := worse.Since(0); e < ways-4.5 || e > ways {
		t.Errorf("three points worse than sixty: %.2f; want nearly %.2f", e, ways)
	}
	if e := usual.Since(0); e >= 0 || e < -3 {
		t.Errorf("three points that are no worse than any: %.2f", e)
	}
	if e := worse.Since(3); e != 0 || worse.Points() != 3 {
		t.Errorf("%.2f of no points, %d points", e, worse.Points())
	}
}

func TestLateHarmCostsLittle(t *testing.T) {
	var o Order
	for k := range 40 {
		o.Keep(float64(k))
	}
	var r Ranks
	for k := range 16 {
		x := 0.0
		if k >= 4 {
			x = 100
		}
		r.Meet(k*slotWidth, &o, x)
	}
	if late, all := r.Late(0), r.Since(0); late < all || late < r.Since(4*slotWidth)-5 {
		t.Errorf("late %.2f, of all points %.2f, of the bad ones %.2f", late, all, r.Since(4*slotWidth))
	}
}
