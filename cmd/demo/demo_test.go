package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"

	"unship.dev"
	"unship.dev/actions"
	"unship.dev/actions/exec"
	"unship.dev/cmd/demo/proxy"
	"unship.dev/cmd/demo/users"
)

// TestMain lets the test binary be the demo's processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "demo-process" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err := Process(ctx, os.Args[2:])
		stop()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // else each process lingers for a second under the race detector
	os.Exit(m.Run())
}

// receiver stands in for unship serve: it counts what the services export.
type receiver struct {
	ptraceotlp.UnimplementedGRPCServer
	mu       sync.Mutex
	services map[string]map[string]bool // instances by service and version
	parents  map[string]map[string]bool // services that called, by service
	spans    map[string]int             // by service, kind, route or name, and status
	bySpan   map[string]string          // service by span id
	events   map[string]int
	later    [][2]string // parent span id and service, to be resolved in the end
}

func startReceiver(t *testing.T) (*receiver, *logReceiver, string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{services: map[string]map[string]bool{}, parents: map[string]map[string]bool{}, spans: map[string]int{}, bySpan: map[string]string{}, events: map[string]int{}}
	logs := &logReceiver{}
	s := grpc.NewServer()
	ptraceotlp.RegisterGRPCServer(s, r)
	plogotlp.RegisterGRPCServer(s, logs)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return r, logs, l.Addr().String()
}

func (r *receiver) Export(_ context.Context, req ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rs := range req.Traces().ResourceSpans().All() {
		attr := func(k string) string { v, _ := rs.Resource().Attributes().Get(k); return v.AsString() }
		service := attr("service.name")
		release := attr("deployment.environment.name") + "/" + attr("service.namespace") + "/" + service + " " + attr("service.version")
		if r.services[release] == nil {
			r.services[release] = map[string]bool{}
		}
		r.services[release][attr("service.instance.id")] = true
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				r.add(service, span)
			}
		}
	}
	return ptraceotlp.NewExportResponse(), nil
}

func (r *receiver) add(service string, span ptrace.Span) {
	name := span.Name()
	if route, ok := span.Attributes().Get("http.route"); ok {
		method, _ := span.Attributes().Get("http.request.method")
		name = method.AsString() + " " + route.AsString()
	}
	r.spans[fmt.Sprintf("%s %s %s %s", service, span.Kind(), name, span.Status().Code())]++
	r.bySpan[span.SpanID().String()] = service
	if span.Kind() != ptrace.SpanKindClient {
		r.later = append(r.later, [2]string{span.ParentSpanID().String(), service})
	}
	for _, e := range span.Events().All() {
		kind, _ := e.Attributes().Get("exception.type")
		r.events[kind.AsString()]++
	}
}

// edges are the pairs "caller → called" that traces show.
func (r *receiver) edges() map[string]bool {
	out := map[string]bool{}
	for _, l := range r.later {
		if from := r.bySpan[l[0]]; from != "" && from != l[1] {
			out[from+" → "+l[1]] = true
		}
	}
	return out
}

type logReceiver struct {
	plogotlp.UnimplementedGRPCServer
	mu    sync.Mutex
	lines []string
}

func (r *logReceiver) Export(_ context.Context, req plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rl := range req.Logs().ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, rec := range sl.LogRecords().All() {
				r.lines = append(r.lines, rec.Body().AsString())
			}
		}
	}
	return plogotlp.NewExportResponse(), nil
}

// The shop runs as processes, ships the bad release, and takes it back through
// the exec action as serve does: everything but the judgement.
func TestShopFromOpeningToRollback(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	traces, logs, addr := startReceiver(t)
	var out bytes.Buffer
	d, err := newDirector(&Options{Dir: t.TempDir(), Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	d.otlp, d.rate = addr, 30
	d.ps = newProcesses(d.exe, filepath.Join(d.dir, "logs"), stop)
	ended := sync.OnceFunc(d.close)
	defer ended()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%v\n%s", cause(ctx, err), out.String())
		}
	}
	must(d.openFront(ctx))
	must(d.openShop(ctx))
	must(d.ship(ctx, badRelease, ""))
	must(d.until(ctx, func(s users.Stats) bool { return s.ByFault >= 5 }))
	must(takeBack(ctx, d))
	servers, err := d.front.Servers(ctx, badRelease.service)
	must(err)
	if n := weightOf(facts{servers: map[string][]proxy.Server{badRelease.service: servers}}, badRelease); n != 0 {
		t.Errorf("the bad release has weight %d after the rollback", n)
	}
	after, err := d.eyes.stats(ctx)
	must(err)
	must(d.until(ctx, func(s users.Stats) bool { return s.Requests >= after.Requests+100 }))
	final, err := d.eyes.stop(ctx)
	must(err)
	own, err := d.front.stats(ctx)
	must(err)
	if c := nothingBroken(facts{users: final, proxy: own}); !c.Held {
		t.Error(c.Why)
	}
	if late := final.ByFault - after.ByFault; late > 3 { // answers that were on their way to users
		t.Errorf("the fault broke %d requests after the rollback", late)
	}
	ended() // flushes the telemetry
	checkTelemetry(t, traces, logs)
}

