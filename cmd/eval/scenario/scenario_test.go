package scenario_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"unship.dev/cmd/eval/scenario"
	"unship.dev/cmd/eval/truth"
)

// brief makes small recordings, enough for the properties looked at here.
var brief = scenario.Options{Seed: 1, Scale: .08, History: 30 * time.Second, After: time.Minute}

func TestSameSeedSameBytes(t *testing.T) {
	kind := find(t, "concurrent-one-guilty")
	files := func(seed uint64) map[string][]byte {
		dir, o := t.TempDir(), brief
		o.Seed = seed
		if _, err := scenario.Generate(dir, kind, o); err != nil {
			t.Fatal(err)
		}
		return contents(t, dir)
	}
	first, again, other := files(4), files(4), files(5)
	for name, want := range first {
		if !bytes.Equal(again[name], want) {
			t.Errorf("%s differs between two recordings of one seed", name)
		}
	}
	if bytes.Equal(first["traces.pb.zst"], other["traces.pb.zst"]) {
		t.Error("two seeds gave the same traces")
	}
	for _, name := range []string{"traces.pb.zst", "logs.pb.zst", "metrics.pb.zst", "events.jsonl", "truth.json"} {
		if _, ok := first[name]; !ok {
			t.Errorf("the recording has no %s", name)
		}
	}
}

func TestEveryKindIsWellFormed(t *testing.T) {
	for _, kind := range scenario.Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			label, err := scenario.Generate(dir, kind, brief)
			if err != nil {
				t.Fatal(err)
			}
			checkLabel(t, kind, label)
			if n := checkMetrics(t, dir); n == 0 {
				t.Error("the recording has no data points")
			}
			metrics, logs := strings.HasPrefix(kind.Name, "metrics-only"), strings.HasPrefix(kind.Name, "logs-only") || strings.HasPrefix(kind.Name, "access-log")
			if n := checkLogs(t, dir); (n == 0) != metrics {
				t.Errorf("the recording has %d log records", n)
			}
			spans := readSpans(t, dir)
			if metrics || logs {
				if len(spans) > 0 {
					t.Errorf("the recording has %d spans; want none", len(spans))
				}
				return
			}
			want := 2000
			if strings.HasPrefix(kind.Name, "sampled") {
				want /= 8
			}
			if len(spans) < want {
				t.Fatalf("the recording has %d spans; want %d at least", len(spans), want)
			}
			checkTraces(t, spans, kind.Name != "telemetry-outage" && kind.Name != "lost-spans")
			for _, r := range label.Releases {
				if r.Time.Before(label.End) && count(spans, r.Service, r.To) == 0 {
					t.Errorf("release %s %s never serves", r.Service, r.To)
				}
			}
		})
	}
}

