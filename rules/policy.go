// Package rules holds what users decide: policies, read from YAML.
//
// A policy says which releases it is for, how far Unship may go by itself, how
// often it may be wrong, what change is tolerated, how long a release is
// watched, and which actions take it back. The first policy whose Match fits a
// release is the release's policy; [Default] comes last and fits all.
//
// The package is values and validation: it reads no clock and does no I/O.
package rules

import (
	"fmt"
	"path"
	"strings"
	"time"

	"unship.dev"
)

// Policy is one policy.
type Policy struct {
	Name  string
	Match Match
	Mode  unship.Mode
	// FalseRollbacks is the probability, per harmless release, that it is ever
	// judged regressed, however long and however often it is looked at.
	FalseRollbacks float64
	Tolerance      Tolerance
	Watch          time.Duration // how long a release is watched after it was first seen
	Cooldown       time.Duration // after a rollback of a service, before the next automatic one of it
	Budget         Budget
	Actions        []ActionSpec // the rollback, in order; empty: nothing is configured to carry one out
}

// Match selects releases. Each field is a pattern of path.Match; empty fits all.
type Match struct {
	Environment string
	Namespace   string
	Service     string
}

// Tolerance is the change for the worse that nobody minds.
type Tolerance struct {
	Ratio    float64 // of odds: 1.1 tolerates a tenth more failures
	Absolute float64 // of ratios: 0.0005 tolerates five failures in ten thousand requests
	Duration float64 // of durations: 0.044 tolerates a slowdown of 4.4 %, one histogram bucket
}

// Budget bounds automatic rollbacks over all services that a policy covers.
type Budget struct {
	Rollbacks int
	Per       time.Duration
}

// ActionSpec configures one step of a rollback: the kind of the action and its
// own settings, which that action decodes and validates.
type ActionSpec struct {
	Kind    string
	Timeout time.Duration
	Retries int
	With    []byte // the action's own settings, YAML; the action decodes it strictly
	Line    int    // where With begins in the policy file, for messages
}

// Default is the policy of whatever no other policy fits. mode is observe for
// serve; replay and demo choose auto.
func Default(mode unship.Mode) Policy {
	return Policy{
		Name:           "default",
		Mode:           mode,
		FalseRollbacks: 0.001,
		Tolerance:      Tolerance{Ratio: 1.1, Absolute: 0.0005, Duration: 0.044},
		Watch:          30 * time.Minute,
		Cooldown:       10 * time.Minute,
		Budget:         Budget{Rollbacks: 10, Per: 24 * time.Hour},
	}
}

// Fits says whether the policy is for releases of s.
func (m Match) Fits(s unship.Service) bool {
	fits := func(pattern, name string) bool {
		if pattern == "" {
			return true
		}
		ok, err := path.Match(pattern, name)
		return ok && err == nil // patterns are validated when they are read
	}
	return fits(m.Environment, s.Environment) && fits(m.Namespace, s.Namespace) && fits(m.Service, s.Name)
}

// Set is an ordered list of policies. The last fits everything.
type Set []Policy

// For gives the policy of a service's releases.
func (s Set) For(svc unship.Service) Policy {
	for _, p := range s {
		if p.Match.Fits(svc) {
			return p
		}
	}
	return Default(unship.ModeObserve)
}

// Validate reports every mistake of the policy, in words.
func (p Policy) Validate() (mistakes []string) {
	bad := func(format string, args ...any) { mistakes = append(mistakes, fmt.Sprintf(format, args...)) }
	if strings.TrimSpace(p.Name) == "" {
		bad("name: is missing; give the policy a name")
	}
	switch p.Mode {
	case unship.ModeObserve, unship.ModeApprove, unship.ModeAuto:
	default:
		bad("mode: is %q; want observe, approve or auto", p.Mode)
	}
	if p.FalseRollbacks <= 0 || p.FalseRollbacks > 0.1 {
		bad("false_rollbacks: is %v; want a probability above 0 and at most 0.1", p.FalseRollbacks)
	}
	if p.Tolerance.Ratio < 1 || p.Tolerance.Ratio > 10 {
		bad("tolerance.ratio: is %v; want 1 to 10 (1.1 tolerates a tenth more failures)", p.Tolerance.Ratio)
	}
	if p.Tolerance.Absolute < 0 || p.Tolerance.Absolute >= 1 {
		bad("tolerance.absolute: is %v; want a ratio from 0 to below 1", p.Tolerance.Absolute)
	}
	if p.Tolerance.Duration < 0 || p.Tolerance.Duration > 10 {
		bad("tolerance.duration: is %v; want 0 to 10 (0.044 tolerates 4.4 %% more time)", p.Tolerance.Duration)
	}
	if p.Watch < time.Minute || p.Watch > 24*time.Hour {
		bad("watch: is %v; want 1m to 24h", p.Watch)
	}
	if p.Cooldown < 0 {
		bad("cooldown: is %v; want 0s or more", p.Cooldown)
	}
	if p.Budget.Rollbacks < 0 || p.Budget.Per <= 0 {
		bad("budget: is %d per %v; want 0 or more rollbacks per a time above 0s", p.Budget.Rollbacks, p.Budget.Per)
	}
	for field, pattern := range map[string]string{
		"environment": p.Match.Environment, "namespace": p.Match.Namespace, "service": p.Match.Service,
	} {
		if _, err := path.Match(pattern, ""); err != nil {
			bad("match.%s: %q is not a pattern: %v", field, pattern, err)
		}
	}
	return mistakes
}
