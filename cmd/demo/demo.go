// Package demo is unship demo: a live shop that proves the whole job in about a
// minute and a half, and the end-to-end test of the program.
//
// It starts a dozen small HTTP services, each instance a process of its own and
// instrumented by the OpenTelemetry SDK, behind a reverse proxy that splits
// traffic by version, with users who buy; and unship serve, which all of them
// send their telemetry to. It ships a good release, which must stay, then an
// innocent one and a bad one side by side. The bad one must be found, named,
// taken back by shifting traffic without breaking a request, and the recovery
// verified.
//
// In: [Options]. Out: a timeline for people, and a [Result]. All processes end
// when Run returns, whichever way it ends.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"unship.dev"
)

// Options are the demo's options.
type Options struct {
	Proxy string    // "builtin" (also if empty) or "haproxy"
	Keep  bool      // leave everything running at the end until ctx ends
	Dir   string    // for the report, the state and the logs; emptied at the start; empty: a temporary folder
	Out   io.Writer // the timeline
	Color bool
	Seed  uint64 // of the users' behaviour; 0: 1
}

// Check is one promise of the demo and whether it held.
type Check struct {
	What string
	Held bool
	Why  string
}

// Result is what the demo measured.
type Result struct {
	Checks []Check
	// From the first request that the bad release broke.
	ToDetection, ToRollback, ToRecovery time.Duration
	Requests                            uint64 // that users made
	BrokenByFault                       uint64
	BrokenByRollback                    uint64 // failed for any reason but the fault and the shop's usual failures
	Incident                            unship.Incident
	Report                              string // path of the Markdown report
	Page                                string // address of the page
}

// Held says that every promise held.
func (r Result) Held() bool {
	for _, c := range r.Checks {
		if !c.Held {
			return false
		}
	}
	return len(r.Checks) > 0
}

// Run runs the demo. The error says that it could not be carried through; that
// a promise did not hold is in the Result.
func Run(ctx context.Context, o Options) (Result, error) {
	d, err := newDirector(&o)
	if err != nil {
		return Result{}, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	d.ps = newProcesses(d.exe, filepath.Join(d.dir, "logs"), stop)
	defer d.close()
	if err := d.open(ctx); err != nil {
		return d.result, cause(ctx, err)
	}
	if err := d.play(ctx); err != nil {
		return d.result, cause(ctx, err)
	}
	d.print()
	if o.Keep {
		d.time.say(bold, "everything stays up until Ctrl-C: %s", d.eyes.page)
		<-ctx.Done()
	}
	return d.result, nil
}

// cause prefers why the context ended to the errors that followed from it.
func cause(ctx context.Context, err error) error {
	switch why := context.Cause(ctx); {
	case errors.Is(why, context.Canceled):
		return errors.New("interrupted; every process of the demo has ended")
	case why != nil:
		return why
	}
	return err
}

// director runs the demo.
type director struct {
	exe, dir string
	seed     uint64
	rate     float64 // of the users' requests, a second
	proxy    string
	time     *timeline
	ps       *processes
	front    front
	eyes     eyes
	otlp     string
	direct   addresses       // of services that have no balancer in front
	begun    map[string]bool // what was told of incidents
	times    times
	result   Result
}

func newDirector(o *Options) (*director, error) {
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program itself: %w", err)
	}
	dir, err := prepare(o.Dir)
	if err != nil {
		return nil, err
	}
	return &director{
		exe: exe, dir: dir, seed: o.Seed, rate: rate, proxy: o.Proxy,
		time:   &timeline{out: o.Out, color: o.Color, start: time.Now()},
		direct: addresses{}, begun: map[string]bool{},
	}, nil
}

// marker tells a folder of an earlier demo, which may be emptied, from any other.
const marker = ".unship-demo"

// prepare makes an empty folder with what the demo needs in it.
func prepare(dir string) (string, error) {
	if dir == "" {
		temp, err := os.MkdirTemp("", "unship-demo-")
		if err != nil {
			return "", err
		}
		dir = temp
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("prepare folder: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, marker)); len(entries) > 0 && err != nil {
		return "", fmt.Errorf("prepare folder: %s is not empty and not of an earlier demo; name another one with --dir", dir)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return "", fmt.Errorf("prepare folder: %w", err)
		}
	}
	for _, sub := range []string{"logs", "notes", "state"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return "", fmt.Errorf("prepare folder: %w", err)
		}
	}
	return dir, os.WriteFile(filepath.Join(dir, marker), nil, 0o644)
}

func (d *director) close() {
	d.ps.close()
	if d.front.close != nil {
		d.front.close()
	}
}
