package detect

import (
	"testing"
)

// faulty are releases that must be found, each within its windows.
var faulty = []struct {
	name   string
	within int // windows
	build  func(s *simulation)
}{
	{"errors to 5 %", 14, func(s *simulation) {
		s.canary("cart", simStart, 2)
		s.harm("cart", "1.1.0", "", simStart, effect{errors: .045})
	}},
	{"errors to 25 %", 7, func(s *simulation) {
		s.canary("cart", simStart, 2)
		s.harm("cart", "1.1.0", "", simStart, effect{errors: .25})
	}},
	{"errors to 25 % on one instance", 24, func(s *simulation) {
		s.canary("cart", simStart, 1)
		s.harm("cart", "1.1.0", "", simStart, effect{errors: .25})
	}},
	{"one operation fails", 30, func(s *simulation) {
		s.canary("cart", simStart, 2)
		s.harm("cart", "1.1.0", "GET /cart/{id}", simStart, effect{errors: .3})
	}},
	{"twice as slow", 75, func(s *simulation) {
		s.canary("cart", simStart, 2)
		s.harm("cart", "1.1.0", "", simStart, effect{latency: 2})
	}},
	{"two in a hundred ten times slower", 100, func(s *simulation) {
		s.canary("cart", simStart, 2)
		s.harm("cart", "1.1.0", "", simStart, effect{slowShare: .03})
	}},
	{"rejects valid calls", 24, func(s *simulation) {
		s.canary("cart", simStart, 2)
		s.harm("cart", "1.1.0", "POST /cart", simStart, effect{rejections: .3})
	}},
	{"calls twice", 24, func(s *simulation) {
		s.canary("cart", simStart, 2)
		s.harm("cart", "1.1.0", "", simStart, effect{twice: .6})
	}},
	{"replaced at once, fails", 12, func(s *simulation) {
		s.replace("cart", simStart, 0)
		s.harm("cart", "1.1.0", "", simStart, effect{errors: .1})
	}},
	{"replaced at once, slow", 75, func(s *simulation) {
		s.replace("cart", simStart, 0)
		s.harm("cart", "1.1.0", "", simStart, effect{latency: 2})
	}},
	{"rolling, fails", 30, func(s *simulation) {
		s.replace("cart", simStart, 8)
		s.harm("cart", "1.1.0", "", simStart, effect{errors: .06})
	}},
	{"fails from the sixth minute", 96, func(s *simulation) {
		s.canary("cart", simStart, 2)
		s.harm("cart", "1.1.0", "", simStart+72, effect{errors: .1})
	}},
}

func TestFaultyReleasesAreFound(t *testing.T) {
	for _, c := range faulty {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(3) {
				s := newSimulation(seed + 100)
				c.build(s)
				r := s.run(t)["cart"]
				t.Logf("regressed after %d: %s; %v; logE %.1f", r.regressed, r.first.Why, r.blame.Suspects, r.first.LogE)
				if f := r.first.Findings; len(f) == 0 || f[0].Since.Before(simTime(simStart)) || f[0].LogE < 2 {
					t.Errorf("seed %d: findings %+v; want the strongest first, since the release", seed, f)
				}
				if r.regressed < 0 || r.regressed > c.within {
					t.Errorf("seed %d: regressed after %d windows, want within %d; last: %v %s, log E %.1f, doubts %v",
						seed, r.regressed, c.within, r.last.Verdict, r.last.Why, r.last.LogE, r.last.Doubts)
				}
			}
		})
	}
}
