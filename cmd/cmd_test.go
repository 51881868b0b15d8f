package cmd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"strings"
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

func TestTheExampleConfigurationIsValid(t *testing.T) {
	p := &cmd.Program{Actions: builtin.Factories(), Out: t.Output(), Err: t.Output(), Env: os.LookupEnv}
	if status := p.Run(t.Context(), []string{"check", "-c", "../deploy/unship.yaml"}); status != 0 {
		t.Errorf("check exits with %d", status)
	}
}

// TestEverySettingIsDocumented: what check knows stands in docs/CONFIGURATION.md and in the example.
func TestEverySettingIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/CONFIGURATION.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("../deploy/unship.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range settings(reflect.TypeFor[cmd.Config]()) {
		for name, text := range map[string][]byte{"docs/CONFIGURATION.md": doc, "deploy/unship.yaml": example} {
			if !bytes.Contains(text, []byte(key)) {
				t.Errorf("%s does not mention %q", name, key)
			}
		}
	}
}

// settings lists the keys of a configuration type and of all below it.
func settings(typ reflect.Type) (keys []string) {
	for typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct {
		return nil
	}
	for _, f := range reflect.VisibleFields(typ) {
		if key := f.Tag.Get("yaml"); key != "" {
			keys = append(append(keys, key), settings(f.Type)...)
		}
	}
	return keys
}

// A request in protobuf turns out to be malformed only when its spans are taken.
func TestReplaySkipsMalformedProtobuf(t *testing.T) {
	message := []byte{1<<3 | 2, 16, 2<<3 | 2, 14, 2<<3 | 2, 12, 7<<3 | 1, 1, 2, 3, 4, 5, 6, 7, 8, 1<<3 | 2, 1, 0} // a trace id of one byte
	good := []byte{1<<3 | 2, 0}
	var all []byte
	for _, m := range [][]byte{good, message, good} {
		all = append(binary.BigEndian.AppendUint32(all, uint32(len(m))), m...)
	}
	path := filepath.Join(t.TempDir(), "all.pb")
	if err := os.WriteFile(path, all, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"replay", path}, {"replay", "--strict", path}} {
		var said bytes.Buffer
		p := &cmd.Program{Actions: builtin.Factories(), Out: io.Discard, Err: &said, Env: os.LookupEnv}
		if status := p.Run(t.Context(), args); status == 0 || !strings.Contains(said.String(), "all.pb:2") {
			t.Errorf("%v exits with %d: %s", args, status, &said)
		}
	}
}
