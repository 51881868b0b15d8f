package detect

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"unship.dev"
)

// sometimes shows a log pattern in a share of the windows of the instances chosen.
func (s *simulation) sometimes(w *unship.Window, p float64, severity int32, pattern string) {
	if s.rng.Float64() < p {
		w.Logs = append(w.Logs, unship.LogCount{Severity: severity, Pattern: pattern, Count: 7, Example: pattern + " 4711"})
	}
}

func (s *simulation) throws(w *unship.Window, p float64, typ string) {
	if s.rng.Float64() < p {
		w.Exceptions = append(w.Exceptions, unship.Exception{Type: typ, Place: "Cart.price < Cart.total", Count: 3, Example: "null"})
	}
}

func TestANewExceptionIsFoundAndShown(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		s := newSimulation(seed + 600)
		s.canary("cart", simStart, 2)
		s.shows = func(v *simService, i *simInstance, _ int, w *unship.Window) {
			s.sometimes(w, .05, 17, "cannot reach <*>")
			s.sometimes(w, .5, 9, "served <*>")
			if v.name == "cart" && i.version == "1.1.0" {
				s.throws(w, .5, "NullPointerException")
				s.sometimes(w, .9, 9, "uses the new cache")
			}
		}
		r := s.run(t)["cart"]
		if r.regressed < 12 || r.regressed > 60 {
			t.Fatalf("seed %d: regressed after %d windows, want 12 to 60; last: %s, log E %.1f", seed, r.regressed, r.last.Why, r.last.LogE)
		}
		f := r.first.Findings[0]
		if f.Signal != unship.SignalException || f.Name != "NullPointerException at Cart.price < Cart.total" || f.Example != "null" || f.Ambiguous {
			t.Errorf("seed %d: finding %+v; want the exception", seed, f)
		}
		if !strings.Contains(r.first.Why, "exception NullPointerException at Cart.price < Cart.total is new") {
			t.Errorf("seed %d: %q; want the exception named as new", seed, r.first.Why)
		}
		shown := false
		for _, f := range r.last.Findings {
			shown = shown || f.Name == "uses the new cache" && f.Weight == 0 && f.Verdict == unship.Inconclusive
		}
		if !shown {
			t.Errorf("seed %d: findings %+v; want the new INFO pattern shown as well", seed, r.last.Findings)
		}
	}
}

func TestAKnownErrorBecomesFrequentInAServiceWithLogsOnly(t *testing.T) {
	t.Parallel()
	s := newSimulation(620)
	s.canary("cart", simStart, 2).ops = nil
	s.shows = func(v *simService, i *simInstance, _ int, w *unship.Window) {
		p := .05
		if v.name == "cart" && i.version == "1.1.0" {
			p = .8
		}
		s.sometimes(w, p, 17, "cannot reach <*>")
		s.sometimes(w, .5, 9, "works")
	}
	r := s.run(t)["cart"]
	if r.regressed < 0 || r.first.Findings[0].Name != "cannot reach <*>" || r.first.Findings[0].Signal != unship.SignalLogPattern {
		t.Fatalf("regressed after %d windows with %+v; want the pattern; last: %s, log E %.1f", r.regressed, r.first.Findings, r.last.Why, r.last.LogE)
	}
}

func TestANewExceptionAfterEverythingWasReplaced(t *testing.T) {
	t.Parallel()
	s := newSimulation(630)
	s.replace("cart", simStart, 0)
	s.shows = func(v *simService, i *simInstance, _ int, w *unship.Window) {
		s.sometimes(w, .05, 17, "cannot reach <*>")
		if v.name == "cart" && i.version == "1.1.0" {
			s.throws(w, .6, "NullPointerException")
		}
	}
	r := s.run(t)["cart"]
	if r.regressed < 0 || r.first.Findings[0].Signal != unship.SignalException {
		t.Fatalf("regressed after %d windows with %+v; want the exception; last: %s, log E %.1f", r.regressed, r.first.Findings, r.last.Why, r.last.LogE)
	}
}

