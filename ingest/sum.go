package ingest

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
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

// sum is what one instance did under one name, as one shard saw it.
type sum struct {
	unship.Operation
	failedIn, hereIn uint32 // serial of the last trace that counted
	callers          map[uint32]*callerSum
}

type callerSum struct {
	requests, here uint64
	hereIn         uint32
}

// sum counts one request.
func (j *joiner) sum(p position, children []child) {
	r := j.at(p)
	key := sumKey{r.resource, r.name, !r.kind.isEntry()}
	s := j.sums[key]
	if s == nil {
		s = &sum{Operation: unship.Operation{Name: j.name(r)}}
		j.sums[key] = s
	}
	s.Requests++
	if r.result == rejected {
		s.Rejected++
	}
	total := r.end - r.start
	s.Duration.Add(unship.BucketOf(time.Duration(total)), 1)
	s.Self.Add(unship.BucketOf(time.Duration(total-j.busy(r, children))), 1)
	calleeFailed := j.countCalls(s, children)
	here := r.result == failed && !calleeFailed
	j.countFailure(s, r, here)
	j.countCaller(s, p, here)
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

func (j *joiner) countCaller(s *sum, p position, here bool) {
	resource, ok := j.caller(p)
	if !ok {
		return
	}
	if s.callers == nil {
		s.callers = map[uint32]*callerSum{}
	}
	c := s.callers[resource]
	if c == nil {
		c = &callerSum{}
		s.callers[resource] = c
	}
	c.requests++
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

// countCalls counts what a request called, and says whether any of it failed.
func (j *joiner) countCalls(s *sum, children []child) (anyFailed bool) {
	j.called = j.called[:0]
	for _, c := range children {
		if !c.call {
			continue
		}
		r := j.at(c.span)
		n := calledName{r.name, r.result == failed}
		if c.direct {
			n.name = j.p.names.numberOf(j.resources[r.resource].release.Name)
		}
		j.called = append(j.called, n)
		anyFailed = anyFailed || n.failed
	}
	slices.SortFunc(j.called, func(a, b calledName) int { return cmp.Compare(a.name, b.name) })
	for rest := j.called; len(rest) > 0; {
		n, failures := 0, uint64(0)
		for n < len(rest) && rest[n].name == rest[0].name {
			if rest[n].failed {
				failures++
			}
			n++
		}
		s.addCalls(j.callee(rest[0].name), uint64(n), failures)
		rest = rest[n:]
	}
	return anyFailed
}

func (j *joiner) callee(name uint32) string {
	if name == 0 {
		return unknownCallee
	}
	return j.p.names.list[name]
}

func (s *sum) addCalls(callee string, n, failures uint64) {
	k, ok := slices.BinarySearchFunc(s.Calls, callee, func(c unship.Call, name string) int {
		return strings.Compare(c.Callee, name)
	})
	if !ok {
		s.Calls = slices.Insert(s.Calls, k, unship.Call{Callee: callee})
	}
	c := &s.Calls[k]
	c.Requests++
	c.Total += n
	c.Failed += failures
	if n >= 2 {
		c.Twice++
	}
	if n >= 4 {
		c.FourPlus++
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
