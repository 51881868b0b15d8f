package stat

import "math"

// Table is one 2×2 table of one stratum in one window: requests and bad ones
// of the candidate and of the baseline.
type Table struct{ NC, NB, XC, XB int }

// Swap exchanges the groups.
func (t Table) Swap() Table { return Table{NC: t.NB, NB: t.NC, XC: t.XB, XB: t.XC} }

// cut gives the nearest table that can be.
func (t Table) cut() Table {
	t.NC, t.NB = max(0, t.NC), max(0, t.NB)
	t.XC, t.XB = min(max(0, t.XC), t.NC), min(max(0, t.XB), t.NB)
	return t
}

// silent says that the table tells nothing about the odds ratio.
func (t Table) silent() bool {
	x := t.XC + t.XB
	return t.NC == 0 || t.NB == 0 || x == 0 || x == t.NC+t.NB
}

// exactBelow is the size of the smallest margin under which the distribution
// is summed exactly. The support then has at most that many points.
const exactBelow = 20

// ConditionalLLR adds to dst[k] the log likelihood ratio of the odds ratio
// exp(logRho+logTheta[k]) against exp(logRho), given the table's margins.
//
// Null hypothesis: the odds ratio candidate : baseline is at most exp(logRho).
// For logTheta > 0 the exponential of what is added has mean at most 1 under
// all of it, by the monotone likelihood ratio of Fisher's noncentral
// hypergeometric distribution (Fisher 1935; Cornfield 1956; Lehmann and Romano
// 2005, section 4.4), whatever the common rate is. Assumption: given its
// group, a request is bad independently of the others; [Calibration] is for
// where that does not hold.
//
// It is exact when the smallest margin is under 20, and the modified profile
// likelihood at Cornfield's mean otherwise, which is off by some thousandths of
// a nat. |logTheta| up to 30. A table without traffic in one group, without bad
// or without good requests adds 0. Cost: about 60 ns a multiplier.
func ConditionalLLR(dst, logTheta []float64, logRho float64, t Table) {
	t = t.cut()
	if t.silent() {
		return
	}
	x := t.XC + t.XB
	if min(t.NC, t.NB, x, t.NC+t.NB-x) < exactBelow {
		exactLLR(dst, logTheta, logRho, t)
		return
	}
	base := profileLL(t, math.Exp(logRho))
	for k, lt := range logTheta {
		dst[k] += profileLL(t, math.Exp(logRho+lt)) - base
	}
}

// exactLLR sums the distribution: x_c·log θ − log[Z(ρθ)/Z(ρ)] with
// Z(θ) = Σ_u C(n_c,u)·C(n_b,x−u)·θ^u. The terms are polynomial coefficients of
// θ, found once by their ratios and scaled to their largest at ρ.
func exactLLR(dst, logTheta []float64, logRho float64, t Table) {
	var store [exactBelow]float64
	x := t.XC + t.XB
	lo := max(0, x-t.NB)
	terms := store[:min(t.NC, x)-lo+1]
	sum := fillTerms(terms, lo, math.Exp(logRho), t)
	for k, lt := range logTheta {
		if lt == 0 {
			continue
		}
		theta, z := math.Exp(lt), 0.0
		for i := len(terms) - 1; i >= 0; i-- {
			z = float64(z*theta) + terms[i]
		}
		dst[k] += float64(float64(t.XC-lo)*lt) - math.Log(z/sum)
	}
}

// fillTerms gives the relative probabilities of u = lo, lo+1, … at odds ratio
// rho, the largest 1, and their sum.
func fillTerms(terms []float64, lo int, rho float64, t Table) (sum float64) {
	nc, nb, x := float64(t.NC), float64(t.NB), float64(t.XC+t.XB)
	mode := min(max(int(cornfield(nc, nb, x, rho))-lo, 0), len(terms)-1)
	terms[mode], sum = 1, 1
	for i := mode; i+1 < len(terms); i++ {
		u := float64(lo + i)
		terms[i+1] = float64(terms[i] * ((nc - u) * (x - u) / ((u + 1) * (nb - x + u + 1)) * rho))
		sum += terms[i+1]
	}
	for i := mode; i > 0; i-- {
		u := float64(lo + i)
		terms[i-1] = float64(terms[i] * (u * (nb - x + u) / ((nc - u + 1) * (x - u + 1)) / rho))
		sum += terms[i-1]
	}
	return sum
}

// cornfield is the value of x_c at which the table has odds ratio theta with
// its margins as they are: the root of (θ−1)m² − [(n_c+x)θ + n_b − x]m + θn_c·x
// that lies in the support (Cornfield 1956), in the form that does not cancel.
func cornfield(nc, nb, x, theta float64) float64 {
	a := theta - 1
	b := float64((nc+x)*theta) + nb - x
	c := float64(theta * nc * x)
	return 2 * c / (b + math.Sqrt(math.Max(0, float64(b*b)-float64(4*a*c))))
}

// profileLL is, up to a constant, the log likelihood of both rates with their
// odds ratio held at theta and their sum at what was seen, and half the log of
// the information on the sum: the modified profile likelihood, which agrees
// with the conditional one to second order (Barndorff-Nielsen 1983). Without
// the last term E[exp] is a hundredth above 1 in each window, and that adds up.
func profileLL(t Table, theta float64) float64 {
	nc, nb, xc, xb := float64(t.NC), float64(t.NB), float64(t.XC), float64(t.XB)
	c := cornfield(nc, nb, xc+xb, theta)
	b := xc + xb - c
	spread := float64(nc*b*(nb-b)) + float64(nb*c*(nc-c))
	return xlogy(xc, c) + xlogy(nc-xc, nc-c) + xlogy(xb, b) + xlogy(nb-xb, nb-b) + float64(0.5*math.Log(spread))
}

// BinomialLLR adds to dst[k] the log likelihood ratio of the odds multiplier
// exp(logTheta[k]) when xc of x events fell on the candidate and share pi of
// them would have by chance: x_c·log θ − x·log(1+π(θ−1)).
//
// Null hypothesis: each event falls on the candidate with probability at most
// pi, whatever came before. It is the limit of [ConditionalLLR] for rare
// events (Przyborowski and Wilenski 1940), and conservative where they are not
// rare (Hoeffding 1963, theorem 4). Use it for presence of log patterns, and
// where exposure is no count. pi outside (0,1) or x = 0 adds 0.
func BinomialLLR(dst, logTheta []float64, xc, x int, pi float64) {
	xc = min(max(xc, 0), x)
	if x <= 0 || !(pi > 0 && pi < 1) {
		return
	}
	for k, lt := range logTheta {
		dst[k] += float64(float64(xc)*lt) - float64(float64(x)*math.Log1p(pi*math.Expm1(lt)))
	}
}
