// Package actiontest is the suite that every kind of action passes, whoever
// wrote it:
//
//	func TestConformance(t *testing.T) {
//		actiontest.Run(t, mine.Factory(), actiontest.Env{New: func(t *testing.T) actiontest.Platform { … }})
//	}
//
// It checks that settings are read strictly, that Plan changes nothing, that
// Apply is idempotent by decision (also when called many times at once), that
// Undo restores and that a cancelled context stops an action before it acts.
package actiontest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"unship.dev"
	"unship.dev/actions"
)

// Env is how the suite gets platforms to act on.
type Env struct {
	// New makes a fresh platform that serves version 1.1.0 of shop/ledger, and
	// is removed when the test ends.
	New func(t *testing.T) Platform
	// Temporary and Final, where given, make platforms that fail: in a way that
	// may go away, and in one that will not.
	Temporary, Final func(t *testing.T) Platform
}

// Platform is something that an action can change.
type Platform struct {
	Settings string                    // YAML that leads the action to it
	State    func(t *testing.T) string // what it serves, in any words; equal states give equal words
}

// Request is what the suite asks of actions, under the given decision.
func Request(decision string) actions.Request {
	return actions.Request{
		Decision: decision, Incident: "incident-1", Step: 1, Target: "1.0.0", Why: "conformance suite",
		Release: unship.ReleaseID{
			Service: unship.Service{Environment: "test", Namespace: "shop", Name: "ledger"},
			Version: "1.1.0",
		},
	}
}

// Run runs the suite.
func Run(t *testing.T, f actions.Factory, e Env) {
	for name, check := range map[string]func(*testing.T, actions.Factory, Env){
		"the factory is named and described":                 described,
		"unknown settings are refused with their place":      strict,
		"plan changes nothing":                               planReads,
		"apply changes the platform and plan then sees it":   applyChanges,
		"apply of one decision twice is apply once":          applyTwice,
		"apply of one decision by many at once is one apply": applyAtOnce,
		"undo restores what apply changed":                   undoRestores,
		"undo of what was never applied changes nothing":     undoOfNothing,
		"a cancelled context stops an action before it acts": cancelled,
		"a failure that may go away is marked as retryable":  temporary,
		"a failure that will not go away is final":           final,
	} {
		t.Run(name, func(t *testing.T) { check(t, f, e) })
	}
}

// bench is one action on one fresh platform.
type bench struct {
	*testing.T
	actions.Action
	platform Platform
}

func setUp(t *testing.T, f actions.Factory, p Platform) bench {
	t.Helper()
	a, err := f.New(actions.NewSettings([]byte(p.Settings), 1))
	if err != nil {
		t.Fatalf("New with good settings: %v", err)
	}
	return bench{t, a, p}
}

func (b bench) plan(r actions.Request) actions.Preview {
	b.Helper()
	p, err := b.Plan(b.Context(), r)
	if err != nil {
		b.Fatalf("Plan: %v", err)
	}
	return p
}

func (b bench) apply(r actions.Request) {
	b.Helper()
	if _, err := b.Apply(b.Context(), r); err != nil {
		b.Fatalf("Apply: %v", err)
	}
}

func (b bench) state() string {
	b.Helper()
	return b.platform.State(b.T)
}

func (b bench) want(what, state string) {
	b.Helper()
	if got := b.state(); got != state {
		b.Errorf("%s: the platform is\n\t%s\nwant\n\t%s", what, got, state)
	}
}

func described(t *testing.T, f actions.Factory, _ Env) {
	if f.Kind == "" || f.Kind != strings.ToLower(f.Kind) || strings.ContainsAny(f.Kind, " \t") {
		t.Errorf("kind is %q; want one word in lower case", f.Kind)
	}
	if f.Summary == "" || strings.Contains(f.Summary, "\n") {
		t.Errorf("summary is %q; want one line", f.Summary)
	}
}

func strict(t *testing.T, f actions.Factory, e Env) {
	const line = 40
	good := strings.TrimRight(e.New(t).Settings, "\n")
	_, err := f.New(actions.NewSettings([]byte(good+"\nno_such_setting: 1\n"), line))
	if err == nil {
		t.Fatal("an unknown setting was accepted")
	}
	want := fmt.Sprintf("line %d,", line+strings.Count(good, "\n")+1)
	if !strings.Contains(err.Error(), want) {
		t.Errorf("the message names no place: %q; want %q in it", err, want)
	}
}

