// Package decide turns judgements into decisions. [Engine.Step] is a pure
// state machine: it reads no clock, does no I/O and starts nothing. What is to
// be done comes back as values; what became of it is the next step's input.
// The same inputs give the same decisions, incidents and state, byte for byte.
//
// # The life of an incident
//
// A release that is judged regressed opens one incident. Its policy's mode says
// how far Unship goes: observe plans and reports; approve plans and waits for a
// person; auto rolls back when every gate passes, else it asks, and looks at
// the gates again with every step.
//
//	open ─► mitigating ─► mitigated ─► resolved
//	  │          │             └─► escalated   it did not help: people are called, and a
//	  │          └─► escalated                 reversible automatic rollback is taken back
//	  └─► dismissed   a person said: not the release
//
// A rollback that the runner plans and skips, as in a replay, leaves the
// incident open with the verdict rollback and an unknown recovery; it is not
// ordered again. A rollback by somebody else is recognised and verified too.
//
// In one environment at most one rollback or undo runs at a time; among several
// guilty releases the most probable goes first.
package decide

import (
	"cmp"
	"slices"
	"time"

	"unship.dev"
	"unship.dev/rules"
)

// Input is what a step is told. Every part may be empty.
type Input struct {
	At         time.Time          // event time of the step
	Releases   []unship.Release   // as the tracker sees them now
	Assessment *unship.Assessment // of the tick, if the step is a tick's
	Tick       *unship.Tick       // the tick itself: example log lines are taken from it
	Outcomes   []unship.Outcome
	Answers    []unship.Answer
}

// Engine holds the incidents and what the gates need to know.
// It is not safe for concurrent use.
type Engine struct {
	policies rules.Set
	state    state

	changed        map[*incident]bool // by the last step
	changedReports map[unship.ReleaseID]bool
	releases       map[unship.ReleaseID]*unship.ReleaseReport // index of state.Releases
}

// New gives an engine that knows of no incident.
func New(policies rules.Set) *Engine {
	e := &Engine{policies: policies}
	e.reset(state{})
	return e
}

func (e *Engine) reset(s state) {
	e.state = s
	e.changed = map[*incident]bool{}
	e.changedReports = map[unship.ReleaseID]bool{}
	e.releases = map[unship.ReleaseID]*unship.ReleaseReport{}
	for _, r := range s.Releases {
		e.releases[idOf(*r)] = r
	}
}

// step is one step while it is being taken.
type step struct {
	*Engine
	at  time.Time
	out []unship.Decision
}

// Step takes in what happened and gives what is to be done, in order. Event
// time never goes back: a step of an earlier time counts as one of the last.
func (e *Engine) Step(in Input) []unship.Decision {
	clear(e.changed)
	clear(e.changedReports)
	if in.At.After(e.state.At) {
		e.state.At = in.At.UTC()
	}
	s := &step{Engine: e, at: e.state.At}
	s.takeReleases(in.Releases)
	s.takeOutcomes(in.Outcomes)
	if in.Assessment != nil {
		s.takeAssessment(*in.Assessment)
	}
	if in.Tick != nil {
		s.takeTraces(*in.Tick)
	}
	s.takeAnswers(in.Answers)
	s.giveUpWaiting()
	s.decide()
	s.forget(in)
	return s.out
}

// decide looks at every incident that something may still be done about, the
// most probable first.
func (s *step) decide() {
	list := slices.Clone(s.state.Incidents)
	slices.SortStableFunc(list, func(a, b *incident) int { return -cmp.Compare(a.Probability, b.Probability) })
	for _, in := range list {
		switch {
		case in.Running != "":
		case in.Undoing != nil:
			s.tryUndo(in)
		case in.Status == unship.StatusOpen && in.Rollback == "":
			s.judgeOpen(in)
		}
	}
}

// Changed gives the incidents that the last step changed, sorted by detection and id.
func (e *Engine) Changed() []unship.Incident {
	var list []unship.Incident
	for _, in := range e.state.Incidents {
		if e.changed[in] {
			list = append(list, in.shown())
		}
	}
	return list
}

// Incidents gives all incidents that the engine remembers, sorted by detection
// and id. Ended ones are remembered for a week; the journal keeps them all.
func (e *Engine) Incidents() []unship.Incident {
	var list []unship.Incident
	for _, in := range e.state.Incidents {
		list = append(list, in.shown())
	}
	return list
}

// Reports gives what is known of every release, sorted by first seen and id.
func (e *Engine) Reports() []unship.ReleaseReport {
	var list []unship.ReleaseReport
	for _, r := range e.state.Releases {
		list = append(list, *r)
	}
	return list
}

// ChangedReports gives the reports that the last step changed, sorted likewise.
func (e *Engine) ChangedReports() []unship.ReleaseReport {
	var list []unship.ReleaseReport
	for _, r := range e.state.Releases {
		if e.changedReports[idOf(*r)] {
			list = append(list, *r)
		}
	}
	return list
}

// Quarantined gives the releases that were taken back and must not come back
// by themselves, oldest first.
func (e *Engine) Quarantined() []Quarantine { return slices.Clone(e.state.Guilty) }
