package stat

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"
)

// environment describes a simulated healthy service in windows of 5 s.
type environment struct {
	n, p      float64 // requests of an instance and window, rate of bad ones
	cluster   float64 // mean size of the geometric clusters in which they come; 0: 1
	podSD     float64 // of log rates between instances, for good
	podAR     float64 // of log rates of one instance, correlated over a minute
	sharedAR  float64 // of log rates of all instances
	outages   float64 // of all instances in half an hour, 5 to 30 %
	incidents float64 // of one instance in an hour, 30 %
}

func environments() map[string]environment {
	return map[string]environment{
		"S0 independent": {n: 100, p: .005},
		"S1 clusters":    {n: 100, p: .005, cluster: 4},
		"S4 correlated":  {n: 100, p: .005, podAR: .5},
		"S5 incidents":   {n: 100, p: .005, incidents: 1},
		"S6 mixed":       {n: 100, p: .005, cluster: 2, podSD: .15, podAR: .3, sharedAR: .3, outages: 1, incidents: .3},
	}
}

// random draws; the same seed gives the same draws.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 2026))} }

func (r random) poisson(mean float64) int {
	if mean <= 0 {
		return 0
	}
	return int(distuv.Poisson{Lambda: mean, Src: r}.Rand())
}

// scattered draws a count with variance phi times its mean.
func (r random) scattered(mean, phi float64) int {
	if phi > 1 {
		mean = distuv.Gamma{Alpha: mean / (phi - 1), Beta: 1 / (phi - 1), Src: r}.Rand()
	}
	return r.poisson(mean)
}

func (r random) binomial(n int, p float64) int {
	return int(distuv.Binomial{N: float64(n), P: p, Src: r}.Rand())
}

// autoregressive gives correlated standard normal values, correlation time 12 windows.
func (r random) autoregressive(windows int) []float64 {
	rho := math.Exp(-1.0 / 12)
	g, out := r.NormFloat64(), make([]float64, windows)
	for w := range out {
		g = rho*g + math.Sqrt(1-rho*rho)*r.NormFloat64()
		out[w] = g
	}
	return out
}

// bursts marks count episodes of length windows each with the levels they reach.
func (r random) bursts(windows int, mean float64, length func() int, level func() float64) []float64 {
	out := make([]float64, windows)
	for range r.poisson(mean) {
		from, l := r.IntN(windows), level()
		for w := from; w < min(windows, from+length()); w++ {
			out[w] = l
		}
	}
	return out
}

// run gives one stretch of a service's life; the first instance has extra
// failures with the given probability.
func (e environment) run(r random, instances, windows int, extra float64) Cells {
	c := Cells{N: make([][]int32, instances), Y: make([][]int32, instances)}
	shared := r.autoregressive(windows)
	outage := r.bursts(windows, e.outages*float64(windows)/360, func() int { return 2 + r.IntN(10) },
		func() float64 { return .05 + .25*r.Float64() })
	for i := range instances {
		own := r.autoregressive(windows)
		incident := r.bursts(windows, e.incidents*float64(windows)/720, func() int { return 2 + r.IntN(3) },
			func() float64 { return .3 })
		rate := e.p * math.Exp(e.podSD*r.NormFloat64()-e.podSD*e.podSD/2)
		c.N[i], c.Y[i] = make([]int32, windows), make([]int32, windows)
		for w := range windows {
			n := r.poisson(e.n)
			q := rate * math.Exp(e.podAR*own[w]-e.podAR*e.podAR/2+e.sharedAR*shared[w]-e.sharedAR*e.sharedAR/2)
			bad := r.clusters(float64(n)*q, e.cluster) + r.poisson(float64(n)*(outage[w]+incident[w]))
			if i == 0 {
				bad += r.poisson(float64(n) * extra)
			}
			c.N[i][w], c.Y[i][w] = int32(n), int32(min(n, bad))
		}
	}
	return c
}

// clusters draws a count that comes in geometric clusters of the mean size.
func (r random) clusters(mean, size float64) (n int) {
	if size <= 1 {
		return r.poisson(mean)
	}
	for range r.poisson(mean / size) {
		n += 1 + int(math.Log(1-r.Float64())/math.Log(1-1/size))
	}
	return n
}

// table sums one window into a table: the first k instances are the candidate.
func table(c *Calibration, cells Cells, k, w int) (t Table) {
	for i := range cells.N {
		n := int(cells.N[i][w])
		y := c.Winsor(0, n, int(cells.Y[i][w]), 0)
		if i < k {
			t.NC, t.XC = t.NC+n, t.XC+y
		} else {
			t.NB, t.XB = t.NB+n, t.XB+y
		}
	}
	return t
}

// noise gives a calibration of instances that scatter by phi and do not differ.
func noise(phi float64) *Calibration {
	c := &Calibration{noRate: noRate}
	for range blockCount {
		c.PhiS = append(c.PhiS, phi)
	}
	return c
}

// lcg is a sequence that the independent program of the reference numbers draws too.
type lcg uint32

func (l *lcg) n(k int) int {
	*l = *l*1664525 + 1013904223
	return int(uint32(*l)>>8) % k
}

func near(got, want, tolerance float64) bool {
	return got == want || math.Abs(got-want) <= tolerance*math.Max(1, math.Abs(want))
}
