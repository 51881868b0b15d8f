package otlp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"unship.dev/ingest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is a Consumer that counts, and answers as it is told.
type sink struct {
	mu                     sync.Mutex
	spans, points, records int
	refusal                ingest.Refusal
	err                    error
}

func (s *sink) take(n int, to *int) (ingest.Refusal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		*to += n
	}
	return s.refusal, s.err
}

func (s *sink) TracesProto(b []byte) (ingest.Refusal, error) {
	n, err := told(b, (*ingest.Aggregator).TracesProto)
	if err != nil {
		return ingest.Refusal{}, err
	}
	return s.take(n, &s.spans)
}

// TracesKept keeps requests as they are.
func (s *sink) TracesKept(b []byte, keep func([]byte) error) (ingest.Refusal, error) {
	refused, err := s.TracesProto(b)
	if err != nil {
		return refused, err
	}
	return refused, keep(b)
}

func (s *sink) TracesReduced(b []byte) error {
	_, err := s.TracesProto(b)
	return err
}

func (s *sink) MetricsProto(b []byte) (ingest.Refusal, error) {
	n, err := told(b, (*ingest.Aggregator).MetricsProto)
	if err != nil {
		return ingest.Refusal{}, err
	}
	return s.take(n, &s.points)
}

func (s *sink) LogsProto(b []byte) (ingest.Refusal, error) {
	n, err := told(b, (*ingest.Aggregator).LogsProto)
	if err != nil {
		return ingest.Refusal{}, err
	}
	return s.take(n, &s.records)
}

// told counts the records of a request, whether they are valid or not.
func told(b []byte, take func(*ingest.Aggregator, []byte) (ingest.Refusal, error)) (int, error) {
	a, err := ingest.New(ingest.Options{Window: time.Second, MaxOperations: 10, MaxPendingBytes: 1 << 30, Ceiling: time.Now})
	if err != nil {
		return 0, err
	}
	refused, err := take(a, b)
	s := a.Stats()
	return refused.Count + int(s.Spans+s.Points+s.Records), err
}

// message is a pdata request.
type message interface {
	MarshalProto() ([]byte, error)
	MarshalJSON() ([]byte, error)
}

// notes is a Journal that keeps everything.
type notes struct {
	mu   sync.Mutex
	full error
	err  error
	all  []note
}

type note struct {
	signal   Signal
	encoding Encoding
	body     []byte
}

func (n *notes) Room(int) error { return n.full }

func (n *notes) Append(signal Signal, encoding Encoding, body []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, note{signal, encoding, bytes.Clone(body)})
	return n.err
}

// running is a server at work.
type running struct {
	grpcAddr, url string
	stop          func() error
}

func start(t testing.TB, consumer Consumer, change ...func(*Options)) running {
	t.Helper()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	opt := Options{GRPC: listen(), HTTP: listen(), MaxMessageBytes: DefaultMaxMessageBytes}
	for _, f := range change {
		f(&opt)
	}
	s, err := New(opt, consumer)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return running{opt.GRPC.Addr().String(), "http://" + opt.HTTP.Addr().String(), stop}
}

func (r running) dial(t testing.TB, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient(r.grpcAddr, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}

func oneSpan() ptraceotlp.ExportRequest {
	r := ptraceotlp.NewExportRequest()
	rs := r.Traces().ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "cart")
	rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty().SetName("op")
	return r
}

func oneMetric() pmetricotlp.ExportRequest {
	r := pmetricotlp.NewExportRequest()
	m := r.Metrics().ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetEmptyGauge().DataPoints().AppendEmpty().SetIntValue(1)
	return r
}

func oneLog() plogotlp.ExportRequest {
	r := plogotlp.NewExportRequest()
	r.Logs().ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("x")
	return r
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func compress(t testing.TB, encoding string, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zstd":
		w = must[*zstd.Encoder](t)(zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1)))
	default:
		return b
	}
	must[int](t)(w.Write(b))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestGRPCTakesAllSignalsInAllCompressions(t *testing.T) {
	got := &sink{}
	r := start(t, got)
	cc := r.dial(t)
	ctx := t.Context()
	for _, c := range []string{"", "gzip", "zstd", "gzip", "zstd"} {
		var opts []grpc.CallOption
		if c != "" {
			opts = append(opts, grpc.UseCompressor(c))
		}
		must[ptraceotlp.ExportResponse](t)(ptraceotlp.NewGRPCClient(cc).Export(ctx, oneSpan(), opts...))
		must[pmetricotlp.ExportResponse](t)(pmetricotlp.NewGRPCClient(cc).Export(ctx, oneMetric(), opts...))
		must[plogotlp.ExportResponse](t)(plogotlp.NewGRPCClient(cc).Export(ctx, oneLog(), opts...))
	}
	if got.spans != 5 || got.points != 5 || got.records != 5 {
		t.Errorf("took %d spans, %d points, %d records; want 5 each", got.spans, got.points, got.records)
	}
}

