package detect

import (
	"math"
	"slices"
	"testing"

	"unship.dev"
)

// Two cohorts whose requests come from other tenants: what cannot be divided by tenant
// counts only beyond the distance between their shares.
func TestAnotherMakeUpExplainsSoMuch(t *testing.T) {
	s := &service{
		units:  []*unit{{operation: "op"}, {operation: "op", callee: "db"}},
		unitOf: map[unitKey]int{{"op", ""}: 0, {"op", "db"}: 1},
		slices: []*slice{{key: "tenant", value: "a"}, {key: "tenant", value: "b"}, {key: "region", value: "x"}, {key: "region", value: "y"}},
	}
	c := &comparison{svc: s}
	c.balance = balance{
		units:  [][2]float64{{1000, 9000}, {}},
		slices: [][2]float64{{900, 900}, {100, 8100}, {500, 4500}, {500, 4500}},
	}
	c.balance.compare(s, nil)
	whole := func(string) float64 { return 1 }
	if by := c.balance.of(0, "", whole); math.Abs(by-.8) > .02 {
		t.Errorf("the tenants' shares are %.3f apart, want .8", by)
	}
	if by := c.balance.of(0, "tenant", whole); by != 0 {
		t.Errorf("the regions' shares are %.3f apart, want 0", by)
	}
	for _, x := range []struct {
		guarded   bool
		key       string
		unit      int
		bad, want int
	}{{true, "", 1, 900, 109}, {true, "", 1, 500, 0}, {true, "tenant", 0, 500, 500}, {false, "", 0, 900, 900}} {
		d := &slot{division: &division{strata: []stratum{{unit: x.unit}}}, guarded: x.guarded, key: x.key, counts: []count{{n: 1000, y: x.bad, raw: x.bad}}}
		if got := x.bad - c.explained(d, &frame{seen: []seen{{candidate: true}}})[0]; got < x.want-5 || got > x.want+5 {
			t.Errorf("%+v: %d count, want about %d", x, got, x.want)
		}
	}
	// However few requests a window has, over all of them it explains as large a part; what
	// did not come for long comes no more.
	for _, x := range []struct{ quiet, want int }{{0, 200 - 160}, {1000, 200 - 8*2*evensOut/10 - 160}} {
		d := &slot{division: &division{strata: []stratum{{unit: 1}}}, guarded: true, counts: []count{{n: 2}}}
		got := 0
		for t := range x.quiet + 100 {
			if t >= x.quiet {
				d.counts[0] = count{n: 2, y: 2, raw: 2}
			}
			got += d.counts[0].raw - c.explained(d, &frame{seen: []seen{{candidate: true}}})[0]
		}
		if got < x.want-5 || got > x.want+5 {
			t.Errorf("after %d windows without bad requests: %d count, want about %d", x.quiet, got, x.want)
		}
	}
}

// A ramp that runs in one zone is made up quite differently, by zone, from what it replaces. Where
// old instances of all zones did alike, that explains little.
func TestAnotherZoneExplainsNoMoreThanZonesDiffer(t *testing.T) {
	t.Parallel()
	for name, guilty := range map[string]bool{"calls the database twice": true, "harmless": false} {
		s := newSimulation(1995)
		zones := map[string]string{}
		s.region = func(i *simInstance) string { return zones[i.id] }
		s.tenants = func(*simInstance, int) []simTenant { return []simTenant{{"all", 1}} }
		v := s.canary("cart", simStart, 2)
		for k, i := range v.instances {
			if zones[i.id] = string(rune('a' + k%4)); i.version == "1.1.0" {
				zones[i.id] = "a"
			}
		}
		if guilty {
			s.harm("cart", "1.1.0", "", simStart, effect{twice: .6})
		}
		r := s.run(t)["cart"]
		found := slices.ContainsFunc(r.last.Findings, func(f unship.Finding) bool { return f.Signal == unship.SignalCalls })
		if found != guilty {
			t.Errorf("%s: %s, %+v", name, r.last.Why, r.last.Findings)
		}
	}
}
