package stat

import (
	"math"
	"slices"
)

// Ranks bets that points are worse than earlier ones with which they would be
// exchangeable if nothing had changed.
//
// Null hypothesis: all points come in a random order. Then the ranks that each
// has among those before it are independent (Rényi 1962), and the share p of
// points at least as bad as it, itself among them, is below α with a probability
// of at most α. Half of the evidence is for points that are worse by any measure:
// κ·p^(κ−1) has an expectation of at most 1, and their product over n points is
// averaged over all κ in (0,1) (Vovk, Nouretdinov and Gammerman 2003),
//
//	∫ κⁿ·exp(L·(1−κ)) dκ = Σ_k L^k / ((n+1)⋯(n+k+1)),  L = −Σ log p.
//
// Half is for a change that lasts: the k-th point since a moment is among the k
// worst of the n known then with the probability τ = k/n, or less where there are
// ties, and a change makes the odds of that θ times as large. The factors are
// θ/(1−τ+θτ) where it is so, 1/(1−τ+θτ) where it is not, averaged over the
// [DefaultGrid] of θ.
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
	return LogAdd(r.worse(first), r.lasting(first)) - math.Ln2
}

// worse is the log of the average over κ, of the points from the first-th on.
func (r *Ranks) worse(first int) float64 {
	const large = 1e250
	l := 0.0
	for _, p := range r.p[first:] {
		l -= math.Log(p)
	}
	n := len(r.p) - first
	term := 1 / float64(n+1)
	total, shift := term, 0.0
	for k := 1; ; k++ {
		step := l / float64(n+k+1)
		term *= step
		total += term
		switch {
		case step < 1 && term < total*1e-16:
			return math.Log(total) + shift
		case total > large:
			term, total, shift = term/large, total/large, shift+math.Log(large)
		}
	}
}

// lasting is the log of the average over θ, of the points from the first-th on.
func (r *Ranks) lasting(first int) float64 {
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
		l = LogAdd(l, weight-math.Ln2+r.Since(at+(j+1)*slotWidth))
	}
	return l
}
