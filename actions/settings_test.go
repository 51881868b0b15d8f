package actions_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unship.dev/actions"
	"unship.dev/actions/builtin"
)

func TestSettingsMistakesHaveTheirPlace(t *testing.T) {
	var into struct {
		URL   string   `yaml:"url"`
		Count int      `yaml:"count"`
		List  []string `yaml:"list"`
	}
	for _, c := range []struct{ name, with, want string }{
		{"unknown key", "url: x\nurk: y\n", "line 11, column 1: unknown field"},
		{"wrong type", "url: x\ncount: many\n", "line 11, column 8: "},
		{"repeated key", "url: x\nurl: y\n", "line 11, column 1: "},
		{"broken yaml", "url: x\n  list: [\n", "line 1"},
	} {
		err := actions.NewSettings([]byte(c.with), 10).Decode(&into)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v; want %q", c.name, err, c.want)
		}
	}
	s := actions.NewSettings([]byte("url: x\nlist:\n  - a\n  - b\n"), 10)
	if err := s.Mistake("$.list[1]", "no"); err.Error() != "line 13, column 5: no" {
		t.Errorf("a mistake in a list: %v", err)
	}
	if err := s.Mistake("$.count", "missing"); err.Error() != "line 10, column 1: missing" {
		t.Errorf("a missing setting: %v", err)
	}
	if err := actions.NewSettings(nil, 10).Decode(&into); err != nil {
		t.Errorf("no settings at all: %v", err)
	}
}

func TestCheckReportsEveryMistake(t *testing.T) {
	reg, err := actions.NewRegistry(builtin.Factories()...)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range reg.Check([]actions.Spec{
		{Kind: "exec", Line: 3, With: []byte("verbs: [fly]\nenv: {\"a=b\": c}\n")},
		{Kind: "webhook", Line: 9, With: []byte("url: ftp://x\nsecret: {env: UNSHIP_TEST_NO_SUCH_VARIABLE}\n")},
		{Kind: "helm", Line: 20, Retries: -1},
	}) {
		got = append(got, m.Error())
	}
	want := []string{
		"line 3, column 1: command: is missing; want a list: the program, then its arguments",
		`line 3, column 8: verbs: "fly" is no verb; have plan, apply, undo`,
		`line 4, column 6: env: "a=b" is no name of an environment variable`,
		"line 9, column 6: url: want an address that begins with https:// or http://",
		"line 10, column 9: secret: environment variable UNSHIP_TEST_NO_SUCH_VARIABLE is empty; set the secret there",
		"line 20, column 1: action helm: timeout is 0s and retries -1; neither can be negative",
		`line 20, column 1: unknown action kind "helm"; have exec, file, webhook`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("mistakes (-want +got):\n%s", d)
	}
}

func TestRegistryRefusesTwoOfAKind(t *testing.T) {
	f := builtin.Factories()[0]
	if _, err := actions.NewRegistry(f, f); err == nil || !strings.Contains(err.Error(), "two factories") {
		t.Errorf("got %v", err)
	}
}

func TestSecretHidesItself(t *testing.T) {
	s := actions.NewSecret("open sesame")
	j, err := json.Marshal(map[string]any{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s)
	for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %x %q", s, s, s, s, s, s), string(j), log.String(),
		fmt.Sprintf("%+v", struct{ S actions.Secret }{s})} {
		if strings.Contains(shown, "sesame") || strings.Contains(shown, "6f70656e") || !strings.Contains(shown, "[hidden]") {
			t.Errorf("shown as %s", shown)
		}
	}
	if string(s.Reveal()) != "open sesame" {
		t.Error("Reveal does not reveal")
	}
}

func TestMarksSurviveWrapping(t *testing.T) {
	err := fmt.Errorf("ask: %w", actions.Retryable(actions.Uncertain(errors.New("x"))))
	if !actions.IsRetryable(err) || !actions.IsUncertain(err) {
		t.Error("a mark was lost")
	}
	if plain := errors.New("x"); actions.IsRetryable(plain) || actions.IsUncertain(plain) {
		t.Error("an error without marks has some")
	}
}
