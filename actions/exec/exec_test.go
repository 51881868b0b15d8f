package exec_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"unship.dev/actions"
	"unship.dev/actions/actiontest"
	"unship.dev/actions/example"
	"unship.dev/actions/exec"
	"unship.dev/actions/protocol"
)

const actAs = "UNSHIP_TEST_ACT_AS"

// TestMain lets the test binary be the program that the action runs.
func TestMain(m *testing.M) {
	if role := os.Getenv(actAs); role != "" {
		os.Exit(program(role))
	}
	os.Exit(m.Run())
}

func program(role string) int {
	switch role {
	case "try-again":
		fmt.Fprintln(os.Stderr, "the cluster is busy")
		return exec.Retry
	case "fail":
		fmt.Fprint(os.Stderr, strings.Repeat("x", 10_000), "no such deployment")
		return 3
	case "talk":
		fmt.Print(strings.Repeat("x", protocol.MaxAnswer+1))
		return 0
	case "babble":
		fmt.Print("rolled back")
		return 0
	case "hang":
		return hang()
	case "environment":
		b, _ := json.Marshal(protocol.Answer{Detail: strings.Join(os.Environ(), " ")})
		fmt.Println(string(b))
		return 0
	}
	return serveFile(role)
}

// hang starts a child that notes in a file, again and again, that it lives.
func hang() int {
	if os.Args[len(os.Args)-1] != "child" {
		child, err := os.StartProcess(os.Args[0], append(os.Args, "child"), &os.ProcAttr{Env: os.Environ()})
		if err != nil {
			return 1
		}
		_, _ = child.Wait()
		return 1
	}
	for now := range time.Tick(5 * time.Millisecond) {
		_ = os.WriteFile(os.Args[1], []byte(now.String()), 0o644)
	}
	return 0
}

// serveFile answers the protocol by the file action.
func serveFile(path string) int {
	a, err := example.Factory().New(actions.NewSettings([]byte("path: "+path), 1))
	if err == nil {
		err = protocol.Serve(context.Background(), a, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// The race detector would let each program linger for a second.
func settings(role string) string {
	return fmt.Sprintf("command: [%q]\nverbs: [plan, apply, undo]\nenv: {%s: %q, GORACE: atexit_sleep_ms=0}\n", os.Args[0], actAs, role)
}

func as(role string) func(*testing.T) actiontest.Platform {
	return func(*testing.T) actiontest.Platform { return actiontest.Platform{Settings: settings(role)} }
}

func TestConformance(t *testing.T) {
	actiontest.Run(t, exec.Factory(), actiontest.Env{
		New: func(t *testing.T) actiontest.Platform {
			file := filepath.Join(t.TempDir(), "version")
			if err := os.WriteFile(file, []byte("1.1.0\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			return actiontest.Platform{Settings: settings(file), State: func(t *testing.T) string {
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}}
		},
		Temporary: as("try-again"), Final: as("fail"),
	})
}

func apply(t *testing.T, ctx context.Context, settings string) (string, error) {
	t.Helper()
	a, err := exec.Factory().New(actions.NewSettings([]byte(settings), 1))
	if err != nil {
		t.Fatal(err)
	}
	return a.Apply(ctx, actiontest.Request("d1"))
}

func TestFailuresAreExplained(t *testing.T) {
	for _, c := range []struct {
		role, want string
		uncertain  bool
	}{
		{"try-again", "the cluster is busy", false},
		{"fail", "no such deployment", false},
		{"talk", "more than", true},
		{"babble", "want a JSON object", true},
	} {
		_, err := apply(t, t.Context(), settings(c.role))
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 3000 {
			t.Errorf("%s: got %v; want %q in at most 3000 bytes", c.role, err, c.want)
		}
		if actions.IsUncertain(err) != c.uncertain {
			t.Errorf("%s: uncertain is %v; want %v", c.role, !c.uncertain, c.uncertain)
		}
	}
}

func TestEnvironmentIsSmall(t *testing.T) {
	t.Setenv("UNSHIP_TEST_SECRET", "sesame")
	t.Setenv("UNSHIP_TEST_WANTED", "wanted")
	got, err := apply(t, t.Context(), settings("environment")+"inherit: [UNSHIP_TEST_WANTED]\n")
	if err != nil || strings.Contains(got, "sesame") || !strings.Contains(got, "UNSHIP_TEST_WANTED=wanted") {
		t.Errorf("the program's environment is %q, error %v", got, err)
	}
}

func TestTimeoutKillsTheWholeGroup(t *testing.T) {
	alive := filepath.Join(t.TempDir(), "alive")
	set := fmt.Sprintf("command: [%q, %q]\nenv: {%s: hang}\n", os.Args[0], alive, actAs)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // time runs out once the child of the program lives
		for ctx.Err() == nil {
			if b, err := os.ReadFile(alive); err == nil && len(b) > 0 {
				cancel()
			}
		}
	}()
	if _, err := apply(t, ctx, set); err == nil || !actions.IsUncertain(err) {
		t.Errorf("got %v; want an uncertain failure", err)
	}
	last, err := os.ReadFile(alive)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(100 * time.Millisecond); time.Now().Before(deadline); {
		if b, err := os.ReadFile(alive); err == nil && len(b) > 0 && string(b) != string(last) {
			t.Fatal("the program's child lives on")
		}
	}
}

func TestSimpleProgramIsNotAskedForAPlan(t *testing.T) {
	a, err := exec.Factory().New(actions.NewSettings([]byte(fmt.Sprintf("command: [%q]\nenv: {%s: fail}\n", os.Args[0], actAs)), 1))
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Plan(t.Context(), actiontest.Request("d1"))
	if err != nil || p.Reversible || p.AtRisk == "" || !strings.Contains(p.Summary, "shop/ledger 1.1.0 to 1.0.0") {
		t.Errorf("plan is %+v, %v", p, err)
	}
	if _, can := a.(actions.Undoer); can {
		t.Error("it claims an undo that its settings do not list")
	}
}