// until waits for what users got.
func (d *director) until(ctx context.Context, is func(users.Stats) bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		s, err := d.eyes.stats(ctx)
		if err != nil || is(s) {
			return err
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// takeBack carries the rollback out with the very settings that serve gets.
func takeBack(ctx context.Context, d *director) error {
	_, with, _ := strings.Cut(d.config([]string{"", "", ""}), "with:\n")
	a, err := exec.Factory().New(actions.NewSettings([]byte(with), 1))
	if err != nil {
		return err
	}
	r := actions.Request{
		Decision: "d1", Step: 1, Target: "2.3.0",
		Release: unship.ReleaseID{Service: unship.Service{Name: badRelease.service}, Version: badRelease.version},
	}
	if p, err := a.Plan(ctx, r); err != nil || p.InPlace || !p.Reversible {
		return fmt.Errorf("the plan is %+v, %w", p, err)
	}
	_, err = a.Apply(ctx, r)
	return err
}

func checkTelemetry(t *testing.T, r *receiver, logs *logReceiver) {
	t.Helper()
	for _, c := range []struct {
		release   string
		instances int
	}{{"demo/shop/payments 2.3.0", 3}, {"demo/shop/payments 2.4.0", 2}, {"demo/shop/store 15.2", 1}, {"demo/shop/shipping 0.8.0", 1}} {
		if got := len(r.services[c.release]); got != c.instances {
			t.Errorf("%s exported from %d instances; want %d", c.release, got, c.instances)
		}
	}
	edges := r.edges()
	for _, want := range []string{"gateway → catalog", "gateway → orders", "orders → payments", "payments → ledger", "ledger → store", "orders → queue", "orders → shipping", "shipping → store"} {
		if !edges[want] {
			t.Errorf("no trace shows %s", want)
		}
	}
	for _, want := range []string{"payments Server POST /charges Error", "payments Server GET /charges/{id} Unset", "gateway Server POST /checkout Unset", "orders Producer send orders Unset", "shipping Consumer process orders Unset"} {
		if r.spans[want] == 0 {
			b, _ := json.MarshalIndent(r.spans, "", " ")
			t.Errorf("no span %q in %s", want, b)
		}
	}
	if r.events["money.PrecisionError"] == 0 {
		t.Error("no exception event tells of the fault")
	}
	if !strings.Contains(strings.Join(logs.lines, "\n"), "has three decimals") {
		t.Error("no log record tells of the fault")
	}
}

func TestForeignFoldersAreNotEmptied(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "thesis.tex")
	if err := os.WriteFile(precious, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := prepare(dir); err == nil || !strings.Contains(err.Error(), "not of an earlier demo") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
	own := filepath.Join(dir, "demo")
	for range 2 { // new, and of an earlier demo
		if _, err := prepare(own); err != nil {
			t.Error(err)
		}
	}
}

func TestVerdict(t *testing.T) {
	guilty := unship.Suspect{Service: "payments", Version: "2.4.0", Probability: 0.99}
	whole := func() (*director, facts) {
		d := &director{result: Result{Report: "r.md", Incident: unship.Incident{
			ID: "i1", Suspects: []unship.Suspect{guilty},
			Decision: unship.DecisionRecord{Verdict: unship.DecideRollback},
			Actions:  []unship.StepResult{{Result: unship.ResultDone}},
			Recovery: unship.Recovery{Status: unship.Recovered},
		}}}
		pool := func(v string, w int) []proxy.Server {
			return []proxy.Server{{Name: v + "_1", Weight: w}, {Name: v + "_2", Weight: w}}
		}
		return d, facts{
			incidents: []unship.Incident{d.result.Incident},
			releases:  map[string]unship.ReleaseReport{"catalog 1.5.0": {}, "orders 3.2.0": {}},
			servers:   map[string][]proxy.Server{"catalog": pool("1.5.0", 1), "orders": pool("3.2.0", 1), "payments": pool("2.4.0", 0)},
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(*director, *facts)
	}{
		{"", func(*director, *facts) {}},
		{"the bad release was found", func(d *director, _ *facts) { d.result.Incident.ID = "" }},
		{"nothing else was blamed", func(_ *director, f *facts) { f.incidents = append(f.incidents, unship.Incident{Title: "x"}) }},
		{"it was taken back by shifting its traffic", func(_ *director, f *facts) { f.servers["payments"][0].Weight = 1 }},
		{"the recovery was verified", func(d *director, _ *facts) { d.result.Incident.Recovery.Status = unship.NotRecovered }},
		{"the good release stays", func(_ *director, f *facts) {
			f.releases["catalog 1.5.0"] = unship.ReleaseReport{Verdict: unship.Regressed}
		}},
		{"the innocent release beside it stays", func(_ *director, f *facts) { f.servers["orders"][1].Weight = 0 }},
		{"the rollback broke no request", func(_ *director, f *facts) { f.users.Other = 1 }},
		{"the report is written", func(d *director, _ *facts) { d.result.Report = "" }},
	} {
		d, f := whole()
		c.spoil(d, &f)
		d.result.Checks = d.checks(f)
		for _, check := range d.result.Checks {
			if check.Held == (check.What == c.name) {
				t.Errorf("with %q spoiled, %q held is %v (%s)", c.name, check.What, check.Held, check.Why)
			}
		}
		if d.result.Held() != (c.name == "") {
			t.Errorf("with %q spoiled, the result held is %v", c.name, d.result.Held())
		}
	}
	if (Result{}).Held() {
		t.Error("a demo that checked nothing held")
	}
}
