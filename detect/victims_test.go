package detect

import (
	"testing"
)

// A service that is known by metrics fails with what it calls. Those that fail because
// the release does are no witnesses that all fail alike; those that fail more than it are.
func TestWhatFollowsFromARelease(t *testing.T) {
	for _, c := range []struct {
		name   string
		build  func(s *simulation)
		guilty bool
	}{
		{"two of four callers fail with it", func(s *simulation) {
			s.harm("cart", "", "", simStart, effect{errors: .1})
			s.harm("checkout", "", "", simStart, effect{errors: .06})
			s.harm("search", "", "", simStart, effect{errors: .04})
		}, true},
		{"three of four callers are slow with it", func(s *simulation) {
			s.harm("cart", "", "", simStart, effect{latency: 4})
			for _, name := range []string{"checkout", "search", "catalog"} {
				s.harm(name, "", "", simStart, effect{latency: 3})
			}
		}, true},
		{"what it calls fails more", func(s *simulation) {
			s.harm("ledger", "", "", simStart+2, effect{errors: .3})
			s.harm("cart", "", "", simStart+2, effect{errors: .1})
			s.harm("checkout", "", "", simStart+2, effect{errors: .1})
		}, false},
		{"all fail for a while", func(s *simulation) {
			s.harmBetween("", simStart+20, simStart+60, effect{errors: .2, latency: 2})
		}, false},
		{"all get twice the load", func(s *simulation) { s.surge(simStart + 20) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			blamed := 0
			for seed := range uint64(12) {
				s := newSimulation(seed + 1)
				s.metered = true
				s.replace("cart", simStart, 0)
				c.build(s)
				r := s.run(t)["cart"]
				if r.regressed >= 0 {
					blamed++
					if seed == 0 || !c.guilty {
						t.Logf("seed %d: blamed after %d windows: %s", seed, r.regressed, r.first.Why)
					}
				} else if seed == 0 || c.guilty {
					t.Logf("seed %d: not blamed, asked after %d: %s", seed, r.asked, r.last.Why)
				}
			}
			if c.guilty && blamed < 11 || !c.guilty && blamed > 0 {
				t.Errorf("blamed in %d of 12 runs, guilty: %v", blamed, c.guilty)
			}
		})
	}
}
