// Package otlp receives telemetry by the OpenTelemetry protocol, over gRPC and
// over HTTP, and hands it to a [Consumer].
//
// In come OTLP 1.x requests: protobuf over gRPC; protobuf or JSON over HTTP
// (/v1/traces, /v1/metrics, /v1/logs), gzip or zstd compressed or plain. A
// request is decoded (traces in protobuf by the consumer itself), consumed, written to the [Journal], then answered. What
// can be sent again is answered as retryable, what never will be accepted is
// not; records refused for good are a partial success.
//
// A [Server] serves many requests at once; its Consumer and Journal must be safe
// for concurrent use. [Server.Run] returns after the last answer was given.
package otlp

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"unship.dev/ingest"
	"unship.dev/ingest/otlp/h2"
)

// Consumer takes telemetry, as requests in protobuf. ingest.Aggregator is one. An error
// means that nothing was taken: malformed requests are wire.ErrMalformed or
// wire.ErrTooDeep; ingest.ErrOverloaded says that it should be sent again.
type Consumer interface {
	TracesProto([]byte) (ingest.Refusal, error)
	MetricsProto([]byte) (ingest.Refusal, error)
	LogsProto([]byte) (ingest.Refusal, error)
	// TracesKept is TracesProto, and gives keep what TracesReduced takes again. What keep
	// returns is returned.
	TracesKept(message []byte, keep func(reduced []byte) error) (ingest.Refusal, error)
	TracesReduced([]byte) error
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
	ProtobufGzip // only in journals: a body that stayed as it came
	Reduced      // only in journals: spans as ingest.Aggregator.TracesKept gives them
)

// Dense says that bodies in an encoding are not worth compressing.
func (e Encoding) Dense() bool { return e == ProtobufGzip || e == Reduced }

// Journal keeps requests that are answered but not yet part of a closed tick.
// Append is called before the answer; body must not be kept. What [Replay] is given later
// are the same three.
type Journal interface {
	// Room says whether a request of a size still fits. It is asked before the request is
	// consumed: what is consumed and then refused would be counted twice.
	Room(bytes int) error
	Append(signal Signal, encoding Encoding, body []byte) error
}

// Options configure a [Server].
type Options struct {
	GRPC, HTTP      net.Listener // at least one; the Server closes them
	MaxMessageBytes int          // of an uncompressed request; DefaultMaxMessageBytes is OTLP's advice
	Journal         Journal      // nil: none
	TLS             *tls.Config  // nil: plain text
	Tokens          []string     // bearer tokens accepted; none: everybody is
	Logger          *slog.Logger // nil discards
}

// DefaultMaxMessageBytes is the limit that OTLP 1.11 advises.
const DefaultMaxMessageBytes = 64 << 20

// drainTime is how long requests at work may take after the end was asked for.
const drainTime = 10 * time.Second

func (o Options) validate() error {
	var errs []error
	if o.GRPC == nil && o.HTTP == nil {
		errs = append(errs, errors.New("no listener: give one for gRPC or HTTP"))
	}
	if o.MaxMessageBytes < 1024 {
		errs = append(errs, fmt.Errorf("max message bytes: is %d; want 1024 or more", o.MaxMessageBytes))
	}
	for i, t := range o.Tokens {
		if strings.TrimSpace(t) == "" {
			errs = append(errs, fmt.Errorf("token %d: is empty; an empty secret protects nothing", i+1))
		}
	}
	return errors.Join(errs...)
}

// Server receives telemetry. Use [New].
type Server struct {
	opt      Options
	exporter exporter
	tokens   tokens
	grpc     *h2.Server
	http     *http.Server
}

// New makes a Server.
func New(opt Options, consumer Consumer) (*Server, error) {
	if err := opt.validate(); err != nil {
		return nil, fmt.Errorf("OTLP server options: %w", err)
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		opt:      opt,
		exporter: exporter{consumer: consumer, journal: opt.Journal, log: opt.Logger, limit: opt.MaxMessageBytes},
		tokens:   hashTokens(opt.Tokens),
	}
	s.grpc = s.newGRPC()
	s.http = s.newHTTP()
	return s, nil
}

// Run serves until ctx ends, then lets the requests at work finish. New ones are
// told to come again. It returns nil after a clean end.
func (s *Server) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if l := s.opt.GRPC; l != nil {
		group.Go(func() error { return wrap("serve OTLP/gRPC", s.grpc.Serve(l)) })
	}
	if l := s.opt.HTTP; l != nil {
		if s.opt.TLS != nil {
			l = tls.NewListener(l, s.http.TLSConfig)
		}
		group.Go(func() error {
			if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return wrap("serve OTLP/HTTP", err)
			}
			return nil
		})
	}
	group.Go(func() error {
		<-ctx.Done()
		return s.drain()
	})
	return group.Wait()
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// drain ends both servers. What is not done in time is cut off: its sender was
// not answered, and will send it again.
func (s *Server) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	s.exporter.closing.Store(true)
	stopped := make(chan error, 1)
	go func() { stopped <- s.grpc.Shutdown(ctx) }()
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	return errors.Join(wrap("drain OTLP/HTTP", err), wrap("drain OTLP/gRPC", <-stopped))
}

// tokens are bearer tokens, hashed so that comparing them takes equally long.
type tokens [][sha256.Size]byte

func hashTokens(plain []string) (t tokens) {
	for _, p := range plain {
		t = append(t, sha256.Sum256([]byte(p)))
	}
	return t
}

// allow says whether an Authorization header carries one of the tokens.
func (t tokens) allow(header string) bool {
	if len(t) == 0 {
		return true
	}
	const scheme = "bearer "
	if len(header) < len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) {
		return false
	}
	given, ok := sha256.Sum256([]byte(header[len(scheme):])), 0
	for i := range t {
		ok |= subtle.ConstantTimeCompare(given[:], t[i][:])
	}
	return ok == 1
}
