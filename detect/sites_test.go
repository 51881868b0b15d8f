package detect

import (
	"fmt"
	"strings"
	"testing"
)

// zoned puts a simulation's instances into two zones, which nodes do not tell.
func zoned(s *simulation) func(*simInstance) string {
	zones := map[string]string{}
	for _, v := range s.services {
		for k, i := range v.instances {
			zones[i.id] = string(rune('a' + k%2))
		}
	}
	s.region = func(i *simInstance) string { return zones[i.id] }
	s.tenants = func(*simInstance, int) []simTenant { return []simTenant{{"all", 1}} }
	return s.region
}

// Several services were replaced when a zone begins to fail: that they fail there and not
// elsewhere, version by version, tells that it is the zone.
func TestAZoneIsNotTheRelease(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		s := newSimulation(seed + 1960)
		s.replace("cart", simStart, 0)
		s.replace("catalog", simStart+1, 0)
		for _, v := range s.services {
			for k, i := range v.instances {
				i.node = fmt.Sprintf("%s-%d", v.name, k) // of its own
			}
		}
		zone := zoned(s)
		s.effects = append(s.effects, func(_ *simService, i *simInstance, _ string, t int) effect {
			if t >= simStart+8 && zone(i) == "a" {
				return effect{errors: .1}
			}
			return effect{}
		})
		for name, r := range s.run(t) {
			if r.regressed >= 0 {
				t.Errorf("seed %d: %s is blamed after %d windows, %s", seed, name, r.regressed, r.first.Why)
			}
		}
	}
}

// A zone that always was worse is no news: a release in it is not excused by that.
func TestAZoneThatAlwaysWasWorse(t *testing.T) {
	t.Parallel()
	s := newSimulation(1970)
	s.replace("cart", simStart, 0)
	zone := zoned(s)
	s.effects = append(s.effects, func(_ *simService, i *simInstance, _ string, _ int) effect {
		if zone(i) == "a" {
			return effect{errors: .03}
		}
		return effect{}
	})
	s.harm("cart", "1.1.0", "", simStart, effect{errors: .2})
	if r := s.run(t)["cart"]; r.regressed < 0 || strings.Contains(r.last.Why, "harms other services") {
		t.Errorf("blamed after %d windows: %s", r.regressed, r.last.Why)
	}
}
