package decide

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"unship.dev"
	"unship.dev/decide/words"
)

// verifyTime is how long an incident waits to be told whether its rollback
// helped. The verification itself gives up earlier.
const verifyTime = 30 * time.Minute

// doubt is the factor on the odds of a release whose rollback did not help:
// the error probability of the verification.
const doubt = 0.001

func (s *step) takeAssessment(a unship.Assessment) {
	s.state.Outage, s.state.Audit = a.Outage, a.Audit
	blame := map[string]unship.Blame{}
	for _, b := range a.Blame {
		blame[b.Environment] = b
	}
	list := slices.Clone(a.Judgements)
	slices.SortStableFunc(list, func(x, y unship.Judgement) int { return x.Release.Compare(y.Release) })
	for _, j := range list {
		s.report(j)
		s.consider(j, blame[j.Release.Environment])
	}
	recoveries := slices.Clone(a.Recoveries)
	slices.SortStableFunc(recoveries, func(x, y unship.Recovery) int { return x.Release.Compare(y.Release) })
	for _, r := range recoveries {
		s.takeRecovery(r)
	}
}

// consider opens the incident of a guilty release, or takes into an open one
// what is new.
func (s *step) consider(j unship.Judgement, b unship.Blame) {
	in := s.incidentOf(j.Release)
	if in == nil || in.withdrawn() && j.Verdict == unship.Regressed && !onlyWanted(j) {
		if j.Verdict == unship.Regressed || j.Asks || showsWanted(j) {
			s.open(j, b)
		}
		return
	}
	if in.Status != unship.StatusOpen && in.Status != unship.StatusMitigating {
		return
	}
	impact, cause, wanted, unsure := in.Impact, in.Cause, in.Wanted, in.Unsure
	in.weigh(j, b)
	if in.Impact != impact || in.Cause != cause {
		s.changed[in] = true
	}
	if in.Rollback != "" {
		return
	}
	if in.suspect(j, b) {
		s.changed[in] = true
	}
	switch {
	case unsure && !in.Unsure:
		in.describe(j)
		s.note(in, s.at, "the evidence is now enough to act: %s", in.Title)
	case wanted && !in.Wanted:
		in.describe(j)
		s.note(in, s.at, "what changed is no longer only what may be wanted: %s", in.Title)
	case in.ApprovedBy != "":
	case in.Unsure && j.Done && !j.Asks:
		s.note(in, s.at, "the watch is over, and it no longer looks worse than harmless releases do")
		s.end(in, unship.StatusDismissed)
	case (in.Unsure || in.Wanted) && in.Probability < unlikely:
		s.note(in, s.at, "another cause is by far more probable by now; it is asked about no longer")
		s.end(in, unship.StatusDismissed)
	}
}

// showsWanted says that something changed surely, that all of it may be wanted, and that
// it is more probably the release's doing than all else together.
func showsWanted(j unship.Judgement) bool {
	regressed := func(f unship.Finding) bool { return f.Verdict == unship.Regressed }
	return j.Probability >= evenOdds && slices.ContainsFunc(j.Findings, regressed) && onlyWanted(j)
}

// withdrawn says that the engine itself no longer asked about the release: more evidence begins anew.
func (in *incident) withdrawn() bool {
	return in.Status == unship.StatusDismissed && in.RejectedBy == "" && in.UndoneBy == ""
}

// The probabilities from which on a release is asked about for what may be wanted, and
// below which it no longer is.
const (
	evenOdds = .5
	unlikely = .05
)

// takeRecovery takes in whether a rollback helped.
func (s *step) takeRecovery(r unship.Recovery) {
	in := s.incidentOf(r.Release)
	if in == nil || in.Status != unship.StatusMitigated {
		return
	}
	if r.Status == unship.RecoveryPending {
		if in.Recovery.Why != r.Why && r.Why != "" {
			in.Recovery.Why = r.Why
			s.changed[in] = true
		}
		return
	}
	in.Recovery = unship.Recovery{Status: r.Status, At: s.at, Why: r.Why}
	switch r.Status {
	case unship.Recovered:
		s.note(in, s.at, "recovered: %s", r.Why)
		s.end(in, unship.StatusResolved)
	case unship.NotRecovered:
		s.didNotHelp(in)
	default:
		in.Recovery.Status = unship.RecoveryUnknown
		s.escalate(in, "whether the rollback helped cannot be told: "+r.Why)
	}
}

// didNotHelp revises the blame, takes an automatic rollback back if that is
// safe, and calls people.
func (s *step) didNotHelp(in *incident) {
	s.note(in, s.at, "the rollback did not help: %s", in.Recovery.Why)
	s.absolve(in, "taking it back did not help")
	p := s.policies.For(in.Release.Service)
	why := "the rollback did not help, so the release was not the cause"
	if in.Done && p.Mode == unship.ModeAuto && in.Undoing == nil && in.Undo == "" {
		if reversible(in.Plan) {
			in.Undoing = &undo{Why: why}
			why += "; it is brought back"
		} else {
			why += "; the plan has steps that cannot be taken back, a person has to decide"
		}
	}
	s.escalate(in, why)
}

func reversible(p unship.Plan) bool {
	return len(p) > 0 && !slices.ContainsFunc(p, func(x unship.Step) bool { return !x.Reversible })
}

