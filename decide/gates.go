package decide

import (
	"fmt"
	"strings"
	"time"

	"unship.dev"
	"unship.dev/decide/words"
	"unship.dev/rules"
)

// situation is what the gates of one incident look at. Whatever a new gate
// needs to know is added here, where it is gathered, and nowhere else.
type situation struct {
	At           time.Time
	Policy       rules.Policy
	Release      unship.ReleaseID
	Target       string
	Change       unship.Change      // what the release is, where it is no new version
	TargetGuilty string             // why the target must not be returned to
	First        []unship.Dependent // releases that cannot do without it
	Wanted       bool               // all that changed may be wanted
	Unsure       bool               // the evidence is enough to ask, not to act
	Doubts       []string
	Cause        unship.Cause
	Cleared      string // why blame holds the release innocent
	Outage       string // of telemetry as a whole
	RejectedBy   string
	Running      string               // the release whose rollback or undo runs in this environment
	Verifying    string               // the release whose rollback is being verified in this environment
	LastRollback time.Time            // of the service
	Spent        int                  // automatic rollbacks of the policy in its budget's time
	Audit        unship.AuditRate     // of the release's environment and comparison
	Alarm        *unship.PlaceboAlarm // the latest of those that it counts; nil without any
}

// gate is one condition that can stop a rollback. A hard gate stops a rollback
// that a person approved as well: it cannot be carried out, or not now.
type gate struct {
	Name  string
	Hard  bool
	Check func(situation) (unship.GateResult, string)
}

// gates is the list of all gates, in the order in which people read them.
func gates() []gate {
	return []gate{
		{Name: "target", Hard: true, Check: targetKnown},
		{Name: "target_health", Check: targetHealthy},
		{Name: "contract", Check: nobodyDepends},
		{Name: "evidence", Check: evidenceClear},
		{Name: "cause", Check: causeIsRelease},
		{Name: "telemetry", Check: telemetryWorks},
		{Name: "answer", Check: nobodyObjects},
		{Name: "running", Hard: true, Check: nothingRuns},
		{Name: "verifying", Check: nothingIsVerified},
		{Name: "cooldown", Check: cooledDown},
		{Name: "budget", Check: budgetLeft},
		{Name: "audit", Check: alarmsRare},
	}
}

func pass(format string, args ...any) (unship.GateResult, string) {
	return unship.GatePass, fmt.Sprintf(format, args...)
}

func block(format string, args ...any) (unship.GateResult, string) {
	return unship.GateBlock, fmt.Sprintf(format, args...)
}

func targetKnown(s situation) (unship.GateResult, string) {
	if s.Change != (unship.Change{}) {
		back := "back"
		if s.Change.Was != "" {
			back += " to " + s.Change.Was
		}
		return block("it is no new version but a change (%s), which no action here takes back: set it %s by hand", s.Change, back)
	}
	switch s.Target {
	case "":
		return block("nobody knows which version %s replaced: there is nothing to return to", s.Release)
	case s.Release.Version:
		return block("the version to return to is the faulty one")
	}
	return pass("%s is the version that it replaced", s.Target)
}

func targetHealthy(s situation) (unship.GateResult, string) {
	if s.TargetGuilty != "" {
		return block("%s", s.TargetGuilty)
	}
	return pass("nothing is known against the version to return to")
}

func nobodyDepends(s situation) (unship.GateResult, string) {
	if len(s.First) == 0 {
		return pass("no release that was rolled out together with it is known to need it")
	}
	var order []string
	for _, d := range s.First {
		order = append(order, fmt.Sprintf("%s to %s (%s)", d.Release, d.Previous, d.Why))
	}
	return block("others need it and must go back before it: first %s, then %s to %s", strings.Join(order, ", then "), s.Release, s.Target)
}

func evidenceClear(s situation) (unship.GateResult, string) {
	if s.Unsure {
		return block("it is likely, not sure: of harmless releases %s comes to look like this", words.OneIn(1/s.Policy.FalseQuestions))
	}
	if s.Wanted {
		return block("what changed may be what the release is for, or not its own doing; a person has to say")
	}
	if len(s.Doubts) > 0 {
		return block("there are doubts: %s", strings.Join(s.Doubts, "; "))
	}
	return pass("the evidence is beyond the policy's threshold, and nothing speaks against it")
}

func causeIsRelease(s situation) (unship.GateResult, string) {
	switch {
	case s.Cleared != "":
		return block("it is held innocent: %s", s.Cleared)
	case s.Cause == unship.CauseUnknown:
		return unship.GateUnknown, "several causes are about as probable as this release"
	case s.Cause != unship.CauseRelease:
		return block("the most probable cause is no release: %s", s.Cause)
	}
	return pass("a release is the most probable cause")
}

func telemetryWorks(s situation) (unship.GateResult, string) {
	if s.Outage != "" {
		return block("telemetry as a whole broke down: %s", s.Outage)
	}
	return pass("telemetry arrives")
}

