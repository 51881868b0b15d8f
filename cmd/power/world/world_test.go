package world

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"unship.dev"
)

func TestDraws(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n = 200000
	for _, c := range []struct {
		name           string
		draw           func() int
		mean, variance float64
	}{
		{"poisson .3", func() int { return poisson(r, .3) }, .3, .3},
		{"poisson 11", func() int { return poisson(r, 11) }, 11, 11},
		{"poisson 12", func() int { return poisson(r, 12) }, 12, 12},
		{"poisson 1000", func() int { return poisson(r, 1000) }, 1000, 1000},
		{"binomial 60 .02", func() int { return binomial(r, 60, .02) }, 1.2, 1.2 * .98},
		{"binomial 10 .7", func() int { return binomial(r, 10, .7) }, 7, 2.1},
		{"geometric 4", func() int { return geometric(r, 4) }, 4, 12},
	} {
		sum, square := 0.0, 0.0
		for range n {
			x := float64(c.draw())
			sum, square = sum+x, square+x*x
		}
		mean := sum / n
		variance := square/n - mean*mean
		if math.Abs(mean-c.mean) > 5*math.Sqrt(c.variance/n) || math.Abs(variance/c.variance-1) > .05 {
			t.Errorf("%s: mean %v variance %v, want %v and %v", c.name, mean, variance, c.mean, c.variance)
		}
	}
}

func play(w *World, windows int, visit func(*unship.Tick, Sample)) {
	for range windows {
		visit(w.Step())
	}
}

func TestEnvironmentsAreWhatTheySay(t *testing.T) {
	for _, e := range Environments() {
		if e.Outages > 0 || e.Incidents > 0 || e.LongOutage || e.Surge || e.Days {
			continue // rates are not the healthy ones
		}
		var g Group
		w := New(e, 1)
		for range 4 {
			w.Settle()
			play(w, 100, func(_ *unship.Tick, s Sample) { g.Merge(s.Baseline) })
		}
		n := float64(g.Requests) / 400 / float64(e.Instances)
		if math.Abs(n/e.Requests-1) > .02 {
			t.Errorf("%s: %v requests of an instance in a window, want %v", e.Name, n, e.Requests)
		}
		p := float64(g.Failed) / float64(g.Requests)
		if e.InstanceSD == 0 && e.InstanceAR == 0 && math.Abs(p/e.Failures-1) > .15 {
			t.Errorf("%s: %v of requests fail, want %v", e.Name, p, e.Failures)
		}
	}
}

func TestEffectsHarmTheNewVersionOnly(t *testing.T) {
	e, err := Named("E1")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Effects() {
		w := New(e, 3)
		play(w, 10, func(*unship.Tick, Sample) {})
		w.Release(f)
		var before, after, base Group
		play(w, 240, func(_ *unship.Tick, s Sample) {
			if w.t <= w.begun+f.After {
				before.Merge(s.Canary)
				return
			}
			after.Merge(s.Canary)
			base.Merge(s.Baseline)
		})
		rate := func(g Group) float64 { return float64(g.Failed) / float64(max(1, g.Requests)) }
		if more := rate(after) - rate(base); math.Abs(more-f.Failures) > .004 || rate(base) > .01 {
			t.Errorf("%s: %v more fail, %v before", f.Name, more, rate(base))
		}
		if f.After > 0 && math.Abs(rate(before)-rate(base)) > .004 {
			t.Errorf("%s: %v fail before it begins, %v of the old version", f.Name, rate(before), rate(base))
		}
		slower := after.Quantile(.5) / base.Quantile(.5)
		if want := math.Max(1, f.Slower); math.Abs(slower/want-1) > .07 {
			t.Errorf("%s: %v times as long in the middle, want %v", f.Name, slower, want)
		}
	}
}

func TestTheSameSeedGivesTheSameTicks(t *testing.T) {
	e, err := Named("mix-wide")
	if err != nil {
		t.Fatal(err)
	}
	a, b := New(e, 9), New(e, 9)
	for k := range 40 {
		if k == 10 {
			a.Release(Effect{})
			b.Release(Effect{})
		}
		x, _ := a.Step()
		y, _ := b.Step()
		if !reflect.DeepEqual(x, y) {
			t.Fatalf("window %d differs", k)
		}
		for _, w := range x.Windows {
			for _, p := range w.Operations {
				checkOperation(t, p)
			}
		}
	}
	if len(a.canaries) != e.Canaries || len(a.tick.Windows) != e.Canaries+e.Instances {
		t.Errorf("%d windows in a tick with %d new instances", len(a.tick.Windows), len(a.canaries))
	}
}

// checkOperation checks what ingest guarantees of an operation.
func checkOperation(t *testing.T, p unship.Operation) {
	t.Helper()
	if p.Self.Total() != p.Requests || p.Failed > p.Requests || p.Rejected > p.Requests {
		t.Errorf("%s: %d durations, %d failed, %d rejected of %d", p.Name, p.Self.Total(), p.Failed, p.Rejected, p.Requests)
	}
	var n, failed, refused uint64
	for _, s := range p.Slices {
		n, failed, refused = n+s.Requests, failed+s.FailedHere, refused+s.Rejected
	}
	if len(p.Slices) > 0 && (n != p.Requests || failed != p.FailedHere || refused != p.Rejected) {
		t.Errorf("%s: slices have %d, %d, %d of %d, %d, %d", p.Name, n, failed, refused, p.Requests, p.FailedHere, p.Rejected)
	}
}
