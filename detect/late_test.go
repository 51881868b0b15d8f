package detect

import (
	"fmt"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/detect/stat"
)

// Harm that begins half a minute after everything was replaced is judged, what begins
// minutes after it is asked about, and what others show at the same moment is neither.
func TestLateHarmAfterAReplacement(t *testing.T) {
	for _, c := range []struct {
		name      string
		after     int
		all       bool
		regressed bool
		asked     bool
	}{
		{"half a minute", 6, false, true, true},
		{"two minutes", 24, false, false, true},
		{"five minutes", 60, false, false, true},
		{"a minute, and all others as well", 12, true, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				s := newSimulation(seed + 900)
				s.windows, s.policy.Watch = simStart+130, 20*time.Minute
				s.replace("cart", simStart, 0)
				name := "cart"
				if c.all {
					name = ""
				}
				s.harm(name, "", "", simStart+c.after, effect{errors: .2})
				r := s.run(t)["cart"]
				if got := r.regressed >= 0; got != c.regressed {
					t.Errorf("seed %d: regressed %v after %d windows, want %v; %s, log E %.1f", seed, got, r.regressed, c.regressed, r.last.Why, r.last.LogE)
				}
				if got := r.asked >= 0 || r.regressed >= 0; got != c.asked {
					t.Errorf("seed %d: asked %v after %d windows, want %v; %s", seed, got, r.asked, c.asked, r.last.Why)
				}
				if began := r.first.Onset.Sub(r.first.At.Add(-time.Duration(r.regressed) * 5 * time.Second)); c.regressed && r.first.Verdict == unship.Regressed &&
					(began < time.Duration(c.after-4)*5*time.Second || began > time.Duration(c.after+8)*5*time.Second) {
					t.Errorf("seed %d: it began %v after the release; want %v", seed, began, time.Duration(c.after)*5*time.Second)
				}
			}
		})
	}
}

// Where no spans tell whose harm it is, all of it is asked about.
func TestLateHarmThatNoSpansTellOf(t *testing.T) {
	for _, c := range []struct {
		after int
		all   bool
	}{{6, false}, {24, false}, {60, false}, {12, true}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				s := logging(seed+900, func(*unship.Operation) {})
				s.windows, s.policy.Watch = simStart+130, 20*time.Minute
				s.replace("cart", simStart, 0)
				s.harm(map[bool]string{false: "cart"}[c.all], "", "", simStart+c.after, effect{errors: .2})
				if r := s.run(t)["cart"]; r.regressed >= 0 || (r.asked >= 0) == c.all {
					t.Errorf("seed %d: judged after %d, asked after %d windows; want it asked about: %v; %s", seed, r.regressed, r.asked, !c.all, r.last.Why)
				}
			}
		})
	}
}

// Once others stirred, what counts is what was known a while before, for and against.
func TestLateHarmAfterOthersStirred(t *testing.T) {
	n := 60
	o := stat.ShiftOptions{PreX: make([]float64, n), PreN: make([]float64, n), Phi: 1}
	for k := range n {
		o.PreX[k], o.PreN[k] = 1, 1
	}
	for _, c := range []struct {
		own     bool
		stirred int // window in which others stirred, after harm that began in window 60
		act     bool
		ask     bool
	}{{true, 0, true, true}, {false, 0, false, true}, {true, 61, false, false}, {true, 90, true, true}} {
		s := &shiftStream{signal: &signal{}, shift: stat.NewShift(o)}
		l := newLateHarm(.02, 0, c.own)
		l.weights, l.act, l.ask, l.outside = []float64{.5}, []float64{0}, []float64{0}, []float64{0}
		for t := range 120 {
			x := 1.0
			if t >= 60 {
				x = 12
			}
			s.stirred = s.stirred || c.stirred > 0 && t >= c.stirred
			s.shift.Add(x, 1, .01)
			l.weigh([]*shiftStream{s})
			l.step([]*shiftStream{s}, []float64{s.shift.LogB()})
		}
		if act, ask := l.act[0] > 5, l.ask[0] > 5; act != c.act || ask != c.ask {
			t.Errorf("own %v, stirred at %d: to judge %.1f, to ask %.1f; want %v, %v", c.own, c.stirred, l.act[0], l.ask[0], c.act, c.ask)
		}
	}
}
