package stat

import (
	"math"
	"testing"
)

// watch runs a release of the first k of all instances and gives the largest
// log evidence and the window in which threshold was reached, 0 if never.
func watch(c *Calibration, cells Cells, k int, threshold float64) (top float64, at int) {
	p := NewProcess(ProcessOptions{Calibration: c, InstancesC: k, InstancesB: len(cells.N) - k, ExtraSD: .05})
	for w := range cells.N[0] {
		p.Add(0, table(c, cells, k, w))
		l := p.Close()
		top = math.Max(top, l)
		if at == 0 && l >= threshold {
			at = w + 1
		}
	}
	return top, at
}

// 300 healthy releases of one instance of ten, half an hour each, in each
// environment, after half an hour of history. The seeds are fixed.
func TestHealthyReleasesStayHealthy(t *testing.T) {
	for name, e := range environments() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at10, at100, at1000 := 0, 0, 0
			for service := range uint64(15) {
				r := newRandom(100 + service)
				c := Calibrate([]Cells{e.run(r, 10, 360, 0)}, nil)
				for range 20 {
					top, _ := watch(c, e.run(r, 10, 360, 0), 1, math.Log(1000))
					at10 += count(top >= math.Log(10))
					at100 += count(top >= math.Log(100))
					at1000 += count(top >= math.Log(1000))
				}
			}
			t.Logf("of 300 healthy releases %d reach 10, %d reach 100, %d reach 1000", at10, at100, at1000)
			if at10 > 30 || at100 > 5 || at1000 > 1 {
				t.Errorf("of 300 healthy releases %d reach 10, %d reach 100, %d reach 1000; want at most 30, 3 and 0 give or take chance", at10, at100, at1000)
			}
		})
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestFaultyReleasesAreFound(t *testing.T) {
	// Median windows to find one instance of ten that fails .5 % → 5 % in
	// noise of all kinds: an independent program finds it after 11 windows
	// with a day of history.
	e, r := environments()["S6 mixed"], newRandom(77)
	var delays []float64
	for range 10 {
		c := Calibrate([]Cells{e.run(r, 10, 360, 0)}, nil)
		for range 4 {
			_, at := watch(c, e.run(r, 10, 120, .045), 1, math.Log(1000))
			if at == 0 {
				at = 999
			}
			delays = append(delays, float64(at))
		}
	}
	if m := median(delays); m > 22 {
		t.Errorf("median delay %v windows", m)
	}
}

// Mean delay relative to the least that is possible: independent requests, a
// tenth of them the candidate's, in windows a hundredth of that long. First
// without the calibration's slack, the limiter and the part that waits for a
// later start, then with that part; both steps cost what was agreed to.
func TestDelayAgainstWald(t *testing.T) {
	for _, e := range []struct{ pb, pc, start, both float64 }{
		{.01, .02, 1.28, 1.32}, {.001, .005, 1.33, 1.37}, {.02, .024, 1.3, 1.34}, {.001, .05, 1.33, 1.37},
	} {
		nc := max(1, int(Wald(e.pc, e.pb, 1, 9, 1e-3)/100))
		bound := Wald(e.pc, e.pb, float64(nc), float64(9*nc), 1e-3)
		r, start, both := newRandom(8), 0.0, 0.0
		const runs = 500
		for range runs {
			p, first := NewProcess(ProcessOptions{Calibration: noise(1), InstancesC: 2, InstancesB: 18}), 0
			for p.Raw() < math.Log(1000) && p.Windows() < 1000 {
				feed(p, Table{nc, 9 * nc, r.binomial(nc, e.pc), r.binomial(9*nc, e.pb)})
				if first == 0 && p.ratio.evidence(p.ratio.sum, 1) >= math.Log(1000) {
					first = p.Windows()
				}
			}
			start += float64(first) / bound / runs
			both += float64(p.Windows()) / bound / runs
		}
		t.Logf("%v → %v: %.3f of the Wald bound, %.3f with late starts", e.pb, e.pc, start, both)
		if start > e.start || start < 1 || both > e.both {
			t.Errorf("%v → %v: mean delay %.3f of the Wald bound, want at most %v; %.3f with late starts, want %v", e.pb, e.pc, start, e.start, both, e.both)
		}
	}
}

