package stat

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// verify gives the share of wrong and right answers and the median windows.
func verify(r random, o RecoveryOptions, truth, phi float64, want int) (wrong, right, windows float64) {
	const runs = 400
	var delays []float64
	for range runs {
		v := NewRecovery(o)
		for w := 1; w <= 180; w++ {
			a, b := v.Step(float64(r.scattered(1000*truth, phi)), 1000)
			if a || b {
				if (want == 1 && a) || (want == 2 && b) {
					right++
					delays = append(delays, float64(w))
				} else {
					wrong++
				}
				break
			}
		}
	}
	return wrong / runs, right / runs, median(delays)
}

func median(v []float64) float64 {
	l := make([]float64, 0, len(v))
	for _, x := range v {
		at := len(l)
		for at > 0 && l[at-1] > x {
			at--
		}
		l = append(l[:at], append([]float64{x}, l[at:]...)...)
	}
	if len(l) == 0 {
		return math.Inf(1)
	}
	return l[len(l)/2]
}

func TestRecovery(t *testing.T) {
	r := newRandom(21)
	for _, phi := range []float64{1, 3} {
		for _, c := range []struct{ before, bad, most float64 }{{.005, .02, 25}, {.005, .05, 25}, {.0005, .02, 60}, {.005, .25, 25}} {
			o := RecoveryOptions{Before: c.before, Bad: c.bad, Phi: phi}
			if wrong, right, at := verify(r, o, c.before, phi, 1); wrong > .003 || right < .98 || at > c.most {
				t.Errorf("%+v recovered: wrong %v right %v median %v windows", o, wrong, right, at)
			}
			if wrong, right, at := verify(r, o, c.bad, phi, 2); wrong > .003 || right < .98 || at > c.most {
				t.Errorf("%+v not helped: wrong %v right %v median %v windows", o, wrong, right, at)
			}
		}
	}
	half := RecoveryOptions{Before: .005, Bad: .02}
	if wrong, _, _ := verify(r, half, .01082, 1, 0); wrong > .01 {
		t.Errorf("half way: %v answered", wrong)
	}
}

func TestRecoveryCannotBeHurried(t *testing.T) {
	v := NewRecovery(RecoveryOptions{Before: .01, Bad: .5})
	for w := 1; w <= 3; w++ {
		if a, b := v.Step(0, 1e6); a || b {
			t.Errorf("answered after %d windows", w)
		}
	}
	if a, b := v.Step(0, 1e6); !a || b {
		t.Errorf("a million good requests in four windows: %v %v", a, b)
	}
	if a, b := v.Step(1e6, 1e6); !a || b {
		t.Error("the first answer does not stand")
	}
}

func TestRecoverySpecialCases(t *testing.T) {
	for _, o := range []RecoveryOptions{{}, {Before: .1, Bad: .1}, {Before: .2, Bad: .1}} {
		v := NewRecovery(o)
		a, b := v.Step(5, 100)
		if v.Decidable() || a || b {
			t.Errorf("%+v: decidable %v, answers %v %v", o, v.Decidable(), a, b)
		}
	}
	v := NewRecovery(RecoveryOptions{Bad: .05}) // nothing ever failed before
	for range 12 {
		v.Step(0, 1000)
	}
	if a, _ := v.Step(0, 1000); !a {
		l, _ := v.LogE()
		t.Errorf("13,000 good requests: log E %v", l)
	}
}

