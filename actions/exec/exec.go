// Package exec is the action that runs a program: one JSON message of package
// protocol on its standard input, one JSON answer on its standard output.
//
//   - kind: exec
//     with:
//     command: [/usr/local/bin/roll-back, --cluster, eu1]   # never a shell
//     verbs: [plan, apply, undo]      # what it understands; apply alone if absent
//     env: {REGION: eu1}              # added to its environment
//     inherit: [KUBECONFIG]           # taken from ours; PATH and HOME always are
//     dir: /srv/deploy
//
// Exit status 0 is success, 75 (EX_TEMPFAIL) a failure worth another try, any
// other a final failure; the end of standard error goes into the message. When
// time runs out, the program's whole process group is killed.
package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"unship.dev/actions"
	"unship.dev/actions/protocol"
)

// Retry is the exit status that asks for another try (EX_TEMPFAIL of sysexits.h).
const Retry = 75

const (
	stderrTail = 2 << 10
	// afterKill is how long a killed program's pipes are still read.
	afterKill = 2 * time.Second
)

// Factory makes exec actions.
func Factory() actions.Factory {
	return actions.Factory{Kind: "exec", Summary: "runs a program that answers JSON on its standard output", New: newProgram}
}

type settings struct {
	Command []string          `yaml:"command"`
	Verbs   protocol.Verbs    `yaml:"verbs"`
	Env     map[string]string `yaml:"env"`
	Inherit []string          `yaml:"inherit"`
	Dir     string            `yaml:"dir"`
}

func newProgram(s actions.Settings) (actions.Action, error) {
	var set settings
	if err := s.Decode(&set); err != nil {
		return nil, err
	}
	if err := set.check(s); err != nil {
		return nil, err
	}
	path, err := exec.LookPath(set.Command[0])
	if err != nil {
		return nil, s.Mistake("$.command[0]", "command: %v; give the path of a program that can be run", err)
	}
	return protocol.NewAction(set.Command[0], set.Verbs, program{settings: set, path: path}), nil
}

func (set settings) check(s actions.Settings) error {
	var all []error
	if len(set.Command) == 0 || set.Command[0] == "" {
		all = append(all, s.Mistake("$.command", "command: is missing; want a list: the program, then its arguments"))
	}
	if what := set.Verbs.Check(); what != "" {
		all = append(all, s.Mistake("$.verbs", "verbs: %s", what))
	}
	for name := range set.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			all = append(all, s.Mistake("$.env", "env: %q is no name of an environment variable", name))
		}
	}
	if set.Dir != "" {
		if info, err := os.Stat(set.Dir); err != nil || !info.IsDir() {
			all = append(all, s.Mistake("$.dir", "dir: %s is no directory", set.Dir))
		}
	}
	return errors.Join(all...)
}

// program carries messages to a subprocess.
type program struct {
	settings
	path string
}

// Call runs the program once.
func (p program) Call(ctx context.Context, v protocol.Verb, r actions.Request) (protocol.Answer, error) {
	message, err := protocol.Encode(v, r)
	if err != nil {
		return protocol.Answer{}, err
	}
	stdout, stderr := &head{limit: protocol.MaxAnswer}, &tail{limit: stderrTail}
	cmd := exec.CommandContext(ctx, p.path, p.Command[1:]...)
	cmd.Dir, cmd.Env = p.Dir, p.environment()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(append(message, '\n')), stdout, stderr
	ownGroup(cmd)
	cmd.WaitDelay = afterKill
	if err := cmd.Run(); err != nil {
		return protocol.Answer{}, failure(ctx, err, stderr)
	}
	if stdout.over {
		return protocol.Answer{}, actions.Uncertain(fmt.Errorf("it wrote more than %d bytes to standard output", protocol.MaxAnswer))
	}
	ans, err := protocol.Parse(v, stdout.kept)
	if err != nil {
		return ans, actions.Uncertain(err)
	}
	return ans, nil
}

// environment is small on purpose: our own holds secrets that are not the program's.
func (p program) environment() []string {
	env := []string{}
	for _, name := range append([]string{"PATH", "HOME"}, p.Inherit...) {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for name, value := range p.Env {
		env = append(env, name+"="+value)
	}
	return env
}

// failure says what a run that did not succeed means.
func failure(ctx context.Context, err error, stderr *tail) error {
	said := ""
	if text := strings.TrimSpace(stderr.String()); text != "" {
		said = ": " + text
	}
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return actions.Uncertain(fmt.Errorf("killed: %w%s", context.Cause(ctx), said))
	case errors.Is(err, exec.ErrWaitDelay):
		return actions.Uncertain(fmt.Errorf("it exited but its children kept its output open%s", said))
	case exited && exit.ExitCode() == Retry:
		return actions.Retryable(fmt.Errorf("exit status %d (try again)%s", Retry, said))
	case exited && exit.ExitCode() >= 0:
		return fmt.Errorf("exit status %d%s", exit.ExitCode(), said)
	case exited:
		return actions.Uncertain(fmt.Errorf("%w%s", err, said))
	}
	return fmt.Errorf("run: %w%s", err, said)
}
