package stat

import "math"

// RecoveryOptions describes one stream before and during an incident.
type RecoveryOptions struct {
	Before, Bad float64 // rates before the release, and of the bad release
	Delta       float64 // rate above Before that still counts as recovered; 0: .001
	Phi         float64 // dispersion; 1 at least
	Beta        float64 // probability of either wrong answer; 0: .001
}

// Recovery tells whether taking a release back helped, by two one-sided
// e-processes on all traffic of a stream since then:
//
//	recovered    refutes  p ≥ m_R = min(m, max(2·p0, p0+Delta))
//	not helped   refutes  p ≤ m   = (p1−p0)/log(p1/p0)
//
// with p0 the rate before and p1 the bad one; m is where both are equally
// unlikely (Chernoff 1952, for Poisson counts). Increments are
// (x·log ϑ − n·m·(ϑ−1))/φ with three ϑ on the way to p0 or p1, φ widened by a
// fifth, single windows clipped four deviations above p1, and the rise limited
// to a quarter of log(1/Beta) a window. Each wrong answer has probability at
// most Beta if counts scatter no more than φ says; a truth half way between
// stays open. The first answer stands. Cost: 100 ns a window.
type Recovery struct {
	bad, phi  float64
	threshold float64
	ends      [2]oneSided // recovered, not helped
	decidable bool
	answer    int // 1 + index of the answer, 0 while open
}

// oneSided is an e-process against a rate on one side of bound.
type oneSided struct {
	bound    float64
	logTheta [3]float64
	sum      [3]float64
	limit    limiter
}

// NewRecovery gives an open question.
func NewRecovery(o RecoveryOptions) *Recovery {
	if o.Beta <= 0 {
		o.Beta = 0.001
	}
	if o.Delta <= 0 {
		o.Delta = 0.001
	}
	r := &Recovery{bad: o.Bad, phi: 1.2 * math.Max(1, o.Phi), threshold: -math.Log(o.Beta)}
	// A rate of zero was never measured; it stands for one too small to see.
	p0, p1 := math.Max(o.Before, o.Bad/1000), o.Bad
	if !(p1 > p0 && p0 > 0) {
		return r
	}
	r.decidable = true
	middle := (p1 - p0) / math.Log(p1/p0)
	r.ends[0].bound = math.Min(middle, math.Max(2*p0, p0+o.Delta))
	r.ends[1].bound = middle
	for i, target := range []float64{p0, p1} {
		e := &r.ends[i]
		full := math.Log(target / e.bound)
		e.logTheta = [3]float64{full, 0.75 * full, 0.5 * full}
		e.limit.step = r.threshold / 4
	}
	return r
}

// Step adds one window, x bad of n, and gives the answers so far; neither is
// an answer too. Begin when the bad instances have served nothing for a window.
func (r *Recovery) Step(x, n float64) (recovered, notHelped bool) {
	if r.decidable && r.answer == 0 && n > 0 {
		expected := float64(n * r.bad)
		x = math.Min(math.Max(0, x), expected+float64(4*math.Sqrt(expected*r.phi))+2)
		for i := range r.ends {
			if r.ends[i].step(x, n, r.phi) >= r.threshold && r.answer == 0 {
				r.answer = i + 1
			}
		}
	}
	return r.answer == 1, r.answer == 2
}

func (e *oneSided) step(x, n, phi float64) float64 {
	l := newSum()
	for k, lt := range e.logTheta {
		e.sum[k] += (float64(x*lt) - float64(n*e.bound*math.Expm1(lt))) / phi
		l.add(e.sum[k])
	}
	return e.limit.update(l.log() - math.Log(float64(len(e.logTheta))))
}

// LogE gives the log evidence for both answers.
func (r *Recovery) LogE() (recovered, notHelped float64) {
	return r.ends[0].limit.value, r.ends[1].limit.value
}

// Decidable says whether the bad rate is above the one before. Where it is
// not, no traffic can answer.
func (r *Recovery) Decidable() bool { return r.decidable }
