// Package report writes incidents and releases for people and programs:
// Markdown that an on-call engineer understands in thirty seconds, short text
// for terminals, and the JSON of the schemas. It is pure: the same incident
// gives the same bytes. Times are UTC, and there is no colour.
//
// What comes from outside (names, log lines, comments) is made harmless first:
// no line breaks, no control characters, no markup of its own.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"unship.dev"
	"unship.dev/decide/words"
)

// JSON writes an incident as one line of unship.incident/v1.
func JSON(w io.Writer, in unship.Incident) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(in); err != nil {
		return fmt.Errorf("encode incident: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write incident: %w", err)
	}
	return nil
}

// guilty is the suspect that the incident is about: the one whose evidence is
// shown, else the most probable one.
func guilty(in unship.Incident) unship.Suspect {
	for _, s := range in.Suspects {
		if len(in.Evidence) > 0 && s.Service == in.Evidence[0].Service && s.Version == in.Evidence[0].Version {
			return s
		}
	}
	if len(in.Suspects) > 0 {
		return in.Suspects[0]
	}
	return unship.Suspect{}
}

// since says when it began and how soon it was found.
func since(in unship.Incident) string {
	found := in.DetectedAt.Sub(in.StartedAt)
	if found <= 0 {
		return words.Moment(in.StartedAt)
	}
	return fmt.Sprintf("%s, found %s later", words.Moment(in.StartedAt), words.Span(found))
}

// sure says how strong the evidence is.
func sure(in unship.Incident) string {
	var parts []string
	if p := guilty(in).Probability; p > 0 {
		parts = append(parts, words.Percent(p)+" that this release, and nothing else, is the cause")
	}
	if e := strongest(in); e > 1 {
		parts = append(parts, "the strongest evidence alone comes about without a cause at most this often: "+words.OneIn(e))
	}
	if len(parts) == 0 {
		return "not at all yet"
	}
	return strings.Join(parts, "; ")
}

func strongest(in unship.Incident) (e float64) {
	for _, ev := range in.Evidence {
		e = max(e, ev.EValue)
	}
	return e
}

// done says what was done about it.
func done(in unship.Incident) string {
	target := orUnknown(guilty(in).Previous)
	last := len(in.Actions) - 1
	switch {
	case in.Status == unship.StatusDismissed:
		return "nothing more: " + in.Decision.Why
	case in.Status == unship.StatusMitigating:
		return "the rollback to " + target + " is being carried out"
	case in.Recovery.Status == unship.NotRecovered && last >= 0:
		return "rolled back to " + target + "; what followed is in the timeline"
	case last >= 0 && in.Actions[last].Result == unship.ResultDone:
		return fmt.Sprintf("rolled back to %s, finished at %s", target, words.Moment(in.Actions[last].EndedAt))
	case last >= 0:
		return fmt.Sprintf("the rollback to %s ended with %q: %s", target, in.Actions[last].Result, in.Actions[last].Detail)
	case in.Decision.Verdict == unship.DecideRollback:
		return "the rollback to " + target + " was decided; nothing was changed so far"
	case in.Decision.Verdict == unship.DecideAsk:
		return "nothing yet, a person is asked: " + in.Decision.Why
	}
	return "nothing: " + in.Decision.Why
}

// helped says whether it did.
func helped(in unship.Incident) string {
	why := ""
	if in.Recovery.Why != "" {
		why = ": " + in.Recovery.Why
	}
	switch in.Recovery.Status {
	case unship.Recovered:
		return "yes, recovered at " + words.Moment(in.Recovery.At) + why
	case unship.NotRecovered:
		return "no, not recovered at " + words.Moment(in.Recovery.At) + why
	case unship.RecoveryPending:
		return "not known yet" + why
	}
	return "unknown" + why
}

// harm counts those whom it hit.
func harm(i unship.Impact) string {
	var parts []string
	if i.RequestsFailed > 0 {
		parts = append(parts, words.Of(i.RequestsFailed, "request")+" failed")
	}
	if i.RequestsSlowed > 0 {
		parts = append(parts, words.Of(i.RequestsSlowed, "request")+" slowed down")
	}
	if len(parts) == 0 {
		return "no request is known to have been harmed"
	}
	return strings.Join(parts, ", ") + " beyond what was usual"
}

// compared says what the release was compared with, from how many requests.
func compared(ev unship.Evidence, previous string) string {
	return fmt.Sprintf("%s; %s against %s",
		words.Compared(ev.Comparison, previous), words.Of(ev.Samples.Candidate, "request"), words.Count(ev.Samples.Baseline))
}

func orUnknown(version string) string {
	if version == "" {
		return "an unknown version"
	}
	return version
}

// plain makes one line without control characters of a text from outside.
func plain(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r) || r == unicode.ReplacementChar || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
			return -1
		}
		return r
	}, s))
}
