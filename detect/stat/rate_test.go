package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Where few of few are seen, the limit solves P(at most x of n) = .05 in closed form.
func TestRateUpperIsClopperAndPearsons(t *testing.T) {
	for _, c := range []struct {
		x, n uint64
		want float64
	}{
		{0, 0, 1},
		{0, 1, .95},
		{0, 100, 1 - math.Pow(.05, 1.0/100)},
		{0, 2995, 1 - math.Pow(.05, 1.0/2995)},
		{5, 5, 1},
		{1, 2, math.Sqrt(.95)}, // P(at most 1 of 2) = 1 − p² = .05
		{2, 3, math.Cbrt(.95)},
		{1, 20, .2161}, // this and the next by another program, from binomial coefficients
		{5, 50, .198833},
	} {
		if got := RateUpper(c.x, c.n, .05); math.Abs(got-c.want) > 5e-5 {
			t.Errorf("RateUpper(%d, %d) = %v, want %v", c.x, c.n, got, c.want)
		}
	}
}

func TestRateUpperCoversAtOneMoment(t *testing.T) {
	for _, n := range []uint64{10, 300, 3000} {
		for _, x := range []uint64{0, 1, 3, 9} {
			p := RateUpper(x, n, .05)
			if x >= n {
				continue
			}
			sum := 0.0
			for k := range x + 1 {
				sum += math.Exp(logChoose(n, k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
			}
			if math.Abs(sum-.05) > 1e-6 {
				t.Errorf("at the limit %v of %d in %d, P(at most %d) = %v, want .05", p, x, n, x, sum)
			}
		}
	}
}

func logChoose(n, k uint64) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// The lower limit is looked at after every trial: it may ever exceed the truth
// in 5 % of the runs.
func TestRateLowerIsValidAtEveryMoment(t *testing.T) {
	const runs = 1000
	for _, p := range []float64{.001, .01, .2} {
		r := rand.New(rand.NewPCG(7, uint64(p*1e6)))
		wrong := 0
		for range runs {
			x := uint64(0)
			for n := range uint64(60 / p) {
				if r.Float64() >= p {
					continue // the limit only rises with an event
				}
				if x++; RateLower(x, n+1, .05) > p {
					wrong++
					break
				}
			}
		}
		if share := float64(wrong) / runs; share > .05+3*math.Sqrt(.05*.95/runs) {
			t.Errorf("at a rate of %v the limit exceeds it in %.3f of the runs, want at most .05", p, share)
		}
	}
}

func TestRateLowerFindsWhatIsThere(t *testing.T) {
	for _, c := range []struct {
		x, n   uint64
		lo, hi float64
	}{
		{0, 1000, 0, 0},
		{2, 4, .01, .5},
		{30, 100, .15, .30},
		{300, 1000, .24, .30},
	} {
		if got := RateLower(c.x, c.n, .05); got < c.lo || got > c.hi {
			t.Errorf("RateLower(%d, %d) = %v, want from %v to %v", c.x, c.n, got, c.lo, c.hi)
		}
	}
	for x := uint64(1); x < 40; x++ {
		if a, b := RateLower(x, 40, .05), RateLower(x+1, 40, .05); a >= b {
			t.Errorf("the limit does not rise with the events: %v for %d, %v for %d", a, x, b, x+1)
		}
		if a, b := RateLower(x, 40, .05), RateLower(x, 41, .05); a <= b {
			t.Errorf("the limit does not fall with the trials: %v for 40, %v for 41", a, b)
		}
	}
}
