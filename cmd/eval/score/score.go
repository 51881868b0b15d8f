// Package score compares what a replay said of a labelled recording with its
// label: was the guilty release rolled back, was it named first, was an innocent
// one rolled back, and after how long.
//
// In: the lines that `unship replay -o json` prints, and a label. Out: a
// [Result] a recording and a [Summary] a group of them. It keeps no state and
// its functions may be called from anywhere at once. Errors say which line of a
// replay could not be understood.
package score

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"unship.dev"
	"unship.dev/cmd/eval/truth"
	"unship.dev/detect/stat"
)

// Replay is what a replay printed, and how it ended.
type Replay struct {
	Incidents []unship.Incident
	Releases  []unship.ReleaseReport
	Rankings  []unship.Ranking // at the end
	Exit      int
	Problem   string        // why it ended so; empty when all went well
	CPU       time.Duration // that it took
}

// Parse reads the lines of `unship replay -o json`.
func Parse(r io.Reader) (Replay, error) {
	var out Replay
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			if err := out.add(line); err != nil {
				return out, fmt.Errorf("read replay, line %d: %w", n, err)
			}
		}
		switch {
		case err == io.EOF:
			return out, nil
		case err != nil:
			return out, fmt.Errorf("read replay: %w", err)
		}
	}
}

func (r *Replay) add(line []byte) error {
	var head struct{ Schema string }
	if err := json.Unmarshal(line, &head); err != nil {
		return err
	}
	switch head.Schema {
	case unship.IncidentSchema:
		var i unship.Incident
		if err := json.Unmarshal(line, &i); err != nil {
			return err
		}
		r.Incidents = append(r.Incidents, i)
	case unship.ReleaseSchema:
		var x unship.ReleaseReport
		if err := json.Unmarshal(line, &x); err != nil {
			return err
		}
		r.Releases = append(r.Releases, x)
	case unship.RankingSchema:
		var x unship.Ranking
		if err := json.Unmarshal(line, &x); err != nil {
			return err
		}
		r.Rankings = append(r.Rankings, x)
	default:
		return fmt.Errorf("schema %q is none of %s, %s, %s", head.Schema, unship.IncidentSchema, unship.ReleaseSchema, unship.RankingSchema)
	}
	return nil
}

// Result is how one recording went.
type Result struct {
	Case    string            `json:"case"`
	Group   string            `json:"group"`
	Fault   string            `json:"fault"`
	Control bool              `json:"control"`
	Gross   bool              `json:"gross,omitempty"`
	Expect  truth.Expectation `json:"expect"`

	Found bool     `json:"found"`           // the guilty release was rolled back
	Asked bool     `json:"asked"`           // not found, but a person was asked about it
	Rank  int      `json:"rank"`            // of the guilty release among the suspects, from 1; 0: not named
	Stand int      `json:"stand"`           // … in the ranking at the end, of those that share a place the last; 0: not in it
	Delay float64  `json:"delay,omitempty"` // seconds from exposure to the decision to roll back, if found
	Bound float64  `json:"bound,omitempty"` // the least that any test could need, in seconds, where the label tells
	Wrong []string `json:"wrong,omitempty"` // rollbacks of innocent releases, or before the fault began
	Idle  []string `json:"idle,omitempty"`  // people asked about innocent releases

	Incidents int     `json:"incidents"`
	Exit      int     `json:"exit"`
	Problem   string  `json:"problem,omitempty"`
	CPU       float64 `json:"cpu_seconds"`
	// Judged is what the reports say of the guilty release, or "" without one.
	Judged string `json:"judged,omitempty"`
	Why    string `json:"why,omitempty"`
}

// OK says that the recording went as expected.
func (r Result) OK() bool {
	if r.Exit != 0 || r.Problem != "" || len(r.Wrong) > 0 {
		return false
	}
	switch r.Expect {
	case truth.ExpectNoRollback:
		return true
	case truth.ExpectRollbackOrAsk:
		return r.Found || r.Asked
	}
	return r.Found
}

// Alpha is the chance of a wrong rollback at which the bound on the delay is
// stated: the built-in policy's.
const Alpha = 1e-3

