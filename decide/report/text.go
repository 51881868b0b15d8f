package report

import (
	"fmt"
	"strings"

	"unship.dev"
	"unship.dev/decide/words"
)

// sheet is a heading with labelled lines under it.
type sheet struct{ b strings.Builder }

func (s *sheet) line(label, format string, args ...any) {
	fmt.Fprintf(&s.b, "  %-9s %s\n", label, plain(fmt.Sprintf(format, args...)))
}

// Text is a short report of an incident for terminals.
func Text(in unship.Incident) string {
	var s sheet
	s.b.WriteString(plain(in.Title) + "\n")
	s.line("incident", "%s, %s, %s", in.ID, in.Environment, in.Status)
	s.line("since", "%s", since(in))
	s.line("sure", "%s", sure(in))
	if len(in.Evidence) > 0 {
		s.line("compared", "%s", compared(in.Evidence[0], guilty(in).Previous))
	}
	s.line("decided", "%s (policy %s, mode %s): %s", in.Decision.Verdict, in.Decision.Policy, in.Decision.Mode, in.Decision.Why)
	for _, g := range in.Decision.Gates {
		if g.Result != unship.GatePass {
			s.line("gate", "%s: %s, %s", g.Name, g.Result, g.Why)
		}
	}
	s.line("done", "%s", done(in))
	s.line("helped", "%s", helped(in))
	s.line("harm", "%s", harm(in.Impact))
	for _, x := range in.Exonerated {
		s.line("innocent", "%s %s: %s", x.Service, x.Version, x.Why)
	}
	return s.b.String()
}

// ReleaseText is a short report of a release for terminals.
func ReleaseText(r unship.ReleaseReport) string {
	id := unship.ReleaseID{
		Service: unship.Service{Environment: r.Environment, Namespace: r.Namespace, Name: r.Service}, Version: r.Version,
	}
	var s sheet
	s.b.WriteString(plain(id.String()) + "\n")
	s.line("where", "%s, replacing %s; rollout: %s%s", r.Environment, orUnknown(r.Previous), r.Rollout, announced(r))
	s.line("seen", "%s", words.Moment(r.FirstSeen))
	s.line("verdict", "%s: %s", r.Verdict, r.Why)
	if r.RollbackOf != "" {
		return s.b.String()
	}
	s.line("compared", "%s; %s against %s", words.Compared(r.Comparison, r.Previous),
		words.Of(r.Samples.Candidate, "request"), words.Count(r.Samples.Baseline))
	if r.Threshold > 0 {
		s.line("errs", "on %s", words.FalseAlarms(r.Comparison, r.Threshold))
	}
	for _, d := range r.Detectable {
		s.line("would see", "%s", detectable(d))
	}
	if r.Done {
		s.line("watch", "is over")
	}
	return s.b.String()
}

// RankingText is a short form of a ranking for terminals.
func RankingText(r unship.Ranking) string {
	var s sheet
	s.b.WriteString(plain(r.Environment+": if one of these releases is the cause, then") + "\n")
	for _, x := range r.Releases {
		s.line(words.Percent(x.Share), "%s %s: %s", unship.Service{Namespace: x.Namespace, Name: x.Service}, x.Version, x.Why)
	}
	return s.b.String()
}

func announced(r unship.ReleaseReport) string {
	if r.Announced {
		return ", announced"
	}
	return ""
}

// detectable says what would have been seen, and when a doubling would be.
func detectable(d unship.Detectable) string {
	change := fmt.Sprintf("from %s to %s", words.Value(d.Unit, d.Baseline), words.Value(d.Unit, d.Change))
	if d.Unit == "x" {
		change = words.Value(d.Unit, d.Change)
	}
	doubling := "a doubling not within the watch"
	if !d.DoublingAt.IsZero() {
		doubling = "a doubling by " + words.Moment(d.DoublingAt)
	}
	of := ""
	if d.Slice != "" {
		of = " for " + d.Slice
	}
	return fmt.Sprintf("%s%s %s; %s", words.Signal(d.Signal, 0), of, change, doubling)
}
