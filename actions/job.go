package actions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"unship.dev"
)

// job is one decision on its way.
type job struct {
	r       *Runner
	d       unship.Decision
	steps   []step
	planErr error // the first step that cannot be planned, and why
	results []unship.StepResult
}

// step is one step of a job.
type step struct {
	spec    Spec
	action  Action // nil where the spec has a mistake
	n       int    // from 1
	plan    unship.Step
	inPlace bool
}

func (r *Runner) newJob(d unship.Decision, specs []Spec) *job {
	j := &job{r: r, d: d, steps: make([]step, len(specs))}
	for i, spec := range specs {
		if spec.Timeout <= 0 {
			spec.Timeout = DefaultTimeout
		}
		s := step{spec: spec, n: i + 1, plan: unship.Step{Step: i + 1, Action: spec.Kind}}
		var err error
		if s.action, err = r.registry.New(spec); err != nil {
			j.blame(s, err)
		}
		j.steps[i] = s
	}
	if len(specs) == 0 {
		j.planErr = fmt.Errorf("policy %q names no action: nothing is configured to carry a rollback out; add actions to it", d.Policy)
	}
	return j
}

func (j *job) blame(s step, err error) {
	if j.planErr == nil {
		j.planErr = fmt.Errorf("plan step %d (%s): %w", s.n, s.spec.Kind, err)
	}
}

// plan asks every action what it would do.
func (j *job) plan(ctx context.Context) {
	for i := range j.steps {
		s := &j.steps[i]
		if s.action == nil {
			continue
		}
		p, err := attempt(ctx, j.r, s.spec, func(ctx context.Context) (Preview, error) {
			return s.action.Plan(ctx, j.request(*s))
		})
		if err != nil {
			j.blame(*s, err)
			continue
		}
		s.inPlace = p.InPlace
		s.plan.Summary, s.plan.Reversible, s.plan.AtRisk = p.Summary, p.Reversible, p.AtRisk
	}
}

// planUndo says what an undo does: the steps of the rollback, taken back from the last.
func (j *job) planUndo() {
	slices.Reverse(j.steps)
	for i := range j.steps {
		s := &j.steps[i]
		s.plan.Summary = fmt.Sprintf("take step %d (%s) back", s.n, s.spec.Kind)
		_, can := s.action.(Undoer)
		if !can && s.action != nil {
			j.blame(*s, errors.New("this action cannot be taken back"))
		}
	}
}

func (j *job) request(s step) Request {
	return Request{
		Decision: j.d.ID, Undoes: j.d.Undoes, Incident: j.d.Incident,
		Release: j.d.Release, Target: j.d.Target, Step: s.n, Why: j.d.Why,
	}
}

// carry plans and then carries out every step.
func (j *job) carry(ctx context.Context) unship.Outcome {
	work := j.apply
	if j.d.Order == unship.OrderUndo {
		j.planUndo()
		work = j.undo
	} else {
		j.plan(ctx)
	}
	if len(j.steps) == 0 {
		return j.outcome(unship.ResultFailed, j.planErr.Error())
	}
	for _, s := range j.steps {
		res, err := j.durably(ctx, s.plan, func(begun bool) (string, unship.Result, error) { return work(ctx, s, begun) })
		if err != nil {
			return j.outcome(unship.ResultUnknown, err.Error())
		}
		j.results = append(j.results, res)
		if res.Result != unship.ResultDone {
			return j.broken(ctx, s, res)
		}
	}
	return j.outcome(unship.ResultDone, "")
}

// broken ends a job whose step s did not get done.
func (j *job) broken(ctx context.Context, s step, res unship.StepResult) unship.Outcome {
	why := fmt.Sprintf("step %d (%s): %s", s.n, s.spec.Kind, res.Detail)
	if j.d.Order == unship.OrderUndo {
		return j.outcome(worst(res.Result, res.Result), why+"; the steps before it are left as they are")
	}
	return j.compensate(ctx, res, why)
}

func (j *job) outcome(result unship.Result, detail string) unship.Outcome {
	out := unship.Outcome{
		Decision: j.d.ID, Incident: j.d.Incident, Order: j.d.Order,
		Steps: j.results, Result: result, Detail: strings.TrimSpace(detail), At: j.r.now(),
	}
	for _, s := range j.steps {
		if s.plan.Summary != "" {
			out.Plan = append(out.Plan, s.plan)
		}
	}
	return out
}
