package ingest

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"unship.dev"
)

// unknownCallee stands for what was called when nothing tells.
const unknownCallee = "(unknown)"

// sumKey keeps sums apart by operation and by whether it is the root of a trace inside a process.
type sumKey struct {
	resource, name uint32
	root           bool
}

// sum is what one instance did under one name, as one shard saw it. Calls, callers
// and slices are still by numbers; finish fills those of the Operation.
type sum struct {
	unship.Operation
	weight           uint64 // of all requests, in units of 1/weightOne
	failedIn, hereIn uint32 // serial of the last trace that counted
	calls            []callSum
	cells            map[cellKey]*cell
}

// cellKey keeps requests apart by what they say of themselves and by who called.
type cellKey struct {
	traits uint32
	caller uint32 // 1 + number of the resource; 0: unknown
}

// cell counts the requests of one combination.
type cell struct {
	requests, here, rejected uint64
	hereIn                   uint32
	self                     unship.Histogram
}

// callSum counts the calls of one callee.
type callSum struct {
	name     uint32
	counts   unship.Call
	answered []answerSum
}

type answerSum struct {
	resource         uint32
	requests, failed uint64
	failedIn         uint32
}

// sum counts one request.
func (j *joiner) sum(p position, children []child) {
	r := j.at(p)
	key := sumKey{r.resource, r.name, !r.kind.isEntry()}
	s := j.sums[key]
	if s == nil {
		s = &sum{Operation: unship.Operation{Name: j.name(r)}, cells: map[cellKey]*cell{}}
		j.sums[key] = s
	}
	s.Requests++
	s.weight += uint64(cmp.Or(r.sampling, j.told, weightOne))
	if r.result == rejected {
		s.Rejected++
	}
	total := r.end - r.start
	self := unship.BucketOf(time.Duration(total - j.busy(r, children)))
	s.Duration.Add(unship.BucketOf(time.Duration(total)), 1)
	s.Self.Add(self, 1)
	calleeFailed := j.countCalls(s, r, children)
	here := r.result == failed && !calleeFailed
	j.countFailure(s, r, here)
	j.countCell(s, p, here, self)
	if wants(s.Exemplars, r.result == failed, time.Duration(total)) {
		s.Exemplars.Add(j.exemplar(r, children))
	}
}

// countFailure counts a trace once, however often it failed here.
func (j *joiner) countFailure(s *sum, r *record, here bool) {
	if r.result == failed && s.failedIn != j.serial {
		s.failedIn = j.serial
		s.Failed++
	}
	if here && s.hereIn != j.serial {
		s.hereIn = j.serial
		s.FailedHere++
	}
}

func (j *joiner) countCell(s *sum, p position, here bool, self int16) {
	r := j.at(p)
	key := cellKey{traits: r.traits()}
	if resource, ok := j.caller(p); ok {
		key.caller = resource + 1
	}
	c := s.cells[key]
	if c == nil {
		c = &cell{}
		s.cells[key] = c
	}
	c.requests++
	c.self.Add(self, 1)
	if r.result == rejected {
		c.rejected++
	}
	if here && c.hereIn != j.serial {
		c.hereIn = j.serial
		c.here++
	}
}

// busy is how long a request waited for what it called: the union of its
// calls, as far as they lie within it. Internal spans are its own work.
func (j *joiner) busy(r *record, children []child) (total int64) {
	j.ranges = j.ranges[:0]
	for _, c := range children {
		if !c.call {
			continue
		}
		s := j.at(c.span)
		if i := (interval{max(s.start, r.start), min(s.end, r.end)}); i.from < i.to {
			j.ranges = append(j.ranges, i)
		}
	}
	slices.SortFunc(j.ranges, func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	reached := r.start
	for _, i := range j.ranges {
		if from := max(i.from, reached); i.to > from {
			total += i.to - from
			reached = i.to
		}
	}
	return total
}

// madeCall is one call of a request.
type madeCall struct {
	name       uint32
	answeredBy uint32 // 1 + number of the resource; 0: no answer was seen
	failed     bool
	unanswered bool
}

// countCalls counts what a request called, and says whether any of it failed.
func (j *joiner) countCalls(s *sum, request *record, children []child) (anyFailed bool) {
	j.called = j.called[:0]
	for _, c := range children {
		if c.call {
			call := j.madeCall(c)
			j.called = append(j.called, call)
			anyFailed = anyFailed || call.failed
		}
	}
	slices.SortFunc(j.called, func(a, b madeCall) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.answeredBy, b.answeredBy))
	})
	unusable := !anyFailed && request.result != succeeded
	for rest := j.called; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].name == rest[0].name {
			n++
		}
		s.addCalls(rest[:n], unusable, j.serial)
		rest = rest[n:]
	}
	return anyFailed
}

