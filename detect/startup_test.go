package detect

import (
	"math"
	"testing"

	"unship.dev"
)

// troubled lets every start of a service's instances fail for so many windows.
func (s *simulation) troubled(name string, windows int, e effect) {
	s.effects = append(s.effects, func(v *simService, i *simInstance, _ string, t int) effect {
		if v.name == name && i.from > 0 && t >= i.from && t < i.from+windows {
			return e
		}
		return effect{}
	})
}

// restart replaces the k-th instance of a service by one of the same version at window t.
func (v *simService) restart(k, t int) {
	old := v.instances[k]
	old.to = t
	n := *old
	n.id, n.from, n.to = n.id+"-again", t, 1<<30
	v.instances = append(v.instances, &n)
}

// Failures that every start brings are not the release's; without starts before
// it nobody can know, and the same release is blamed.
func TestWhatEveryStartBringsIsNotTheRelease(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(s *simulation) *simService
	}{
		{"canary", func(s *simulation) *simService { return s.canary("cart", simStart, 2) }},
		{"replaced", func(s *simulation) *simService { return s.replace("cart", simStart, 0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			blamed := map[bool]int{}
			for seed := range uint64(6) {
				for _, known := range []bool{true, false} {
					s := newSimulation(seed + 1)
					v := s.service("cart")
					if known {
						v.restart(0, 30)
						v.restart(1, 45)
					}
					c.build(s)
					s.troubled("cart", 10, effect{errors: .3})
					if r := s.run(t)["cart"]; r.regressed >= 0 {
						blamed[known]++
					}
				}
			}
			if blamed[true] > 0 || blamed[false] < 4 {
				t.Errorf("blamed in %d of 6 after two starts that failed as well, in %d without any; want 0 and most", blamed[true], blamed[false])
			}
		})
	}
}

// What goes on after the usual trouble is the release's.
func TestAFaultOutlastsTheTroubleOfStarts(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		s := newSimulation(seed + 1)
		v := s.service("cart")
		v.restart(0, 30)
		v.restart(1, 45)
		s.canary("cart", simStart, 2)
		s.troubled("cart", 6, effect{errors: .3})
		s.harm("cart", "1.1.0", "", simStart, effect{errors: .2})
		if r := s.run(t)["cart"]; r.regressed < 8 || r.regressed > 24 {
			t.Errorf("seed %d: found after %d windows; want some after the usual six and two", seed, r.regressed)
		}
	}
}

func TestTroubleOfStarts(t *testing.T) {
	for _, c := range []struct {
		starts []int32
		want   int32
	}{
		{nil, 0},
		{[]int32{4}, 0},
		{[]int32{4, 0}, 0},
		{[]int32{4, 6}, 8},
		{[]int32{4, 6, 0, 0}, 8},
		{[]int32{4, 6, 0, 0, 0}, 0},
		{[]int32{24, 24, 24, 21}, 0},
		{[]int32{4, 6, 24, 24, 24}, 8},
	} {
		s := newService(unship.Service{Name: "cart"}, 0)
		for _, k := range c.starts {
			s.warmups = append(s.warmups, &warming{trouble: k})
		}
		if got := s.trouble(); got != c.want {
			t.Errorf("starts in trouble for %v windows: %d windows do not count; want %d", c.starts, got, c.want)
		}
	}
}

// An outage that young and grown instances share is no trouble with starting.
func TestASharedOutageIsNoTroubleWithStarting(t *testing.T) {
	for seed := range uint64(5) {
		s := newSimulation(seed + 1)
		v := s.service("cart")
		v.restart(0, 40)
		v.restart(1, 42)
		s.harmBetween("", 45, 55, effect{errors: .2})
		d, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.play(t, d, 0, simStart)
		for k, w := range d.services[v.id()].warmups {
			if w.trouble > 0 {
				t.Errorf("seed %d: start %d was in trouble for %d windows; want none", seed, k, w.trouble)
			}
		}
		if len(d.services[v.id()].warmups) != 2 {
			t.Fatalf("%d starts are known; want 2", len(d.services[v.id()].warmups))
		}
	}
	if g := (&grownRate{}).of(); math.Abs(g-.01) > 1e-12 {
		t.Errorf("a rate of nothing is %v; want .01", g)
	}
}
