package unship

import "time"

// Mode is how far a policy lets Unship go by itself.
type Mode string

// The modes.
const (
	ModeObserve Mode = "observe" // report only
	ModeApprove Mode = "approve" // prepare the rollback, ask a person
	ModeAuto    Mode = "auto"    // roll back when every gate passes
)

// DecisionVerdict is what an incident's decision says is to be done.
type DecisionVerdict string

// The decision verdicts.
const (
	DecideRollback DecisionVerdict = "rollback"
	DecideAsk      DecisionVerdict = "ask"
	DecideObserve  DecisionVerdict = "observe"
	DecideNone     DecisionVerdict = "none"
)

// GateResult is a gate's answer.
type GateResult string

// The answers of a gate. Unknown stops an automatic rollback as block does.
const (
	GatePass    GateResult = "pass"
	GateBlock   GateResult = "block"
	GateUnknown GateResult = "unknown"
)

// Gate is a condition that can stop a rollback, and its answer.
type Gate struct {
	Name   string     `json:"name"`
	Result GateResult `json:"result"`
	Why    string     `json:"why"`
}

// Order is what a decision tells the runner to do.
type Order string

// The orders.
const (
	OrderPlan     Order = "plan"     // work out what a rollback would do; touch nothing
	OrderRollback Order = "rollback" // plan and carry out
	OrderUndo     Order = "undo"     // take the rollback back: restore the release
	OrderVerify   Order = "verify"   // watch whether the rollback helped
	OrderEscalate Order = "escalate" // call people
)

// Decision is one order of the engine. Its ID is made from what it decides and
// when, in event time: the same input gives the same ID, and carrying out the
// same ID twice has the effect of carrying it out once.
type Decision struct {
	ID       string    `json:"id"`
	Incident string    `json:"incident"`
	Order    Order     `json:"order"`
	Release  ReleaseID `json:"release"` // the release to take back
	Target   string    `json:"target"`  // the version to return to
	Policy   string    `json:"policy"`
	Mode     Mode      `json:"mode"`
	At       time.Time `json:"at"`
	Why      string    `json:"why"`
	By       string    `json:"by,omitempty"`     // the person who approved, if one did
	Undoes   string    `json:"undoes,omitempty"` // the rollback decision that an undo takes back
}

// Step is one step of a plan: one action on one platform.
type Step struct {
	Step       int    `json:"step"`   // from 1
	Action     string `json:"action"` // kind of the action
	Summary    string `json:"summary"`
	Reversible bool   `json:"reversible"`
	AtRisk     string `json:"at_risk"` // what could be lost, "" if nothing
}

// Plan is an ordered list of steps. Making one reads and changes nothing.
type Plan []Step

// Result is what became of a step or a decision.
type Result string

// The results. Unknown means that the step may or may not have taken effect;
// it is reconciled through Plan, never repeated blindly.
const (
	ResultDone    Result = "done"
	ResultFailed  Result = "failed"
	ResultUnknown Result = "unknown"
	ResultSkipped Result = "skipped"
)

// StepResult is what became of one step.
type StepResult struct {
	Step      int       `json:"step"`
	Action    string    `json:"action"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
	Result    Result    `json:"result"`
	Detail    string    `json:"detail"`
}

// Outcome is what became of a decision. A plan order ends with Planned and no
// steps carried out.
type Outcome struct {
	Decision string       `json:"decision"` // Decision.ID
	Incident string       `json:"incident"`
	Order    Order        `json:"order"`
	Plan     Plan         `json:"plan,omitempty"`
	Steps    []StepResult `json:"steps,omitempty"`
	Result   Result       `json:"result"`
	Detail   string       `json:"detail,omitempty"`
	At       time.Time    `json:"at"`
}

// Answer is what a person said about an incident.
type Answer struct {
	Incident string    `json:"incident"`
	Kind     string    `json:"kind"` // approve, reject, undo, snooze
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	Comment  string    `json:"comment,omitempty"`
}

// The kinds of answers.
const (
	AnswerApprove = "approve" // do what was proposed
	AnswerReject  = "reject"  // not the release: do nothing, dismiss
	AnswerUndo    = "undo"    // take the rollback back
)

// RecoveryStatus is whether a rollback helped.
type RecoveryStatus string

// The recovery statuses.
const (
	RecoveryPending RecoveryStatus = "pending"
	Recovered       RecoveryStatus = "recovered"
	NotRecovered    RecoveryStatus = "not_recovered"
	RecoveryUnknown RecoveryStatus = "unknown"
)

// Recovery is whether the rollback of a release helped.
type Recovery struct {
	Release ReleaseID      `json:"-"`
	Status  RecoveryStatus `json:"status"`
	At      time.Time      `json:"at,omitzero"`
	Why     string         `json:"why"`
}
