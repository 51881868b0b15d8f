package detect

import (
	"math"
	"testing"

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