func TestRateIntervalCovers(t *testing.T) {
	for _, p := range []float64{.001, .02, .5, .97} {
		r, missed, width := newRandom(31), 0, 0.0
		for range 300 {
			x, n, out := 0, 0, false
			for range 80 {
				x, n = x+r.binomial(100, p), n+100
				lo, hi := RateInterval(float64(x), float64(n), .95, RateOptions{})
				out = out || lo > p || hi < p
			}
			missed += count(out)
			lo, hi := RateInterval(float64(x), float64(n), .95, RateOptions{})
			width += (hi - lo) / 300
		}
		if missed > 25 {
			t.Errorf("rate %v: %d of 300 intervals missed it at some moment, want at most 15 give or take", p, missed)
		}
		// A fixed-time interval is 3.9 standard deviations wide, of few bad requests 4.4.
		if sd := math.Sqrt(p * (1 - p) / 8000); width > 8.8*sd {
			t.Errorf("rate %v: intervals are %v standard deviations wide", p, width/sd)
		}
	}
}

func TestRateIntervalReference(t *testing.T) {
	// Python, by bisection: from math import lgamma, log
	// lb = lambda a,b: lgamma(a)+lgamma(b)-lgamma(a+b)
	// f = lambda p: lb(x+.5,n-x+.5)-lb(.5,.5)-x*log(p)-(n-x)*log(1-p)-log(100)
	for _, c := range []struct{ x, n, lower, upper float64 }{
		{70, 882, 0.0476302836318525, 0.121478191137698},
		{0, 400, 0, 0.0202265913898925},
	} {
		lower, upper := RateInterval(c.x, c.n, .99, RateOptions{})
		if !near(lower, c.lower, 1e-9) || !near(upper, c.upper, 1e-9) {
			t.Errorf("%v of %v: %v to %v, want %v to %v", c.x, c.n, lower, upper, c.lower, c.upper)
		}
	}
}

func TestRateIntervalLaws(t *testing.T) {
	if lo, hi := RateInterval(0, 0, .99, RateOptions{}); lo != 0 || hi != 1 {
		t.Errorf("no data: %v to %v", lo, hi)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Float64Range(1, 1e7).Draw(t, "n")
		x := n * rapid.Float64Range(0, 1).Draw(t, "share")
		lo, hi := RateInterval(x, n, .99, RateOptions{})
		if !(0 <= lo && lo <= x/n && x/n <= hi && hi <= 1) {
			t.Fatalf("%v of %v: %v to %v", x, n, lo, hi)
		}
		swappedLo, swappedHi := RateInterval(n-x, n, .99, RateOptions{})
		if !near(lo, 1-swappedHi, 1e-6) || !near(hi, 1-swappedLo, 1e-6) {
			t.Fatalf("good for bad: %v to %v and %v to %v", lo, hi, swappedLo, swappedHi)
		}
		for name, o := range map[string]RateOptions{"SD": {SD: .2}, "Phi": {Phi: 3}} {
			if l, h := RateInterval(x, n, .99, o); l > lo || h < hi {
				t.Fatalf("%s does not widen: %v to %v, without %v to %v", name, l, h, lo, hi)
			}
		}
		if l, h := RateInterval(x, n, .9, RateOptions{}); l < lo || h > hi {
			t.Fatalf("a lower level widens: %v to %v", l, h)
		}
	})
}

func TestWaldReference(t *testing.T) {
	// Python: log(1000)/(100*kl(pc,p) + 900*kl(pb,p)), p = (pc+9*pb)/10,
	// kl = lambda a,b: a*log(a/b)+(1-a)*log((1-a)/(1-b)).
	if got := Wald(.02, .01, 100, 900, 1e-3); !near(got, 20.171882016796, 1e-10) {
		t.Errorf("1 → 2 %%: %v", got)
	}
	if got := Wald(.05, .001, 100, 900, 1e-3); !near(got, .75100263407483, 1e-10) {
		t.Errorf(".1 → 5 %%: %v", got)
	}
	if got := Wald(.01, .01, 100, 900, 1e-3); !math.IsInf(got, 1) {
		t.Errorf("no difference: %v", got)
	}
}

