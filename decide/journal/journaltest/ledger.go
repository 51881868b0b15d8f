package journaltest

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/decide/journal"
)

func ledger(t *testing.T, b Backend) {
	ctx := t.Context()
	step := unship.Step{Step: 1, Action: "exec", Summary: "shift traffic"}
	if _, begun, err := b.Begin(ctx, "d1", step); begun || err != nil {
		t.Fatal("a new step:", begun, err)
	}
	got, begun, err := b.Begin(ctx, "d1", step)
	must(t, err)
	if !begun || got.Result != unship.ResultUnknown || got.Step != 1 || got.Action != "exec" || got.StartedAt.IsZero() {
		t.Errorf("a step that was begun and never ended: %v, %+v", begun, got)
	}
	if _, begun, _ := b.Begin(ctx, "d1", unship.Step{Step: 2}); begun {
		t.Error("the second step counts as begun")
	}
	if _, begun, _ := b.Begin(ctx, "d2", step); begun {
		t.Error("the step of another decision counts as begun")
	}
	done := unship.StepResult{Step: 1, Action: "exec", StartedAt: noon, EndedAt: noon.Add(time.Second), Result: unship.ResultDone, Detail: "ok"}
	must(t, b.End(ctx, "d1", done))
	got, begun, err = b.Begin(ctx, "d1", step)
	must(t, err)
	equal(t, begun, true)
	equal(t, got, done)
}

func decision(id string, o unship.Order) unship.Decision {
	return unship.Decision{ID: id, Incident: "aa11", Order: o, Release: releaseID("ledger", "1.1.0"), Target: "1.0.0", At: noon}
}

func unfinished(t *testing.T, b Backend) {
	ctx := t.Context()
	all := []unship.Decision{
		decision("z", unship.OrderPlan), decision("y", unship.OrderRollback), decision("x", unship.OrderVerify),
		decision("w", unship.OrderEscalate), decision("v", unship.OrderUndo),
	}
	must(t, b.Commit(ctx, journal.Commit{Decisions: all}))
	got, err := b.Unfinished(ctx)
	must(t, err)
	equal(t, got, []unship.Decision{all[0], all[1], all[4]})
	must(t, b.Commit(ctx, journal.Commit{Outcomes: []unship.Outcome{{Decision: "y", Incident: "aa11", Result: unship.ResultFailed, At: noon}}}))
	got, err = b.Unfinished(ctx)
	must(t, err)
	equal(t, got, []unship.Decision{all[0], all[4]})
	got, err = b.Decisions(ctx, "aa11")
	must(t, err)
	equal(t, got, all)
}

// addedOnce: a decision and an outcome told twice are one, and the first word counts.
func addedOnce(t *testing.T, b Backend) {
	ctx := t.Context()
	d, again := decision("d1", unship.OrderRollback), decision("d1", unship.OrderUndo)
	o := unship.Outcome{Decision: "d1", Incident: "aa11", Result: unship.ResultDone, At: noon}
	late := o
	late.Result = unship.ResultFailed
	must(t, b.Commit(ctx, journal.Commit{Decisions: []unship.Decision{d}, Outcomes: []unship.Outcome{o}}))
	before := exported(t, b)
	must(t, b.Commit(ctx, journal.Commit{Decisions: []unship.Decision{again}, Outcomes: []unship.Outcome{late}}))
	equal(t, exported(t, b), before)
}

func audit(t *testing.T, b Backend) {
	ctx := t.Context()
	first := journal.AuditEntry{At: noon, Who: "alice", What: "approve", Subject: "aa11", Detail: "looks bad"}
	second := journal.AuditEntry{At: noon.Add(time.Nanosecond), Who: "bob", What: "announce", Subject: "shop/ledger 1.1.0"}
	must(t, b.Audit(ctx, first))
	must(t, b.Audit(ctx, second))
	got, err := b.AuditLog(ctx, 0)
	must(t, err)
	equal(t, got, []journal.AuditEntry{second, first})
	got, err = b.AuditLog(ctx, 1)
	must(t, err)
	equal(t, got, []journal.AuditEntry{second})
}

