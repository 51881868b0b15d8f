package stat

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func llr(t Table, logTheta, logRho float64) float64 {
	dst := []float64{0}
	ConditionalLLR(dst, []float64{logTheta}, logRho, t)
	return dst[0]
}

// bruteZ is log Σ_u C(n_c,u)·C(n_b,x−u)·θ^u term by term with integer binomials.
func bruteZ(nc, nb, x int, theta float64) float64 {
	sum := new(big.Float).SetPrec(200)
	for u := max(0, x-nb); u <= min(nc, x); u++ {
		c := new(big.Int).Mul(new(big.Int).Binomial(int64(nc), int64(u)), new(big.Int).Binomial(int64(nb), int64(x-u)))
		term := new(big.Float).SetPrec(200).SetInt(c)
		for range u {
			term.Mul(term, big.NewFloat(theta))
		}
		sum.Add(sum, term)
	}
	mantissa := new(big.Float)
	exponent := sum.MantExp(mantissa)
	m, _ := mantissa.Float64()
	return math.Log(m) + float64(exponent)*math.Ln2
}

func TestConditionalReference(t *testing.T) {
	// By exact fractions in Python: log(θ^xc · Z(ρ) / Z(ρθ)), Z(θ) = sum(comb(nc,u)*comb(nb,x-u)*θ**u).
	// R: BiasedUrn::dFNCHypergeo(xc, nc, nb, x, rho*theta) / dFNCHypergeo(xc, nc, nb, x, rho).
	for _, c := range []struct {
		table      Table
		theta, rho float64
		want       float64
		tolerance  float64
	}{
		{Table{12, 30, 4, 3}, 3, 1, 1.3992295572503, 1e-12},
		{Table{500, 1500, 9, 10}, 2, 1.1, 1.7360604699215, 1e-12},
		{Table{15, 15, 12, 9}, 300, 1, -9.2169983392193, 1e-12},
		{Table{1000000, 9, 7, 2}, 5, 1, -3.2188110250108, 1e-9},
		{Table{40, 19, 30, 10}, 1.5, 1, 0.92958708104911, 1e-12},
		{Table{100, 900, 12, 60}, 2, 1.1, 1.1281479182177, 1e-5}, // profile
		{Table{30, 40, 25, 35}, .5, 2, 0.98819123610937, 1e-4},   // profile
	} {
		if got := llr(c.table, math.Log(c.theta), math.Log(c.rho)); !near(got, c.want, c.tolerance) {
			t.Errorf("%+v at θ=%v ρ=%v: %.14g, want %.14g", c.table, c.theta, c.rho, got, c.want)
		}
	}
}

func TestConditionalAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nc, nb := rapid.IntRange(1, 120).Draw(t, "nc"), rapid.IntRange(1, 300).Draw(t, "nb")
		xc, xb := rapid.IntRange(0, nc).Draw(t, "xc"), rapid.IntRange(0, nb).Draw(t, "xb")
		logTheta := rapid.Float64Range(-6, 6).Draw(t, "logTheta")
		logRho := rapid.Float64Range(-1, 1).Draw(t, "logRho")
		x := xc + xb
		if min(nc, nb, x, nc+nb-x) >= exactBelow {
			return // the other form
		}
		want := float64(xc)*logTheta - bruteZ(nc, nb, x, math.Exp(logTheta+logRho)) + bruteZ(nc, nb, x, math.Exp(logRho))
		if got := llr(Table{nc, nb, xc, xb}, logTheta, logRho); !near(got, want, 1e-8) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

// mean gives E[exp(ConditionalLLR)] over the distribution at odds ratio null.
func mean(nc, nb, x int, logTheta, logRho, logNull float64) (m float64) {
	z := bruteZ(nc, nb, x, math.Exp(logNull))
	choose := func(n, k int) float64 { return -math.Log(float64(n+1)) - lbeta(float64(n-k+1), float64(k+1)) }
	for u := max(0, x-nb); u <= min(nc, x); u++ {
		p := choose(nc, u) + choose(nb, x-u) + float64(u)*logNull - z
		m += math.Exp(p + llr(Table{nc, nb, u, x - u}, logTheta, logRho))
	}
	return m
}

