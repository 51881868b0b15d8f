package ingest

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"unship.dev"
)

// builder puts the parts of all shards together into one tick's windows.
type builder struct {
	a        *Aggregator
	index    int64
	start    time.Time
	windows  map[windowKey]*window
	lessons  map[unship.Service]*lessons
	goals    []goal // by number of a resource
	overflow uint64
	dropped  uint64
	doubles  uint64
	lent     [][]unship.Bucket // of panes, until readings are measured
}

type windowKey struct {
	release  unship.ReleaseID
	instance string
}

// window is one instance's window while it is built.
type window struct {
	node, build string
	operations  []unship.Operation // sorted by name, one each
	roots       []unship.Operation // the same of traces that began inside the process
	logs        map[lineKey]*unship.LogCount
	exceptions  []exception
	logged      []logged
	byLogs      bool // nothing else told of the requests
	readings    []reading
	metrics     []unship.Metric
}

func (b *builder) window(r *resource) *window {
	w := b.windowOf(windowKey{r.release, r.instance.ID})
	w.node, w.build = max(w.node, r.instance.Node), max(w.build, r.build)
	return w
}

func (b *builder) windowOf(key windowKey) *window {
	w := b.windows[key]
	if w == nil {
		w = &window{logs: map[lineKey]*unship.LogCount{}}
		b.windows[key] = w
	}
	return w
}

// goal is where what a resource did goes.
type goal struct {
	window  *window
	lessons *lessons
	service *service
}

// goal gives the goal of a resource that was heard.
func (b *builder) goal(r *resource) *goal {
	p := &b.goals[r.number]
	if p.window == nil {
		p.window = b.window(r)
	}
	return p
}

// addSums puts in what the joiners counted, and leaves them empty.
func (b *builder) addSums(joiners []*joiner, resources []*resource, keys []string) {
	all := &joiners[0].sums
	b.goals = make([]goal, len(resources))
	for i, j := range joiners {
		b.doubles += j.doubles
		for number, heard := range j.heard {
			if heard {
				b.goal(resources[number])
			}
		}
		if i > 0 {
			all.absorb(&j.sums)
		}
	}
	f := &finisher{sums: all, resources: resources, keys: keys}
	for rest := all.ordered(); len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].resource == rest[0].resource {
			n++
		}
		b.addOperations(f, resources[rest[0].resource], rest[:n])
		rest = rest[n:]
	}
	all.reset()
}

// addOperations puts in what one resource did, ordered by name.
func (b *builder) addOperations(f *finisher, r *resource, list []placed) {
	p := b.goal(r)
	if p.service == nil {
		p.lessons, p.service = b.lessonsOf(r.release.Service), b.a.service(r.release.Service)
	}
	roots := 0
	for _, x := range list {
		roots += int(x.rank & 1)
	}
	room := make([]unship.Operation, len(list))
	operations, inside := room[:0:len(list)-roots], room[len(list)-roots:][:0]
	f.service = p.service
	for _, x := range list {
		into, s := &operations, f.sums.at(x.place)
		if f.lesson = &p.lessons.operations; x.rank&1 == 1 {
			f.lesson, into = &p.lessons.roots, &inside
		}
		*into = append(*into, unship.Operation{})
		op := &(*into)[len(*into)-1]
		f.finish(op, s, r)
		p.lessons.asks.add(op, s.uncalled)
		if s.uncalled && p.service.apart(op.Name) {
			op.Name = uncalledName(op.Name)
		}
		if last := len(*into) - 1; last > 0 && (*into)[last-1].Name >= op.Name {
			*into = addOperation((*into)[:last], *op)
		}
	}
	p.window.operations = mergedOperations(p.window.operations, operations)
	p.window.roots = mergedOperations(p.window.roots, inside)
}

// mergedOperations adds operations to others, which are sorted by name.
func mergedOperations(list, more []unship.Operation) []unship.Operation {
	if len(list) == 0 {
		return more
	}
	for _, op := range more {
		list = addOperation(list, op)
	}
	return list
}

func addOperation(list []unship.Operation, op unship.Operation) []unship.Operation {
	k, found := slices.BinarySearchFunc(list, op.Name, func(x unship.Operation, name string) int { return strings.Compare(x.Name, name) })
	if !found {
		return slices.Insert(list, k, op)
	}
	list[k].Merge(op)
	return list
}

