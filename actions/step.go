package actions

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/cenkalti/backoff/v5"

	"unship.dev"
)

// errInterrupted says that the step is neither done nor failed: the process is
// asked to stop. The ledger keeps the step as begun.
var errInterrupted = errors.New("interrupted; it is finished or reconciled at the next start")

// durably carries one step out between its two entries in the ledger. begun
// tells do that an earlier process began the step and did not end it. An error
// means that the step is to be carried again.
func (j *job) durably(ctx context.Context, plan unship.Step,
	do func(begun bool) (string, unship.Result, error)) (unship.StepResult, error) {
	known, begun, err := j.r.ledger.Begin(ctx, j.d.ID, plan)
	if err != nil {
		return known, fmt.Errorf("note the beginning of step %d: %w", plan.Step, err)
	}
	if begun && !known.EndedAt.IsZero() {
		return known, nil
	}
	res := unship.StepResult{Step: plan.Step, Action: plan.Action, StartedAt: j.r.now()}
	if begun && !known.StartedAt.IsZero() {
		res.StartedAt = known.StartedAt
	}
	if res.Detail, res.Result, err = do(begun); err != nil {
		return res, fmt.Errorf("step %d (%s): %w", plan.Step, plan.Action, err)
	}
	res.EndedAt = j.r.now()
	// What happened is noted even if the process is asked to stop right now.
	if err := j.r.ledger.End(context.WithoutCancel(ctx), j.d.ID, res); err != nil {
		return res, fmt.Errorf("note the end of step %d: %w", plan.Step, err)
	}
	j.r.log.Info("step ended", "decision", j.d.ID, "step", res.Step, "action", res.Action,
		"result", res.Result, "detail", res.Detail)
	return res, nil
}

// apply carries out one step of a rollback.
func (j *job) apply(ctx context.Context, s step, begun bool) (string, unship.Result, error) {
	switch {
	case j.planErr != nil && begun: // nobody can say whether it took effect
		return j.planErr.Error(), unship.ResultUnknown, stopped(ctx)
	case j.planErr != nil:
		return j.planErr.Error(), unship.ResultSkipped, stopped(ctx)
	case begun && s.inPlace:
		return "found in place after an interruption", unship.ResultDone, nil
	}
	detail, err := attempt(ctx, j.r, s.spec, func(ctx context.Context) (string, error) {
		return s.action.Apply(ctx, j.request(s))
	})
	if err == nil {
		return detail, unship.ResultDone, nil
	}
	if stop := stopped(ctx); stop != nil {
		return err.Error(), unship.ResultUnknown, stop
	}
	if uncertain(err) {
		return j.settle(ctx, s, err)
	}
	return err.Error(), unship.ResultFailed, nil
}

// settle asks Plan what became of a step whose Apply gave no clear answer.
func (j *job) settle(ctx context.Context, s step, cause error) (string, unship.Result, error) {
	p, err := attempt(ctx, j.r, s.spec, func(ctx context.Context) (Preview, error) {
		return s.action.Plan(ctx, j.request(s))
	})
	if stop := stopped(ctx); stop != nil {
		return cause.Error(), unship.ResultUnknown, stop
	}
	if err == nil && p.InPlace {
		return fmt.Sprintf("found in place although: %v", cause), unship.ResultDone, nil
	}
	return cause.Error(), unship.ResultUnknown, nil
}

func stopped(ctx context.Context) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	return nil
}

func uncertain(err error) bool {
	return IsUncertain(err) || errors.Is(err, context.DeadlineExceeded)
}

// attempt calls do until it succeeds, fails for good, or the step's retries or
// its timeout are used up. It waits longer after each failure, with jitter.
func attempt[T any](ctx context.Context, r *Runner, spec Spec, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, spec.Timeout, fmt.Errorf("not done within %v: %w", spec.Timeout, context.DeadlineExceeded))
	defer cancel()
	var last error // backoff forgets why when time runs out
	res, err := backoff.Retry(ctx, func() (T, error) {
		res, err := guarded(ctx, do)
		last = err
		return res, forBackoff(err)
	}, backoff.WithBackOff(backoff.NewExponentialBackOff()), backoff.WithMaxTries(uint(spec.Retries)+1),
		backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(_ error, wait time.Duration) {
			r.log.Warn("action is tried again", "action", spec.Kind, "error", last, "wait", wait)
		}))
	switch {
	case err == nil:
		return res, nil
	case ctx.Err() != nil:
		return res, fmt.Errorf("%w (last: %w)", context.Cause(ctx), last)
	}
	return res, last
}

// forBackoff says in the library's terms whether err is tried again.
func forBackoff(err error) error {
	switch wait := retryDelay(err); {
	case err == nil:
		return nil
	case !IsRetryable(err):
		return backoff.Permanent(err)
	case wait > 0:
		return &backoff.RetryAfterError{Duration: wait}
	}
	return err
}

// guarded calls do and turns its panic into an error: one action's mistake must
// not stop the process that watches everything else.
func guarded[T any](ctx context.Context, do func(context.Context) (T, error)) (res T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Uncertain(fmt.Errorf("action panicked: %v\n%s", p, debug.Stack()))
		}
	}()
	return do(ctx)
}

func stepKey(decision string, step int) string { return fmt.Sprintf("%s/%d", decision, step) }
