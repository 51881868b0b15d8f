package ingest

import (
	"cmp"
	"slices"
	"strings"
)

// How spans of one trace that end in different windows find each other. A child
// that ended before the window of its request waits this many windows for it; a
// request that ended later than this after one of its calls does not see that call.
const (
	joinWindows = 12
	// A request whose caller was not seen waits one window: its caller's span
	// mostly ends a moment later.
	callerWindows = 1
	maxCarried    = 1 << 14 // spans that wait, per shard
	maxRecent     = 1 << 15 // calls remembered to name callers, per shard
	maxHops       = 256     // from a span up to its request
)

// position is a place in joiner.group; none is no place.
type position = int32

const none position = -1

// joiner joins the spans of one shard after the other for one window, and sums them up.
// It belongs to one goroutine; its room is used again for the next window.
type joiner struct {
	window    int64
	length    int64 // of a window, ns
	resources []*resource
	keys      []string // names of traits, by number
	heard     []bool   // by number of a resource
	sums      sums
	places    []uint32 // by number of a resource, while calls are indexed: 1 + its place among theirs
	doubles   uint64
	serial    uint32 // of the trace at work
	told      weight // the largest of the trace at work; 0: none

	// Of the shard at work.
	p      *pane
	recent []calls
	made   []call // in this window
	carry  []*record

	groups   groups
	group    []*record  // the trace at work, sorted by span id
	above    []link     // by position
	answers  []position // of calls, by position
	gaps     []gap
	owners   []position // requests of this window that may lack spans
	below    []child    // sorted by owner
	ranges   []interval
	called   []madeCall
	received []uint32 // by whom: see [madeCall]
}

// link is where the way up from a span leads.
type link struct {
	owner position // the request that the span is part of, in the same process
	// open says that the way ended at a span that was not seen.
	open  bool
	first bool // the span's own parent was not seen
}

// child is a call made by a request, or a failed span inside it.
type child struct {
	owner, span position
	call        bool
	direct      bool // a server span below the request without a client span between
}

type interval struct{ from, to int64 }

// begin prepares for a window.
func (j *joiner) begin(window, length int64, list []*resource, keys []string) {
	j.window, j.length, j.resources, j.keys = window, length, list, keys
	j.heard = append(j.heard[:0], make([]bool, len(list))...)
	j.places = zeroed(j.places, len(list))
	j.doubles, j.serial = 0, 0
	j.sums.reset()
}

// join closes the window of a shard and sums it up.
func (j *joiner) join(s *shard, p *pane) {
	j.p, j.recent, j.made, j.carry = p, s.recent, j.made[:0], j.carry[:0]
	j.sums.begin(p)
	j.absorb(&s.carried)
	j.groups.fill(&p.spans)
	j.groups.each(j.trace)
	j.remember(s)
	j.carryOver(s)
	clear(j.group[:cap(j.group)])
	clear(j.carry)
	p.spans.release()
	j.p, j.recent = nil, nil
}

// absorb adds the spans that waited. Their names get numbers of this window.
func (j *joiner) absorb(c *carried) {
	p := j.p
	for _, r := range c.spans {
		if r.name != 0 {
			r.name = p.names.numberOf(c.names.list[r.name])
		}
		if r.detail != 0 {
			p.details = append(p.details, c.details[r.detail-1])
			r.detail = uint32(len(p.details))
		}
		p.spans.add(&r)
	}
}

// compareTexts orders two spans of which the numbers are equal.
func (j *joiner) compareTexts(x, y *record) int {
	return cmp.Or(
		strings.Compare(j.name(x), j.name(y)),
		strings.Compare(j.detail(x).err, j.detail(y).err),
		strings.Compare(j.detail(x).exception, j.detail(y).exception),
		j.compareTraits(x.traits(), y.traits()))
}

func (j *joiner) name(r *record) string {
	if r.name == 0 {
		return ""
	}
	return j.p.names.list[r.name]
}

