package ingest

import (
	"cmp"
	"slices"
	"strings"

	"unship.dev"
)

// finisher turns sums, which are by numbers, into operations, and notes what they teach
// about the attributes that requests carry.
type finisher struct {
	sums      *sums
	resources []*resource
	keys      []string // names of traits, by number
	service   *service // of the sum at work
	lesson    *lesson

	buckets   slab[unship.Bucket]
	made      slab[unship.Call]
	answers   slab[unship.CalleeAnswer]
	callers   slab[unship.Caller]
	exemplars slab[unship.Exemplar]
	texts     slab[byte]
	known     []unship.Caller // of the sum at work
	shares    []share         // of the sum at work
}

// finish writes the operation that a sum of a resource is.
func (f *finisher) finish(op *unship.Operation, s *sum, r *resource) {
	op.Name = f.sums.names.list0(s.name)
	op.Failed, op.FailedHere, op.Partial = s.failed, s.failedHere, s.partial
	op.Duration = f.buckets.take(s.duration.addTo(f.buckets.room(s.duration.buckets())))
	n := 0
	for i := range s.cells {
		n += s.cells[i].self.buckets()
	}
	self := unship.Histogram(f.buckets.room(n))
	for i := range s.cells {
		c := &s.cells[i]
		op.Requests += c.requests
		op.Rejected += c.rejected
		self = c.self.addTo(self)
	}
	op.Self = f.buckets.take(self)
	if s.weight != op.Requests<<weightBits {
		op.Adjusted = requests(s.weight)
	}
	op.Calls = f.calls(s.calls)
	op.Callers = f.callersOf(s.cells)
	f.lesson.requests += op.Requests
	op.Slices = f.slices(s.cells, r)
	list := f.exemplars.room(s.exampleCount)
	for i := range s.examples[:s.exampleCount] {
		list = append(list, s.examples[i].exemplar(&f.texts))
	}
	op.Exemplars = f.exemplars.take(list)
}

func (f *finisher) calls(list []callSum) []unship.Call {
	calls := f.made.room(len(list))
	for i := range list {
		c := &list[i]
		call := c.counts
		call.Callee = cmp.Or(f.sums.names.list0(c.name), unknownCallee)
		answers := f.answers.room(len(c.answered))
		for _, a := range c.answered {
			answers = append(answers, unship.CalleeAnswer{
				Release: f.resources[a.resource].release, Requests: a.requests, Failed: a.failed, Garbled: a.garbled,
			})
		}
		slices.SortFunc(answers, func(x, y unship.CalleeAnswer) int { return x.Release.Compare(y.Release) })
		call.Answered = f.answers.take(compactAnswers(answers))
		call.Received = f.received(c.received)
		calls = append(calls, call)
	}
	calls = f.made.take(calls)
	slices.SortFunc(calls, func(x, y unship.Call) int { return strings.Compare(x.Callee, y.Callee) })
	for i := 1; i < len(calls); i++ {
		if calls[i].Callee == calls[i-1].Callee { // what nothing tells of may also be called so
			var op unship.Operation
			for _, c := range calls {
				op.Merge(unship.Operation{Calls: []unship.Call{c}})
			}
			return op.Calls
		}
	}
	return calls
}

// received gives who got calls that nobody answered; few do.
func (f *finisher) received(list []receivedSum) (out []unship.CallReceived) {
	for _, r := range list {
		release := f.resources[r.resource].release
		k, found := slices.BinarySearchFunc(out, release, func(x unship.CallReceived, r unship.ReleaseID) int { return x.Release.Compare(r) })
		if !found {
			out = slices.Insert(out, k, unship.CallReceived{Release: release})
		}
		out[k].Unanswered += r.calls
	}
	return out
}

// compactAnswers adds up what several instances of one release answered.
func compactAnswers(list []unship.CalleeAnswer) []unship.CalleeAnswer {
	kept := list[:0]
	for _, a := range list {
		if n := len(kept); n > 0 && kept[n-1].Release == a.Release {
			kept[n-1].Requests += a.Requests
			kept[n-1].Failed += a.Failed
			kept[n-1].Garbled += a.Garbled
			continue
		}
		kept = append(kept, a)
	}
	return kept
}

func (f *finisher) callersOf(cells []cell) []unship.Caller {
	f.known = f.known[:0]
	for i := range cells {
		c := &cells[i]
		if c.caller == 0 {
			continue
		}
		release := f.resources[c.caller-1].release
		k, found := slices.BinarySearchFunc(f.known, release, func(x unship.Caller, r unship.ReleaseID) int { return x.Release.Compare(r) })
		if !found {
			f.known = slices.Insert(f.known, k, unship.Caller{Release: release})
		}
		f.known[k].Requests += c.requests
		f.known[k].FailedHere += c.here
		f.known[k].Rejected += c.refused
	}
	return f.callers.take(append(f.callers.room(len(f.known)), f.known...))
}

// share is a cell's part in a slice.
type share struct {
	key, value string
	cell       *cell
}

// slices tells the slices that cells belong to.
func (f *finisher) slices(cells []cell, r *resource) []unship.Slice {
	f.shares = f.shares[:0]
	for i := range cells {
		f.share(&cells[i], r)
	}
	if len(f.shares) == 0 {
		return nil
	}
	slices.SortFunc(f.shares, func(a, b share) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.value, b.value))
	})
	var list []unship.Slice
	for i, p := range f.shares {
		if i == 0 || p.key != f.shares[i-1].key || p.value != f.shares[i-1].value {
			list = append(list, unship.Slice{Key: p.key, Value: strings.Clone(p.value)}) // not the whole combination
		}
		x := &list[len(list)-1]
		x.Requests += p.cell.requests
		x.FailedHere += p.cell.here
		x.Rejected += p.cell.rejected
		x.Duration = p.cell.self.addTo(x.Duration)
	}
	clear(f.shares)
	return list
}

// share notes what a cell belongs to.
func (f *finisher) share(c *cell, r *resource) {
	add := func(unit, name, value string) {
		f.lesson.key(name).add(unit, value, c.requests)
		if f.service.chosen(name) {
			f.shares = append(f.shares, share{name, value, c})
		}
	}
	for number, value := range pairsOf(f.sums.traits.list0(c.traits)) {
		add(r.instance.ID, f.keys[number], value)
	}
	for i, value := range r.place {
		if value != "" {
			add(r.release.Version, placeKeys[i], value)
		}
	}
	if c.caller != 0 {
		add(r.instance.ID, callerKey, f.resources[c.caller-1].release.Name)
	}
}