// absolve lowers the suspicion of the release after its rollback did not help
// (Bayes' rule on the odds), and lifts its quarantine.
func (s *step) absolve(in *incident, why string) {
	list := slices.Clone(in.Suspects)
	for k, x := range list {
		if isOf(x, in.Release) {
			list[k].Probability = x.Probability * doubt / (x.Probability*doubt + 1 - x.Probability)
			list[k].Reasons = append(slices.Clone(x.Reasons), why)
			in.Probability = list[k].Probability
		}
	}
	slices.SortStableFunc(list, func(a, b unship.Suspect) int { return -cmp.Compare(a.Probability, b.Probability) })
	in.Suspects = list
	in.Cause = unship.CauseUnknown
	in.Exonerated = append(slices.Clone(in.Exonerated),
		unship.Exoneration{Service: in.Release.Name, Version: in.Release.Version, Why: why})
	s.release(in.Release)
}

// release lifts a quarantine.
func (s *step) release(r unship.ReleaseID) {
	s.state.Guilty = slices.DeleteFunc(s.state.Guilty, func(q Quarantine) bool { return q.Release == r })
}

// giveUpWaiting ends waits that nothing else ends.
func (s *step) giveUpWaiting() {
	for _, in := range s.state.Incidents {
		switch {
		case in.Status == unship.StatusMitigated && s.at.Sub(in.MitigatedAt) > verifyTime:
			in.Recovery = unship.Recovery{Status: unship.RecoveryUnknown, At: s.at, Why: "no verdict within " + words.Span(verifyTime)}
			s.escalate(in, "whether the rollback helped is still unknown after "+words.Span(verifyTime))
		case in.Status == unship.StatusOpen && s.at.Sub(in.DetectedAt) > remembered:
			s.note(in, s.at, "nobody answered within %s; no longer followed", words.Span(remembered))
			s.end(in, unship.StatusEscalated)
		}
	}
}

func (s *step) takeOutcomes(list []unship.Outcome) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b unship.Outcome) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Decision, b.Decision))
	})
	for _, o := range list {
		in := s.incident(o.Incident)
		switch {
		case in == nil:
		case o.Order == unship.OrderPlan:
			s.takePlan(in, o)
		case in.Running == "" || o.Decision != in.Running: // told twice
		case o.Decision == in.Rollback:
			s.takeRollback(in, o)
		case o.Decision == in.Undo:
			s.takeUndo(in, o)
		}
	}
}

func (e *Engine) incident(id string) *incident {
	for _, in := range e.state.Incidents {
		if in.ID == id {
			return in
		}
	}
	return nil
}

func (s *step) takePlan(in *incident, o unship.Outcome) {
	if len(o.Plan) == 0 {
		s.note(in, o.At, "the rollback could not be planned: %s", cmp.Or(o.Detail, string(o.Result)))
		return
	}
	s.changed[in] = true
	if in.Rollback == "" {
		in.Plan = slices.Clone(o.Plan)
		s.note(in, o.At, "planned: %s", words.Of(uint64(len(o.Plan)), "step"))
	}
}

func (s *step) takeRollback(in *incident, o unship.Outcome) {
	in.Running = ""
	in.Actions = append([]unship.StepResult{}, o.Steps...)
	if len(o.Plan) > 0 {
		in.Plan = slices.Clone(o.Plan)
	}
	switch o.Result {
	case unship.ResultDone:
		in.Done = true
		s.release(in.Release)
		s.state.Guilty = append(s.state.Guilty, Quarantine{Release: in.Release, Since: s.at, Incident: in.ID})
		s.note(in, o.At, "rolled back to %s%s", in.Target, detail(o))
		s.verify(in, "it is being watched whether the rollback helped")
	case unship.ResultSkipped:
		in.Status = unship.StatusOpen
		why := cmp.Or(o.Detail, "the rollback was planned, not carried out")
		in.Recovery = unship.Recovery{Status: unship.RecoveryUnknown, At: s.at, Why: why}
		s.note(in, o.At, "%s", why)
	default:
		why := fmt.Sprintf("the rollback failed%s", detail(o))
		if o.Result != unship.ResultFailed {
			why = fmt.Sprintf("nobody knows whether the rollback took effect%s", detail(o))
		}
		in.Recovery = unship.Recovery{Status: unship.RecoveryUnknown, At: s.at, Why: why}
		s.escalate(in, why)
	}
}

func detail(o unship.Outcome) string {
	if o.Detail == "" {
		return ""
	}
	return ": " + o.Detail
}

// verify orders to watch whether a rollback helped.
func (s *step) verify(in *incident, why string) {
	in.Status = unship.StatusMitigated
	in.MitigatedAt = s.at
	in.Recovery = unship.Recovery{Status: unship.RecoveryPending, At: s.at, Why: why}
	s.order(in, unship.OrderVerify, why)
}

func (s *step) takeUndo(in *incident, o unship.Outcome) {
	in.Running = ""
	in.Actions = append(slices.Clone(in.Actions), o.Steps...)
	if o.Result != unship.ResultDone {
		s.escalate(in, fmt.Sprintf("%s could not be brought back (%s)%s", in.Release, o.Result, detail(o)))
		return
	}
	s.release(in.Release)
	s.note(in, o.At, "%s is back%s", in.Release, detail(o))
	if in.UndoneBy != "" {
		s.end(in, unship.StatusDismissed)
	}
}

// rolledBackByHand recognises that somebody else took the release of an open
// incident back, and has it verified.
func (s *step) rolledBackByHand(r unship.Release) {
	in := s.incidentOf(unship.ReleaseID{Service: r.Service, Version: r.RollbackOf})
	if in == nil || in.Status != unship.StatusOpen || !r.FirstSeen.After(in.StartedAt) {
		return
	}
	in.Target = cmp.Or(in.Target, r.Version)
	in.ApprovedBy = ""
	in.Rollback = cmp.Or(in.Rollback, "by hand")
	s.note(in, r.FirstSeen, "somebody returned %s to %s", in.Release.Service, r.Version)
	s.verify(in, "somebody returned to "+r.Version+"; it is being watched whether that helped")
}