func planReads(t *testing.T, f actions.Factory, e Env) {
	b := setUp(t, f, e.New(t))
	before := b.state()
	first, second := b.plan(Request("d1")), b.plan(Request("d1"))
	b.want("after two plans", before)
	if first.Summary == "" {
		t.Error("the plan has no summary")
	}
	if first != second {
		t.Errorf("two plans of one state differ: %+v and %+v", first, second)
	}
	if first.InPlace {
		t.Error("the plan says in place although nothing was applied")
	}
	if _, can := b.Action.(actions.Undoer); first.Reversible && !can {
		t.Error("the plan says reversible, but the action has no Undo")
	}
}

func applyChanges(t *testing.T, f actions.Factory, e Env) {
	b := setUp(t, f, e.New(t))
	before := b.state()
	b.apply(Request("d1"))
	if after := b.state(); after == before {
		t.Errorf("Apply changed nothing: the platform is %s as before", after)
	}
	applied := b.state()
	b.plan(Request("d1"))
	b.want("after a plan of what is applied", applied)
}

func applyTwice(t *testing.T, f actions.Factory, e Env) {
	p := e.New(t)
	b := setUp(t, f, p)
	b.apply(Request("d1"))
	once := b.state()
	b.apply(Request("d1"))
	b.want("after the second apply", once)
	setUp(t, f, p).apply(Request("d1")) // as after a restart
	b.want("after an apply by a new action", once)
}

func applyAtOnce(t *testing.T, f actions.Factory, e Env) {
	alone := setUp(t, f, e.New(t))
	before := alone.state()
	alone.apply(Request("d1"))
	changed := alone.state() != before

	b := setUp(t, f, e.New(t))
	start := b.state()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := b.Apply(t.Context(), Request("d1")); err != nil {
				t.Errorf("Apply: %v", err)
			}
		})
	}
	all.Wait()
	once := b.state()
	if changed && once == start {
		t.Error("eight applies at once changed nothing")
	}
	b.apply(Request("d1"))
	b.want("after one more apply", once)
}

func undoRestores(t *testing.T, f actions.Factory, e Env) {
	b := setUp(t, f, e.New(t))
	u, can := b.Action.(actions.Undoer)
	if !can {
		return // what cannot be taken back has nothing to prove here
	}
	before := b.state()
	b.apply(Request("d1"))
	undo := Request("d2")
	undo.Undoes = "d1"
	for range 2 {
		if _, err := u.Undo(t.Context(), undo); err != nil {
			t.Fatalf("Undo: %v", err)
		}
		b.want("after undo", before)
	}
}

func undoOfNothing(t *testing.T, f actions.Factory, e Env) {
	b := setUp(t, f, e.New(t))
	u, can := b.Action.(actions.Undoer)
	if !can {
		return
	}
	before := b.state()
	undo := Request("d2")
	undo.Undoes = "d1"
	if _, err := u.Undo(t.Context(), undo); err != nil {
		t.Errorf("Undo: %v", err)
	}
	b.want("after undo of nothing", before)
}

func cancelled(t *testing.T, f actions.Factory, e Env) {
	b := setUp(t, f, e.New(t))
	before := b.state()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Apply(ctx, Request("d1")); err == nil {
		t.Error("Apply with a cancelled context gave no error")
	}
	b.want("after an apply with a cancelled context", before)
}

func temporary(t *testing.T, f actions.Factory, e Env) {
	if e.Temporary == nil {
		return
	}
	b := setUp(t, f, e.Temporary(t))
	if _, err := b.Apply(t.Context(), Request("d1")); !actions.IsRetryable(err) {
		t.Errorf("Apply gave %v; want an error marked as retryable", err)
	}
}

func final(t *testing.T, f actions.Factory, e Env) {
	if e.Final == nil {
		return
	}
	b := setUp(t, f, e.Final(t))
	if _, err := b.Apply(t.Context(), Request("d1")); err == nil || actions.IsRetryable(err) {
		t.Errorf("Apply gave %v; want an error not marked as retryable", err)
	}
}
