package decide

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"unship.dev"
)

// takeAnswers takes in what people said. What cannot be done is refused in the
// incident's timeline. Answers about incidents that the engine no longer
// remembers are the caller's to refuse: [Engine.Incidents] has those it knows.
func (s *step) takeAnswers(list []unship.Answer) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b unship.Answer) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Incident, b.Incident),
			strings.Compare(a.Kind, b.Kind), strings.Compare(a.By, b.By))
	})
	for _, a := range list {
		if in := s.incident(a.Incident); in != nil {
			s.takeAnswer(in, a)
		}
	}
}

func (s *step) takeAnswer(in *incident, a unship.Answer) {
	a.By = cmp.Or(a.By, "somebody")
	refusal := ""
	switch a.Kind {
	case unship.AnswerApprove:
		refusal = s.approve(in, a)
	case unship.AnswerReject:
		refusal = s.reject(in, a)
	case unship.AnswerUndo:
		refusal = s.undo(in, a)
	default:
		refusal = "nothing is known to do about it"
	}
	if refusal != "" {
		s.note(in, a.At, "%s said %q; refused: %s%s", a.By, a.Kind, refusal, comment(a))
	}
}

func comment(a unship.Answer) string {
	if a.Comment == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", a.Comment)
}

func (s *step) approve(in *incident, a unship.Answer) (refusal string) {
	policy := s.policies.For(in.Release.Service)
	switch {
	case in.Status.Ended():
		return "the incident has ended: " + string(in.Status)
	case in.Rollback != "":
		return "the rollback was ordered already"
	case in.ApprovedBy != "":
		return in.ApprovedBy + " approved it already"
	case policy.Mode == unship.ModeObserve:
		return fmt.Sprintf("policy %s only observes; its mode must be approve or auto", policy.Name)
	}
	in.ApprovedBy = a.By
	s.note(in, a.At, "%s approved the rollback%s", a.By, comment(a))
	return ""
}

func (s *step) reject(in *incident, a unship.Answer) (refusal string) {
	switch {
	case in.Status.Ended():
		return "the incident has ended: " + string(in.Status)
	case in.Status != unship.StatusOpen:
		return "the rollback was ordered already; say undo to take it back"
	}
	in.RejectedBy = a.By
	p := s.policies.For(in.Release.Service)
	s.note(in, a.At, "%s said that it is not the release%s", a.By, comment(a))
	s.record(in, p, unship.DecisionRecord{
		Verdict: unship.DecideNone, Why: a.By + " said that it is not the release",
		Gates: ask(s.situationOf(in, p)),
	})
	s.end(in, unship.StatusDismissed)
	return ""
}

func (s *step) undo(in *incident, a unship.Answer) (refusal string) {
	switch {
	case !in.Done:
		return "there is no rollback of ours to take back"
	case in.Undo != "" || in.Undoing != nil:
		return "it is being taken back, or was already"
	}
	in.Undoing = &undo{By: a.By, Why: a.By + " asked for it"}
	s.note(in, a.At, "%s asked to take the rollback back%s", a.By, comment(a))
	return ""
}
