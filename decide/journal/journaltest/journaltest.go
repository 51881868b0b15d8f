// Package journaltest is the suite that every back end of the journal passes.
// A back end's own test calls [Run] with a function that opens it.
package journaltest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unship.dev"
	"unship.dev/decide/journal"
)

// Recorder writes a step and gives back the snapshots of stages.
type Recorder interface {
	Commit(context.Context, journal.Commit) error
	State(ctx context.Context, name string) ([]byte, error)
	Export(context.Context, io.Writer) error
}

// TickReader gives ticks back and forgets old ones.
type TickReader interface {
	Ticks(ctx context.Context, since time.Time) iter.Seq2[unship.Tick, error]
	PruneTicks(ctx context.Context, before time.Time) error
}

// IncidentReader gives incidents back.
type IncidentReader interface {
	Incidents(context.Context, journal.Filter) ([]unship.Incident, error)
	Incident(ctx context.Context, id string) (unship.Incident, error)
	Decisions(ctx context.Context, incident string) ([]unship.Decision, error)
}

// ReleaseReader gives releases back.
type ReleaseReader interface {
	Releases(context.Context, journal.Filter) ([]unship.ReleaseReport, error)
	Release(context.Context, unship.ReleaseID) (unship.ReleaseReport, error)
}

// Ledger keeps what the runner began and ended.
type Ledger interface {
	Unfinished(context.Context) ([]unship.Decision, error)
	Begin(ctx context.Context, decision string, step unship.Step) (unship.StepResult, bool, error)
	End(ctx context.Context, decision string, r unship.StepResult) error
}

// Auditor keeps the audit trail.
type Auditor interface {
	Audit(context.Context, journal.AuditEntry) error
	AuditLog(ctx context.Context, limit int) ([]journal.AuditEntry, error)
}

// Backend is a journal.
type Backend interface {
	Recorder
	TickReader
	IncidentReader
	ReleaseReader
	Ledger
	Auditor
	io.Closer
}

// Open opens the journal at a place; the same place holds the same journal.
type Open func(t *testing.T, place string) Backend

// Run runs the suite. Each part gets a place of its own.
func Run(t *testing.T, open Open) {
	for name, part := range map[string]func(*testing.T, Backend){
		"ticks":      ticks,
		"incidents":  incidents,
		"releases":   releases,
		"ledger":     ledger,
		"unfinished": unfinished,
		"once":       addedOnce,
		"audit":      audit,
		"states":     states,
		"atomic":     atomic,
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, t.TempDir())
			defer func() { must(t, b.Close()) }()
			part(t, b)
		})
	}
	t.Run("reopened", func(t *testing.T) { reopened(t, open) })
	t.Run("export", func(t *testing.T) { export(t, open) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Error("got (+) instead of (-):", d)
	}
}

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// Tick makes a tick of so many windows with so many operations each, as busy
// services fill them.
func Tick(start time.Time, windows, operations int) unship.Tick {
	t := unship.Tick{Start: start, End: start.Add(5 * time.Second), Closed: start.Add(15 * time.Second), Losses: unship.Losses{Late: 3}}
	for w := range windows {
		win := unship.Window{
			Release: releaseID(fmt.Sprint("service-", w/10), "1.0.0"), Start: start, Length: 5 * time.Second, Build: "sha256:0123456789abcdef",
			Instance:   unship.Instance{ID: fmt.Sprint("pod-", w), Node: fmt.Sprint("node-", w%12)},
			Logs:       []unship.LogCount{{Severity: 17, Pattern: "connection refused", Count: 3, Example: "connection refused: 10.0.0.1"}},
			Exceptions: []unship.Exception{{Type: "java.net.ConnectException", Place: "shop.Ledger.post < shop.Api.call", Count: 3, Handled: 1, Example: "refused", TraceID: "ab"}},
		}
		for o := range operations {
			win.Operations = append(win.Operations, operation(w, o))
		}
		t.Windows = append(t.Windows, win)
	}
	return t
}

func operation(w, o int) unship.Operation {
	p := unship.Operation{
		Name: fmt.Sprint("GET /things/{id}/", o), Requests: uint64(100 + w), Failed: 1,
		Adjusted: uint64(1000 + w), Partial: 3,
		Calls: []unship.Call{
			{Callee: "ledger", Requests: 40, Total: 41, Unanswered: 1, Unseen: 2, Answered: []unship.CalleeAnswer{{Release: releaseID("ledger", "1.1.0"), Requests: 39, Failed: 2, Garbled: 1}}, Received: []unship.CallReceived{{Release: releaseID("ledger", "1.1.0"), Unanswered: 1}}},
			{Callee: "postgresql:orders", Requests: 90, Total: 95},
		},
		Slices:    []unship.Slice{{Key: "tenant.id", Value: "acme", Requests: 30, FailedHere: 1, Rejected: 2, Duration: unship.Histogram{{Index: -64, Count: 30}}}},
		Exemplars: unship.Exemplars{{TraceID: fmt.Sprintf("%032x", w*1000+o), SpanID: fmt.Sprintf("%016x", w), Duration: time.Second}},
	}
	for k := range 20 {
		p.Duration.Add(int16(-80+k+o), uint64(1+(w*7+k*3)%11))
		p.Self.Add(int16(-90+k+o), uint64(1+(w*5+k*3)%11))
	}
	return p
}

