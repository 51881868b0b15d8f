package e2e_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// soak is how long TestOverload sends too much; make soak gives it five minutes.
var soak = flag.Duration("soak", 30*time.Second, "how long to send twice of what fits")

// TestOverload sends twice of what fits into the memory allowed. Whoever is refused is
// told to come again, memory stays within its bound, every span that was accepted is
// counted, and once less comes everything is accepted again.
func TestOverload(t *testing.T) {
	const pending = 8 << 20
	// A record is estimated at about 108 bytes, and waits 10 s of lateness and up to two windows of 5 s.
	const sustainable = pending / 108 / 17
	s := serve(t, "limits: {pending: 8MiB}")
	f := newFlood(t, s)
	until := time.Now().Add(*soak)
	f.send(2*sustainable, until)
	if f.refused.Load() == 0 {
		t.Error("nothing was refused")
	}
	if got := s.metric("unship_pending_bytes"); got > pending*5/4 {
		t.Errorf("%.0f bytes pending, want %d at most and a little", got, pending)
	}
	// Time enough for windows to close; then all that comes must find room.
	f.send(sustainable/4, time.Now().Add(15*time.Second))
	before := f.refused.Load()
	f.send(sustainable/4, time.Now().Add(10*time.Second))
	if n := f.refused.Load() - before; n != 0 {
		t.Errorf("%d requests were refused long after the flood", n)
	}
	if mb := s.peak(); mb > 300 {
		t.Errorf("%d MB resident at most, want less than 300", mb)
	}
	s.judgedUntil(f.last)
	late := s.metric("unship_late_total")
	s.kill(syscall.SIGTERM)
	t.Logf("%d spans accepted, %d requests refused, %.0f spans late", f.accepted.Load(), f.refused.Load(), late)
	if got, want := counted(t, s.state)+uint64(late), f.accepted.Load(); got != want {
		t.Errorf("%d spans are in windows or known to be late, of %d accepted", got, want)
	}
}

// flood sends spans at a rate, by turns over gRPC and over HTTP.
type flood struct {
	t                 *testing.T
	s                 *server
	client            ptraceotlp.GRPCClient
	serial            uint64
	last              time.Time // when the spans sent last ended
	accepted, refused atomic.Uint64
}

func newFlood(t *testing.T, s *server) *flood {
	t.Helper()
	cc, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return &flood{t: t, s: s, client: ptraceotlp.NewGRPCClient(cc)}
}

// send sends so many spans a second. What is refused is not sent again: others come instead.
func (f *flood) send(rate int, until time.Time) {
	f.t.Helper()
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	last := time.Now()
	for now := range pace.C {
		if now.After(until) {
			return
		}
		n := int(now.Sub(last).Seconds() * float64(rate)) // a late tick sends what the ones before it did not
		last = now
		request := ptraceotlp.NewExportRequestFromTraces(f.spans(n))
		if f.serial%2 == 0 {
			f.overGRPC(request, n)
		} else {
			f.overHTTP(request, n)
		}
	}
}

func (f *flood) spans(n int) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "ledger")
	rs.Resource().Attributes().PutStr("service.version", "1.0.0")
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	f.serial++
	f.last = time.Now()
	for i := range n {
		sp := spans.AppendEmpty()
		var id pcommon.TraceID
		binary.BigEndian.PutUint64(id[:], f.serial)
		binary.BigEndian.PutUint64(id[8:], uint64(i+1))
		sp.SetTraceID(id)
		sp.SetSpanID(pcommon.SpanID{1})
		sp.SetKind(ptrace.SpanKindServer)
		sp.SetName("GET /balance")
		sp.SetStartTimestamp(pcommon.NewTimestampFromTime(f.last.Add(-20 * time.Millisecond)))
		sp.SetEndTimestamp(pcommon.NewTimestampFromTime(f.last))
	}
	return td
}

func (f *flood) overGRPC(request ptraceotlp.ExportRequest, n int) {
	f.t.Helper()
	_, err := f.client.Export(f.t.Context(), request)
	if err == nil {
		f.accepted.Add(uint64(n))
		return
	}
	f.refused.Add(1)
	st := status.Convert(err)
	for _, d := range st.Details() {
		if r, ok := d.(*errdetails.RetryInfo); ok && st.Code() == codes.ResourceExhausted && r.GetRetryDelay().AsDuration() > 0 {
			return
		}
	}
	f.t.Errorf("refused by %v with %v, want RESOURCE_EXHAUSTED with a delay", err, st.Details())
}

func (f *flood) overHTTP(request ptraceotlp.ExportRequest, n int) {
	f.t.Helper()
	body, err := request.MarshalProto()
	if err != nil {
		f.t.Fatal(err)
	}
	resp, err := http.Post("http://"+f.s.otlpHTTP+"/v1/traces", "application/x-protobuf", bytes.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK:
		f.accepted.Add(uint64(n))
	case resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "":
		f.refused.Add(1)
	default:
		f.t.Errorf("refused by %s, Retry-After %q, want 429 with a delay", resp.Status, resp.Header.Get("Retry-After"))
	}
}

// metric reads one of the server's own metrics.
func (s *server) metric(name string) (v float64) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.http+"/metrics", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, name+" %g", &v); err == nil {
			return v
		}
	}
	s.t.Fatalf("no metric %s", name)
	return 0
}

// peak is the largest resident set of the server so far, in MB; 0 where there is no /proc.
func (s *server) peak() (mb int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &mb); err == nil {
			return mb / 1000
		}
	}
	return 0
}
