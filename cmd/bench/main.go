// Command bench measures how many spans a server takes for a second of its
// processor time, and how much memory it needs: Unship as a whole (serve), its
// receiver and windows alone (ingest), and an OpenTelemetry Collector that makes
// metrics of spans (otlp receiver, spanmetrics connector with service.version among
// the dimensions, prometheus exporter).
//
// Each server is a process of its own and gets the same bytes: traces of 12 services
// in two versions, ten attributes and about 500 bytes a span. What is counted is the
// processor time of that process (/proc, so Linux only) from the moment when the
// windows of the warm-up began to close; the client's is not in it. The table shows
// medians, the range, and the ratio to the Collector.
//
//	go run ./cmd/bench -unship bin/unship -collector bin/collector
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var o options
	var ways string
	alone := flag.String("ingest", "", "serve as the ingest server on these two addresses, gRPC,HTTP, and nothing else")
	profiled := flag.String("profiled", "", "run unship with the arguments that follow, write its CPU profile to this file, and nothing else")
	folder := flag.String("profiles", "", "write CPU profiles of serve, one for each way, into this folder, and measure nothing")
	flag.StringVar(&o.unship, "unship", "bin/unship", "the unship binary")
	flag.StringVar(&o.collector, "collector", "", "the Collector of ./cmd/bench/collector, built; empty: without it")
	flag.IntVar(&o.runs, "runs", 5, "runs of each server and way; the table shows their medians")
	flag.IntVar(&o.spans, "spans", 600_000, "spans measured in one run")
	flag.IntVar(&o.rate, "rate", 20_000, "spans in a second of event time")
	flag.StringVar(&ways, "ways", "grpc,http,grpc/gzip,http/gzip,grpc/32,http/32", "transport[/gzip][/spans of a batch], with commas")
	flag.Parse()
	if *alone != "" {
		grpc, http, ok := strings.Cut(*alone, ",")
		if !ok {
			return fmt.Errorf("-ingest is %q; want two addresses with a comma between them", *alone)
		}
		return serveIngest(ctx, grpc, http)
	}
	if *profiled != "" {
		return serveProfiled(*profiled, flag.Args())
	}
	for _, text := range strings.Split(ways, ",") {
		w, err := parseWay(text)
		if err != nil {
			return err
		}
		o.ways = append(o.ways, w)
	}
	if o.runs < 1 || o.spans < 1 || o.rate < 1 {
		return errors.New("-runs, -spans and -rate want 1 or more")
	}
	if *folder != "" {
		return o.profiles(ctx, *folder)
	}
	return o.table(ctx, os.Stdout)
}

type options struct {
	unship, collector string
	runs, spans, rate int
	ways              []way
}

// warmUp is the event time sent before anything is measured: by then windows close
// as fast as they open.
const warmUp = 20 // seconds

func (o options) servers() (list []server) {
	if o.collector != "" {
		list = append(list, collectorServer(o.collector))
	}
	return append(list, ingestServer(), unshipServer(o.unship))
}

// table measures everything, each run of all servers before the next, so that a busy
// minute of the machine falls on all of them.
func (o options) table(ctx context.Context, out *os.File) error {
	fmt.Fprintln(out, "| way | server | spans per CPU-second (range) | ratio | peak RSS, MB |")
	fmt.Fprintln(out, "|---|---|---|---|---|")
	for _, w := range o.ways {
		load, err := newLoad(w, o.rate)
		if err != nil {
			return err
		}
		servers := o.servers()
		results := make([][]result, len(servers))
		for range o.runs {
			for i, s := range servers {
				r, err := o.measure(ctx, s, w, load)
				if err != nil {
					return fmt.Errorf("%s, %v: %w", s.name, w, err)
				}
				results[i] = append(results[i], r)
			}
		}
		rival := 0.0
		for i, s := range servers {
			speed, memory := figures(results[i])
			middle := median(speed)
			if s.name == rivalName {
				rival = middle
			}
			ratio := "–"
			if rival > 0 {
				ratio = fmt.Sprintf("%.1f", middle/rival)
			}
			fmt.Fprintf(out, "| %v | %s | %.0f (%.0f to %.0f) | %s | %.0f |\n", w, s.name, middle,
				slices.Min(speed), slices.Max(speed), ratio, median(memory))
		}
	}
	return nil
}

// result is what one run gave.
type result struct {
	speed  float64 // spans per second of the server's processor time
	memory float64 // the server's largest resident set, MB
}

func figures(list []result) (speed, memory []float64) {
	for _, r := range list {
		speed, memory = append(speed, r.speed), append(memory, r.memory)
	}
	return speed, memory
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}

func (o options) measure(ctx context.Context, s server, w way, l *load) (r result, err error) {
	p, err := s.start(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	c, err := newClient(w, p)
	if err != nil {
		return r, err
	}
	defer c.close()
	rounds := (o.spans + l.spans() - 1) / l.spans()
	warm := warmUp * o.rate / l.spans()
	l.rewind(warm + rounds)
	if err := c.sendRounds(ctx, l, warm); err != nil {
		return r, err
	}
	before, err := p.cpu()
	if err != nil {
		return r, err
	}
	if err := c.sendRounds(ctx, l, rounds); err != nil {
		return r, err
	}
	after, err := p.cpu()
	if err != nil {
		return r, err
	}
	r.speed = float64(rounds*l.spans()) / (after - before).Seconds()
	r.memory, err = p.peak()
	return r, err
}
