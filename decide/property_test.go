package decide_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"unship.dev"
	"unship.dev/decide"
	"unship.dev/rules"
)

// world checks every step of an engine that lives through random events.
type world struct {
	t        *rapid.T
	engine   *decide.Engine
	policies rules.Set
	at       time.Time
	ordered  map[string]unship.Decision // rollbacks and undos without an outcome
	counts   map[string]int             // of incident and order
	approved map[string]bool
}

// TestAnythingGoes: whatever comes in, in whatever order, the engine does not
// panic; runs at most one rollback or undo at a time in an environment; rolls
// back only when all gates pass or a person approved; rolls an incident back
// at most once; and goes on from a restored state as if nothing had happened.
func TestAnythingGoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mode := rapid.SampledFrom([]unship.Mode{unship.ModeObserve, unship.ModeApprove, unship.ModeAuto, unship.ModeAuto}).Draw(t, "mode")
		p := rules.Default(mode)
		p.Cooldown = time.Duration(rapid.IntRange(0, 5).Draw(t, "cooldown")) * time.Minute
		p.Budget.Rollbacks = rapid.IntRange(0, 5).Draw(t, "budget")
		w := &world{
			t: t, policies: rules.Set{p}, at: start,
			ordered: map[string]unship.Decision{}, counts: map[string]int{}, approved: map[string]bool{},
		}
		w.engine = decide.New(w.policies)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			w.step()
		}
	})
}

func (w *world) step() {
	w.at = w.at.Add(time.Duration(rapid.IntRange(-5, 400).Draw(w.t, "seconds")) * time.Second)
	in := w.input()
	var twin *decide.Engine
	if rapid.IntRange(0, 5).Draw(w.t, "restarted") == 0 {
		twin = w.twin()
	}
	decisions := w.engine.Step(in)
	if twin != nil {
		w.compare(decisions, twin, in)
	}
	for _, o := range in.Outcomes {
		delete(w.ordered, o.Decision)
	}
	for _, d := range decisions {
		w.check(d)
	}
}

// compare steps a restored engine as well.
func (w *world) compare(decisions []unship.Decision, twin *decide.Engine, in decide.Input) {
	if d := cmp.Diff(decisions, twin.Step(in)); d != "" {
		w.t.Fatal("a restored engine decides differently: ", d)
	}
	if d := cmp.Diff(w.engine.Changed(), twin.Changed()); d != "" {
		w.t.Fatal("a restored engine shows other incidents: ", d)
	}
	if !bytes.Equal(state(w.t, w.engine), state(w.t, twin)) {
		w.t.Fatal("a restored engine has another state")
	}
}

func (w *world) twin() *decide.Engine {
	e := decide.New(w.policies)
	if err := e.Restore(state(w.t, w.engine)); err != nil {
		w.t.Fatal(err)
	}
	return e
}

