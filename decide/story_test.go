package decide_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unship.dev"
	"unship.dev/decide"
	"unship.dev/rules"
)

var update = flag.Bool("update", false, "rewrite the stories' expected output")

// TestStories plays the stories in testdata. A story is a list of paragraphs:
// commands, a line of dashes, and what the engine says. All commands of one
// time in one paragraph are one step. The commands:
//
//	policy MODE [cooldown=10m] [budget=3] [audit=0.01]
//	TIME release SERVICE VERSION replaces PREVIOUS | returns from VERSION | changes KIND NAME VALUE
//	TIME judged SERVICE VERSION VERDICT [p=0.98] [failed=7] [wanted] [asks] [done] [doubt=…] [cause=…] [innocent] [needed=SERVICE]
//	TIME tick [outage=…]
//	TIME audit COMPARISON trials=30 alarms=2 lower=0.02
//	TIME outcome SERVICE plan|rollback|undo done|failed|unknown|skipped [irreversible]
//	TIME recovery SERVICE VERSION recovered|not_recovered|unknown
//	TIME answer SERVICE KIND WHO
//	restart | timeline SERVICE | gates SERVICE | quarantine | reports
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.story")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".story"), func(t *testing.T) { playFile(t, f) })
	}
}

func playFile(t *testing.T, file string) {
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &story{t: t}
	var got bytes.Buffer
	for k, paragraph := range strings.Split(strings.TrimRight(string(want), "\n"), "\n\n") {
		commands, _, dashes := strings.Cut(paragraph+"\n", "----\n")
		if k > 0 {
			got.WriteString("\n")
		}
		got.WriteString(strings.TrimRight(commands, "\n") + "\n")
		if dashes || *update && !strings.HasPrefix(commands, "#") {
			fmt.Fprintf(&got, "----\n%s", s.play(commands))
		}
	}
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Error(d)
	}
}

// story is a running engine and what its last steps ordered.
type story struct {
	t        *testing.T
	engine   *decide.Engine
	policies rules.Set
	tracked  []unship.Release
	orders   []unship.Decision
	in       decide.Input
	pending  bool
	out      strings.Builder
}

var start = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func (s *story) play(commands string) string {
	s.out.Reset()
	for _, line := range strings.Split(strings.TrimSpace(commands), "\n") {
		words := strings.Fields(line)
		at, err := time.Parse("15:04:05", words[0])
		if err != nil {
			s.flush()
			s.command(words)
			continue
		}
		when := start.Add(at.Sub(time.Date(0, 1, 1, 12, 0, 0, 0, time.UTC)))
		if s.pending && !when.Equal(s.in.At) {
			s.flush()
		}
		s.in.At, s.pending = when, true
		s.event(words[1], words[2:])
	}
	s.flush()
	return s.out.String()
}

func (s *story) flush() {
	if !s.pending {
		return
	}
	s.in.Releases = s.tracked
	decisions := s.engine.Step(s.in)
	s.orders = append(s.orders, decisions...)
	for _, d := range decisions {
		fmt.Fprintf(&s.out, "%s %s to %s%s\n", d.Order, d.Release, d.Target, by(d))
	}
	for _, in := range s.engine.Changed() {
		fmt.Fprintf(&s.out, "  %s: %s; %s, %s; recovery %s\n", guilty(in), in.Status, in.Decision.Verdict, in.Decision.Why, in.Recovery.Status)
	}
	s.in, s.pending = decide.Input{}, false
}

func by(d unship.Decision) string {
	if d.By == "" {
		return ""
	}
	return " by " + d.By
}

func guilty(in unship.Incident) string {
	who, _, _ := strings.Cut(in.Title, " fails")
	who = strings.TrimSuffix(who, " probably")
	return who
}

