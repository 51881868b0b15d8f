package stat

import (
	"math"
	"slices"
)

// shiftScale is the size of shifts that [StudentShift] looks for, in standard errors.
const shiftScale = 3.0

// StudentShift is the log of the e-value that a standardised difference z lies
// above what chance gives: (f(z) + g(z))/2f(z) with f the density of Student's t
// with nu degrees of freedom and g that of the positive half of Cauchy's
// distribution with scale 3, 0 below 0.
//
// Null hypothesis: z has Student's distribution, as the difference of a
// candidate's mean from a reference's over its estimated standard error has
// when instances are normal (Student 1908), or one that is lower. Its mean is
// then exactly 1, since (f+g)/2 is a density; the heavy-tailed alternative is
// Jeffreys' (1961, section 5.2). It grows like z^(nu−1), without bound, and is
// never below log(1/2). NaN counts as 0, nu below 2 as 2. Cost: 100 ns.
func StudentShift(z, nu float64) float64 {
	if math.IsNaN(z) || z <= 0 {
		return -math.Ln2
	}
	nu = math.Max(2, nu)
	a, _ := math.Lgamma((nu + 1) / 2)
	b, _ := math.Lgamma(nu / 2)
	logF := a - b - math.Log(nu*math.Pi)/2 - float64((nu+1)/2*math.Log1p(z*z/nu))
	logG := math.Log(2/(math.Pi*shiftScale)) - math.Log1p(z*z/(shiftScale*shiftScale))
	return LogAdd(0, logG-logF) - math.Ln2
}

// TheilSen is the median of the slopes between all pairs of points with equal
// spacing (Theil 1950; Sen 1968), by step; 0 with fewer than two points. Up to
// three in ten points may be anything. buf is used and returned grown, so that
// repeated calls allocate nothing. Cost: n² for n points.
func TheilSen(y, buf []float64) (slope float64, out []float64) {
	buf = buf[:0]
	for i := range y {
		for j := i + 1; j < len(y); j++ {
			buf = append(buf, (y[j]-y[i])/float64(j-i))
		}
	}
	if len(buf) == 0 {
		return 0, buf
	}
	slices.Sort(buf)
	k := len(buf)
	return (buf[(k-1)/2] + buf[k/2]) / 2, buf
}

// Roughness is the standard deviation of the noise around a straight line, from
// successive differences: √(Σ(Δ−Δ̄)²/(n−2)/2) with n−1 differences Δ of n points
// (von Neumann et al. 1941). A trend does not count. 0 with fewer than three points.
func Roughness(y []float64) float64 {
	n := len(y)
	if n < 3 {
		return 0
	}
	mean, sum := (y[n-1]-y[0])/float64(n-1), 0.0
	for k := 1; k < n; k++ {
		d := y[k] - y[k-1] - mean
		sum += float64(d * d)
	}
	return math.Sqrt(sum / float64(n-2) / 2)
}