func lbeta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}

func TestConditionalIsAnEValue(t *testing.T) {
	for _, m := range [][3]int{{5, 9, 4}, {10, 90, 7}, {3, 4, 6}, {30, 60, 15}, {19, 400, 60}} {
		for _, logTheta := range []float64{.1, .7, 2, 5.7} {
			for _, logRho := range []float64{0, math.Log(1.1)} {
				if got := mean(m[0], m[1], m[2], logTheta, logRho, logRho); !near(got, 1, 1e-9) {
					t.Errorf("margins %v θ=e^%v: mean %v at the boundary, want 1", m, logTheta, got)
				}
				if got := mean(m[0], m[1], m[2], logTheta, logRho, logRho-.3); got >= 1 {
					t.Errorf("margins %v θ=e^%v: mean %v inside the null, want below 1", m, logTheta, got)
				}
			}
		}
	}
}

func TestProfileIsNearlyAnEValue(t *testing.T) {
	for _, m := range [][3]int{{30, 60, 30}, {100, 900, 50}, {200, 200, 300}, {1000, 2000, 40}} {
		for _, logTheta := range []float64{.1, .3, .7} {
			if got := mean(m[0], m[1], m[2], logTheta, 0, 0); math.Abs(got-1) > 2e-4 {
				t.Errorf("margins %v θ=e^%v: mean %v, want 1 to four digits", m, logTheta, got)
			}
		}
	}
}

func TestProfileMeetsExactForm(t *testing.T) {
	for _, tab := range []Table{{100, 900, 4, 16}, {100, 900, 2, 18}, {400, 400, 12, 9}, {20, 500, 5, 60}} {
		for _, logTheta := range []float64{.1, .7, 2} {
			x := tab.XC + tab.XB
			want := float64(tab.XC)*logTheta - bruteZ(tab.NC, tab.NB, x, math.Exp(logTheta)) + bruteZ(tab.NC, tab.NB, x, 1)
			if got := llr(tab, logTheta, 0); math.Abs(got-want) > 2e-4 {
				t.Errorf("%+v θ=e^%v: profile %v, exact %v", tab, logTheta, got, want)
			}
		}
	}
}

func drawTable(t *rapid.T) Table {
	nc, nb := rapid.IntRange(1, 5000).Draw(t, "nc"), rapid.IntRange(1, 5000).Draw(t, "nb")
	return Table{NC: nc, NB: nb, XC: rapid.IntRange(0, nc).Draw(t, "xc"), XB: rapid.IntRange(0, nb).Draw(t, "xb")}
}

func TestConditionalSymmetries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tab := drawTable(t)
		lt, rho := rapid.Float64Range(-4, 4).Draw(t, "lt"), rapid.Float64Range(-1, 1).Draw(t, "rho")
		got := llr(tab, lt, rho)
		if swapped := llr(tab.Swap(), -lt, -rho); !near(swapped, got, 1e-8) {
			t.Fatalf("groups exchanged: %v, want %v", swapped, got)
		}
		flipped := Table{tab.NC, tab.NB, tab.NC - tab.XC, tab.NB - tab.XB}
		if f := llr(flipped, -lt, -rho); !near(f, got, 1e-8) {
			t.Fatalf("good and bad exchanged: %v, want %v", f, got)
		}
		if chained := llr(tab, rho, 0) + llr(tab, lt, rho); !near(chained, llr(tab, lt+rho, 0), 1e-8) {
			t.Fatalf("likelihood ratios do not chain: %v", chained)
		}
	})
}

