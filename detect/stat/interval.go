package stat

import "math"

// IntervalOptions describes the noise of an [Interval].
type IntervalOptions struct {
	Phi float64 // dispersion, [Calibration.MaxPhi]; 1 at least
	// SD widens the interval from the odds ratio of these instances to that of
	// the versions: [Calibration.Sigma0]. 0: these instances.
	SD float64
}

const intervalSide = 40 // grid points on each side of an odds ratio of 1

// Interval is a confidence sequence for the odds ratio candidate : baseline,
// common to all strata: P(the true ratio is ever outside) ≤ 1 − level.
//
// It inverts tests: a ratio ρ is excluded from below when the mean over the
// grid's ratios above ρ of exp((ℓ(ψ)−ℓ(ρ))/φ) reaches 2/(1−level), where ℓ is
// the conditional log likelihood ([ConditionalLLR]); from above likewise
// (Robbins 1970; Darling and Robbins 1967). The grid has 81 ratios from 1/1000
// to 1000, three per cent apart near 1 and twofold at the ends; bounds between
// its points err to the outside. With SD, half of 1 − level pays for a normal
// difference between instances. Cost: Add 8 µs, nothing for a table
// without bad requests; Bounds 3 µs.
type Interval struct {
	psi []float64 // log odds ratios, rising
	l   []float64 // log likelihood at psi relative to 1
	phi float64
	sd  float64
}

// NewInterval gives an interval that excludes nothing.
func NewInterval(o IntervalOptions) *Interval {
	n := 2*intervalSide + 1
	i := &Interval{psi: make([]float64, n), l: make([]float64, n), phi: math.Max(1, o.Phi), sd: math.Max(0, o.SD)}
	const first, bend = 0.03, 0.095
	for k := range i.psi {
		i.psi[k] = first / bend * math.Sinh(bend*float64(k-intervalSide))
	}
	return i
}

// Add adds one table; as many for each window as there are strata.
func (i *Interval) Add(t Table) { ConditionalLLR(i.l, i.psi, 0, t) }

// Bounds gives the odds ratios between which the true one lies, at a level in
// (0,1). lower is 0 and upper +Inf while nothing is excluded on that side.
func (i *Interval) Bounds(level float64) (lower, upper float64) {
	alpha, widen := 1-level, 0.0
	if i.sd > 0 {
		alpha = float64(alpha / 2)
		widen = float64(i.sd * math.Sqrt2 * math.Erfinv(1-alpha))
	}
	need := math.Log(2 / alpha)
	lower, upper = 0, math.Inf(1)
	if log, ok := i.bound(need, 1); ok {
		lower = math.Exp(log - widen)
	}
	if log, ok := i.bound(need, -1); ok {
		upper = math.Exp(log + widen)
	}
	return lower, upper
}

// bound gives the log odds ratio up to which all are excluded, coming from the
// low end of the grid for direction 1, from the high end for −1.
func (i *Interval) bound(need float64, direction int) (log float64, ok bool) {
	n := len(i.l)
	at := func(k int) int {
		if direction < 0 {
			return n - 1 - k
		}
		return k
	}
	beyond, last, level := newSum(), -1, 0.0
	for k := n - 1; k >= 0; k-- {
		l := i.l[at(k)] / i.phi
		// The mixture over all that lies beyond k, less what it has to exceed.
		if top := beyond.log() - math.Log(float64(n-1-k)) - need; k < n-1 && top >= l {
			if last < 0 {
				last, level = k, top
			}
		} else {
			last = -1
		}
		beyond.add(l)
	}
	if last < 0 {
		return 0, false
	}
	return i.between(at(last), direction, level), true
}

// between extends a bound from grid point k towards the next: to where the log
// likelihood would reach level if it rose as steeply as before k. It is concave
// (log ψ is the natural parameter of an exponential family), so this is too
// little rather than too much.
func (i *Interval) between(k, direction int, level float64) float64 {
	before, next := k-direction, k+direction
	if before < 0 || before >= len(i.psi) {
		return i.psi[k]
	}
	slope := (i.l[k] - i.l[before]) / i.phi / (i.psi[k] - i.psi[before])
	step := (level - i.l[k]/i.phi) / slope
	if !(math.Abs(step) < math.Abs(i.psi[next]-i.psi[k])) {
		return i.psi[next]
	}
	return i.psi[k] + step
}

// Estimate is the most likely odds ratio, 1 without evidence.
func (i *Interval) Estimate() float64 {
	best := intervalSide
	for k, l := range i.l {
		if l > i.l[best] {
			best = k
		}
	}
	if best == 0 || best == len(i.l)-1 || i.l[0] == i.l[best] {
		return math.Exp(i.psi[best])
	}
	return math.Exp(vertex(i.psi[best-1:best+2], i.l[best-1:best+2]))
}

// vertex is where the parabola through three points is highest.
func vertex(x, y []float64) float64 {
	d0, d2 := x[1]-x[0], x[1]-x[2]
	e0, e2 := y[1]-y[0], y[1]-y[2]
	den := float64(d0*e2) - float64(d2*e0)
	if den == 0 {
		return x[1]
	}
	return x[1] - 0.5*(float64(d0*d0*e2)-float64(d2*d2*e0))/den
}

// OddsTimes gives the rate whose odds are ratio times those of p.
func OddsTimes(p, ratio float64) float64 {
	if math.IsInf(ratio, 1) {
		if p > 0 {
			return 1
		}
		return 0
	}
	return p * ratio / (1 - p + float64(p*ratio))
}
