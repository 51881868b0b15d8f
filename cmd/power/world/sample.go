package world

import "unship.dev"

// Sample is what comparison judges are told of one window: crude totals, as a
// metrics database would give them.
type Sample struct {
	Canary, Baseline Group
	Fresh            Group // old version, started with the canary, as many instances
}

// Group is a number of instances together.
type Group struct {
	Requests, Failed int
	Durations        []int // by bucket from 2^(-12) s on, 16 for each doubling
}

// LowestBucket is the index of the first of a group's durations, as in [unship.Histogram].
const LowestBucket = lowest

func (g *Group) add(i *instance) {
	g.Requests += i.total
	g.Failed += i.failed
	if g.Durations == nil {
		g.Durations = make([]int, size)
	}
	for k := i.hist.lo; k <= i.hist.hi; k++ {
		g.Durations[k] += int(i.hist.n[k])
	}
}

// Merge adds what another group did.
func (g *Group) Merge(o Group) {
	g.Requests += o.Requests
	g.Failed += o.Failed
	if g.Durations == nil {
		g.Durations = make([]int, size)
	}
	for k, n := range o.Durations {
		g.Durations[k] += n
	}
}

// Quantile gives the q-quantile of durations in seconds; 0 without any.
func (g *Group) Quantile(q float64) float64 {
	total := 0
	for _, n := range g.Durations {
		total += n
	}
	seen := 0
	for k, n := range g.Durations {
		seen += n
		if n > 0 && float64(seen) >= q*float64(total) {
			return unship.UpperBound(int16(k + lowest)).Seconds()
		}
	}
	return 0
}
