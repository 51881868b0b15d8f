package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// senders is how many requests are under way at once.
const senders = 4

// client sends bodies that are ready: compressed once, not by gRPC.
type client struct {
	send  func(ctx context.Context, body []byte) error
	close func()
}

func newClient(w way, p *process) (*client, error) {
	if w.transport == "http" {
		return httpClient(w, p), nil
	}
	return grpcClient(w, p)
}

func httpClient(w way, p *process) *client {
	transport := &http.Transport{MaxIdleConnsPerHost: senders}
	c := &http.Client{Transport: transport}
	return &client{close: transport.CloseIdleConnections, send: func(ctx context.Context, body []byte) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.http+"/v1/traces", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-protobuf")
		if w.gzip {
			req.Header.Set("Content-Encoding", "gzip")
		}
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusOK {
			err = errors.Join(err, fmt.Errorf("answer %s: %q", resp.Status, answer))
		}
		return err
	}}
}

func grpcClient(w way, p *process) (*client, error) {
	cc, err := grpc.NewClient(p.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	opts := []grpc.CallOption{grpc.ForceCodecV2(ready{}), grpc.WaitForReady(true)}
	if w.gzip {
		encoding.RegisterCompressor(compressed{})
		opts = append(opts, grpc.UseCompressor("gzip"))
	}
	return &client{close: func() { cc.Close() }, send: func(ctx context.Context, body []byte) error {
		return cc.Invoke(ctx, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", body, nil, opts...)
	}}, nil
}

// ready is the codec of messages that are bytes. Answers are not looked at.
type ready struct{}

func (ready) Name() string                         { return "proto" }
func (ready) Unmarshal(mem.BufferSlice, any) error { return nil }
func (ready) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

// compressed passes on what is compressed already. Answers come uncompressed, or are
// not looked at.
type compressed struct{}

func (compressed) Name() string                                 { return "gzip" }
func (compressed) Compress(w io.Writer) (io.WriteCloser, error) { return passing{w}, nil }
func (compressed) Decompress(r io.Reader) (io.Reader, error)    { return r, nil }

type passing struct{ io.Writer }

func (passing) Close() error { return nil }

// sendRounds sends rounds of a load; every request must be accepted.
func (c *client) sendRounds(ctx context.Context, l *load, rounds int) error {
	for range rounds {
		if err := l.next(); err != nil {
			return err
		}
		var sent atomic.Int64
		group, ctx := errgroup.WithContext(ctx)
		for range senders {
			group.Go(func() error {
				for {
					i := int(sent.Add(1)) - 1
					if i >= len(l.bodies) {
						return nil
					}
					if err := c.send(ctx, l.bodies[i]); err != nil {
						return err
					}
				}
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}
