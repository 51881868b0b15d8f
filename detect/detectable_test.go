package detect

import (
	"math"
	"testing"

	"unship.dev"
)

// What would have been seen is told of all requests and of the slices, and says
// when a doubling would be seen, of durations as well.
func TestWhatWouldHaveBeenSeen(t *testing.T) {
	t.Parallel()
	s := newSimulation(1500)
	s.tenants = func(*simInstance, int) []simTenant { return manyTenants(-1) }
	s.canary("cart", simStart, 2)
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.play(t, d, 0, simStart+60)
	w := d.watches[0]
	all := map[unship.Signal]unship.Detectable{}
	sliced := map[unship.Signal]int{}
	for _, x := range d.newDetectable(w, d.now) {
		if x.Slice == "" {
			all[x.Signal] = x
			continue
		}
		sliced[x.Signal]++
		if whole, ok := all[x.Signal]; !ok || x.Change <= whole.Change {
			t.Errorf("%+v; want more than of all requests, which come first: %+v", x, whole)
		}
	}
	for signal, n := range map[unship.Signal]int{unship.SignalErrorRatio: toldSlices, unship.SignalRejectionRatio: toldSlices, unship.SignalSelfDuration: 0} {
		if sliced[signal] != n {
			t.Errorf("%s: %d slices; want %d", signal, sliced[signal], n)
		}
		if x := all[signal]; x.Change <= x.Baseline || math.IsNaN(x.Change) {
			t.Errorf("%s: %+v; want a change for the worse", signal, x)
		}
	}
	if x := all[unship.SignalSelfDuration]; x.Unit != "x" || x.DoublingAt.IsZero() || x.Change > 3 {
		t.Errorf("durations: %+v; want a multiple, and when a doubling would be seen", x)
	}
}

// A doubling of durations is seen about when it is said that it would be.
func TestDoublingAtOfDurations(t *testing.T) {
	t.Parallel()
	said := unship.Detectable{}
	for _, latency := range []float64{1, 2.2} { // told of the first, checked by the second
		s := newSimulation(1510)
		s.canary("cart", simStart, 2)
		s.harm("cart", "1.1.0", "", simStart, effect{latency: latency})
		s.windows = simStart + 135
		r := s.run(t)["cart"]
		if latency == 1 {
			for _, x := range r.last.Detectable {
				if x.Signal == unship.SignalSelfDuration {
					said = x
				}
			}
			continue
		}
		at := said.DoublingAt.Sub(simTime(simStart)).Seconds() / 5
		if said.DoublingAt.IsZero() || r.regressed < 0 || float64(r.regressed) > 2.5*at+60 { // the young are given time
			t.Errorf("said: within %.0f windows; seen after %d", at, r.regressed)
		}
	}
}

// It is computed when there is more to see by, not at every tick.
func TestDetectableIsComputedSeldom(t *testing.T) {
	t.Parallel()
	s := newSimulation(1520)
	s.canary("cart", simStart, 2)
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.play(t, d, 0, simStart+3)
	w := d.watches[0]
	computed, last := 0, w.seen.at
	for k := simStart + 3; k < simStart+130; k++ {
		s.play(t, d, k, k+1)
		if w.seen.at != last {
			computed, last = computed+1, w.seen.at
			if n := w.samples.Candidate; n != w.seen.candidates {
				t.Errorf("of %d requests when there are %d", w.seen.candidates, n)
			}
		}
		if n := float64(w.samples.Candidate); n > toldGrowth*float64(w.seen.candidates)+100 {
			t.Errorf("window %d: told of %d requests of %v", k, w.seen.candidates, n)
		}
	}
	if computed < 20 || computed > 45 {
		t.Errorf("computed %d times in 127 windows; want a tenth more requests each time", computed)
	}
}

// An early all-clear comes to most harmless releases, long before the watch is
// over, and hardly ever to one that does twice the harm which it rules out.
func TestEarlyAllClear(t *testing.T) {
	t.Parallel()
	early, wrong := 0, 0
	for seed := range uint64(4) {
		s := newSimulation(seed + 1540)
		s.canary("cart", simStart, 2)
		if r := s.run(t)["cart"]; r.healthy > 0 && r.healthy < 100 {
			early++
		}
		for _, e := range []effect{{errors: .04}, {rejections: .05}, {latency: 2.2}} {
			s := newSimulation(seed + 1540)
			s.canary("cart", simStart, 2)
			s.harm("cart", "1.1.0", "", simStart, e)
			if r := s.run(t)["cart"]; r.healthy > 0 && (r.regressed < 0 || r.healthy < r.regressed) {
				wrong++
				t.Logf("seed %d, %+v: healthy after %d windows, regressed after %d", seed, e, r.healthy, r.regressed)
			}
		}
	}
	if early < 3 || wrong > 0 {
		t.Errorf("%d of 4 harmless releases are cleared early, %d of 12 harmful ones", early, wrong)
	}
}
