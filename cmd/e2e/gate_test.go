package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/cmd/eval/scenario"
	"unship.dev/ingest/file"
)

// TestGate: a pipeline learns of a faulty release by exit status 1, of a healthy
// one by 0, of one that nobody has heard of by 3; and people answer incidents.
func TestGate(t *testing.T) {
	faulty, healthy := "canary-errors", "warm-up" // a harmless canary, cold at first
	for kind, want := range map[string]int{faulty: 1, healthy: 0} {
		t.Run(kind, func(t *testing.T) {
			dir := recording(t, kind, scenario.Options{Seed: 5, History: 4 * time.Minute, After: 8 * time.Minute})
			s := serve(t, "policies: [{name: asking, mode: approve}]\n")
			for _, i := range items(t, dir) {
				if i.Kind != file.KindAnnouncements {
					send(t, s, i)
				}
			}
			service, version := labelled(t, dir)
			gate := []string{"release", "gate", service, version, "--server", "http://" + s.http}
			if _, got := unshipCommand(t, append(gate, "--wait", "60s")...); got != want {
				t.Errorf("the gate of %s %s exits with %d; want %d", service, version, got, want)
			}
			if _, got := unshipCommand(t, "release", "gate", "nobody", "1", "--wait", "1s", "--server", "http://"+s.http); got != 3 {
				t.Errorf("the gate of an unknown release exits with %d; want 3", got)
			}
			if kind == faulty {
				answered(t, s)
			}
		})
	}
}

// answered rejects the incident of a faulty release as a person would.
func answered(t *testing.T, s *server) {
	t.Helper()
	out, _ := unshipCommand(t, "incident", "list", "-o", "json", "--server", "http://"+s.http)
	found := lines[unship.Incident](t, out, unship.IncidentSchema)
	if len(found) != 1 || found[0].Decision.Verdict != unship.DecideAsk {
		t.Fatalf("%d incidents; want one that asks", len(found))
	}
	id := found[0].ID[:6]
	if out, status := unshipCommand(t, "incident", "show", id, "--server", "http://"+s.http); status != 0 || len(out) < 200 {
		t.Errorf("show exits with %d and %d bytes", status, len(out))
	}
	if _, status := unshipCommand(t, "incident", "reject", id, "--by", "test", "--comment", "not it", "--server", "http://"+s.http); status != 0 {
		t.Errorf("reject exits with %d", status)
	}
	s.until("the incident is dismissed", 10*time.Second, func() bool { return s.incidents()[0].Status == unship.StatusDismissed })
	if _, status := unshipCommand(t, "incident", "approve", id, "--server", "http://"+s.http); status != 1 {
		t.Errorf("approving a dismissed incident exits with %d; want 1", status)
	}
}

// labelled gives the release that a recording is about.
func labelled(t *testing.T, dir string) (service, version string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var label struct {
		Releases []struct {
			Service string `json:"service"`
			To      string `json:"to"`
		} `json:"releases"`
	}
	if err := json.Unmarshal(text, &label); err != nil || len(label.Releases) == 0 {
		t.Fatalf("read label: %v, %d releases", err, len(label.Releases))
	}
	return label.Releases[0].Service, label.Releases[0].To
}
