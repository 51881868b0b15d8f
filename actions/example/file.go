// Package example is an action to copy. It is complete, in use, and as small as
// a good action can be: kind file keeps the version to serve in a file, which a
// reloading proxy, a symbolic-link farm or a GitOps checkout may read.
//
//   - kind: file
//     with:
//     path: /srv/shop/{service}.version   # {environment} and {namespace} work too
//
// To make an action of your own: copy this folder, change the kind and the
// settings, put your platform where the file is, add Factory to the list in
// package builtin, and let the conformance suite in package actiontest tell you
// what is missing.
package example

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"unship.dev/actions"
)

// Factory makes file actions. Its kind is what policies write.
func Factory() actions.Factory {
	return actions.Factory{Kind: "file", Summary: "keeps the version to serve in a file", New: newFile}
}

// settings are what users write under with.
type settings struct {
	Path string `yaml:"path"`
}

// newFile reads the settings. Decode refuses unknown keys; Mistake gives a
// message the line and column of the setting that it is about. Nothing is
// touched here: unship check comes by as well.
func newFile(s actions.Settings) (actions.Action, error) {
	var set settings
	if err := s.Decode(&set); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(set.Path) {
		return nil, s.Mistake("$.path", "path: is %q; want the absolute path of the file that holds the version", set.Path)
	}
	return file{set.Path}, nil
}

// file has no state of its own: what it needs to know is on the platform, where
// it survives a crash, and so it is safe for concurrent use.
type file struct{ path string }

// Plan reads, and says in one line what Apply would change. InPlace is how an
// interrupted step is settled: answer it from the platform, not from memory.
func (f file) Plan(_ context.Context, r actions.Request) (actions.Preview, error) {
	path, err := f.pathFor(r)
	if err != nil {
		return actions.Preview{}, err
	}
	now, err := read(path)
	if err != nil {
		return actions.Preview{}, err
	}
	return actions.Preview{
		Summary:    fmt.Sprintf("write %s into %s, which holds %s", r.Target, path, orNothing(now)),
		Reversible: true,
		InPlace:    now == r.Target,
	}, nil
}

// Apply is idempotent by decision: before it changes the file, it notes in a
// second file, named after the decision, what the first one held. If the note
// is there and the file has changed since, the decision was carried out before,
// and what others wrote afterwards is not ours to overwrite.
func (f file) Apply(ctx context.Context, r actions.Request) (string, error) {
	path, err := f.pathFor(r)
	if err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil { // nothing below waits, so looking once is enough
		return "", err
	}
	now, err := read(path)
	if err != nil {
		return "", err
	}
	before, err := note(notePath(path, r.Decision, r.Step), now)
	if err != nil {
		return "", err
	}
	if before != now || now == r.Target {
		return fmt.Sprintf("%s holds %s already", path, orNothing(now)), nil
	}
	if err := replace(path, r.Target); err != nil {
		return "", err
	}
	return fmt.Sprintf("wrote %s into %s, which held %s", r.Target, path, orNothing(before)), nil
}

// Undo makes this action an actions.Undoer. It restores what the note says, and
// refuses if somebody else has changed the file since.
func (f file) Undo(ctx context.Context, r actions.Request) (string, error) {
	path, err := f.pathFor(r)
	if err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	before, err := os.ReadFile(notePath(path, r.Undoes, r.Step))
	if errors.Is(err, fs.ErrNotExist) {
		return "nothing to take back", nil
	}
	if err != nil {
		return "", err
	}
	now, err := read(path)
	switch {
	case err != nil:
		return "", err
	case now == strings.TrimSpace(string(before)):
		return fmt.Sprintf("%s holds %s already", path, orNothing(now)), nil
	case now != r.Target:
		return "", fmt.Errorf("%s holds %s by now, which is not ours to overwrite", path, orNothing(now))
	}
	if err := replace(path, strings.TrimSpace(string(before))); err != nil {
		return "", err
	}
	return fmt.Sprintf("wrote %s back into %s", orNothing(string(before)), path), nil
}

// pathFor puts the names of the release into the path. What comes from telemetry
// must not lead out of the folder that the user named.
func (f file) pathFor(r actions.Request) (string, error) {
	for _, name := range []string{r.Release.Environment, r.Release.Namespace, r.Release.Name} {
		if strings.ContainsAny(name, `/\`+"\x00") || name == ".." {
			return "", fmt.Errorf("the name %q cannot be part of a path", name)
		}
	}
	return strings.NewReplacer("{environment}", r.Release.Environment,
		"{namespace}", r.Release.Namespace, "{service}", r.Release.Name).Replace(f.path), nil
}

func notePath(path, decision string, step int) string {
	safe := strings.NewReplacer("/", "_", `\`, "_").Replace(decision)
	return fmt.Sprintf("%s.before-%s-%d", path, safe, step)
}

// note keeps text in a new file, or returns what the file holds if it is there.
// The file appears whole or not at all: a hard link is made only of what is written.
func note(path, text string) (string, error) {
	temp, err := writeTemp(path, text)
	if err != nil {
		return "", err
	}
	defer os.Remove(temp)
	if err := os.Link(temp, path); err == nil || !errors.Is(err, fs.ErrExist) {
		return text, err
	}
	return read(path)
}

// replace swaps the whole file at once: readers see the old text or the new one.
func replace(path, text string) error {
	temp, err := writeTemp(path, text)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return err
	}
	return nil
}

// writeTemp writes text into a new file beside path, onto the disk.
func writeTemp(path, text string) (string, error) {
	t, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return "", err
	}
	_, err = t.WriteString(text + "\n")
	if err := errors.Join(err, t.Chmod(0o644), t.Sync(), t.Close()); err != nil {
		os.Remove(t.Name())
		return "", err
	}
	return t.Name(), nil
}

// read gives the text of the file, "" if there is none.
func read(path string) (string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

func orNothing(text string) string {
	if text = strings.TrimSpace(text); text == "" {
		return "nothing"
	}
	return text
}
