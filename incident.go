package unship

import "time"

// IncidentSchema names the JSON form of [Incident]. Fields may be added to it, never changed.
const IncidentSchema = "unship.incident/v1"

// ReleaseSchema names the JSON form of [ReleaseReport].
const ReleaseSchema = "unship.release/v1"

// Status is where an incident is in its life.
type Status string

// The statuses, in the order in which an incident can pass through them.
const (
	StatusOpen       Status = "open"       // found; nothing done yet
	StatusMitigating Status = "mitigating" // a rollback is being carried out
	StatusMitigated  Status = "mitigated"  // carried out; recovery is being verified
	StatusResolved   Status = "resolved"   // recovered
	StatusEscalated  Status = "escalated"  // people must act
	StatusDismissed  Status = "dismissed"  // a person said: not the release
)

// Ended says that nothing more will happen to the incident by itself.
func (s Status) Ended() bool {
	return s == StatusResolved || s == StatusDismissed || s == StatusEscalated
}

// Incident is what happened, from onset to recovery: unship.incident/v1.
type Incident struct {
	Schema      string         `json:"schema"`
	ID          string         `json:"id"`
	Environment string         `json:"environment"`
	Status      Status         `json:"status"`
	Cause       Cause          `json:"cause"`
	StartedAt   time.Time      `json:"started_at"`  // estimated onset
	DetectedAt  time.Time      `json:"detected_at"` // when the decision was reached, in event time
	Suspects    []Suspect      `json:"suspects"`    // most probable first
	Exonerated  []Exoneration  `json:"exonerated"`
	Hypotheses  []Hypothesis   `json:"hypotheses,omitempty"` // all that was thought possible, releases and else, most probable first
	Ranking     []Standing     `json:"ranking,omitempty"`    // all releases that were watched when it was detected, the most suspect first
	Evidence    []Evidence     `json:"evidence"`
	Impact      Impact         `json:"impact"`
	Decision    DecisionRecord `json:"decision"`
	Plan        Plan           `json:"plan"`
	First       []Dependent    `json:"first,omitempty"` // releases that must go back before the guilty one, in this order
	Actions     []StepResult   `json:"actions"`
	Recovery    Recovery       `json:"recovery"`
	Timeline    []TimelineItem `json:"timeline"`
	Title       string         `json:"title"`             // one line for people
	EndedAt     time.Time      `json:"ended_at,omitzero"` // when the status became final
	Logs        []LogCount     `json:"logs,omitempty"`    // example log lines of the candidate
	Code        Code           `json:"code,omitzero"`     // where to look first in the source
}

// Code is where to look first in the source of the guilty release.
type Code struct {
	Exceptions []Exception `json:"exceptions,omitempty"` // those that its predecessor does not throw first, then by number
	New        int         `json:"new,omitempty"`        // how many of them its predecessor was not seen to throw
	// Revision and Previous are the commits between which the fault came in, as
	// far as the releases were announced with them.
	Revision string `json:"revision,omitempty"`
	Previous string `json:"previous,omitempty"`
	URL      string `json:"url,omitempty"` // of the pipeline's run that shipped it
}

// Evidence is a finding as the incident shows it.
type Evidence struct {
	Service    string     `json:"service"`
	Version    string     `json:"version"`
	Signal     Signal     `json:"signal"`
	Operation  string     `json:"operation"`
	Quantile   float64    `json:"quantile,omitempty"`
	Slice      string     `json:"slice,omitempty"`   // "key=value" of the only requests that it is about
	Name       string     `json:"name,omitempty"`    // of the metric, the log pattern, or the exception with its place
	Example    string     `json:"example,omitempty"` // a log line or an exception's message
	Unit       string     `json:"unit"`
	Baseline   float64    `json:"baseline"`
	Candidate  float64    `json:"candidate"`
	Interval   [2]float64 `json:"interval"`
	EValue     float64    `json:"e_value"` // at most MaxEValue: beyond that only its size matters
	Comparison Comparison `json:"comparison"`
	Samples    Samples    `json:"samples"`
	Since      time.Time  `json:"since"`
	Exemplars  Exemplars  `json:"exemplars"`
}

// MaxEValue bounds e-values where they are shown.
const MaxEValue = 1e12

// DecisionRecord is the decision as the incident shows it.
type DecisionRecord struct {
	Verdict DecisionVerdict `json:"verdict"`
	Mode    Mode            `json:"mode"`
	Policy  string          `json:"policy"`
	At      time.Time       `json:"at"`
	Why     string          `json:"why"`
	Gates   []Gate          `json:"gates"`
}

// TimelineItem is one line of an incident's timeline.
type TimelineItem struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}

// ReleaseReport is a release with what is known of it: unship.release/v1.
type ReleaseReport struct {
	Schema      string       `json:"schema"`
	Environment string       `json:"environment"`
	Namespace   string       `json:"namespace"`
	Service     string       `json:"service"`
	Version     string       `json:"version"`
	Previous    string       `json:"previous"`
	Change      Change       `json:"change,omitzero"` // what changed, where that is no new version
	FirstSeen   time.Time    `json:"first_seen"`
	Announced   bool         `json:"announced"`
	Rollout     Rollout      `json:"rollout"`
	RollbackOf  string       `json:"rollback_of,omitempty"`
	Verdict     Verdict      `json:"verdict"`
	Why         string       `json:"why"`
	Detectable  []Detectable `json:"detectable"`
	Samples     Samples      `json:"samples"`
	Comparison  Comparison   `json:"comparison"`
	LogE        float64      `json:"log_e"`
	Threshold   float64      `json:"threshold"`
	Done        bool         `json:"done"` // the watch is over
	UpdatedAt   time.Time    `json:"updated_at"`
	By          string       `json:"by,omitempty"`       // who announced it
	Revision    string       `json:"revision,omitempty"` // commit, as announced
	URL         string       `json:"url,omitempty"`      // of the pipeline's run, as announced
}
