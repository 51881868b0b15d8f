// Package decide turns judgements into decisions. [Engine.Step] is a pure
// state machine: it reads no clock, does no I/O and starts nothing. What is to
// be done comes back as values; what became of it is the next step's input.
package decide

import (
	"time"

	"unship.dev"
	"unship.dev/rules"
)

// Input is what a step is told. Every part may be empty.
type Input struct {
	At         time.Time          // event time of the step
	Releases   []unship.Release   // as the tracker sees them now
	Assessment *unship.Assessment // of the tick, if the step is a tick's
	Outcomes   []unship.Outcome
	Answers    []unship.Answer
}

// Engine holds the open incidents and what the gates need to know.
// It is not safe for concurrent use.
type Engine struct{ policies rules.Set }

// New gives an engine that knows of no incident.
func New(policies rules.Set) *Engine { return &Engine{policies: policies} }

// Step takes in what happened and gives what is to be done, in order.
func (e *Engine) Step(Input) []unship.Decision { return nil }

// Changed gives the incidents that the last step changed, sorted by detection and id.
func (e *Engine) Changed() []unship.Incident { return nil }

// Incidents gives all incidents that the engine remembers, sorted by detection and id.
func (e *Engine) Incidents() []unship.Incident { return nil }

// Reports gives what is known of every release, sorted by first seen and id.
func (e *Engine) Reports() []unship.ReleaseReport { return nil }

// ChangedReports gives the reports that the last step changed, sorted likewise.
func (e *Engine) ChangedReports() []unship.ReleaseReport { return nil }

// Quarantined gives the releases that must not come back, oldest first.
func (e *Engine) Quarantined() []Quarantine { return nil }

// Quarantine names a release that was found guilty.
type Quarantine struct {
	Release  unship.ReleaseID `json:"release"`
	Since    time.Time        `json:"since"`
	Incident string           `json:"incident"`
}

// State gives the engine's whole state. Equal states give equal bytes.
func (e *Engine) State() ([]byte, error) { return []byte("{}"), nil }

// Restore replaces the engine's state by one that State gave; nil is the state of a new engine.
func (e *Engine) Restore([]byte) error { return nil }
