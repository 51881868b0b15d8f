package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/cmd/eval/score"
	"unship.dev/cmd/eval/truth"
)

// fake names the variable that turns the test's own binary into an unship of
// that character.
const fake = "UNSHIP_EVAL_FAKE"

func TestMain(m *testing.M) {
	if character := os.Getenv(fake); character != "" {
		os.Exit(pretend(character, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// pretend answers `replay -o json DIR`.
func pretend(character string, args []string) int {
	if len(args) != 4 || args[0] != "replay" || args[1] != "-o" || args[2] != "json" {
		fmt.Fprintln(os.Stderr, "unexpected arguments", args)
		return 2
	}
	t, err := truth.Read(args[3])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	switch character {
	case "oracle":
		if !t.Control() {
			service, version := t.Guilty()
			tell(service, version, t.Exposed().Add(30*time.Second))
		}
	case "hasty":
		if len(t.Releases) > 0 {
			tell(t.Releases[0].Service, t.Releases[0].To, t.Start.Add(5*time.Second))
		}
	case "broken":
		fmt.Println("{not JSON")
	case "crash":
		fmt.Fprintln(os.Stderr, "out of luck")
		return 3
	}
	return 0
}

func tell(service, version string, at time.Time) {
	i := unship.Incident{
		Schema: unship.IncidentSchema, ID: "1", DetectedAt: at,
		Suspects: []unship.Suspect{{Namespace: "shop", Service: service, Version: version}},
		Decision: unship.DecisionRecord{Verdict: unship.DecideRollback, At: at},
	}
	if err := json.NewEncoder(os.Stdout).Encode(i); err != nil {
		panic(err)
	}
}

// small keeps generated recordings small.
var small = []string{"-scale", ".05", "-history", "1m", "-after", "1m"}

func evaluate(t *testing.T, character string, args ...string) (int, string) {
	t.Helper()
	t.Setenv(fake, character)
	var out, errs bytes.Buffer
	code, err := run(t.Context(), append(append([]string{"-unship", os.Args[0]}, small...), args...), &out, &errs)
	if err != nil {
		t.Fatalf("run: %v\n%s", err, errs.String())
	}
	return code, out.String()
}

func TestExitStatus(t *testing.T) {
	rows := []struct {
		name, character, kinds string
		code                   int
	}{
		{"finds all and leaves the rest alone", "oracle", "good-canary,canary-errors", 0},
		{"rolls back what is harmless", "hasty", "good-canary", 1},
		{"misses a gross fault", "silent", "canary-errors", 1},
		{"misses a small fault", "silent", "slow-tail", 0},
		{"prints what nobody can read", "broken", "good-canary", 1},
		{"ends badly", "crash", "good-canary", 1},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if code, out := evaluate(t, row.character, "-kinds", row.kinds); code != row.code {
				t.Errorf("exit status %d; want %d\n%s", code, row.code, out)
			}
		})
	}
}

func TestJSONHasALineForEveryRecording(t *testing.T) {
	_, out := evaluate(t, "oracle", "-kinds", "good-canary,canary-errors", "-seeds", "2", "-o", "json")
	var cases []string
	for dec := json.NewDecoder(strings.NewReader(out)); dec.More(); {
		var r score.Result
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, r.Case)
		if !r.OK() {
			t.Errorf("%s: %s; want all well", r.Case, r.Words())
		}
	}
	want := "good-canary-1 good-canary-2 canary-errors-1 canary-errors-2"
	if got := strings.Join(cases, " "); got != want {
		t.Errorf("recordings %s; want %s", got, want)
	}
}

func TestDataIsScoredByDatasetAndNeverFailsTheRun(t *testing.T) {
	root := t.TempDir()
	for dir, label := range map[string]string{
		"set-a/1": `{"case":"1","service":"ad","release":"ad@v2","start":"2026-01-01T00:00:00Z","releases":[{"service":"ad","to":"v2","time":"2026-01-01T00:00:00Z"}]}`,
		"set-b/1": `{"case":"1","service":null,"start":"2026-01-01T00:00:00Z","releases":[{"service":"ad","to":"v2","time":"2026-01-01T00:00:00Z"}]}`,
	} {
		dir = filepath.Join(root, dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, truth.File), []byte(label), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, out := evaluate(t, "hasty", "-kinds", "", "-data", root)
	if code != 0 {
		t.Errorf("exit status %d; want 0: recordings of others are no reason to fail", code)
	}
	for _, want := range []string{"set-a", "set-b", "all", "WRONG rollback of ad@v2"} {
		if !strings.Contains(out, want) {
			t.Errorf("the table lacks %q:\n%s", want, out)
		}
	}
}

func TestKeepKeepsRecordings(t *testing.T) {
	dir := t.TempDir()
	evaluate(t, "oracle", "-kinds", "blip", "-keep", dir)
	if _, err := truth.Read(filepath.Join(dir, "blip-1")); err != nil {
		t.Error(err)
	}
}

func TestMistakesOfTheCommandLine(t *testing.T) {
	for _, args := range [][]string{
		{"-o", "xml"}, {"-kinds", "nonsense"}, {"-seeds", "0"}, {"stray"}, {"-data", t.TempDir()}, {"-scale", "-1"},
	} {
		var out, errs bytes.Buffer
		if code, err := run(t.Context(), args, &out, &errs); code != 2 || err == nil {
			t.Errorf("eval %v: exit status %d, %v; want 2 and an error", args, code, err)
		}
	}
}

func TestListNamesEveryKind(t *testing.T) {
	var out, errs bytes.Buffer
	if code, err := run(t.Context(), []string{"-list"}, &out, &errs); code != 0 || err != nil {
		t.Fatalf("exit status %d, %v", code, err)
	}
	if !strings.Contains(out.String(), "poisoned-callee") {
		t.Errorf("list lacks a kind:\n%s", out.String())
	}
}