func (s *story) command(words []string) {
	switch words[0] {
	case "policy":
		s.policy(words[1:])
	case "restart":
		b, err := s.engine.State()
		s.must(err)
		s.engine = decide.New(s.policies)
		s.must(s.engine.Restore(b))
	case "timeline":
		for _, item := range s.find(words[1]).Timeline {
			fmt.Fprintf(&s.out, "%s %s\n", item.At.Format("15:04:05"), item.What)
		}
	case "gates":
		for _, g := range s.find(words[1]).Decision.Gates {
			fmt.Fprintf(&s.out, "%-14s %-6s %s\n", g.Name, g.Result, g.Why)
		}
	case "quarantine":
		for _, q := range s.engine.Quarantined() {
			fmt.Fprintf(&s.out, "%s since %s\n", q.Release, q.Since.Format("15:04:05"))
		}
	case "reports":
		for _, r := range s.engine.Reports() {
			fmt.Fprintf(&s.out, "%s %s: %s, %s\n", r.Service, r.Version, r.Verdict, r.Why)
		}
	default:
		s.t.Fatalf("unknown command %q", words[0])
	}
}

func (s *story) policy(words []string) {
	p := rules.Default(unship.Mode(words[0]))
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		var err error
		switch key {
		case "cooldown":
			p.Cooldown, err = time.ParseDuration(value)
		case "budget":
			p.Budget.Rollbacks, err = strconv.Atoi(value)
		case "audit":
			p.Audit.Budget, err = strconv.ParseFloat(value, 64)
		default:
			s.t.Fatalf("unknown setting %q", w)
		}
		s.must(err)
	}
	s.policies = rules.Set{p}
	fresh := decide.New(s.policies)
	if s.engine != nil { // a policy that changes meets the state that is there
		b, err := s.engine.State()
		s.must(err)
		s.must(fresh.Restore(b))
	}
	s.engine = fresh
}

func (s *story) event(kind string, words []string) {
	switch kind {
	case "release":
		s.track(words)
	case "judged":
		s.judged(words)
	case "tick":
		s.assessment()
		for _, w := range words {
			s.in.Assessment.Outage = strings.TrimPrefix(w, "outage=")
		}
	case "audit":
		s.audit(words)
	case "outcome":
		s.outcome(words)
	case "recovery":
		a := s.assessment()
		a.Recoveries = append(a.Recoveries, unship.Recovery{
			Release: releaseOf(words[0], words[1]), Status: unship.RecoveryStatus(words[2]), At: s.in.At, Why: "as watched",
		})
	case "answer":
		s.in.Answers = append(s.in.Answers, unship.Answer{
			Incident: s.find(words[0]).ID, Kind: words[1], By: words[2], At: s.in.At,
		})
	default:
		s.t.Fatalf("unknown event %q", kind)
	}
}

func (s *story) assessment() *unship.Assessment {
	if s.in.Assessment == nil {
		s.in.Assessment = &unship.Assessment{At: s.in.At}
	}
	return s.in.Assessment
}

func (s *story) track(words []string) {
	r := unship.Release{ReleaseID: releaseOf(words[0], words[1]), FirstSeen: s.in.At, LastSeen: s.in.At}
	switch {
	case len(words) > 3 && words[2] == "replaces":
		r.Previous = words[3]
	case len(words) > 5 && words[2] == "changes":
		r.Previous, r.Change = "1.0.0", unship.Change{Kind: unship.ChangeKind(words[3]), Name: words[4], Value: words[5], Was: "off"}
	case len(words) > 4 && words[2] == "returns":
		r.RollbackOf, r.Previous = words[4], words[4]
	}
	s.tracked = append(s.tracked, r)
}

func releaseOf(service, version string) unship.ReleaseID {
	return unship.ReleaseID{Service: unship.Service{Environment: "production", Namespace: "shop", Name: service}, Version: version}
}

