package stat

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// referenceHistory is what the independent program of the reference numbers
// calibrates on: two strata, five instances, 100 windows.
func referenceHistory(l *lcg, instances int) []Cells {
	strata := make([]Cells, 2)
	for s := range strata {
		for p := range 5 {
			y, n := make([]int32, 100), make([]int32, 100)
			for w := range n {
				all, bad := 40+l.n(40), 0
				for range 3 {
					if l.n(10) < 2+p%2 {
						bad += 1 + l.n(2)
					}
				}
				if p == 2 && w >= 30 && w < 33 {
					bad += 20
				}
				if p == 3 && w < 10 {
					all, bad = 0, 0
				}
				n[w], y[w] = int32(all), int32(bad)
			}
			if p < instances {
				strata[s].N, strata[s].Y = append(strata[s].N, n), append(strata[s].Y, y)
			}
		}
	}
	return strata
}

func TestProcessReference(t *testing.T) {
	// An independent program (batch form, all tables exact) on the
	// same tables, half of the evidence for later changes: raw ratio part, limited ratio part, limited part of Delta.
	want := map[int]map[int][3]float64{
		1: {
			9:  {-1.51670944533, -1.51670944533, 11.512925465},
			24: {-0.519517335422, -0.519517335422, 26.4797285694},
			39: {7.1381039396, 7.1381039396, 43.7491167669},
		},
		2: {
			9:  {-1.53652386311, -1.53652386311, 17.2693881975},
			24: {-0.481948320716, -0.481948320716, 39.7195928541},
			39: {8.14429109989, 8.14429109989, 65.6236751503},
		},
	}
	first := lcg(1)
	c := Calibrate(referenceHistory(&first, 5), nil)
	for kc, rows := range want {
		p := NewProcess(ProcessOptions{Calibration: c, InstancesC: kc, InstancesB: 4, ExtraSD: .05, Delta: .0005, LogRho: math.Log(1.1)})
		p.ratio.atRelease, p.floor.atRelease = .5, .5
		l := lcg(7)
		for w := range 40 {
			for s := range 2 {
				nc, nb := 50+l.n(30), 200+l.n(100)*s
				xb, xc := l.n(4)+30*s, l.n(3)+l.n(12)*s
				if w > 20 {
					xc += 3 + l.n(4)
				}
				p.Add(s, Table{nc, nb, xc, xb})
			}
			got := p.Close()
			if row, ok := rows[w]; ok {
				if !near(p.limits[0].raw, row[0], 2e-4) || !near(p.limits[0].value, row[1], 2e-4) || !near(p.limits[1].value, row[2], 1e-9) {
					t.Errorf("k_c %d window %d: %v, want %v", kc, w, p.limits, row)
				}
				if got != math.Min(p.limits[0].value, p.limits[1].value) {
					t.Errorf("Close gives %v, not the smaller part", got)
				}
			}
		}
	}
}

// enumerate gives the mean of f over all tables of k windows in which each of
// nc and nb requests is bad with probability pc and pb.
func enumerate(k, nc, nb int, pc, pb float64, p *Process, f func(*Process) float64) (mean float64) {
	if k == 0 {
		return f(p)
	}
	for xc := range nc + 1 {
		for xb := range nb + 1 {
			q := p.Clone()
			q.Add(0, Table{nc, nb, xc, xb})
			q.Close()
			mean += binomial(nc, xc, pc) * binomial(nb, xb, pb) * enumerate(k-1, nc, nb, pc, pb, q, f)
		}
	}
	return mean
}

func binomial(n, x int, p float64) float64 {
	l := -math.Log(float64(n+1)) - lbeta(float64(n-x+1), float64(x+1))
	return math.Exp(l + xlogy(float64(x), p) + xlogy(float64(n-x), 1-p))
}

func exp(p *Process) float64     { return math.Exp(p.Raw()) }
func limited(p *Process) float64 { return math.Exp(p.LogE()) }

