package detect

import (
	"strings"
	"testing"

	"unship.dev"
)

// calls lets a part of a service's requests call another one: so many of the old version's,
// so many of the new one's.
func (s *simulation) calls(name, callee string, old, fresh float64) {
	s.shows = func(v *simService, i *simInstance, _ int, w *unship.Window) {
		part := old
		if i.version == "1.1.0" {
			part = fresh
		}
		for k := range w.Operations {
			p := &w.Operations[k]
			n := uint64(0)
			for range p.Requests {
				if s.rng.Float64() < part {
					n++
				}
			}
			if v.name == name && n > 0 {
				p.Merge(unship.Operation{Calls: []unship.Call{{Callee: callee, Requests: n, Total: n}}})
			}
		}
	}
}

// A call that not all requests made, and that none makes since everything was replaced, is found
// and does not act alone, however many of them did without it before; one that a few less make may be drift.
func TestACallThatIsLeftOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		old, fresh float64
		found      bool
	}{
		{"all made it", 1, 0, true},
		{"most made it", .8, 0, true},
		{"two in five made it", .4, 0, true},
		{"one in ten made it", .1, 0, true},
		{"nearly as many make it", .4, .36, false},
		{"nearly all make it", .95, .9, false},
		{"more make it", .4, .6, false},
	} {
		for seed := range uint64(2) {
			s := newSimulation(seed + 990)
			s.windows = simStart + 60
			s.calls("cart", "audit", c.old, c.fresh)
			s.replace("cart", simStart, 0)
			r := s.run(t)["cart"]
			if (r.regressed >= 0) != c.found || r.asked >= 0 && !c.found {
				t.Errorf("%s, seed %d: found after %d windows: %v: %s; want found %v", c.name, seed, r.regressed, r.last.Verdict, r.last.Why, c.found)
			}
			if f := r.first.Findings; c.found && len(f) > 0 && (f[0].Signal != unship.SignalCalls || !f[0].Ambiguous || !strings.Contains(r.first.Why, "→ audit: 100 % of requests make no call")) {
				t.Errorf("%s, seed %d: %s: %+v", c.name, seed, r.first.Why, f[0])
			}
		}
	}
}
