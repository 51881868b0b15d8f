package detect

import (
	"strings"
	"testing"

	"unship.dev"
)

// oneRegion is an estate in which two of six instances of cart are in the south,
// where all is slower and fails more, and a release that comes to the south.
func oneRegion(seed uint64, keep int) *simulation {
	s := newSimulation(seed)
	s.tenants = func(*simInstance, int) []simTenant { return manyTenants(-1) }
	s.region = func(i *simInstance) string {
		if strings.Contains(i.id, "south") {
			return "south"
		}
		return "north"
	}
	v := s.service("cart")
	v.rps = 12
	for k := range 2 {
		i := &simInstance{version: "1.0.0", id: "cart-south-" + string(rune('a'+k)), to: simStart, bias: 1}
		if k < keep {
			i.to = 1 << 30
		}
		v.instances = append(v.instances, i, &simInstance{version: "1.1.0", id: i.id + "-new", from: simStart, to: 1 << 30, bias: 1})
	}
	v.announce(simStart)
	s.effects = append(s.effects, func(v *simService, i *simInstance, _ string, _ int) effect {
		if v.name == "cart" && s.region(i) == "south" {
			return effect{errors: .03, latency: 1.6}
		}
		return effect{}
	})
	return s
}

func TestARegionIsNotTheReleasesFault(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		r := oneRegion(seed+700, 0).run(t)["cart"]
		if r.regressed >= 0 || len(r.last.Doubts) > 0 {
			t.Errorf("seed %d: regressed after %d windows: %s, doubts %v; want neither, for the region was so before", seed, r.regressed, r.first.Why, r.last.Doubts)
		}
		if !strings.Contains(r.last.Why, "nothing of 1.0.0 serves in the same cloud.region") {
			t.Errorf("seed %d: %q; want it said that there is nothing to compare with", seed, r.last.Why)
		}
	}
}

// One instance a zone: the release takes the place of the only one of its zone. What the
// zones were like before tells what the place may excuse.
func TestOneInstanceAZone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		harm   effect
		worse  float64 // failures of the release's zone, always
		guilty bool
	}{
		"fails":                        {harm: effect{errors: .2}, guilty: true},
		"is slow":                      {harm: effect{latency: 4}, guilty: true},
		"harmless":                     {},
		"harmless, and its zone fails": {worse: .05},
	} {
		for seed := range uint64(4) {
			s := newSimulation(seed + 740)
			zones := map[string]string{}
			s.region = func(i *simInstance) string { return zones[i.id] }
			s.tenants = func(*simInstance, int) []simTenant { return []simTenant{{"all", 1}} }
			v := s.service("cart")
			v.rps, v.instances = 12, v.instances[:3]
			for k, i := range v.instances {
				zones[i.id] = string(rune('a' + k))
			}
			v.instances[0].to = simStart
			v.instances = append(v.instances, &simInstance{version: "1.1.0", id: "cart-new", from: simStart, to: 1 << 30, bias: 1})
			zones["cart-new"] = "a"
			v.announce(simStart)
			s.harm("cart", "1.1.0", "", simStart, c.harm)
			s.effects = append(s.effects, func(v *simService, i *simInstance, _ string, _ int) effect {
				if v.name == "cart" && zones[i.id] == "a" {
					return effect{errors: c.worse}
				}
				return effect{}
			})
			if r := s.run(t)["cart"]; (r.regressed >= 0) != c.guilty {
				t.Errorf("%s, seed %d: blamed after %d windows, log E %.1f: %s; guilty: %v", name, seed, r.regressed, r.last.LogE, r.last.Why, c.guilty)
			}
		}
	}
}

func TestAFaultOfOneTenantIsFoundWithinARegion(t *testing.T) {
	t.Parallel()
	s := oneRegion(710, 1)
	s.harm("cart", "1.1.0", "POST /cart", simStart, effect{rejections: .7, tenant: "borealis"})
	r := s.run(t)["cart"]
	if r.regressed < 0 || r.first.Findings[0].Signal != unship.SignalRejectionRatio {
		t.Errorf("regressed after %d windows, %s; want the tenant found beside the old instance of the region", r.regressed, r.last.Why)
	}
}

// A zone's only instance is replaced while it still serves, as rolling updates do, or the
// release comes to a zone that had none: what fails there, as no zone of it did, is the release.
func TestAPlaceThatIsVacated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone   string
		until  int // windows that the zone's old instance still serves
		harm   effect
		guilty bool
	}{
		"overlap, fails":     {zone: "a", until: 6, harm: effect{errors: .25}, guilty: true},
		"overlap, harmless":  {zone: "a", until: 6},
		"new zone, fails":    {zone: "d", until: 1000, harm: effect{errors: .25}, guilty: true},
		"new zone, harmless": {zone: "d", until: 1000},
	} {
		for seed := range uint64(3) {
			s := newSimulation(seed + 750)
			zones := map[string]string{"cart-new": c.zone}
			s.region = func(i *simInstance) string { return zones[i.id] }
			s.tenants = func(*simInstance, int) []simTenant { return []simTenant{{"all", 1}} }
			v := s.service("cart")
			v.rps, v.instances = 12, v.instances[:3]
			for k, i := range v.instances {
				zones[i.id] = string(rune('a' + k))
			}
			v.instances[0].to = simStart + c.until
			v.instances = append(v.instances, &simInstance{version: "1.1.0", id: "cart-new", from: simStart, to: 1 << 30, bias: 1})
			v.announce(simStart)
			s.harm("cart", "1.1.0", "", simStart, c.harm)
			if r := s.run(t)["cart"]; (r.regressed >= 0) != c.guilty {
				t.Errorf("%s, seed %d: blamed after %d windows, log E %.1f: %s; guilty: %v", name, seed, r.regressed, r.last.LogE, r.last.Why, c.guilty)
			}
		}
	}
}
