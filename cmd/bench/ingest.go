package main

import (
	"context"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"unship.dev/ingest"
	"unship.dev/ingest/otlp"
)

// serveIngest takes OTLP into windows, and lets go of what closes: the part of serve
// that does what the Collector is there for.
func serveIngest(ctx context.Context, grpc, http string) error {
	agg, err := ingest.New(ingest.Options{
		Window: 5 * time.Second, Lateness: 10 * time.Second, MaxOperations: 200, MaxPendingBytes: 1 << 30,
		Ceiling: func() time.Time { return time.Now().Add(time.Minute) }, Clock: time.Now,
	})
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	g, err := lc.Listen(ctx, "tcp", grpc)
	if err != nil {
		return err
	}
	h, err := lc.Listen(ctx, "tcp", http)
	if err != nil {
		return err
	}
	s, err := otlp.New(otlp.Options{GRPC: g, HTTP: h, MaxMessageBytes: otlp.DefaultMaxMessageBytes}, agg)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.Run(ctx) })
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-agg.Ready():
				agg.Take()
			}
		}
	})
	return group.Wait()
}
