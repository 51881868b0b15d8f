package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"unship.dev/decide/journal"
)

var collectorBinary = build("collector", ".", "collector")

// TestRealCollectorAndRestart: a real Collector sends over gRPC and over HTTP
// while serve is restarted, politely and by kill -9. Every span that the
// Collector took is counted, once.
func TestRealCollectorAndRestart(t *testing.T) {
	for _, exporter := range []string{"otlp/unship", "otlphttp/unship"} {
		t.Run(exporter, func(t *testing.T) { collected(t, exporter) })
	}
}

const rounds, spansARound = 60, 50

func collected(t *testing.T, exporter string) {
	s := serve(t, "")
	entry := startCollector(t, s, exporter)
	pace := time.NewTicker(200 * time.Millisecond)
	defer pace.Stop()
	var last time.Time
	for round := range rounds {
		switch round {
		case 20:
			s.kill(syscall.SIGKILL)
		case 25:
			s.start()
		case 40:
			s.kill(syscall.SIGTERM)
		case 45:
			s.start()
		}
		last = time.Now()
		b, err := ptraceotlp.NewExportRequestFromTraces(batch(round, last)).MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		post(t, "http://"+entry+"/v1/traces", "application/x-protobuf", b)
		<-pace.C
	}
	s.judgedUntil(last)
	s.kill(syscall.SIGTERM)
	if got, want := counted(t, s.state), uint64(rounds*spansARound); got != want {
		t.Errorf("%d requests were counted of %d sent", got, want)
	}
}

// startCollector runs a Collector as deploy/collector.yaml has it, traces over
// one exporter, and gives its HTTP entry.
func startCollector(t *testing.T, s *server, exporter string) string {
	t.Helper()
	config, err := os.ReadFile("../../deploy/collector.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config = bytes.Replace(config, []byte("traces: {receivers: [otlp], exporters: [otlp/unship]}"),
		fmt.Appendf(nil, "traces: {receivers: [otlp], exporters: [%s]}", exporter), 1)
	file := filepath.Join(t.TempDir(), "collector.yaml")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	entry := freePort(t)
	var log bytes.Buffer
	cmd := exec.Command(collectorBinary(t), "--config", file)
	cmd.Env = append(os.Environ(), "COLLECTOR_GRPC="+freePort(t), "COLLECTOR_HTTP="+entry,
		"UNSHIP_OTLP_GRPC="+s.grpc, "UNSHIP_OTLP_HTTP=http://"+s.otlpHTTP)
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of the Collector:\n%s", tail(log.Bytes(), 4000))
		}
	})
	s.until("the Collector listens", 30*time.Second, func() bool {
		resp, err := http.Get("http://" + entry + "/v1/traces")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return true
	})
	return entry
}

// batch makes one round of server spans that end at a time.
func batch(round int, end time.Time) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	for key, value := range map[string]string{
		"service.name": "ledger", "service.version": "1.0.0", "service.instance.id": "ledger-1", "deployment.environment.name": "test",
	} {
		rs.Resource().Attributes().PutStr(key, value)
	}
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	for i := range spansARound {
		sp := spans.AppendEmpty()
		sp.SetTraceID(pcommon.TraceID{1, byte(round), byte(i)})
		sp.SetSpanID(pcommon.SpanID{2, byte(round), byte(i)})
		sp.SetKind(ptrace.SpanKindServer)
		sp.SetName("GET /balance")
		sp.SetStartTimestamp(pcommon.NewTimestampFromTime(end.Add(-20 * time.Millisecond)))
		sp.SetEndTimestamp(pcommon.NewTimestampFromTime(end))
	}
	return td
}

// counted sums the requests in all closed windows of a state folder.
func counted(t *testing.T, state string) (n uint64) {
	t.Helper()
	store, err := journal.Open(t.Context(), state, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for tick, err := range store.Ticks(t.Context(), time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range tick.Windows {
			for _, op := range w.Operations {
				n += op.Requests
			}
		}
	}
	return n
}
