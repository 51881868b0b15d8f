package ingest

import (
	"bytes"
	"cmp"
	"strings"

	"unship.dev"
)

// stagedRequest is a request that a log record tells of, on its way to its pane.
type stagedRequest struct {
	hash   uint64 // of its operation
	text   uint32 // where that begins, in lineStage.texts
	size   uint16
	bucket int16 // of its duration
	timed  bool
	result result
	raw    bool // a path that was not found: of an operation only if others of it were
}

const notFound = "404"

// access stages the request that a record tells of. It gives 1 + the index in
// lineStage.requests; 0 if it tells of none.
func (in *intake) access(d *logData) int32 {
	if !in.tellsOfRequest(d) {
		return 0
	}
	t, a := &in.lines, &in.entry
	q := stagedRequest{text: uint32(len(t.texts)), timed: a.timed, bucket: unship.BucketOf(a.took)}
	a.name = a.fields[httpMethod] // as of spans that know no more
	name := a.operation()
	if a.fields[httpStatus] == notFound {
		a.fields[httpStatus] = ""
		named := a.operation()
		a.fields[httpStatus], q.raw = notFound, named != name
		name = named
	}
	t.texts = name.appendMasked(t.texts)
	if len(t.texts) == int(q.text) {
		t.texts = append(t.texts, unnamed...)
	}
	a.fields[rpcStatus] = codeName(a.fields[rpcStatus])
	q.result = a.result(kindServer)
	q.size, q.hash = uint16(len(t.texts)-int(q.text)), hashOf(t.texts[q.text:])
	t.requests = append(t.requests, q)
	return int32(len(t.requests))
}

// tellsOfRequest reads a record: its attributes and a structured body, else a body that is
// JSON, else a request line in its text.
func (in *intake) tellsOfRequest(d *logData) bool {
	text := d.body[:min(len(d.body), maxRequestLine)]
	mark, object := markOf(text), hasStatus(text)
	if len(in.said) < 2 && mark < 0 && !object { // most say nothing of requests
		return false
	}
	a := &in.entry
	*a = access{}
	for _, x := range in.said {
		a.tell(x.field, x.text)
	}
	return a.served() || object && in.readObject(text) || mark >= 0 && a.readLine(text, mark)
}

// readObject reads a body that is a JSON object, and says whether it tells of a request.
func (in *intake) readObject(text string) bool {
	in.logKeys.begin()
	in.readMembers(text[1:], maxGroups)
	return in.entry.served()
}

// maxGroups is how deep groups in groups of a JSON object are looked at.
const maxGroups = 3

// readMembers reads the members of a JSON object, and of the groups in it.
func (in *intake) readMembers(members string, depth int) {
	o := object{rest: members}
	for {
		o.bare = ""
		key, text, ok := o.next()
		if !ok {
			return
		}
		switch f := in.logKeys.kind(in.a.logKeys, key).field; {
		case f == logGroup && depth > 0 && strings.HasPrefix(o.bare, "{"):
			in.readMembers(o.bare[1:], depth-1)
		case f != logGroup && f.ofRequest():
			in.entry.tell(f, cmp.Or(text, o.bare))
		}
	}
}

// maxRaw bounds the paths of them that were not found, which may be anything. Beyond it they
// are counted under their methods.
const maxRaw = 200

// maxLogged bounds the operations and results told apart in one instance and window.
// Beyond it requests are counted under unship.OverflowOperation.
const maxLogged = 1000

// loggedSums are the requests of one instance in a pane that log records tell of.
type loggedSums map[loggedKey]*loggedSum

type loggedKey struct {
	operation uint32 // number in pane.names
	result    result
	raw       bool
}

type loggedSum struct {
	requests  uint64
	durations durations
}

// loggedSumBytes is the estimated memory of one, with its key and its durations.
const loggedSumBytes = 400

func (in *intake) addRequest(p *pane, resource uint32, q *stagedRequest) (added int64) {
	sum, added := in.loggedSum(p, resource, q)
	sum.requests++
	if q.timed {
		sum.durations.add(q.bucket)
	}
	return added
}

// loggedSum finds or makes the sum of a request.
func (in *intake) loggedSum(p *pane, resource uint32, q *stagedRequest) (sum *loggedSum, added int64) {
	operation, hash, sums := in.lines.texts[q.text:][:q.size], q.hash, p.logged[resource]
	number, _ := p.names.find(hash, operation)
	if sum = sums[loggedKey{number, q.result, q.raw}]; sum != nil {
		return sum, 0
	}
	raw := q.raw
	if method := bytes.IndexByte(operation, ' '); raw && method > 0 && len(sums) >= maxRaw {
		operation, raw = operation[:method], false
		hash = hashOf(operation)
	}
	if in.thin || len(sums) >= maxLogged {
		in.drop(p)
		number, added = p.names.number([]byte(unship.OverflowOperation))
	} else {
		number, added = p.names.hashed(hash, operation)
	}
	if sums == nil {
		if p.logged == nil {
			p.logged = map[uint32]loggedSums{}
		}
		sums = loggedSums{}
		p.logged[resource] = sums
	}
	key := loggedKey{number, q.result, raw}
	if sum = sums[key]; sum == nil {
		sum = &loggedSum{}
		sums[key] = sum
		added += loggedSumBytes
	}
	return sum, added
}

// logged are requests of a window that log records tell of.
type logged struct {
	request
	raw bool
	sum *loggedSum
}

// addLogged puts in the requests that a shard's log records tell of.
func (b *builder) addLogged(p *pane, resources []*resource) {
	for number, sums := range p.logged {
		w := b.window(resources[number])
		for key, sum := range sums {
			q := request{source: accessLog, timed: true, result: key.result, operation: p.names.list0(key.operation)}
			w.logged = append(w.logged, logged{q, key.raw, sum})
		}
	}
}

// settleWindows is for how long spans and metrics of a service that is new are waited for
// until its log records count. Metrics come once a minute, mostly.
const settleWindows = 24

// logsAlone says that nothing but log records tells of a service's requests, and did not
// for as long as anything is remembered. Sampled spans may be rare, and a record may be
// written in another window than that in which its span ended.
func (s *service) logsAlone(index int64) bool {
	return s.told <= index-forgetWindows && s.known <= index-settleWindows
}

// gatherLogged takes the requests that log records tell of, where nothing else does.
func (b *builder) gatherLogged() {
	for key, w := range b.windows {
		if len(w.logged) == 0 {
			continue
		}
		s := b.a.service(key.release.Service)
		if !s.logsAlone(b.index) {
			continue
		}
		m := b.meter(key, w)
		found := map[string]bool{}
		for i := range w.logged {
			if x := &w.logged[i]; !x.raw {
				found[x.operation] = true
			}
		}
		for i := range w.logged {
			x := &w.logged[i]
			if _, known := s.operations[x.operation]; x.raw && !known && !found[x.operation] { // as of spans: it may be anything
				x.operation, _, _ = strings.Cut(x.operation, " ")
			}
			b.gather(&s.metering, m, &x.request, x.sum.requests, x.sum.durations.addTo(nil))
		}
	}
}
