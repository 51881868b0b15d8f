package actions_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"unship.dev"
	"unship.dev/actions"
	"unship.dev/actions/actiontest"
)

// platform is a list of what was done to it, in order.
type platform struct {
	mu      sync.Mutex
	effects []string
	applied map[string]bool
	script  map[string]func(context.Context, *platform) error // by "step/verb": what happens instead of success
}

func newPlatform() *platform {
	return &platform{applied: map[string]bool{}, script: map[string]func(context.Context, *platform) error{}}
}

func (p *platform) do(ctx context.Context, verb, key string, r actions.Request) error {
	if scripted := p.script[fmt.Sprintf("%d/%s", r.Step, verb)]; scripted != nil {
		if err := scripted(ctx, p); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.applied[key+verb] {
		p.applied[key+verb] = true
		p.effects = append(p.effects, fmt.Sprintf("%s %d", verb, r.Step))
	}
	return nil
}

// oneWay is an action on the platform; twoWay can be taken back too.
type oneWay struct{ *platform }

func (a oneWay) Plan(ctx context.Context, r actions.Request) (actions.Preview, error) {
	if scripted := a.script[fmt.Sprintf("%d/plan", r.Step)]; scripted != nil {
		if err := scripted(ctx, a.platform); err != nil {
			return actions.Preview{}, err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return actions.Preview{Summary: fmt.Sprintf("do %d", r.Step), InPlace: a.applied[r.Key()+"apply"]}, nil
}

func (a oneWay) Apply(ctx context.Context, r actions.Request) (string, error) {
	return "ok", a.do(ctx, "apply", r.Key(), r)
}

type twoWay struct{ oneWay }

func (a twoWay) Undo(ctx context.Context, r actions.Request) (string, error) {
	return "ok", a.do(ctx, "undo", fmt.Sprintf("%s/%d", r.Undoes, r.Step), r)
}

func registry(t *testing.T, p *platform) *actions.Registry {
	t.Helper()
	kind := func(name string, a actions.Action) actions.Factory {
		return actions.Factory{Kind: name, Summary: name, New: func(s actions.Settings) (actions.Action, error) {
			return a, s.Decode(&struct{}{})
		}}
	}
	reg, err := actions.NewRegistry(kind("two_way", twoWay{oneWay{p}}), kind("one_way", oneWay{p}))
	if err != nil {
		t.Fatal(err)
	}
	return reg
}

func runner(t *testing.T, p *platform, l actions.Ledger) *actions.Runner {
	t.Helper()
	r, err := actions.NewRunner(actions.Options{Registry: registry(t, p), Ledger: l})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func rollback() unship.Decision {
	return unship.Decision{ID: "d1", Incident: "i1", Order: unship.OrderRollback, Target: "1.0.0", Policy: "shop"}
}

func undo() unship.Decision {
	return unship.Decision{ID: "d2", Incident: "i1", Order: unship.OrderUndo, Undoes: "d1", Policy: "shop"}
}

func specs(kinds ...string) []actions.Spec {
	out := make([]actions.Spec, len(kinds))
	for i, k := range kinds {
		out[i] = actions.Spec{Kind: k, Retries: 2, Timeout: 20 * time.Second}
	}
	return out
}

func fails(err error) func(context.Context, *platform) error {
	return func(context.Context, *platform) error { return err }
}

func results(o unship.Outcome) (out []string) {
	for _, s := range o.Steps {
		out = append(out, fmt.Sprintf("%d %s", s.Step, s.Result))
	}
	return out
}

func TestCarry(t *testing.T) {
	two := specs("two_way", "two_way", "two_way")
	for _, c := range []struct {
		name    string
		order   unship.Decision
		specs   []actions.Spec
		script  map[string]error
		result  unship.Result
		steps   []string
		effects []string
		detail  string
	}{
		{name: "all steps in order", order: rollback(), specs: two, result: unship.ResultDone,
			steps: []string{"1 done", "2 done", "3 done"}, effects: []string{"apply 1", "apply 2", "apply 3"}},
		{name: "a failed step takes the ones before it back", order: rollback(), specs: two, result: unship.ResultFailed,
			script:  map[string]error{"3/apply": errors.New("no")},
			steps:   []string{"1 done", "2 done", "3 failed", "5 done", "6 done"},
			effects: []string{"apply 1", "apply 2", "undo 2", "undo 1"},
			detail:  "step 3 (two_way): no; taken back: step 2, 1"},
		{name: "a step that cannot be taken back stops the taking back", order: rollback(), specs: specs("two_way", "one_way", "two_way"),
			script: map[string]error{"3/apply": errors.New("no")}, result: unship.ResultFailed,
			steps: []string{"1 done", "2 done", "3 failed", "5 skipped"}, effects: []string{"apply 1", "apply 2"},
			detail: "a person must look"},
		{name: "an uncertain step is taken back too", order: rollback(), specs: two, result: unship.ResultFailed,
			script: map[string]error{"2/apply": actions.Uncertain(errors.New("line broke"))},
			steps:  []string{"1 done", "2 unknown", "5 done", "6 done"}, effects: []string{"apply 1", "undo 2", "undo 1"}},
		{name: "nothing begins unless all can be planned", order: rollback(), specs: two, result: unship.ResultFailed,
			script: map[string]error{"3/plan": errors.New("no access")}, steps: []string{"1 skipped"},
			detail: "plan step 3 (two_way): no access; nothing was changed"},
		{name: "an unknown kind is named", order: rollback(), specs: specs("two_way", "no_way"), result: unship.ResultFailed,
			steps: []string{"1 skipped"}, detail: `unknown action kind "no_way"; have one_way, two_way`},
		{name: "a policy without actions says so", order: rollback(), result: unship.ResultFailed, detail: "names no action"},
		{name: "undo goes backwards", order: undo(), specs: two, result: unship.ResultDone,
			steps: []string{"3 done", "2 done", "1 done"}, effects: []string{"undo 3", "undo 2", "undo 1"}},
		{name: "undo stops where it fails", order: undo(), specs: two, result: unship.ResultFailed,
			script: map[string]error{"2/undo": errors.New("gone")}, steps: []string{"3 done", "2 failed"}, effects: []string{"undo 3"}},
		{name: "undo of what cannot be undone does not begin", order: undo(), specs: specs("one_way", "two_way"), result: unship.ResultFailed,
			steps: []string{"2 skipped"}, detail: "cannot be taken back"},
		{name: "other orders change nothing", order: unship.Decision{ID: "d3", Order: unship.OrderVerify}, specs: two, result: unship.ResultSkipped},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlatform()
				for at, err := range c.script {
					p.script[at] = fails(err)
				}
				r := runner(t, p, &actiontest.Ledger{})
				first := r.Carry(t.Context(), c.order, c.specs)
				if first.Result != c.result || !strings.Contains(first.Detail, c.detail) {
					t.Errorf("outcome is %s, %q; want %s, %q", first.Result, first.Detail, c.result, c.detail)
				}
				if d := cmp.Diff(c.steps, results(first)); d != "" {
					t.Errorf("steps (-want +got):\n%s", d)
				}
				again := r.Carry(t.Context(), c.order, c.specs)
				if d := cmp.Diff(results(first), results(again)); d != "" {
					t.Errorf("steps of the second carrying (-first +second):\n%s", d)
				}
				if d := cmp.Diff(c.effects, p.effects); d != "" {
					t.Errorf("effects after two carryings (-want +got):\n%s", d)
				}
			})
		})
	}
}

