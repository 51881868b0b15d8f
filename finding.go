package unship

import "time"

// Signal is a way in which a release can be worse than what it replaced.
type Signal string

// The signals. Their names appear in incidents as they stand here.
const (
	SignalErrorRatio     Signal = "error_ratio"       // failures that began here ÷ requests
	SignalInclusiveError Signal = "inclusive_error"   // failures wherever they began ÷ requests
	SignalRejectionRatio Signal = "rejection_ratio"   // requests refused as the caller's mistake ÷ requests
	SignalDuration       Signal = "duration"          // of whole requests
	SignalSelfDuration   Signal = "self_duration"     // time spent here, not waiting on what is called
	SignalThroughput     Signal = "throughput"        // requests served
	SignalCalls          Signal = "calls_per_request" // calls to one callee ÷ requests
	SignalLogPattern     Signal = "log_pattern"
	SignalException      Signal = "exception"
	SignalCalleeError    Signal = "callee_error" // failures that begin in a callee when this release calls it
	SignalCallerError    Signal = "caller_error" // failures of callers that could not use an answer of this release
	SignalUnanswered     Signal = "unanswered"   // calls to this service that nothing answered
	SignalMetric         Signal = "metric"       // any metric, by name
)

// Verdict is what the evidence says of a release or of one signal.
type Verdict uint8

// The verdicts. Lack of data is inconclusive with a reason, never healthy.
const (
	Unknown      Verdict = iota // nobody has looked yet
	Healthy                     // shown to be no worse than tolerated
	Regressed                   // shown to be worse than tolerated
	Inconclusive                // neither shown so far
)

var verdictNames = []string{"unknown", "healthy", "regressed", "inconclusive"}

func (v Verdict) String() string { return enumName(verdictNames, uint8(v)) }

// MarshalText gives the name used in the schemas.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText accepts the names that MarshalText gives.
func (v *Verdict) UnmarshalText(b []byte) error {
	return enumParse(verdictNames, "verdict", b, (*uint8)(v))
}

// Cohort is one side of a comparison.
type Cohort uint8

// The cohorts.
const (
	Candidate Cohort = iota + 1 // the new release
	Baseline                    // what it is compared with
)

// Comparison is what a release is compared with.
type Comparison uint8

// The comparisons.
const (
	ComparisonNone       Comparison = iota
	ComparisonConcurrent            // with the previous version in the same moments
	ComparisonBefore                // with the service's own past and with services that should move alike
)

var comparisonNames = []string{"none", "concurrent", "before_after"}

func (c Comparison) String() string { return enumName(comparisonNames, uint8(c)) }

// MarshalText gives the name used in JSON.
func (c Comparison) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText accepts the names that MarshalText gives.
func (c *Comparison) UnmarshalText(b []byte) error {
	return enumParse(comparisonNames, "comparison", b, (*uint8)(c))
}

// Samples is how many requests each cohort contributed.
type Samples struct {
	Baseline  uint64 `json:"baseline"`
	Candidate uint64 `json:"candidate"`
}

