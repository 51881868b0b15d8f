package detect

import (
	"fmt"
	"math"
	"testing"
	"time"

	"unship.dev"
)

// scaleUps adds instances of the old version that start before the release.
func (s *simulation) scaleUps(name string, n int) {
	v := s.service(name)
	for k := range n {
		v.instances = append(v.instances, &simInstance{
			version: "1.0.0", id: fmt.Sprintf("%s-more-%d", name, k), node: fmt.Sprintf("node-%d", k%simNodes), from: 20 + 7*k, to: 1 << 30, bias: 1,
		})
	}
}

func TestLearntWarmUpShortensTheWait(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		s := newSimulation(seed + 800)
		s.scaleUps("cart", 6)
		s.canary("cart", simStart, 2)
		s.harm("cart", "1.1.0", "", simStart, effect{latency: 2})
		r := s.run(t)["cart"]
		if r.regressed < 0 || r.regressed > 30 {
			t.Errorf("seed %d: twice as slow is found after %d windows, want within 30; last: %s", seed, r.regressed, r.last.Why)
		}
	}
}

func TestOtherServicesTeachToo(t *testing.T) {
	t.Parallel()
	s := newSimulation(810)
	for _, v := range s.services {
		if v.name != "cart" {
			s.scaleUps(v.name, 3)
		}
	}
	extra := *s.service("search")
	extra.name, extra.instances, extra.releases = "stock", nil, map[int]unship.Release{}
	s.services = append(s.services, &extra)
	for k := range 5 {
		extra.instances = append(extra.instances, &simInstance{version: "1.0.0", id: fmt.Sprintf("stock-%d", k), from: 15 * k * (k / 2), to: 1 << 30, bias: 1})
	}
	s.canary("cart", simStart, 2)
	s.harm("cart", "1.1.0", "", simStart, effect{latency: 2})
	if r := s.run(t)["cart"]; r.regressed < 0 || r.regressed > 40 {
		t.Errorf("twice as slow is found after %d windows, want within 40; last: %s", r.regressed, r.last.Why)
	}
}

// Instances that start slowly, as others of their service did before, are no
// reason for blame, however long it takes them.
func TestStartsAsSlowAsEarlierOnesAreHarmless(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		s := newSimulation(seed + 820)
		s.scaleUps("cart", 4)
		s.canary("cart", simStart, 1+int(seed%2))
		slow, tau := 1+3*s.rng.Float64(), 60+60*float64(seed%3)
		s.effects = append(s.effects, func(v *simService, i *simInstance, _ string, t int) effect {
			if i.from == 0 {
				return effect{}
			}
			own := math.Exp(.3 * math.Sin(float64(len(i.id)*31+int(i.id[len(i.id)-1])*17)))
			return effect{latency: 1 + slow*own*math.Exp(-float64(t-i.from)*5/tau)}
		})
		if r := s.run(t)["cart"]; r.regressed >= 0 {
			t.Errorf("seed %d, %.1f times slower, %.0f s: blamed after %d windows: %s, log E %.1f", seed, 1+slow, tau, r.regressed, r.first.Why, r.first.LogE)
		}
	}
}

// A candidate teaches nothing about itself.
func TestACandidateDoesNotExcuseItself(t *testing.T) {
	t.Parallel()
	s := newSimulation(830)
	s.canary("cart", simStart, 2)
	s.harm("cart", "1.1.0", "", simStart, effect{latency: 4})
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for w := range simStart + 60 {
		k, r := s.tick(w)
		d.Observe(k, r, nil)
		if n := len(d.services[s.service("cart").id()].warmups); n > 0 {
			t.Fatalf("window %d: %d starts teach; want none", w, n)
		}
	}
}

func TestAmplitudes(t *testing.T) {
	for _, want := range []float64{.1, 1, 3} {
		var w warming
		var h unship.Histogram
		for age := range 60 {
			h = h[:0]
			h.Add(int16(math.Round(160*math.Log2(1+want*math.Exp(-float64(age)/60)))/10), 100)
			w.add(0, h, 0)
		}
		if _, got := w.amplitude(1); math.Abs(got-want) > .15*want+.03 {
			t.Errorf("amplitude %v, want %v", got, want)
		}
	}
	if _, a := (&warming{}).amplitude(1); a != 0 {
		t.Error("an instance without requests has an amplitude")
	}
	few, many := bound([]float64{0, 0}, .5), bound(make([]float64, 12), .5)
	if !(few > many && many > 1) {
		t.Errorf("after two equal starts %v is granted, after twelve %v; want less, and more than they showed", few, many)
	}
	i := instance{warmness: warmness{3, 2}}
	for age, last := int32(0), math.Inf(1); age < 100; age++ {
		g := i.slowdown(age, 5*time.Second)
		if g > last || g < 1 {
			t.Fatalf("at age %d %v is granted after %v; want it to fall to 1", age, g, last)
		}
		last = g
	}
}