func TestConditionalSpecialCases(t *testing.T) {
	for _, tab := range []Table{{}, {10, 0, 3, 0}, {0, 10, 0, 3}, {10, 10, 0, 0}, {10, 10, 10, 10}} {
		if got := llr(tab, 1, 0); got != 0 {
			t.Errorf("%+v: %v, want 0", tab, got)
		}
	}
	for _, pair := range [][2]Table{{{10, 10, 99, 1}, {10, 10, 10, 1}}, {{10, 10, -5, 1}, {10, 10, 0, 1}}, {{-1, 10, 1, 1}, {0, 10, 0, 1}}} {
		if got, want := llr(pair[0], 1, 0), llr(pair[1], 1, 0); got != want {
			t.Errorf("%+v: %v, want it cut to %+v: %v", pair[0], got, pair[1], want)
		}
	}
	if got := llr(Table{2e9, 3e9, 1e9, 1e9}, .1, 0); math.IsNaN(got) || math.IsInf(got, 0) {
		t.Errorf("huge table: %v", got)
	}
	if got := llr(Table{1 << 40, 19, 5, 14}, 5.7, .1); math.IsNaN(got) || math.IsInf(got, 0) {
		t.Errorf("lopsided table: %v", got)
	}
}

func TestBinomial(t *testing.T) {
	at := func(xc, x int, pi, theta float64) float64 {
		dst := []float64{0}
		BinomialLLR(dst, []float64{math.Log(theta)}, xc, x, pi)
		return dst[0]
	}
	// R: dbinom(5, 9, 3*.2/1.4, log=TRUE) - dbinom(5, 9, .2, log=TRUE) = 5*log(3) - 9*log(1.4).
	if got := at(5, 9, .2, 3); !near(got, 2.4648113137496, 1e-12) {
		t.Errorf("got %.14g", got)
	}
	if got, want := at(4, 9, .8, 1.0/3), at(5, 9, .2, 3); !near(got, want, 1e-12) {
		t.Errorf("groups exchanged: %v, want %v", got, want)
	}
	// Rare events: the binomial form is the limit of the exact one, from below.
	exact, limit := llr(Table{100000, 900000, 7, 9}, 1.5, 0), at(7, 16, .1, math.Exp(1.5))
	if !near(exact, limit, 1e-3) {
		t.Errorf("rare events: exact %v, binomial %v", exact, limit)
	}
	for _, c := range []struct {
		xc, x int
		pi    float64
	}{{0, 0, .5}, {1, 2, 0}, {1, 2, 1}, {1, 2, math.NaN()}} {
		if got := at(c.xc, c.x, c.pi, 2); got != 0 {
			t.Errorf("%+v: %v, want 0", c, got)
		}
	}
}

func TestLogarithms(t *testing.T) {
	inf := math.Inf(-1)
	if LogSumExp(nil) != inf || LogSumExp([]float64{inf, inf}) != inf || LogAdd(inf, inf) != inf {
		t.Error("empty sums are not -Inf")
	}
	if got := LogSumExp([]float64{1000, 1000 + math.Log(3)}); !near(got, 1000+math.Log(4), 1e-14) {
		t.Errorf("LogSumExp: %v", got)
	}
	if got := LogAdd(inf, 2); got != 2 {
		t.Errorf("LogAdd: %v", got)
	}
	g := DefaultGrid()
	if len(g) != 14 || !near(g[0], math.Log(1.12), 1e-14) || !near(g[13], math.Log(300), 1e-14) {
		t.Errorf("grid %v", g)
	}
	for k := 2; k < len(g); k++ {
		if !near(g[k]/g[k-1], g[1]/g[0], 1e-12) {
			t.Errorf("grid is not geometric at %d", k)
		}
	}
	_, logV := nullNodes(.2)
	if len(logV) != 17 || !near(LogSumExp(logV), 0, 1e-14) {
		t.Errorf("null weights %v", logV)
	}
}
