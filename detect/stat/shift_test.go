package stat

import (
	"math"
	"slices"
	"testing"
)

func TestShiftReference(t *testing.T) {
	// An independent program on the same counts, while they are few.
	want := map[int]float64{0: 0.0445289439342, 5: 0.213252004836}
	l, o := lcg(3), ShiftOptions{Phi: 1.5}
	for range 120 {
		o.PreX = append(o.PreX, float64(l.n(5)))
		o.PreN = append(o.PreN, float64(300+l.n(50)))
	}
	s := NewShift(o)
	for w := range 23 {
		s.Add(float64(1+l.n(6)), float64(300+l.n(50)), .15)
		if a, ok := want[w]; ok && !near(s.atRelease()-s.drift(), a, 1e-9) {
			t.Errorf("window %d: log A %v, want %v", w, s.atRelease()-s.drift(), a)
		}
	}
}

// A change drifts like the rate that it changes: with many counts the evidence
// is the integral over both, here by a sum over a fine grid.
func TestShiftIntegratesDrift(t *testing.T) {
	for _, rate := range []float64{1, 1.05, 1.3, 1.62, 2, 7} {
		s := NewShift(ShiftOptions{PreX: []float64{900}, PreN: []float64{1000}, Phi: 1.5})
		for range 20 {
			s.Add(45*rate, 50, .15)
		}
		sum := 0.0
		for _, lt := range s.grid {
			for z := -6.0; z <= 6; z += .01 {
				eta := lt + s.sd*z
				sum += math.Exp(s.ratio(s.x, s.n, eta, math.Expm1(eta))-z*z/2) * .01 / math.Sqrt(2*math.Pi)
			}
		}
		want := math.Log(sum/float64(len(s.grid))) - s.drift()
		if !near(s.atRelease()-s.drift(), want, .1) {
			t.Errorf("rate ×%g: log A %v, want %v", rate, s.atRelease()-s.drift(), want)
		}
	}
}

// An outage that comes after the release and ends is not the release's doing,
// however long it is averaged over what came with it.
func TestWhatPassesIsNotTheReleases(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to int     // windows of the higher rate
		least    float64 // of what speaks for a shift from outside rather than for the release
		most     float64
	}{
		{"three minutes", 12, 48, 8, math.Inf(1)},
		{"two minutes", 20, 44, 6, math.Inf(1)},
		{"one minute", 31, 43, 1, math.Inf(1)},
		{"with the release and for good", 0, 150, math.Inf(-1), -3},
	} {
		for seed := range uint64(4) {
			r := newRandom(77 + seed)
			o := ShiftOptions{Phi: 1.5}
			for range 96 {
				o.PreX, o.PreN = append(o.PreX, float64(r.scattered(.6, 1.2))), append(o.PreN, .6)
			}
			s := NewShift(o)
			for w := range 150 {
				mean := .6
				if w >= c.from && w < c.to {
					mean = 3
				}
				s.Add(float64(r.scattered(mean, 1.2)), .6, .15)
			}
			if d := s.LogB() - s.LogA(); d < c.least || d > c.most {
				t.Errorf("%s, seed %d: log B %.1f, log A %.1f: their difference is %.1f, want %g to %g", c.name, seed, s.LogB(), s.LogA(), d, c.least, c.most)
			}
		}
	}
}

// story gives the counts of windows at rates that change at the given windows.
type story struct {
	before, at, rate float64 // rate before the change, window of the change (0: the release), rate after
	drift            float64
}

// tell gives the evidence after 60 windows for a release at window 0 of one stream.
func (y story) tell(r random) (logE float64, raised bool) {
	o := ShiftOptions{Phi: 1.2}
	level := math.Exp(y.drift * r.NormFloat64())
	rate := func(w int) float64 {
		p := y.before
		if float64(w) >= y.at {
			p = y.rate
		}
		if w >= 0 {
			p *= level
		}
		return p
	}
	for w := -360; w < 0; w++ {
		o.PreX = append(o.PreX, float64(r.scattered(500*rate(w), 1.2)))
		o.PreN = append(o.PreN, 500)
	}
	s, e := NewShift(o), NewShiftRelease(.02, 0)
	top := 0.0
	for w := range 60 {
		s.Add(float64(r.scattered(500*rate(w), 1.2)), 500, .15)
		top = math.Max(top, e.Step([]float64{.3}, []float64{s.LogA()}, []float64{s.LogB()}))
	}
	return e.LogE(), top >= math.Log(100)
}