func TestProcessMeanUnderTheNull(t *testing.T) {
	start := ProcessOptions{Calibration: noise(1), Horizon: 1 << 60} // invests nothing later
	both := ProcessOptions{Calibration: noise(1), Horizon: 4}
	deflated := ProcessOptions{Calibration: noise(2), Horizon: 4}
	for _, rate := range []float64{.02, .3, .7} {
		if got := enumerate(3, 2, 3, rate, rate, NewProcess(start), exp); !near(got, AtRelease, 1e-9) {
			t.Errorf("rate %v: mean %v, want the part that is invested", rate, got)
		}
		// By now three of four quarters of the rest are invested too.
		const most = AtRelease + .75*(1-AtRelease)
		if got := enumerate(3, 2, 3, rate, rate, NewProcess(both), exp); got < .92 || got > most {
			t.Errorf("rate %v: mean %v, want at most %v", rate, got, most)
		}
		if got := enumerate(3, 2, 3, rate, rate, NewProcess(both), limited); got > 1 {
			t.Errorf("rate %v: limited mean %v above 1", rate, got)
		}
		if got := enumerate(3, 2, 3, rate/2, rate, NewProcess(both), exp); got > most {
			t.Errorf("rate %v, candidate better: mean %v above that of the boundary", rate, got)
		}
		if got := enumerate(3, 2, 3, rate, rate, NewProcess(deflated), exp); got > most {
			t.Errorf("rate %v, deflated: mean %v", rate, got)
		}
	}
}

func TestProcessMeanInAnOutage(t *testing.T) {
	c := noise(1)
	c.P, c.PhiW = []float64{.01}, []float64{1}
	for _, theta := range []float64{.5, 1} {
		o := ProcessOptions{Calibration: c, Horizon: 1 << 60}
		// of 7 requests 4 are bad, where 2 are usual
		got := conditional(3, 3, 4, 4, theta, NewProcess(o))
		if theta == 1 && !near(got, AtRelease, 1e-9) || got > AtRelease*(1+1e-9) {
			t.Errorf("odds ratio %v: mean %v, want at most the part that is invested", theta, got)
		}
	}
}

func TestAnOutageOfAllTakesLittle(t *testing.T) {
	c := noise(2)
	c.P, c.PhiW = []float64{.005}, []float64{1.5}
	unaware := noise(2)
	unaware.P, unaware.PhiW = []float64{.5}, []float64{1.5} // to which nothing is unusual
	worse := Table{NC: 120, NB: 480, XC: 2, XB: 4}
	outage := Table{NC: 120, NB: 480, XC: 8, XB: 32} // winsorised
	var lost [2]float64
	for k, cal := range []*Calibration{c, unaware} {
		p := NewProcess(ProcessOptions{Calibration: cal, InstancesC: 2, InstancesB: 8, ExtraSD: .05})
		for range 60 {
			feed(p, worse)
		}
		before := p.Raw()
		for range 8 {
			feed(p, outage)
		}
		lost[k] = before - p.Raw()
		for range 300 {
			feed(p, outage)
		}
		if p.Raw() > before {
			t.Errorf("an outage of all raised the evidence from %v to %v", before, p.Raw())
		}
	}
	if lost[0] > .7*lost[1] || lost[0] < 0 {
		t.Errorf("forty seconds in which everybody's requests fail take %v; %v if a multiple of them were expected", lost[0], lost[1])
	}
}

// conditional gives the mean of exp(raw) over k windows with x bad of nc+nb
// requests each at the odds ratio theta.
func conditional(k, nc, nb, x int, theta float64, p *Process) (mean float64) {
	if k == 0 {
		return exp(p)
	}
	z := math.Exp(bruteZ(nc, nb, x, theta))
	for u := max(0, x-nb); u <= min(nc, x); u++ {
		q := feed(p.Clone(), Table{nc, nb, u, x - u})
		weight := binomial(nc, u, .5) * binomial(nb, x-u, .5) * math.Exp2(float64(nc+nb))
		mean += weight * math.Pow(theta, float64(u)) / z * conditional(k-1, nc, nb, x, theta, q)
	}
	return mean
}

func TestProcessMeanOverHealthyDifferences(t *testing.T) {
	o := ProcessOptions{Calibration: noise(1), ExtraSD: .4, Horizon: 1 << 60}
	nodes, logV := nullNodes(.4)
	mean := 0.0
	for j, eta := range nodes {
		mean += math.Exp(logV[j]) * conditional(3, 3, 4, 3, math.Exp(eta), NewProcess(o))
	}
	if !near(mean, AtRelease, 1e-9) {
		t.Errorf("mean %v, want the part that is invested", mean)
	}
}

