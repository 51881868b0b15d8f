package decide_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/decide"
	"unship.dev/rules"
)

func newEngine(mode unship.Mode) *decide.Engine {
	return decide.New(rules.Set{rules.Default(mode)})
}

func badLedger(at time.Time) (unship.Release, *unship.Assessment) {
	id := releaseOf("ledger", "1.1.0")
	r := unship.Release{ReleaseID: id, Previous: "1.0.0", FirstSeen: at.Add(-time.Minute), LastSeen: at}
	return r, &unship.Assessment{At: at, Judgements: []unship.Judgement{{
		Release: id, At: at, Verdict: unship.Regressed, Why: "as judged", LogE: 16, Probability: 0.98, Done: true,
	}}}
}

func openIncident(t *testing.T, e *decide.Engine) unship.Incident {
	t.Helper()
	r, a := badLedger(start)
	e.Step(decide.Input{At: start, Releases: []unship.Release{r}, Assessment: a})
	all := e.Changed()
	if len(all) != 1 {
		t.Fatalf("got %d incidents, want 1", len(all))
	}
	return all[0]
}

func TestIncidentsGivenOutDoNotChangeLater(t *testing.T) {
	e := newEngine(unship.ModeApprove)
	in := openIncident(t, e)
	before := fmt.Sprintf("%+v", in)
	for k := range 5 {
		e.Step(decide.Input{At: start.Add(time.Duration(k) * time.Minute), Answers: []unship.Answer{{Incident: in.ID, Kind: "sing"}}})
	}
	if after := fmt.Sprintf("%+v", in); after != before {
		t.Errorf("changed from\n%s\nto\n%s", before, after)
	}
}

func TestIDsComeFromTheInputAlone(t *testing.T) {
	a, b := openIncident(t, newEngine(unship.ModeAuto)), openIncident(t, newEngine(unship.ModeAuto))
	if a.ID != b.ID || a.ID == "" {
		t.Errorf("ids %q and %q of the same input", a.ID, b.ID)
	}
}

func TestAnUnansweredIncidentEndsAfterAWeek(t *testing.T) {
	e := newEngine(unship.ModeApprove)
	openIncident(t, e)
	e.Step(decide.Input{At: start.Add(8 * 24 * time.Hour)})
	if got := e.Incidents(); len(got) != 1 || got[0].Status != unship.StatusEscalated {
		t.Errorf("after eight days: %+v", got)
	}
	e.Step(decide.Input{At: start.Add(16 * 24 * time.Hour)})
	if got := e.Incidents(); len(got) != 0 {
		t.Errorf("after sixteen days it is still remembered: %+v", got)
	}
}

func TestAKnownBadVersionIsNamedWhenItReturns(t *testing.T) {
	e := newEngine(unship.ModeAuto)
	r, a := badLedger(start)
	decisions := e.Step(decide.Input{At: start, Releases: []unship.Release{r}, Assessment: a})
	e.Step(decide.Input{At: start, Outcomes: []unship.Outcome{{
		Decision: decisions[0].ID, Incident: decisions[0].Incident, Order: unship.OrderRollback, Result: unship.ResultDone, At: start,
	}}})
	later := start.Add(48 * time.Hour)
	e.Step(decide.Input{At: later, Assessment: &unship.Assessment{At: later}}) // forgets the report
	if got := e.Reports(); len(got) != 0 {
		t.Fatalf("the report is still there: %+v", got)
	}
	r.FirstSeen = later
	e.Step(decide.Input{At: later, Releases: []unship.Release{r}})
	got := e.ChangedReports()
	if len(got) != 1 || !strings.HasPrefix(got[0].Why, "known bad: ") {
		t.Errorf("got %+v", got)
	}
}

func TestAReportIsNeverHealthyAgain(t *testing.T) {
	e := newEngine(unship.ModeObserve)
	openIncident(t, e)
	_, a := badLedger(start)
	a.Judgements[0].Verdict = unship.Healthy
	e.Step(decide.Input{At: start.Add(time.Minute), Assessment: a})
	if got := e.ChangedReports(); len(got) != 1 || got[0].Verdict != unship.Regressed {
		t.Errorf("got %+v", got)
	}
}

func TestErrorLinesAreKept(t *testing.T) {
	e := newEngine(unship.ModeApprove)
	r, a := badLedger(start)
	tick := unship.Tick{Windows: []unship.Window{{Release: r.ReleaseID}}}
	for k := range 8 {
		tick.Windows[0].Logs = append(tick.Windows[0].Logs, unship.LogCount{
			Severity: 17, Pattern: fmt.Sprint("pattern ", k), Count: uint64(k), Example: "connection refused",
		})
	}
	e.Step(decide.Input{At: start, Releases: []unship.Release{r}, Assessment: a, Tick: &tick})
	e.Step(decide.Input{At: start, Tick: &tick})
	logs := e.Incidents()[0].Logs
	if len(logs) != 5 || logs[0].Pattern != "pattern 3" || logs[0].Count != 6 {
		t.Errorf("got %+v", logs)
	}
	if tick.Windows[0].Logs[7].Count != 7 {
		t.Error("the tick was changed")
	}
}

func TestRestoreRefusesWhatItDoesNotKnow(t *testing.T) {
	e := newEngine(unship.ModeAuto)
	in := openIncident(t, e)
	for _, bad := range []string{"{", `{"version":99}`, `[]`} {
		if err := e.Restore([]byte(bad)); err == nil {
			t.Errorf("restored from %s", bad)
		}
	}
	if got := e.Incidents(); len(got) != 1 || got[0].ID != in.ID {
		t.Errorf("a refused state left %+v", got)
	}
	if err := e.Restore(nil); err != nil || len(e.Incidents()) != 0 {
		t.Errorf("restoring nothing: %v, %d incidents", err, len(e.Incidents()))
	}
}

func ExampleEngine() {
	e := decide.New(rules.Set{rules.Default(unship.ModeAuto)})
	r, a := badLedger(start)
	for _, d := range e.Step(decide.Input{At: start, Releases: []unship.Release{r}, Assessment: a}) {
		fmt.Println(d.Order, d.Release, "to", d.Target)
	}
	// Output: rollback shop/ledger 1.1.0 to 1.0.0
}
