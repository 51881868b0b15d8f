package detect

import (
	"strings"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/rules"
)

// An innocent release is cleared by what happened, in words.
func TestWhyAReleaseIsInnocent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		set  func(*simulation)
		why  string
	}{
		{"it failed long before", func(s *simulation) {
			s.replace("ledger", simStart, 0)
			s.harm("ledger", "", "", simStart-15, effect{errors: .1})
		}, "older than the release: the error ratio of shop/ledger changed 1m"},
		{"it began to fail later", func(s *simulation) {
			s.replace("ledger", simStart, 0)
			s.windows, s.policy.Watch = simStart+190, 20*time.Minute
			s.harm("ledger", "", "", simStart+150, effect{errors: .1})
		}, "the error ratio of shop/ledger changed 12m"},
		{"old instances fail as well", func(s *simulation) {
			s.canary("ledger", simStart, 2)
			s.harm("ledger", "", "", simStart+5, effect{errors: .1})
		}, "old instances fail just as much: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSimulation(1300)
			c.set(s)
			d, err := New(Options{})
			if err != nil {
				t.Fatal(err)
			}
			said := ""
			for w := range s.windows {
				k, r := s.tick(w)
				a := d.Observe(k, r, rules.Set{s.policy})
				for _, j := range a.Judgements {
					if j.Verdict == unship.Regressed {
						t.Fatalf("window %d: %s is blamed: %s", w, j.Release, j.Why)
					}
				}
				for _, b := range a.Blame {
					for _, x := range b.Exonerated {
						said = x.Why
					}
				}
			}
			if !strings.Contains(said, c.why) {
				t.Errorf("exonerated because %q; want %q", said, c.why)
			}
		})
	}
}

// What fails without a release is named as the cause, and no release is.
func TestAServiceWithoutAReleaseIsTheCause(t *testing.T) {
	t.Parallel()
	s := newSimulation(1301)
	s.canary("cart", simStart, 2)
	s.harm("search", "", "", simStart+10, effect{errors: .2})
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	named := false
	for w := range s.windows {
		k, r := s.tick(w)
		for _, b := range d.Observe(k, r, rules.Set{s.policy}).Blame {
			h := b.Hypotheses[0]
			if b.Cause == unship.CauseRelease || w < simStart+10 && h.Cause != unship.CauseUnknown {
				t.Fatalf("window %d: %+v", w, b)
			}
			named = named || b.Cause == unship.CauseDependency && h.Name == "shop/search"
		}
	}
	if !named {
		t.Error("shop/search is never thought the cause")
	}
}
