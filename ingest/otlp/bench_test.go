package otlp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/http"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"

	"unship.dev/ingest"
)

const benchSpans = 512

// benchBody is one batch: a service, ten attributes a span. The first trace id
// says which batch it is.
func benchBody(b *testing.B, batch int) []byte {
	b.Helper()
	r := ptraceotlp.NewExportRequest()
	rs := r.Traces().ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", fmt.Sprintf("service-%d", batch%12))
	rs.Resource().Attributes().PutStr("service.version", "1.0.0")
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	for n := range benchSpans {
		s := spans.AppendEmpty()
		var trace pcommon.TraceID
		binary.BigEndian.PutUint64(trace[8:], uint64(batch*benchSpans+n/3+1)*0x9e3779b97f4a7c15)
		s.SetTraceID(trace)
		s.SetSpanID(pcommon.SpanID{1, 2, 3, byte(n % 3)})
		s.SetKind(ptrace.SpanKindServer)
		s.SetStartTimestamp(pcommon.Timestamp(1_800_000_000e9 + batch*10_000_000))
		s.SetEndTimestamp(s.StartTimestamp() + 1e6)
		for i := range 9 {
			s.Attributes().PutStr(fmt.Sprintf("attribute.number.%d", i), "a value of some length, as they are")
		}
		s.Attributes().PutStr("http.route", "/orders/{id}")
	}
	body, err := r.MarshalProto()
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// benchServer is a server over a real Aggregator whose ticks are taken, and the batches to send to it.
func benchServer(b *testing.B) (running, *ingest.Aggregator, [][]byte) {
	b.Helper()
	a, err := ingest.New(ingest.Options{
		Window: 5 * time.Second, Lateness: 10 * time.Second, MaxOperations: 200, MaxPendingBytes: math.MaxInt64,
		Ceiling: func() time.Time { return time.Unix(1_900_000_000, 0) },
	})
	if err != nil {
		b.Fatal(err)
	}
	var bodies [][]byte
	for i := range 200 {
		bodies = append(bodies, benchBody(b, i))
	}
	return start(b, a), a, bodies
}

// measure reports the spans per CPU-second of the whole process: the client's part is in it.
func measure(b *testing.B, a *ingest.Aggregator, send func(i int) error) {
	cpu := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	b.ReportAllocs()
	begin, n := cpu(), 0
	for b.Loop() {
		if err := send(n); err != nil {
			b.Fatal(err)
		}
		if n++; n%50 == 0 {
			a.Take()
		}
	}
	a.Flush()
	b.ReportMetric(float64(n*benchSpans)/(cpu()-begin).Seconds(), "spans/CPU-s")
}

func BenchmarkGRPC(b *testing.B) {
	for _, compressor := range []string{"identity", "gzip", "zstd"} {
		b.Run(compressor, func(b *testing.B) {
			r, a, bodies := benchServer(b)
			cc := r.dial(b)
			measure(b, a, func(i int) error {
				return cc.Invoke(b.Context(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
					&rawMessage{answer: bodies[i%len(bodies)]}, &rawMessage{}, grpc.ForceCodecV2(rawCodec{}), grpc.UseCompressor(compressor))
			})
		})
	}
}

func BenchmarkHTTP(b *testing.B) {
	for _, encoding := range []string{"identity", "gzip", "zstd"} {
		b.Run(encoding, func(b *testing.B) {
			r, a, bodies := benchServer(b)
			for i := range bodies {
				bodies[i] = compress(b, encoding, bodies[i])
			}
			measure(b, a, func(i int) error { return sendHTTP(r, encoding, bodies[i%len(bodies)]) })
		})
	}
}

func sendHTTP(r running, encoding string, body []byte) error {
	req, err := http.NewRequest(http.MethodPost, r.url+"/v1/traces", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", protobufType)
	req.Header.Set("Content-Encoding", encoding)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err = io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("answer %s", resp.Status)
	}
	return err
}
