package detect

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"unship.dev"
	"unship.dev/rules"
)

// couple is two services, the one calling the other, of which both have canaries. Calls of a
// canary go to a canary more often than chance would have it.
type couple struct {
	rng      *rand.Rand
	together float64            // probability that a call keeps to the new versions, or to the old ones
	bad      map[string]float64 // what is wrong, and how often
	goneAt   int                // window from which whoever is guilty serves no more; 0: never
	gone     string             // which service that is
}

// What may be wrong.
const (
	frontFails   = "front fails"
	frontPoisons = "front asks what back fails at"
	backFails    = "back fails"
	backMisleads = "back answers what front cannot use"
)

const coupleRequests = 300 // a window

func coupled(name, version string) unship.ReleaseID {
	return unship.ReleaseID{Service: unship.Service{Environment: "production", Namespace: "shop", Name: name}, Version: version}
}

var coupleVersions = [2]string{"1.0.0", "1.1.0"}

// fresh chooses a version: two instances of five are canaries.
func (c *couple) fresh(name string, t int) int {
	if t < simStart || c.gone == name && c.goneAt > 0 && t >= c.goneAt || c.rng.Float64() >= .4 {
		return 0
	}
	return 1
}

func (c *couple) happens(what string, fresh int) bool {
	return c.rng.Float64() < .002 || fresh == 1 && c.rng.Float64() < c.bad[what]
}

// tick plays window t.
func (c *couple) tick(t int) (k unship.Tick, begun []unship.Release) {
	k = unship.Tick{Start: simTime(t), End: simTime(t + 1), Closed: simTime(t + 1)}
	var front, back [2][3]unship.Operation
	for range coupleRequests {
		f, b := c.fresh("front", t), c.fresh("back", t)
		if c.rng.Float64() < c.together && !(f == 1 && c.gone == "back" && c.goneAt > 0 && t >= c.goneAt) {
			b = f
		}
		lower := c.happens(backFails, b) || c.rng.Float64() < c.bad[frontPoisons] && f == 1
		upper := !lower && (c.happens(frontFails, f) || c.rng.Float64() < c.bad[backMisleads] && b == 1)
		p, q := &front[f][c.rng.IntN(3)], &back[b][c.rng.IntN(3)]
		one := func(x bool) uint64 {
			if x {
				return 1
			}
			return 0
		}
		caller := unship.Operation{
			Requests: 1, Failed: one(lower || upper), FailedHere: one(upper), Duration: unship.Histogram{}, Self: unship.Histogram{},
			Calls: []unship.Call{{
				Callee: "back", Requests: 1, Total: 1, Failed: one(lower),
				Answered: []unship.CalleeAnswer{{Release: coupled("back", coupleVersions[b]), Requests: 1, Failed: one(upper)}},
			}},
		}
		caller.Duration.Add(unship.BucketOf(8e6), 1)
		caller.Self.Add(unship.BucketOf(4e6), 1)
		p.Merge(caller)
		callee := unship.Operation{
			Requests: 1, Failed: one(lower), FailedHere: one(lower), Duration: unship.Histogram{}, Self: unship.Histogram{},
			Callers: []unship.Caller{{Release: coupled("front", coupleVersions[f]), Requests: 1, FailedHere: one(lower)}},
		}
		callee.Duration.Add(unship.BucketOf(4e6), 1)
		callee.Self.Add(unship.BucketOf(4e6), 1)
		q.Merge(callee)
	}
	for name, ops := range map[string]*[2][3]unship.Operation{"back": &back, "front": &front} {
		for v := range ops {
			for i := range ops[v] {
				if p := ops[v][i]; p.Requests > 0 {
					p.Name = "GET /" + name
					k.Windows = append(k.Windows, unship.Window{
						Release: coupled(name, coupleVersions[v]), Instance: unship.Instance{ID: fmt.Sprintf("%s-%d-%d", name, v, i)},
						Start: k.Start, Length: k.End.Sub(k.Start), Operations: []unship.Operation{p},
					})
				}
			}
		}
		switch {
		case t == simStart:
			begun = append(begun, unship.Release{ReleaseID: coupled(name, "1.1.0"), Previous: "1.0.0", FirstSeen: k.Start, LastSeen: k.End})
		case t == c.goneAt && name == c.gone:
			begun = append(begun, unship.Release{ReleaseID: coupled(name, "1.0.0"), Previous: "1.1.0", RollbackOf: "1.1.0", FirstSeen: k.Start, LastSeen: k.End})
		}
	}
	return k, begun
}

