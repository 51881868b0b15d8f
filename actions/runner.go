package actions

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"unship.dev"
)

// Ledger keeps what became of each step, durably: what a method was given is on
// disk when it returns.
type Ledger interface {
	// Begin notes that the step of the decision begins. If the ledger knows the
	// step already, Begin changes nothing and returns what it knows and true: a
	// step that began and never ended has ResultUnknown and a zero EndedAt.
	Begin(ctx context.Context, decision string, s unship.Step) (unship.StepResult, bool, error)
	// End notes what became of the step.
	End(ctx context.Context, decision string, r unship.StepResult) error
}

// Options are what a Runner is made of.
type Options struct {
	Registry *Registry
	Ledger   Ledger           // may be nil where decisions are only planned
	Logger   *slog.Logger     // nil: discards
	Now      func() time.Time // nil: time.Now; the times of outcomes and steps
}

// Runner carries decisions out. It is safe for concurrent use; one decision is
// carried out by one caller at a time, and another who asks for it waits and
// gets the same outcome.
type Runner struct {
	registry *Registry
	ledger   Ledger
	log      *slog.Logger
	now      func() time.Time

	mu   sync.Mutex
	busy map[string]chan struct{} // by decision; closed when its carrying ends
}

// NewRunner makes a Runner.
func NewRunner(o Options) (*Runner, error) {
	if o.Registry == nil {
		return nil, fmt.Errorf("make runner: no registry of actions was given")
	}
	r := &Runner{registry: o.Registry, ledger: o.Ledger, log: o.Logger, now: o.Now, busy: map[string]chan struct{}{}}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	return r, nil
}

// Plan works out what carrying d out would do. It changes nothing.
func (r *Runner) Plan(ctx context.Context, d unship.Decision, specs []Spec) unship.Outcome {
	j := r.newJob(d, specs)
	if d.Order == unship.OrderUndo {
		j.planUndo()
	} else {
		j.plan(ctx)
	}
	if j.planErr != nil {
		return j.outcome(unship.ResultFailed, j.planErr.Error())
	}
	return j.outcome(unship.ResultDone, "")
}

// Carry carries d out, or finishes what an earlier Carry of it began: it may be
// called again after a crash, and repeats nothing that is done. A step that
// began and never ended is reconciled: if its Plan finds it in place it is done,
// else it is applied again under the same decision.
//
// ResultUnknown means that it is not known what took effect. If ctx has ended,
// d is to be carried again at the next start; else a person must look.
func (r *Runner) Carry(ctx context.Context, d unship.Decision, specs []Spec) unship.Outcome {
	release, err := r.claim(ctx, d.ID)
	if err != nil {
		return r.newJob(d, nil).outcome(unship.ResultUnknown, "interrupted while waiting for another carrying of the same decision")
	}
	defer release()
	switch d.Order {
	case unship.OrderPlan:
		return r.Plan(ctx, d, specs)
	case unship.OrderRollback, unship.OrderUndo:
		return r.carry(ctx, r.newJob(d, specs))
	case unship.OrderVerify, unship.OrderEscalate:
	}
	return r.newJob(d, nil).outcome(unship.ResultSkipped, fmt.Sprintf("order %s changes no platform", d.Order))
}

func (r *Runner) carry(ctx context.Context, j *job) unship.Outcome {
	if r.ledger == nil {
		return j.outcome(unship.ResultFailed, "this runner only plans: it was given no ledger")
	}
	out := j.carry(ctx)
	r.log.Info("decision carried out", "decision", j.d.ID, "order", j.d.Order, "release", j.d.Release.String(),
		"result", out.Result, "detail", out.Detail)
	return out
}

// claim waits until nobody else carries the decision.
func (r *Runner) claim(ctx context.Context, decision string) (release func(), err error) {
	for {
		r.mu.Lock()
		other, taken := r.busy[decision]
		if !taken {
			done := make(chan struct{})
			r.busy[decision] = done
			r.mu.Unlock()
			return func() { r.release(decision, done) }, nil
		}
		r.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *Runner) release(decision string, done chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, decision)
	close(done)
}