func TestShiftStories(t *testing.T) {
	for _, c := range []struct {
		name        string
		story       story
		least, most int // of 100 releases raised
	}{
		{"nothing happens", story{before: .005, rate: .005, drift: .1}, 0, 0},
		{"the release doubles failures", story{before: .005, rate: .01, drift: .05}, 60, 100},
		{"the release fails four times as often", story{before: .005, rate: .02}, 99, 100},
		{"the release fails where nothing did", story{before: .00001, rate: .02}, 99, 100},
		{"a hotfix comes four minutes after the fault", story{before: .005, at: -48, rate: .05}, 0, 0},
		{"a hotfix comes a minute after the fault", story{before: .005, at: -12, rate: .05}, 0, 3},
		{"an outage two minutes after the release", story{before: .005, at: 24, rate: .05}, 0, 1},
		{"the release improves", story{before: .02, rate: .005}, 0, 0},
	} {
		r, raised := newRandom(12), 0
		for range 100 {
			_, up := c.story.tell(r)
			raised += count(up)
		}
		if raised < c.least || raised > c.most {
			t.Errorf("%s: %d of 100 raised, want %d to %d", c.name, raised, c.least, c.most)
		}
	}
}

// Evidence beyond all doubt is at the bound from the first windows on.
func TestTheBoundIsNoHindrance(t *testing.T) {
	o := ShiftOptions{}
	for range 360 {
		o.PreX, o.PreN = append(o.PreX, 5), append(o.PreN, 1000)
	}
	s, e := NewShift(o), NewShiftRelease(.02, 0)
	for w := range 8 {
		s.Add(float64(250-w%3), 1000, .15)
		l := e.Step([]float64{.3}, []float64{s.LogA()}, []float64{s.LogB()})
		if want := math.Min(float64(w+1)*math.Log(100)/4, math.Log(100)); l < want-1e-9 {
			t.Errorf("window %d: log E %.2f; want %.2f at least", w, l, want)
		}
	}
}

func TestShiftTellsWhen(t *testing.T) {
	run := func(at int) *Shift {
		o := ShiftOptions{}
		for w := -120; w < 0; w++ {
			x := 2.0
			if w >= at {
				x = 20
			}
			o.PreX, o.PreN = append(o.PreX, x), append(o.PreN, 500)
		}
		s := NewShift(o)
		for w := range 40 {
			x := 2.0
			if w >= at {
				x = 20
			}
			s.Add(x, 500, .15)
		}
		return s
	}
	if s := run(0); s.LogA() < s.LogB()+2 {
		t.Errorf("shift at the release: log A %v, log B %v", s.LogA(), s.LogB())
	}
	for _, at := range []int{-30, 21} {
		if s := run(at); s.LogB() < s.LogA()+2 {
			t.Errorf("shift at window %d: log A %v, log B %v", at, s.LogA(), s.LogB())
		}
	}
}

func TestShiftReleaseIsBounded(t *testing.T) {
	s, e := NewShift(ShiftOptions{PreX: make([]float64, 360), PreN: slices.Repeat([]float64{500}, 360)}), NewShiftRelease(.02, 0)
	for range 100 {
		s.Add(400, 500, .15)
		e.Step([]float64{1}, []float64{s.LogA()}, []float64{s.LogB()})
	}
	// 140 slots and .02: nothing can say more than some 140·17/(14·.02).
	if e.LogE() < math.Log(100) || e.Raw() > math.Log(140*17/(14*.02))+1e-9 {
		t.Errorf("total failure: log E %v, raw %v", e.LogE(), e.Raw())
	}
}

func TestShiftReleaseLimits(t *testing.T) {
	e, step := NewShiftRelease(0, 0), math.Log(100)/4
	w, b := []float64{.5, 0}, []float64{0, 0}
	if got := e.Step(w, []float64{20, math.Inf(1)}, b); !near(got, step, 1e-12) {
		t.Errorf("first window: %v, want %v", got, step)
	}
	if got := e.Step(w, []float64{19, 0}, b); !near(got, step, 1e-12) {
		t.Errorf("without new evidence: %v, want %v", got, step)
	}
	if got := e.Step(w, []float64{-30, 0}, b); !near(got, math.Log(.5), 1e-9) {
		t.Errorf("refuted: %v, want the half that was never invested", got)
	}
	if got := NewShiftRelease(.5, 1).Step(nil, nil, nil); !near(got, 0, 1e-12) {
		t.Errorf("no streams: %v", got)
	}
}