func (j *joiner) detail(r *record) detail {
	if r.detail == 0 {
		return detail{}
	}
	return j.p.details[r.detail-1]
}

// same says that two spans are one that was sent twice.
func (r *record) same(o *record) bool {
	return r.trace == o.trace && r.id == o.id && r.kind == o.kind && r.start == o.start &&
		r.end == o.end && r.resource == o.resource
}

// trace joins the spans of one trace.
func (j *joiner) trace(spans []*record) {
	j.serial++
	j.told = 0
	j.group, j.above, j.below = j.group[:0], j.above[:0], j.below[:0]
	j.sort(spans)
	for _, r := range spans {
		if n := len(j.group); n > 0 && r.same(j.group[n-1]) {
			j.doubles++
			continue
		}
		j.group = append(j.group, r)
		j.told = max(j.told, r.sampling)
	}
	for p := range j.group {
		j.above = append(j.above, j.climb(position(p)))
	}
	for p := range j.group {
		j.sortIn(position(p))
	}
	j.answerCalls()
	j.findGaps()
	if len(j.below) > 1 {
		slices.SortFunc(j.below, func(a, b child) int {
			return cmp.Or(cmp.Compare(a.owner, b.owner), cmp.Compare(a.span, b.span))
		})
	}
	rest := j.below
	for p := range j.group {
		n := 0
		for n < len(rest) && rest[n].owner == position(p) {
			n++
		}
		if r := j.at(position(p)); r.isTop() && j.current(r) && r.result != unread {
			j.sum(position(p), rest[:n])
		}
		rest = rest[n:]
		j.keepForLater(position(p))
	}
}

func (j *joiner) at(p position) *record { return j.group[p] }

// current tells the spans of this window from carried ones.
func (j *joiner) current(r *record) bool { return r.end/j.length == j.window }

// find gives the span of an id in this trace; of several the one of the
// resource wanted, else the first that is a call.
func (j *joiner) find(id uint64, resource uint32) position {
	from := 0
	if len(j.group) > 16 {
		from, _ = slices.BinarySearchFunc(j.group, id, func(r *record, id uint64) int { return cmp.Compare(r.id, id) })
	} else {
		for from < len(j.group) && j.group[from].id < id {
			from++
		}
	}
	best := none
	for p := from; p < len(j.group) && j.at(position(p)).id == id; p++ {
		r := j.at(position(p))
		if r.resource == resource {
			return position(p)
		}
		if best == none || r.kind.isCall() && !j.at(best).kind.isCall() {
			best = position(p)
		}
	}
	return best
}

// climb follows a span's parents to the request that it is part of. The way
// stays in one process: a span of another process begins a way of its own. A
// server span without a client span above it belongs to its caller's request.
func (j *joiner) climb(p position) link {
	r := j.at(p)
	process := r.resource
	if r.isTop() && r.kind != kindServer || r.parent == 0 {
		return link{owner: none}
	}
	if r.kind == kindServer {
		up := j.find(r.parent, noResource)
		if up == none {
			return link{owner: none, open: true, first: true}
		}
		process = j.at(up).resource
		if process == r.resource || j.at(up).kind.isCall() {
			return link{owner: none}
		}
	}
	return j.climbFrom(r, process)
}

func (j *joiner) climbFrom(r *record, process uint32) link {
	direct := r.kind == kindServer
	for hop := range maxHops {
		up := j.find(r.parent, process)
		if up == none {
			return link{owner: none, open: true, first: hop == 0}
		}
		if r = j.at(up); r.resource != process {
			break
		}
		if r.isTop() {
			return link{owner: up}
		}
		if r.parent == 0 || direct && r.kind.isCall() {
			break
		}
	}
	return link{owner: none}
}

const noResource = ^uint32(0)

