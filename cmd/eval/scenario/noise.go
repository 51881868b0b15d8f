package scenario

import (
	"math"
	"math/rand/v2"
	"time"
)

// The everyday noise acts in steps of the length of a window. Slow processes
// are first-order autoregressive with a correlation time of twelve steps.
const (
	noiseStep   = 5 * time.Second
	correlation = 12
	clusterMean = 2 // requests that fail together
)

// The sizes of the noise: standard deviations of logarithms, and rates.
const (
	podFailureSD    = .1  // lasting difference between pods
	podFailureARSD  = .3  // slow drift of one pod
	sharedFailureSD = .3  // slow drift of a service
	podSlowSD       = .03 // the same for the time spent
	podSlowARSD     = .05
	sharedSlowSD    = .15
	outagesPerHour  = 1.0 // of a service: all pods, 10 to 55 seconds, 5 to 30 % more failures
	incidentsPerHr  = .3  // of a pod: 10 to 20 seconds, 30 % more failures, five times slower
	pauseShare      = .03 // of steps in which garbage collection slows a pod
)

// moment is the noise that acts on one pod in one step.
type moment struct {
	failures float64 // multiplies the usual ratio
	extra    float64 // adds to it
	slow     float64 // multiplies the time spent
	pause    bool
}

type podNoise []moment

func (n podNoise) at(t time.Duration) moment {
	return n[min(max(int(t/noiseStep), 0), len(n)-1)]
}

// addNoise draws the noise of all pods of a service.
func addNoise(s *service, length time.Duration, rng *rand.Rand) {
	steps := int(length/noiseStep) + 2
	failures := autoregressive(steps, sharedFailureSD, rng)
	slow := autoregressive(steps, sharedSlowSD, rng)
	outage := bursts(steps, outagesPerHour, span{2, 11}, rng)
	severity := .05 + .25*rng.Float64()
	for _, p := range s.pods {
		p.noise = podMoments(steps, rng)
		for i := range p.noise {
			m := &p.noise[i]
			m.failures *= failures[i]
			m.slow *= slow[i]
			if outage[i] {
				m.extra = max(m.extra, severity)
			}
		}
	}
}

func podMoments(steps int, rng *rand.Rand) podNoise {
	failures := autoregressive(steps, podFailureARSD, rng)
	slow := autoregressive(steps, podSlowARSD, rng)
	incident := bursts(steps, incidentsPerHr, span{2, 4}, rng)
	lastingFailures := math.Exp(podFailureSD * rng.NormFloat64())
	lastingSlow := math.Exp(podSlowSD * rng.NormFloat64())
	n := make(podNoise, steps)
	for i := range n {
		n[i] = moment{
			failures: failures[i] * lastingFailures,
			slow:     slow[i] * lastingSlow,
			pause:    rng.Float64() < pauseShare,
		}
		if incident[i] {
			n[i].extra, n[i].slow = .3, n[i].slow*5
		}
	}
	return n
}

// autoregressive gives the exponentials of a stationary process, of mean one.
func autoregressive(steps int, sd float64, rng *rand.Rand) []float64 {
	rho := math.Exp(-1.0 / correlation)
	x := rng.NormFloat64()
	out := make([]float64, steps)
	for i := range out {
		out[i] = math.Exp(sd*x - sd*sd/2)
		x = rho*x + math.Sqrt(1-rho*rho)*rng.NormFloat64()
	}
	return out
}

// span is a range of lengths in steps, both ends included.
type span struct{ least, most int }

// bursts marks the steps of events that come at random moments.
func bursts(steps int, perHour float64, length span, rng *rand.Rand) []bool {
	out := make([]bool, steps)
	chance := perHour * noiseStep.Hours()
	for i := range out {
		if rng.Float64() >= chance {
			continue
		}
		for j := range length.least + rng.IntN(length.most-length.least+1) {
			out[min(i+j, steps-1)] = true
		}
	}
	return out
}

func decay(age, scale time.Duration) float64 { return math.Exp(-age.Seconds() / scale.Seconds()) }