func TestShiftWithoutData(t *testing.T) {
	s := NewShift(ShiftOptions{})
	s.Add(0, 0, .15)
	s.Add(math.NaN(), 0, 0)
	s.Add(math.NaN(), 50, 0)
	s.Add(5, math.NaN(), 0)
	if s.LogA() != 0 || s.LogB() != 0 {
		t.Errorf("no exposure: %v %v", s.LogA(), s.LogB())
	}
	for range 1000 { // beyond the horizon
		s.Add(5, 100, 0)
	}
	if math.IsNaN(s.LogA()) || math.IsNaN(s.LogB()) {
		t.Errorf("no past: %v %v", s.LogA(), s.LogB())
	}
}

// A wide drift must explain a small change however many counts there are: the
// nodes of a coarse mixture would miss the likelihood's narrow peak.
func TestManyCountsDoNotRefuteDrift(t *testing.T) {
	for _, change := range []float64{1.05, 1.19, 1.3, 1.6} {
		o := ShiftOptions{Phi: 1}
		for range 100 {
			o.PreX, o.PreN = append(o.PreX, 500), append(o.PreN, 1000)
		}
		s := NewShift(o)
		for range 50 {
			s.Add(500*change, 1000, .75)
		}
		if s.LogA() > 0 {
			t.Errorf("×%.2f under a drift of .75: log A is %.1f; want no evidence", change, s.LogA())
		}
	}
}

// A rate that falls, however much, is no evidence that it rose, whichever way the
// integrals over drifts are found.
func TestAFallIsNoRise(t *testing.T) {
	for _, drift := range []float64{0, .05, .1, .15, .3, .6} {
		for _, before := range []float64{2, 20, 200, 2000} { // bad in a window
			for _, times := range []float64{1, .9, .7, .5, .2, .07, .01, 0} {
				o := ShiftOptions{Phi: 1.5}
				for range 60 {
					o.PreX, o.PreN = append(o.PreX, before), append(o.PreN, 4*before)
				}
				s := NewShift(o)
				for k := range 60 {
					s.Add(math.Round(before*times), 4*before, drift)
					if a := s.LogA(); a > .5 {
						t.Fatalf("drift %g, %g bad before, ×%g since: log evidence %.2f after %d windows", drift, before, times, a, k+1)
					}
				}
			}
		}
	}
}

// Both ways of integrating over the drift agree where the nodes are fine enough.
func TestDriftByPeakAndByNodes(t *testing.T) {
	l := lcg(11)
	for range 50 {
		o := ShiftOptions{Phi: 1.5}
		for range 60 {
			o.PreX, o.PreN = append(o.PreX, float64(l.n(9))), append(o.PreN, 400)
		}
		s := NewShift(o)
		for range 12 {
			s.Add(float64(2+l.n(9)), 400, .15)
		}
		if a, b := s.drift(), s.peak(s.x, s.n, 0); math.Abs(a-b) > .02 {
			t.Errorf("by nodes %.4f, by peak %.4f; want the same within .02", a, b)
		}
	}
}

// What a release changes for the better when it begins is no shift from outside, and what
// changes for the better at a moment of its own is one.
func TestABetterRateIsNoShiftFromOutside(t *testing.T) {
	pre := func() (x, n []float64) {
		for range 120 {
			x, n = append(x, 60), append(n, 100)
		}
		return x, n
	}
	for _, c := range []struct {
		name  string
		after int
		from  float64 // of LogB
		to    float64
	}{{"at the release", 0, math.Inf(-1), 1}, {"fifteen windows later", 15, 20, math.Inf(1)}} {
		x, n := pre()
		s := NewShift(ShiftOptions{PreX: x, PreN: n})
		for k := range 40 {
			bad := 60.
			if k >= c.after {
				bad = 20
			}
			s.Add(bad, 100, .1)
		}
		if b := s.LogB(); b < c.from || b > c.to || s.LogA() > 1 {
			t.Errorf("%s: log A %.1f, log B %.1f; want B from %v to %v, and no harm", c.name, s.LogA(), b, c.from, c.to)
		}
	}
}
