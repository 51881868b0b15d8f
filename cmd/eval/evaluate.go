package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"unship.dev/cmd/eval/scenario"
	"unship.dev/cmd/eval/score"
	"unship.dev/cmd/eval/truth"
)

// job is one recording to score: to be generated, or in a folder already.
type job struct {
	group string
	dir   string // of a recording that is there
	kind  scenario.Kind
	seed  uint64
}

func (j job) generated() bool { return j.dir == "" }

// plan lists the recordings, the generated ones first.
func plan(o options) ([]job, error) {
	var jobs []job
	if o.kinds != "" {
		kinds, err := scenario.Select(o.kinds)
		if err != nil {
			return nil, err
		}
		for _, k := range kinds {
			for i := range uint64(o.seeds) {
				jobs = append(jobs, job{group: k.Name, kind: k, seed: o.first + i})
			}
		}
	}
	if o.data == "" {
		return jobs, nil
	}
	found, err := recordings(o.data)
	return append(jobs, found...), err
}

// recordings finds the folders below root that hold a label. The first part of
// their path names the dataset.
func recordings(root string) ([]job, error) {
	var jobs []job
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != truth.File {
			return err
		}
		dir := filepath.Dir(path)
		rel, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		group := filepath.Base(root)
		if dataset, _, below := strings.Cut(rel, string(filepath.Separator)); below {
			group = dataset
		}
		jobs = append(jobs, job{group: group, dir: dir})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find recordings in %s: %w", root, err)
	}
	if len(jobs) == 0 {
		return nil, fmt.Errorf("find recordings in %s: no folder below it has a %s", root, truth.File)
	}
	return jobs, nil
}

// evaluation replays recordings with one binary.
type evaluation struct {
	options options
	binary  string
	scratch string // deleted at the end
	errs    io.Writer
	mu      sync.Mutex // guards errs and done
	done    int
}

func newEvaluation(ctx context.Context, o options, errs io.Writer) (*evaluation, error) {
	scratch, err := os.MkdirTemp("", "unship-eval-")
	if err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	e := &evaluation{options: o, binary: o.unship, scratch: scratch, errs: errs}
	if e.binary == "" {
		e.binary = filepath.Join(scratch, "unship")
		err = build(ctx, e.binary)
	} else {
		e.binary, err = exec.LookPath(e.binary)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locate unship: %w", err), e.close())
	}
	return e, nil
}

// build builds the program of this module.
func build(ctx context.Context, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "unship.dev/cmd/unship")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build unship.dev/cmd/unship; give a binary with -unship: %w\n%s", err, out)
	}
	return nil
}

func (e *evaluation) close() error { return os.RemoveAll(e.scratch) }

// all scores every recording and keeps their order.
func (e *evaluation) all(ctx context.Context, jobs []job) ([]score.Result, error) {
	results := make([]score.Result, len(jobs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(e.options.workers)
	for i, j := range jobs {
		g.Go(func() error {
			r, err := e.one(ctx, j)
			if err != nil {
				return err
			}
			results[i] = r
			e.progress(len(jobs), r)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return results, nil
}

func (e *evaluation) progress(total int, r score.Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.done++
	fmt.Fprintf(e.errs, "%d/%d %s/%s: %s\n", e.done, total, r.Group, r.Case, r.Words())
}

// one makes a recording if need be, replays it and judges the outcome.
func (e *evaluation) one(ctx context.Context, j job) (score.Result, error) {
	dir := j.dir
	if j.generated() {
		made, err := e.generate(j)
		if err != nil {
			return score.Result{}, err
		}
		dir = made
		if e.options.keep == "" {
			defer os.RemoveAll(dir)
		}
	}
	label, err := truth.Read(dir)
	if err != nil {
		return score.Result{}, err
	}
	r := e.replay(ctx, dir)
	if ctx.Err() != nil {
		return score.Result{}, context.Cause(ctx)
	}
	return score.Judge(j.group, label, r), nil
}

func (e *evaluation) generate(j job) (string, error) {
	root := e.scratch
	if e.options.keep != "" {
		root = e.options.keep
	}
	dir := filepath.Join(root, fmt.Sprintf("%s-%d", j.kind.Name, j.seed))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make folder of recording: %w", err)
	}
	o := scenario.Options{Seed: j.seed, Scale: e.options.scale, History: e.options.history, After: e.options.after}
	_, err := scenario.Generate(dir, j.kind, o)
	return dir, err
}

// replay runs `unship replay` over a recording. Whatever goes wrong with it is
// part of the result.
func (e *evaluation) replay(ctx context.Context, dir string) score.Replay {
	ctx, cancel := context.WithTimeout(ctx, e.options.limit)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, e.binary, "replay", "-o", "json", dir)
	cmd.Stdout, cmd.Stderr = &out, &errs
	failed := cmd.Run()
	r, err := score.Parse(&out)
	if err != nil {
		r.Problem = err.Error()
	}
	if failed != nil {
		r.Problem = strings.TrimSpace(failed.Error() + ": " + lastLine(errs.String()))
	}
	if ctx.Err() != nil {
		r.Problem = fmt.Sprintf("took longer than %v", e.options.limit)
	}
	if cmd.ProcessState != nil {
		r.Exit = cmd.ProcessState.ExitCode()
		r.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	return r
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
