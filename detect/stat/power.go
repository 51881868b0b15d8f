package stat

import "math"

// bernoulliKL is the Kullback–Leibler divergence of rate p from rate q.
func bernoulliKL(p, q float64) float64 {
	return xlogy(p, p/q) + xlogy(1-p, (1-p)/(1-q))
}

// information is the most that log evidence can grow on average with nc and nb
// requests, the common rate being unknown: min_p [nc·KL(pc‖p) + nb·KL(pb‖p)],
// which the pooled rate attains.
func information(nc, nb, pc, pb float64) float64 {
	if !(nc > 0 && nb > 0) || pc == pb {
		return 0
	}
	p := (float64(nc*pc) + float64(nb*pb)) / (nc + nb)
	return float64(nc*bernoulliKL(pc, p)) + float64(nb*bernoulliKL(pb, p))
}

// Wald is the least mean number of windows, of nc and nb requests each, in
// which any test that is wrong with probability alpha at most can tell rate pc
// from rate pb when neither is known: log(1/alpha)/KL (Wald 1945, section 4.7,
// for two samples). +Inf if there is nothing to tell. It is for evaluations:
// [Process] takes 1.2 to 1.3 times that.
func Wald(pc, pb, nc, nb, alpha float64) float64 {
	return math.Log(1/alpha) / information(nc, nb, pc, pb)
}

const (
	priceOfLooking = 2.8 // nats: for the unknown size (2.5 at most) and the unknown start (.3)
	fastest        = 4.0 // windows that the limiter wants
)

// reachable is the log evidence that information of the given dispersion comes
// to against instances that differ by sigma0. For an estimate of log odds ratio
// d with variance v it is d²/2v without such differences and d²/2(v+σ0²) with.
func reachable(info, phi, pc, pb, sigma0 float64) float64 {
	if info <= 0 {
		return 0
	}
	return 1 / (math.Max(1, phi)/info + differences(pc, pb, sigma0))
}

// differences is the reciprocal of the evidence that no traffic can exceed.
func differences(pc, pb, sigma0 float64) float64 {
	d := math.Log(pc) - math.Log1p(-pc) - math.Log(pb) + math.Log1p(-pb)
	return 2 * float64(sigma0*sigma0) / float64(d*d)
}

// Detectable is the smallest rate of the candidate that would, more likely than
// not, have been seen by now: from nc and nb requests at the baseline's rate pb
// (better: at the highest tolerated rate), with dispersion phi, instances that
// differ by sigma0 ([Calibration.Sigma0]) and evidence logThreshold asked for.
// 1 if none would have been, also without traffic; never NaN. Cost: 8 µs.
func Detectable(nc, nb float64, pb, phi, sigma0, logThreshold float64) float64 {
	pb = math.Min(math.Max(0, pb), 1)
	seen := func(pc float64) bool {
		return reachable(information(nc, nb, pc, pb), phi, pc, pb, sigma0) >= logThreshold+priceOfLooking
	}
	lo, hi := pb, 1.0
	if pb >= 1 || !seen(1-1e-12) {
		return 1
	}
	for range 50 {
		if mid := (lo + hi) / 2; seen(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

// WindowsToDetect is after how many windows of such traffic a candidate with
// rate pc would be seen; the rest is as in [Detectable]. +Inf if never: no
// traffic, no difference, or one that instances have anyway.
func WindowsToDetect(ncPerWindow, nbPerWindow, pb, pc, phi, sigma0, logThreshold float64) float64 {
	info := information(ncPerWindow, nbPerWindow, pc, pb)
	if !(pc > pb) || !(info > 0) {
		return math.Inf(1)
	}
	room := 1/(logThreshold+priceOfLooking) - differences(pc, pb, sigma0)
	if !(room > 0) {
		return math.Inf(1)
	}
	return math.Max(fastest, math.Max(1, phi)/(info*room))
}