// addPane puts in what a shard held beside spans.
func (b *builder) addPane(p *pane, resources []*resource, keys []string) {
	b.giveUp(p, resources, keys)
	for key, l := range p.logs {
		count := l.logCount(key.severity)
		b.window(resources[key.resource]).addLog(lineKey{key.severity, p.names.list0(key.text), key.given}, &count)
	}
	for _, x := range p.exceptions {
		w := b.window(resources[x.resource])
		w.exceptions = append(w.exceptions, x.exception(&p.names))
	}
	b.addLogged(p, resources)
	b.addPoints(p, resources)
}

// addPoints puts in a shard's data points, which follow one another by resource.
func (b *builder) addPoints(p *pane, resources []*resource) {
	var w *window
	for i := range p.points {
		m := &p.points[i]
		if i == 0 || m.resource != p.points[i-1].resource {
			w = b.window(resources[m.resource])
		}
		if w.readings == nil {
			w.readings = b.a.readings.get()
		}
		w.readings = append(w.readings, m.reading(p))
	}
	b.a.points.put(p.points)
	b.lent = append(b.lent, p.buckets)
	p.points = nil
}

// lessons are what a window teaches of a service: for the case that it serves and for
// the other, and who asks.
type lessons struct {
	operations, roots lesson
	asks              callings
}

func (b *builder) lessonsOf(id unship.Service) *lessons {
	l := b.lessons[id]
	if l == nil {
		l = &lessons{}
		b.lessons[id] = l
	}
	return l
}

// giveUp marks the attributes that one pane alone saw too many values of.
func (b *builder) giveUp(p *pane, resources []*resource, keys []string) {
	for id, set := range p.traits.seen {
		if !set.over {
			continue
		}
		for _, r := range resources {
			if r != nil && r.service == id.service {
				l := b.lessonsOf(r.release.Service)
				l.operations.key(keys[id.key]).over = true
				l.roots.key(keys[id.key]).over = true
				break
			}
		}
	}
}

func (b *builder) build() []unship.Window {
	b.measure()
	for _, list := range b.lent {
		b.a.buckets.put(list)
	}
	b.chooseRoots()
	b.gatherLogged()
	b.tellBlocks()
	b.admit()
	b.slice()
	b.mineLogs()
	var list []unship.Window
	for key, w := range b.windows {
		list = append(list, unship.Window{
			Release:    key.release,
			Instance:   unship.Instance{ID: key.instance, Node: w.node},
			Start:      b.start,
			Length:     b.a.opt.Window,
			Operations: w.boundedOperations(),
			Logs:       w.sortedLogs(),
			Exceptions: w.sortedExceptions(),
			Metrics:    b.sortedMetrics(w),
			Logged:     w.byLogs,
			Build:      w.build,
		})
	}
	slices.SortFunc(list, func(x, y unship.Window) int {
		return cmp.Or(x.Release.Compare(y.Release), strings.Compare(x.Instance.ID, y.Instance.ID))
	})
	return list
}

// chooseRoots decides for each service whether the roots of traces that began
// inside it are its requests. They are where nothing serves: a worker or a
// scheduled job. Where a server or consumer span was seen within joinWindows, or
// where metrics count requests, they are not.
func (b *builder) chooseRoots() {
	for key, w := range b.windows {
		s := b.a.service(key.release.Service)
		s.heard, s.known = b.index, min(s.known, b.index)
		if len(w.operations) > 0 {
			s.served = b.index
		}
		if len(w.operations)+len(w.roots) > 0 {
			s.told = b.index
		}
	}
	for key, w := range b.windows {
		if !b.a.service(key.release.Service).serves(b.index) {
			w.operations = w.roots
		}
	}
}

// serves says that a service is known to answer requests, by spans or by metrics.
func (s *service) serves(index int64) bool {
	return s.served > index-joinWindows || s.metering.metered(index)
}

