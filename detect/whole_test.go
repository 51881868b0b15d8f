package detect

import (
	"testing"

	"unship.dev"
)

// A new version may ask what it calls for more than the old one did: its own time says
// nothing of that. Side by side the whole time tells; where everything was replaced, what
// is called may be slow by itself, and a person is asked.
func TestWaitingForWhatIsCalled(t *testing.T) {
	for _, c := range []struct {
		name   string
		build  func(s *simulation)
		guilty bool
	}{
		{"a canary's queries are slow", func(s *simulation) {
			s.canary("cart", simStart, 2)
			s.harm("cart", "1.1.0", "", simStart, effect{waits: 3})
		}, true},
		{"a canary's queries are slow in one operation", func(s *simulation) {
			s.canary("cart", simStart, 2)
			s.harm("cart", "1.1.0", "POST /cart", simStart, effect{waits: 4})
		}, true},
		{"the database is slow for both", func(s *simulation) {
			s.canary("cart", simStart, 2)
			s.harm("cart", "", "", simStart+10, effect{waits: 3})
		}, false},
		{"everything was replaced, and queries are slow", func(s *simulation) {
			s.replace("cart", simStart, 0)
			s.harm("cart", "1.1.0", "", simStart, effect{waits: 4})
		}, true},
		{"the database is slow after everything was replaced", func(s *simulation) {
			s.replace("cart", simStart, 0)
			s.harm("cart", "", "", simStart+60, effect{waits: 3})
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(4) {
				s := newSimulation(seed + 50)
				c.build(s)
				r := s.run(t)["cart"]
				switch {
				case (r.regressed >= 0) != c.guilty:
					t.Errorf("seed %d: blamed after %d windows, log E %.1f: %s; guilty: %v", seed, r.regressed, r.last.LogE, r.last.Why, c.guilty)
				case c.guilty && r.first.Comparison == unship.ComparisonBefore && !r.first.Findings[0].Ambiguous:
					t.Errorf("seed %d: %+v; want a person asked", seed, r.first.Findings[0])
				case c.guilty && (r.first.Findings[0].Signal != unship.SignalDuration || r.healthy > 0):
					t.Errorf("seed %d: found by %s, healthy after %d; want it found by whole durations and never healthy", seed, r.first.Findings[0].Signal, r.healthy)
				case c.guilty:
					t.Logf("seed %d: after %d windows: %s", seed, r.regressed, r.first.Why)
				}
			}
		})
	}
}

// A new version that tells of its calls no longer: what was waiting time counts as its own.
func TestCallsThatAreNoLongerToldOf(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		s := newSimulation(seed + 80)
		s.canary("cart", simStart, 2)
		s.harm("cart", "", "", 0, effect{waits: 1}) // half of the time
		s.retells = func(i *simInstance) bool { return i.version == "1.1.0" }
		r := s.run(t)["cart"]
		for _, f := range r.last.Findings {
			if f.Verdict == unship.Regressed && !f.Ambiguous {
				t.Errorf("seed %d: %s of %q from %v to %v is found; want nothing but what may be wanted", seed, f.Signal, f.Operation, f.Baseline, f.Candidate)
			}
		}
		if len(r.last.Findings) == 0 {
			t.Errorf("seed %d: nothing is found; want the calls that are gone", seed)
		}
	}
}