// Judge compares a replay with the label of its recording.
func Judge(group string, t truth.Truth, r Replay) Result {
	out := Result{
		Case: t.Case, Group: group, Fault: t.Fault, Control: t.Control(), Gross: t.Gross, Expect: t.Expected(),
		Incidents: len(r.Incidents), Exit: r.Exit, Problem: r.Problem, CPU: r.CPU.Seconds(),
		Bound: bound(t.Effect),
	}
	incidents := slices.Clone(r.Incidents)
	slices.SortStableFunc(incidents, func(a, b unship.Incident) int { return a.DetectedAt.Compare(b.DetectedAt) })
	for _, i := range incidents {
		out.count(t, i)
	}
	if !t.Control() {
		out.Rank = rank(t, incidents)
		if out.Stand = stand(t, r.Rankings); out.Stand == 0 {
			out.Stand = out.Rank // its watch is over
		}
		out.Judged, out.Why = judged(t, r.Releases)
	}
	return out
}

// count takes one incident into account, in the order of detection.
func (r *Result) count(t truth.Truth, i unship.Incident) {
	first := len(i.Suspects) > 0 && guilty(t, i.Suspects[0])
	at := i.DetectedAt
	if i.Decision.Verdict == unship.DecideRollback {
		at = i.Decision.At // a person may have been asked before
	}
	early := at.Before(t.Start)
	switch {
	case i.Decision.Verdict == unship.DecideRollback && first && !early:
		if !r.Found {
			r.Delay = at.Sub(t.Exposed()).Seconds()
		}
		r.Found, r.Asked = true, false
	case i.Decision.Verdict == unship.DecideRollback:
		r.Wrong = append(r.Wrong, name(i))
	case i.Decision.Verdict == unship.DecideAsk && first && !early:
		r.Asked = !r.Found
	case i.Decision.Verdict == unship.DecideAsk:
		r.Idle = append(r.Idle, name(i))
	}
}

// rank is the place of the guilty release in the incident that speaks loudest:
// one with a rollback before one with a question, an earlier before a later.
func rank(t truth.Truth, incidents []unship.Incident) int {
	if len(incidents) == 0 {
		return 0
	}
	loudest := slices.MinFunc(incidents, func(a, b unship.Incident) int {
		return cmp.Or(loudness(a)-loudness(b), a.DetectedAt.Compare(b.DetectedAt))
	})
	return 1 + slices.IndexFunc(loudest.Suspects, func(s unship.Suspect) bool { return guilty(t, s) })
}

// stand is the place of the guilty release in the ranking of its environment. Of
// releases that are given the same, nobody knows which one is first.
func stand(t truth.Truth, rankings []unship.Ranking) int {
	for _, r := range rankings {
		for _, own := range r.Releases {
			if !guilty(t, unship.Suspect{Namespace: own.Namespace, Service: own.Service, Version: own.Version}) {
				continue
			}
			n := 0
			for _, x := range r.Releases {
				if x.Share >= own.Share*(1-1e-9) {
					n++
				}
			}
			return n
		}
	}
	return 0
}

func loudness(i unship.Incident) int {
	order := []unship.DecisionVerdict{unship.DecideRollback, unship.DecideAsk, unship.DecideObserve, unship.DecideNone}
	if at := slices.Index(order, i.Decision.Verdict); at >= 0 {
		return at
	}
	return len(order)
}

// guilty says whether a suspect is the release at fault. Labels name services
// with or without their namespace.
func guilty(t truth.Truth, s unship.Suspect) bool {
	service, version := t.Guilty()
	return sameService(service, s.Namespace, s.Service) && (version == "" || version == s.Version)
}

func sameService(label, namespace, service string) bool {
	return label != "" && (label == service || label == namespace+"/"+service)
}

func judged(t truth.Truth, releases []unship.ReleaseReport) (verdict, why string) {
	service, version := t.Guilty()
	for _, r := range releases {
		if sameService(service, r.Namespace, r.Service) && (version == "" || version == r.Version) {
			return r.Verdict.String(), r.Why
		}
	}
	return "", ""
}

func name(i unship.Incident) string {
	who := "nobody"
	if len(i.Suspects) > 0 {
		who = i.Suspects[0].Service + "@" + i.Suspects[0].Version
	}
	return fmt.Sprintf("%s at %s", who, i.DetectedAt.UTC().Format(time.TimeOnly))
}

// bound is the two-sample bound of Wald (1945) on the mean time to detection.
func bound(e *truth.Effect) float64 {
	if e == nil || e.CandidateRate <= 0 || e.BaselineRate <= 0 || e.Candidate == e.Baseline {
		return 0
	}
	return stat.Wald(e.Candidate, e.Baseline, e.CandidateRate, e.BaselineRate, Alpha)
}