func TestPlanChangesNothing(t *testing.T) {
	p := newPlatform()
	out := runner(t, p, nil).Plan(t.Context(), unship.Decision{ID: "d1", Order: unship.OrderPlan}, specs("two_way", "one_way"))
	want := unship.Plan{{Step: 1, Action: "two_way", Summary: "do 1"}, {Step: 2, Action: "one_way", Summary: "do 2"}}
	if d := cmp.Diff(want, out.Plan); d != "" || out.Result != unship.ResultDone {
		t.Errorf("plan is %s (-want +got):\n%s", out.Result, d)
	}
	if len(p.effects) > 0 {
		t.Errorf("the plan had the effects %v", p.effects)
	}
}

func TestRetries(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		times  int // how often it fails
		result unship.Result
		least  time.Duration
		most   time.Duration
	}{
		{"a failure that goes away is survived", actions.Retryable(errors.New("busy")), 2, unship.ResultDone, 500 * time.Millisecond, 3 * time.Second},
		{"retries are counted", actions.Retryable(errors.New("busy")), 3, unship.ResultFailed, 500 * time.Millisecond, 3 * time.Second},
		{"the wait asked for is kept", actions.RetryAfter(errors.New("busy"), 7*time.Second), 2, unship.ResultDone, 14 * time.Second, 14 * time.Second},
		{"a wait beyond the timeout ends the step", actions.RetryAfter(errors.New("busy"), time.Hour), 1, unship.ResultUnknown, 20 * time.Second, 20 * time.Second},
		{"a final failure is not repeated", errors.New("no"), 1, unship.ResultFailed, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, left := newPlatform(), c.times
				p.script["1/apply"] = func(context.Context, *platform) error {
					if left--; left >= 0 {
						return c.err
					}
					return nil
				}
				start := time.Now()
				out := runner(t, p, &actiontest.Ledger{}).Carry(t.Context(), rollback(), specs("one_way"))
				if len(out.Steps) == 0 || out.Steps[0].Result != c.result {
					t.Errorf("outcome is %+v; want step 1 %s", out, c.result)
				}
				if took := time.Since(start); took < c.least || took > c.most {
					t.Errorf("it took %v; want %v to %v", took, c.least, c.most)
				}
			})
		})
	}
}

