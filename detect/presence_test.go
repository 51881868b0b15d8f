package detect

import (
	"testing"

	"unship.dev"
)

// Failures that come in clusters say little by their number and much by where
// they are: a few more, one by one, are seen in which instances fail at all.
func TestPresenceFindsWhatClustersHide(t *testing.T) {
	byPresence := 0
	for seed := range uint64(3) {
		s := newSimulation(seed + 1)
		s.cluster, s.windows = 8, simStart+180
		s.policy.Watch = 1000e9
		s.canary("cart", simStart, 2)
		s.harm("cart", "1.1.0", "", simStart, effect{errors: .01})
		d, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.play(t, d, 0, s.windows)
		w := d.watches[0]
		best := map[bool]float64{}
		for _, x := range w.conc.streams {
			if x.signal.kind == unship.SignalErrorRatio {
				best[x.signal.whether != nil] = max(best[x.signal.whether != nil], x.logE())
			}
		}
		t.Logf("seed %d: log E %.1f by presence, %.1f by counts", seed, best[true], best[false])
		if best[true] > best[false] {
			byPresence++
		}
	}
	if byPresence < 2 {
		t.Errorf("presence says more in %d of 3", byPresence)
	}
}

// People are told of a ratio of requests and its interval, whichever stream found it.
func TestFindingsByPresenceTellRatios(t *testing.T) {
	s := newSimulation(5)
	s.canary("cart", simStart, 2)
	s.harm("cart", "1.1.0", "", simStart, effect{errors: .03})
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.play(t, d, 0, simStart+100)
	w := d.watches[0]
	for _, x := range w.conc.streams {
		if x.signal.whether == nil {
			continue
		}
		e, twin := w.concurrentEvidence(x), w.conc.counting(x)
		_, candidate, n := e.rates()
		if twin == nil || e.signal != twin.signal || e.cal != twin.weakest().opt.Calibration {
			t.Fatalf("stream of %v has no counts beside it", x.units)
		}
		if n.Candidate < 100 || candidate > .2 {
			t.Errorf("%v: %v of %d requests; want a ratio of requests", x.units, candidate, n.Candidate)
		}
	}
	seen := map[string]bool{}
	for _, f := range d.findings(w) {
		key := string(f.Signal) + f.Operation + f.Slice
		if f.Signal == unship.SignalErrorRatio && seen[key] {
			t.Errorf("%s of %q is told twice", f.Signal, f.Operation)
		}
		seen[key] = true
	}
	told := map[unship.Signal]bool{}
	for _, x := range d.newDetectable(w, d.now) {
		if told[x.Signal] {
			t.Errorf("what would have been seen of %s is told twice", x.Signal)
		}
		told[x.Signal] = true
	}
}