func releaseID(service, version string) unship.ReleaseID {
	return unship.ReleaseID{Service: unship.Service{Environment: "production", Namespace: "shop", Name: service}, Version: version}
}

func ticks(t *testing.T, b Backend) {
	ctx := t.Context()
	var want []unship.Tick
	for k := range 4 {
		tick := Tick(noon.Add(time.Duration(k)*5*time.Second), 2, 2)
		tick.Windows[0].Metrics = []unship.Metric{{Name: "m", Kind: unship.MetricCount, At: noon, Over: time.Minute, Value: math.Inf(1)}}
		want = append(want, tick)
		must(t, b.Commit(ctx, journal.Commit{Tick: &tick}))
	}
	must(t, b.Commit(ctx, journal.Commit{Tick: &want[2]})) // again: replaces
	equal(t, collect(t, b, want[1].Start), want[1:])
	must(t, b.PruneTicks(ctx, want[3].Start))
	equal(t, collect(t, b, time.Time{}), want[3:])
	for _, err := range b.Ticks(ctx, time.Time{}) { // the journal can be used within the loop
		must(t, err)
		must(t, b.PruneTicks(ctx, noon.Add(time.Hour)))
	}
	if got := collect(t, b, time.Time{}); len(got) != 0 {
		t.Errorf("%d ticks are left", len(got))
	}
}

func collect(t *testing.T, b Backend, since time.Time) (all []unship.Tick) {
	t.Helper()
	for tick, err := range b.Ticks(t.Context(), since) {
		must(t, err)
		all = append(all, tick)
	}
	return all
}

func incident(id, service string, minute int, status unship.Status) unship.Incident {
	return unship.Incident{
		Schema: unship.IncidentSchema, ID: id, Environment: "production", Status: status, Title: "shop/" + service + " is worse",
		StartedAt: noon, DetectedAt: noon.Add(time.Duration(minute) * time.Minute),
		Suspects: []unship.Suspect{
			{Namespace: "other", Service: "other", Version: "9", Reasons: []string{}},
			{Namespace: "shop", Service: service, Version: "1.1.0", Reasons: []string{"it fails"}},
		},
		Evidence: []unship.Evidence{{Service: service, Version: "1.1.0", EValue: 1e6}},
	}
}

func incidents(t *testing.T, b Backend) {
	ctx := t.Context()
	old, mid, last := incident("aa11", "ledger", 1, unship.StatusOpen), incident("aa22", "cart", 2, unship.StatusOpen), incident("bb33", "ledger", 3, unship.StatusOpen)
	last.Environment = "staging"
	must(t, b.Commit(ctx, journal.Commit{Incidents: []unship.Incident{old, mid, last}}))
	old.Status = unship.StatusResolved
	must(t, b.Commit(ctx, journal.Commit{Incidents: []unship.Incident{old}}))
	for _, c := range []struct {
		filter journal.Filter
		want   []unship.Incident
	}{
		{journal.Filter{}, []unship.Incident{last, mid, old}},
		{journal.Filter{Limit: 2}, []unship.Incident{last, mid}},
		{journal.Filter{Service: "ledger"}, []unship.Incident{last, old}},
		{journal.Filter{Service: "shop/ledger", Environment: "production"}, []unship.Incident{old}},
		{journal.Filter{Service: "other/ledger"}, []unship.Incident{}},
		{journal.Filter{Status: unship.StatusResolved}, []unship.Incident{old}},
	} {
		got, err := b.Incidents(ctx, c.filter)
		must(t, err)
		equal(t, got, c.want)
	}
	for id, want := range map[string]error{"bb33": nil, "b": nil, "aa1": nil, "aa": journal.ErrAmbiguous, "c": journal.ErrNotFound, "": journal.ErrNotFound, "%": journal.ErrNotFound} {
		got, err := b.Incident(ctx, id)
		if !errors.Is(err, want) || err == nil && !strings.HasPrefix(got.ID, id) {
			t.Errorf("incident %q: got %q, %v; want %v", id, got.ID, err, want)
		}
	}
}

func releases(t *testing.T, b Backend) {
	ctx := t.Context()
	report := func(service string, minute int) unship.ReleaseReport {
		return unship.ReleaseReport{
			Schema: unship.ReleaseSchema, Environment: "production", Namespace: "shop", Service: service, Version: "1.1.0",
			FirstSeen: noon.Add(time.Duration(minute) * time.Minute), Verdict: unship.Inconclusive, Rollout: unship.RolloutCanary,
		}
	}
	ledger, cart := report("ledger", 1), report("cart", 2)
	must(t, b.Commit(ctx, journal.Commit{Reports: []unship.ReleaseReport{ledger, cart}}))
	ledger.Verdict = unship.Healthy
	must(t, b.Commit(ctx, journal.Commit{Reports: []unship.ReleaseReport{ledger}}))
	all, err := b.Releases(ctx, journal.Filter{})
	must(t, err)
	equal(t, all, []unship.ReleaseReport{cart, ledger})
	one, err := b.Releases(ctx, journal.Filter{Service: "ledger", Limit: 5})
	must(t, err)
	equal(t, one, []unship.ReleaseReport{ledger})
	got, err := b.Release(ctx, releaseID("ledger", "1.1.0"))
	must(t, err)
	equal(t, got, ledger)
	if _, err := b.Release(ctx, releaseID("ledger", "7")); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("an unknown release: %v", err)
	}
}
