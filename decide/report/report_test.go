package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"unship.dev"
	"unship.dev/decide/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func at(seconds int) time.Time {
	return time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC).Add(time.Duration(seconds) * time.Second)
}

// resolved is a release that was taken back, which helped.
func resolved() unship.Incident {
	return unship.Incident{
		Schema: unship.IncidentSchema, ID: "3f2a9c1b7d604e58", Environment: "production", Status: unship.StatusResolved,
		Cause: unship.CauseRelease, StartedAt: at(0), DetectedAt: at(25),
		Title: "shop/ledger 1.1.0 fails 6.1 % of POST /orders (0.2 % before)",
		Suspects: []unship.Suspect{{
			Namespace: "shop", Service: "ledger", Version: "1.1.0", Previous: "1.0.0", Probability: 0.98,
			Reasons: []string{"its instances alone fail", "the failures began when it did"},
		}},
		Exonerated: []unship.Exoneration{{Service: "cart", Version: "2.1.0", Why: "its failures come from ledger, which it calls"}},
		Evidence: []unship.Evidence{
			{
				Service: "ledger", Version: "1.1.0", Signal: unship.SignalErrorRatio, Operation: "POST /orders", Unit: "1",
				Baseline: 0.002, Candidate: 0.061, Interval: [2]float64{0.04, 0.09}, EValue: 3.1e7, Comparison: unship.ComparisonConcurrent,
				Samples: unship.Samples{Baseline: 5120, Candidate: 1290}, Since: at(0),
				Exemplars: unship.Exemplars{{TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", SpanID: "00f067aa0ba902b7", Duration: 85 * time.Millisecond, Error: "500", Exception: "LedgerError"}},
			},
			{
				Service: "ledger", Version: "1.1.0", Signal: unship.SignalDuration, Operation: "GET /orders/{id}", Quantile: 0.95, Unit: "s",
				Baseline: 0.21, Candidate: 1.3, Interval: [2]float64{0.9, 1.6}, EValue: 4200, Comparison: unship.ComparisonConcurrent,
				Samples: unship.Samples{Baseline: 900, Candidate: 240}, Since: at(5), Exemplars: unship.Exemplars{},
			},
		},
		Impact: unship.Impact{RequestsFailed: 79, RequestsSlowed: 1204},
		Decision: unship.DecisionRecord{
			Verdict: unship.DecideRollback, Mode: unship.ModeAuto, Policy: "default", At: at(25),
			Why:   "it is the cause with a probability of 98 %; all gates pass",
			Gates: []unship.Gate{{Name: "target", Result: unship.GatePass, Why: "1.0.0 is the version that it replaced"}},
		},
		Plan:     unship.Plan{{Step: 1, Action: "exec", Summary: "shift all traffic to 1.0.0", Reversible: true}},
		Actions:  []unship.StepResult{{Step: 1, Action: "exec", StartedAt: at(25), EndedAt: at(27), Result: unship.ResultDone, Detail: "12 requests drained"}},
		Recovery: unship.Recovery{Status: unship.Recovered, At: at(90), Why: "0.2 % of 4,120 requests fail, as before the release"},
		Timeline: []unship.TimelineItem{{At: at(0), What: "estimated onset"}, {At: at(25), What: "detected"}, {At: at(90), What: "recovered"}},
		EndedAt:  at(90),
		Logs:     []unship.LogCount{{Severity: 17, Pattern: "p", Count: 61, Example: "ledger: constraint `orders_fk` violated", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736"}},
		Code: unship.Code{
			Exceptions: []unship.Exception{
				{Type: "LedgerError", Place: "shop.Ledger.post < shop.Api.order", Count: 61, Example: "constraint `orders_fk` violated"},
				{Type: "TimeoutError", Count: 2},
			},
			New: 1, Revision: "9f2c1e7", Previous: "41d07aa", URL: "https://ci.example.com/runs/7",
		},
	}
}

// asked is one whose gates stop the rollback.
func asked() unship.Incident {
	in := resolved()
	in.Status, in.Actions, in.EndedAt, in.Logs = unship.StatusOpen, []unship.StepResult{}, time.Time{}, nil
	in.Code = unship.Code{}
	in.Decision.Verdict = unship.DecideAsk
	in.Decision.Why = "shop/ledger 1.0.0 was itself taken back at 2026-05-04 11:01:05 UTC"
	in.Decision.Gates = append(in.Decision.Gates, unship.Gate{Name: "target_health", Result: unship.GateBlock, Why: in.Decision.Why})
	in.Plan[0].Reversible, in.Plan[0].AtRisk = false, "orders of the last minute"
	in.Recovery = unship.Recovery{Status: unship.RecoveryUnknown, Why: "nothing has been done yet"}
	in.Hypotheses = []unship.Hypothesis{
		{Cause: unship.CauseRelease, Name: "shop/ledger 1.1.0", Probability: .98},
		{Cause: unship.CauseDependency, Name: "shop/rates", Probability: .015, Why: "it fails 2 % of requests by itself, 0.1 % before, and was not released"},
		{Cause: unship.CauseUnknown, Probability: .005},
	}
	cart := unship.ReleaseID{Service: unship.Service{Namespace: "shop", Name: "cart"}, Version: "2.1.0"}
	in.First = []unship.Dependent{{Release: cart, Previous: "2.0.0", Why: "it calls POST /v2/orders of shop/ledger, which 1.0.0 does not serve"}}
	return in
}

// hostile is one whose names come from somebody who means harm.
func hostile() unship.Incident {
	in := resolved()
	evil := "<img src=x>|`[a](javascript:b)*\n# x\x1b[31m\u202e @channel"
	in.Title = evil
	in.Environment = evil
	in.Suspects[0].Service, in.Suspects[0].Reasons = evil, []string{evil}
	in.Evidence[0].Service, in.Evidence[0].Operation = evil, evil
	in.Evidence[0].Exemplars[0].Error, in.Evidence[0].Exemplars[0].TraceID = evil, evil
	in.Logs[0].Example = evil
	in.Code.Exceptions[0].Type, in.Code.Exceptions[0].Place, in.Code.Exceptions[0].Example = evil, evil, evil
	in.Code.Revision, in.Code.URL = evil, evil
	in.Evidence[0].Slice, in.Evidence[0].Name, in.Evidence[0].Example = evil, evil, evil
	in.Timeline[0].What = evil
	in.Hypotheses = []unship.Hypothesis{{Cause: unship.CauseDependency, Name: evil, Why: evil, Probability: .5}}
	in.First = []unship.Dependent{{Previous: evil, Why: evil}}
	in.Actions[0].Detail, in.Actions[0].Result = evil, unship.ResultFailed
	in.Decision.Why = evil
	in.Exonerated[0].Why = evil
	return in
}

func release() unship.ReleaseReport {
	return unship.ReleaseReport{
		Schema: unship.ReleaseSchema, Environment: "production", Namespace: "shop", Service: "cart", Version: "2.1.0", Previous: "2.0.0",
		FirstSeen: at(0), Announced: true, Rollout: unship.RolloutCanary, Verdict: unship.Inconclusive,
		Why: "too few requests so far", Samples: unship.Samples{Baseline: 5120, Candidate: 129}, Comparison: unship.ComparisonConcurrent, Threshold: math.Log(1000),
		Detectable: []unship.Detectable{
			{Signal: unship.SignalErrorRatio, Unit: "1", Baseline: 0.002, Change: 0.03, DoublingAt: at(840)},
			{Signal: unship.SignalErrorRatio, Slice: "tenant.id=acme", Unit: "1", Baseline: 0.002, Change: 0.07},
			{Signal: unship.SignalDuration, Unit: "x", Baseline: 1, Change: 1.4},
		},
	}
}

func TestGolden(t *testing.T) {
	rollback := release()
	rollback.RollbackOf, rollback.Why = "2.2.0", "a return from 2.2.0 to a version that served before; it is not judged as a release"
	for name, got := range map[string]string{
		"resolved.md":   report.Markdown(resolved()),
		"resolved.txt":  report.Text(resolved()),
		"asked.md":      report.Markdown(asked()),
		"asked.txt":     report.Text(asked()),
		"hostile.md":    report.Markdown(hostile()),
		"hostile.txt":   report.Text(hostile()),
		"empty.md":      report.Markdown(unship.Incident{}),
		"empty.txt":     report.Text(unship.Incident{}),
		"release.txt":   report.ReleaseText(release()),
		"rollback.txt":  report.ReleaseText(rollback),
		"resolved.json": indented(t, resolved()),
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, got) })
	}
}

func golden(t *testing.T, name, got string) {
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}

func indented(t *testing.T, in unship.Incident) string {
	var line, out bytes.Buffer
	if err := report.JSON(&line, in); err != nil {
		t.Fatal(err)
	}
	if strings.Count(line.String(), "\n") != 1 {
		t.Error("not one line")
	}
	if err := json.Indent(&out, line.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTheFirstFiveLinesTellTheStory(t *testing.T) {
	lines := strings.Split(report.Markdown(resolved()), "\n")
	for k, want := range []string{"fails 6.1 %", "**Since** 2026", "**How sure** 98 %", "**Done** rolled back", "**Helped** yes"} {
		if !strings.Contains(lines[k], want) {
			t.Errorf("line %d is %q, want %q in it", k+1, lines[k], want)
		}
	}
}

// TestNothingFromOutsideBreaksOut: names and log lines start no line of their
// own and hold no control characters.
func TestNothingFromOutsideBreaksOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		evil := rapid.String().Draw(t, "evil")
		in := resolved()
		lines := strings.Count(report.Markdown(in), "\n")
		rows := strings.Count(report.Text(in), "\n")
		in.Title, in.Evidence[0].Operation, in.Timeline[0].What, in.Logs[0].Example = evil, evil+"x", evil, evil+"x"
		in.Decision.Why, in.Recovery.Why = evil+"x", evil+"x"
		for text, want := range map[string]int{report.Markdown(in): lines, report.Text(in): rows} {
			if n := strings.Count(text, "\n"); n != want {
				t.Fatalf("%d lines instead of %d:\n%s", n, want, text)
			}
			if strings.ContainsAny(text, "\x1b\r\x00\u2028") {
				t.Fatalf("control characters in %q", text)
			}
		}
	})
}

func TestRankingIsShown(t *testing.T) {
	standings := []unship.Standing{
		{Namespace: "shop", Service: "ledger", Version: "1.1.0", Share: .9, Why: "its instances alone fail"},
		{Service: "cart", Version: "2.1.0", Share: .1, Unseen: true, Why: "it was announced, and nothing of it was seen since\x1b[2J"},
	}
	got := report.RankingText(unship.Ranking{Environment: "production", Releases: standings})
	want := "production: if one of these releases is the cause, then\n" +
		"  90 %      shop/ledger 1.1.0: its instances alone fail\n" +
		"  10 %      cart 2.1.0: it was announced, and nothing of it was seen since"
	if !strings.HasPrefix(got, want) || strings.Contains(got, "\x1b") {
		t.Errorf("%q; want it to begin with %q", got, want)
	}
	in := resolved()
	if strings.Contains(report.Markdown(in), "Releases under watch") {
		t.Error("a ranking of nothing is shown")
	}
	in.Ranking = standings
	if md := report.Markdown(in); !strings.Contains(md, "## Releases under watch\n\n- shop/ledger 1.1.0, 90 %: its instances alone fail\n- cart 2.1.0, 10 %") {
		t.Error(md)
	}
}