func state(t *rapid.T, e *decide.Engine) []byte {
	b, err := e.State()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (w *world) check(d unship.Decision) {
	w.counts[d.Incident+string(d.Order)]++
	if d.Order != unship.OrderRollback && d.Order != unship.OrderUndo {
		return
	}
	for _, o := range w.ordered {
		if o.Release.Environment == d.Release.Environment {
			w.t.Fatalf("%s of %s while %s of %s runs", d.Order, d.Release, o.Order, o.Release)
		}
	}
	w.ordered[d.ID] = d
	if n := w.counts[d.Incident+string(d.Order)]; n > 1 {
		w.t.Fatalf("%s of %s ordered %d times", d.Order, d.Release, n)
	}
	if d.Order == unship.OrderRollback {
		w.checkRollback(d)
	}
}

func (w *world) checkRollback(d unship.Decision) {
	in := w.incident(d.Incident)
	if d.Target == "" || d.Mode == unship.ModeObserve {
		w.t.Fatalf("rollback to %q in mode %s", d.Target, d.Mode)
	}
	if d.By != "" {
		if !w.approved[d.Incident] {
			w.t.Fatalf("rollback by %s, who did not approve it", d.By)
		}
		return
	}
	if d.Mode != unship.ModeAuto {
		w.t.Fatalf("automatic rollback in mode %s", d.Mode)
	}
	for _, g := range in.Decision.Gates {
		if g.Result != unship.GatePass {
			w.t.Fatalf("automatic rollback although gate %s says %s: %s", g.Name, g.Result, g.Why)
		}
	}
}

func (w *world) incident(id string) unship.Incident {
	for _, in := range w.engine.Incidents() {
		if in.ID == id {
			return in
		}
	}
	w.t.Fatalf("no incident %s", id)
	return unship.Incident{}
}

func (w *world) input() decide.Input {
	in := decide.Input{At: w.at}
	for range rapid.IntRange(0, 4).Draw(w.t, "releases") {
		in.Releases = append(in.Releases, w.release())
	}
	if rapid.Bool().Draw(w.t, "assessed") {
		in.Assessment = w.assessment()
	}
	for _, id := range w.running() {
		if rapid.IntRange(0, 2).Draw(w.t, "ended") == 0 {
			in.Outcomes = append(in.Outcomes, w.outcome(w.ordered[id]))
		}
	}
	if known := w.engine.Incidents(); len(known) > 0 && rapid.Bool().Draw(w.t, "answered") {
		a := unship.Answer{
			Incident: rapid.SampledFrom(known).Draw(w.t, "incident").ID, By: "alice", At: w.at,
			Kind: rapid.SampledFrom([]string{"approve", "approve", "reject", "undo", "undo", "snooze"}).Draw(w.t, "kind"),
		}
		w.approved[a.Incident] = w.approved[a.Incident] || a.Kind == unship.AnswerApprove
		in.Answers = append(in.Answers, a)
	}
	return in
}

func (w *world) running() (ids []string) {
	for id := range w.ordered {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (w *world) id() unship.ReleaseID {
	return unship.ReleaseID{
		Service: unship.Service{
			Environment: rapid.SampledFrom([]string{"production", "production", "staging"}).Draw(w.t, "environment"),
			Name:        rapid.SampledFrom([]string{"ledger", "cart"}).Draw(w.t, "service"),
		},
		Version: w.version(),
	}
}

func (w *world) version() string { return fmt.Sprint(rapid.IntRange(1, 3).Draw(w.t, "version")) }

func (w *world) release() unship.Release {
	r := unship.Release{ReleaseID: w.id(), FirstSeen: w.at, LastSeen: w.at}
	if rapid.IntRange(0, 3).Draw(w.t, "known") > 0 {
		r.Previous = "0"
	}
	if rapid.IntRange(0, 6).Draw(w.t, "returns") == 0 {
		r.RollbackOf = r.Previous
	}
	return r
}

func (w *world) assessment() *unship.Assessment {
	a := &unship.Assessment{At: w.at}
	for range rapid.IntRange(0, 3).Draw(w.t, "judgements") {
		a.Judgements = append(a.Judgements, w.judgement())
	}
	if rapid.Bool().Draw(w.t, "blamed") {
		a.Blame = []unship.Blame{w.blame()}
	}
	if rapid.Bool().Draw(w.t, "recovery") {
		a.Recoveries = []unship.Recovery{{
			Release: w.id(), At: w.at, Why: "as drawn",
			Status: rapid.SampledFrom([]unship.RecoveryStatus{"recovered", "not_recovered", "unknown", "pending", ""}).Draw(w.t, "status"),
		}}
	}
	if rapid.IntRange(0, 4).Draw(w.t, "outage") == 0 {
		a.Outage = "nothing arrives"
	}
	return a
}

func (w *world) number() float64 {
	return rapid.SampledFrom([]float64{0, 0.002, 0.98, 1, 7, 700, 1e300, math.Inf(1), math.Inf(-1), math.NaN()}).Draw(w.t, "number")
}

func (w *world) judgement() unship.Judgement {
	if rapid.Bool().Draw(w.t, "plainly guilty") {
		return unship.Judgement{Release: w.id(), At: w.at, Verdict: unship.Regressed, LogE: 20, Probability: 0.9}
	}
	j := unship.Judgement{
		Release: w.id(), At: w.at, Verdict: unship.Verdict(rapid.IntRange(0, 3).Draw(w.t, "verdict")),
		LogE: w.number(), Probability: w.number(),
		Impact: unship.Impact{RequestsFailed: rapid.Uint64().Draw(w.t, "failed")},
	}
	for range rapid.IntRange(0, 2).Draw(w.t, "findings") {
		j.Findings = append(j.Findings, unship.Finding{
			Release: j.Release, Signal: unship.SignalDuration, Unit: "s", Baseline: w.number(), Candidate: w.number(),
			LogE: w.number(), Verdict: unship.Verdict(rapid.IntRange(0, 3).Draw(w.t, "verdict")),
			Ambiguous: rapid.Bool().Draw(w.t, "ambiguous"),
		})
	}
	if rapid.IntRange(0, 3).Draw(w.t, "doubt") == 0 {
		j.Doubts = []string{"one instance only"}
	}
	return j
}

func (w *world) blame() unship.Blame {
	return unship.Blame{
		Environment: "production",
		Cause:       rapid.SampledFrom([]unship.Cause{"release", "release", "release", "", "dependency", "unknown"}).Draw(w.t, "cause"),
		Suspects:    []unship.Suspect{{Service: "ledger", Version: w.version(), Probability: w.number()}},
	}
}

func (w *world) outcome(d unship.Decision) unship.Outcome {
	return unship.Outcome{
		Decision: d.ID, Incident: d.Incident, Order: d.Order, At: w.at,
		Plan:   unship.Plan{{Step: 1, Reversible: rapid.Bool().Draw(w.t, "reversible")}},
		Result: rapid.SampledFrom([]unship.Result{"done", "done", "failed", "unknown", "skipped", ""}).Draw(w.t, "result"),
	}
}
