package detect

import "math"

// Requests of which a call was not served have no time of their own (see [unship.Operation]),
// and those that are left may be others than all are: when a callee fails, who does not need
// it remains, and that may be who is slow.
//
// Be S that a request is slow by itself, A that its time is told after the release and B
// before it. Where the release changed nothing, S is as probable as before. If more calls
// fail, whoever is served would have been served before, so that A implies B and
// P(S∧A) ≤ P(S∧B): who has no time in addition counts as not slow. If fewer fail, B implies
// A and P(S∧A) ≤ P(S∧B) + P(A) − P(B): who has a time in addition may be slow, and is not
// held against the release. Side by side P(A) and P(B) are the cohorts', of the same moments.

// timed is the part of an operation's requests in a history that had a duration.
func (s *service) timed(unit int, h history) float64 {
	r := s.sum(&stratum{unit: unit}, anyInstance, h)
	if r.n == 0 {
		return 0
	}
	return r.timed / r.n
}

// evened gives the slow requests of window t, of n that have a time of their own among all,
// as far as they count, and of how many they are: of as many as would have one if calls
// were served as often as before.
func (w *watch) evened(unit int, t int32, x, n, all float64) (slow, of float64) {
	was := w.limits[unit].timed
	if was == 0 {
		return x, n
	}
	if x > 0 && was < 1 {
		x = math.Max(0, x-all*w.moreTimed(unit, t, was))
	}
	return x, all * was
}

// moreTimed is by how much the part of the requests that have a time of their own is larger
// than it was before, in the latest windows, beyond what chance brings.
func (w *watch) moreTimed(unit int, t int32, was float64) float64 {
	var n, all float64
	v := w.after[unit]
	for k := lowerBound(v, t+1) - 1; k >= 0 && v[k].at > t-controlWindows; k-- {
		if v[k].lat == latAll {
			n, all = n+float64(v[k].n), all+float64(v[k].all)
		}
	}
	if all == 0 {
		return 0
	}
	return math.Max(0, n/all-was-math.Sqrt(was*(1-was)/all))
}

// leastTimed is how many of the candidate's requests in a frame would have a time of their
// own if its calls were served as often as the baseline's.
func (c *comparison) leastTimed(s *slot, f *frame) int {
	unit := s.strata[s.stratum].unit
	if !s.ownTime || !c.svc.units[unit].lat.self || unit >= len(c.balance.units) || c.balance.units[unit][1] == 0 {
		return 0
	}
	all := 0
	for k, x := range s.counts {
		if f.seen[k].candidate && x.n > 0 {
			all += int(f.seen[k].n)
		}
	}
	return int(float64(all) * c.balance.timed[unit][1] / c.balance.units[unit][1])
}

// moreTimed is which part of the candidate's requests that have a time of their own would
// have none if its calls were served as seldom as the baseline's, beyond what chance brings.
func (b *balance) moreTimed(unit int) float64 {
	if unit >= len(b.units) || b.timed[unit][0] == 0 || b.units[unit][1] == 0 {
		return 0
	}
	all := b.units[unit]
	p, q := b.timed[unit][0]/all[0], b.timed[unit][1]/all[1]
	r := (b.timed[unit][0] + b.timed[unit][1]) / (all[0] + all[1])
	chance := math.Sqrt(math.Max(0, r*(1-r)) * (1/all[0] + 1/all[1]))
	return math.Max(0, p-q-chance) / p
}
