package ingest

// Spans get lost: an exporter's queue is full, a pod is killed. Where a call's own span is lost and that of who
// answered is not, the request that called is known to lack something: that it failed may be the callee's
// doing, what it called is not told, and what of its time is its own neither. A span that waits for its
// parent tells of it, while the trace has a request that it must belong to.

// gap is a span without its parent that belongs to a request.
type gap struct {
	owner  position
	result result // what became of it
}

// maxGaps is how many requests of one trace are looked through for each such span, and for how many spans.
const maxGaps = 64

// findGaps notes which requests of the window lack spans. A server span without its parent belongs to the
// shortest request of another service that lasted from before it until after it, and a call to
// that of its own process. If that request made a call meanwhile which no span answers, the span is what
// became of that more likely: what is between them, such as a proxy, tells nothing of itself.
func (j *joiner) findGaps() {
	j.gaps, j.owners = j.gaps[:0], j.owners[:0]
	for p := range j.group {
		if r := j.at(position(p)); r.kind.isEntry() && j.current(r) && len(j.owners) < maxGaps {
			j.owners = append(j.owners, position(p))
		}
	}
	for p, tried := 0, 0; p < len(j.group) && len(j.owners) > 0 && tried < maxGaps; p++ {
		r := j.at(position(p))
		if !j.above[p].first || r.kind != kindServer && !r.kind.isCall() {
			continue
		}
		tried++
		if owner := j.ownerInTime(r); owner != none && !j.madeBefore(r) && !j.callsUnanswered(owner, r) {
			j.gaps = append(j.gaps, gap{owner, r.result.asCall()})
		}
	}
}

// madeBefore says that the call that a span belongs to ended in an earlier window.
func (j *joiner) madeBefore(r *record) bool {
	for i := len(j.recent) - 1; i >= 0; i-- {
		if _, ok := j.recent[i].find(r.trace, r.parent); ok {
			return true
		}
	}
	return false
}

// ownerInTime gives the request of this window that a span without its parent belongs to.
func (j *joiner) ownerInTime(r *record) position {
	best := none
	for _, p := range j.owners {
		o := j.at(p)
		mine := o.resource == r.resource
		if !r.kind.isCall() {
			mine = j.resources[o.resource].release.Service != j.resources[r.resource].release.Service
		}
		if mine && o != r && o.start <= r.start && r.end <= o.end && (best == none || o.end-o.start < j.at(best).end-j.at(best).start) {
			best = p
		}
	}
	return best
}

// callsUnanswered says that a request made a call during which a span fell, and that no span answers.
func (j *joiner) callsUnanswered(owner position, r *record) bool {
	for p := range j.group {
		c := j.at(position(p))
		if c != r && j.above[p].owner == owner && c.kind.isCall() && c.about == 0 && c.start <= r.start && r.end <= c.end {
			return true
		}
	}
	return false
}

// gap says that spans of a request are missing, and what became of the worst of those that wait for them.
func (j *joiner) gap(p position) (worst result, is bool) {
	for _, g := range j.gaps {
		if g.owner == p {
			worst, is = max(worst, g.result), true
		}
	}
	return worst, is
}
