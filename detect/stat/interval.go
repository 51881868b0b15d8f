package stat

import "math"

// RateOptions describes the noise of a rate in [RateInterval].
type RateOptions struct {
	Phi float64 // dispersion, [Calibration.MaxPhi]; 1 at least
	// SD widens the interval from the rate of these instances to that of the
	// version: the deviation of the log odds between equal groups,
	// [Calibration.Sigma0]. 0: these instances.
	SD float64
}

// RateInterval gives a confidence sequence for the rate at which x of n
// requests are bad: P(the true rate is ever outside) ≤ 1 − level, 0 ≤ x ≤ n,
// however often one looks. It holds the rates p that
//
//	B(x/φ+½, (n−x)/φ+½) / B(½, ½) / (p^(x/φ)·(1−p)^((n−x)/φ)) < 1/(1−level)
//
// does not refute: the likelihood ratio of Jeffreys' mixture against p is a
// martingale (Robbins 1970), raised to the power 1/φ for overdispersed counts
// (Grünwald 2012). With SD, half of 1 − level pays for a normal difference of
// the log odds. Without requests it is [0,1]. Cost: 3 µs.
func RateInterval(x, n, level float64, o RateOptions) (lower, upper float64) {
	if !(n > 0) {
		return 0, 1
	}
	x = math.Min(math.Max(x, 0), n)
	phi, alpha, widen := math.Max(1, o.Phi), 1-level, 0.0
	if o.SD > 0 {
		alpha /= 2
		widen = o.SD * math.Sqrt2 * math.Erfinv(1-alpha)
	}
	bad, good := x/phi, (n-x)/phi
	mixture := logBeta(bad+.5, good+.5) - logBeta(.5, .5)
	refuted := func(p float64) bool { return mixture-logPower(p, bad)-logPower(1-p, good) >= -math.Log(alpha) }
	middle := x / n
	return oddsTimes(border(0, middle, refuted), math.Exp(-widen)), oddsTimes(border(1, middle, refuted), math.Exp(widen))
}

// border is the rate between an end of [0,1] and a rate that is not refuted at
// which refutation begins, from the outside.
func border(end, inside float64, refuted func(float64) bool) float64 {
	if end == inside || !refuted(end) {
		return end
	}
	for range 52 {
		if m := (end + inside) / 2; refuted(m) {
			end = m
		} else {
			inside = m
		}
	}
	return end
}

// logPower is log p^k, with 0^0 = 1.
func logPower(p, k float64) float64 {
	if k == 0 {
		return 0
	}
	return k * math.Log(p)
}

func logBeta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}

// oddsTimes gives the rate whose odds are ratio times those of p.
func oddsTimes(p, ratio float64) float64 { return p * ratio / (1 - p + float64(p*ratio)) }
