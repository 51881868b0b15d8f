package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"time"

	"github.com/spf13/cobra"

	"unship.dev"
	"unship.dev/actions"
	"unship.dev/cmd/pipeline"
	"unship.dev/decide/report"
	"unship.dev/ingest"
	"unship.dev/ingest/file"
	"unship.dev/ingest/otlp/wire"
	"unship.dev/rules"
)

func (p *Program) replay() *cobra.Command {
	var conf, output string
	var strict, quiet bool
	cmd := &cobra.Command{
		Use:   "replay PATH…",
		Short: "Judge recorded telemetry, as fast as the machine goes",
		Long: `Reads files and folders of recorded telemetry (the Collector's file exporter:
JSON lines, plain, .gz or .zst, or length-prefixed protobuf) and announcements
(CDEvents in events.jsonl), and runs the same pipeline as serve over them.
Actions are planned, never applied. Without -c the policy is auto.

With -o json, standard output holds one unship.incident/v1 line for every
incident, ordered by detected_at, then one unship.release/v1 line for every
release seen, then one unship.ranking/v1 line for every environment with
releases under watch at the end. Exit status: 0, or 4 when a line could not be read.`,
		Example: "  unship replay recording/\n  unship replay -o json traces.jsonl.zst logs.jsonl.gz | jq .decision",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			if err := oneOf("output", output, "text", "json", "md"); err != nil {
				return err
			}
			c, err := p.config(conf, unship.ModeAuto)
			if err != nil {
				return err
			}
			r := &replay{program: p, config: c, strict: strict, progress: newProgress(p.Err, quiet)}
			if err := r.run(cmd.Context(), paths); err != nil {
				return failed(err)
			}
			return r.print(output)
		},
	}
	cmd.Flags().StringVarP(&conf, "config", "c", "", "configuration file; without it, the defaults with mode auto")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, md or json")
	cmd.Flags().BoolVar(&strict, "strict", false, "stop at the first line that cannot be read")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show no progress")
	return cmd
}

// replay is one run over a recording.
type replay struct {
	program  *Program
	config   Config
	strict   bool
	progress *progress

	reader *file.Reader
	agg    *ingest.Aggregator
	pipe   *pipeline.Pipeline
	runner *actions.Runner
	broken int
}

func (r *replay) run(ctx context.Context, paths []string) error {
	if err := r.open(paths); err != nil {
		return err
	}
	defer r.reader.Close()
	for {
		item, err := r.reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		if err := r.take(item); err != nil {
			return fmt.Errorf("replay %s:%d: %w", item.File, item.Line, err)
		}
		r.judge(ctx, r.agg.Take())
		r.progress.show(r.reader.Progress())
	}
	r.judge(ctx, r.agg.Flush())
	r.broken = r.reader.Broken()
	r.progress.done(r.reader.Progress())
	return nil
}

func (r *replay) open(paths []string) (err error) {
	log := slog.New(slog.DiscardHandler)
	registry, err := actions.NewRegistry(r.program.Actions...)
	if err != nil {
		return err
	}
	if r.runner, err = actions.NewRunner(actions.Options{Registry: registry, Logger: log}); err != nil {
		return err
	}
	if r.pipe, err = pipeline.New(pipeline.Options{
		Window: r.config.Window, Settle: r.config.Settle, Policies: r.config.Set(), Placebos: r.config.Audit.Placebos,
	}); err != nil {
		return err
	}
	r.reader, err = file.Open(paths, file.Options{Strict: r.strict, OnError: func(e *file.LineError) {
		fmt.Fprintf(r.program.Err, "unship: skipped %v\n", e)
	}})
	if err != nil {
		return err
	}
	r.agg, err = ingest.New(ingest.Options{
		Window: r.config.Window, Lateness: r.config.Lateness,
		MaxOperations: r.config.Limits.Operations, MaxPendingBytes: math.MaxInt64,
		Ceiling: r.reader.Ceiling, Clock: r.reader.Clock, Logger: log,
	})
	return err
}

