package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"unship.dev"
	"unship.dev/cmd/eval/scenario"
	"unship.dev/ingest/file"
	"unship.dev/ingest/otlp/wire"
)

// observing is a policy under which live and replay have the same to do: both only plan.
const observing = `
policies:
  - name: observing
    mode: observe
`

// recording makes a labelled recording of a kind.
func recording(t *testing.T, kind string, o scenario.Options) string {
	t.Helper()
	kinds, err := scenario.Select(kind)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := scenario.Generate(dir, kinds[0], o); err != nil {
		t.Fatal(err)
	}
	return dir
}

// items reads a recording in its order.
func items(t *testing.T, dir string) (all []file.Item) {
	t.Helper()
	r, err := file.Open([]string{dir}, file.Options{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		i, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, i)
	}
}

// shuffled gives the same telemetry in other batches and another order: every
// resource becomes a request of its own, up to three seconds late.
func shuffled(all []file.Item, seed uint64) []file.Item {
	rng := rand.New(rand.NewPCG(seed, 1))
	var out []file.Item
	for _, i := range all {
		if i.Kind != file.KindTraces {
			out = append(out, i)
			continue
		}
		for r := (wire.Reader{Rest: i.Message}); r.Next(); {
			part := i
			part.Message = protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), r.Data)
			out = append(out, part)
		}
	}
	for k := range out {
		out[k].At = out[k].At.Add(time.Duration(rng.Int64N(int64(3 * time.Second))))
	}
	slices.SortStableFunc(out, func(a, b file.Item) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	return out
}

// paths are those of OTLP over HTTP.
var paths = map[file.Kind]string{file.KindTraces: "/v1/traces", file.KindMetrics: "/v1/metrics", file.KindLogs: "/v1/logs"}

// record writes items as a recording of one file and its announcements.
func record(t *testing.T, all []file.Item, events string) string {
	t.Helper()
	dir := t.TempDir()
	var out bytes.Buffer
	for _, i := range all {
		if i.Kind == file.KindAnnouncements {
			continue
		}
		out.Write(binary.BigEndian.AppendUint32(nil, uint32(len(i.Message))))
		out.Write(i.Message)
	}
	if err := os.WriteFile(filepath.Join(dir, "all.pb"), out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(events); err == nil {
		if err := os.WriteFile(filepath.Join(dir, "events.jsonl"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func replayed(t *testing.T, dir, config string) []unship.Incident {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "unship.yaml")
	if err := os.WriteFile(conf, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	out, status := unshipCommand(t, "replay", "-o", "json", "-c", conf, dir)
	if status != 0 {
		t.Fatalf("replay exits with %d", status)
	}
	return lines[unship.Incident](t, out, unship.IncidentSchema)
}

// TestSameInputSameIncidents: the same telemetry, replayed twice, in other
// batches and in another order, and through serve live, gives the same incidents.
func TestSameInputSameIncidents(t *testing.T) {
	dir := recording(t, "canary-errors", scenario.Options{Seed: 7, History: 4 * time.Minute, After: 4 * time.Minute})
	want := replayed(t, dir, observing)
	if len(want) == 0 {
		t.Fatal("no incident was found: there is nothing to compare")
	}
	events := filepath.Join(dir, "events.jsonl")
	original := items(t, dir)
	for name, got := range map[string][]unship.Incident{
		"again":    replayed(t, dir, observing),
		"shuffled": replayed(t, record(t, shuffled(original, 1), events), observing),
		"live":     lived(t, shuffled(original, 2), original[len(original)-1].At, events),
	} {
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// lived sends items, the last of which ended at end, to a serve process and
// gives its incidents once it has judged all of them.
func lived(t *testing.T, all []file.Item, end time.Time, events string) []unship.Incident {
	t.Helper()
	s := serve(t, observing)
	announce(t, s, events)
	for _, i := range all {
		if i.Kind != file.KindAnnouncements {
			send(t, s, i)
		}
	}
	s.judgedUntil(end)
	got := s.incidents()
	slices.SortFunc(got, func(a, b unship.Incident) int { return a.DetectedAt.Compare(b.DetectedAt) })
	return got
}

// announce posts the announcements of a recording.
func announce(t *testing.T, s *server, events string) {
	t.Helper()
	text, err := os.ReadFile(events)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	for line := range strings.Lines(string(text)) {
		if !json.Valid([]byte(line)) {
			continue
		}
		post(t, "http://"+s.http+"/api/v1/announcements", "application/json", []byte(line))
	}
}

func send(t *testing.T, s *server, i file.Item) {
	t.Helper()
	post(t, "http://"+s.otlpHTTP+paths[i.Kind], "application/x-protobuf", i.Message)
}

func post(t *testing.T, url, contentType string, b []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode >= 300 {
		t.Fatalf("POST %s: %s: %s", url, resp.Status, text)
	}
}
