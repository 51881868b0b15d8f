package detect

import (
	"testing"

	"unship.dev"
)

// harmless are releases that must never be blamed, with what might fool one.
var harmless = []struct {
	name  string
	build func(s *simulation, seed uint64)
}{
	{"nothing wrong", func(s *simulation, _ uint64) { s.canary("cart", simStart, 2) }},
	{"one instance", func(s *simulation, _ uint64) { s.canary("cart", simStart, 1) }},
	{"failures come in clusters", func(s *simulation, _ uint64) { s.cluster = 4; s.canary("cart", simStart, 2) }},
	{"instances differ", func(s *simulation, _ uint64) {
		s.canary("cart", simStart, 2)
		for _, v := range s.services {
			for _, i := range v.instances {
				i.bias = 1 + .5*(s.rng.Float64()-.5)
			}
		}
	}},
	{"shared outage", func(s *simulation, _ uint64) {
		s.canary("cart", simStart, 2)
		s.harmBetween("", simStart+20, simStart+60, effect{errors: .2, latency: 2})
	}},
	{"shared outage beside a canary that is given little", func(s *simulation, _ uint64) {
		s.canary("cart", simStart, 2).rps = 40
		s.mix = func(i *simInstance, _ string) float64 {
			if i.version == "1.1.0" {
				return .05
			}
			return 1
		}
		s.harmBetween("cart", simStart+5, simStart+140, effect{errors: .13, latency: 2})
	}},
	{"slow node", func(s *simulation, seed uint64) {
		s.canary("cart", simStart, 1+int(seed%2))
		s.harmNode("node-3", simStart+10, effect{errors: .05, latency: 2})
	}},
	{"warm-up", func(s *simulation, _ uint64) {
		s.canary("cart", simStart, 2)
		s.warmUp(4)
	}},
	{"another mix of operations", func(s *simulation, _ uint64) {
		v := s.canary("cart", simStart, 2)
		v.ops[2].errors = .15
		s.mix = func(i *simInstance, op string) float64 {
			if i.version == "1.1.0" && op == "GET /cart/{id}" {
				return 6
			}
			return 1
		}
	}},
	{"surge", func(s *simulation, _ uint64) {
		s.canary("cart", simStart, 2)
		s.surge(simStart + 20)
	}},
	{"surge after everything was replaced", func(s *simulation, _ uint64) {
		s.replace("cart", simStart, 0)
		s.surge(simStart + 20)
	}},
	{"a client that both refuse comes while both serve", func(s *simulation, _ uint64) {
		s.replace("cart", simStart, 15)
		s.harm("cart", "", "", simStart+12, effect{rejections: .08})
	}},
	{"replaced at once", func(s *simulation, _ uint64) { s.replace("cart", simStart, 0) }},
	{"rolling", func(s *simulation, _ uint64) { s.replace("cart", simStart, 10) }},
	{"hotfix of a service that fails already", func(s *simulation, seed uint64) {
		s.replace("cart", simStart, 0)
		s.harm("cart", "", "", simStart-10-int(seed%40), effect{errors: .1})
	}},
	{"canary of a service that fails already", func(s *simulation, _ uint64) {
		s.canary("cart", simStart, 2)
		s.harm("cart", "", "", simStart-20, effect{errors: .1, latency: 2})
	}},
	{"shared outage after everything was replaced", func(s *simulation, _ uint64) {
		s.replace("cart", simStart, 0)
		s.harmBetween("", simStart+20, simStart+60, effect{errors: .2, latency: 2})
	}},
}

func TestHarmlessReleasesAreNeverBlamed(t *testing.T) {
	for _, c := range harmless {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			for seed := range uint64(14) {
				s := newSimulation(seed + 1)
				c.build(s, seed)
				for name, r := range s.run(t) {
					if r.regressed >= 0 {
						t.Errorf("seed %d: %s blamed after %d windows: %s, log E %.1f, %v", seed, name, r.regressed, r.first.Why, r.first.LogE, r.blame.Suspects)
					}
					if r.asked >= 0 {
						asked++
						t.Logf("seed %d: a person is asked about %s after %d windows: %s", seed, name, r.asked, r.last.Why)
					}
					if r.last.Verdict == unship.Unknown || r.last.Why == "" {
						t.Errorf("seed %d: %s ends as %v: %q", seed, name, r.last.Verdict, r.last.Why)
					}
					if seed < 2 {
						t.Logf("healthy after %d; %v, log E %.1f, doubts %v: %s", r.healthy, r.last.Verdict, r.last.LogE, r.last.Doubts, r.last.Why)
					}
				}
			}
			if asked > 1 { // a hundredth of 14, and 1 to be expected now and then
				t.Errorf("a person is asked about %d of 14", asked)
			}
		})
	}
}

// What is too little to act on is asked about: the same evidence, at a lower level, with
// the same checks.
func TestAPersonIsAskedBeforeItIsSure(t *testing.T) {
	found, asked, sooner := 0, 0, 0
	for seed := range uint64(12) {
		s := newSimulation(seed + 1)
		s.canary("cart", simStart, 2)
		s.harm("cart", "1.1.0", "", simStart, effect{errors: .012})
		r := s.run(t)["cart"]
		if r.regressed >= 0 {
			found++
		}
		if r.asked >= 0 {
			asked++
		}
		if r.asked >= 0 && (r.regressed < 0 || r.asked < r.regressed) {
			sooner++
		}
	}
	t.Logf("of 12 small regressions %d are found and %d asked about, %d of them before they are found or without", found, asked, sooner)
	if sooner < 6 || asked < sooner {
		t.Errorf("a person was asked about %d of 12 small regressions before they were sure, want half of them at least", sooner)
	}
}

func TestNobodyIsAskedWhereTheLevelsAreOne(t *testing.T) {
	s := newSimulation(1)
	s.policy.FalseQuestions = s.policy.FalseRollbacks
	s.canary("cart", simStart, 2)
	s.harm("cart", "1.1.0", "", simStart, effect{errors: .05})
	if r := s.run(t)["cart"]; r.regressed < 0 || r.asked >= 0 {
		t.Errorf("found after %d windows, asked about after %d; want it found and nobody asked", r.regressed, r.asked)
	}
}
