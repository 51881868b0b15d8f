package stat

import "math"

// scatterShare is the part of a history that a block may be as long as.
const scatterShare = 3

// Scatter is the dispersion of counts x around their exposures e in time: the
// variance of counts summed over blocks of windows, over that of independent
// events (Pearson 1900), the largest over blocks of 1, 2, 4 … windows up to a
// third of the history, each plus one standard error. Exposures are scaled to
// the counts' total, so a rate that stays is no scatter and one that wanders is.
// At least 1, and 1 of fewer than six windows or without counts.
func Scatter(x, e []float64) float64 {
	n := min(len(x), len(e))
	sx, se := 0.0, 0.0
	for k := range n {
		sx, se = sx+x[k], se+e[k]
	}
	phi := 1.0
	if !(sx > 0 && se > 0) {
		return phi
	}
	for b := 1; scatterShare*b <= n && n >= 2*scatterShare; b *= 2 {
		phi = math.Max(phi, scatterAt(x[:n], e[:n], b, sx/se))
	}
	return phi
}

// scatterAt is the dispersion at blocks of b windows.
func scatterAt(x, e []float64, b int, rate float64) float64 {
	chi2, blocks := 0.0, 0.0
	for from := 0; from+b <= len(x); from += b {
		sx, se := 0.0, 0.0
		for k := from; k < from+b; k++ {
			sx, se = sx+x[k], se+float64(e[k]*rate)
		}
		if se > 0 {
			chi2 += float64((sx-se)*(sx-se)) / se
			blocks++
		}
	}
	if blocks < 2 {
		return 1
	}
	df := blocks - 1
	return chi2 / df * (1 + math.Sqrt(2/df))
}
