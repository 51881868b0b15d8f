package unship

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Window is what one instance of one release did in one span of event time.
// A span or record belongs to the window in which it ended.
//
// Windows are made of integer counts only, so that merging them is exact and
// does not depend on the order: [Window.Merge].
type Window struct {
	Release    ReleaseID     `json:"release"`
	Instance   Instance      `json:"instance"`
	Start      time.Time     `json:"start"`
	Length     time.Duration `json:"length"`
	Operations []Operation   `json:"operations,omitempty"` // sorted by name, one each
	Logs       []LogCount    `json:"logs,omitempty"`       // sorted by severity and pattern, one each
	Exceptions []Exception   `json:"exceptions,omitempty"` // sorted by type and place, one each
	Metrics    []Metric      `json:"metrics,omitempty"`    // sorted by name, attributes and time
	// Logged says that nothing but log records told of the requests.
	Logged bool `json:"logged,omitempty"`
	// Build is what tells two builds apart that carry one service.version: image
	// digest or tag, or commit. Empty where telemetry does not tell.
	Build string `json:"build,omitempty"`
}

// Operation counts what an instance was asked to do under one name.
// Failures are distinct traces: retries of one request inside one trace count once.
//
// Own time is that of the span less the union of its calls. A request that was not served by
// what it called may wait before it calls again, and nothing tells that from work: such
// requests have no own time, so that Self may count fewer than there were. Nor have those of
// which spans are known to be missing.
type Operation struct {
	Name       string    `json:"name"`                  // "POST /orders", "shop.Cart/Add", "process orders"; bounded
	Requests   uint64    `json:"requests"`              // server and consumer spans
	Failed     uint64    `json:"failed,omitempty"`      // of them in error, wherever the error began
	FailedHere uint64    `json:"failed_here,omitempty"` // of those without a failed child: the error began here
	Rejected   uint64    `json:"rejected,omitempty"`    // refused as the caller's mistake: 4xx, INVALID_ARGUMENT and kin
	Duration   Histogram `json:"duration,omitempty"`    // of the whole span
	Self       Histogram `json:"self,omitempty"`        // own time, of requests whose calls were served
	Calls      []Call    `json:"calls,omitempty"`       // what it called, sorted by callee
	Callers    []Caller  `json:"callers,omitempty"`     // who called it, sorted; only where the caller is known
	Slices     []Slice   `json:"slices,omitempty"`      // by attributes with few values, sorted by key and value
	Exemplars  Exemplars `json:"exemplars,omitempty"`   // failed or slow examples
	// Adjusted is how many requests those counted stand for, where a sampler in
	// the head told its probability; 0: as many as were counted. Evidence is made
	// of what was counted, traffic and harm of what it stands for.
	Adjusted uint64 `json:"adjusted,omitempty"`
	// Partial are the requests of which spans are known to be missing: something that they must
	// have called was seen, the call itself was not. More of what they called may be missing as well.
	Partial uint64 `json:"partial,omitempty"`
}

// Apart says that the requests' own time and failures are told apart from those of what they
// called, as only spans tell. Requests without calls have a time of their own.
func (p *Operation) Apart() bool { return len(p.Self) > 0 || len(p.Calls) > 0 }

// Population is how many requests the operation had, sampled away or not.
func (p *Operation) Population() uint64 { return max(p.Requests, p.Adjusted) }

// Slice counts an operation's requests that carry one value of one attribute
// with few values: a tenant, a calling application, a region, a feature flag.
// Values of one key need not add up to the operation: not every request has one.
type Slice struct {
	Key        string    `json:"key"`
	Value      string    `json:"value"`
	Requests   uint64    `json:"requests"`
	FailedHere uint64    `json:"failed_here,omitempty"`
	Rejected   uint64    `json:"rejected,omitempty"`
	Duration   Histogram `json:"duration,omitempty"` // self durations where the operation has them, else whole ones
}

