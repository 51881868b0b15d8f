package decide_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unship.dev"
	"unship.dev/decide"
	"unship.dev/rules"
)

// TestCode: an incident leads to the code: what only the new version throws
// comes first, however rare, and the commits between the two announcements.
func TestCode(t *testing.T) {
	e := decide.New(rules.Set{rules.Default(unship.ModeObserve)})
	id := func(version string) unship.ReleaseID {
		return unship.ReleaseID{Service: unship.Service{Environment: "production", Name: "ledger"}, Version: version}
	}
	announced := func(version, previous, revision string) unship.Release {
		return unship.Release{
			ReleaseID: id(version), Previous: previous, FirstSeen: start,
			Announcement: &unship.Announcement{ReleaseID: id(version), Revision: revision, By: "pipeline"},
		}
	}
	e.Step(decide.Input{At: start, Releases: []unship.Release{announced("1", "0", "aaa"), announced("2", "1", "bbb")}})
	window := func(version string, list ...unship.Exception) unship.Window {
		return unship.Window{Release: id(version), Exceptions: list}
	}
	timeout := unship.Exception{Type: "TimeoutError", Count: 7, Example: "b"}
	overflow := unship.Exception{Type: "OverflowError", Place: "ledger.post", Count: 2, Example: "z"}
	judged := func(at time.Time) decide.Input {
		return decide.Input{At: at, Assessment: &unship.Assessment{Judgements: []unship.Judgement{{
			Release: id("2"), Verdict: unship.Regressed, LogE: 9,
			Findings: []unship.Finding{{Release: id("2"), Signal: unship.SignalErrorRatio, Unit: "1", Verdict: unship.Regressed}},
		}}}, Tick: &unship.Tick{Windows: []unship.Window{window("1", timeout), window("2", overflow, timeout)}}}
	}
	e.Step(judged(start.Add(time.Minute)))
	again := judged(start.Add(65 * time.Second))
	again.Tick.Windows[1].Exceptions[0].Example = "a" // the smallest message is kept
	e.Step(again)
	want := unship.Code{
		Exceptions: []unship.Exception{
			{Type: "OverflowError", Place: "ledger.post", Count: 4, Example: "a"},
			{Type: "TimeoutError", Count: 14, Example: "b"},
		},
		New: 1, Revision: "bbb", Previous: "aaa",
	}
	all := e.Incidents()
	if len(all) != 1 {
		t.Fatalf("%d incidents; want one", len(all))
	}
	if d := cmp.Diff(want, all[0].Code); d != "" {
		t.Error(d)
	}
}