func (r *replay) take(item file.Item) error {
	defer item.Release()
	var refusal ingest.Refusal
	var err error
	switch item.Kind {
	case file.KindTraces:
		refusal, err = r.agg.TracesProto(item.Message)
	case file.KindMetrics:
		refusal, err = r.agg.MetricsProto(item.Message)
	case file.KindLogs:
		refusal, err = r.agg.LogsProto(item.Message)
	case file.KindAnnouncements:
		for _, a := range item.Announcements {
			if err := r.agg.Announce(a); err != nil {
				return err
			}
		}
	case file.KindNone:
	}
	if errors.Is(err, wire.ErrMalformed) || errors.Is(err, wire.ErrTooDeep) {
		err = r.reader.Refuse(item, err)
	}
	if refusal.Count > 0 {
		fmt.Fprintf(r.program.Err, "unship: %s:%d: refused %d records: %s\n", item.File, item.Line, refusal.Count, refusal.Reason)
	}
	return err
}

// judge takes ticks through the pipeline. What would be carried out is planned only.
func (r *replay) judge(ctx context.Context, ticks []unship.Tick) {
	for _, t := range ticks {
		result := r.pipe.Tick(t)
		for len(result.Decisions) > 0 {
			result = r.pipe.Hear(r.plan(ctx, result.Decisions), nil)
		}
	}
}

func (r *replay) plan(ctx context.Context, decisions []unship.Decision) (outcomes []unship.Outcome) {
	for _, d := range decisions {
		switch d.Order {
		case unship.OrderPlan, unship.OrderRollback, unship.OrderUndo:
			outcomes = append(outcomes, planned(ctx, r.runner, r.config.Set(), d))
		case unship.OrderVerify, unship.OrderEscalate:
		}
	}
	return outcomes
}

// planned works out what a decision would do. A plan is part of what was
// decided: it carries the time of the decision, not that of the machine.
func planned(ctx context.Context, runner *actions.Runner, policies rules.Set, d unship.Decision) unship.Outcome {
	out := runner.Plan(ctx, d, specs(policies.For(d.Release.Service)))
	out.At = d.At
	if d.Order != unship.OrderPlan {
		out.Result, out.Detail = unship.ResultSkipped, joinWords("replay: planned, not applied", out.Detail)
	}
	return out
}

func joinWords(a, b string) string {
	if b == "" {
		return a
	}
	return a + "; " + b
}

func (r *replay) print(output string) error {
	incidents, reports, rankings := r.pipe.Incidents(), r.pipe.Reports(), r.pipe.Rank()
	out := r.program.Out
	switch output {
	case "json":
		if err := jsonLines(out, incidents); err != nil {
			return failed(err)
		}
		if err := jsonLines(out, reports); err != nil {
			return failed(err)
		}
		if err := jsonLines(out, rankings); err != nil {
			return failed(err)
		}
	case "md":
		for _, i := range incidents {
			fmt.Fprintln(out, report.Markdown(i))
		}
	default:
		for _, i := range incidents {
			fmt.Fprintln(out, report.Text(i))
		}
		for _, rel := range reports {
			fmt.Fprintln(out, report.ReleaseText(rel))
		}
		for _, x := range rankings {
			fmt.Fprintln(out, report.RankingText(x))
		}
	}
	r.summary(len(incidents), len(reports))
	if r.broken > 0 {
		return &statusError{exitBroken, fmt.Errorf("%d lines could not be read and were skipped", r.broken)}
	}
	return nil
}

// summary says on standard error what was read, and what of it did not count.
func (r *replay) summary(incidents, reports int) {
	s := r.agg.Stats()
	until := "no time is told"
	if at := r.pipe.At(); !at.IsZero() {
		until = "up to " + at.UTC().Format(time.RFC3339)
	}
	fmt.Fprintf(r.program.Err, "unship: %d spans, %d metric points, %d log records; %d releases, %d incidents; %s\n",
		s.Spans, s.Points, s.Records, reports, incidents, until)
	for _, a := range r.pipe.Audit().Rates {
		fmt.Fprintf(r.program.Err, "unship: audit: %d placebo releases in %q, compared %s: %d false alarms; less than %.3g of them, at 95 %% confidence\n",
			a.Trials, a.Environment, a.Comparison, a.Alarms, a.Upper)
	}
	if n := s.Late + s.Future + s.Dropped; n > 0 {
		fmt.Fprintf(r.program.Err, "unship: not counted: %d late, %d from the future, %d details dropped\n", s.Late, s.Future, s.Dropped)
	}
	for _, reason := range sortedKeys(s.Invalid) {
		fmt.Fprintf(r.program.Err, "unship: refused: %d × %s\n", s.Invalid[reason], reason)
	}
}