func TestDetectableIsDetected(t *testing.T) {
	r := newRandom(41)
	for _, c := range []struct{ pb, sd float64 }{{.01, 0}, {.01, .05}, {.001, .05}, {.3, .03}} {
		const windows = 40
		pc := Detectable(windows*200, windows*1800, c.pb, 1, c.sd, math.Log(1000))
		power := func(pc float64) (share float64) {
			for range 150 {
				p := NewProcess(ProcessOptions{Calibration: noise(1), InstancesC: 2, InstancesB: 18, ExtraSD: c.sd})
				for range windows {
					p.Add(0, Table{200, 1800, r.binomial(200, pc), r.binomial(1800, c.pb)})
					p.Close()
				}
				share += float64(count(p.LogE() >= math.Log(1000))) / 150
			}
			return share
		}
		if got := power(pc); got < .5 {
			t.Errorf("%v against %v is called detectable and found in %v of the runs", pc, c.pb, got)
		}
		if got := power(c.pb + .6*(pc-c.pb)); got > .5 {
			t.Errorf("a change that is 40 %% smaller than %v against %v is found in %v of the runs", pc, c.pb, got)
		}
		if got := WindowsToDetect(200, 1800, c.pb, pc, 1, c.sd, math.Log(1000)); !near(got, windows, 1e-6) {
			t.Errorf("%v against %v would be seen after %v windows, want %d", pc, c.pb, got, windows)
		}
	}
}

func TestDetectableSpecialCases(t *testing.T) {
	for _, c := range []struct{ nc, nb, pb float64 }{{0, 0, .1}, {100, 0, .1}, {0, 100, .1}, {1, 1, .1}, {100, 900, 1}, {100, 900, 2}} {
		if got := Detectable(c.nc, c.nb, c.pb, 1, .05, 7); got != 1 {
			t.Errorf("%+v: %v, want 1", c, got)
		}
	}
	if got := Detectable(1000, 9000, 0, 1, .05, 7); got < .001 || got > .05 {
		t.Errorf("a baseline without failures: %v", got)
	}
	if got := Detectable(1e12, 1e12, .01, 1, .3, 7); got < .02 || got > .1 {
		t.Errorf("endless traffic and instances that differ: %v, want the floor that they set", got)
	}
	if a, b := Detectable(1e3, 1e4, .01, 1, 0, 7), Detectable(1e3, 1e4, .01, 3, 0, 7); a >= b {
		t.Errorf("noise makes smaller changes detectable: %v, %v", a, b)
	}
	for _, c := range [][4]float64{{0, 10, .1, .2}, {10, 10, .2, .1}, {10, 10, .1, .1}} {
		if got := WindowsToDetect(c[0], c[1], c[2], c[3], 1, 0, 7); !math.IsInf(got, 1) {
			t.Errorf("%v: %v windows, want never", c, got)
		}
	}
	if got := WindowsToDetect(1e6, 1e6, .01, .012, 1, .3, 7); !math.IsInf(got, 1) {
		t.Errorf("a difference that instances have anyway: %v windows, want never", got)
	}
	if got := WindowsToDetect(1e6, 1e6, .01, .5, 1, 0, 7); got != fastest {
		t.Errorf("a gross fault: %v windows, want %v", got, fastest)
	}
}

func TestPosteriorBlame(t *testing.T) {
	got := PosteriorBlame([]float64{math.Log(1000), 0}, []float64{.05, .05}, Rival{Prior: .88}, Rival{Prior: .02, LogE: math.Log(10)})
	sum := 50 + .05 + .88 + .2
	if !sameFloats(got, []float64{50 / sum, .05 / sum, .88 / sum, .2 / sum}) {
		t.Errorf("posterior %v", got)
	}
	for _, p := range PosteriorBlame([]float64{5000, 4000}, []float64{.05, 0}, Rival{}) {
		if math.IsNaN(p) || p < 0 || p > 1 {
			t.Errorf("overflow: %v", p)
		}
	}
	if got := PosteriorBlame([]float64{0}, []float64{0}); got[0] != 0 {
		t.Errorf("nothing is possible: %v", got)
	}
}
