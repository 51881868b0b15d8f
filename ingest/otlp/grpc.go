package otlp

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"unship.dev/ingest/otlp/h2"
)

// newGRPC makes the gRPC server.
func (s *Server) newGRPC() *h2.Server {
	methods := map[string]h2.Method{}
	for signal, service := range map[Signal]string{
		Traces:  "opentelemetry.proto.collector.trace.v1.TraceService",
		Metrics: "opentelemetry.proto.collector.metrics.v1.MetricsService",
		Logs:    "opentelemetry.proto.collector.logs.v1.LogsService",
	} {
		methods["/"+service+"/Export"] = func(compression string, message []byte) ([]byte, error) {
			return s.exporter.export(signal, Protobuf, compression, message)
		}
	}
	return h2.New(h2.Options{
		Methods:         methods,
		Compressions:    []string{"gzip", "zstd"},
		MaxMessageBytes: s.opt.MaxMessageBytes,
		Admit:           s.admit,
		Busy:            retryable(codes.ResourceExhausted, "too many requests are being received; send again"),
		Buffers:         &shared,
		TLS:             s.opt.TLS,
		Logger:          s.opt.Logger,
	})
}

// admit turns strangers away before their message is read.
func (s *Server) admit(authorization string) error {
	if !s.tokens.allow(authorization) {
		return status.Error(codes.Unauthenticated, "missing or wrong bearer token in authorization")
	}
	return nil
}