// admit bounds the operations of each service. Those that have a place keep it;
// free places go to the busiest newcomers. The others are counted together.
func (b *builder) admit() {
	newcomers := map[unship.Service]map[string]uint64{} // with their requests
	for key, w := range b.windows {
		s, m := b.a.service(key.release.Service), newcomers[key.release.Service]
		for i := range w.operations {
			op := &w.operations[i]
			if op.Name == unship.OverflowOperation {
				continue
			}
			if last, placed := s.operations[op.Name]; placed {
				if last != b.index {
					s.operations[op.Name] = b.index
				}
				continue
			}
			if m == nil {
				m = map[string]uint64{}
				newcomers[key.release.Service] = m
			}
			m[op.Name] += op.Requests
		}
	}
	full := map[unship.Service]bool{}
	for id, m := range newcomers {
		beyond := b.a.service(id).admit(m, b.index, b.a.opt.MaxOperations)
		b.overflow += beyond
		full[id] = beyond > 0
	}
	for key, w := range b.windows {
		if full[key.release.Service] {
			w.overflow(b.a.service(key.release.Service))
		}
	}
}

// slice bounds the slices, and learns from them which ones to keep from the next
// window on. What was counted before a restart taught all that already.
func (b *builder) slice() {
	if b.index < b.a.resumed.Load() {
		return
	}
	for id, l := range b.lessons {
		s := b.a.service(id)
		lesson := &l.operations
		if !s.serves(b.index) {
			lesson = &l.roots
		}
		for _, name := range s.learn(lesson, b.index) {
			if number := b.a.keys.kind(name).trait; number != 0 {
				s.gate = s.gate.with(number)
			}
		}
		s.learnAsks(l.asks)
	}
	for key, w := range b.windows {
		s := b.a.service(key.release.Service)
		for i := range w.operations {
			w.operations[i].Slices = s.boundSlices(w.operations[i].Slices)
		}
	}
	for id := range b.lessons {
		b.a.service(id).choose()
	}
}

// admit gives places to operations that have none and says how many got none.
func (s *service) admit(requests map[string]uint64, index int64, limit int) (beyond uint64) {
	newcomers := slices.Collect(maps.Keys(requests))
	if len(s.operations)+len(newcomers) > limit {
		maps.DeleteFunc(s.operations, func(_ string, last int64) bool { return last < index-forgetWindows })
	}
	slices.SortFunc(newcomers, func(x, y string) int {
		return cmp.Or(cmp.Compare(requests[y], requests[x]), strings.Compare(x, y))
	})
	free := min(max(limit-len(s.operations), 0), len(newcomers))
	for _, name := range newcomers[:free] {
		s.operations[name] = index
	}
	return uint64(len(newcomers) - free)
}

// overflow merges the operations without a place. Merging is exact, so that the
// order in which it is done does not matter.
func (w *window) overflow(s *service) {
	var kept []unship.Operation
	for _, op := range w.operations {
		if _, ok := s.operations[op.Name]; !ok {
			op.Name = unship.OverflowOperation
		}
		kept = addOperation(kept, op)
	}
	w.operations = kept
}

func (w *window) boundedOperations() []unship.Operation {
	for i := range w.operations {
		op := &w.operations[i]
		op.Calls = boundedCalls(op.Calls)
		op.Callers = boundedCallers(op.Callers)
	}
	return w.operations
}

// boundedCalls keeps the callees called most, and merges the others.
func boundedCalls(calls []unship.Call) []unship.Call {
	if len(calls) <= maxNeighbours {
		return calls
	}
	slices.SortFunc(calls, func(a, b unship.Call) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), strings.Compare(a.Callee, b.Callee))
	})
	var kept unship.Operation
	for i, c := range calls {
		if i >= maxNeighbours-1 {
			c.Callee = unship.OverflowOperation
		}
		kept.Merge(unship.Operation{Calls: []unship.Call{c}})
	}
	return kept.Calls
}

// boundedCallers keeps the callers that called most. Callers are known for a
// part of the requests anyway.
func boundedCallers(callers []unship.Caller) []unship.Caller {
	if len(callers) <= maxNeighbours {
		return callers
	}
	slices.SortFunc(callers, func(a, b unship.Caller) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), a.Release.Compare(b.Release))
	})
	callers = callers[:maxNeighbours]
	slices.SortFunc(callers, func(a, b unship.Caller) int { return a.Release.Compare(b.Release) })
	return callers
}
