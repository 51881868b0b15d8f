// Command blame measures who is blamed when several services are released at
// once: it plays estates (see cmd/eval/estate) and prints, for each kind of
// guilt, how often the guilty release was named first and rolled back, how often
// an innocent one was, and the same of scorers known from the literature.
//
//	go run ./cmd/eval/blame [-runs 20] [-seed 1] [-j 2] [-styles canary,replaced,mixed] [-faults crash] [-ablate] [-rivals]
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"unship.dev/cmd/eval/estate"
	"unship.dev/detect"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "blame:", err)
		os.Exit(2)
	}
}

// options are the settings of one evaluation.
type options struct {
	runs, workers  int
	seed           uint64
	styles, faults string
	ablate, rivals bool
	verbose        bool
	together       float64
}

func run(args []string, out io.Writer) error {
	var o options
	f := flag.NewFlagSet("blame", flag.ContinueOnError)
	f.IntVar(&o.runs, "runs", 20, "runs of each style and fault")
	f.IntVar(&o.workers, "j", 2, "runs at the same time")
	f.Uint64Var(&o.seed, "seed", 1, "the first seed")
	f.StringVar(&o.styles, "styles", "canary,replaced,mixed", "`styles` of rolling out: canary, rolling, replaced, blue-green, mixed")
	f.StringVar(&o.faults, "faults", "", "part of the names of `faults`; empty for all")
	f.Float64Var(&o.together, "together", 0, "probability that calls keep to the new versions, or to the old ones")
	f.BoolVar(&o.ablate, "ablate", false, "also without the node check, the neighbours, the time")
	f.BoolVar(&o.rivals, "rivals", false, "also the scorers known from the literature")
	f.BoolVar(&o.verbose, "v", false, "tell of every run that went wrong")
	if err := f.Parse(args); err != nil {
		return err
	}
	for _, name := range strings.Split(o.styles, ",") {
		style, err := estate.StyleOf(name)
		if err != nil {
			return err
		}
		if err := o.style(style, out); err != nil {
			return err
		}
	}
	return nil
}

// judges are the ways in which every run is judged, the whole first.
func (o *options) judges() []string {
	j := []string{"unship"}
	if o.ablate {
		j = append(j, "without node check", "without neighbours", "without time")
	}
	if o.rivals {
		for _, r := range estate.Rivals() {
			j = append(j, r.Name)
		}
	}
	return j
}

var left = map[string]detect.Parts{
	"unship": 0, "without node check": detect.PartNodes, "without neighbours": detect.PartNeighbours, "without time": detect.PartTime,
}

// style prints the tables of one style: the faults, then the judges over all faults, then over none.
func (o *options) style(style estate.Style, out io.Writer) error {
	var rows []estate.Row
	faulty, harmless := make([]estate.Row, 0), make([]estate.Row, 0)
	for _, f := range estate.Faults() {
		if !strings.Contains(f.Name, o.faults) {
			continue
		}
		for k, s := range o.play(style, f) {
			name := o.judges()[k]
			if k == 0 {
				rows = append(rows, estate.Row{Name: f.Name, Summary: s})
			}
			into := &faulty
			if f.Name == "none" {
				into = &harmless
			}
			at := slices.IndexFunc(*into, func(r estate.Row) bool { return r.Name == name })
			if at < 0 {
				*into, at = append(*into, estate.Row{Name: name}), len(*into)
			}
			(*into)[at].Merge(s)
		}
	}
	var all estate.Summary
	for _, rows := range [][]estate.Row{faulty, harmless} {
		if len(rows) > 0 { // the first judge is the whole
			all.Merge(rows[0].Summary)
		}
	}
	title := fmt.Sprintf("%s: 2 to 5 releases within a minute, something else going wrong in every run", style)
	if err := estate.Print(out, title, rows); err != nil {
		return err
	}
	if err := estate.PrintCalibration(out, style.String()+": probability given to releases, and how many were guilty", all); err != nil {
		return err
	}
	for _, r := range harmless[:min(1, len(harmless))] {
		if _, err := fmt.Fprintf(out, "\n%s, no guilty release: what went wrong was named in %d of %d runs\n", style, r.Named, r.Runs); err != nil {
			return err
		}
	}
	if len(o.judges()) == 1 {
		return nil
	}
	if err := estate.Print(out, style.String()+", runs with a guilty release", faulty); err != nil {
		return err
	}
	return estate.Print(out, style.String()+", runs without one", harmless)
}

// play plays the runs of one style and fault and gives a summary for each judge.
func (o *options) play(style estate.Style, f estate.Fault) []estate.Summary {
	results := make([][]estate.Result, o.runs)
	var wg sync.WaitGroup
	limit := make(chan struct{}, o.workers)
	for k := range results {
		wg.Add(1)
		limit <- struct{}{}
		go func() {
			defer func() { <-limit; wg.Done() }()
			results[k] = o.one(o.seed+uint64(k), estate.Options{Style: style, Fault: f, Distractor: true, Together: o.together})
		}()
	}
	wg.Wait()
	out := make([]estate.Summary, len(o.judges()))
	for k, r := range results {
		for i, x := range r {
			out[i].Add(x)
			if o.verbose && i == 0 && (x.Wrong || x.Blamed != x.Guilty) {
				e := estate.New(o.seed+uint64(k), estate.Options{Style: style, Fault: f, Distractor: true, Together: o.together})
				fmt.Fprintf(os.Stderr, "%s, %s, seed %d: %s: %+v\n", style, f.Name, o.seed+uint64(k), e.Story(), x)
			}
		}
	}
	return out
}

// one plays one run for every judge.
func (o *options) one(seed uint64, w estate.Options) (out []estate.Result) {
	var rivals map[string]estate.Result
	for _, name := range o.judges() {
		if leave, ours := left[name]; ours {
			out = append(out, estate.New(seed, w).Play(leave))
			continue
		}
		if rivals == nil {
			rivals = estate.New(seed, w).PlayRivals()
		}
		out = append(out, rivals[name])
	}
	return out
}