// sortIn files a span under its request.
func (j *joiner) sortIn(p position) {
	r, up := j.at(p), j.above[p]
	if j.current(r) {
		j.heard[r.resource] = true
		if r.kind.isCall() {
			j.made = append(j.made, call{hashCall(r.trace, r.id), r.resource})
		}
	}
	if up.owner == none {
		return
	}
	direct := r.kind == kindServer
	if isCall := direct || r.kind.isCall(); isCall || r.result == failed {
		j.below = append(j.below, child{up.owner, p, isCall, direct})
	}
}

// answerCalls notes who answered each call, and gives calls whose spans do not tell
// what they called the name of the service that did. A server span that ended longer than
// callerWindows before the client span is no longer known.
func (j *joiner) answerCalls() {
	j.answers = j.answers[:0]
	for range j.group {
		j.answers = append(j.answers, none)
	}
	for p := range j.group {
		server := j.at(position(p))
		if !server.kind.isEntry() || server.parent == 0 {
			continue
		}
		up := j.find(server.parent, noResource)
		if up == none {
			continue
		}
		r := j.at(up)
		if !r.kind.isCall() {
			continue
		}
		if server.kind == kindServer {
			j.answer(up, position(p))
		}
		if r.name == 0 {
			r.name = j.p.names.numberOf(j.resources[server.resource].release.Name)
		}
	}
}

// answer notes that a server span answers a call. Of several, as of a proxy that tries again, the one
// of the smallest span id counts, unless another one tells what the caller saw.
//
// Of two requests that one call makes at once, one may be a copy whose answer nobody reads
// (mirrored traffic, to see how a version would fare). If the call ended well, and one of them did,
// the caller saw nothing of how the other failed: that is no request of anybody. Who tries again does
// so after the first try, and what failed there did fail.
func (j *joiner) answer(call, server position) {
	r, s := j.at(call), j.at(server)
	if r.about == 0 {
		j.answers[call] = server
		r.answeredWith(s)
		return
	}
	if j.answers[call] == none { // in an earlier window
		return
	}
	first := j.at(j.answers[call])
	switch {
	case first.result.well() == s.result.well():
	case r.result == failed:
		if first.result == succeeded {
			r.answeredWith(s)
		}
	case s.start <= first.end && first.start <= s.end:
		copied := s
		if !first.result.well() {
			copied = first
			r.answeredWith(s)
		}
		copied.result = unread
	}
}

func (r *record) answeredWith(server *record) {
	r.about = server.resource + 1
	r.garbled = r.garbles(server)
}

// garbles says that a call failed although the server's span ended well: the caller could
// not use the answer. Who gave up before the answer came had none: the server was told so
// (cancelled), or went on. Clocks of two machines differ, lengths of time do not: an answer that
// was waited for took the server no longer than its caller.
func (r *record) garbles(server *record) bool {
	return r.result == failed && server.result == succeeded && server.end-server.start <= r.end-r.start
}

// caller finds the resource whose client or producer span is above a request.
// It must have ended in this window or in one before.
func (j *joiner) caller(p position) (uint32, bool) {
	r := j.at(p)
	if up := j.find(r.id, noResource); up != p && j.at(up).kind.isCall() {
		return j.at(up).resource, true // client and server share one id, as in Zipkin
	}
	if r.parent == 0 {
		return 0, false
	}
	if up := j.find(r.parent, noResource); up != none {
		o := j.at(up)
		return o.resource, o.kind.isCall() || o.resource != r.resource
	}
	for i := len(j.recent) - 1; i >= 0; i-- {
		if resource, ok := j.recent[i].find(r.trace, r.parent); ok {
			return resource, true
		}
	}
	return 0, false
}

func (r *resource) compare(id identity) int {
	return cmp.Or(
		r.release.Compare(id.release),
		strings.Compare(r.instance.ID, id.instance.ID),
		strings.Compare(r.instance.Node, id.instance.Node),
		strings.Compare(r.build, id.build),
		slices.Compare(r.place[:], id.place[:]))
}
