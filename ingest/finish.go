package ingest

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"unship.dev"
)

// finisher turns one joiner's sums, which are by numbers, into operations, and notes
// what they teach about the attributes that requests carry.
type finisher struct {
	*joiner
	service *service // of the sum at work
	lesson  *lesson
}

func (f *finisher) finish(name string, s *sum, r *resource) unship.Operation {
	op := unship.Operation{Name: name, Failed: s.failed, FailedHere: s.failedHere, Duration: s.duration.addTo(nil)}
	for i := range s.cells {
		c := &s.cells[i]
		op.Requests += c.requests
		op.Rejected += c.rejected
		op.Self = c.self.addTo(op.Self)
	}
	if s.weight != op.Requests<<weightBits {
		op.Adjusted = requests(s.weight)
	}
	op.Calls = f.calls(s.calls)
	op.Callers = f.callers(s.cells)
	f.lesson.requests += op.Requests
	var parts map[sliceID]*unship.Slice
	for i := range s.cells {
		parts = f.slice(parts, r, &s.cells[i])
	}
	if len(parts) > 0 {
		op.Slices = make([]unship.Slice, 0, len(parts))
	}
	for _, id := range slices.SortedFunc(maps.Keys(parts), compareSliceIDs) {
		op.Slices = append(op.Slices, *parts[id])
	}
	if s.exampleCount > 0 {
		op.Exemplars = make(unship.Exemplars, 0, s.exampleCount)
	}
	for i := range s.examples[:s.exampleCount] {
		op.Exemplars = append(op.Exemplars, s.examples[i].exemplar())
	}
	return op
}

func (f *finisher) calls(list []callSum) (calls []unship.Call) {
	if len(list) > 0 {
		calls = make([]unship.Call, 0, len(list))
	}
	for i := range list {
		c := &list[i]
		call := c.counts
		call.Callee = cmp.Or(f.sums.names.list0(c.name), unknownCallee)
		for _, a := range c.answered {
			call.Answered = append(call.Answered, unship.CalleeAnswer{
				Release: f.resources[a.resource].release, Requests: a.requests, Failed: a.failed,
			})
		}
		slices.SortFunc(call.Answered, func(x, y unship.CalleeAnswer) int { return x.Release.Compare(y.Release) })
		call.Answered = compactAnswers(call.Answered)
		calls = append(calls, call)
	}
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

// compactAnswers adds up what several instances of one release answered.
func compactAnswers(list []unship.CalleeAnswer) []unship.CalleeAnswer {
	kept := list[:0]
	for _, a := range list {
		if n := len(kept); n > 0 && kept[n-1].Release == a.Release {
			kept[n-1].Requests += a.Requests
			kept[n-1].Failed += a.Failed
			continue
		}
		kept = append(kept, a)
	}
	return kept
}

func (f *finisher) callers(cells []cell) (list []unship.Caller) {
	for i := range cells {
		c := &cells[i]
		if c.caller == 0 {
			continue
		}
		release := f.resources[c.caller-1].release
		k, found := slices.BinarySearchFunc(list, release, func(x unship.Caller, r unship.ReleaseID) int { return x.Release.Compare(r) })
		if !found {
			list = slices.Insert(list, k, unship.Caller{Release: release})
		}
		list[k].Requests += c.requests
		list[k].FailedHere += c.here
	}
	return list
}

type sliceID struct{ key, value string }

func compareSliceIDs(a, b sliceID) int {
	if c := strings.Compare(a.key, b.key); c != 0 {
		return c
	}
	return strings.Compare(a.value, b.value)
}

// slice adds a cell to the slices that it belongs to.
func (f *finisher) slice(parts map[sliceID]*unship.Slice, r *resource, c *cell) map[sliceID]*unship.Slice {
	add := func(unit, name, value string) {
		f.lesson.key(name).add(unit, value, c.requests)
		if f.service.chosen(name) {
			if parts == nil {
				parts = map[sliceID]*unship.Slice{}
			}
			addSlice(parts, sliceID{name, value}, c)
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
	return parts
}

func addSlice(parts map[sliceID]*unship.Slice, id sliceID, c *cell) {
	x := parts[id]
	if x == nil {
		id.value = strings.Clone(id.value) // not the whole combination
		x = &unship.Slice{Key: id.key, Value: id.value}
		parts[id] = x
	}
	x.Requests += c.requests
	x.FailedHere += c.here
	x.Rejected += c.rejected
	x.Duration = c.self.addTo(x.Duration)
}