func TestProcessMeanWithDelta(t *testing.T) {
	o := ProcessOptions{Calibration: noise(1), Delta: .2, LogRho: math.Log(1.5), Horizon: 3}
	for _, rates := range [][2]float64{{.2, .001}, {.2, .2}, {.05, .0001}, {.5, .45}, {.9, .86}} {
		if got := enumerate(3, 2, 3, rates[0], rates[1], NewProcess(o), exp); got > 1 {
			t.Errorf("rates %v are in the null, mean %v", rates, got)
		}
	}
}

func feed(p *Process, tables ...Table) *Process {
	for _, t := range tables {
		p.Add(0, t)
		p.Close()
	}
	return p
}

func TestProcessLimiter(t *testing.T) {
	burst, quiet := Table{100, 900, 60, 5}, Table{100, 900, 0, 0}
	p := feed(NewProcess(ProcessOptions{InstancesC: 2, InstancesB: 8}), burst)
	if want := math.Log(1000) / 4; !near(p.LogE(), want, 1e-12) || p.Raw() < 10 {
		t.Errorf("one burst: log E %v (raw %v), want it held at %v", p.LogE(), p.Raw(), want)
	}
	for range 20 {
		feed(p, quiet)
	}
	if p.LogE() > math.Log(1000)/4 {
		t.Errorf("log E climbed to %v in silence", p.LogE())
	}
	one := noise(1)
	one.LongestRun = 6
	if got, want := one.LimiterStep(0, 1), math.Log(1000)/9; !near(got, want, 1e-12) {
		t.Errorf("one instance: step %v, want %v", got, want)
	}
	one.LongestRun = 40
	if got, want := one.LimiterStep(7, 1), 7.0/14; got != want {
		t.Errorf("one instance: step %v, want %v", got, want)
	}
}

func TestProcessNeedsBothGroups(t *testing.T) {
	p := feed(NewProcess(ProcessOptions{Delta: .001}), Table{100, 900, 9, 5}, Table{100, 900, 7, 5})
	before := p.LogE()
	feed(p, Table{100, 0, 50, 0}, Table{0, 900, 0, 5}, Table{})
	p.Close()
	if p.LogE() != before || p.Windows() != 2 {
		t.Errorf("log E %v after %d windows, want %v after 2", p.LogE(), p.Windows(), before)
	}
}

func TestProcessStrata(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := ProcessOptions{ExtraSD: .05, Delta: .0005, LogRho: math.Log(1.1)}
		a, b, c := NewProcess(o), NewProcess(o), NewProcess(o)
		for range rapid.IntRange(1, 6).Draw(t, "windows") {
			tables := rapid.SliceOfN(rapid.Custom(drawTable), 1, 4).Draw(t, "tables")
			for s, tab := range tables {
				a.Add(s, tab)
				b.Add(len(tables)-1-s, tables[len(tables)-1-s])
				c.Add(s, tab)
				c.Add(7, Table{NC: tab.NC}) // an operation that the baseline does not have
			}
			a.Close()
			b.Close()
			c.Close()
		}
		if !near(a.Raw(), b.Raw(), 1e-9) || !near(a.LogE(), b.LogE(), 1e-9) {
			t.Fatalf("order of strata matters: %v and %v", a.Raw(), b.Raw())
		}
		if a.LogE() != c.LogE() {
			t.Fatalf("a stratum of one group matters: %v and %v", a.LogE(), c.LogE())
		}
	})
}

func TestMixShiftIsNoEvidence(t *testing.T) {
	// The candidate serves mostly the operation that always fails more.
	strata, pooled := NewProcess(ProcessOptions{}), NewProcess(ProcessOptions{})
	for range 60 {
		strata.Add(0, Table{90, 90, 9, 9})
		strata.Add(1, Table{10, 810, 0, 8})
		strata.Close()
		feed(pooled, Table{100, 900, 9, 17})
	}
	if strata.LogE() > 0 || pooled.LogE() < math.Log(1000) {
		t.Errorf("log E %v by operation, want below 0; %v pooled, want the mistake that strata avoid", strata.LogE(), pooled.LogE())
	}
}

