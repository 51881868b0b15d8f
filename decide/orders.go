package decide

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"unship.dev"
	"unship.dev/decide/words"
	"unship.dev/rules"
)

// judgeOpen decides on an open incident: it asks the gates, records the
// verdict, and gives the order that follows from it.
func (s *step) judgeOpen(in *incident) {
	p := s.policies.For(in.Release.Service)
	asked := ask(s.situationOf(in, p))
	verdict, why := verdictFor(in, p, asked)
	s.record(in, p, unship.DecisionRecord{Verdict: verdict, Why: why, Gates: asked})
	if verdict == unship.DecideRollback {
		s.rollBack(in, p)
		return
	}
	if !in.Planned && in.Target != "" {
		in.Planned = true
		s.order(in, unship.OrderPlan, why)
	}
}

func ask(v situation) []unship.Gate {
	list := []unship.Gate{}
	for _, g := range gates() {
		result, why := g.Check(v)
		list = append(list, unship.Gate{Name: g.Name, Result: result, Why: why})
	}
	return list
}

// verdictFor says what policy, gates and people want, and why.
func verdictFor(in *incident, p rules.Policy, asked []unship.Gate) (unship.DecisionVerdict, string) {
	if in.ApprovedBy != "" {
		if g, stopped := stopping(asked, true); stopped {
			return unship.DecideAsk, fmt.Sprintf("%s approved the rollback; it waits: %s", in.ApprovedBy, g.Why)
		}
		return unship.DecideRollback, fmt.Sprintf("%s approved the rollback", in.ApprovedBy)
	}
	switch p.Mode {
	case unship.ModeObserve:
		return unship.DecideObserve, fmt.Sprintf("policy %s only observes", p.Name)
	case unship.ModeApprove:
		return unship.DecideAsk, fmt.Sprintf("policy %s asks a person before a rollback", p.Name)
	case unship.ModeAuto:
		if g, stopped := stopping(asked, false); stopped {
			return unship.DecideAsk, g.Why
		}
		return unship.DecideRollback, certainty(in)
	}
	return unship.DecideAsk, fmt.Sprintf("policy %s has the unknown mode %q", p.Name, p.Mode)
}

// stopping is the first gate that does not pass; with hardOnly the first of those that nobody can overrule.
func stopping(asked []unship.Gate, hardOnly bool) (unship.Gate, bool) {
	for k, g := range gates() {
		if asked[k].Result != unship.GatePass && (g.Hard || !hardOnly) {
			return asked[k], true
		}
	}
	return unship.Gate{}, false
}

// certainty says how sure it is that the release is guilty.
func certainty(in *incident) string {
	var parts []string
	if in.Probability > 0 {
		parts = append(parts, fmt.Sprintf("it is the cause with a probability of %s", words.Percent(in.Probability)))
	}
	if in.LogE > 0 {
		parts = append(parts, fmt.Sprintf("the chance that a harmless release looks like this: %s", words.OneIn(math.Exp(in.LogE))))
	}
	return strings.Join(append(parts, "all gates pass"), "; ")
}

// record keeps the verdict in the incident if it is news.
func (s *step) record(in *incident, p rules.Policy, d unship.DecisionRecord) {
	d.Mode, d.Policy, d.At = p.Mode, p.Name, s.at
	old := in.Decision
	if slices.Equal(old.Gates, d.Gates) && old.Verdict == d.Verdict && old.Why == d.Why && old.Mode == d.Mode && old.Policy == d.Policy {
		return
	}
	if old.Verdict == d.Verdict && old.Why == d.Why {
		d.At = old.At
		in.Decision = d
		s.changed[in] = true
		return
	}
	in.Decision = d
	s.note(in, s.at, "decision: %s; %s", d.Verdict, d.Why)
}

// rollBack orders the rollback. It happens once in an incident's life.
func (s *step) rollBack(in *incident, p rules.Policy) {
	in.Planned = true
	in.Status = unship.StatusMitigating
	in.Recovery = unship.Recovery{Status: unship.RecoveryPending, At: s.at, Why: "the rollback is being carried out"}
	in.Rollback = s.order(in, unship.OrderRollback, in.Decision.Why)
	in.Running = in.Rollback
	s.state.Rollbacks = append(s.state.Rollbacks, rollback{
		At: s.at, Service: in.Release.Service, Policy: p.Name, By: in.ApprovedBy,
	})
	s.note(in, s.at, "ordered: roll %s back to %s", in.Release, in.Target)
}

// tryUndo orders an undo as soon as nothing else runs in the environment.
func (s *step) tryUndo(in *incident) {
	if running, _ := s.neighbours(in); running != "" {
		return
	}
	u := *in.Undoing
	in.Undoing = nil
	in.UndoneBy = u.By
	in.Undo = s.order(in, unship.OrderUndo, u.Why)
	in.Running = in.Undo
	if u.By != "" {
		in.Status = unship.StatusMitigating
		in.EndedAt = time.Time{}
	}
	s.note(in, s.at, "ordered: bring %s back; %s", in.Release, u.Why)
}

// order gives a decision and its id.
func (s *step) order(in *incident, o unship.Order, why string) string {
	p := s.policies.For(in.Release.Service)
	d := unship.Decision{
		Incident: in.ID, Order: o, Release: in.Release, Target: in.Target,
		Policy: p.Name, Mode: p.Mode, At: s.at, Why: why,
	}
	switch o {
	case unship.OrderRollback:
		d.By = in.ApprovedBy
	case unship.OrderUndo:
		d.By, d.Undoes = in.UndoneBy, in.Rollback
	}
	in.Orders++
	d.ID = hash(in.ID, string(o), in.Target, nanos(s.at), strconv.Itoa(in.Orders))
	s.out = append(s.out, d)
	s.changed[in] = true
	return d.ID
}

// escalate calls people and ends what Unship does by itself.
func (s *step) escalate(in *incident, why string) {
	s.end(in, unship.StatusEscalated)
	s.order(in, unship.OrderEscalate, why)
	s.note(in, s.at, "people are called: %s", why)
}
