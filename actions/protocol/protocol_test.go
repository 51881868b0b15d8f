package protocol_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unship.dev/actions/actiontest"
	"unship.dev/actions/protocol"
)

func TestMessageComesBackAsItWas(t *testing.T) {
	b, err := protocol.Encode(protocol.Undo, actiontest.Request("d1"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := protocol.Decode(b)
	want := protocol.Message{
		Schema: protocol.Schema, Verb: protocol.Undo, Decision: "d1", Step: 1, Incident: "incident-1", Environment: "test",
		Namespace: "shop", Service: "ledger", Version: "1.1.0", Target: "1.0.0", Why: "conformance suite",
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, d)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		verb         protocol.Verb
		want         protocol.Answer
		err          string
	}{
		{"a plan", `{"summary":"s","reversible":true,"at_risk":"r","in_place":true}`, protocol.Plan,
			protocol.Answer{Summary: "s", Reversible: true, AtRisk: "r", InPlace: true}, ""},
		{"unknown fields are ignored", `{"detail":"d","more":[1]}` + "\n", protocol.Apply, protocol.Answer{Detail: "d"}, ""},
		{"an empty answer to apply", " \n", protocol.Apply, protocol.Answer{}, ""},
		{"an empty answer to plan", "", protocol.Plan, protocol.Answer{}, "want a JSON object"},
		{"a plan without summary", "{}", protocol.Plan, protocol.Answer{}, "summary is empty"},
		{"null", "null", protocol.Apply, protocol.Answer{}, "it is null"},
		{"a list", "[]", protocol.Apply, protocol.Answer{}, "want a JSON object"},
		{"a wrong type", `{"detail":1}`, protocol.Undo, protocol.Answer{}, "want a JSON object"},
		{"something after it", `{} {}`, protocol.Apply, protocol.Answer{}, "something follows"},
		{"too long a text", `{"detail":"` + strings.Repeat("x", protocol.MaxText+1) + `"}`, protocol.Apply, protocol.Answer{}, "at most"},
	} {
		got, err := protocol.Parse(c.verb, []byte(c.answer))
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%s: got %+v, %v; want %+v", c.name, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: got %v; want %q", c.name, err, c.err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"summary":"s","in_place":true}`, `{"detail":"d"}`, `null`, `{} 1`, `{"summary":"\ud800"}`, "\x00", "[[[["} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, answer string, plan bool) {
		verb := protocol.Apply
		if plan {
			verb = protocol.Plan
		}
		a, err := protocol.Parse(verb, []byte(answer))
		if err != nil {
			return
		}
		if plan && a.Summary == "" || len(a.Summary) > protocol.MaxText || len(a.Detail) > protocol.MaxText || len(a.AtRisk) > protocol.MaxText {
			t.Errorf("accepted %+v", a)
		}
	})
}
