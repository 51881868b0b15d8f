package main

import (
	"context"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"unship.dev/cmd/power/world"
)

// The shortened form of what `make power` measures in full: a few releases of
// each environment, none of which may be blamed, and delays by their order.
func TestShortened(t *testing.T) {
	o := options{releases: 6, faulty: 5, history: 20 * time.Minute, seed: 7}
	var all []world.Environment
	for _, name := range strings.Split("S1,S3,S5,E2,E4,E5,E6,mix,surge,rubbish,R1,R2,R3", ",") {
		e, err := world.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	plans := o.plan(all)
	if err := measure(context.Background(), plans, 2, io.Discard); err != nil {
		t.Fatal(err)
	}
	within := map[string]int{"failures .5 → 5 %": 30, "failures .5 → 25 %": 12}
	for _, p := range plans {
		for k, at := range p.decided(0) {
			switch limit := within[p.effect.Name]; {
			case p.harmless && at >= 0:
				t.Errorf("%s: harmless release %d blamed in window %d: %s", p.env.Name, k, at, p.results[k][0].why)
			case p.env.Name == "E2" && limit > 0 && (at < 0 || at > limit):
				t.Errorf("%s, %s: release %d decided in window %d, want at most %d", p.env.Name, p.effect.Name, k, at, limit)
			}
		}
	}
}

func TestAnyNumberOfWorkersGivesTheSame(t *testing.T) {
	o := options{releases: 4, faulty: 2, effects: "25", history: 10 * time.Minute, seed: 3}
	e, err := world.Named("E7")
	if err != nil {
		t.Fatal(err)
	}
	var got [2][]*plan
	for k, workers := range []int{1, 3} {
		got[k] = o.plan([]world.Environment{e})
		if err := measure(context.Background(), got[k], workers, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	for k := range got[0] {
		if !reflect.DeepEqual(got[0][k].results, got[1][k].results) {
			t.Errorf("plan %d: %v with one worker, %v with three", k, got[0][k].results, got[1][k].results)
		}
	}
}

func TestDelays(t *testing.T) {
	for _, c := range []struct {
		at    []int
		after int
		want  string
	}{
		{[]int{4, 6, 5}, 0, "30"},
		{[]int{4, -1, 5}, 0, "30 (67 %)"},
		{[]int{-1, -1, 5}, 0, "(33 %)"},
		{[]int{50, 125, 130}, 120, "55 (67 %)"},
		{nil, 0, "–"},
	} {
		if got := delays(c.at, c.after); got != c.want {
			t.Errorf("%v after %d: %q, want %q", c.at, c.after, got, c.want)
		}
	}
}

func TestDelayAgainstWald(t *testing.T) {
	_, start, any := delayOverBound(.001, .05, 1, 200)
	if start < 1 || start > 1.45 || any < start-.05 || any > 1.7 {
		t.Errorf(".1 → 5 %%: %.2f of the bound at the release, %.2f at any time", start, any)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for args, want := range map[string]string{
		"-only E9":     "environment \"E9\"",
		"-j 0":         "-j is 0",
		"-history 1s":  "-history is 1s",
		"-releases -1": "-releases",
		"E2":           "unexpected argument",
	} {
		code, err := run(context.Background(), strings.Fields(args), io.Discard, io.Discard)
		if code != 2 || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: code %d, %v; want 2 and %q", args, code, err, want)
		}
	}
}
