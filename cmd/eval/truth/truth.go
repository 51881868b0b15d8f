// Package truth is the label of a recording: which release was at fault, since
// when, and which were not. It reads and writes truth.json, the file that lies
// beside a recording and is for scoring only.
//
// It holds values only; they may be shared once made. Errors say which file is
// meant and what is wrong with it.
package truth

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// File is the name of the label inside the folder of a recording.
const File = "truth.json"

// Expectation is what counts as right for a recording.
type Expectation string

// The expectations.
const (
	ExpectRollback      Expectation = "rollback"        // the guilty release must be rolled back
	ExpectRollbackOrAsk Expectation = "rollback_or_ask" // asking a person is as good
	ExpectNoRollback    Expectation = "no_rollback"     // every rollback is wrong
)

// Truth is the label of one recording.
type Truth struct {
	Case            string    `json:"case"`
	Service         *string   `json:"service"` // of the guilty release; nil in a control
	Release         *string   `json:"release"` // "service@version"; nil in a control
	Fault           string    `json:"fault"`
	Start           time.Time `json:"start"` // onset of the fault
	End             time.Time `json:"end"`
	HealthyReleases []string  `json:"healthy_releases"` // services whose releases are innocent
	Releases        []Release `json:"releases"`

	// What follows is written by the generator and absent from other recordings.
	Expect Expectation `json:"expect,omitempty"`
	Gross  bool        `json:"gross,omitempty"` // must be decided within a minute of the onset
	Seed   uint64      `json:"seed,omitempty"`
	Effect *Effect     `json:"effect,omitempty"`
}

// Release is one version change in a recording.
type Release struct {
	Service string    `json:"service"`
	From    string    `json:"from"`
	To      string    `json:"to"`
	Time    time.Time `json:"time"`
	Rollout string    `json:"rollout,omitempty"`
}

// Effect is a fault in figures: the ratio of bad requests and the requests a
// second on both sides of the comparison.
type Effect struct {
	Baseline      float64 `json:"baseline"`
	Candidate     float64 `json:"candidate"`
	BaselineRate  float64 `json:"baseline_rate"`
	CandidateRate float64 `json:"candidate_rate"`
}

// Control says that no release is at fault.
func (t Truth) Control() bool { return t.Service == nil }

// Guilty gives service and version of the release at fault, empty in a
// control. The version is empty where the label does not tell it.
func (t Truth) Guilty() (service, version string) {
	if t.Service == nil {
		return "", ""
	}
	if t.Release != nil {
		if _, v, ok := strings.Cut(strings.TrimPrefix(*t.Release, *t.Service), "@"); ok {
			version = v
		}
	}
	return *t.Service, version
}

// Exposed is when the fault could first be seen: the later of its onset and the
// moment at which the guilty release began to serve.
func (t Truth) Exposed() time.Time {
	service, version := t.Guilty()
	at := t.Start
	for _, r := range t.Releases {
		if r.Service == service && (version == "" || r.To == version) && r.Time.After(at) {
			at = r.Time
		}
	}
	return at
}

// Expected is what counts as right; recordings that do not say so expect a
// rollback of the guilty release, and none in a control.
func (t Truth) Expected() Expectation {
	switch {
	case t.Expect != "":
		return t.Expect
	case t.Control():
		return ExpectNoRollback
	}
	return ExpectRollback
}

// Read reads the label of the recording in dir.
func Read(dir string) (Truth, error) {
	name := filepath.Join(dir, File)
	data, err := os.ReadFile(name)
	if err != nil {
		return Truth{}, fmt.Errorf("read label: %w", err)
	}
	var t Truth
	if err := json.Unmarshal(data, &t); err != nil {
		return Truth{}, fmt.Errorf("read label %s: %w", name, err)
	}
	if t.Start.IsZero() {
		return Truth{}, fmt.Errorf("read label %s: start is missing", name)
	}
	return t, nil
}

// Write writes the label of the recording in dir.
func Write(dir string, t Truth) error {
	data, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return fmt.Errorf("write label: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, File), append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write label: %w", err)
	}
	return nil
}
