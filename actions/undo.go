package actions

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"unship.dev"
)

// undo takes one step of an earlier rollback back.
func (j *job) undo(ctx context.Context, s step, _ bool) (string, unship.Result, error) {
	if j.planErr != nil {
		return j.planErr.Error(), unship.ResultSkipped, stopped(ctx)
	}
	return j.takeBack(ctx, s, j.d.Undoes)
}

// takeBack calls Undo. What was interrupted is simply called again: Undo is idempotent.
func (j *job) takeBack(ctx context.Context, s step, decision string) (string, unship.Result, error) {
	u, can := s.action.(Undoer)
	if !can {
		return "this action cannot be taken back", unship.ResultSkipped, nil
	}
	req := j.request(s)
	req.Undoes = decision
	detail, err := attempt(ctx, j.r, s.spec, func(ctx context.Context) (string, error) { return u.Undo(ctx, req) })
	switch {
	case err == nil:
		return detail, unship.ResultDone, nil
	case stopped(ctx) != nil:
		return err.Error(), unship.ResultUnknown, stopped(ctx)
	case uncertain(err):
		return err.Error(), unship.ResultUnknown, nil
	}
	return err.Error(), unship.ResultFailed, nil
}

// compensate takes back what a broken rollback did, from the last step to the
// first. It stops at the first step that cannot be taken back: what came before
// that step may depend on it.
//
// Compensating steps are steps of the same decision, numbered after its own, so
// that a crash in their midst is survived like any other.
func (j *job) compensate(ctx context.Context, broke unship.StepResult, why string) unship.Outcome {
	ran := len(j.results)
	if broke.Result != unship.ResultUnknown { // a failed step took no effect
		ran--
	}
	var back []string
	for _, s := range slices.Backward(j.steps[:ran]) {
		plan := unship.Step{
			Step: 2*len(j.steps) - s.n + 1, Action: s.spec.Kind,
			Summary: fmt.Sprintf("take step %d (%s) back", s.n, s.spec.Kind),
		}
		res, err := j.durably(ctx, plan, func(bool) (string, unship.Result, error) { return j.takeBack(ctx, s, j.d.ID) })
		if err != nil {
			return j.outcome(unship.ResultUnknown, why+"; "+err.Error())
		}
		j.results = append(j.results, res)
		if res.Result != unship.ResultDone {
			return j.outcome(worst(broke.Result, res.Result), fmt.Sprintf(
				"%s; step %d (%s) could not be taken back: %s; a person must look", why, s.n, s.spec.Kind, res.Detail))
		}
		back = append(back, fmt.Sprint(s.n))
	}
	if len(back) == 0 {
		return j.outcome(unship.ResultFailed, why+"; nothing was changed")
	}
	return j.outcome(unship.ResultFailed, why+"; taken back: step "+strings.Join(back, ", "))
}

func worst(a, b unship.Result) unship.Result {
	if a == unship.ResultUnknown || b == unship.ResultUnknown {
		return unship.ResultUnknown
	}
	return unship.ResultFailed
}
