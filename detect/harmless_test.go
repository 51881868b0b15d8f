package detect

import (
	"testing"

	"unship.dev"
)

func TestHarmlessReleasesAreNeverBlamed(t *testing.T) {
	const t0 = simStart
	for _, c := range []struct {
		name  string
		build func(s *simulation, seed uint64)
	}{
		{"nothing wrong", func(s *simulation, _ uint64) { s.canary("cart", t0, 2) }},
		{"one instance", func(s *simulation, _ uint64) { s.canary("cart", t0, 1) }},
		{"failures come in clusters", func(s *simulation, _ uint64) { s.cluster = 4; s.canary("cart", t0, 2) }},
		{"instances differ", func(s *simulation, _ uint64) {
			s.canary("cart", t0, 2)
			for _, v := range s.services {
				for _, i := range v.instances {
					i.bias = 1 + .5*(s.rng.Float64()-.5)
				}
			}
		}},
		{"shared outage", func(s *simulation, _ uint64) {
			s.canary("cart", t0, 2)
			s.harmBetween("", t0+20, t0+60, effect{errors: .2, latency: 2})
		}},
		{"slow node", func(s *simulation, seed uint64) {
			s.canary("cart", t0, 1+int(seed%2))
			s.harmNode("node-3", t0+10, effect{errors: .05, latency: 2})
		}},
		{"warm-up", func(s *simulation, _ uint64) {
			s.canary("cart", t0, 2)
			s.warmUp(4)
		}},
		{"another mix of operations", func(s *simulation, _ uint64) {
			v := s.canary("cart", t0, 2)
			v.ops[2].errors = .15
			s.mix = func(i *simInstance, op string) float64 {
				if i.version == "1.1.0" && op == "GET /cart/{id}" {
					return 6
				}
				return 1
			}
		}},
		{"surge", func(s *simulation, _ uint64) {
			s.canary("cart", t0, 2)
			s.surge(t0 + 20)
		}},
		{"surge after everything was replaced", func(s *simulation, _ uint64) {
			s.replace("cart", t0, 0)
			s.surge(t0 + 20)
		}},
		{"replaced at once", func(s *simulation, _ uint64) { s.replace("cart", t0, 0) }},
		{"rolling", func(s *simulation, _ uint64) { s.replace("cart", t0, 10) }},
		{"hotfix of a service that fails already", func(s *simulation, seed uint64) {
			s.replace("cart", t0, 0)
			s.harm("cart", "", "", t0-10-int(seed%40), effect{errors: .1})
		}},
		{"canary of a service that fails already", func(s *simulation, _ uint64) {
			s.canary("cart", t0, 2)
			s.harm("cart", "", "", t0-20, effect{errors: .1, latency: 2})
		}},
		{"shared outage after everything was replaced", func(s *simulation, _ uint64) {
			s.replace("cart", t0, 0)
			s.harmBetween("", t0+20, t0+60, effect{errors: .2, latency: 2})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(14) {
				s := newSimulation(seed + 1)
				c.build(s, seed)
				for name, r := range s.run(t) {
					if r.regressed >= 0 {
						t.Errorf("seed %d: %s blamed after %d windows: %s, log E %.1f, %v", seed, name, r.regressed, r.first.Why, r.first.LogE, r.blame.Suspects)
					}
					if r.last.Verdict == unship.Unknown || r.last.Why == "" {
						t.Errorf("seed %d: %s ends as %v: %q", seed, name, r.last.Verdict, r.last.Why)
					}
					if seed < 2 {
						t.Logf("healthy after %d; %v, log E %.1f, doubts %v: %s", r.healthy, r.last.Verdict, r.last.LogE, r.last.Doubts, r.last.Why)
					}
				}
			}
		})
	}
}
