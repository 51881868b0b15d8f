package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

func sameFloats(got, want []float64) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if !near(got[i], want[i], 1e-9) {
			return false
		}
	}
	return true
}

func TestCalibrateReference(t *testing.T) {
	// An independent program on the same history.
	l := lcg(1)
	c := Calibrate(referenceHistory(&l, 5), nil)
	for name, pair := range map[string][2][]float64{
		"P":    {c.P, {0.0194342069342, 0.0184977578475}},
		"PhiW": {c.PhiW, {1.28647128348, 1.29357852263}},
		"PhiS": {c.PhiS, {1.73925444525, 1.88865666472, 2.24676207016, 2.47567841739, 3.0730508568, 3.75493325283, 3.75493325283, 3.75493325283, 3.75493325283}},
		"Chi2": {c.Chi2, {643.313640968, 345.280551174, 205.400107688, 108.218611278, 69.6976431333, 44.7859991814, 16.0480642487, 0, 0}},
		"DF":   {c.DF, {390, 195, 98, 47, 24, 12, 4, 0, 0}},
		"tau":  {{c.Tau2, c.TauHat, c.TauWeight}, {0.0160687279493, 0.0245119855249, 0.948595585149}},
	} {
		if !sameFloats(pair[0], pair[1]) {
			t.Errorf("%s = %.12v, want %.12v", name, pair[0], pair[1])
		}
	}
	if c.LongestRun != 3 {
		t.Errorf("longest run %d, want 3", c.LongestRun)
	}
	var fleet Prior
	fleet.Add(c)
	other := Calibrate(referenceHistory(&l, 3), &fleet)
	want := []float64{1.72753011824, 1.72753011824, 2.12946461816, 2.35412454164, 2.67265014333, 3.15599975725, 3.15599975725, 3.15599975725, 3.15599975725}
	if !sameFloats(other.PhiS, want) || !near(other.Tau2, 0.0161902875583, 1e-9) {
		t.Errorf("with other services: PhiS %.12v Tau2 %.12v, want %.12v and 0.0161902875583", other.PhiS, other.Tau2, want)
	}
}

func TestCalibrateNothing(t *testing.T) {
	empty := [][]Cells{nil, {}, {{}}, {{N: [][]int32{{}}, Y: [][]int32{{}}}}, {{N: [][]int32{{0, 0}}, Y: [][]int32{{0, 0}}}}}
	for _, strata := range empty {
		c := Calibrate(strata, &Prior{})
		// (1.5 + 1/24)·(1 + √(2/10)) and .01·(1 + √(2/10)).
		if !near(c.Phi(1), 2.23112095973, 1e-9) || !near(c.Tau2, 0.014472135955, 1e-9) {
			t.Errorf("%v: φ %v τ² %v, want the default prior's", strata, c.Phi(1), c.Tau2)
		}
		if got := c.Winsor(3, 100, 50, 0); got != 1+int(3*math.Sqrt(1*.99*2))+2 {
			t.Errorf("winsor at the default rate: %d", got)
		}
	}
	if got := Calibrate(nil, &Prior{P: .5}).Winsor(0, 100, 60, 0); got != 60 {
		t.Errorf("winsor at a prior rate of a half: %d, want 60", got)
	}
}

// What others show as well is not clipped, whatever an instance's share of the traffic.
func TestWinsorInAnOutage(t *testing.T) {
	c := &Calibration{P: []float64{.005}, PhiW: []float64{1.5}}
	for _, n := range []int{10, 25, 300, 5000} {
		if y := n / 8; c.Winsor(0, n, y, .125) != y {
			t.Errorf("%d of %d bad requests count as %d where an eighth of all others is bad", y, n, c.Winsor(0, n, y, .125))
		}
		if alone, usual := c.Winsor(0, n, n, 0), c.Winsor(0, n, n, .004); alone != usual || n > 20 && alone > n/2 {
			t.Errorf("%d of %d count where others are as usual, %d where there are none", usual, n, alone)
		}
	}
}

func TestWinsor(t *testing.T) {
	c := noise(1)
	c.P, c.PhiW = []float64{.01}, []float64{1}
	for _, w := range []struct{ n, y, want int }{
		{100, 3, 3}, {100, 50, 1 + 2 + 2 - 0}, {0, 5, 0}, {1, 1, 1}, {-3, 1, 0}, {100, -1, 0},
	} {
		if got := c.Winsor(0, w.n, w.y, 0); got != w.want {
			t.Errorf("%d of %d: %d, want %d", w.y, w.n, got, w.want)
		}
	}
	for y := range 100 {
		if c.Winsor(0, 100, y, 0) > c.Winsor(0, 100, y+1, 0) {
			t.Errorf("not monotone at %d", y)
		}
	}
}

func TestPhiByScale(t *testing.T) {
	c := &Calibration{PhiS: []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}}
	between := map[int]float64{3: 2.58496250072, 5: 3.32192809489, 129: 8.00752571190} // log₂ 1.5 after 2, log₂ 1.25 after 3, log 129/128 : log 360/128
	for windows, want := range map[int]float64{0: 1, 1: 1, 2: 2, 3: between[3], 4: 3, 5: between[5], 128: 8, 129: between[129], 360: 9, 9999: 9} {
		if got := c.Phi(windows); !near(got, want, 1e-9) {
			t.Errorf("φ(%d) = %v, want %v", windows, got, want)
		}
	}
	if c.MaxPhi() != 9 {
		t.Errorf("largest φ %v", c.MaxPhi())
	}
}