// play gives the windows in which each service was found guilty, and asked about, first; 0: never.
func (c *couple) play(t *testing.T, windows int) (guilty, asked map[string]int, why map[string]string) {
	t.Helper()
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	guilty, asked, why = map[string]int{}, map[string]int{}, map[string]string{}
	for w := range windows {
		k, begun := c.tick(w)
		for _, j := range d.Observe(k, begun, rules.Set{rules.Default(unship.ModeAuto)}).Judgements {
			switch name := j.Release.Name; {
			case j.Verdict == unship.Regressed && guilty[name] == 0:
				guilty[name] = w
			case j.Asks && asked[name] == 0:
				asked[name] = w
			}
			why[j.Release.Name] = j.Why
		}
	}
	return guilty, asked, why
}

// Whoever keeps company with a guilty release shows what that one does: the guilty one is found,
// the other one is not blamed for it, neither while it serves nor when it is gone. At first people
// may be asked about the wrong one: it is the one that fails, and few calls told them apart.
func TestCompanyIsNotGuilt(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ wrong, guilty, innocent string }{
		{frontFails, "front", "back"}, {frontPoisons, "front", "back"}, {backFails, "back", "front"}, {backMisleads, "back", "front"},
	} {
		for _, together := range []float64{0, .8, .95} {
			t.Run(fmt.Sprintf("%s, %g together", x.wrong, together), func(t *testing.T) {
				t.Parallel()
				for seed := range uint64(3) {
					c := &couple{rng: rand.New(rand.NewPCG(seed, 71)), together: together, bad: map[string]float64{x.wrong: .1}}
					guilty, _, why := c.play(t, simStart+80)
					at := guilty[x.guilty]
					if at == 0 || guilty[x.innocent] > 0 {
						t.Fatalf("seed %d: guilty at %v: %q; want %s, and not %s", seed, guilty, why, x.guilty, x.innocent)
					}
					again := &couple{rng: rand.New(rand.NewPCG(seed, 71)), together: together, bad: c.bad, gone: x.guilty, goneAt: at + 3}
					guilty, asked, why := again.play(t, simStart+140)
					if guilty[x.guilty] != at || guilty[x.innocent] > 0 || asked[x.innocent] > at {
						t.Errorf("seed %d, gone at %d: guilty at %v, asked at %v: %q; want %s at %d, and not %s", seed, again.goneAt, guilty, asked, why, x.guilty, at, x.innocent)
					}
				}
			})
		}
	}
}

// Which of two that always go together does it, no telemetry tells: a person is asked about the one that fails by itself.
func TestWhoAlwaysGoesTogetherIsAskedAbout(t *testing.T) {
	t.Parallel()
	c := &couple{rng: rand.New(rand.NewPCG(5, 71)), together: 1, bad: map[string]float64{backFails: .1}}
	guilty, asked, why := c.play(t, simStart+80)
	if len(guilty) > 0 || asked["back"] == 0 || asked["front"] > 0 || !strings.Contains(why["front"], "1.1.0, which it calls") {
		t.Errorf("guilty at %v, asked at %v: %q; want back asked about", guilty, asked, why)
	}
}

// A release that a person cleared is no excuse for another one.
func TestWhoWasClearedExplainsNothing(t *testing.T) {
	t.Parallel()
	c := &couple{rng: rand.New(rand.NewPCG(3, 71)), together: .95, bad: map[string]float64{backFails: .2}}
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	cleared, front := false, unship.Judgement{}
	for w := range simStart + 120 {
		k, begun := c.tick(w)
		for _, j := range d.Observe(k, begun, rules.Set{rules.Default(unship.ModeAuto)}).Judgements {
			switch {
			case j.Release.Name == "front":
				front = j
			case j.Verdict == unship.Regressed && !cleared:
				cleared = true
				d.Dismiss(j.Release)
			}
		}
	}
	if !cleared || front.Verdict != unship.Regressed {
		t.Errorf("back cleared: %v, front %v: %s; want it regressed", cleared, front.Verdict, front.Why)
	}
}

// A release that is bad beside a guilty one is found at the latest when that one is gone.
func TestASecondGuiltyReleaseIsFound(t *testing.T) {
	t.Parallel()
	for _, together := range []float64{0, .95} {
		c := &couple{rng: rand.New(rand.NewPCG(9, 71)), together: together, bad: map[string]float64{frontFails: .1, backFails: .2}, gone: "back", goneAt: simStart + 30}
		guilty, _, why := c.play(t, simStart+120)
		if guilty["back"] == 0 || guilty["back"] >= c.goneAt || guilty["front"] == 0 {
			t.Errorf("%g together: guilty at %v: %q; want back before it is gone, and front", together, guilty, why)
		}
	}
}
