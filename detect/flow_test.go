package detect

import (
	"strings"
	"testing"

	"unship.dev"
)

// flows gives requests of a replaced service, by window and operation, a factor.
func flows(seed uint64, times func(t int, op string) float64) *simulation {
	s := newSimulation(seed)
	s.replace("cart", simStart, 0)
	now := 0
	s.load = func(t int) float64 { now = t; return 1 }
	s.mix = func(i *simInstance, op string) float64 {
		if i.version == "1.1.0" || strings.HasPrefix(i.id, "cart") {
			return times(now, op)
		}
		return 1
	}
	return s
}

func TestWhatIsNoLongerServedAfterAReplacementIsAsked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ operation, words string }{
		{"POST /cart", "of the requests to shop/cart are POST /cart"},
		{"", "of the requests expected by its past"},
	} {
		for seed := range uint64(3) {
			s := flows(seed+970, func(t int, op string) float64 {
				if t >= simStart && (c.operation == "" || op == c.operation) {
					return .02
				}
				return 1
			})
			r := s.run(t)["cart"]
			if r.regressed < 0 || r.regressed > 80 {
				t.Fatalf("%q, seed %d: found after %d windows; last: %s, log E %.1f", c.operation, seed, r.regressed, r.last.Why, r.last.LogE)
			}
			for _, f := range r.first.Findings {
				if f.Verdict == unship.Regressed && (!f.Ambiguous || f.Signal != unship.SignalThroughput) {
					t.Errorf("%q, seed %d: %+v; want throughput only, for a person to judge", c.operation, seed, f)
				}
			}
			if f := r.first.Findings[0]; f.Operation != c.operation || f.Candidate > .2*f.Baseline || !strings.Contains(r.first.Why, c.words) {
				t.Errorf("%q, seed %d: %q, %+v", c.operation, seed, r.first.Why, f)
			}
		}
	}
}

func TestTrafficComesAndGoes(t *testing.T) {
	t.Parallel()
	for name, times := range map[string]func(t int, op string) float64{
		"half of it stays away": func(t int, _ string) float64 { return map[bool]float64{true: .5, false: 1}[t > simStart+10] },
		"nothing for a minute": func(t int, _ string) float64 {
			return map[bool]float64{true: .001, false: 1}[t > simStart && t < simStart+13]
		},
		"another mix": func(t int, op string) float64 {
			return map[bool]float64{true: 1.7, false: 1}[t > simStart+5 && op == "GET /cart"]
		},
		"a job that runs now and then": func(t int, op string) float64 {
			return map[bool]float64{true: 3, false: .05}[t%40 < 20 || op != "POST /cart"]
		},
		"it ended before": func(t int, op string) float64 {
			return map[bool]float64{true: .02, false: 1}[t > simStart-25 && op == "POST /cart"]
		},
	} {
		for seed := range uint64(2) {
			s := flows(seed+990, times)
			if r := s.run(t)["cart"]; r.regressed >= 0 {
				t.Errorf("%s, seed %d: blamed after %d windows: %s, log E %.1f", name, seed, r.regressed, r.first.Why, r.first.LogE)
			}
		}
	}
}

func TestARenamedOperationIsStillServed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what    string
		refused bool // by an operation for what matches none
	}{{"renamed", false}, {"gone", true}} {
		for seed := range uint64(2) {
			s := flows(seed+960, func(int, string) float64 { return 1 })
			s.shows = func(v *simService, i *simInstance, _ int, w *unship.Window) {
				for k := range w.Operations {
					p := &w.Operations[k]
					if v.name != "cart" || i.version != "1.1.0" || p.Name != "POST /cart" {
						continue
					}
					if p.Name = "POST /v2/cart"; c.refused {
						p.Name, p.Rejected = "POST", p.Requests
					}
				}
			}
			r := s.run(t)["cart"]
			if asked := r.regressed >= 0; asked != c.refused {
				t.Errorf("%s, seed %d: found after %d windows: %s", c.what, seed, r.regressed, r.first.Why)
			}
		}
	}
}
