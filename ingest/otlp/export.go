package otlp

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"unship.dev/ingest"
	"unship.dev/ingest/otlp/wire"
)

// retryAfter is when a sender should try again.
const retryAfter = 2 * time.Second

// errMalformed says that a request cannot be read; it never will be.
var errMalformed = errors.New("malformed request")

// errNotKept says that a request was taken and could not be written to the journal.
var errNotKept = errors.New("write request to journal")

// exporter does what an Export call is for, whichever way it came.
type exporter struct {
	consumer Consumer
	journal  Journal
	log      *slog.Logger
	limit    int // bytes of an uncompressed request
	closing  atomic.Bool
}

// export consumes a request, whose body is compressed as its sender says, and gives the
// answer in the same encoding. The journal comes after the consumer, so that nothing is
// written that was not taken, and before the answer, so that nothing answered is
// forgotten. Errors carry a gRPC status.
func (e *exporter) export(signal Signal, encoding Encoding, compression string, body []byte) ([]byte, error) {
	if e.closing.Load() {
		return nil, retryable(codes.Unavailable, "shutting down; send again")
	}
	if e.journal != nil {
		if err := e.journal.Room(len(body)); err != nil {
			return nil, retryable(codes.ResourceExhausted, err.Error())
		}
	}
	plain := body
	if compression != "" {
		p, err := inflate(compression, body, e.limit)
		if err != nil {
			return nil, e.unreadable(compression, err)
		}
		defer shared.Put(p)
		plain = *p
	}
	keep := e.keeper(signal, encoding, compression, body, plain)
	answer, err := consume(signal, encoding, plain, e.consumer, keep)
	if err != nil {
		return nil, e.status(signal, err)
	}
	return answer, nil
}

// keeper gives what writes a request to the journal once it was taken; nil if there is
// no journal. Of traces it is told what to write, other requests are written as they came.
func (e *exporter) keeper(signal Signal, encoding Encoding, compression string, body, plain []byte) func(reduced []byte) error {
	if e.journal == nil {
		return nil
	}
	return func(reduced []byte) error {
		switch {
		case signal == Traces:
			encoding, plain = Reduced, reduced
		case compression == "gzip" && encoding == Protobuf:
			encoding, plain = ProtobufGzip, body
		}
		if err := e.journal.Append(signal, encoding, plain); err != nil {
			return fmt.Errorf("%w: %w", errNotKept, err)
		}
		return nil
	}
}

// unreadable is the answer to a body that cannot be inflated. It never will be.
func (e *exporter) unreadable(compression string, err error) error {
	if errors.Is(err, errTooLarge) {
		return finalError{status.New(codes.ResourceExhausted, tooLarge(e.limit).Error()), err}
	}
	return finalError{status.New(codes.InvalidArgument, printable(fmt.Sprintf("inflate %s: %v", compression, err))), err}
}

// finalError is an error with a status of its own.
type finalError struct {
	status *status.Status
	error
}

func (e finalError) GRPCStatus() *status.Status { return e.status }
func (e finalError) Unwrap() error              { return e.error }

func (e *exporter) status(signal Signal, err error) error {
	switch {
	case errors.Is(err, errMalformed):
		return status.Error(codes.InvalidArgument, printable(err.Error()))
	case errors.Is(err, ingest.ErrOverloaded):
		return retryable(codes.ResourceExhausted, err.Error())
	}
	if errors.Is(err, errNotKept) {
		e.log.Error("the sender is told to send a request again", "signal", signal, "err", err)
		return retryable(codes.Unavailable, "the request could not be made durable; send again")
	}
	e.log.Error("consume request; the sender is told to send it again", "signal", signal, "err", err)
	return retryable(codes.Unavailable, "the request could not be taken; send again")
}

// printable makes a message of ours that quotes a stranger's input fit for an
// answer: valid UTF-8, not too long.
func printable(s string) string {
	const limit = 500
	return strings.ToValidUTF8(s[:min(len(s), limit)], "\uFFFD")
}

// retryable makes a status that tells the sender when to try again. Without
// the detail RESOURCE_EXHAUSTED would be final.
func retryable(code codes.Code, message string) error {
	s, err := status.New(code, message).WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)})
	if err != nil {
		return status.Error(codes.Unavailable, message)
	}
	return s.Err()
}

