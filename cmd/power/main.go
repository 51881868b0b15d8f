// Command power measures the detector on simulated telemetry: how often it
// blames a harmless release, and how soon it finds a faulty one, beside other
// ways to judge releases, on the same data.
//
//	go run ./cmd/power [-releases 3000] [-faulty 100] [-only E2,E4] [-history 24h] [-j 2] [-v]
//	go run ./cmd/power -audit 24h [-only E2,E4] [-j 2]
//
// The detector is the real one with the default policy; the environments are
// those of package world, the other judges those of package judges. A faulty
// release is watched for half an hour; its delay counts from the moment at which
// its effect begins to the close of the deciding window, so the allowed lateness
// comes on top. Upper limits are one-sided 95 % limits (Clopper and Pearson
// 1934). The same seed gives the same figures on any number of cores.
//
// Progress goes to standard error, tables in Markdown to standard output. Exit
// status: 0, 1 when interrupted, 2 for mistakes in the command line.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"unship.dev/cmd/power/world"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "power:", err)
	}
	stop()
	os.Exit(code)
}

// options are the settings of one measurement.
type options struct {
	releases int
	faulty   int
	only     string
	effects  string
	history  time.Duration
	seed     uint64
	workers  int
	verbose  bool
	bound    bool
	audit    time.Duration
}

func parse(args []string, errs io.Writer) (o options, err error) {
	f := flag.NewFlagSet("power", flag.ContinueOnError)
	f.SetOutput(errs)
	f.IntVar(&o.releases, "releases", 3000, "harmless releases in each environment; a sixth of them in wide ones, of 20 operations")
	f.IntVar(&o.faulty, "faulty", 100, "faulty releases for each effect, in E2, E4, E7 and R1")
	f.StringVar(&o.only, "only", "", "`environments`, such as E2,E4; empty for all")
	f.StringVar(&o.effects, "effects", "", "only effects with this `text` in their name")
	f.DurationVar(&o.history, "history", 24*time.Hour, "of the service before its first release; releases follow one another unless it is less than an hour")
	f.Uint64Var(&o.seed, "seed", 1, "of the simulation")
	f.IntVar(&o.workers, "j", runtime.NumCPU(), "simulations at the same time")
	f.BoolVar(&o.verbose, "v", false, "tell of each harmless release that is blamed, and of the latest false alarms")
	f.DurationVar(&o.audit, "audit", 0, "instead, let that much `time` pass without a release and tell what placebos show")
	f.BoolVar(&o.bound, "bound", true, "also measure independent requests against Wald's bound")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.releases < 0 || o.faulty < 0:
		return o, fmt.Errorf("-releases and -faulty are %d and %d; want 0 or more", o.releases, o.faulty)
	case o.history < time.Minute || o.history > 7*24*time.Hour:
		return o, fmt.Errorf("-history is %v; want 1m to 168h", o.history)
	case o.audit < 0 || o.audit > 30*24*time.Hour:
		return o, fmt.Errorf("-audit is %v; want 0s to 720h", o.audit)
	case o.workers < 1:
		return o, fmt.Errorf("-j is %d; want 1 or more", o.workers)
	}
	return o, nil
}

// environments gives those that are asked for.
func (o options) environments() (out []world.Environment, err error) {
	if o.only == "" {
		return world.Environments(), nil
	}
	for name := range strings.SplitSeq(o.only, ",") {
		e, err := world.Named(name)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func run(ctx context.Context, args []string, out, errs io.Writer) (int, error) {
	o, err := parse(args, errs)
	if err != nil {
		return 2, err
	}
	all, err := o.environments()
	if err != nil {
		return 2, err
	}
	if o.audit > 0 {
		if err := o.measureAudit(ctx, all, out, errs); err != nil {
			return 1, err
		}
		return 0, nil
	}
	started := time.Now()
	plans := o.plan(all)
	if err := measure(ctx, plans, o.workers, errs); err != nil {
		return 1, err
	}
	if o.verbose {
		tellBlamed(errs, plans)
	}
	writeHarmless(out, plans)
	writeFaulty(out, plans)
	if o.bound {
		writeBound(out, o.seed)
	}
	fmt.Fprintf(errs, "%v\n", time.Since(started).Round(time.Second))
	return 0, nil
}
