// Command eval scores Unship: it makes labelled scenarios, replays them, and
// says how many guilty releases were found, how soon, and which innocent ones
// were rolled back. With -data it scores folders of labelled recordings as well.
//
//	go run ./cmd/eval [-kinds harmless,canary-errors] [-seeds 3] [-data FOLDER] [-o table|json]
//
// A recording is a folder with a truth.json (see cmd/eval/truth). Progress goes
// to standard error, the tables or one JSON line per recording to standard
// output. Exit status: 0, or 1 when a harmless scenario saw a rollback, a gross
// fault was not decided within a minute, or a replay ended badly; 2 for
// mistakes in the command line. Found or not in -data never matters to it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"unship.dev/cmd/eval/scenario"
	"unship.dev/cmd/eval/score"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	code, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "eval:", err)
	}
	stop()
	os.Exit(code)
}

// options are the settings of one evaluation.
type options struct {
	unship  string
	kinds   string
	seeds   int
	first   uint64
	data    string
	output  string
	keep    string
	workers int
	limit   time.Duration
	list    bool
	scale   float64
	history time.Duration
	after   time.Duration
}

func parse(args []string, errs io.Writer) (o options, err error) {
	f := flag.NewFlagSet("eval", flag.ContinueOnError)
	f.SetOutput(errs)
	f.StringVar(&o.unship, "unship", "", "the `binary` to score; built from ./cmd/unship if empty")
	f.StringVar(&o.kinds, "kinds", "all", "`kinds` of scenarios: names, prefix*, harmless, faulty, gross, all; empty for none")
	f.IntVar(&o.seeds, "seeds", 1, "recordings of each kind")
	f.Uint64Var(&o.first, "seed", 1, "the first seed")
	f.StringVar(&o.data, "data", "", "`folder` of labelled recordings to score as well")
	f.StringVar(&o.output, "o", "table", "table or json")
	f.StringVar(&o.keep, "keep", "", "keep the generated recordings in this `folder`")
	f.IntVar(&o.workers, "j", 2, "replays at the same time")
	f.DurationVar(&o.limit, "limit", 10*time.Minute, "the longest a replay may take")
	f.BoolVar(&o.list, "list", false, "list the kinds and exit")
	f.Float64Var(&o.scale, "scale", 1, "multiplies the traffic of scenarios")
	f.DurationVar(&o.history, "history", 8*time.Minute, "of a scenario before its release")
	f.DurationVar(&o.after, "after", 8*time.Minute, "of a scenario after its release")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.output != "table" && o.output != "json":
		return o, fmt.Errorf("-o is %q; want table or json", o.output)
	case o.seeds < 1 || o.workers < 1:
		return o, errors.New("-seeds and -j want 1 or more")
	case o.scale <= 0 || o.history < time.Minute || o.after < time.Minute:
		return o, errors.New("-scale wants more than 0, -history and -after a minute or more")
	}
	return o, nil
}

// run is the command; it gives the exit status.
func run(ctx context.Context, args []string, out, errs io.Writer) (int, error) {
	o, err := parse(args, errs)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0, nil
	case err != nil:
		return 2, err
	case o.list:
		return 0, list(out)
	}
	jobs, err := plan(o)
	if err != nil {
		return 2, err
	}
	e, err := newEvaluation(ctx, o, errs)
	if err != nil {
		return 1, err
	}
	defer e.close()
	results, err := e.all(ctx, jobs)
	if err != nil {
		return 1, err
	}
	if err := show(out, o, jobs, results); err != nil {
		return 1, err
	}
	return judge(jobs, results), nil
}

func list(out io.Writer) error {
	for _, k := range scenario.Kinds() {
		if _, err := fmt.Fprintf(out, "%-24s %-16s %s\n", k.Name, k.Expect, k.About); err != nil {
			return fmt.Errorf("list kinds: %w", err)
		}
	}
	return nil
}

// show prints a line for every recording, or a table for the scenarios and one
// for the recordings of others.
func show(out io.Writer, o options, jobs []job, results []score.Result) error {
	if o.output == "json" {
		enc := json.NewEncoder(out)
		for _, r := range results {
			if err := enc.Encode(r); err != nil {
				return fmt.Errorf("print results: %w", err)
			}
		}
		return nil
	}
	var own, others []score.Result
	for i, r := range results {
		if jobs[i].generated() {
			own = append(own, r)
		} else {
			others = append(others, r)
		}
	}
	if len(own) > 0 {
		if err := score.Table(out, "Generated scenarios", own); err != nil {
			return err
		}
	}
	if len(others) > 0 {
		return score.Table(out, "Recordings in "+o.data, others)
	}
	return nil
}

// judge gives the exit status.
func judge(jobs []job, results []score.Result) int {
	for i, r := range results {
		bad := jobs[i].generated() && (r.Control && len(r.Wrong) > 0 || r.Late())
		if bad || r.Exit != 0 || r.Problem != "" {
			return 1
		}
	}
	return 0
}
