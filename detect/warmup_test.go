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

// start is a start that is slower by a factor at each age in minutes, beside equal peers.
func start(slower func(minutes float64) float64) *warming {
	w := &warming{}
	for t := range 16 * 12 {
		age := (float64(t) + .5) / 12
		at := 16 * math.Log2(slower(age))
		w.add(warmBin(age), durations{60, 60 * at, 60 * at * at}, durations{480, 0, 0})
	}
	return w
}

// taught gives what a service is granted after such starts.
func taught(n int, slower func(minutes float64) float64) warmness {
	d, err := New(Options{})
	if err != nil {
		panic(err)
	}
	s := newService(unship.Service{Name: "cart"}, 1)
	for range n {
		s.warmups = append(s.warmups, start(slower))
	}
	d.order = append(d.order, s)
	return d.warmth(s)
}

func TestWarmUpIsLearnt(t *testing.T) {
	for _, decay := range []float64{1, 2, 4} {
		for _, a := range []float64{0, .1, 1, 3} {
			cold := func(minutes float64) float64 { return 1 + a*math.Exp(-minutes/decay) }
			few, many := taught(2, cold), taught(16, cold)
			if a > .5 && (many.decay < decay || many.decay > 2*decay) {
				t.Errorf("A %v over %v minutes: decay %v", a, decay, many.decay)
			}
			if !(few.amplitude > many.amplitude && many.amplitude > a && few.doubt > many.doubt) {
				t.Errorf("A %v over %v minutes: %+v is granted after two starts, %+v after sixteen; want less, and more than they showed", a, decay, few, many)
			}
			if most := 3*a + .2; many.amplitude > most {
				t.Errorf("A %v over %v minutes: %v is granted, want at most %v", a, decay, many.amplitude, most)
			}
		}
	}
}

// An instance that is slow for good does not warm up: a slow release that
// nobody noticed excuses none of the next ones.
func TestSlowForGoodIsNotWarmingUp(t *testing.T) {
	slow := taught(4, func(float64) float64 { return 1.5 })
	if none := taught(4, func(float64) float64 { return 1 }); slow != none {
		t.Errorf("%+v is granted after slow instances, %+v after others", slow, none)
	}
	if w := (&warming{}); true {
		if _, _, ok := w.slower(0); ok {
			t.Error("an instance without requests teaches")
		}
	}
}

func TestAllowanceFalls(t *testing.T) {
	i := instance{warmness: warmness{3, 2, 1.5}}
	last, seen := int16(1<<14), uint8(latTail)
	for age := range int32(300) {
		raise, lat := i.allowance(age, 5*time.Second)
		if lat < seen || lat == seen && raise > last || raise < 0 || lat > latTail && raise > warmMuch {
			t.Fatalf("at age %d thresholds are raised by %d after %d, %v compared after %v; want it to fall to 0", age, raise, last, lat, seen)
		}
		last, seen = raise, lat
	}
	if raise, lat := i.allowance(300, 5*time.Second); raise != 0 || lat != latAll {
		t.Errorf("grown instances: thresholds are raised by %d", raise)
	}
}

// First requests wait for connections, caches are empty: what every start of a
// service shows for some seconds is not the release's doing.
func TestTailsOfAllStartsAreHarmless(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		s := newSimulation(seed + 900)
		s.scaleUps("cart", 6)
		s.canary("cart", simStart, 2)
		s.effects = append(s.effects, func(_ *simService, i *simInstance, _ string, t int) effect {
			if i.from == 0 || t-i.from >= 4 {
				return effect{}
			}
			return effect{slowShare: .2}
		})
		if r := s.run(t)["cart"]; r.regressed >= 0 {
			t.Errorf("seed %d: blamed after %d windows: %s", seed, r.regressed, r.first.Why)
		}
	}
}

// What only the new version's start shows is: the tail of its durations counts
// as soon as the service's usual starts are over.
func TestTailsOfAReleaseAreSeenAfterUsualStarts(t *testing.T) {
	t.Parallel()
	s := newSimulation(910)
	s.scaleUps("cart", 6)
	s.canary("cart", simStart, 2)
	s.effects = append(s.effects, func(_ *simService, i *simInstance, _ string, t int) effect {
		if i.version != "1.1.0" && (i.from == 0 || t-i.from >= 4) {
			return effect{}
		}
		return effect{slowShare: .2}
	})
	if r := s.run(t)["cart"]; r.regressed < 0 || r.regressed > 24 {
		t.Errorf("found after %d windows, want within 24; last: %s", r.regressed, r.last.Why)
	}
}