func nobodyObjects(s situation) (unship.GateResult, string) {
	if s.RejectedBy != "" {
		return block("%s said that it is not the release", s.RejectedBy)
	}
	return pass("nobody said no")
}

func nothingRuns(s situation) (unship.GateResult, string) {
	if s.Running != "" {
		return block("another rollback is running in this environment: that of %s", s.Running)
	}
	return pass("no other rollback is running in this environment")
}

func nothingIsVerified(s situation) (unship.GateResult, string) {
	if s.Verifying != "" {
		return block("whether the rollback of %s helped is not known yet", s.Verifying)
	}
	return pass("no other rollback waits to be verified in this environment")
}

func cooledDown(s situation) (unship.GateResult, string) {
	if s.LastRollback.IsZero() {
		return pass("%s was not rolled back lately", s.Release.Service)
	}
	until := s.LastRollback.Add(s.Policy.Cooldown)
	if s.At.Before(until) {
		return block("%s was rolled back at %s; automatic rollbacks of it rest until %s",
			s.Release.Service, words.Clock(s.LastRollback), words.Clock(until))
	}
	return pass("the last rollback of %s was at %s", s.Release.Service, words.Clock(s.LastRollback))
}

func budgetLeft(s situation) (unship.GateResult, string) {
	b := s.Policy.Budget
	if s.Spent >= b.Rollbacks {
		return block("policy %s allows %s in %s, and %d were made",
			s.Policy.Name, words.Of(uint64(max(b.Rollbacks, 0)), "automatic rollback"), words.Span(b.Per), s.Spent)
	}
	return pass("%d of %d automatic rollbacks in %s were made", s.Spent, b.Rollbacks, words.Span(b.Per))
}

// enoughAlarms is how many false alarms prove that there are too many: one alone
// can be one instance's illness.
const enoughAlarms = 2

func alarmsRare(s situation) (unship.GateResult, string) {
	a, budget := s.Audit, s.Policy.Audit.Budget
	switch {
	case a.Trials == 0:
		return pass("no placebo has been judged yet that would tell of false alarms")
	case a.Alarms < enoughAlarms || a.Lower <= budget:
		return pass("%d of %d placebos raised a false alarm; it is not shown to be more than %s", a.Alarms, a.Trials, words.Percent(budget))
	}
	why := ""
	if s.Alarm != nil {
		why = fmt.Sprintf("; the latest, of %s at %s: %s", s.Alarm.Release, words.Clock(s.Alarm.At), s.Alarm.Why)
	}
	return block("verdicts %s are not to be relied on here: %d of %d placebos raised a false alarm, at least %s where policy %s allows %s%s",
		sayComparison(s.Audit.Comparison), a.Alarms, a.Trials, words.Percent(a.Lower), s.Policy.Name, words.Percent(budget), why)
}

func sayComparison(c unship.Comparison) string {
	if c == unship.ComparisonBefore {
		return "by comparison with the past"
	}
	return "by comparison of instances"
}

// situationOf gathers what the gates look at.
func (s *step) situationOf(in *incident, p rules.Policy) situation {
	v := situation{
		At: s.at, Policy: p, Release: in.Release, Target: in.Target, Change: in.Change, First: in.First, Wanted: in.Wanted, Unsure: in.Unsure, Doubts: in.Doubts,
		Cause: in.Cause, Cleared: in.Cleared, Outage: s.state.Outage, RejectedBy: in.RejectedBy,
	}
	v.TargetGuilty = s.guilty(unship.ReleaseID{Service: in.Release.Service, Version: in.Target})
	v.Running, v.Verifying = s.neighbours(in)
	v.Audit, v.Alarm = s.audited(in)
	for _, r := range s.state.Rollbacks {
		if r.Service == in.Release.Service {
			v.LastRollback = r.At
		}
		if r.Policy == p.Name && r.By == "" && s.at.Sub(r.At) < p.Budget.Per {
			v.Spent++
		}
	}
	return v
}

// neighbours names the releases of the same environment whose rollback runs, or is being verified.
func (s *step) neighbours(in *incident) (running, verifying string) {
	for _, o := range s.state.Incidents {
		switch {
		case o == in || o.Environment != in.Environment:
		case o.Running != "":
			running = o.Release.String()
		case o.Status == unship.StatusMitigated:
			verifying = o.Release.String()
		}
	}
	return running, verifying
}

// audited gives what placebos showed of an incident's comparison in its environment.
func (s *step) audited(in *incident) (rate unship.AuditRate, latest *unship.PlaceboAlarm) {
	for _, r := range s.state.Audit.Rates {
		if r.Environment == in.Environment && r.Comparison == in.Comparison {
			rate = r
		}
	}
	for k, a := range s.state.Audit.Alarms { // newest first
		if latest == nil && a.Release.Environment == in.Environment && a.Comparison == in.Comparison {
			latest = &s.state.Audit.Alarms[k]
		}
	}
	return rate, latest
}
