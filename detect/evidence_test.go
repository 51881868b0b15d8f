package detect

import (
	"strings"
	"testing"

	"unship.dev"
	"unship.dev/detect/stat"
)

// What looks worse at first sight is beyond a quarter more of the odds and beyond chance.
func TestWorseAtFirstSight(t *testing.T) {
	for _, c := range []struct {
		name   string
		totals []tally
		want   bool
	}{
		{"nothing", nil, false},
		{"one cohort only", []tally{{xc: 5, nc: 10}}, false},
		{"alike", []tally{{xc: 50, nc: 1000, xb: 50, nb: 1000}}, false},
		{"a fifth more of many", []tally{{xc: 6000, nc: 100000, xb: 5000, nb: 100000}}, false},
		{"half as slow again", []tally{{xc: 479, nc: 791, xb: 636, nb: 1346}}, true},
		{"twice as many of few", []tally{{xc: 4, nc: 100, xb: 2, nb: 100}}, false},
		{"twice as many of many", []tally{{xc: 400, nc: 10000, xb: 200, nb: 10000}}, true},
		{"in two strata together", []tally{{xc: 30, nc: 300, xb: 15, nb: 300}, {xc: 60, nc: 200, xb: 30, nb: 200}}, true},
	} {
		e := evidence{totals: c.totals}
		if got := e.worse(sightTimes); got != c.want {
			t.Errorf("%s: worse %v, want %v", c.name, got, c.want)
		}
		if got := e.worse(2 * sightSince); got {
			t.Errorf("%s: worse by more than four times", c.name)
		}
	}
}

// What neighbours see is compared window by window: an outage while the candidate serves most
// makes it look no worse, and a handful of bad requests is not beyond chance.
func TestWorseInTheSameMoments(t *testing.T) {
	repeat := func(n int, x ...stat.Table) (out []stat.Table) {
		for range n {
			out = append(out, x...)
		}
		return out
	}
	for _, c := range []struct {
		name   string
		tables []stat.Table
		want   bool
	}{
		{"nothing", nil, false},
		{"alike", repeat(100, stat.Table{XC: 2, NC: 100, XB: 2, NB: 100}), false},
		{"twice as many", repeat(100, stat.Table{XC: 2, NC: 100, XB: 1, NB: 100}), true},
		{"an outage while it serves most", repeat(50, stat.Table{NC: 5, NB: 95}, stat.Table{XC: 19, NC: 95, XB: 1, NB: 5}), false},
		{"three of few", repeat(3, stat.Table{XC: 1, NC: 5, NB: 95}), false},
		{"eight of few", repeat(8, stat.Table{XC: 1, NC: 5, NB: 95}), true},
	} {
		var s sight
		for _, x := range c.tables {
			s.add(x)
		}
		if got := s.worse(); got != c.want {
			t.Errorf("%s: %v (%.1f more, variance %.2f), want %v", c.name, got, s.more, s.variance, c.want)
		}
	}
}

// A replaced service fails more after a long good time, and so does another one: it is not
// blamed, and nobody would call it healthy.
func TestWhatFailsMoreThanBeforeIsNotHealthy(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		s := newSimulation(seed + 970)
		s.service("cart").rps = 1.5
		s.replace("cart", simStart, 0)
		s.harm("ledger", "", "", simStart+68, effect{errors: .02})
		s.harm("cart", "", "", simStart+70, effect{errors: .025})
		r := s.run(t)["cart"]
		if r.regressed >= 0 || r.last.Verdict != unship.Inconclusive || !r.last.Done || !strings.Contains(r.last.Why, "worse") {
			t.Errorf("seed %d: blamed after %d, ends %v (done: %v): %s; want that it may be worse and no more", seed, r.regressed, r.last.Verdict, r.last.Done, r.last.Why)
		}
		s = newSimulation(seed + 970)
		s.replace("cart", simStart, 0)
		if r := s.run(t)["cart"]; r.last.Verdict != unship.Healthy {
			t.Errorf("seed %d, nothing happens: ends %v: %s; want healthy", seed, r.last.Verdict, r.last.Why)
		}
	}
}
