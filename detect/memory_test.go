package detect

import (
	"testing"

	"unship.dev"
	"unship.dev/rules"
)

// play shows a detector windows of a simulation without a release.
func (s *simulation) play(t *testing.T, d *Detector, from, to int) {
	t.Helper()
	for w := from; w < to; w++ {
		k, r := s.tick(w)
		d.Observe(k, r, rules.Set{s.policy})
	}
}

func TestServicesRememberMoreThanTheirHistory(t *testing.T) {
	d, err := New(Options{History: 60})
	if err != nil {
		t.Fatal(err)
	}
	s := newSimulation(1)
	s.play(t, d, 0, 400)
	for _, v := range d.order {
		past := v.memory.of(0)
		if past == nil {
			t.Fatalf("%s remembers nothing after 400 windows with histories of 60", v.id)
		}
		// Windows that are remembered are beyond any history that ends now.
		if past.Windows < 150 || past.Windows > 400-60 {
			t.Errorf("%s remembers %v windows; want those of 400 that are beyond the last 60 to 120, less what is forgotten", v.id, past.Windows)
		}
	}
	fresh, err := New(Options{History: 60})
	if err != nil {
		t.Fatal(err)
	}
	s = newSimulation(1)
	s.play(t, fresh, 0, 59)
	if m := fresh.order[0].memory; m.of(0) != nil {
		t.Errorf("something is remembered within the first history: %+v", m)
	}
}

// A memory says how far to trust a count: with it a small rise is found sooner.
func TestMemoryShortensTheDelay(t *testing.T) {
	delay := func(history int) (sum int) {
		for seed := range uint64(4) {
			s := newSimulation(seed + 1)
			d, err := New(Options{History: 60})
			if err != nil {
				t.Fatal(err)
			}
			s.services = s.services[:1] // no others that teach
			for _, i := range s.services[0].instances {
				i.from = simStart - history
			}
			s.play(t, d, simStart-history, simStart)
			s.canary("cart", simStart, 2)
			s.harm("cart", "1.1.0", "", simStart, effect{errors: .02})
			found := s.windows
			for w := simStart; w < s.windows && found == s.windows; w++ {
				k, r := s.tick(w)
				for _, j := range d.Observe(k, r, rules.Set{s.policy}).Judgements {
					if j.Verdict == unship.Regressed {
						found = w
					}
				}
			}
			sum += found - simStart
		}
		return sum
	}
	if with, without := delay(600), delay(60); with >= without {
		t.Errorf("%d windows to find a rise by .02 in four releases with ten histories remembered, %d with one; want fewer", with, without)
	}
}
