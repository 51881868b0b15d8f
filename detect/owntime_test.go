package detect

import (
	"testing"

	"unship.dev"
)

// Requests of which a call was not served have no time of their own, and those that are left
// may be the slow ones, or the fast ones: that is nothing that the release did.
func TestOwnTimeWhereCallsAreNotServed(t *testing.T) {
	const long = 1 << 30
	fast, slow := effect{unserved: [2]float64{.95, 0}}, effect{unserved: [2]float64{0, .95}}
	replaced := func(s *simulation) { s.replace("cart", simStart, 0) }
	canary := func(s *simulation) { s.canary("cart", simStart, 2) }
	for _, c := range []struct {
		name    string
		release func(s *simulation)
		build   func(s *simulation)
		guilty  bool
	}{
		{"replaced, and the database fails for who is fast", replaced, func(s *simulation) {
			s.harmBetween("cart", simStart, long, fast)
		}, false},
		{"replaced, and the database fails for who is fast, 20 s later", replaced, func(s *simulation) {
			s.harmBetween("cart", simStart+4, long, fast)
		}, false},
		{"replaced, and the database serves who is slow again", replaced, func(s *simulation) {
			s.harmBetween("cart", 0, simStart, slow)
		}, false},
		{"replaced, it is slower by itself, and the database fails", replaced, func(s *simulation) {
			s.harmBetween("cart", simStart, long, effect{unserved: [2]float64{.4, .4}})
			s.harm("cart", "1.1.0", "", simStart, effect{latency: 3})
		}, true},
		{"a canary, and the database fails for who is fast", canary, func(s *simulation) {
			s.harmBetween("cart", simStart, long, fast)
		}, false},
		{"a canary has the database serve who is slow again", canary, func(s *simulation) {
			s.harm("cart", "1.0.0", "", 0, slow)
		}, false},
		{"a canary's calls are not served for who is fast", canary, func(s *simulation) {
			s.harm("cart", "1.1.0", "", simStart, fast)
		}, false},
		{"a canary is slower by itself, and the database fails", canary, func(s *simulation) {
			s.harmBetween("cart", simStart, long, effect{unserved: [2]float64{.4, .4}})
			s.harm("cart", "1.1.0", "", simStart, effect{latency: 3})
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(3) {
				s := newSimulation(seed + 80)
				c.release(s)
				c.build(s)
				r := s.run(t)["cart"]
				own := len(r.first.Findings) > 0 && r.first.Findings[0].Signal == unship.SignalSelfDuration
				if (r.regressed >= 0) != c.guilty || c.guilty && !own {
					t.Errorf("seed %d: blamed after %d windows, asked after %d, log E %.1f: %s %s; guilty: %v", seed, r.regressed, r.asked, r.last.LogE, r.last.Why, r.first.Why, c.guilty)
				}
				if !c.guilty && r.asked >= 0 {
					t.Errorf("seed %d: asked after %d windows: %s", seed, r.asked, r.last.Why)
				}
				t.Logf("seed %d: %d %.1f %s", seed, r.regressed, r.last.LogE, r.last.Why)
			}
		})
	}
}

func TestSlowRequestsAreOfThoseThatHaveADuration(t *testing.T) {
	var c, part cell
	c.add(100_000, 40_000, [counts]uint64{countFailedHere: 10_000, countP50: 20_000})
	part.add(50_000, 10_000, [counts]uint64{countFailedHere: 5_000, countP50: 10_000})
	c.lat, part.lat = latAll, latAll
	signal := &signal{kind: unship.SignalSelfDuration, count: countP50}
	if bad, all := signal.of(&c); bad != 10_000 || all != 20_000 || c.n != 50_000 {
		t.Errorf("%d of %d are slow, of %d requests; want half of 20000, of 50000", bad, all, c.n)
	}
	c = cell{lat: latAll}
	c.add(60_000, 40_000, [counts]uint64{countFailedHere: 10_000, countP50: 20_000})
	c.subtract(&part)
	if bad, all := signal.of(&c); bad != 10_000 || all != 30_000 || c.n != 10_000 {
		t.Errorf("%d of %d are slow, of %d requests; want 10000 of 30000, of 10000", bad, all, c.n)
	}
}

// In the first windows that are heard no call may be served: whole durations are no
// stand-in for a time of their own.
func TestWholeDurationsDoNotStandInForOwnOnes(t *testing.T) {
	var l latency
	whole := unship.Operation{Duration: unship.Histogram{{Index: 5, Count: 3}}}
	if h, ok := l.durations(&whole); !ok || h.Total() != 3 {
		t.Errorf("where nothing tells of own time: %v, %v; want whole durations", h, ok)
	}
	unserved := whole
	unserved.Calls = []unship.Call{{Callee: "db", Requests: 3, Total: 3, Failed: 3}}
	for _, p := range []unship.Operation{unserved, whole} {
		if h, ok := l.durations(&p); ok || len(h) > 0 {
			t.Errorf("%+v: %v stand in for own times", p, h)
		}
	}
}