func (r running) post(t testing.TB, path, contentType, encoding string, body []byte) (*http.Response, []byte) {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequest(http.MethodPost, r.url+path, bytes.NewReader(body)))
	req.Header.Set("Content-Type", contentType)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	resp := must[*http.Response](t)(http.DefaultClient.Do(req))
	defer resp.Body.Close()
	return resp, must[[]byte](t)(io.ReadAll(resp.Body))
}

const protobufType, jsonType = "application/x-protobuf", "application/json"

func TestHTTPTakesAllSignalsInAllForms(t *testing.T) {
	got := &sink{refusal: ingest.Refusal{Count: 3, Reason: "3: no time"}}
	r := start(t, got)
	for _, c := range []string{"", "gzip", "zstd", "identity"} {
		for path, m := range map[string]message{"/v1/traces": oneSpan(), "/v1/metrics": oneMetric(), "/v1/logs": oneLog()} {
			resp, body := r.post(t, path, protobufType, c, compress(t, c, must[[]byte](t)(m.MarshalProto())))
			if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != protobufType {
				t.Errorf("%s %q: %s %s %q", path, c, resp.Status, resp.Header.Get("Content-Type"), body)
			}
			resp, body = r.post(t, path, jsonType+"; charset=utf-8", c, compress(t, c, must[[]byte](t)(m.MarshalJSON())))
			if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != jsonType || !strings.Contains(string(body), "3: no time") {
				t.Errorf("%s %q: %s %s %q", path, c, resp.Status, resp.Header.Get("Content-Type"), body)
			}
		}
	}
	if got.spans != 8 || got.points != 8 || got.records != 8 {
		t.Errorf("took %d spans, %d points, %d records; want 8 each", got.spans, got.points, got.records)
	}
}

func TestPartialSuccess(t *testing.T) {
	r := start(t, &sink{refusal: ingest.Refusal{Count: 2, Reason: "2: ends before it starts"}})
	resp := must[ptraceotlp.ExportResponse](t)(ptraceotlp.NewGRPCClient(r.dial(t)).Export(t.Context(), oneSpan()))
	if p := resp.PartialSuccess(); p.RejectedSpans() != 2 || p.ErrorMessage() != "2: ends before it starts" {
		t.Errorf("partial success %d %q", p.RejectedSpans(), p.ErrorMessage())
	}
}

func TestJournal(t *testing.T) {
	kept := &notes{}
	r := start(t, &sink{}, func(o *Options) { o.Journal = kept })
	must[plogotlp.ExportResponse](t)(plogotlp.NewGRPCClient(r.dial(t)).Export(t.Context(), oneLog(), grpc.UseCompressor("gzip")))
	r.post(t, "/v1/traces", jsonType, "zstd", compress(t, "zstd", must[[]byte](t)(oneSpan().MarshalJSON())))
	r.post(t, "/v1/traces", jsonType, "", []byte("{"))
	if len(kept.all) != 2 {
		t.Fatalf("%d requests kept, want the 2 that were taken", len(kept.all))
	}
	again := &sink{}
	for _, n := range kept.all {
		if err := Replay(n.signal, n.encoding, n.body, again); err != nil {
			t.Error(err)
		}
	}
	if again.records != 1 || again.spans != 1 {
		t.Errorf("replayed %d records and %d spans, want 1 and 1", again.records, again.spans)
	}
	if err := Replay(Signal(9), Protobuf, nil, again); err == nil {
		t.Error("signal 9 was replayed")
	}
	kept.err = errors.New("disk full")
	_, err := ptraceotlp.NewGRPCClient(r.dial(t)).Export(t.Context(), oneSpan())
	checkRetryable(t, err, codes.Unavailable)
}

// accessLog is an access log of four minutes, a request a second.
func accessLog() plogotlp.ExportRequest {
	r := plogotlp.NewExportRequest()
	rl := r.Logs().ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "cart")
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	for second := range 240 {
		record := records.AppendEmpty()
		record.SetTimestamp(pcommon.NewTimestampFromTime(time.Unix(1_800_000_000+int64(second), 0)))
		record.Body().SetStr("request completed")
		a := record.Attributes()
		a.PutStr("http.request.method", "GET")
		a.PutStr("http.route", "/carts/{id}")
		a.PutInt("http.response.status_code", int64(200+second%2*300))
		a.PutDouble("duration_ms", float64(second))
	}
	return r
}

