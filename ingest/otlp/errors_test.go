package otlp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"unship.dev/ingest"
)

func TestHTTPErrors(t *testing.T) {
	ok := must[[]byte](t)(oneSpan().MarshalProto())
	bomb := compress(t, "gzip", make([]byte, 3<<20))
	zbomb := compress(t, "zstd", make([]byte, 3<<20))
	random := []byte("\xff\x13\x37 no protobuf at all \x00\x01")
	tests := []struct {
		name, method, path, contentType, encoding string
		body                                      []byte
		want                                      int
	}{
		{"wrong method", "GET", "/v1/traces", protobufType, "", nil, 405},
		{"wrong path", "POST", "/v1/spans", protobufType, "", ok, 404},
		{"wrong type", "POST", "/v1/traces", "text/plain", "", ok, 415},
		{"no type", "POST", "/v1/logs", "", "", ok, 415},
		{"wrong compression", "POST", "/v1/traces", protobufType, "br", ok, 415},
		{"not gzip", "POST", "/v1/traces", protobufType, "gzip", ok, 400},
		{"not zstd", "POST", "/v1/traces", protobufType, "zstd", ok, 400},
		{"truncated gzip", "POST", "/v1/traces", protobufType, "gzip", compress(t, "gzip", ok)[:20], 400},
		{"gzip bomb", "POST", "/v1/traces", protobufType, "gzip", bomb, 413},
		{"zstd bomb", "POST", "/v1/metrics", jsonType, "zstd", zbomb, 413},
		{"too large", "POST", "/v1/traces", protobufType, "", make([]byte, 2<<20), 413},
		{"random", "POST", "/v1/traces", protobufType, "", random, 400},
		{"truncated", "POST", "/v1/traces", protobufType, "", ok[:len(ok)-2], 400},
		{"not JSON", "POST", "/v1/traces", jsonType, "", random, 400},
		{"JSON of wrong types", "POST", "/v1/traces", jsonType, "", []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":7,"startTimeUnixNano":"soon"}]}]}]}`), 400},
		{"nested", "POST", "/v1/traces", protobufType, "", nested(1 << 18), 400},
		{"nested JSON", "POST", "/v1/logs", jsonType, "", []byte(`{"resourceLogs":[{"resource":{"attributes":[{"key":"k","value":` + strings.Repeat(`{"arrayValue":{"values":[`, 20000)), 400},
	}
	got := &sink{}
	r := start(t, got, func(o *Options) { o.MaxMessageBytes = 1<<20 + 1000 })
	for _, tt := range tests {
		req := must[*http.Request](t)(http.NewRequest(tt.method, r.url+tt.path, bytes.NewReader(tt.body)))
		req.Header.Set("Content-Type", tt.contentType)
		req.Header.Set("Content-Encoding", tt.encoding)
		resp := must[*http.Response](t)(http.DefaultClient.Do(req))
		body := must[[]byte](t)(io.ReadAll(resp.Body))
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %s %q, want %d", tt.name, resp.Status, body, tt.want)
		}
		if tt.want != 404 {
			checkStatus(t, tt.name, resp, body)
		}
	}
	if got.spans+got.points+got.records != 0 {
		t.Error("something of that was consumed")
	}
}

// checkStatus wants a google.rpc.Status in the type that the answer says.
func checkStatus(t *testing.T, name string, resp *http.Response, body []byte) {
	t.Helper()
	var st spb.Status
	unmarshal := proto.Unmarshal
	if resp.Header.Get("Content-Type") == jsonType {
		unmarshal = protojson.Unmarshal
	}
	if err := unmarshal(body, &st); err != nil || st.GetMessage() == "" {
		t.Errorf("%s: answer %q is no status with a message: %v", name, body, err)
	}
}

// nested makes a request of about size bytes that is nothing but nesting.
func nested(size int) []byte {
	buf, pos := make([]byte, size), size
	wrap := func(field protowire.Number) {
		head := protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.BytesType), uint64(size-pos))
		pos -= len(head)
		copy(buf[pos:], head)
	}
	for pos > 100 {
		wrap(1)
		wrap(5)
	}
	for _, field := range []protowire.Number{2, 1, 1, 1} {
		wrap(field)
	}
	return buf[pos:]
}

func TestGRPCErrors(t *testing.T) {
	r := start(t, &sink{}, func(o *Options) { o.MaxMessageBytes = 1 << 20 })
	big := ptraceotlp.NewExportRequest()
	big.Traces().ResourceSpans().AppendEmpty().Resource().Attributes().PutStr("k", strings.Repeat("a", 3<<20))
	for _, c := range []string{"identity", "gzip", "zstd"} {
		_, err := ptraceotlp.NewGRPCClient(r.dial(t)).Export(t.Context(), big, grpc.UseCompressor(c))
		if st := status.Convert(err); st.Code() != codes.ResourceExhausted || len(st.Details()) != 0 {
			t.Errorf("%s: too large: %v with %v, want RESOURCE_EXHAUSTED without details, which is final", c, err, st.Details())
		}
	}
	for _, body := range [][]byte{[]byte("\xff\x13\x37"), nested(1 << 19)} {
		err := r.dial(t).Invoke(t.Context(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
			&rawMessage{answer: body}, &rawMessage{}, grpc.ForceCodecV2(rawCodec{}))
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("malformed: %v, want INVALID_ARGUMENT", err)
		}
	}
}

func TestOverloadIsRetryable(t *testing.T) {
	for name, err := range map[string]error{"overloaded": ingest.ErrOverloaded, "other": errors.New("disk on fire")} {
		r := start(t, &sink{err: fmt.Errorf("wrapped: %w", err)})
		_, got := ptraceotlp.NewGRPCClient(r.dial(t)).Export(t.Context(), oneSpan())
		want, wantHTTP := codes.ResourceExhausted, 429
		if name == "other" {
			want, wantHTTP = codes.Unavailable, 503
		}
		checkRetryable(t, got, want)
		resp, body := r.post(t, "/v1/traces", jsonType, "", must[[]byte](t)(oneSpan().MarshalJSON()))
		if resp.StatusCode != wantHTTP || resp.Header.Get("Retry-After") != "2" {
			t.Errorf("%s: %s, Retry-After %q", name, resp.Status, resp.Header.Get("Retry-After"))
		}
		checkStatus(t, name, resp, body)
	}
}

func checkRetryable(t *testing.T, err error, want codes.Code) {
	t.Helper()
	st := status.Convert(err)
	if st.Code() != want || len(st.Details()) != 1 {
		t.Fatalf("%v with %v, want %v with RetryInfo", err, st.Details(), want)
	}
	if info, ok := st.Details()[0].(*errdetails.RetryInfo); !ok || info.GetRetryDelay().AsDuration() != retryAfter {
		t.Errorf("detail %v, want RetryInfo of %v", st.Details()[0], retryAfter)
	}
}

// A nest that is well-formed JSON and deeper than any telemetry is refused before
// the decoder, whose stack it could overflow, sees it.
func TestDeepJSONIsRefused(t *testing.T) {
	const levels = 20_000
	body := `{"resourceLogs":[{"resource":{"attributes":[{"key":"k","value":` +
		strings.Repeat(`{"arrayValue":{"values":[`, levels) + strings.Repeat(`]}}`, levels) + `}]}}]}`
	if err := Replay(Logs, JSON, []byte(body), &sink{}); err == nil {
		t.Errorf("%d levels were decoded", levels)
	}
}