func TestTimeoutIsReconciledThroughPlan(t *testing.T) {
	for _, inPlace := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlatform()
			p.script["1/apply"] = func(ctx context.Context, p *platform) error {
				p.applied["d1/1apply"] = inPlace
				<-ctx.Done()
				return ctx.Err()
			}
			out := runner(t, p, &actiontest.Ledger{}).Carry(t.Context(), rollback(), specs("one_way"))
			want := unship.ResultUnknown
			if inPlace {
				want = unship.ResultDone
			}
			if out.Steps[0].Result != want {
				t.Errorf("in place %v: step is %s (%s); want %s", inPlace, out.Steps[0].Result, out.Steps[0].Detail, want)
			}
		})
	}
}

func TestPanicOfAnActionIsAnUnknownStep(t *testing.T) {
	p := newPlatform()
	p.script["1/apply"] = func(context.Context, *platform) error { panic("oh") }
	out := runner(t, p, &actiontest.Ledger{}).Carry(t.Context(), rollback(), specs("one_way"))
	if out.Result != unship.ResultUnknown || !strings.Contains(out.Detail, "panicked: oh") {
		t.Errorf("outcome is %s, %q", out.Result, out.Detail)
	}
}

func TestInterruptedCarryingIsFinishedLater(t *testing.T) {
	p, ledger := newPlatform(), &actiontest.Ledger{}
	ctx, stop := context.WithCancel(t.Context())
	p.script["2/apply"] = func(ctx context.Context, p *platform) error {
		stop()
		return ctx.Err()
	}
	out := runner(t, p, ledger).Carry(ctx, rollback(), specs("two_way", "two_way"))
	if out.Result != unship.ResultUnknown || !strings.Contains(out.Detail, "interrupted") {
		t.Errorf("the interrupted outcome is %s, %q", out.Result, out.Detail)
	}
	delete(p.script, "2/apply")
	out = runner(t, p, ledger).Carry(t.Context(), rollback(), specs("two_way", "two_way"))
	if d := cmp.Diff([]string{"apply 1", "apply 2"}, p.effects); d != "" || out.Result != unship.ResultDone {
		t.Errorf("the second outcome is %s; effects (-want +got):\n%s", out.Result, d)
	}
}

func TestManyCarryOneDecision(t *testing.T) {
	p, calls := newPlatform(), 0
	p.script["1/apply"] = func(context.Context, *platform) error { calls++; return nil }
	r := runner(t, p, &actiontest.Ledger{})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if out := r.Carry(t.Context(), rollback(), specs("one_way")); out.Result != unship.ResultDone {
				t.Errorf("outcome is %+v", out)
			}
		})
	}
	all.Wait()
	if calls != 1 {
		t.Errorf("Apply was called %d times; want once", calls)
	}
}
