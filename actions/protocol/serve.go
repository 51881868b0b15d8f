package protocol

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"unship.dev"
	"unship.dev/actions"
)

// Serve answers one message, read from in, by the action, and writes the answer
// to out. It is all that a program behind exec needs if it is written in Go.
func Serve(ctx context.Context, a actions.Action, in io.Reader, out io.Writer) error {
	b, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	m, err := Decode(b)
	if err != nil {
		return err
	}
	ans, err := m.answer(ctx, a)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(ans)
}

func (m Message) answer(ctx context.Context, a actions.Action) (ans Answer, err error) {
	switch m.Verb {
	case Plan:
		p, err := a.Plan(ctx, m.Request())
		return Answer{Summary: p.Summary, Reversible: p.Reversible, AtRisk: p.AtRisk, InPlace: p.InPlace}, err
	case Apply:
		ans.Detail, err = a.Apply(ctx, m.Request())
		return ans, err
	case Undo:
		if u, can := a.(actions.Undoer); can {
			ans.Detail, err = u.Undo(ctx, m.Request())
			return ans, err
		}
		return ans, fmt.Errorf("this action cannot be taken back; leave undo out of its verbs")
	}
	return ans, fmt.Errorf("%q is no verb; have plan, apply, undo", string(m.Verb))
}

// Request is what the message asks, as actions written in Go are asked.
func (m Message) Request() actions.Request {
	return actions.Request{
		Decision: m.Decision, Undoes: m.Undoes, Incident: m.Incident, Step: m.Step, Target: m.Target, Why: m.Why,
		Release: unship.ReleaseID{
			Service: unship.Service{Environment: m.Environment, Namespace: m.Namespace, Name: m.Service},
			Version: m.Version,
		},
	}
}