// Finding is the evidence of one signal of one release, for one operation or,
// with an empty operation, for all of them stratified by operation.
type Finding struct {
	Release   ReleaseID  `json:"release"`
	Signal    Signal     `json:"signal"`
	Operation string     `json:"operation,omitempty"`
	Quantile  float64    `json:"quantile,omitempty"` // of durations: which part of the distribution, in (0,1)
	Slice     string     `json:"slice,omitempty"`    // "key=value" of the only requests that the finding is about
	Name      string     `json:"name,omitempty"`     // of the metric, the log pattern, or the exception with its place
	Example   string     `json:"example,omitempty"`  // a log line or an exception's message
	Unit      string     `json:"unit"`               // "1" for ratios, "s" for durations
	Baseline  float64    `json:"baseline"`           // value of the baseline in Unit
	Candidate float64    `json:"candidate"`          // value of the candidate in Unit
	Interval  [2]float64 `json:"interval"`           // of the candidate's value, at the policy's level, valid at every moment
	LogE      float64    `json:"log_e"`              // natural logarithm of the e-value
	Weight    float64    `json:"weight"`             // share of this stream in the release's e-value, in (0,1]; 0: shown, never acts
	Samples   Samples    `json:"samples"`
	Since     time.Time  `json:"since,omitzero"` // estimated onset
	Verdict   Verdict    `json:"verdict"`
	Exemplars Exemplars  `json:"exemplars,omitempty"`
	// Ambiguous marks a change that may be wanted, such as fewer calls: it is
	// shown to a person and is no ground for an automatic rollback by itself.
	Ambiguous bool     `json:"ambiguous,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}

// Detectable is the smallest change of a signal that would have been seen by
// now, at the present traffic and noise.
type Detectable struct {
	Signal   Signal  `json:"signal"`
	Slice    string  `json:"slice,omitempty"` // "key=value" of the only requests that it is about
	Unit     string  `json:"unit"`            // "1": absolute ratio; "x": multiple of the baseline
	Baseline float64 `json:"baseline"`        // the baseline's present value
	Change   float64 `json:"change"`          // the candidate's value that would have been seen
	// DoublingAt is when a doubling would be seen if traffic stays as it is; zero if never within the watch.
	DoublingAt time.Time `json:"doubling_at,omitzero"`
}

// Judgement is everything known about one release at one moment.
type Judgement struct {
	Release    ReleaseID  `json:"release"`
	At         time.Time  `json:"at"` // Tick.Closed
	Comparison Comparison `json:"comparison"`
	Verdict    Verdict    `json:"verdict"`
	Why        string     `json:"why"`   // one sentence for people
	LogE       float64    `json:"log_e"` // of the release: the weighted average of its streams' e-values
	// Threshold is the log e-value at which the release counts as regressed:
	// log(1/false_rollbacks), or the level of the before/after comparison.
	Threshold float64 `json:"threshold"`
	// Asks says that the evidence is enough to ask a person about the release, and not
	// enough to judge it regressed.
	Asks bool `json:"asks,omitempty"`
	// Probability is the posterior that this release, and nothing else, is the cause.
	Probability float64 `json:"probability"`
	// Doubts are reasons not to act although the threshold is crossed:
	// one instance carries all the evidence, a node explains it, …
	Doubts     []string     `json:"doubts,omitempty"`
	Onset      time.Time    `json:"onset,omitzero"`
	Findings   []Finding    `json:"findings,omitempty"` // strongest first, bounded
	Detectable []Detectable `json:"detectable,omitempty"`
	Samples    Samples      `json:"samples"`
	Done       bool         `json:"done,omitempty"` // the watch is over; no further judgement follows
	// Dependents were rolled out together with the release and cannot do without
	// it: each must go back before it, in this order. Of regressed ones only.
	Dependents []Dependent `json:"dependents,omitempty"`
	// Impact counts what the release did to users beyond the baseline's rate, so far.
	Impact Impact `json:"impact"`
}

// Dependent is a release that cannot do without another one.
type Dependent struct {
	Release  ReleaseID `json:"release"`
	Previous string    `json:"previous"` // what it would go back to
	Why      string    `json:"why"`      // what passed between the versions, in words
}

// Impact counts requests that a fault harmed.
type Impact struct {
	RequestsFailed uint64 `json:"requests_failed"`
	RequestsSlowed uint64 `json:"requests_slowed"`
}

// Cause is what an incident comes from.
type Cause string

// The causes.
const (
	CauseRelease        Cause = "release"
	CauseDependency     Cause = "dependency"
	CauseInfrastructure Cause = "infrastructure"
	CauseTraffic        Cause = "traffic"
	CauseUnknown        Cause = "unknown"
)

// Suspect is a release that may be the cause.
type Suspect struct {
	Namespace   string   `json:"namespace"`
	Service     string   `json:"service"`
	Version     string   `json:"version"`
	Previous    string   `json:"previous"`
	Probability float64  `json:"probability"`
	Reasons     []string `json:"reasons"`
}

// Exoneration names a release that was near and is innocent, and why.
type Exoneration struct {
	Service string `json:"service"`
	Version string `json:"version"`
	Why     string `json:"why"`
}

// Blame weighs all concurrent releases of one environment, and "no release",
// against each other.
type Blame struct {
	Environment string        `json:"environment"`
	Cause       Cause         `json:"cause"` // of the most probable hypothesis
	Suspects    []Suspect     `json:"suspects,omitempty"`
	Exonerated  []Exoneration `json:"exonerated,omitempty"`
	Hypotheses  []Hypothesis  `json:"hypotheses,omitempty"` // most probable first; they sum to 1
	// Ranking orders all releases that are watched, sure or not, in the tick in
	// which one of them is first found to be worse.
	Ranking []Standing `json:"ranking,omitempty"`
}

// Hypothesis is something that may be the cause: a release, a service that was
// not released, a node, the traffic, or what nobody knows.
type Hypothesis struct {
	Cause       Cause   `json:"cause"`
	Name        string  `json:"name,omitempty"` // "shop/ledger 1.1.0", a service, a node
	Probability float64 `json:"probability"`
	Why         string  `json:"why,omitempty"`
}

// Assessment is what detect says after one tick.
type Assessment struct {
	At         time.Time   `json:"at"` // Tick.Closed
	Judgements []Judgement `json:"judgements,omitempty"`
	Blame      []Blame     `json:"blame,omitempty"` // one for each environment with a release under watch
	Recoveries []Recovery  `json:"recoveries,omitempty"`
	// Outage says that telemetry as a whole broke down: no verdict may be drawn from silence.
	Outage string `json:"outage,omitempty"`
	Audit  Audit  `json:"audit,omitzero"`
}

// Audit is what placebos showed: releases that never were, watched like others.
// Each that is judged regressed is a false alarm.
type Audit struct {
	Rates  []AuditRate    `json:"rates,omitempty"`  // by environment, then comparison
	Alarms []PlaceboAlarm `json:"alarms,omitempty"` // the latest, newest first, bounded
}

// AuditRate is how often one way to compare raised a false alarm in one
// environment during the last 30 days of event time.
type AuditRate struct {
	Environment string     `json:"environment"`
	Comparison  Comparison `json:"comparison"`
	Trials      uint64     `json:"trials"`
	Alarms      uint64     `json:"alarms"`
	// Lower is the lower 95 % confidence limit of the probability of an alarm,
	// valid at every moment, and Upper the one-sided upper 95 % limit at this one.
	Lower float64 `json:"lower"`
	Upper float64 `json:"upper"`
}

// PlaceboAlarm is one false alarm: old instances that looked worse as if they
// were a new version.
type PlaceboAlarm struct {
	At         time.Time  `json:"at"`      // Tick.Closed
	Release    ReleaseID  `json:"release"` // that really served
	Comparison Comparison `json:"comparison"`
	Instances  []string   `json:"instances"` // that were said to be new; at most five
	Why        string     `json:"why"`       // in words
}
