package protocol

import (
	"context"
	"fmt"
	"slices"

	"unship.dev/actions"
)

// Verbs is the setting that lists what a receiver understands.
type Verbs []Verb

// Check says what is wrong with the list, "" if nothing is.
func (vs Verbs) Check() string {
	for _, v := range vs {
		if v != Plan && v != Apply && v != Undo {
			return fmt.Sprintf("%q is no verb; have plan, apply, undo", string(v))
		}
	}
	if len(vs) > 0 && !slices.Contains(vs, Apply) {
		return "apply is missing; a receiver that cannot apply is no action"
	}
	return ""
}

// Caller carries one message to a receiver and its answer back.
type Caller interface {
	Call(ctx context.Context, v Verb, r actions.Request) (Answer, error)
}

// NewAction makes an action out of a receiver that understands the verbs; none
// means apply alone. name says for people what the receiver is.
func NewAction(name string, verbs Verbs, c Caller) actions.Action {
	a := action{name: name, verbs: verbs, caller: c}
	if slices.Contains(verbs, Undo) {
		return undoable{a}
	}
	return a
}

type action struct {
	name   string
	verbs  Verbs
	caller Caller
}

func (a action) Plan(ctx context.Context, r actions.Request) (actions.Preview, error) {
	can := slices.Contains(a.verbs, Undo)
	if !slices.Contains(a.verbs, Plan) {
		return actions.Preview{
			Summary:    fmt.Sprintf("ask %s to return %s to %s", a.name, r.Release, r.Target),
			Reversible: can,
			AtRisk:     "not known: it is not asked for a plan",
		}, nil
	}
	ans, err := a.caller.Call(ctx, Plan, r)
	if err != nil {
		return actions.Preview{}, fmt.Errorf("ask %s for a plan: %w", a.name, err)
	}
	return actions.Preview{
		Summary: ans.Summary, AtRisk: ans.AtRisk, InPlace: ans.InPlace,
		Reversible: ans.Reversible && can,
	}, nil
}

func (a action) Apply(ctx context.Context, r actions.Request) (string, error) {
	return a.change(ctx, Apply, r)
}

func (a action) change(ctx context.Context, v Verb, r actions.Request) (string, error) {
	ans, err := a.caller.Call(ctx, v, r)
	if err != nil {
		return "", fmt.Errorf("ask %s to %s: %w", a.name, v, err)
	}
	if ans.Detail == "" {
		return a.name + " answered ok", nil
	}
	return ans.Detail, nil
}

type undoable struct{ action }

func (a undoable) Undo(ctx context.Context, r actions.Request) (string, error) {
	return a.change(ctx, Undo, r)
}
