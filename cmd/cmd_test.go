package cmd_test

import (
	"context"
	"os"
	"os/signal"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"unship.dev/actions/builtin"
	"unship.dev/cmd"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"unship": func() { os.Exit(cmd.Main(os.Args[1:], builtin.Factories())) }})
}

// TestCommands tells what every command prints and how it exits: testdata/script.
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: func(env *testscript.Env) error {
		env.Setenv("HOME", env.WorkDir)
		return nil
	}})
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	stop()
	p := &cmd.Program{Actions: builtin.Factories(), Out: t.Output(), Err: t.Output(), Env: os.LookupEnv}
	args := []string{"serve", "--state", t.TempDir(), "--listen-http", "127.0.0.1:0", "--listen-otlp-grpc", "127.0.0.1:0", "--listen-otlp-http", "127.0.0.1:0"}
	if status := p.Run(ctx, args); status != 0 {
		t.Errorf("serve with an ended context exits with %d", status)
	}
}
