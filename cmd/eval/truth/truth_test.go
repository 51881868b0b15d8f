package truth_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unship.dev/cmd/eval/truth"
)

func TestReadGivesWhatWriteWrote(t *testing.T) {
	dir := t.TempDir()
	service, release := "ledger", "ledger@1.1.0"
	want := truth.Truth{
		Case: "a", Service: &service, Release: &release, Fault: "errors",
		Start: time.Date(2026, 3, 2, 9, 8, 0, 5, time.UTC), End: time.Date(2026, 3, 2, 9, 16, 0, 0, time.UTC),
		HealthyReleases: []string{"cart"},
		Releases:        []truth.Release{{Service: "ledger", From: "1.0.0", To: "1.1.0", Time: time.Date(2026, 3, 2, 9, 8, 0, 0, time.UTC)}},
		Expect:          truth.ExpectRollback, Gross: true, Seed: 7,
		Effect: &truth.Effect{Baseline: .005, Candidate: .06, BaselineRate: 40, CandidateRate: 20},
	}
	if err := truth.Write(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := truth.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("label changed on its way (-want +got):\n%s", diff)
	}
}

func TestGuiltyOfForeignLabels(t *testing.T) {
	rows := []struct {
		name, label, service, version string
		expect                        truth.Expectation
		exposed                       string
	}{
		{
			"a control", `{"case":"c","service":null,"release":null,"start":"2023-08-21T21:10:00Z"}`,
			"", "", truth.ExpectNoRollback, "2023-08-21T21:10:00Z",
		},
		{
			"a fault that starts after its release",
			`{"service":"ad","release":"ad@v2","start":"2023-09-22T15:57:41Z","releases":[{"service":"ad","to":"v2","time":"2023-09-22T15:56:36Z"}]}`,
			"ad", "v2", truth.ExpectRollback, "2023-09-22T15:57:41Z",
		},
		{
			"a fault labelled from before its release, and a name with colons",
			`{"service":"step_AWS::Lambda","release":"step_AWS::Lambda@1.1.0","start":"2023-09-22T15:00:00Z","releases":[{"service":"step_AWS::Lambda","to":"1.1.0","time":"2023-09-22T15:01:00Z"}]}`,
			"step_AWS::Lambda", "1.1.0", truth.ExpectRollback, "2023-09-22T15:01:00Z",
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, truth.File), []byte(row.label), 0o600); err != nil {
				t.Fatal(err)
			}
			label, err := truth.Read(dir)
			if err != nil {
				t.Fatal(err)
			}
			if s, v := label.Guilty(); s != row.service || v != row.version {
				t.Errorf("Guilty() = %q, %q; want %q, %q", s, v, row.service, row.version)
			}
			if got := label.Expected(); got != row.expect {
				t.Errorf("Expected() = %q; want %q", got, row.expect)
			}
			if got := label.Exposed().Format(time.RFC3339); got != row.exposed {
				t.Errorf("Exposed() = %s; want %s", got, row.exposed)
			}
		})
	}
}

func TestReadRefusesALabelWithoutOnset(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, truth.File), []byte(`{"case":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := truth.Read(dir); err == nil {
		t.Error("Read accepted a label without start")
	}
	if _, err := truth.Read(t.TempDir()); err == nil {
		t.Error("Read accepted a folder without label")
	}
}
