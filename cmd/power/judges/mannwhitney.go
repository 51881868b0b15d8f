package judges

import (
	"math"
	"slices"
)

// Confidence and tolerance that Kayenta's judge hands to its classifier.
const (
	confidence = .98
	quantile98 = 2.3263478740408408 // of the normal distribution at 1 − (1−.98)/2
	tolerance  = .25                // of the estimated shift
	rootWithin = 1e-4               // at which the judge's root finder stops
)

// High says that the classifier of Kayenta's NetflixACAJudge would call the
// candidate's values higher: the 98 % confidence interval of their shift lies
// above a quarter of the estimated shift's size. (The tolerance is relative to
// the shift itself; kayenta-judge/…/MannWhitneyClassifier.scala.)
func High(candidate, baseline []float64) bool {
	lower, estimate, ok := Shift(candidate, baseline)
	return ok && lower > tolerance*math.Abs(estimate)
}

// Shift gives the lower end of the two-sided 98 % confidence interval of the
// location shift of x against y, and the estimated shift, both by inverting the
// Mann–Whitney test in its normal approximation with corrections for ties and
// continuity (Hollander and Wolfe 1973; R's wilcox.test with conf.int, of which
// the judge is a port). false if all values are equal.
func Shift(x, y []float64) (lower, estimate float64, ok bool) {
	lo, hi := slices.Min(x)-slices.Max(y), slices.Max(x)-slices.Min(y)
	if hi-lo <= 0 {
		return 0, 0, false
	}
	return root(lo, hi, func(d float64) float64 { return statistic(x, y, d, true) - quantile98 }),
		root(lo, hi, func(d float64) float64 { return statistic(x, y, d, false) }), true
}

// root finds where the falling function f crosses zero between lo and hi: the
// lower end of the last interval. Of tied values, such as minutes without a
// failure, f jumps at zero, and either end would do for the judge's own root
// finder; this one is the judge's benefit of the doubt.
func root(lo, hi float64, f func(float64) float64) float64 {
	if f(lo) <= 0 {
		return lo
	}
	if f(hi) >= 0 {
		return hi
	}
	for hi-lo > rootWithin {
		middle := (lo + hi) / 2
		if f(middle) > 0 {
			lo = middle
		} else {
			hi = middle
		}
	}
	return lo
}

// statistic is the standardised rank sum of x − d among y.
func statistic(x, y []float64, d float64, correct bool) float64 {
	nx, ny := float64(len(x)), float64(len(y))
	all := make([]float64, 0, len(x)+len(y))
	for _, v := range x {
		all = append(all, v-d)
	}
	all = append(all, y...)
	slices.Sort(all)
	ranks, ties := 0.0, 0.0
	for _, v := range x {
		first, _ := slices.BinarySearch(all, v-d)
		last := first
		for last < len(all) && all[last] == v-d {
			last++
		}
		ranks += float64(first+last+1) / 2
	}
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j] == all[i] {
			j++
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	z := ranks - nx*(nx+1)/2 - nx*ny/2
	sd := math.Sqrt(nx * ny / 12 * (nx + ny + 1 - ties/((nx+ny)*(nx+ny-1))))
	if sd == 0 {
		return 0
	}
	if correct && z != 0 {
		z -= math.Copysign(.5, z)
	}
	return z / sd
}
