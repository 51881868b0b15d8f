package blame_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"unship.dev"
	"unship.dev/detect/blame"
)

func release(name string) unship.Release {
	return unship.Release{ReleaseID: unship.ReleaseID{Service: unship.Service{Namespace: "shop", Name: name}, Version: "2"}, Previous: "1"}
}

func TestWeigh(t *testing.T) {
	for _, c := range []struct {
		name       string
		in         blame.Case
		cause      unship.Cause
		first      string
		exonerated int
	}{
		{"nothing wrong", blame.Case{Releases: []blame.Evidence{{Release: release("a")}, {Release: release("b")}}}, unship.CauseUnknown, "", 0},
		{"one of two", blame.Case{Releases: []blame.Evidence{
			{Release: release("a"), LogE: -1, Against: []string{"no worse"}}, {Release: release("b"), LogE: 8, Reasons: []string{"fails"}},
		}}, unship.CauseRelease, "b", 1},
		{"the stronger first", blame.Case{Releases: []blame.Evidence{
			{Release: release("a"), LogE: 8}, {Release: release("b"), LogE: 12},
		}}, unship.CauseRelease, "b", 0},
		{"a node", blame.Case{
			Releases: []blame.Evidence{{Release: release("a"), LogE: .5}}, Outside: []blame.Outside{{Cause: unship.CauseInfrastructure, Name: "node-1", LogE: 12}},
		}, unship.CauseInfrastructure, "", 0},
		{"a service that was not released", blame.Case{
			Releases: []blame.Evidence{{Release: release("a"), Against: []string{"no worse"}}}, Outside: []blame.Outside{{Cause: unship.CauseDependency, Name: "db", LogE: 12}, {Cause: unship.CauseTraffic, LogE: 1}},
		}, unship.CauseDependency, "", 1},
		{"more traffic", blame.Case{Outside: []blame.Outside{{Cause: unship.CauseDependency, Name: "db", LogE: 8}, {Cause: unship.CauseTraffic, LogE: 12}}}, unship.CauseTraffic, "", 0},
		{"a release beside a dependency that fails", blame.Case{
			Releases: []blame.Evidence{{Release: release("a"), LogE: 10}}, Outside: []blame.Outside{{Cause: unship.CauseDependency, Name: "db", LogE: 50}},
		}, unship.CauseRelease, "a", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := blame.Weigh(c.in)
			first := ""
			if len(b.Suspects) > 0 {
				first = b.Suspects[0].Service
			}
			if b.Cause != c.cause || first != c.first || len(b.Exonerated) != c.exonerated {
				t.Errorf("got %+v; want cause %s, first %q, %d exonerated", b, c.cause, c.first, c.exonerated)
			}
		})
	}
}

func TestARivalHidesWhatItMayHaveBroughtAbout(t *testing.T) {
	for _, x := range []struct {
		alone, unjudged float64
		judged          bool
		least, most     float64
	}{
		{0, 0, true, 0, .01}, {0, 1, true, .05, .3}, {0, 6, true, .9, 1}, {0, 9, true, .99, 1}, {0, 20, true, .99, 1}, {0, -3, true, 0, .01},
		{0, 9, false, 0, .01}, {9, 0, false, .99, 1}, {9, 0, true, .99, 1}, {1, 0, false, .05, .3}, {-3, -3, false, 0, .01},
	} {
		c := blame.Case{Releases: []blame.Evidence{
			{Release: release("a"), LogE: 30, Alone: 30, Unjudged: 30, Regressed: x.judged}, {Release: release("b"), LogE: 9, Alone: x.alone, Unjudged: x.unjudged},
		}}
		if p := blame.Posterior(c)[1]; p < x.least || p > x.most {
			t.Errorf("%+v: %.3f, want %g to %g", x, p, x.least, x.most)
		}
	}
}

// What may only ask counts for the release that it is about, and not against others.
func TestEvidenceThatOnlyAsks(t *testing.T) {
	c := blame.Case{Releases: []blame.Evidence{{Release: release("a"), Asks: 9, Reasons: []string{"calls hang"}}, {Release: release("b"), LogE: 5}}}
	without := blame.Posterior(blame.Case{Releases: []blame.Evidence{{Release: release("a")}, c.Releases[1]}})
	if p := blame.Posterior(c); p[0] < .5 || p[1] != without[1] {
		t.Errorf("%v, without it %v; want the first probable, the second the same", p, without)
	}
	if b := blame.Weigh(c); len(b.Suspects) != 2 || b.Suspects[0].Service != "a" || b.Suspects[0].Probability < .5 {
		t.Errorf("%+v; want the first suspected", b.Suspects)
	}
}

func TestPosteriorsAreProbabilities(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logE := rapid.SliceOfN(rapid.Float64Range(-200, 200), 1, 12).Draw(t, "logE")
		var c blame.Case
		for _, e := range logE {
			c.Releases = append(c.Releases, blame.Evidence{Release: release("a"), LogE: e})
		}
		c.Outside = []blame.Outside{{Cause: unship.CauseTraffic, LogE: logE[0]}}
		sum := 0.0
		for _, h := range blame.Weigh(c).Hypotheses {
			sum += h.Probability
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Fatalf("hypotheses sum to %v", sum)
		}
		sum = 0
		for i, p := range blame.Posterior(c) {
			if p < 0 || p > 1 || math.IsNaN(p) {
				t.Fatalf("posterior %d is %v", i, p)
			}
			sum += p
		}
		if sum > 1+1e-9 {
			t.Fatalf("posteriors sum to %v", sum)
		}
	})
}
