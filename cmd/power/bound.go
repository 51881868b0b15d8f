package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	"unship.dev/detect/stat"
)

// boundRuns is how many independent candidates are watched for each effect.
const boundRuns = 2000

// boundEffects are the rates, before and after, that the bound is stated for.
var boundEffects = [][2]float64{{.01, .02}, {.001, .005}, {.001, .05}, {.02, .024}}

// writeBound measures the delay in independent requests, a tenth of them the
// candidate's, against the least that any test needs whose false alarms are one
// in a thousand (Wald 1945, for two samples): once for a change that comes with
// the release, once with the part of the evidence that waits for later changes.
// No noise is granted that is not there, and the rate limiter is left out: it
// bounds bursts, which independent requests do not have.
func writeBound(out io.Writer, seed uint64) {
	fmt.Fprint(out, "\nIndependent requests: mean samples to the decision at 1e-3, as a multiple of Wald's two-sample bound\n\n"+
		"| failures | bound, candidate's requests | at the release | at any time |\n|---|---|---|---|\n")
	for _, e := range boundEffects {
		bound, start, any := delayOverBound(e[0], e[1], seed, boundRuns)
		fmt.Fprintf(out, "| %g → %g %% | %.0f | %.2f | %.2f |\n", 100*e[0], 100*e[1], bound, start, any)
	}
}

// delayOverBound gives the bound in requests of the candidate and two mean
// delays relative to it. A window holds a hundredth of the bound.
func delayOverBound(pb, pc float64, seed uint64, runs int) (bound, atStart, anyTime float64) {
	const alpha = 1e-3
	nc := max(1, int(stat.Wald(pc, pb, 1, 9, alpha)/100))
	windows := stat.Wald(pc, pb, float64(nc), float64(9*nc), alpha)
	r := rand.New(rand.NewPCG(seed, 0x77616c64))
	for range runs {
		start := stat.NewProcess(independent(math.MaxInt))
		any := stat.NewProcess(independent(0))
		atStart += samples(start, r, nc, pb, pc, math.Log(stat.AtRelease/alpha)) // all is invested at the start
		anyTime += samples(any, r, nc, pb, pc, math.Log(1/alpha))
	}
	n := windows * float64(runs)
	return windows * float64(nc), atStart / n, anyTime / n
}

// independent are the options of a process for requests without any noise beyond chance.
func independent(horizon int) stat.ProcessOptions {
	c := stat.Calibrate(nil, nil)
	c.Tau2 = 0
	for i := range c.PhiS {
		c.PhiS[i] = 1
	}
	return stat.ProcessOptions{Calibration: c, InstancesC: 2, InstancesB: 18, Horizon: horizon}
}

// samples gives the windows until the evidence reaches a level.
func samples(p *stat.Process, r *rand.Rand, nc int, pb, pc, level float64) float64 {
	const tooLong = 5000
	for p.Raw() < level && p.Windows() < tooLong {
		p.Add(0, stat.Table{NC: nc, NB: 9 * nc, XC: binomial(r, nc, pc), XB: binomial(r, 9*nc, pb)})
		p.Close()
	}
	return float64(p.Windows())
}

// binomial counts what happens with probability p in n independent trials.
func binomial(r *rand.Rand, n int, p float64) (x int) {
	for at := skip(r, p); at < n; at += 1 + skip(r, p) {
		x++
	}
	return x
}

// skip draws how many trials fail before one succeeds (Devroye 1986).
func skip(r *rand.Rand, p float64) int {
	return int(math.Min(1<<40, math.Log(1-r.Float64())/math.Log1p(-p)))
}