// Log records are kept as they came: what they tell of requests comes back as well.
func TestJournaledLogsTellTheSame(t *testing.T) {
	consumer := func() *ingest.Aggregator {
		return must[*ingest.Aggregator](t)(ingest.New(ingest.Options{
			Window: 5 * time.Second, MaxOperations: 10, MaxPendingBytes: 1 << 30, Ceiling: func() time.Time { return time.Unix(1_800_003_600, 0) },
		}))
	}
	kept, first, second := &notes{}, consumer(), consumer()
	r := start(t, first, func(o *Options) { o.Journal = kept })
	must[plogotlp.ExportResponse](t)(plogotlp.NewGRPCClient(r.dial(t)).Export(t.Context(), accessLog(), grpc.UseCompressor("gzip")))
	r.post(t, "/v1/logs", jsonType, "zstd", compress(t, "zstd", must[[]byte](t)(accessLog().MarshalJSON())))
	for _, n := range kept.all {
		if err := Replay(n.signal, n.encoding, n.body, second); err != nil {
			t.Error(err)
		}
	}
	want, got := first.Flush(), second.Flush()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	last := want[len(want)-1].Windows[0]
	if ops := last.Operations; len(ops) != 1 || ops[0].Requests != 10 || ops[0].Failed == 0 || ops[0].Duration.Total() != 10 {
		t.Errorf("the last window tells %+v; want ten requests", last)
	}
}

func TestAFullJournalRefusesBeforeAnythingIsConsumed(t *testing.T) {
	consumer := &sink{}
	r := start(t, consumer, func(o *Options) { o.Journal = &notes{full: errors.New("the log is full")} })
	_, err := ptraceotlp.NewGRPCClient(r.dial(t)).Export(t.Context(), oneSpan())
	checkRetryable(t, err, codes.ResourceExhausted)
	if resp, _ := r.post(t, "/v1/traces", jsonType, "", must[[]byte](t)(oneSpan().MarshalJSON())); resp.StatusCode != 429 {
		t.Errorf("HTTP: %s, want 429", resp.Status)
	}
	if consumer.spans != 0 {
		t.Errorf("%d spans were consumed", consumer.spans)
	}
}

func TestTokens(t *testing.T) {
	r := start(t, &sink{}, func(o *Options) { o.Tokens = []string{"one", "two"} })
	client := ptraceotlp.NewGRPCClient(r.dial(t))
	for header, want := range map[string]codes.Code{
		"": codes.Unauthenticated, "Bearer three": codes.Unauthenticated, "one": codes.Unauthenticated, "Bearer two": codes.OK, "bearer one": codes.OK,
	} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", header)
		if _, err := client.Export(ctx, oneSpan()); status.Code(err) != want {
			t.Errorf("gRPC %q: %v, want %v", header, err, want)
		}
		req := must[*http.Request](t)(http.NewRequest(http.MethodPost, r.url+"/v1/traces", strings.NewReader("{}")))
		req.Header.Set("Content-Type", jsonType)
		req.Header.Set("Authorization", header)
		resp := must[*http.Response](t)(http.DefaultClient.Do(req))
		resp.Body.Close()
		if ok := resp.StatusCode == 200; ok != (want == codes.OK) {
			t.Errorf("HTTP %q: %s", header, resp.Status)
		}
	}
}

func TestShutdownLetsRequestsFinish(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	r := start(t, slow{&sink{}, entered, leave})
	done := make(chan error, 1)
	client := ptraceotlp.NewGRPCClient(r.dial(t))
	go func() {
		_, err := client.Export(context.Background(), oneSpan())
		done <- err
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	close(leave)
	if err := <-done; err != nil {
		t.Errorf("the request at work got %v", err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := client.Export(ctx, oneSpan()); status.Code(err) != codes.Unavailable {
		t.Errorf("after the end: %v, want UNAVAILABLE", err)
	}
}

// slow is a Consumer that waits until it may go on.
type slow struct {
	*sink
	entered, leave chan struct{}
}

func (s slow) TracesProto(b []byte) (ingest.Refusal, error) {
	close(s.entered)
	<-s.leave
	return s.sink.TracesProto(b)
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Options{Tokens: []string{" "}}, &sink{})
	for _, want := range []string{"no listener", "max message bytes", "token 1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %q", err, want)
		}
	}
}

func FuzzConsume(f *testing.F) {
	for signal, m := range map[Signal]message{Traces: oneSpan(), Metrics: oneMetric(), Logs: oneLog()} {
		f.Add(uint8(signal), uint8(Protobuf), must[[]byte](f)(m.MarshalProto()))
		f.Add(uint8(signal), uint8(JSON), must[[]byte](f)(m.MarshalJSON()))
	}
	f.Add(uint8(Traces), uint8(Protobuf), nested(4000))
	a, err := ingest.New(ingest.Options{
		Window: time.Second, MaxOperations: 10, MaxPendingBytes: 1 << 30,
		Ceiling: func() time.Time { return time.Unix(1<<33, 0) },
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, signal, encoding uint8, body []byte) {
		if _, err := consume(Signal(signal%4), Encoding(encoding%3), body, a, nil); err != nil && !errors.Is(err, errMalformed) {
			t.Error(err)
		}
		a.Take()
	})
}
