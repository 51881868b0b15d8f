package world

import (
	"math"
	"strings"
	"testing"

	"unship.dev"
)

func TestAReplacementLeavesNothingOld(t *testing.T) {
	e, err := Named("R1")
	if err != nil {
		t.Fatal(err)
	}
	w := New(e, 4)
	play(w, 20, func(*unship.Tick, Sample) {})
	previous := "v0"
	for range 3 {
		r := w.Release(Effect{Failures: .2})
		if r.Previous != previous {
			t.Errorf("%s comes after %s; want %s", r.Version, r.Previous, previous)
		}
		previous = r.Version
		play(w, 20, func(k *unship.Tick, _ Sample) {
			instances, others := 0, map[string]float64{}
			for _, x := range k.Windows {
				if x.Release.Service == Service() {
					instances++
					if x.Release.Version != r.Version {
						t.Fatalf("%s still serves", x.Release.Version)
					}
				} else {
					others[x.Release.Service.Name] += float64(x.Operations[0].Failed) / float64(x.Operations[0].Requests)
				}
			}
			if instances != e.Instances || len(others) != e.Controls {
				t.Fatalf("%d instances and %d other services; want %d and %d", instances, len(others), e.Instances, e.Controls)
			}
			for name, p := range others {
				if p/controlInstances > .1 {
					t.Errorf("%s fails %v of its requests, as the release does", name, p/controlInstances)
				}
			}
		})
		w.Withdraw()
		play(w, 5, func(k *unship.Tick, s Sample) {
			if p := float64(s.Baseline.Failed) / float64(s.Baseline.Requests); p > .05 {
				t.Errorf("%v fail after the effect is over", p)
			}
			if n := strings.Count(k.Windows[len(k.Windows)-1].Release.Version, previous); n != 1 {
				t.Errorf("the new version does not stay: %s", k.Windows[len(k.Windows)-1].Release)
			}
		})
	}
}

func TestWandering(t *testing.T) {
	w := New(Environment{Operations: 1, Instances: 1}, 9)
	var sum, squares, lag, last float64
	const n = 400000
	v := wander{}
	for k := range n {
		x := math.Log(v.step(w, .1, .2)) + .02
		sum, squares = sum+x, squares+x*x
		if k > 0 {
			lag += x * last
		}
		last = x
	}
	sd, keep := math.Sqrt(squares/n), lag/squares
	if math.Abs(sum/n) > .01 || math.Abs(sd/.2-1) > .05 || math.Abs(keep-math.Exp(-1/(.1*hour))) > .002 {
		t.Errorf("mean %v, deviation %v, correlation %v of neighbours; want 0, .2 and %v", sum/n, sd, keep, math.Exp(-1/(.1*hour)))
	}
}