func TestProcessOffsets(t *testing.T) {
	known := NewProcess(ProcessOptions{Offsets: []float64{0, math.Log(4)}})
	blind := NewProcess(ProcessOptions{})
	for range 40 {
		for _, p := range []*Process{known, blind} {
			p.Add(1, Table{100, 400, 8, 8})
			p.Close()
		}
	}
	if known.LogE() > 0 || blind.LogE() < 5 {
		t.Errorf("log E %v with the offset, %v without", known.LogE(), blind.LogE())
	}
}

// In the last window, that is: what happened before may speak against a change
// that came since.
func TestMoreFailuresAreMoreEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := ProcessOptions{ExtraSD: rapid.Float64Range(0, .05).Draw(t, "sd"), Delta: .0005, LogRho: math.Log(1.1), Calibration: noise(1.5)}
		windows := rapid.SliceOfN(rapid.Custom(drawTable), 1, 8).Draw(t, "windows")
		last := windows[len(windows)-1]
		a := feed(NewProcess(o), windows[:len(windows)-1]...)
		b := a.Clone()
		feed(a, last)
		last.XC = min(last.XC+1, last.NC)
		feed(b, last)
		if b.Raw() < a.Raw()-2e-4 { // the profile form is exact to some ten thousandths
			t.Fatalf("one more failure of the candidate: raw log E %v, before %v", b.Raw(), a.Raw())
		}
	})
}

func TestLateFaultAndOnset(t *testing.T) {
	late, early := NewProcess(ProcessOptions{Calibration: noise(1)}), NewProcess(ProcessOptions{Calibration: noise(1)})
	good, bad := Table{100, 900, 1, 9}, Table{100, 900, 6, 9}
	for range 120 {
		feed(late, good)
	}
	crossed := func(p *Process) (windows int) {
		for p.LogE() < math.Log(1000) && windows < 360 {
			feed(p, bad)
			windows++
		}
		return windows
	}
	a, b := crossed(early), crossed(late)
	if b > a+6 {
		t.Errorf("a fault from minute 10 takes %d windows, from the start %d", b, a)
	}
	if early.Onset() != 0 || late.Onset() != 120 {
		t.Errorf("onsets %d and %d, want 0 and 120", early.Onset(), late.Onset())
	}
}

func TestShareOfEvents(t *testing.T) {
	p := NewProcess(ProcessOptions{Grid: Grid(1.5, 1000, 14), Calibration: noise(1)})
	for range 7 { // a log pattern that only the candidate, a fifth of all instances, writes
		p.AddShare(0, 1, 1, .2)
		p.Close()
	}
	if p.LogE() < math.Log(100) {
		t.Errorf("seven of seven on a share of .2: log E %v", p.LogE())
	}
	fair := NewProcess(ProcessOptions{Calibration: noise(1)})
	for w := range 200 {
		fair.AddShare(0, min(1, w%5/4), 1, .2)
		fair.Close()
	}
	if fair.LogE() > 0 {
		t.Errorf("a fair share: log E %v", fair.LogE())
	}
}

func TestUpdatesAllocateNothing(t *testing.T) {
	p := NewProcess(ProcessOptions{ExtraSD: .05, Delta: .0005, InstancesC: 2, InstancesB: 8})
	h := NewHarmless(HarmlessOptions{ExtraSD: .05, Delta: .001})
	s := NewShift(ShiftOptions{PreX: make([]float64, 360), PreN: make([]float64, 360)})
	r := NewShiftRelease(0, 0)
	v := NewRecovery(RecoveryOptions{Before: .01, Bad: .1})
	w, a, b := []float64{.5}, []float64{1}, []float64{0}
	for name, step := range map[string]func(){
		"Process":      func() { p.Add(0, Table{100, 900, 3, 9}); p.Add(1, Table{100, 900, 33, 309}); p.Close() },
		"Harmless":     func() { h.Add(0, Table{100, 900, 3, 9}); h.Close() },
		"Shift":        func() { s.Add(3, 900, .15); s.LogA(); s.LogB() },
		"ShiftRelease": func() { r.Step(w, a, b) },
		"Recovery":     func() { v.Step(3, 100) },
		"RateInterval": func() { RateInterval(3, 100, .99, RateOptions{SD: .1}) },
	} {
		if n := testing.AllocsPerRun(50, step); n != 0 {
			t.Errorf("%s: %v allocations a window", name, n)
		}
	}
}
