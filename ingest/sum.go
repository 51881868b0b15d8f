package ingest

import (
	"cmp"
	"slices"
	"time"

	"unship.dev"
)

// unknownCallee stands for what was called when nothing tells.
const unknownCallee = "(unknown)"

// sumKey keeps sums apart by operation, by whether it is the root of a trace inside a process,
// and by whether nobody calls: the root of a trace is a server span.
type sumKey struct {
	resource, name uint32
	root, uncalled bool
}

// sum is what one instance did under one name, as one joiner saw it. Calls, callers
// and slices are by numbers; finish makes an operation of it.
type sum struct {
	sumKey
	weight             uint64 // of all requests, in units of 1/weightOne
	failed, failedHere uint64
	partial            uint64 // requests of which spans are missing
	failedIn, hereIn   uint32 // serial of the last trace that counted
	duration           durations
	examples           [unship.MaxExemplars]example // the first of them
	exampleCount       int
	calls              []callSum
	cells              []cell
	cellOf             map[cellKey]int // by what tells them apart, where they are many
}

// cellKey keeps requests apart by what they say of themselves and by who called.
type cellKey struct {
	traits uint32
	caller uint32 // 1 + number of the resource; 0: unknown
}

// cell counts the requests of one combination.
type cell struct {
	cellKey
	requests, here, rejected uint64
	refused                  uint64 // rejected, and not repeated by the caller with success
	hereIn                   uint32
	self                     durations // of requests all of whose calls were served
}

// clear empties a sum, and keeps its room unless that is more than most need.
func (s *sum) clear() {
	const most = 64
	if cap(s.cells)+cap(s.calls) > most {
		s.cells, s.calls = nil, nil
	}
	for i := range s.cells {
		s.cells[i].self.clear()
	}
	for i := range s.calls {
		s.calls[i].answered, s.calls[i].received = s.calls[i].answered[:0], s.calls[i].received[:0]
	}
	s.duration.clear()
	clear(s.examples[:s.exampleCount]) // they hold on to texts
	s.partial = 0
	s.weight, s.failed, s.failedHere, s.failedIn, s.hereIn, s.exampleCount = 0, 0, 0, 0, 0, 0
	s.calls, s.cells, s.cellOf = s.calls[:0], s.cells[:0], nil
}

// fewCells is up to how many cells are looked through one by one.
const fewCells = 8

func (s *sum) cell(key cellKey) *cell {
	if len(s.cells) <= fewCells {
		for i := range s.cells {
			if s.cells[i].cellKey == key {
				return &s.cells[i]
			}
		}
	} else if i, ok := s.cellOf[key]; ok {
		return &s.cells[i]
	}
	s.cells = extended(s.cells)
	c := &s.cells[len(s.cells)-1]
	*c = cell{cellKey: key, self: c.self}
	switch n := len(s.cells); {
	case n > fewCells+1:
		s.cellOf[key] = n - 1
	case n == fewCells+1:
		s.indexCells()
	}
	return c
}

// indexCells makes many cells ready to be found.
func (s *sum) indexCells() {
	s.cellOf = map[cellKey]int{}
	for i := range s.cells {
		s.cellOf[s.cells[i].cellKey] = i
	}
}

// extended gives a list with one element more, which may hold room from before.
func extended[T any](list []T) []T {
	if len(list) < cap(list) {
		return list[:len(list)+1]
	}
	var zero T
	return append(list, zero)
}

// callSum counts the calls of one callee.
type callSum struct {
	name     uint32
	counts   unship.Call
	answered []answerSum
	received []receivedSum // of calls that nobody answered
}

type receivedSum struct {
	resource uint32
	calls    uint64
}

type answerSum struct {
	resource         uint32
	requests, failed uint64
	garbled          uint64
	failedIn         uint32
}

