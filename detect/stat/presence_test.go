package stat

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The mean of what one window adds is at most 1 whatever the event's rate and
// however unequal the instances are, by enumeration of who shows the event.
func TestPresenceMeanUnderTheNull(t *testing.T) {
	grid := DefaultGrid()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SliceOfN(rapid.IntRange(1, 3000), 2, 7).Draw(t, "requests")
		k := rapid.IntRange(1, len(n)-1).Draw(t, "candidates")
		rate := math.Exp(rapid.Float64Range(-10, 1).Draw(t, "log rate"))
		var p Presence
		for i, n := range n {
			p.Add(i < k, n)
		}
		pi := p.Share()
		for _, lt := range grid {
			mean := 0.0
			for set := range 1 << len(n) {
				chance, xc, x := 1.0, 0, 0
				for i, n := range n {
					h := -math.Expm1(-rate * float64(n))
					if set>>i&1 == 0 {
						chance *= 1 - h
						continue
					}
					chance *= h
					x++
					if i < k {
						xc++
					}
				}
				d := []float64{0}
				BinomialLLR(d, []float64{lt}, xc, x, pi)
				mean += chance * math.Exp(d[0])
			}
			if mean > 1.002 { // between two of the rates that are tried
				t.Fatalf("requests %v, %d candidates, rate %v, log θ %v: mean %v", n, k, rate, lt, mean)
			}
		}
	})
}

func TestPresenceShare(t *testing.T) {
	var p Presence
	if p.Share() != 0 {
		t.Errorf("share of nothing: %v", p.Share())
	}
	for i := range 10 {
		p.Add(i < 2, 60)
	}
	if !near(p.Share(), .2, 1e-12) {
		t.Errorf("two of ten equal instances: %v", p.Share())
	}
	// One busy instance among idle ones: a candidate of middling traffic shows an
	// event of middling rate more often than either share says.
	var q Presence
	q.Add(true, 100)
	q.Add(false, 1000)
	for range 9 {
		q.Add(false, 1)
	}
	if q.Share() < .3 {
		t.Errorf("share %v; want above both shares, a tenth", q.Share())
	}
}

// A process of presence tolerates a rate below Delta, as one of counts does.
func TestPresenceTolerates(t *testing.T) {
	p := NewProcess(ProcessOptions{Calibration: noise(1), Delta: .0005, InstancesC: 2, InstancesB: 8})
	q := NewProcess(ProcessOptions{Calibration: noise(1), InstancesC: 2, InstancesB: 8})
	for range 400 {
		for _, x := range []*Process{p, q} {
			x.AddPresence(0, 1, 1, .2, 4000)
			x.Close()
		}
	}
	if p.LogE() > 0 || q.LogE() < 100 {
		t.Errorf("one in 4000 fails, the baseline never: log E %v with a tolerance of two, %v without", p.LogE(), q.LogE())
	}
}
