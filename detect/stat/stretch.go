package stat

import "math"

// The levels of the time before a release.
const (
	shortStretch = 12  // windows: a shorter time since the release is compared with stretches of so many
	longShare    = 3   // a longer one than this part of the time before, with stretches of that
	stretches    = 48  // about so many, evenly spread; they overlap
	levelPseudo  = 1   // counts, divided by the dispersion, by which a level is drawn to 1
	levelShare   = .25 // weight of the levels beside drift: costs .3 nats
)

// sums gives the counts and exposures before each window and at the end, divided by phi.
func sums(x, n []float64, phi float64) [][2]float64 {
	out := make([][2]float64, 1, len(x)+1)
	for w := range x {
		last := out[w]
		out = append(out, [2]float64{last[0] + math.Max(0, x[w])/phi, last[1] + math.Max(0, n[w])/phi})
	}
	return out
}

// null is the log of the likelihood ratio of whichever explains better what is not the
// release's harm: that the rate stayed as it was, or that the release changed it for the
// better. Were the latter left out, a release that makes fewer calls, say, would pass for
// one that something else has moved as well, and whatever else it does with it.
func (s *Shift) null() float64 {
	stays := s.stays()
	if s.b+s.n <= 0 || len(s.kind) == 0 {
		return stays
	}
	return math.Max(stays, s.mixture(s.x, s.n, s.kind, s.kindGrow)-math.Log(float64(len(s.kind))))
}

// stays is the log of the mixture of ℓ over what the rate may be without the
// release: drift, and the levels of the past's stretches that are as long as the
// time since. A burst of a minute explains a minute, at whichever moment of it the
// release came; what lasts is compared with what lasted.
func (s *Shift) stays() float64 {
	drift, windows := s.drift(), len(s.past)-1
	length := min(max(s.active, shortStretch), windows/longShare)
	if length < shortStretch || s.b <= 0 {
		return drift
	}
	rate, l, count := (s.a-.5)/s.b, newSum(), 0
	for from, stride := 0, max(1, (windows-length)/stretches); from+length <= windows; from += stride {
		x, n := s.past[from+length][0]-s.past[from][0], s.past[from+length][1]-s.past[from][1]
		if n > 0 {
			level := (x + levelPseudo) / (float64(n*rate) + levelPseudo)
			l.add(s.ratio(s.x, s.n, math.Log(level), level-1))
			count++
		}
	}
	if count == 0 {
		return drift
	}
	return LogAdd(drift+math.Log1p(-levelShare), l.log()-math.Log(float64(count))+math.Log(levelShare))
}

// Unrest is how much a history's counts x scatter around their exposures e from
// one moment to the next: the dispersion of neighbouring blocks' differences (von
// Neumann 1941), which a lasting change of level hardly touches, the largest over
// blocks of 1, 2, 4, 8 and 12 windows. Single terms are cut at four deviations,
// results drawn to prior, which is worth ten blocks, and raised by a standard
// error. At least 1.
func Unrest(x, e []float64, prior float64) float64 {
	windows := min(len(x), len(e))
	sx, se := 0.0, 0.0
	for k := range windows {
		sx, se = sx+x[k], se+e[k]
	}
	phi := math.Max(1, prior)
	if !(sx > 0 && se > 0) {
		return phi
	}
	for _, b := range [...]int{1, 2, 4, 8, 12} {
		sum, df := neighbours(x[:windows], e[:windows], b, sx/se)
		if b > 1 && df < priorDF/2 {
			break
		}
		df += priorDF
		phi = math.Max(phi, (sum+float64(priorDF*prior))/df*(1+math.Sqrt(2/df)))
	}
	return phi
}

// neighbours sums the squares of neighbouring blocks' differences over their
// variance for independent events, each at most 16.
func neighbours(x, e []float64, b int, rate float64) (sum, df float64) {
	px, pe := 0.0, 0.0
	for from := 0; from+b <= len(x); from += b {
		sx, se := 0.0, 0.0
		for k := from; k < from+b; k++ {
			sx, se = sx+x[k], se+float64(e[k]*rate)
		}
		if pe > 0 && se > 0 {
			d := sx - px*se/pe
			sum += math.Min(16, d*d/(se*(1+se/pe)))
			df++
		}
		px, pe = sx, se
	}
	return sum, df
}
