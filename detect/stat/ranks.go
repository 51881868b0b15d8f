package stat

import (
	"math"
	"slices"
)

// Ranks bets that points are worse than earlier ones with which they would be
// exchangeable if nothing had changed.
//
// Null hypothesis: all points come in a random order. Then the ranks that each
// has among those before it are independent (Rényi 1962), and the k-th point
// since a moment is among the k worst of the n known then with the probability
// τ = k/n, or less where there are ties, which count as worse. A change makes the
// odds of that θ times as large: the evidence is the product of θ/(1−τ+θτ) where
// it is so and of 1/(1−τ+θτ) where it is not, averaged over the [DefaultGrid] of
// θ. Each factor has an expectation of at most 1.
//
// No scale and no distribution is assumed: of n points before and m after all of
// which are worse, the evidence nears the number of ways in which m of n+m could
// have been chosen. That points follow one another in time, and are alike for
// that reason, is not taken into account, which is why this ranks and never acts.
type Ranks struct {
	at   []int // ascending
	p    []float64
	size []int // points known then, itself among them
}

// Order holds points in their order, to rank others among them.
type Order struct{ points []float64 } // ascending: the worst last

// Keep takes in points that are not ranked.
func (o *Order) Keep(x ...float64) {
	o.points = append(o.points, x...)
	slices.Sort(o.points)
}

// Len is how many points are held.
func (o *Order) Len() int { return len(o.points) }

// Meet takes in a point of moment at, not earlier than the last, and ranks it
// among those of an order, which keeps it.
func (r *Ranks) Meet(at int, o *Order, x float64) {
	k, _ := slices.BinarySearch(o.points, x)
	n := len(o.points) + 1
	r.at, r.p, r.size = append(r.at, at), append(r.p, float64(n-k)/float64(n)), append(r.size, n)
	o.points = slices.Insert(o.points, k, x)
}

// Points is how many were ranked.
func (r *Ranks) Points() int { return len(r.at) }

// Since is the log evidence of the points of moment at and later; 0 without any.
func (r *Ranks) Since(at int) float64 {
	first, _ := slices.BinarySearch(r.at, at)
	if first == len(r.at) {
		return 0
	}
	sum := newSum()
	for _, logTheta := range rankGrid {
		theta, log, product := math.Exp(logTheta), 0.0, 1.0
		for k := first; k < len(r.at); k++ {
			tau := float64(k-first+1) / float64(r.size[k])
			if r.p[k] <= tau {
				log += logTheta
			}
			product *= 1 - tau + theta*tau
			if product > 1e200 {
				log, product = log-math.Log(product), 1
			}
		}
		sum.add(log - math.Log(product))
	}
	return sum.log() - math.Log(float64(len(rankGrid)))
}

var rankGrid = DefaultGrid()

// Late is the log evidence that points are worse since moment at or, with half
// of the probability, since a later one: the later the less likely. Points
// before that moment then tell nothing, so this is an average of evidence, too.
func (r *Ranks) Late(at int) float64 {
	l := r.Since(at) - math.Ln2
	for j, weight := range lateWeights {
		l = LogAdd(l, weight+r.Since(at+(j+1)*slotWidth))
	}
	return l
}