// Call counts an operation's requests by how often each called one callee.
type Call struct {
	Callee   string `json:"callee"`   // service, database, queue: peer.service, db.system.name and address, …
	Requests uint64 `json:"requests"` // requests that called it at all
	Twice    uint64 `json:"twice"`    // requests that it served twice or more: what is repeated after a failure does not count
	FourPlus uint64 `json:"four"`     // requests that called it four times or more, failures aside
	Total    uint64 `json:"total"`    // calls
	Failed   uint64 `json:"failed"`   // calls that failed
	// Unanswered counts calls that did not end well and for which no span of the callee
	// was seen. It means something only of callees that are watched themselves and
	// sampled alike.
	Unanswered uint64 `json:"unanswered,omitempty"`
	// Unseen counts those that ended well though no such span was seen: telemetry was lost.
	Unseen   uint64         `json:"unseen,omitempty"`
	Answered []CalleeAnswer `json:"answered,omitempty"` // by the release that answered, sorted; only where it is known
	Received []CallReceived `json:"received,omitempty"` // by the release that got them, sorted; only where it is known
}

// CalleeAnswer counts an operation's requests by the release that answered a call of theirs.
type CalleeAnswer struct {
	Release  ReleaseID `json:"release"`
	Requests uint64    `json:"requests"` // that it answered at least one call of
	// Failed are those of them that failed or were rejected although none of their
	// calls failed: the caller could not use an answer that looked like success.
	Failed uint64 `json:"failed,omitempty"`
	// Garbled are others of them: a call that it answered failed although its own span
	// ended well, and before the caller gave up. They may have ended well: another try did.
	Garbled uint64 `json:"garbled,omitempty"`
}

// Unusable are the requests that got an answer which looked like success and was none.
func (a *CalleeAnswer) Unusable() uint64 { return a.Failed + a.Garbled }

// CallReceived counts the calls of which no span of the callee was seen, and which a release is
// known to have got all the same: it left spans of what it did with them, though not of all.
// Where several services did they are counted for each.
type CallReceived struct {
	Release    ReleaseID `json:"release"`
	Unanswered uint64    `json:"unanswered"` // of [Call.Unanswered]
}

// Caller counts an operation's requests by the release that called.
type Caller struct {
	Release    ReleaseID `json:"release"`
	Requests   uint64    `json:"requests"`
	FailedHere uint64    `json:"failed_here"`
	Rejected   uint64    `json:"rejected,omitempty"`
}

// LogCount counts log records of one severity and pattern.
type LogCount struct {
	Severity int32 `json:"severity"` // OTel severity number; 17 and more are errors
	// Pattern is log.record.template, else the template mined from the service's
	// lines ("user <*> logged in"), else, without a body, exception.type; "" for
	// lines beyond the bound of templates, all together.
	Pattern string `json:"pattern"`
	Count   uint64 `json:"count"`
	Example string `json:"example,omitempty"` // the smallest body in byte order, cut to MaxExample
	TraceID string `json:"trace_id,omitempty"`
}

// FlagPattern begins the pattern of log records that tell which value of a feature
// flag was found; the flag's key, "=" and the value follow.
const FlagPattern = "feature_flag.evaluation "

// MaxExample is the length, in bytes, to which example log lines are cut.
const MaxExample = 300

// Exception counts exceptions of one type thrown at one place, from span events
// and from log records that carry exception.type: once for each trace.
type Exception struct {
	Type    string `json:"type"`            // exception.type, bounded
	Place   string `json:"place,omitempty"` // up to three frames of own code, innermost first, joined by " < "; no line numbers
	Count   uint64 `json:"count"`
	Handled uint64 `json:"handled,omitempty"` // of them: told by spans alone that ended well
	Example string `json:"example,omitempty"` // the smallest message in byte order, cut to MaxExample
	TraceID string `json:"trace_id,omitempty"`
}

// MetricKind is what a metric's value means.
type MetricKind uint8

// The kinds of metrics.
const (
	MetricGauge        MetricKind = iota // a level at a moment
	MetricCount                          // an increase during Over
	MetricDistribution                   // the mean of Count observations during Over
)

var metricKindNames = []string{"gauge", "count", "distribution"}

func (k MetricKind) String() string { return enumName(metricKindNames, uint8(k)) }