func (s *story) judged(words []string) {
	r := releaseOf(words[0], words[1])
	j := unship.Judgement{Release: r, Comparison: unship.ComparisonConcurrent, At: s.in.At, Onset: s.in.At.Add(-20 * time.Second), Why: "as judged", LogE: 16, Threshold: 6.9, Probability: 0.98}
	s.must(j.Verdict.UnmarshalText([]byte(words[2])))
	f := unship.Finding{
		Release: r, Signal: unship.SignalErrorRatio, Operation: "POST /orders", Unit: "1",
		Baseline: 0.002, Candidate: 0.061, LogE: 16, Verdict: j.Verdict,
	}
	b := unship.Blame{Environment: r.Environment, Cause: unship.CauseRelease}
	for _, w := range words[3:] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "needed": // by a service's 2.0.0
			j.Dependents = append(j.Dependents, unship.Dependent{Release: releaseOf(value, "2.0.0"), Previous: "1.0.0", Why: "it calls what is new"})
		case "p":
			p, err := strconv.ParseFloat(value, 64)
			s.must(err)
			j.Probability = p
		case "failed":
			n, err := strconv.ParseUint(value, 10, 64)
			s.must(err)
			j.Impact.RequestsFailed = n
		case "wanted":
			f.Ambiguous, f.Verdict = true, unship.Regressed
		case "done":
			j.Done = true
		case "asks":
			j.Asks, j.LogE = true, 5
		case "doubt":
			j.Doubts = append(j.Doubts, value)
		case "cause":
			b.Cause = unship.Cause(value)
		case "innocent":
			b.Exonerated = append(b.Exonerated, unship.Exoneration{Service: r.Name, Version: r.Version, Why: "its callee fails for everybody"})
		default:
			s.t.Fatalf("unknown setting %q", w)
		}
	}
	j.Findings = []unship.Finding{f}
	a := s.assessment()
	a.Judgements = append(a.Judgements, j)
	a.Blame = []unship.Blame{b}
}

func (s *story) audit(words []string) {
	r := unship.AuditRate{Environment: "production"}
	s.must(r.Comparison.UnmarshalText([]byte(words[0])))
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		x, err := strconv.ParseFloat(value, 64)
		s.must(err)
		switch key {
		case "trials":
			r.Trials = uint64(x)
		case "alarms":
			r.Alarms = uint64(x)
		case "lower":
			r.Lower = x
		default:
			s.t.Fatalf("unknown setting %q", w)
		}
	}
	a := s.assessment()
	a.Audit.Rates = append(a.Audit.Rates, r)
	if r.Alarms > 0 {
		a.Audit.Alarms = append(a.Audit.Alarms, unship.PlaceboAlarm{
			At: s.in.At, Release: releaseOf("cart", "1.0.0"), Comparison: r.Comparison, Instances: []string{"cart-1"}, Why: "shop/cart fails 9 % of requests",
		})
	}
}

func (s *story) outcome(words []string) {
	in := s.find(words[0])
	o := unship.Outcome{Incident: in.ID, Order: unship.Order(words[1]), Result: unship.Result(words[2]), At: s.in.At}
	for _, d := range s.orders {
		if d.Incident == in.ID && d.Order == o.Order {
			o.Decision = d.ID
		}
	}
	reversible := len(words) < 4 || words[3] != "irreversible"
	o.Plan = unship.Plan{{Step: 1, Action: "exec", Summary: "shift traffic", Reversible: reversible}}
	if o.Result == unship.ResultSkipped {
		o.Detail = "replay: planned, not applied"
	}
	if o.Order != unship.OrderPlan {
		o.Steps = []unship.StepResult{{Step: 1, Action: "exec", Result: o.Result}}
	}
	s.in.Outcomes = append(s.in.Outcomes, o)
}

func (s *story) find(service string) unship.Incident {
	for _, in := range slices.Backward(s.engine.Incidents()) { // the latest
		if in.Suspects[0].Service == service || strings.HasPrefix(in.Title, "shop/"+service+" ") {
			return in
		}
	}
	s.t.Fatalf("no incident of %s", service)
	return unship.Incident{}
}

func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}
