package stat

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// RateUpper is the one-sided upper limit, at level 1−alpha, of a probability of
// which x events in n independent trials were seen: the p at which so few would
// be seen with probability alpha. It is the 1−alpha quantile of
// Beta(x+1, n−x) (Clopper and Pearson 1934), and 1 without trials. It holds at
// one moment; alpha is in (0,1).
func RateUpper(x, n uint64, alpha float64) float64 {
	if x >= n {
		return 1
	}
	return mathext.InvRegIncBeta(float64(x)+1, float64(n-x), 1-alpha)
}

// RateLower is a lower limit of a probability of which x events in n trials
// were seen, that is valid at every moment: the probability that it is ever
// above the truth is at most alpha, however often one looks. It is the least p
// that the mixture martingale
//
//	B(x+½, n−x+½) / B(½, ½) / (p^x · (1−p)^(n−x))
//
// does not refute at 1/alpha (Robbins 1970; Ville 1939). It is 0 without
// events, and never above x/n. Trials need not be independent: it is enough
// that the truth is the probability of each, given those before.
func RateLower(x, n uint64, alpha float64) float64 {
	x = min(x, n)
	if x == 0 {
		return 0
	}
	bad, good := float64(x), float64(n-x)
	mixture := mathext.Lbeta(bad+.5, good+.5) - mathext.Lbeta(.5, .5)
	lo, hi := 0.0, bad/float64(n)
	for range 60 {
		p := (lo + hi) / 2
		if mixture-xlogy(bad, p)-xlogy(good, 1-p) >= -math.Log(alpha) {
			lo = p
		} else {
			hi = p
		}
	}
	return lo
}