// MarshalText gives the name of the kind.
func (k MetricKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText accepts the names that MarshalText gives.
func (k *MetricKind) UnmarshalText(b []byte) error {
	return enumParse(metricKindNames, "metric kind", b, (*uint8)(k))
}

// Metric is one data point of a metric that belongs to an instance. Cumulative
// points have been turned into increases; a reset begins anew.
type Metric struct {
	Name       string        `json:"name"`
	Unit       string        `json:"unit,omitempty"`
	Attributes string        `json:"attributes,omitempty"` // "key=value,key=value", sorted by key
	Kind       MetricKind    `json:"kind"`
	At         time.Time     `json:"at"`             // its end
	Over       time.Duration `json:"over,omitempty"` // the time it covers; 0: a moment
	Value      float64       `json:"value"`
	Count      uint64        `json:"count,omitempty"` // of distributions: observations behind Value, their mean
}

// Exemplar is an example of a request that a person can look up.
type Exemplar struct {
	TraceID   string        `json:"trace_id"`
	SpanID    string        `json:"span_id"`
	Duration  time.Duration `json:"duration,omitempty"`
	Error     string        `json:"error,omitempty"` // exception.type, error.type or status, short
	Exception string        `json:"exception,omitempty"`
}

// Exemplars is a bounded set of examples that merges independently of order:
// failed ones first, then slow ones, ties by trace id, at most [MaxExemplars].
type Exemplars []Exemplar

// MaxExemplars is how many exemplars an operation keeps in one window.
const MaxExemplars = 3

// Merge adds what o counted. Both must be of the same release, instance and span.
func (w *Window) Merge(o Window) {
	w.Operations = mergeSorted(w.Operations, o.Operations,
		func(a, b Operation) int { return strings.Compare(a.Name, b.Name) },
		func(a *Operation, b Operation) { a.Merge(b) })
	w.Logs = mergeSorted(w.Logs, o.Logs, compareLogs, (*LogCount).merge)
	w.Exceptions = mergeSorted(w.Exceptions, o.Exceptions, compareExceptions, (*Exception).merge)
	w.Metrics = mergeSorted(w.Metrics, o.Metrics, compareMetrics, func(*Metric, Metric) {})
	w.Build, w.Logged = max(w.Build, o.Build), w.Logged || o.Logged
}

// Merge adds what o counted. Both must have the same name.
func (p *Operation) Merge(o Operation) {
	if p.Adjusted > 0 || o.Adjusted > 0 {
		p.Adjusted = p.Population() + o.Population()
	}
	p.Requests += o.Requests
	p.Failed += o.Failed
	p.FailedHere += o.FailedHere
	p.Rejected += o.Rejected
	p.Partial += o.Partial
	p.Duration.Merge(o.Duration)
	p.Self.Merge(o.Self)
	p.Calls = mergeSorted(p.Calls, o.Calls,
		func(a, b Call) int { return strings.Compare(a.Callee, b.Callee) }, (*Call).merge)
	p.Callers = mergeSorted(p.Callers, o.Callers,
		func(a, b Caller) int { return a.Release.Compare(b.Release) }, (*Caller).merge)
	p.Slices = mergeSorted(p.Slices, o.Slices, compareSlices, (*Slice).merge)
	for _, e := range o.Exemplars {
		p.Exemplars.Add(e)
	}
}

func (s *Slice) merge(o Slice) {
	s.Requests += o.Requests
	s.FailedHere += o.FailedHere
	s.Rejected += o.Rejected
	s.Duration.Merge(o.Duration)
}

func (c *Call) merge(o Call) {
	c.Requests += o.Requests
	c.Twice += o.Twice
	c.FourPlus += o.FourPlus
	c.Total += o.Total
	c.Failed += o.Failed
	c.Unanswered += o.Unanswered
	c.Unseen += o.Unseen
	c.Answered = mergeSorted(c.Answered, o.Answered,
		func(a, b CalleeAnswer) int { return a.Release.Compare(b.Release) }, (*CalleeAnswer).merge)
	c.Received = mergeSorted(c.Received, o.Received,
		func(a, b CallReceived) int { return a.Release.Compare(b.Release) }, (*CallReceived).merge)
}

func (a *CalleeAnswer) merge(o CalleeAnswer) {
	a.Requests += o.Requests
	a.Failed += o.Failed
	a.Garbled += o.Garbled
}

func (r *CallReceived) merge(o CallReceived) { r.Unanswered += o.Unanswered }

func (c *Caller) merge(o Caller) {
	c.Requests += o.Requests
	c.FailedHere += o.FailedHere
	c.Rejected += o.Rejected
}

func (l *LogCount) merge(o LogCount) {
	l.Count += o.Count
	if l.Example == "" || o.Example != "" && o.Example < l.Example {
		l.Example, l.TraceID = o.Example, o.TraceID
	}
}

func (x *Exception) merge(o Exception) {
	x.Count += o.Count
	x.Handled += o.Handled
	if x.Example == "" || o.Example != "" && o.Example < x.Example {
		x.Example, x.TraceID = o.Example, o.TraceID
	}
}

// Add keeps e if it is among the best MaxExemplars.
func (x *Exemplars) Add(e Exemplar) {
	k, found := slices.BinarySearchFunc(*x, e, compareExemplars)
	if found || k >= MaxExemplars {
		return
	}
	*x = slices.Insert(*x, k, e)
	if len(*x) > MaxExemplars {
		*x = (*x)[:MaxExemplars]
	}
}

func compareExemplars(a, b Exemplar) int {
	return cmp.Or(
		-cmp.Compare(min(len(a.Error), 1), min(len(b.Error), 1)),
		-cmp.Compare(a.Duration, b.Duration),
		strings.Compare(a.TraceID, b.TraceID),
		strings.Compare(a.SpanID, b.SpanID),
	)
}

func compareLogs(a, b LogCount) int {
	return cmp.Or(cmp.Compare(a.Severity, b.Severity), strings.Compare(a.Pattern, b.Pattern))
}

func compareExceptions(a, b Exception) int {
	return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Place, b.Place))
}

