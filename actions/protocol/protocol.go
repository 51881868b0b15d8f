// Package protocol is the JSON that actions written in any language speak. The
// kinds exec and webhook carry it.
//
// A message names a verb:
//
//	{"schema":"unship.action/v1","verb":"apply","decision":"d1","step":1,"incident":"i1",
//	 "environment":"production","namespace":"shop","service":"ledger","version":"1.1.0","target":"1.0.0","why":"…"}
//
// The answer to plan is {"summary":"…","reversible":true,"at_risk":"","in_place":false};
// the answer to apply and undo is {"detail":"…"}. Unknown fields are ignored on
// both sides, so that either may be newer. plan must change nothing; apply and
// undo must be idempotent by decision and step.
//
// A receiver gets only the verbs that its policy lists under verbs, which is
// apply alone unless said otherwise: a simple script never changes anything
// because someone asked for a plan.
package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"unship.dev/actions"
)

// Schema names the messages.
const Schema = "unship.action/v1"

// Verb is what a message asks for.
type Verb string

// The verbs.
const (
	Plan  Verb = "plan"
	Apply Verb = "apply"
	Undo  Verb = "undo"
)

// Message is what is asked.
type Message struct {
	Schema      string `json:"schema"`
	Verb        Verb   `json:"verb"`
	Decision    string `json:"decision"`
	Undoes      string `json:"undoes,omitempty"` // of undo: the decision that is taken back
	Step        int    `json:"step"`
	Incident    string `json:"incident"`
	Environment string `json:"environment"`
	Namespace   string `json:"namespace"`
	Service     string `json:"service"`
	Version     string `json:"version"` // the release to take back
	Target      string `json:"target"`  // the version to return to
	Why         string `json:"why,omitempty"`
}

// Answer is what comes back.
type Answer struct {
	Summary    string `json:"summary,omitempty"`
	Reversible bool   `json:"reversible,omitempty"`
	AtRisk     string `json:"at_risk,omitempty"`
	InPlace    bool   `json:"in_place,omitempty"`
	Detail     string `json:"detail,omitempty"`
}

// MaxAnswer is the size, in bytes, to which answers are read.
const MaxAnswer = 64 << 10

// MaxText is the length, in bytes, of each text in an answer.
const MaxText = 4 << 10

// Encode writes the message that asks v of r.
func Encode(v Verb, r actions.Request) ([]byte, error) {
	return json.Marshal(Message{
		Schema: Schema, Verb: v, Decision: r.Decision, Undoes: r.Undoes, Step: r.Step, Incident: r.Incident,
		Environment: r.Release.Environment, Namespace: r.Release.Namespace, Service: r.Release.Name,
		Version: r.Release.Version, Target: r.Target, Why: r.Why,
	})
}

// Decode reads a message. Receivers written in Go use it.
func Decode(b []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("read message: %w", err)
	}
	if m.Schema != Schema {
		return m, fmt.Errorf("read message: schema is %q; want %q", m.Schema, Schema)
	}
	return m, nil
}

// Parse reads the answer to v: one JSON object, and nothing after it. To apply
// and undo an empty answer is a good one.
func Parse(v Verb, b []byte) (Answer, error) {
	var a Answer
	if len(bytes.TrimSpace(b)) == 0 && v != Plan {
		return a, nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	var object *Answer // stays nil when the answer is null
	if err := d.Decode(&object); err != nil {
		return a, fmt.Errorf("read answer to %s: want a JSON object: %w", v, err)
	}
	if object == nil {
		return a, fmt.Errorf("read answer to %s: it is null; want a JSON object", v)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return a, fmt.Errorf("read answer to %s: something follows the JSON object", v)
	}
	return *object, object.check(v)
}

func (a Answer) check(v Verb) error {
	if v == Plan && a.Summary == "" {
		return errors.New("read answer to plan: summary is empty; say in one line what apply would do")
	}
	for field, text := range map[string]string{"summary": a.Summary, "at_risk": a.AtRisk, "detail": a.Detail} {
		if len(text) > MaxText {
			return fmt.Errorf("read answer to %s: %s has %d bytes; at most %d are taken", v, field, len(text), MaxText)
		}
	}
	return nil
}
