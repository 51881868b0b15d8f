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
	"path"
	"time"

	"unship.dev"
	"unship.dev/rules/document"
)

// Policy is one policy.
type Policy struct {
	Name  string      `yaml:"name"`
	Match Match       `yaml:"match"`
	Mode  unship.Mode `yaml:"mode"`
	// FalseRollbacks is the probability, per harmless release, that it is ever
	// judged regressed, however long and however often it is looked at.
	FalseRollbacks float64 `yaml:"false_rollbacks"`
	// FalseQuestions is the probability, per harmless release, that a person is ever
	// asked about it although the evidence is not enough for a rollback. Not above
	// FalseRollbacks: nobody is.
	FalseQuestions float64       `yaml:"false_questions"`
	Tolerance      Tolerance     `yaml:"tolerance"`
	Watch          time.Duration `yaml:"watch"`    // how long a release is watched after it was first seen
	Cooldown       time.Duration `yaml:"cooldown"` // after a rollback of a service, before the next automatic one of it
	Budget         Budget        `yaml:"budget"`
	Audit          Audit         `yaml:"audit"`
	Actions        []ActionSpec  `yaml:"actions"` // the rollback, in order; empty: nothing is configured to carry one out
}

// Match selects releases. Each field is a pattern of path.Match; empty fits all.
type Match struct {
	Environment string `yaml:"environment"`
	Namespace   string `yaml:"namespace"`
	Service     string `yaml:"service"`
}

// Tolerance is the change for the worse that nobody minds.
type Tolerance struct {
	Ratio    float64 `yaml:"ratio"`    // of odds: 1.1 tolerates a tenth more failures
	Absolute float64 `yaml:"absolute"` // of ratios: 0.0005 tolerates five failures in ten thousand requests
	Duration float64 `yaml:"duration"` // of durations: 0.044 tolerates a slowdown of 4.4 %, one histogram bucket
}

// Budget bounds automatic rollbacks over all services that a policy covers.
type Budget struct {
	Rollbacks int           `yaml:"rollbacks"`
	Per       time.Duration `yaml:"per"`
}

// Audit bounds how often placebo releases may be judged regressed before a
// person is asked instead of an automatic rollback.
type Audit struct {
	// Budget is a probability per placebo, in the release's environment and of
	// the comparison that judged it. It is exceeded when the lower confidence
	// limit is above it; 1 never is.
	Budget float64 `yaml:"budget"`
}

// ActionSpec configures one step of a rollback: the kind of the action and its
// own settings, which that action decodes and validates.
type ActionSpec struct {
	Kind    string        `yaml:"kind"`
	Timeout time.Duration `yaml:"timeout"` // of the step, with all its retries
	Retries int           `yaml:"retries"`
	With    document.Raw  `yaml:"with"`
}

// Default is the policy of whatever no other policy fits. mode is observe for
// serve; replay and demo choose auto.
func Default(mode unship.Mode) Policy {
	return Policy{
		Name:           "default",
		Mode:           mode,
		FalseRollbacks: 0.001,
		FalseQuestions: 0.01,
		Tolerance:      Tolerance{Ratio: 1.1, Absolute: 0.0005, Duration: 0.044},
		Watch:          30 * time.Minute,
		Cooldown:       10 * time.Minute,
		Budget:         Budget{Rollbacks: 10, Per: 24 * time.Hour},
		Audit:          Audit{Budget: 0.01},
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

// Defaults sets what a policy in a file has unless it says otherwise.
func (p *Policy) Defaults() {
	*p = Default(unship.ModeObserve)
	p.Name = ""
}

// Defaults sets what an action in a file has unless it says otherwise.
func (a *ActionSpec) Defaults() { a.Timeout, a.Retries = time.Minute, 3 }