func TestCalibrateFindsWhatIsThere(t *testing.T) {
	day := func(e environment) *Calibration {
		return Calibrate([]Cells{e.run(newRandom(3), 20, 1440, 0)}, nil)
	}
	all := environments()
	iid, clusters := day(all["S0 independent"]), day(all["S1 clusters"])
	if iid.MaxPhi() > 1.4 || math.Sqrt(iid.Tau2) > .08 || iid.LongestRun > 3 {
		t.Errorf("independent: φ %v τ %v run %d", iid.MaxPhi(), math.Sqrt(iid.Tau2), iid.LongestRun)
	}
	// Geometric clusters of mean 4 have dispersion 2·4−1 = 7 before clipping.
	if clusters.Phi(1) < 2.5 || clusters.MaxPhi() > 7 {
		t.Errorf("clusters: φ %v to %v", clusters.Phi(1), clusters.MaxPhi())
	}
	differ := day(environment{n: 100, p: .005, podSD: .3})
	if tau := math.Sqrt(differ.Tau2); tau < .2 || tau > .45 || differ.Phi(8) > 1.7 {
		t.Errorf("instances that differ by .3: τ %v φ %v", tau, differ.Phi(8))
	}
	slow := day(all["S4 correlated"])
	if slow.Phi(128) < 1.5*slow.Phi(1) {
		t.Errorf("correlated over a minute: φ %v at one window, %v at 128", slow.Phi(1), slow.Phi(128))
	}
	shared := day(environment{n: 100, p: .005, sharedAR: .5, outages: 3})
	if shared.MaxPhi() > 1.4 {
		t.Errorf("what strikes all alike counts as noise: φ %v", shared.MaxPhi())
	}
	bursts := day(all["S5 incidents"])
	if bursts.LongestRun < 3 || bursts.LongestRun > 14 {
		t.Errorf("incidents of two to four windows: longest run %d", bursts.LongestRun)
	}
}

func TestCalibrationDoesNotDependOnOrder(t *testing.T) {
	cells := environments()["S6 mixed"].run(newRandom(5), 6, 200, 0)
	turned := Cells{N: [][]int32{}, Y: [][]int32{}}
	for i := range cells.N {
		j := (i*5 + 2) % 6
		turned.N, turned.Y = append(turned.N, cells.N[j]), append(turned.Y, cells.Y[j])
	}
	a, b := Calibrate([]Cells{cells}, nil), Calibrate([]Cells{turned}, nil)
	if !sameFloats(a.PhiS, b.PhiS) || !near(a.Tau2, b.Tau2, 1e-9) || a.LongestRun != b.LongestRun {
		t.Errorf("instances in another order: %v and %v", a, b)
	}
	ragged := Cells{N: append([][]int32{cells.N[0][:100]}, cells.N[1:]...), Y: cells.Y}
	if c := Calibrate([]Cells{ragged}, nil); c.Windows != 100 {
		t.Errorf("rows of unequal length: %d windows, want those that all have", c.Windows)
	}
}

func TestPriorTakesOver(t *testing.T) {
	quiet := environment{n: 100, p: .005}
	var fleet Prior
	for seed := range uint64(5) {
		fleet.Add(Calibrate([]Cells{quiet.run(newRandom(seed), 10, 360, 0)}, nil))
	}
	if got := Calibrate(nil, &fleet).Phi(1); got > 1.3 {
		t.Errorf("a new service beside quiet ones: φ %v", got)
	}
	loud := environment{n: 100, p: .005, cluster: 4}
	if got := Calibrate([]Cells{loud.run(newRandom(9), 10, 360, 0)}, &fleet).Phi(1); got < 2 {
		t.Errorf("a loud service beside quiet ones: φ %v", got)
	}
}

// An instance that has no other beside it is known by its own past, as far as there is
// anything to be seen in it. It is never worse than what the prior says.
func TestAnOnlyInstanceIsKnownByItsPast(t *testing.T) {
	const windows = 360
	rng := rand.New(rand.NewPCG(5, 1))
	history := func(n int, p func(w int) float64) *Calibration {
		c := Cells{N: [][]int32{make([]int32, windows)}, Y: [][]int32{make([]int32, windows)}}
		for w := range windows {
			c.N[0][w] = int32(n)
			for range n {
				if rng.Float64() < p(w) {
					c.Y[0][w]++
				}
			}
		}
		return Calibrate([]Cells{c}, nil)
	}
	even := history(100, func(int) float64 { return .03 })
	if phi := even.Phi(24); phi > 2.2 {
		t.Errorf("independent failures: dispersion %.2f at two minutes, want less than 2.2 (the prior's is 3.6 and more)", phi)
	}
	if phi := even.Phi(1); phi > 1.2 {
		t.Errorf("independent failures: dispersion %.2f in a window, want less than 1.2", phi)
	}
	rare := history(100, func(w int) float64 { return map[bool]float64{true: .01}[w == 7] })
	if phi := rare.Phi(24); phi < 3 {
		t.Errorf("nothing to be seen: dispersion %.2f at two minutes, want the prior's, 3 at least", phi)
	}
	bursts := history(100, func(w int) float64 { return map[bool]float64{true: .2, false: .005}[w%90 < 12] })
	without := Calibrate([]Cells{{N: [][]int32{{}}, Y: [][]int32{{}}}}, nil)
	if phi, prior := bursts.Phi(24), without.Phi(1); phi < prior {
		t.Errorf("bursts: dispersion %.2f at two minutes, want no less than the prior's in a window, %.2f", phi, prior)
	}
	two := Cells{N: [][]int32{make([]int32, 20), make([]int32, 20)}, Y: [][]int32{make([]int32, 20), make([]int32, 20)}}
	if c := Calibrate([]Cells{two}, nil); c.alone.DF != nil {
		t.Error("two instances: one of them is taken to be alone")
	}
}
