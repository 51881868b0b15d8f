// Package otlp receives telemetry by the OpenTelemetry protocol, over gRPC and
// over HTTP, and hands it to a [Consumer].
//
// In come OTLP 1.x requests: protobuf over gRPC; protobuf or JSON over HTTP
// (/v1/traces, /v1/metrics, /v1/logs), gzip or zstd compressed or plain. A
// request is decoded, consumed, written to the [Journal], then answered. What
// can be sent again is answered as retryable, what never will be accepted is
// not; records refused for good are a partial success.
//
// A [Server] serves many requests at once; its Consumer and Journal must be safe
// for concurrent use. [Server.Run] returns after the last answer was given.
package otlp

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"unship.dev/ingest"
)

// Consumer takes decoded telemetry. ingest.Aggregator is one. An error means
// that nothing was taken; ingest.ErrOverloaded that it should be sent again.
type Consumer interface {
	Traces(ptrace.Traces) (ingest.Refusal, error)
	Metrics(pmetric.Metrics) (ingest.Refusal, error)
	Logs(plog.Logs) (ingest.Refusal, error)
}

// Signal is what a request carries.
type Signal uint8

// The signals. The numbers are written to journals and never change.
const (
	Traces Signal = iota + 1
	Metrics
	Logs
)

// Encoding is how a request's body is written.
type Encoding uint8

// The encodings. The numbers are written to journals and never change.
const (
	Protobuf Encoding = iota + 1
	JSON
)

// Journal keeps requests that are answered but not yet part of a closed tick.
// Append is called before the answer; body is uncompressed and must not be kept.
type Journal interface {
	Append(signal Signal, encoding Encoding, body []byte) error
}

// Options configure a [Server].
type Options struct {
	GRPC, HTTP      net.Listener // at least one
	MaxMessageBytes int          // of an uncompressed request
	Journal         Journal      // nil: none
	TLS             *tls.Config  // nil: plain text
	Tokens          []string     // bearer tokens accepted; none: everybody is
	Logger          *slog.Logger // nil discards
}

// Server receives telemetry. Use [New].
type Server struct {
	opt      Options
	consumer Consumer
}

// New makes a Server.
func New(opt Options, consumer Consumer) (*Server, error) {
	return &Server{opt: opt, consumer: consumer}, nil
}

// Run serves until ctx ends, then drains.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Replay consumes a request that a journal gives back.
func Replay(signal Signal, encoding Encoding, body []byte, consumer Consumer) error { return nil }
