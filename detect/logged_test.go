package detect

import (
	"strings"
	"testing"

	"unship.dev"
)

// logging makes a service known by log records alone, of which the new version writes some.
func logging(seed uint64, writes func(p *unship.Operation)) *simulation {
	s := newSimulation(seed)
	s.shows = func(v *simService, i *simInstance, _ int, w *unship.Window) {
		if v.name != "cart" {
			return
		}
		w.Logged = true
		for k := range w.Operations {
			p := &w.Operations[k]
			p.Self, p.Duration, p.Calls, p.FailedHere = nil, p.Self, nil, p.Failed
			if i.version == "1.1.0" {
				writes(p)
			}
		}
	}
	return s
}

func TestWhoLogsLessIsNotJudged(t *testing.T) {
	t.Parallel()
	onlyBad := func(p *unship.Operation) { p.Requests, p.Duration = max(1, p.Failed+p.Rejected), nil }
	for seed := range uint64(3) {
		for name, released := range map[string]func(s *simulation){
			"canary": func(s *simulation) { s.canary("cart", simStart, 2) }, "replaced": func(s *simulation) { s.replace("cart", simStart, 0) },
		} {
			s := logging(seed+400, onlyBad)
			released(s)
			if r := s.run(t)["cart"]; r.regressed >= 0 || !strings.Contains(r.last.Why, "it may only log less") {
				t.Errorf("%s, seed %d: judged after %d windows: %s; want that it may only log less", name, seed, r.regressed, r.last.Why)
			}
			s = logging(seed+400, func(*unship.Operation) {})
			released(s)
			s.harm("cart", "1.1.0", "", simStart, effect{errors: .1})
			if r := s.run(t)["cart"]; r.regressed < 0 {
				t.Errorf("%s, seed %d: a tenth fails and it is not found: %s", name, seed, r.last.Why)
			}
		}
	}
}

func TestWhoLogsMoreIsNotJudged(t *testing.T) {
	t.Parallel()
	s := logging(410, func(p *unship.Operation) {
		p.Requests, p.Failed, p.FailedHere = 2*p.Requests, 8*p.Failed, 8*p.FailedHere
	})
	s.replace("cart", simStart, 0)
	if r := s.run(t)["cart"]; r.regressed >= 0 || !strings.Contains(r.last.Why, "it may log something else as well") {
		t.Errorf("judged after %d windows: %s; want that it may log something else", r.regressed, r.last.Why)
	}
}

// What an error is worth a record of is the release's to choose.
func TestLoudRecordsAreAsked(t *testing.T) {
	t.Parallel()
	s := logging(430, func(*unship.Operation) {})
	quiet := s.shows
	s.shows = func(v *simService, i *simInstance, at int, w *unship.Window) {
		if quiet(v, i, at, w); v.name == "cart" && i.version == "1.1.0" {
			w.Logs = []unship.LogCount{{Severity: severityError, Pattern: "request failed", Count: 3}}
		}
	}
	s.canary("cart", simStart, 2)
	r := s.run(t)["cart"]
	if r.regressed < 0 {
		t.Fatalf("a new error in every window is not shown: %s", r.last.Why)
	}
	for _, f := range r.first.Findings {
		if f.Verdict == unship.Regressed && !f.Ambiguous {
			t.Errorf("%+v acts", f)
		}
	}
}

// An error that a new version logs while its requests fare as well as the old one's is asked about; it
// acts where requests fail as well, and where nothing tells of them.
func TestLoudRecordsOfUnharmedRequestsAreAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		errors float64
		silent bool
		acts   bool
	}{
		"unharmed":                {0, false, false},
		"a tenth fail":            {.1, false, true},
		"only logs tell anything": {0, true, true},
	} {
		s := newSimulation(440)
		v := s.canary("cart", simStart, 2)
		if c.silent {
			v.ops = nil
		}
		s.harm("cart", "1.1.0", "", simStart, effect{errors: c.errors})
		s.shows = func(v *simService, i *simInstance, _ int, w *unship.Window) {
			s.sometimes(w, .5, 9, "works")
			if v.name == "cart" && i.version == "1.1.0" {
				s.sometimes(w, .6, severityError, "cannot refresh prices, using the last ones")
			}
		}
		r := s.run(t)["cart"]
		acts := false
		for _, f := range r.last.Findings {
			if f.Name == "cannot refresh prices, using the last ones" && f.Verdict == unship.Regressed {
				acts = !f.Ambiguous
			}
		}
		if r.regressed < 0 || acts != c.acts {
			t.Errorf("%s: regressed after %d windows, the record acts: %v, want %v: %s", name, r.regressed, acts, c.acts, r.last.Why)
		}
	}
}

// Units are the release's to choose, and so is what is logged at all.
func TestDurationsOfRecordsAreAsked(t *testing.T) {
	t.Parallel()
	s := logging(420, func(*unship.Operation) {})
	s.canary("cart", simStart, 2)
	s.harm("cart", "1.1.0", "", simStart, effect{latency: 3})
	r := s.run(t)["cart"]
	if r.regressed < 0 {
		t.Fatalf("three times as slow, and not found: %s", r.last.Why)
	}
	for _, f := range r.first.Findings {
		if f.Verdict == unship.Regressed && !f.Ambiguous {
			t.Errorf("%+v acts", f)
		}
	}
	s = logging(421, func(p *unship.Operation) {
		if p.Name == "POST /cart" {
			p.Name = "" // taken out below
		}
	})
	shows := s.shows
	s.shows = func(v *simService, i *simInstance, at int, w *unship.Window) {
		if shows(v, i, at, w); v.name == "cart" && i.version == "1.1.0" && at > simStart+30 {
			kept := w.Operations[:0]
			for _, p := range w.Operations {
				if p.Name != "" {
					kept = append(kept, p)
				}
			}
			w.Operations = kept
			return
		}
		for k := range w.Operations {
			if w.Operations[k].Name == "" {
				w.Operations[k].Name = "POST /cart"
			}
		}
	}
	s.canary("cart", simStart, 2)
	if r := s.run(t)["cart"]; r.regressed >= 0 || r.asked >= 0 {
		t.Errorf("one route is logged no more: judged after %d, asked after %d windows: %s", r.regressed, r.asked, r.last.Why)
	}
}
