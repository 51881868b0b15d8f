package stat

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Reference values: Python's math and statistics modules, with
//
//	f = exp(lgamma((n+1)/2)-lgamma(n/2))/(n*pi)**.5*(1+z*z/n)**(-(n+1)/2); g = 2/(pi*3)/(1+z*z/9)
//	log((f+g)/2/f)
//	median((y[j]-y[i])/(j-i) for i<j)
//	(sum((x-mean(d))**2 for x in d)/6/2)**.5 with d the successive differences
func TestLevelsAgainstReference(t *testing.T) {
	for _, c := range []struct{ z, nu, want float64 }{
		{0, 8, -0.6931471805599453}, {5, 8, 3.7660665081891813}, {20, 8, 12.583492920256726}, {-3, 2, -0.6931471805599453}, {17, 3, 4.419996108626728},
	} {
		if got := StudentShift(c.z, c.nu); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("StudentShift(%v, %v) = %v, want %v", c.z, c.nu, got, c.want)
		}
	}
	y := []float64{3, 1, 4, 1, 5, 9, 2, 6}
	if got, _ := TheilSen(y, nil); math.Abs(got-0.4642857142857143) > 1e-12 {
		t.Errorf("TheilSen = %v, want 0.464286", got)
	}
	if got := Roughness(y); math.Abs(got-3.132015933791495) > 1e-12 {
		t.Errorf("Roughness = %v, want 3.132016", got)
	}
}

// The mean of the e-value over Student's distribution is one: groups of normal
// instances, of which some are called the candidate.
func TestStudentShiftIsAnEValue(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	const runs, candidates, references = 40000, 2, 9
	over := map[float64]int{}
	for range runs {
		var c, r, ss float64
		v := make([]float64, references)
		for k := range v {
			v[k] = rng.NormFloat64()
			r += v[k] / references
		}
		for range candidates {
			c += rng.NormFloat64() / candidates
		}
		for _, x := range v {
			ss += (x - r) * (x - r)
		}
		s := math.Sqrt(ss / (references - 1))
		e := math.Exp(StudentShift((c-r)/s/math.Sqrt(1./candidates+1./references), references-1))
		for _, a := range []float64{10, 100, 1000} {
			if e >= a {
				over[a]++
			}
		}
	}
	for a, n := range over {
		// Markov's bound, and three deviations of the count.
		if limit := runs/a + 3*math.Sqrt(runs/a); float64(n) > limit {
			t.Errorf("e-values of %v or more in %d of %d runs; want %.0f at most", a, n, runs, limit)
		}
	}
}

func TestStudentShiftGrowsWithTheShift(t *testing.T) {
	last := math.Inf(-1)
	for z := 1.; z < 1e4; z *= 1.1 {
		e := StudentShift(z, 8)
		if e < last {
			t.Fatalf("StudentShift(%v, 8) = %v, less than %v before", z, e, last)
		}
		last = e
	}
	if e := StudentShift(math.NaN(), 0); math.IsNaN(e) || e > 0 {
		t.Errorf("StudentShift(NaN) = %v; want no evidence", e)
	}
}

func TestTrendsIgnoreWhatTheyShould(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	var y, shifted []float64
	for k := range 20 {
		v := rng.NormFloat64() + float64(2*k)
		y = append(y, v)
		shifted = append(shifted, v+100)
	}
	a, buf := TheilSen(y, nil)
	b, _ := TheilSen(shifted, buf)
	if math.Abs(a-b) > 1e-9 || math.Abs(a-2) > .2 {
		t.Errorf("slopes %v and %v; want both near 2, whatever the level", a, b)
	}
	wild := slices.Clone(y)
	wild[3], wild[11] = 1e6, -1e6
	if c, _ := TheilSen(wild, nil); math.Abs(c-2) > .5 {
		t.Errorf("slope %v with two wild points; want near 2", c)
	}
	flat := slices.Clone(y)
	for k := range flat {
		flat[k] -= float64(2 * k)
	}
	if a, b := Roughness(y), Roughness(flat); math.Abs(a-b) > 1e-9 || math.Abs(a-1) > .4 {
		t.Errorf("noise %v with the trend, %v without; want both near 1", a, b)
	}
}
