package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/cmd/eval/scenario"
	"unship.dev/ingest/file"
)

// platform is an action's other end: a program that notes when it was asked
// what, and stops where the test wants to pull the plug.
const platform = `#!/bin/sh
# $1 is the folder of the test.
request=$(cat)
case "$request" in
*'"verb":"plan"'*)
	echo plan >>"$1/asked"
	while [ -e "$1/hold-plan" ]; do sleep 0.1; done
	in_place=false
	[ -e "$1/in-place" ] && in_place=true
	echo "{\"summary\":\"route to the version before\",\"reversible\":true,\"at_risk\":\"\",\"in_place\":$in_place}" ;;
*'"verb":"apply"'*)
	echo apply >>"$1/asked"
	while [ -e "$1/hold-apply" ]; do sleep 0.1; done
	if [ ! -e "$1/in-place" ]; then echo effect >>"$1/effects"; touch "$1/in-place"; fi
	while [ -e "$1/hold-answer" ]; do sleep 0.1; done
	echo '{"detail":"routed"}' ;;
*'"verb":"undo"'*)
	rm -f "$1/in-place"
	echo '{"detail":"routed back"}' ;;
esac
`

// crash is one instant at which the process is killed.
type crash struct {
	name string
	hold string            // the file that keeps the platform waiting there
	when func(p plug) bool // true at that instant
	sig  syscall.Signal
}

// plug is the folder in which the platform notes what it was asked.
type plug string

func (p plug) has(file, word string) bool {
	text, err := os.ReadFile(filepath.Join(string(p), file))
	return err == nil && strings.Contains(string(text), word)
}

func (p plug) count(file, word string) int {
	text, _ := os.ReadFile(filepath.Join(string(p), file))
	return strings.Count(string(text), word)
}

// TestKillLosesNoActionAndRepeatsNone: whenever the process is killed, the
// rollback takes effect, once.
func TestKillLosesNoActionAndRepeatsNone(t *testing.T) {
	dir := recording(t, "canary-errors", scenario.Options{Seed: 11, History: 3 * time.Minute, After: 3 * time.Minute, Scale: 0.7})
	all := items(t, dir)
	for _, c := range []crash{
		{"between decision and action", "hold-plan", func(p plug) bool { return p.has("asked", "plan") }, syscall.SIGKILL},
		{"before the effect", "hold-apply", func(p plug) bool { return p.has("asked", "apply") }, syscall.SIGKILL},
		{"after the effect, before the answer", "hold-answer", func(p plug) bool { return p.has("effects", "effect") }, syscall.SIGKILL},
		{"after the action", "", func(p plug) bool { return p.has("effects", "effect") }, syscall.SIGKILL},
		{"politely, during the action", "hold-answer", func(p plug) bool { return p.has("effects", "effect") }, syscall.SIGTERM},
	} {
		t.Run(c.name, func(t *testing.T) { crashed(t, c, all) })
	}
}

func crashed(t *testing.T, c crash, all []file.Item) {
	folder := t.TempDir()
	p := plug(folder)
	program := filepath.Join(folder, "platform")
	if err := os.WriteFile(program, []byte(platform), 0o700); err != nil {
		t.Fatal(err)
	}
	if c.hold != "" {
		if err := os.WriteFile(filepath.Join(folder, c.hold), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, fmt.Sprintf(`
policies:
  - name: killed
    mode: auto
    actions:
      - kind: exec
        timeout: 50s
        with: {command: [%q, %q], verbs: [plan, apply, undo]}
`, program, folder))
	for _, i := range all {
		if i.Kind != file.KindAnnouncements {
			send(t, s, i)
		}
	}
	s.until("the platform is asked", time.Minute, func() bool { return c.when(p) })
	if c.sig == syscall.SIGTERM {
		_ = s.cmd.Process.Signal(c.sig)
		os.Remove(filepath.Join(folder, c.hold))
		<-s.ended
	} else {
		s.kill(c.sig)
		os.Remove(filepath.Join(folder, c.hold))
	}
	s.start()
	var incident unship.Incident
	s.until("the rollback is carried out", time.Minute, func() bool {
		found := s.incidents()
		if len(found) == 0 {
			return false
		}
		incident = found[len(found)-1]
		return len(incident.Actions) > 0 && incident.Actions[0].Result == unship.ResultDone
	})
	if n := p.count("effects", "effect"); n != 1 {
		t.Errorf("the rollback took effect %d times", n)
	}
	if len(s.incidents()) != 1 {
		t.Errorf("%d incidents; want the one", len(s.incidents()))
	}
}