// What began a minute after everything was replaced, when instances had just grown, did
// not begin with the release, although nothing but logs tells of it.
func TestAnOutageAMinuteAfterAReplacementWhereOnlyLogsTell(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		for _, after := range []int{10, 12, 14} {
			s := newSimulation(seed + 635)
			for _, v := range s.services {
				v.ops = nil
			}
			s.replace("cart", simStart, 0)
			s.shows = func(v *simService, i *simInstance, t int, w *unship.Window) {
				s.sometimes(w, .5, 9, "works")
				if v.name == "cart" && t >= simStart+after {
					s.sometimes(w, .7, 17, "tax office: 503")
				}
			}
			if r := s.run(t)["cart"]; r.regressed >= 0 {
				t.Errorf("seed %d, an outage after %d windows: blamed after %d: %s, log E %.1f", seed, after, r.regressed, r.first.Why, r.first.LogE)
			}
		}
	}
}

// harmlessEvents are logs that must not have a release blamed.
var harmlessEvents = []struct {
	name string
	show func(s *simulation, i *simInstance, t int, w *unship.Window)
}{
	{"all the same, in storms", func(s *simulation, _ *simInstance, t int, w *unship.Window) {
		p := .02
		if t/7%3 == 0 {
			p = .7
		}
		s.sometimes(w, p, 17, "cannot reach <*>")
		s.throws(w, p/3, "TimeoutException")
	}},
	{"instances say different things when they start", func(s *simulation, i *simInstance, t int, w *unship.Window) {
		if i.from > 0 && t-i.from < 11 {
			s.sometimes(w, 1, 17, "waiting for the database")
			s.throws(w, 1, "ConnectException")
		}
	}},
	{"a new input upsets both versions", func(s *simulation, _ *simInstance, t int, w *unship.Window) {
		if t > simStart+30 {
			s.throws(w, .3, "ParseException")
			s.sometimes(w, .3, 21, "no such currency <*>")
		}
	}},
	{"a warning is called an error", func(s *simulation, i *simInstance, _ int, w *unship.Window) {
		severity := int32(13)
		if i.version == "1.1.0" {
			severity = 17
		}
		s.sometimes(w, .3, severity, "entry <*> is stale")
	}},
	{"news that are no errors", func(s *simulation, i *simInstance, _ int, w *unship.Window) {
		if i.version == "1.1.0" {
			s.sometimes(w, 1, 9, "uses the new cache")
			s.sometimes(w, 1, 13, "a setting is deprecated")
		}
	}},
}

func TestHarmlessLogs(t *testing.T) {
	for _, c := range harmlessEvents {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(4) {
				s := newSimulation(seed + 640)
				for _, v := range s.services {
					v.ops = nil // logs are all there is to fool it
				}
				if seed%2 == 0 {
					s.canary("cart", simStart, 1+int(seed/2))
				} else {
					s.replace("cart", simStart, 0)
				}
				s.shows = func(_ *simService, i *simInstance, t int, w *unship.Window) { c.show(s, i, t, w) }
				if r := s.run(t)["cart"]; r.regressed >= 0 {
					t.Errorf("seed %d: blamed after %d windows: %s, log E %.1f", seed, r.regressed, r.first.Why, r.first.LogE)
				}
			}
		})
	}
}

// A line that comes with every request says nothing about the errors among them.
func TestALineForEveryRequestHidesNoErrors(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		s := newSimulation(seed + 650)
		if seed == 0 {
			s.canary("cart", simStart, 2).ops = nil
		} else {
			s.replace("cart", simStart, 0).ops = nil
		}
		s.shows = func(_ *simService, i *simInstance, _ int, w *unship.Window) {
			s.sometimes(w, .9, 9, "request <*> ends")
			if i.version == "1.1.0" {
				s.sometimes(w, .6, 17, "request <*> ends")
			}
		}
		if r := s.run(t)["cart"]; r.regressed < 0 {
			t.Errorf("seed %d: not found: %s, log E %.1f", seed, r.last.Why, r.last.LogE)
		}
	}
}

