package otlp

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that rawCodec falls back to
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

// streamWorkers is how many requests are served by goroutines that stay. A new one grows
// its stack several times until a request is decoded. Further requests have one each.
const streamWorkers = 32

// newGRPC makes the gRPC server. Exporters keep one connection open for days and
// ping it: pings are allowed from every 10 s on, and without a request at work.
func (s *Server) newGRPC() *grpc.Server {
	opts := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(s.opt.MaxMessageBytes),
		grpc.ForceServerCodecV2(rawCodec{}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * time.Minute, Timeout: 20 * time.Second}),
		grpc.MaxConcurrentStreams(256),
		grpc.ConnectionTimeout(20 * time.Second),
		grpc.InTapHandle(s.admit),
		experimental.BufferPool(&shared),
		grpc.RPCDecompressor(keptGzip{}), //nolint:staticcheck // SA1019: what came instead cannot leave a message compressed; kept through gRPC 1.x
		grpc.InitialWindowSize(1 << 20),
		grpc.InitialConnWindowSize(4 << 20),
		grpc.ReadBufferSize(128 << 10),
		grpc.NumStreamWorkers(streamWorkers),
	}
	if s.opt.TLS != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(s.opt.TLS)))
	}
	g := grpc.NewServer(opts...)
	for signal, service := range map[Signal]string{
		Traces:  "opentelemetry.proto.collector.trace.v1.TraceService",
		Metrics: "opentelemetry.proto.collector.metrics.v1.MetricsService",
		Logs:    "opentelemetry.proto.collector.logs.v1.LogsService",
	} {
		g.RegisterService(s.service(service, signal), s)
	}
	return g
}

// service describes an OTLP service whose messages stay bytes.
func (s *Server) service(name string, signal Signal) *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: name,
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Export",
			Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				return s.exportGRPC(signal, decode)
			},
		}},
	}
}

func (s *Server) exportGRPC(signal Signal, decode func(any) error) (any, error) {
	var in rawMessage
	if err := decode(&in); err != nil {
		return nil, err
	}
	defer in.free()
	body, compression := in.bytes(), ""
	if rest, ok := bytes.CutPrefix(body, []byte(gzipMark)); ok {
		body, compression = rest, "gzip"
	}
	out, err := s.exporter.export(signal, Protobuf, compression, body)
	if err != nil {
		return nil, err
	}
	return &rawMessage{answer: out}, nil
}

// admit turns strangers away before their message is read.
func (s *Server) admit(ctx context.Context, call *tap.Info) (context.Context, error) {
	header := ""
	if v := call.Header.Get("authorization"); len(v) > 0 {
		header = v[0]
	}
	if !s.tokens.allow(header) {
		return nil, status.Error(codes.Unauthenticated, "missing or wrong bearer token in authorization")
	}
	return ctx, nil
}

// rawMessage is a message as bytes: of a request those received, of an answer
// those to send.
type rawMessage struct {
	received mem.Buffer
	answer   []byte
}

func (m *rawMessage) bytes() []byte {
	if m.received == nil {
		return nil
	}
	return m.received.ReadOnlyData()
}

func (m *rawMessage) free() {
	if m.received != nil {
		m.received.Free()
	}
}

// rawCodec hands the bytes of a message over as they came. What is no rawMessage
// goes the usual way.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(*rawMessage); ok {
		return mem.BufferSlice{mem.SliceBuffer(m.answer)}, nil
	}
	codec := encoding.GetCodecV2("proto")
	if codec == nil {
		return nil, fmt.Errorf("encode %T: no codec", v)
	}
	return codec.Marshal(v)
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(*rawMessage); ok {
		m.received = data.MaterializeToBuffer(&shared)
		return nil
	}
	codec := encoding.GetCodecV2("proto")
	if codec == nil {
		return fmt.Errorf("decode %T: no codec", v)
	}
	return codec.Unmarshal(data, v)
}