// sum counts one request.
func (j *joiner) sum(p position, children []child) {
	r := j.at(p)
	key := sumKey{r.resource, j.nameNumber(r.name), !r.kind.isEntry(), r.kind == kindServer && r.parent == 0}
	s := j.sums.of(key)
	s.weight += uint64(cmp.Or(r.sampling, j.told, weightOne))
	total := r.end - r.start
	bucket := unship.BucketOf(time.Duration(total))
	s.duration.add(bucket)
	worst := j.countCalls(s, r, children)
	beyond, partial := j.gap(p)
	if partial {
		s.partial++
	}
	here := r.result == failed && max(worst, beyond) != failed
	j.countFailure(s, r, here)
	c := j.countCell(s, p, here)
	if worst == succeeded && !partial { // else it may have waited before it called again
		if busy := j.busy(r, children); busy > 0 {
			bucket = unship.BucketOf(time.Duration(total - busy))
		}
		c.self.add(bucket)
	}
	if e := (example{trace: r.trace, id: r.id, duration: total, failed: r.result == failed}); s.wants(&e) {
		j.explain(&e, r, children)
		s.keep(e)
	}
}

// countFailure counts a trace once, however often it failed here.
func (j *joiner) countFailure(s *sum, r *record, here bool) {
	if r.result == failed && s.failedIn != j.serial {
		s.failedIn = j.serial
		s.failed++
	}
	if here && s.hereIn != j.serial {
		s.hereIn = j.serial
		s.failedHere++
	}
}

func (j *joiner) countCell(s *sum, p position, here bool) *cell {
	r := j.at(p)
	key := cellKey{traits: j.traitsNumber(r.traits())}
	if resource, ok := j.caller(p); ok {
		key.caller = resource + 1
	}
	c := s.cell(key)
	c.requests++
	if r.result == rejected {
		c.rejected++
		if !j.repeated(p) {
			c.refused++
		}
	}
	if here && c.hereIn != j.serial {
		c.hereIn = j.serial
		c.here++
	}
	return c
}

// repeated says that a request's caller asked again after this answer, within the same
// request of its own, and was served: a token was renewed, a version looked up anew.
func (j *joiner) repeated(p position) bool {
	call := j.find(j.at(p).parent, noResource)
	if call == none || !j.at(call).kind.isCall() || j.above[call].owner == none {
		return false
	}
	first := j.at(call)
	for o := range j.group {
		r := j.at(position(o))
		if r.kind.isCall() && r.result == succeeded && r.name == first.name && r.start >= first.end && j.above[o].owner == j.above[call].owner {
			return true
		}
	}
	return false
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
	if len(j.ranges) > 1 {
		slices.SortFunc(j.ranges, func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	}
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
	result     result
	garbled    bool     // it failed, and the answer looked like success
	unseen     bool     // no span of who answered
	received   []uint32 // numbers of the resources that got it though no span of theirs answers it
}

// countCalls counts what a request called, and says what became of the worst of it.
func (j *joiner) countCalls(s *sum, request *record, children []child) (worst result) {
	j.called, j.received = j.called[:0], j.received[:0]
	for _, c := range children {
		if c.call {
			call := j.madeCall(c)
			j.called = append(j.called, call)
			worst = max(worst, call.result.asCall())
		}
	}
	if len(j.called) > 1 {
		slices.SortFunc(j.called, func(a, b madeCall) int {
			return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.answeredBy, b.answeredBy))
		})
	}
	unusable := worst != failed && !request.result.well()
	for rest := j.called; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].name == rest[0].name {
			n++
		}
		s.addCalls(rest[:n], unusable, j.serial)
		rest = rest[n:]
	}
	return worst
}

// madeCall reads a call. A server span directly below the request is its own answer.
// What is sent as a message is answered at some time, or never: it is not waited for.
// A call that ended well was answered, whether or not the answer's span was seen.
func (j *joiner) madeCall(c child) madeCall {
	r := j.at(c.span)
	m := madeCall{result: r.result}
	if c.direct {
		m.name = j.sums.names.numberOf(j.resources[r.resource].release.Name)
		m.answeredBy = r.resource + 1
		return m
	}
	m.name = j.nameNumber(r.name)
	m.answeredBy, m.garbled = r.answeredBy(), r.garbled
	m.unseen = m.answeredBy == 0 && r.kind == kindClient
	if m.unseen && m.result != succeeded {
		m.received = j.receivers(r)
	}
	return m
}

