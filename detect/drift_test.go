package detect

import (
	"strings"
	"testing"

	"unship.dev"
)

// Nobody calls a release healthy while its memory still grows and the old version's does not,
// however few instances there are to prove a leak by; what filled its caches and stands still
// is healthy.
func TestWhatStillGrowsIsNotHealthy(t *testing.T) {
	for _, c := range []struct {
		name      string
		mine, all float64 // bytes a window
		healthy   bool
	}{{"the new version leaks", 3e6, 0, false}, {"nothing leaks", 0, 0, true}, {"all leak", 0, 3e6, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				s := newSimulation(seed + 730)
				s.services = s.services[:1] // too few instances for anybody to know what levels do
				s.canary("cart", simStart, 1)
				s.shows = func(_ *simService, i *simInstance, t int, w *unship.Window) {
					leak := c.all
					if i.version == "1.1.0" {
						leak += c.mine
					}
					s.usage(i, t, w, 1, leak)
				}
				r := s.run(t)["cart"]
				if got := r.last.Verdict == unship.Healthy; got != c.healthy || !c.healthy && !strings.Contains(r.last.Why, "process.memory.usage") {
					t.Errorf("seed %d: ends %v: %s; want healthy: %v", seed, r.last.Verdict, r.last.Why, c.healthy)
				}
			}
		})
	}
}