// Replay consumes a request that a journal gives back. Records that were refused
// the first time are refused again, in silence.
func Replay(signal Signal, encoding Encoding, body []byte, consumer Consumer) error {
	switch encoding {
	case Reduced:
		if err := consumer.TracesReduced(body); err != nil {
			return fmt.Errorf("replay %s from journal: %w", signal, err)
		}
		return nil
	case ProtobufGzip:
		p, err := inflate("gzip", body, math.MaxInt32) // it was taken once: it is not too large
		if err != nil {
			return fmt.Errorf("replay %s from journal: %w", signal, err)
		}
		defer shared.Put(p)
		encoding, body = Protobuf, *p
	}
	if _, err := consume(signal, encoding, body, consumer, nil); err != nil {
		return fmt.Errorf("replay %s from journal: %w", signal, err)
	}
	return nil
}

// consume hands a request over as protobuf, has it kept if keep is not nil, and encodes
// the response.
func consume(signal Signal, encoding Encoding, body []byte, to Consumer, keep func([]byte) error) ([]byte, error) {
	x, err := exchangeOf(signal, to)
	if err != nil {
		return nil, err
	}
	message := body
	switch encoding {
	case Protobuf:
	case JSON:
		p := shared.Get(len(body))
		defer shared.Put(p)
		if message, err = wire.AppendJSON((*p)[:0], x.kind, body); err != nil {
			return nil, malformed(signal, encoding, err)
		}
	default:
		return nil, malformed(signal, encoding, errors.New("the encoding is unknown"))
	}
	refused, err := x.hand(message, signal, to, keep)
	switch {
	case errors.Is(err, wire.ErrMalformed), errors.Is(err, wire.ErrTooDeep):
		return nil, malformed(signal, encoding, err)
	case err != nil:
		return nil, err
	case refused.Count == 0 && encoding == Protobuf:
		return nil, nil // an empty message
	}
	out := x.response(refused)
	if encoding == JSON {
		return out.MarshalJSON()
	}
	return out.MarshalProto()
}

// hand hands a request over, and has it kept.
func (x *exchange) hand(message []byte, signal Signal, to Consumer, keep func([]byte) error) (ingest.Refusal, error) {
	switch {
	case keep == nil:
		return x.take(message)
	case signal == Traces:
		return to.TracesKept(message, keep)
	}
	refused, err := x.take(message)
	if err == nil {
		err = keep(nil)
	}
	return refused, err
}

func malformed(signal Signal, encoding Encoding, why error) error {
	return fmt.Errorf("%w: %s as %s: %w", errMalformed, signal, encoding, why)
}

// exchange is what to do with a request of a signal, and how its response is made.
type exchange struct {
	kind     wire.Message
	take     func([]byte) (ingest.Refusal, error)
	response func(ingest.Refusal) response
}

// response is a response of pdata's.
type response interface {
	MarshalProto() ([]byte, error)
	MarshalJSON() ([]byte, error)
}

func exchangeOf(signal Signal, to Consumer) (exchange, error) {
	switch signal {
	case Traces:
		return exchange{wire.Traces, to.TracesProto, tracesResponse}, nil
	case Metrics:
		return exchange{wire.Metrics, to.MetricsProto, metricsResponse}, nil
	case Logs:
		return exchange{wire.Logs, to.LogsProto, logsResponse}, nil
	}
	return exchange{}, fmt.Errorf("%w: signal %d is unknown", errMalformed, signal)
}

func tracesResponse(r ingest.Refusal) response {
	out := ptraceotlp.NewExportResponse()
	if r.Count > 0 {
		out.PartialSuccess().SetRejectedSpans(int64(r.Count))
		out.PartialSuccess().SetErrorMessage(r.Reason)
	}
	return out
}

func metricsResponse(r ingest.Refusal) response {
	out := pmetricotlp.NewExportResponse()
	if r.Count > 0 {
		out.PartialSuccess().SetRejectedDataPoints(int64(r.Count))
		out.PartialSuccess().SetErrorMessage(r.Reason)
	}
	return out
}

func logsResponse(r ingest.Refusal) response {
	out := plogotlp.NewExportResponse()
	if r.Count > 0 {
		out.PartialSuccess().SetRejectedLogRecords(int64(r.Count))
		out.PartialSuccess().SetErrorMessage(r.Reason)
	}
	return out
}

// String is the signal's name in OTLP's paths.
func (s Signal) String() string { return name(s, "traces", "metrics", "logs") }

// String is the encoding's name.
func (e Encoding) String() string { return name(e, "protobuf", "JSON", "protobuf in gzip", "reduced") }

func name[T ~uint8](n T, names ...string) string {
	if n >= 1 && int(n) <= len(names) {
		return names[n-1]
	}
	return fmt.Sprintf("number %d", n)
}
