package world

import (
	"math"
	"math/rand/v2"
)

// poisson draws a Poisson number: by multiplication for small means (Knuth
// 1969), by transformed rejection for large ones (Hörmann 1993, PTRS).
func poisson(r *rand.Rand, mean float64) int {
	switch {
	case !(mean > 0):
		return 0
	case mean < 12:
		k, p, floor := 0, r.Float64(), math.Exp(-mean)
		for p > floor {
			k++
			p *= r.Float64()
		}
		return k
	}
	b := .931 + 2.53*math.Sqrt(mean)
	a := -.059 + .02483*b
	inverse, accept := 1.1239+1.1328/(b-3.4), .9277-3.6224/(b-2)
	for {
		u, v := r.Float64()-.5, r.Float64()
		us := .5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mean + .43)
		if us >= .07 && v <= accept {
			return int(k)
		}
		if k < 0 || us < .013 && v > us {
			continue
		}
		lg, _ := math.Lgamma(k + 1)
		if math.Log(v)+math.Log(inverse)-math.Log(a/(us*us)+b) <= k*math.Log(mean)-mean-lg {
			return int(k)
		}
	}
}

// binomial draws how many of n happen with probability p: by skipping from one
// to the next (Devroye 1986), which is fast where they are rare.
func binomial(r *rand.Rand, n int, p float64) int {
	switch {
	case n <= 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	case p > .5:
		return n - binomial(r, n, 1-p)
	}
	k, at, log1p := 0, 0.0, math.Log1p(-p)
	for {
		at += math.Floor(math.Log(1-r.Float64())/log1p) + 1
		if at > float64(n) {
			return k
		}
		k++
	}
}

// geometric draws the size of a cluster with the given mean, at least 1.
func geometric(r *rand.Rand, mean float64) int {
	if mean <= 1 {
		return 1
	}
	return 1 + int(math.Log(1-r.Float64())/math.Log1p(-1/mean))
}

// lognormal draws a factor of mean 1 whose logarithm has deviation sd.
func lognormal(r *rand.Rand, sd float64) float64 {
	if sd == 0 {
		return 1
	}
	return math.Exp(sd*r.NormFloat64() - sd*sd/2)
}

// drift is an autoregressive process of first order, of unit variance, with a
// correlation time of a minute.
type drift float64

var (
	driftKeep = math.Exp(-1.0 / Minute)
	driftNew  = math.Sqrt(1 - driftKeep*driftKeep)
)

func (d *drift) step(r *rand.Rand) float64 {
	*d = drift(driftKeep*float64(*d) + driftNew*r.NormFloat64())
	return float64(*d)
}

// factor is the mean-corrected factor of a log rate that drifts with deviation sd.
func (d *drift) factor(r *rand.Rand, sd float64) float64 {
	if sd == 0 {
		return 1
	}
	return math.Exp(sd*d.step(r) - sd*sd/2)
}
