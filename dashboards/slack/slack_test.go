package slack

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"unship.dev"
	"unship.dev/dashboards/dashboardstest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// start runs a notifier against s until the test ends.
func start(t *testing.T, s *slackServer, state State) *Notifier {
	t.Helper()
	n, err := New(Options{Token: "xoxb-test", Channel: "releases", State: state, APIURL: s.url, PageURL: "https://unship.example.org/"})
	if err != nil {
		t.Fatal(err)
	}
	n.pace = pace{gap: time.Millisecond, first: time.Millisecond, most: 5 * time.Millisecond}
	run(t, n)
	return n
}

func run(t *testing.T, n *Notifier) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// wait waits for n more calls to arrive.
func (s *slackServer) wait(n int) {
	s.t.Helper()
	for range n {
		select {
		case <-s.arrived:
		case <-time.After(20 * time.Second):
			s.t.Fatalf("no further call; so far %v", s.methods())
		}
	}
}

func TestOneMessageAnIncidentThenUpdates(t *testing.T) {
	s := newSlackServer(t)
	var state Memory
	n := start(t, s, &state)
	n.Notify(dashboardstest.Incident())
	s.wait(1)
	n.Notify(dashboardstest.Resolved())
	s.wait(1)
	other := dashboardstest.Incident()
	other.ID = "inc-2"
	n.Notify(other)
	s.wait(1)
	want := []string{"chat.postMessage", "chat.update 170000000.000001", "chat.postMessage"}
	if diff := cmp.Diff(want, s.methods()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	m, ok, err := state.SlackMessage(t.Context(), "inc-7f3a9c")
	if want := (Message{"C012345", "170000000.000001"}); m != want || !ok || err != nil {
		t.Errorf("remembered %v %v %v; want %v", m, ok, err, want)
	}
}

func TestARestartUpdatesAndDoesNotPostAgain(t *testing.T) {
	s := newSlackServer(t)
	var state Memory
	t.Run("before", func(t *testing.T) { // its end waits for the notifier's
		start(t, s, &state).Notify(dashboardstest.Incident())
		s.wait(1)
	})
	start(t, s, &state).Notify(dashboardstest.Resolved())
	s.wait(1)
	if diff := cmp.Diff([]string{"chat.postMessage", "chat.update 170000000.000001"}, s.methods()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestAMessageThatIsGoneIsPostedAgain(t *testing.T) {
	s := newSlackServer(t)
	var state Memory
	if err := state.SetSlackMessage(t.Context(), "inc-7f3a9c", Message{"C012345", "1.2"}); err != nil {
		t.Fatal(err)
	}
	start(t, s, &state).Notify(dashboardstest.Incident())
	s.wait(2)
	if diff := cmp.Diff([]string{"chat.update 1.2", "chat.postMessage"}, s.methods()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestSlacksPaceIsKept(t *testing.T) {
	s := newSlackServer(t)
	s.fail = func(_ string, n int) (int, string, string) {
		if n == 1 {
			return 429, "1", ""
		}
		return 0, "", ""
	}
	began := time.Now()
	start(t, s, &Memory{}).Notify(dashboardstest.Incident())
	s.wait(2)
	if took := time.Since(began); took < time.Second {
		t.Errorf("tried again after %v; Slack asked for 1s", took)
	}
}

func TestWhileSlackIsDownNotifyNeverBlocksAndTheNewestStateWins(t *testing.T) {
	s := newSlackServer(t)
	down := true // guarded by the server's lock
	s.fail = func(string, int) (int, string, string) {
		if down {
			return 503, "", "<html>"
		}
		return 0, "", ""
	}
	n := start(t, s, &Memory{})
	began := time.Now()
	for i := range 10_000 {
		in := dashboardstest.Incident()
		in.Title = fmt.Sprintf("state %d", i)
		n.Notify(in)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("10,000 notifications took %v", took)
	}
	s.wait(3)
	s.mu.Lock()
	down = false
	s.mu.Unlock()
	// What was on its way when the last notification came may still be told first.
	deadline := time.After(20 * time.Second)
	for !strings.Contains(s.message(), "state 9999") {
		select {
		case <-s.arrived:
		case <-deadline:
			t.Fatalf("after Slack came back its message is %s; want the newest state", s.message())
		}
	}
}

func TestARefusedMessageDoesNotHoldUpTheNext(t *testing.T) {
	s := newSlackServer(t)
	s.fail = func(_ string, n int) (int, string, string) {
		if n == 1 {
			return 200, "", `{"ok":false,"error":"invalid_blocks"}`
		}
		return 0, "", ""
	}
	n := start(t, s, &Memory{})
	n.Notify(dashboardstest.Incident())
	other := dashboardstest.Incident()
	other.ID = "inc-2"
	n.Notify(other)
	s.wait(2)
	if got := s.last(); !strings.Contains(got.blocks, "inc-2") {
		t.Errorf("the second call tells of %s; want inc-2", got.blocks)
	}
}

// forgetful cannot store anything.
type forgetful struct{}

func (forgetful) SlackMessage(context.Context, string) (Message, bool, error) {
	return Message{}, false, nil
}
func (forgetful) SetSlackMessage(context.Context, string, Message) error {
	return errors.New("disk full")
}

func TestAStateThatCannotBeWrittenDoesNotPostTwice(t *testing.T) {
	s := newSlackServer(t)
	n := start(t, s, forgetful{})
	n.Notify(dashboardstest.Incident())
	s.wait(1)
	n.Notify(dashboardstest.Resolved())
	s.wait(1)
	if diff := cmp.Diff([]string{"chat.postMessage", "chat.update 170000000.000001"}, s.methods()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestTooManyWaitingIncidentsAreDroppedOldestFirst(t *testing.T) {
	var log strings.Builder
	n, err := New(Options{Token: "xoxb-test", Channel: "c", State: &Memory{}, Queue: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "a", "c"} {
		n.Notify(unship.Incident{ID: id, Title: id})
	}
	var got []string
	for in, ok := n.waiting.take(); ok; in, ok = n.waiting.take() {
		got = append(got, in.ID)
	}
	if diff := cmp.Diff([]string{"b", "c"}, got); diff != "" || !strings.Contains(log.String(), "incident=a") {
		t.Errorf("waiting (-want +got):\n%s\nlog: %s", diff, log.String())
	}
}

func TestBlocks(t *testing.T) {
	quiet := unship.Incident{ID: "inc-3", Status: unship.StatusEscalated, Cause: unship.CauseUnknown}
	for name, in := range map[string]unship.Incident{
		"open": dashboardstest.Incident(), "resolved": dashboardstest.Resolved(), "hostile": dashboardstest.Hostile(), "empty": quiet,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := json.MarshalIndent(blocks(in, "https://unship.example.org"), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			checkLimits(t, string(got), fallbackText(in))
			golden(t, filepath.Join("testdata", name+".json"), string(got)+"\n")
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// Whatever stands in an incident, Slack's limits hold and nothing in it can
// mention anybody or make a link.
func TestAnyTextFitsAndIsHarmless(t *testing.T) {
	texts := rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.SampledFrom([]rune("<>&!@#|é😀\n\t a")), 0, 5000, -1),
		rapid.Just("<!channel> <@U012> <https://evil.example|safe>"))
	rapid.Check(t, func(rt *rapid.T) {
		in := dashboardstest.Incident()
		in.Title, in.ID, in.Environment = texts.Draw(rt, "title"), texts.Draw(rt, "id"), texts.Draw(rt, "environment")
		in.Suspects[0].Service, in.Suspects[0].Previous = texts.Draw(rt, "service"), texts.Draw(rt, "previous")
		in.Evidence[0].Operation, in.Evidence[0].Unit = texts.Draw(rt, "operation"), texts.Draw(rt, "unit")
		for range rapid.IntRange(0, 60).Draw(rt, "many") {
			in.Evidence = append(in.Evidence, in.Evidence[0])
			in.Decision.Gates = append(in.Decision.Gates, unship.Gate{Name: in.Title, Result: unship.GateBlock, Why: in.Title})
			in.Plan = append(in.Plan, unship.Step{Step: 3, Action: in.Title, Summary: in.Environment})
		}
		body, err := json.Marshal(blocks(in, "https://unship.example.org"))
		if err != nil {
			rt.Fatal(err)
		}
		checkLimits(t, string(body), fallbackText(in))
		for _, text := range append(markdownTexts(body), fallbackText(in)) {
			if strings.ContainsAny(text, "<>") {
				rt.Fatalf("%q could be a mention", text)
			}
			if rest := strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(text); strings.Contains(rest, "&") {
				rt.Fatalf("%q has a broken escape", text)
			}
		}
	})
}

// markdownTexts finds every text that Slack reads markup in.
func markdownTexts(body []byte) (texts []string) {
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if v["type"] == "mrkdwn" {
				texts = append(texts, v["text"].(string))
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	var v any
	if json.Unmarshal(body, &v) == nil {
		walk(v)
	}
	return texts
}

func TestMistakesInOptionsAreRefused(t *testing.T) {
	good := Options{Token: "xoxb-test", Channel: "c", State: &Memory{}}
	for name, change := range map[string]func(*Options){
		"no token":   func(o *Options) { o.Token = " " },
		"no channel": func(o *Options) { o.Channel = "" },
		"no state":   func(o *Options) { o.State = nil },
		"a bad page": func(o *Options) { o.PageURL = "unship.example.org" },
		"a bad API":  func(o *Options) { o.APIURL = "ftp://slack" },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: taken; want an error", name)
		}
	}
	if _, err := New(good); err != nil {
		t.Errorf("good options: %v", err)
	}
}