func compareSlices(a, b Slice) int {
	return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Value, b.Value))
}

func compareMetrics(a, b Metric) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Attributes, b.Attributes),
		a.At.Compare(b.At), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value))
}

// mergeSorted merges two sorted lists without duplicates into one.
func mergeSorted[T any](a, b []T, order func(x, y T) int, merge func(x *T, y T)) []T {
	for _, y := range b {
		k, ok := slices.BinarySearchFunc(a, y, order)
		if ok {
			merge(&a[k], y)
		} else {
			a = slices.Insert(a, k, y)
		}
	}
	return a
}

// Losses counts telemetry that arrived and is not in any window.
// Verdicts say so when it is more than a trifle.
type Losses struct {
	Late     uint64 `json:"late,omitempty"`     // after its window had closed
	Future   uint64 `json:"future,omitempty"`   // further ahead than any clock can be wrong
	Invalid  uint64 `json:"invalid,omitempty"`  // refused: no service, no time, ends before it starts
	Overflow uint64 `json:"overflow,omitempty"` // operations beyond the bound, counted under OverflowOperation
	Dropped  uint64 `json:"dropped,omitempty"`  // details dropped under overload; counts are kept
}

// OverflowOperation is where operations beyond a service's bound are counted together.
const OverflowOperation = "(other)"

// Tick is everything that ended in one span of event time: the unit in which
// detect and decide advance. Ticks follow one another in time; spans in which
// nothing was heard are left out.
type Tick struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"` // exclusive
	// Closed is End plus the allowed lateness: the earliest event time at which
	// the tick could be known to be complete. Decisions carry it.
	Closed        time.Time      `json:"closed"`
	Windows       []Window       `json:"windows,omitempty"`       // sorted by release, then instance
	Announcements []Announcement `json:"announcements,omitempty"` // sorted by time and id
	Releases      []Release      `json:"releases,omitempty"`      // new or changed in this tick, sorted; filled after ingest's windows are known
	Losses        Losses         `json:"losses,omitzero"`
}