// madeCall reads a call. A server span directly below the request is its own answer.
// What is sent as a message is answered at some time, or never: it is not waited for.
func (j *joiner) madeCall(c child) madeCall {
	r := j.at(c.span)
	m := madeCall{name: r.name, failed: r.result == failed}
	if c.direct {
		m.name = j.p.names.numberOf(j.resources[r.resource].release.Name)
		m.answeredBy = r.resource + 1
		return m
	}
	m.answeredBy = r.answeredBy()
	m.unanswered = m.answeredBy == 0 && r.kind == kindClient
	return m
}

func (j *joiner) callee(name uint32) string {
	if name == 0 {
		return unknownCallee
	}
	return j.p.names.list[name]
}

// addCalls counts a request's calls of one callee, sorted by who answered. Unusable
// says that the request failed or was rejected while all its calls succeeded.
func (s *sum) addCalls(list []madeCall, unusable bool, serial uint32) {
	c := s.callsOf(list[0].name)
	c.counts.Requests++
	c.counts.Total += uint64(len(list))
	if len(list) >= 2 {
		c.counts.Twice++
	}
	if len(list) >= 4 {
		c.counts.FourPlus++
	}
	last := uint32(0)
	for _, call := range list {
		if call.failed {
			c.counts.Failed++
		}
		if call.unanswered {
			c.counts.Unanswered++
		}
		if call.answeredBy != last {
			last = call.answeredBy
			c.answer(call.answeredBy-1, unusable, serial)
		}
	}
}

func (s *sum) callsOf(name uint32) *callSum {
	for i := range s.calls {
		if s.calls[i].name == name {
			return &s.calls[i]
		}
	}
	s.calls = append(s.calls, callSum{name: name})
	return &s.calls[len(s.calls)-1]
}

func (c *callSum) answer(resource uint32, unusable bool, serial uint32) {
	k := slices.IndexFunc(c.answered, func(a answerSum) bool { return a.resource == resource })
	if k < 0 {
		k = len(c.answered)
		c.answered = append(c.answered, answerSum{resource: resource})
	}
	a := &c.answered[k]
	a.requests++
	if unusable && a.failedIn != serial {
		a.failedIn = serial
		a.failed++
	}
}

// wants says whether an exemplar could get in, before it is made.
func wants(x unship.Exemplars, failed bool, d time.Duration) bool {
	if len(x) < unship.MaxExemplars {
		return true
	}
	worst := x[len(x)-1]
	if worstFailed := worst.Error != ""; worstFailed != failed {
		return failed
	}
	return d >= worst.Duration
}

// exemplar describes a request. Where the request's own span does not say why it
// failed, a span inside it may.
func (j *joiner) exemplar(r *record, children []child) unship.Exemplar {
	e := unship.Exemplar{TraceID: r.traceID(), SpanID: r.spanID(), Duration: time.Duration(r.end - r.start)}
	if r.result != failed {
		return e
	}
	d := j.detail(r)
	for _, c := range children {
		if d.exception != "" {
			break
		}
		if inner := j.detail(j.at(c.span)); inner.exception != "" && !c.direct {
			d = inner
		}
	}
	e.Error, e.Exception = cmp.Or(d.err, "error"), d.exception
	return e
}

// appendHex writes ids as people write them.
func appendHex(b *bytes.Buffer, words ...uint64) {
	const digits = "0123456789abcdef"
	for _, w := range words {
		for shift := 60; shift >= 0; shift -= 4 {
			b.WriteByte(digits[w>>shift&15])
		}
	}
}

func (r *record) traceID() string {
	var b bytes.Buffer
	appendHex(&b, r.trace[0], r.trace[1])
	return b.String()
}

func (r *record) spanID() string {
	var b bytes.Buffer
	appendHex(&b, r.id)
	return b.String()
}
