package stat

import "math"

// presenceRates is how many rates of events [Presence] tries.
const presenceRates = 9

// Presence finds which share of the instances that show an event would be the
// candidate's if the event were as frequent there as elsewhere. An instance that
// serves n requests shows an event of rate λ a request with probability
// 1 − exp(−λn), whatever the size of the clusters in which it comes. For rare
// events the candidate's share is that of requests, for common ones that of
// instances, and between them it can be above both if instances are unequal.
// As λ is not known, and may change, the largest share over all rates is taken:
// with it
//
//	E[θ^{x_c} / (1+π(θ−1))^x] ≤ exp((θ−1)·((1−π)H_c − π·H_b)/(1+π(θ−1))) ≤ 1
//
// for θ > 1 and sums H of those probabilities, since 1+u ≤ e^u (Hoeffding
// 1963 for the general case). The supremum is taken over rates four times
// apart, between which the share hardly bends.
//
// The zero value is an empty window.
type Presence struct{ candidate, baseline [presenceRates + 2]float64 }

// Add adds an instance that served n requests.
func (p *Presence) Add(candidate bool, n int) {
	to := &p.baseline
	if candidate {
		to = &p.candidate
	}
	to[0] += float64(n)
	to[1]++
	rate := 1.0
	for k := range presenceRates {
		to[k+2] -= math.Expm1(-rate * float64(n))
		rate /= 4
	}
}

// Share is the largest share that the candidate has by chance, 0 without instances.
func (p *Presence) Share() (pi float64) {
	for k, c := range p.candidate {
		if all := c + p.baseline[k]; all > 0 {
			pi = math.Max(pi, c/all)
		}
	}
	return pi
}