func TestLatencyLikeRates(t *testing.T) {
	// Half of the baseline's requests are above its median; tables are in the profile form.
	r, found, wrong := newRandom(4), 0, 0
	for range 60 {
		good := NewProcess(ProcessOptions{Calibration: noise(1.2), InstancesC: 2, InstancesB: 8, ExtraSD: .03})
		slow := NewProcess(ProcessOptions{Calibration: noise(1.2), InstancesC: 2, InstancesB: 8, ExtraSD: .03})
		for range 60 {
			xb := r.binomial(800, .5)
			feed(good, Table{200, 800, r.binomial(200, .5), xb})
			feed(slow, Table{200, 800, r.binomial(200, .6), xb})
		}
		found += count(slow.LogE() > math.Log(1000))
		wrong += count(good.LogE() > math.Log(20))
	}
	if found < 55 || wrong > 1 {
		t.Errorf("found %d of 60 slow releases, %d of 60 healthy ones wrong", found, wrong)
	}
}

func TestHarmless(t *testing.T) {
	healthy := func(rate, candidate float64, o HarmlessOptions) (cleared float64) {
		r := newRandom(6)
		for range 100 {
			h := NewHarmless(o)
			for range 120 {
				h.Add(0, Table{200, 1800, r.binomial(200, candidate), r.binomial(1800, rate)})
				if h.Close() >= math.Log(20) {
					cleared++
					break
				}
			}
		}
		return cleared / 100
	}
	quiet := HarmlessOptions{Calibration: noise(1), InstancesC: 2, InstancesB: 18, ExtraSD: .05}
	if got := healthy(.02, .02, quiet); got < .9 {
		t.Errorf("%v of healthy releases are cleared in ten minutes", got)
	}
	if got := healthy(.02, .0298, quiet); got > .05 {
		t.Errorf("%v of harmful releases are cleared", got)
	}
	if got := healthy(.02, .04, quiet); got > 0 {
		t.Errorf("%v of doubly failing releases are cleared", got)
	}
	quiet.Delta = .001
	if got := healthy(1e-9, 1e-9, quiet); got < 1 {
		t.Errorf("%v of releases of a service without failures are cleared", got)
	}
	if got := healthy(.0005, .0011, quiet); got > .06 {
		t.Errorf("%v of releases above both limits are cleared", got)
	}
	if got := healthy(.02, .04, quiet); got > 0 {
		t.Errorf("%v of doubly failing releases are cleared with Delta", got)
	}
}

func TestHarmlessMeanUnderTheNull(t *testing.T) {
	for _, rates := range [][2]float64{{.6, .5}, {.3, .2}, {.9, .5}} { // odds ratios of at least 1.5
		for _, delta := range []float64{0, .25} {
			h := HarmlessOptions{Calibration: noise(1), Delta: delta}
			if got := harmlessMean(3, rates, nil, h); got > 1+1e-9 {
				t.Errorf("rates %v, Delta %v: mean %v above 1", rates, delta, got)
			}
		}
	}
}

// harmlessMean gives the mean of exp(raw) over k windows of 3 and 3 requests.
func harmlessMean(k int, rates [2]float64, history []Table, o HarmlessOptions) (mean float64) {
	if k == 0 {
		h := NewHarmless(o)
		for _, t := range history {
			h.Add(0, t)
			h.Close()
		}
		return math.Exp(h.Raw())
	}
	for xc := range 4 {
		for xb := range 4 {
			next := append(history[:len(history):len(history)], Table{3, 3, xc, xb})
			mean += binomial(3, xc, rates[0]) * binomial(3, xb, rates[1]) * harmlessMean(k-1, rates, next, o)
		}
	}
	return mean
}

func TestHarmlessWithoutTraffic(t *testing.T) {
	h := NewHarmless(HarmlessOptions{})
	h.Add(0, Table{100, 0, 0, 0})
	h.Add(0, Table{0, 100, 0, 0})
	h.Close()
	if h.Windows() != 0 || h.LogE() != 0 {
		t.Errorf("log E %v after %d windows", h.LogE(), h.Windows())
	}
	d := NewHarmless(HarmlessOptions{Delta: .01})
	for range 20 {
		d.Add(0, Table{500, 0, 0, 0})
		d.Close()
	}
	if d.LogE() < math.Log(20) {
		t.Errorf("10,000 good requests at a limit of one in a hundred: log E %v", d.LogE())
	}
}