// receivers gives the resources that got a call which they never answered, one of each service:
// those that left spans without their request, of what they did while the call lasted. Who
// hangs or dies ends its calls and never its request. Where two versions of a service left some
// nobody knows which of them it was.
func (j *joiner) receivers(call *record) []uint32 {
	begin := len(j.received)
	caller := j.resources[call.resource].release.Service
	for p := range j.group {
		r := j.at(position(p))
		if !j.above[p].first || r.kind.isEntry() || r.start < call.start || r.start > call.end || j.resources[r.resource].release.Service == caller {
			continue
		}
		if !slices.ContainsFunc(j.received[begin:], func(o uint32) bool { return j.resources[o].release == j.resources[r.resource].release }) {
			j.received = append(j.received, r.resource)
		}
	}
	got := j.received[begin:]
	if len(got) < 2 {
		return got
	}
	all := slices.Clone(got)
	return slices.DeleteFunc(got, func(x uint32) bool {
		return slices.ContainsFunc(all, func(y uint32) bool { return x != y && j.resources[x].release.Service == j.resources[y].release.Service })
	})
}

// addCalls counts a request's calls of one callee, sorted by who answered. Unusable
// says that the request failed or was rejected while all its calls succeeded.
func (s *sum) addCalls(list []madeCall, unusable bool, serial uint32) {
	c := s.callsOf(list[0].name)
	c.counts.Requests++
	c.counts.Total += uint64(len(list))
	served, lost := 0, 0
	for _, call := range list {
		switch call.result {
		case succeeded:
			served++
		case failed:
			lost++
		}
		switch {
		case call.unseen && call.result == succeeded:
			c.counts.Unseen++
		case call.unseen:
			c.counts.Unanswered++
		}
		for _, resource := range call.received {
			c.receivedBy(resource).calls++
		}
	}
	for rest := list; len(rest) > 0; {
		n, garbled := 0, false
		for n < len(rest) && rest[n].answeredBy == rest[0].answeredBy {
			garbled = garbled || rest[n].garbled
			n++
		}
		if by := rest[0].answeredBy; by != 0 {
			c.answer(by-1, unusable, garbled, serial)
		}
		rest = rest[n:]
	}
	c.counts.Failed += uint64(lost)
	if served >= 2 { // what is repeated after a failure is not asked twice
		c.counts.Twice++
	}
	if len(list)-lost >= 4 {
		c.counts.FourPlus++
	}
}

func (s *sum) callsOf(name uint32) *callSum {
	for i := range s.calls {
		if s.calls[i].name == name {
			return &s.calls[i]
		}
	}
	s.calls = extended(s.calls)
	c := &s.calls[len(s.calls)-1]
	*c = callSum{name: name, answered: c.answered[:0], received: c.received[:0]}
	return c
}

func (c *callSum) receivedBy(resource uint32) *receivedSum {
	for i := range c.received {
		if c.received[i].resource == resource {
			return &c.received[i]
		}
	}
	c.received = append(c.received, receivedSum{resource: resource})
	return &c.received[len(c.received)-1]
}

func (c *callSum) answeredBy(resource uint32) *answerSum {
	for i := range c.answered {
		if c.answered[i].resource == resource {
			return &c.answered[i]
		}
	}
	c.answered = append(c.answered, answerSum{resource: resource})
	return &c.answered[len(c.answered)-1]
}

// answer counts one request that a resource answered. Bad ones of a trace count once.
func (c *callSum) answer(resource uint32, unusable, garbled bool, serial uint32) {
	a := c.answeredBy(resource)
	a.requests++
	switch {
	case !unusable && !garbled || a.failedIn == serial:
		return
	case unusable:
		a.failed++
	default:
		a.garbled++
	}
	a.failedIn = serial
}
