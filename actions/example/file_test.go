package example_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"unship.dev/actions"
	"unship.dev/actions/actiontest"
	"unship.dev/actions/example"
)

func platform(t *testing.T) actiontest.Platform {
	dir := t.TempDir()
	file := filepath.Join(dir, "ledger.version")
	if err := os.WriteFile(file, []byte("1.1.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return actiontest.Platform{
		Settings: "path: " + filepath.Join(dir, "{service}.version"),
		State: func(t *testing.T) string {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		},
	}
}

func TestConformance(t *testing.T) {
	actiontest.Run(t, example.Factory(), actiontest.Env{
		New: platform,
		Final: func(t *testing.T) actiontest.Platform {
			return actiontest.Platform{Settings: "path: " + filepath.Join(t.TempDir(), "no", "such", "folder")}
		},
	})
}

func TestOthersChangesAreNotOverwritten(t *testing.T) {
	p := platform(t)
	a, err := example.Factory().New(actions.NewSettings([]byte(p.Settings), 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(t.Context(), actiontest.Request("d1")); err != nil {
		t.Fatal(err)
	}
	path := strings.Replace(strings.TrimPrefix(p.Settings, "path: "), "{service}", "ledger", 1)
	if err := os.WriteFile(path, []byte("1.2.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(t.Context(), actiontest.Request("d1")); err != nil {
		t.Errorf("the second Apply: %v", err)
	}
	undo := actiontest.Request("d2")
	undo.Undoes = "d1"
	if _, err := a.(actions.Undoer).Undo(t.Context(), undo); err == nil || !strings.Contains(err.Error(), "not ours") {
		t.Errorf("Undo gave %v; want a refusal", err)
	}
	if got := p.State(t); got != "1.2.0\n" {
		t.Errorf("the file holds %q; what was written by others is lost", got)
	}
}

func TestNamesCannotLeadElsewhere(t *testing.T) {
	p := platform(t)
	a, err := example.Factory().New(actions.NewSettings([]byte(p.Settings), 1))
	if err != nil {
		t.Fatal(err)
	}
	r := actiontest.Request("d1")
	r.Release.Name = "../../etc/passwd"
	if _, err := a.Apply(t.Context(), r); err == nil {
		t.Error("a name with slashes was taken")
	}
}