// An error that is only called something else is for people to judge.
func TestARewordedErrorIsAmbiguous(t *testing.T) {
	t.Parallel()
	s := newSimulation(660)
	s.canary("cart", simStart, 2)
	s.shows = func(v *simService, i *simInstance, _ int, w *unship.Window) {
		if i.version == "1.1.0" {
			s.sometimes(w, .5, 17, "could not get a rate")
		} else {
			s.sometimes(w, .5, 17, "failed to fetch rate")
		}
	}
	r := s.run(t)["cart"]
	if r.regressed < 0 {
		t.Fatalf("not found: %s, log E %.1f; want it found and ambiguous", r.last.Why, r.last.LogE)
	}
	for _, f := range r.first.Findings {
		if f.Verdict == unship.Regressed && !f.Ambiguous {
			t.Errorf("finding %+v; want it ambiguous", f)
		}
	}
}

func TestEventsAreBounded(t *testing.T) {
	t.Parallel()
	s := newService(unship.Service{Name: "cart"}, 1)
	for k := range 3 * maxEvents {
		s.event(eventKey{unship.SignalLogPattern, strings.Repeat("x", k), true}, int32(k+1))
	}
	if len(s.events) > maxEvents+4 || len(s.eventOf) != len(s.events) {
		t.Fatalf("%d events are kept, %d known; want about %d", len(s.events), len(s.eventOf), maxEvents)
	}
	s.forget(100)
	if k := s.event(eventKey{unship.SignalException, "late", true}, 2000); s.events[k].name != "late" || len(s.events) > maxEvents+4 {
		t.Errorf("event %+v of %d; want the place of a silent one", s.events[k], len(s.events))
	}
}

// One old instance serves nearly everything and the others nothing: an event as
// frequent a request in both versions is one that mostly new instances show.
func TestUnequalInstancesShowEventsByChance(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		s := newSimulation(seed + 660)
		v := s.canary("cart", simStart, 2)
		for k := range 12 {
			v.instances = append(v.instances, &simInstance{version: "1.0.0", id: fmt.Sprintf("idle-%d", k), node: "node-1", to: 1 << 30, bias: 1})
		}
		s.mix = func(i *simInstance, _ string) float64 {
			switch {
			case strings.HasPrefix(i.id, "idle"):
				return .02
			case i.id == "cart-old-0":
				return 10
			}
			return 1
		}
		s.shows = func(_ *simService, _ *simInstance, t int, w *unship.Window) {
			n := 0.0
			for k := range w.Operations {
				n += float64(w.Operations[k].Requests)
			}
			if t > simStart+20 { // what both begin to write after the release
				s.sometimes(w, 1-math.Exp(-.05*n), 17, "gives up on <*>")
			}
		}
		if r := s.run(t)["cart"]; r.regressed >= 0 {
			t.Errorf("seed %d: blamed after %d windows: %s, log E %.1f", seed, r.regressed, r.first.Why, r.first.LogE)
		}
	}
}

// With the same requests on fewer instances each of them shows what single requests bring
// about in more of its windows.
func TestShowingByBusierInstances(t *testing.T) {
	for _, c := range []struct{ r, q, want float64 }{{.05, 1, .05}, {.05, 4, 1 - .95*.95*.95*.95}, {.05, .25, .05}, {.5, 100, 1}, {0, 9, 0}} {
		if got := showing(c.r, c.q); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("rate %v, %v times the requests: %v, want %v", c.r, c.q, got, c.want)
		}
	}
}

func TestMostlyHandled(t *testing.T) {
	for _, c := range []struct {
		count, handled uint64
		want           bool
	}{{123, 120, true}, {10, 5, false}, {3, 0, false}, {1, 1, true}} {
		if got := (&event{count: c.count, handled: c.handled}).mostlyHandled(); got != c.want {
			t.Errorf("%d of %d handled: %v, want %v", c.handled, c.count, got, c.want)
		}
	}
}
