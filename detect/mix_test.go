package detect

import (
	"strings"
	"testing"

	"unship.dev"
)

// reach gives the candidate's instances so many times their requests of an operation.
func (s *simulation) reach(op string, times func(t int) float64) {
	now := 0
	s.load = func(t int) float64 { now = t; return 1 }
	s.mix = func(i *simInstance, o string) float64 {
		if i.version == "1.1.0" && o == op {
			return times(now)
		}
		return 1
	}
}

func TestARouteThatFallsSilentIsAsked(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		for _, mixed := range []float64{1, 4} { // whatever routing sent it at first
			s := newSimulation(seed + 900)
			s.canary("cart", simStart, 2)
			s.reach("POST /cart", func(t int) float64 {
				if t >= simStart+30 {
					return 0
				}
				return mixed
			})
			r := s.run(t)["cart"]
			if r.regressed < 30 || r.regressed > 50 {
				t.Fatalf("seed %d: found after %d windows, want within 20 of the 30th; last: %s, log E %.1f", seed, r.regressed, r.last.Why, r.last.LogE)
			}
			f := r.first.Findings[0]
			if f.Signal != unship.SignalThroughput || f.Operation != "POST /cart" || !f.Ambiguous || f.Candidate > .1*f.Baseline || f.Interval[1] > .5*f.Baseline {
				t.Errorf("seed %d: %+v; want that POST /cart no longer reaches it, for a person to judge", seed, f)
			}
			for _, x := range r.first.Findings {
				if x.Verdict == unship.Regressed && !x.Ambiguous {
					t.Errorf("seed %d: %+v; want nothing that acts alone", seed, x)
				}
			}
			if at := f.Since.Sub(simTime(simStart + 30)).Seconds(); at < -15 || at > 15 {
				t.Errorf("seed %d: since %v; want the 30th window", seed, f.Since)
			}
			if !strings.Contains(r.first.Why, "of POST /cart reach") {
				t.Errorf("seed %d: %q; want it in words", seed, r.first.Why)
			}
		}
	}
}

// Routing may send a canary what it likes, and change its share of everything.
func TestRoutingIsNotTheReleasesFault(t *testing.T) {
	t.Parallel()
	for name, times := range map[string]func(t int) float64{
		"less of it from the first":     func(int) float64 { return .2 },
		"more of it from the first":     func(int) float64 { return 6 },
		"a third less from some time":   func(t int) float64 { return map[bool]float64{true: .67, false: 1}[t > simStart+40] },
		"it comes and goes for seconds": func(t int) float64 { return map[bool]float64{true: 0, false: 1}[t%20 == 0] },
	} {
		for seed := range uint64(2) {
			s := newSimulation(seed + 930)
			s.canary("cart", simStart, 1+int(seed%2))
			s.reach("POST /cart", times)
			if r := s.run(t)["cart"]; r.regressed >= 0 {
				t.Errorf("%s, seed %d: blamed after %d windows: %s, log E %.1f", name, seed, r.regressed, r.first.Why, r.first.LogE)
			}
		}
	}
	for seed := range uint64(2) { // everything it gets is cut to a tenth while clients do more of one thing
		s := newSimulation(seed + 950)
		s.canary("cart", simStart, 2)
		now := 0
		s.load = func(t int) float64 { now = t; return 1 }
		s.mix = func(i *simInstance, op string) float64 {
			f := 1.
			if now >= simStart+40 && i.version == "1.1.0" {
				f = .1
			}
			if now >= simStart+50 && op == "GET /cart" {
				f *= 3
			}
			return f
		}
		if r := s.run(t)["cart"]; r.regressed >= 0 {
			t.Errorf("less traffic, seed %d: blamed after %d windows: %s, log E %.1f", seed, r.regressed, r.first.Why, r.first.LogE)
		}
	}
}

// What never reached a release is not known to be well.
func TestAnAbsentRouteIsNotHealthy(t *testing.T) {
	t.Parallel()
	s := newSimulation(960)
	s.canary("cart", simStart, 2)
	s.reach("POST /cart", func(int) float64 { return 0 })
	r := s.run(t)["cart"]
	if r.healthy != 0 || r.last.Verdict != unship.Inconclusive || !strings.Contains(r.last.Why, "none of them of POST /cart, 30 %") {
		t.Errorf("healthy after %d windows, ends %v: %s; want that nothing is known of POST /cart", r.healthy, r.last.Verdict, r.last.Why)
	}
}
