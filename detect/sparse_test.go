package detect

import (
	"testing"

	"unship.dev"
)

// thin makes a canary of a service that serves so little that most windows have
// requests of one version only, if of any.
func thin(seed uint64) *simulation {
	s := newSimulation(seed)
	for _, v := range s.services {
		v.rps = .08
	}
	s.canary("cart", simStart, 3)
	return s
}

func TestWindowsOfOneCohortWaitForTheOther(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		s := thin(seed + 900)
		s.effects = append(s.effects, func(v *simService, i *simInstance, _ string, _ int) effect {
			if v.name == "cart" && i.version == "1.1.0" {
				return effect{errors: .5}
			}
			return effect{}
		})
		if r := s.run(t)["cart"]; r.regressed < 0 {
			t.Errorf("seed %d: half of %d requests fail and it is not found: %s, log E %.1f", seed, r.last.Samples.Candidate, r.last.Why, r.last.LogE)
		}
	}
}

// What hits both versions hits them in other windows where requests are few.
func TestWindowsThatWaitBlameNothingHarmless(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		s := thin(seed + 950)
		s.effects = append(s.effects, func(v *simService, _ *simInstance, _ string, at int) effect {
			if v.name == "cart" && at%20 < 6 {
				return effect{errors: .5}
			}
			return effect{}
		})
		if r := s.run(t)["cart"]; r.regressed >= 0 {
			t.Errorf("seed %d: blamed after %d windows: %s, log E %.1f", seed, r.regressed, r.first.Why, r.first.LogE)
		}
	}
}

// A canary is given more and more of few requests while failures come and go for all. Every
// step of the traffic and every failure falls somewhere within a block.
func TestStepsOfTrafficDuringOutagesBlameNothingHarmless(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		s := thin(seed + 1000)
		now := 0
		s.load = func(t int) float64 { now = t; return 4 }
		s.mix = func(i *simInstance, _ string) float64 {
			share := min(float64(1+(now-simStart)/25)/8, .9)
			if i.version == "1.1.0" {
				return share
			}
			return 1 - share
		}
		s.effects = append(s.effects, func(v *simService, _ *simInstance, _ string, at int) effect {
			if v.name == "cart" && (at+int(seed))%25 < 5 {
				return effect{errors: .5}
			}
			return effect{}
		})
		if r := s.run(t)["cart"]; r.regressed >= 0 && r.first.Comparison == unship.ComparisonConcurrent {
			t.Errorf("seed %d: blamed after %d windows: %s, log E %.1f", seed, r.regressed, r.first.Why, r.first.LogE)
		}
	}
}
