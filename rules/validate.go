package rules

import (
	"fmt"
	"path"
	"strings"
	"time"

	"unship.dev"
)

// Wrong takes one mistake: where, below the policy, and what.
type Wrong func(path, format string, args ...any)

// Validate reports every mistake of a list of policies. at is the path of the list.
func (s Set) Validate(at string, wrong Wrong) {
	names := map[string]int{}
	for i, p := range s {
		below := fmt.Sprintf("%s[%d]", at, i)
		p.validate(func(path, format string, args ...any) { wrong(below+"."+path, format, args...) })
		if first, twice := names[p.Name]; twice && p.Name != "" {
			wrong(below+".name", "is %q, as %s[%d] has it; names must differ", p.Name, at, first)
		} else {
			names[p.Name] = i
		}
	}
}

func (p Policy) validate(wrong Wrong) {
	if strings.TrimSpace(p.Name) == "" {
		wrong("name", "is missing; give the policy a name")
	}
	switch p.Mode {
	case unship.ModeObserve, unship.ModeApprove, unship.ModeAuto:
	default:
		wrong("mode", "is %q; want observe, approve or auto", p.Mode)
	}
	if p.FalseRollbacks <= 0 || p.FalseRollbacks > 0.1 {
		wrong("false_rollbacks", "is %v; want a probability above 0 and at most 0.1", p.FalseRollbacks)
	}
	if p.FalseQuestions <= 0 || p.FalseQuestions > 0.1 {
		wrong("false_questions", "is %v; want a probability above 0 and at most 0.1", p.FalseQuestions)
	}
	p.Tolerance.validate(wrong)
	if p.Watch < time.Minute || p.Watch > 24*time.Hour {
		wrong("watch", "is %v; want 1m to 24h", p.Watch)
	}
	if p.Cooldown < 0 {
		wrong("cooldown", "is %v; want 0s or more", p.Cooldown)
	}
	if p.Budget.Rollbacks < 0 {
		wrong("budget.rollbacks", "is %d; want 0 or more", p.Budget.Rollbacks)
	}
	if p.Budget.Per <= 0 {
		wrong("budget.per", "is %v; want a time above 0s", p.Budget.Per)
	}
	if !(p.Audit.Budget >= 0 && p.Audit.Budget <= 1) {
		wrong("audit.budget", "is %v; want a probability from 0 to 1 (1: false alarms are never too many)", p.Audit.Budget)
	}
	p.Match.validate(wrong)
	p.validateActions(wrong)
}

func (t Tolerance) validate(wrong Wrong) {
	if t.Ratio < 1 || t.Ratio > 10 {
		wrong("tolerance.ratio", "is %v; want 1 to 10 (1.1 tolerates a tenth more failures)", t.Ratio)
	}
	if t.Absolute < 0 || t.Absolute >= 1 {
		wrong("tolerance.absolute", "is %v; want a ratio from 0 to below 1", t.Absolute)
	}
	if t.Duration < 0 || t.Duration > 10 {
		wrong("tolerance.duration", "is %v; want 0 to 10 (0.044 tolerates 4.4 %% more time)", t.Duration)
	}
}

func (m Match) validate(wrong Wrong) {
	check := func(field, pattern string) {
		if _, err := path.Match(pattern, ""); err != nil {
			wrong("match."+field, "%q is not a pattern; want a name with *, ? or [a-z]", pattern)
		}
	}
	check("environment", m.Environment)
	check("namespace", m.Namespace)
	check("service", m.Service)
}

func (p Policy) validateActions(wrong Wrong) {
	for i, a := range p.Actions {
		at := fmt.Sprintf("actions[%d].", i)
		if a.Kind == "" {
			wrong(at+"kind", "is missing; name the kind of action, such as exec or webhook")
		}
		if a.Timeout <= 0 || a.Timeout > time.Hour {
			wrong(at+"timeout", "is %v; want above 0s and at most 1h", a.Timeout)
		}
		if a.Retries < 0 || a.Retries > 20 {
			wrong(at+"retries", "is %d; want 0 to 20", a.Retries)
		}
	}
}