func states(t *testing.T, b Backend) {
	ctx := t.Context()
	got, err := b.State(ctx, "engine")
	must(t, err)
	if got != nil {
		t.Errorf("a state from nowhere: %q", got)
	}
	must(t, b.Commit(ctx, journal.Commit{States: map[string][]byte{"engine": []byte("one"), "tracker": {0, 1, 2}}}))
	must(t, b.Commit(ctx, journal.Commit{States: map[string][]byte{"engine": []byte("two")}}))
	for name, want := range map[string]string{"engine": "two", "tracker": "\x00\x01\x02"} {
		got, err := b.State(ctx, name)
		must(t, err)
		equal(t, string(got), want)
	}
}

// atomic: a commit that fails in its last part leaves nothing of the others.
func atomic(t *testing.T, b Backend) {
	ctx := t.Context()
	tick := Tick(noon, 1, 1)
	unwritable := unship.Answer{Incident: "aa11", At: time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC)} // no year of JSON
	err := b.Commit(ctx, journal.Commit{
		Tick: &tick, Incidents: []unship.Incident{incident("aa11", "ledger", 1, unship.StatusOpen)},
		Decisions: []unship.Decision{decision("d1", unship.OrderRollback)}, Answers: []unship.Answer{unwritable},
	})
	if err == nil {
		t.Fatal("committed what cannot be written")
	}
	equal(t, exported(t, b), "")
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if err := b.Commit(canceled, journal.Commit{Tick: &tick}); err == nil {
		t.Error("committed after the caller gave up")
	}
	must(t, b.Commit(ctx, journal.Commit{Tick: &tick})) // and the journal goes on
}

func exported(t *testing.T, b Backend) string {
	t.Helper()
	var out strings.Builder
	must(t, b.Export(t.Context(), &out))
	return out.String()
}

// history commits the same steps to a journal, in so many commits.
func history(t *testing.T, b Backend, together bool) {
	tick := Tick(noon, 2, 2)
	parts := []journal.Commit{
		{Tick: &tick},
		{Incidents: []unship.Incident{incident("aa11", "ledger", 1, unship.StatusOpen)}},
		{Decisions: []unship.Decision{decision("z", unship.OrderPlan), decision("a", unship.OrderRollback)}},
		{Outcomes: []unship.Outcome{{Decision: "z", Incident: "aa11", Result: unship.ResultDone, At: noon}}},
		{Answers: []unship.Answer{{Incident: "aa11", Kind: unship.AnswerApprove, By: "alice", At: noon}}},
	}
	if together {
		var all journal.Commit
		for _, p := range parts {
			all.Tick = cmpOr(all.Tick, p.Tick)
			all.Incidents = append(all.Incidents, p.Incidents...)
			all.Decisions = append(all.Decisions, p.Decisions...)
			all.Outcomes = append(all.Outcomes, p.Outcomes...)
			all.Answers = append(all.Answers, p.Answers...)
		}
		parts = []journal.Commit{all}
	}
	for _, p := range parts {
		must(t, b.Commit(t.Context(), p))
	}
}

func cmpOr(a, b *unship.Tick) *unship.Tick {
	if a != nil {
		return a
	}
	return b
}

// export: the same history gives the same bytes.
func export(t *testing.T, open Open) {
	var got [2]string
	for k := range got {
		b := open(t, t.TempDir())
		history(t, b, k == 0)
		got[k] = exported(t, b)
		must(t, b.Close())
	}
	equal(t, got[0], got[1])
	if n := bytes.Count([]byte(got[0]), []byte("\n")); n != 6 {
		t.Errorf("%d lines, want 6:\n%s", n, got[0])
	}
}

// reopened: what was committed is there when the journal is opened again.
func reopened(t *testing.T, open Open) {
	place := t.TempDir()
	b := open(t, place)
	history(t, b, false)
	want := exported(t, b)
	must(t, b.Close())
	b = open(t, place)
	equal(t, exported(t, b), want)
	must(t, b.Close())
}
