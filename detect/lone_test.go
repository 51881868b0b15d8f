package detect

import (
	"slices"
	"testing"

	"unship.dev"
)

// A release on one instance, of a service that has one other: a slowness that it shows in all
// that it does may be the machine's.
func TestOneInstanceMayBeSlowByItself(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		op        string
		latency   float64
		old       int
		ambiguous bool
	}{
		"all is half as slow again":            {"", 1.5, 1, true},
		"all takes three times as long":        {"", 3, 1, false},
		"one operation is half as slow again":  {"POST /cart", 1.5, 1, false},
		"beside four that are equally fast":    {"", 1.5, 4, false},
		"beside four, a little slower in all":  {"", 1.15, 4, true},
		"beside four, one operation is slower": {"POST /cart", 1.5, 4, false},
	} {
		s := newSimulation(1980)
		v := s.service("cart")
		v.rps, v.instances = 20, v.instances[:c.old]
		s.windows = simStart + 139
		s.canary("cart", simStart, 1)
		s.harm("cart", "1.1.0", c.op, simStart, effect{latency: c.latency})
		r := s.run(t)["cart"]
		slow := slices.DeleteFunc(slices.Clone(r.last.Findings), func(f unship.Finding) bool {
			return f.Signal != unship.SignalSelfDuration && f.Signal != unship.SignalDuration
		})
		if len(slow) == 0 {
			t.Errorf("%s: nothing slow is found: %s", name, r.last.Why)
		}
		for _, f := range slow {
			if f.Ambiguous != c.ambiguous {
				t.Errorf("%s: ambiguous %v, want %v: %s at %.2g, %.4f s and %.4f s", name, f.Ambiguous, c.ambiguous, f.Operation, f.Quantile, f.Baseline, f.Candidate)
			}
		}
	}
}

// The new version gets more of what is fast, and does all of it slower: its durations together
// are those of a mix that the old one has not.
func TestDurationsAreOfTheSameMix(t *testing.T) {
	t.Parallel()
	s := newSimulation(1990)
	s.canary("cart", simStart, 2)
	s.mix = func(i *simInstance, op string) float64 {
		if i.version == "1.1.0" && op == "GET /cart/{id}" {
			return 15
		}
		return 1
	}
	s.harm("cart", "1.1.0", "", simStart, effect{latency: 1.6})
	r := s.run(t)["cart"]
	if r.regressed < 0 {
		t.Fatalf("not found: %s", r.last.Why)
	}
	for _, f := range r.first.Findings {
		if f.Signal == unship.SignalSelfDuration && f.Candidate <= f.Baseline {
			t.Errorf("%s at %.2g: %.4f s, %.4f s before", f.Operation, f.Quantile, f.Candidate, f.Baseline)
		}
	}
}