func TestRatesAreAsConfigured(t *testing.T) {
	dir := t.TempDir()
	label, err := scenario.Generate(dir, find(t, "canary-errors"), scenario.Options{Seed: 3, History: 10 * time.Second, After: 100 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	service, version := label.Guilty()
	var candidate, baseline, failed, failedBefore float64
	for _, s := range readSpans(t, dir) {
		if s.service != service || s.kind != ptrace.SpanKindServer || s.end.Before(label.Start) {
			continue
		}
		if s.version == version {
			candidate++
			failed += one(s.exception)
		} else {
			baseline++
			failedBefore += one(s.exception)
		}
	}
	seconds := label.End.Sub(label.Start).Seconds()
	near(t, "requests a second of the candidate", candidate/seconds, label.Effect.CandidateRate, .2)
	near(t, "requests a second of the baseline", baseline/seconds, label.Effect.BaselineRate, .2)
	// The day's noise fails both versions alike: the difference is the fault.
	near(t, "extra failures of the candidate", failed/candidate-failedBefore/baseline, label.Effect.Candidate-label.Effect.Baseline, .35)
	if candidate/seconds < 20 {
		t.Errorf("the candidate of a gross fault has %.1f requests a second; want 20", candidate/seconds)
	}
}

func TestKindsAreManyAndHalfAreHarmless(t *testing.T) {
	harmless, seen := 0, map[string]bool{}
	for _, k := range scenario.Kinds() {
		if seen[k.Name] {
			t.Errorf("two kinds are called %s", k.Name)
		}
		seen[k.Name] = true
		if k.Harmless() {
			harmless++
		}
		if k.Gross && k.Harmless() {
			t.Errorf("%s is harmless and gross", k.Name)
		}
	}
	if n := len(seen); n < 30 || harmless < n/2-1 {
		t.Errorf("%d kinds, %d of them harmless; want 30 and half", n, harmless)
	}
}

func TestSelect(t *testing.T) {
	rows := []struct {
		list string
		want int
	}{{"all", len(scenario.Kinds())}, {"good-*", 5}, {"blip, latency,blip", 2}, {"harmless,faulty", len(scenario.Kinds())}}
	for _, row := range rows {
		kinds, err := scenario.Select(row.list)
		if err != nil || len(kinds) != row.want {
			t.Errorf("Select(%q) = %d kinds, %v; want %d", row.list, len(kinds), err, row.want)
		}
	}
	if _, err := scenario.Select("blip,nonsense"); err == nil || !strings.Contains(err.Error(), `"nonsense"`) {
		t.Errorf("Select of an unknown kind: %v; want an error that names it", err)
	}
}

func checkLabel(t *testing.T, kind scenario.Kind, label truth.Truth) {
	t.Helper()
	if label.Control() != kind.Harmless() {
		t.Errorf("control is %v for a kind with harmless %v", label.Control(), kind.Harmless())
	}
	if exposed := label.Exposed(); exposed.After(label.End) || exposed.Before(label.Start) {
		t.Errorf("the fault of %s to %s shows at %s", label.Start, label.End, exposed)
	}
	for _, healthy := range label.HealthyReleases {
		if guilty, _ := label.Guilty(); healthy == guilty {
			t.Errorf("%s is labelled guilty and healthy", healthy)
		}
	}
}

// checkTraces checks that spans fit into each other: parents exist, begin
// before their children, and end after them unless they did not wait.
func checkTraces(t *testing.T, spans []span, complete bool) {
	t.Helper()
	byID := make(map[[8]byte]span, len(spans))
	for _, s := range spans {
		byID[s.id] = s
	}
	if len(byID) != len(spans) {
		t.Errorf("%d spans have %d ids", len(spans), len(byID))
	}
	for _, s := range spans {
		if s.end.Before(s.start) {
			t.Fatalf("span %s of %s ends before it starts", s.name, s.service)
		}
		p, ok := byID[s.parent]
		switch {
		case s.parent == [8]byte{}:
		case !ok && complete:
			t.Fatalf("span %s of %s has no parent", s.name, s.service)
		case !ok:
		case p.trace != s.trace || s.start.Before(p.start):
			t.Fatalf("span %s of %s does not fit its parent %s", s.name, s.service, p.name)
		case s.end.After(p.end) && p.kind != ptrace.SpanKindProducer && p.errorType != "timeout":
			t.Fatalf("span %s of %s ends after its parent %s, which waited", s.name, s.service, p.name)
		}
	}
}

func checkLogs(t *testing.T, dir string) (n int) {
	t.Helper()
	for _, message := range messages(t, filepath.Join(dir, "logs.pb.zst")) {
		r := plogotlp.NewExportRequest()
		if err := r.UnmarshalProto(message); err != nil {
			t.Fatal(err)
		}
		n += r.Logs().LogRecordCount()
	}
	return n
}

// checkMetrics counts data points, and checks that what is counted never falls.
func checkMetrics(t *testing.T, dir string) (n int) {
	t.Helper()
	last := map[string]uint64{}
	for _, message := range messages(t, filepath.Join(dir, "metrics.pb.zst")) {
		r := pmetricotlp.NewExportRequest()
		if err := r.UnmarshalProto(message); err != nil {
			t.Fatal(err)
		}
		n += r.Metrics().DataPointCount()
		for _, rm := range r.Metrics().ResourceMetrics().All() {
			pod, _ := rm.Resource().Attributes().Get("k8s.pod.name")
			for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
				if m.Type() != pmetric.MetricTypeHistogram {
					continue
				}
				for _, p := range m.Histogram().DataPoints().All() {
					key := fmt.Sprint(pod.Str(), p.Attributes().AsRaw())
					if p.Count() < last[key] {
						t.Fatalf("%s fell from %d to %d", key, last[key], p.Count())
					}
					last[key] = p.Count()
				}
			}
		}
	}
	return n
}

type span struct {
	service, version, name, errorType string
	trace                             [16]byte
	id, parent                        [8]byte
	kind                              ptrace.SpanKind
	start, end                        time.Time
	exception                         bool
}

func readSpans(t *testing.T, dir string) (spans []span) {
	t.Helper()
	var sent time.Time
	for _, message := range messages(t, filepath.Join(dir, "traces.pb.zst")) {
		r := ptraceotlp.NewExportRequest()
		if err := r.UnmarshalProto(message); err != nil {
			t.Fatal(err)
		}
		batch := spansOf(r.Traces())
		for _, s := range batch {
			sent = later(sent, s.end)
			if sent.Sub(s.end) > 7*time.Second {
				t.Fatalf("span %s arrives %v behind others", s.name, sent.Sub(s.end))
			}
		}
		spans = append(spans, batch...)
	}
	return spans
}

func spansOf(td ptrace.Traces) (spans []span) {
	for _, rs := range td.ResourceSpans().All() {
		service, _ := rs.Resource().Attributes().Get("service.name")
		version, _ := rs.Resource().Attributes().Get("service.version")
		for _, ss := range rs.ScopeSpans().All() {
			for _, sp := range ss.Spans().All() {
				s := span{
					service: service.Str(), version: version.Str(), name: sp.Name(), kind: sp.Kind(),
					trace: sp.TraceID(), id: sp.SpanID(), parent: sp.ParentSpanID(),
					start: sp.StartTimestamp().AsTime(), end: sp.EndTimestamp().AsTime(),
					exception: sp.Events().Len() > 0,
				}
				if e, ok := sp.Attributes().Get("error.type"); ok {
					s.errorType = e.Str()
				}
				spans = append(spans, s)
			}
		}
	}
	return spans
}

// messages reads length-prefixed messages out of a compressed file.
func messages(t *testing.T, name string) (all [][]byte) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for {
		var length uint32
		err := binary.Read(z, binary.BigEndian, &length)
		if errors.Is(err, io.EOF) {
			return all
		}
		message := make([]byte, length)
		if err == nil {
			_, err = io.ReadFull(z, message)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, message)
	}
}

func find(t *testing.T, name string) scenario.Kind {
	t.Helper()
	kinds, err := scenario.Select(name)
	if err != nil || len(kinds) != 1 {
		t.Fatalf("Select(%q) = %v, %v", name, kinds, err)
	}
	return kinds[0]
}

func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = data
	}
	return files
}

func count(spans []span, service, version string) (n int) {
	for _, s := range spans {
		if s.service == service && s.version == version {
			n++
		}
	}
	return n
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*want {
		t.Errorf("%s: got %.4g; want about %.4g", what, got, want)
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
