package detect

import (
	"math"
	"slices"
	"testing"

	"unship.dev"
	"unship.dev/rules"
)

func TestANodeIsNotTheRelease(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		s := newSimulation(seed + 1900)
		s.canary("cart", simStart, 2)
		s.harmNode("node-3", simStart+10, effect{errors: .05, latency: 4, slowShare: .05})
		if r := s.run(t)["cart"]; r.regressed >= 0 {
			t.Errorf("seed %d: blamed after %d windows: %s", seed, r.regressed, r.first.Why)
		}
	}
}

// Leaving nobody out by all streams gives the evidence itself. Where one instance's
// harm fills the strongest streams, what the other one shows is in the rest.
func TestLeavingInstancesOut(t *testing.T) {
	t.Parallel()
	s := newSimulation(1950)
	s.windows = simStart + 60
	s.canary("cart", simStart, 2)
	s.harm("cart", "1.1.0", "GET /cart/{id}", simStart, effect{rejections: .12})
	s.effects = append(s.effects, func(_ *simService, i *simInstance, _ string, _ int) effect {
		return map[bool]effect{true: {latency: 6, slowShare: .2, errors: .1}}[i.id == "cart-new-0"]
	})
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for w := range s.windows {
		k, r := s.tick(w)
		d.Observe(k, r, rules.Set{s.policy})
	}
	w := d.watches[0]
	if all := w.without(map[*instance]bool{}, d.now, everyone); w.logE < 10 || math.Abs(all-w.logE) > .01 {
		t.Errorf("evidence %.4f, anew by all streams %.4f", w.logE, all)
	}
	ill := map[*instance]bool{}
	for _, i := range w.candidates() {
		if i.ID == "cart-new-0" {
			ill[i] = true
		}
	}
	all, some := w.without(ill, d.now, everyone), w.without(ill, d.now, carriers)
	if all < some+1 || all < math.Log(10) {
		t.Errorf("without the ill one: %.2f by all streams, %.2f by the strongest", all, some)
	}
}

// Instances whose cache is empty call more until it is full. What is asked about is what
// remains then.
func TestCallsOfEmptyCaches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		remains float64 // of requests that call twice, beyond those before
		fills   float64 // by a factor e in so many windows
		release func(*simulation)
		found   bool
	}{
		{"canary, fills", 0, 8, func(s *simulation) { s.canary("cart", simStart, 2) }, false},
		{"canary, remains", .6, 8, func(s *simulation) { s.canary("cart", simStart, 2) }, true},
		{"replaced one after the other, fills", 0, 18, func(s *simulation) { s.replace("cart", simStart, 20) }, false},
		{"replaced, fills", 0, 8, func(s *simulation) { s.replace("cart", simStart, 0) }, false},
		{"replaced, remains", .6, 8, func(s *simulation) { s.replace("cart", simStart, 0) }, true},
	} {
		for seed := range uint64(3) {
			s := newSimulation(seed + 1970)
			c.release(s)
			s.effects = append(s.effects, func(_ *simService, i *simInstance, _ string, t int) effect {
				if i.version != "1.1.0" {
					return effect{}
				}
				return effect{twice: c.remains + (.9-c.remains)*math.Exp(-float64(t-i.from)/c.fills)}
			})
			d, err := New(Options{})
			if err != nil {
				t.Fatal(err)
			}
			found := -1
			for w := range s.windows {
				k, r := s.tick(w)
				for _, j := range d.Observe(k, r, rules.Set{s.policy}).Judgements {
					if j.Asks || slices.ContainsFunc(j.Findings, func(f unship.Finding) bool { return f.Verdict == unship.Regressed }) {
						found = max(found, w-simStart)
					}
				}
			}
			if (found >= 0) != c.found {
				t.Errorf("%s, seed %d: found %d windows after the release; want found %v", c.name, seed, found, c.found)
			}
		}
	}
}
