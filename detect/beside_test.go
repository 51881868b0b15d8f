package detect

import "testing"

// Requests that hang cannot be told from a start while instances are young, and so could not
// be seen beside the old version: that does not speak for the release once it has replaced
// everything. What could be seen does: what begins then is no harm from the beginning.
func TestServedWellOnlyByWhatWasSeenBeside(t *testing.T) {
	for _, c := range []struct {
		name      string
		from      int // window, of the harm
		e         effect
		regressed bool
	}{
		{"hangs from the beginning", simStart, effect{slowShare: .03}, true},
		{"fails from the beginning of the time without the old version", simStart + 36, effect{errors: .05}, false},
		{"harmless", simStart, effect{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				s := newSimulation(seed + 700)
				s.replace("cart", simStart, 12)
				s.harm("cart", "1.1.0", "", c.from, c.e)
				r := s.run(t)["cart"]
				if got := r.regressed >= 0; got != c.regressed {
					t.Errorf("seed %d: regressed %v, want %v; %s, log E %.1f", seed, got, c.regressed, r.last.Why, r.last.LogE)
				}
			}
		})
	}
}

// What is slower than any start may be is no start, and counts after the first minute, long
// before durations as a whole do; what starts, however slowly, is left alone.
func TestWhatHangsIsNoStart(t *testing.T) {
	for _, c := range []struct {
		name   string
		hangs  float64
		starts float64
		within int // windows; 0: never
	}{{"hangs", .03, 1, 24}, {"hangs while it warms up", .03, 4, 30}, {"warms up", 0, 5.5, 0}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				s := newSimulation(seed + 740)
				s.replace("cart", simStart, 0)
				s.harm("cart", "1.1.0", "", simStart, effect{hangs: c.hangs})
				s.warmUp(c.starts)
				r := s.run(t)["cart"]
				if got := r.regressed; got > c.within || got >= 0 != (c.within > 0) || c.within == 0 && r.asked >= 0 {
					t.Errorf("seed %d: regressed after %d windows, asked after %d, want within %d; %s, log E %.1f", seed, got, r.asked, c.within, r.last.Why, r.last.LogE)
				}
			}
		})
	}
}
