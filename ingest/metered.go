package ingest

import (
	"math"
	"slices"
	"strings"

	"unship.dev"
)

// Services that send no spans of what they serve, or send them elsewhere, are known by
// metrics that count requests. A point of these covers the time since the point
// before, for 10 seconds or a minute, at the moments that suit its instance. So that
// all instances are compared by what they did in the same time, what the points of a
// service tell is gathered for a block of windows, as long as the service's export
// interval, and stands in the last window of the block for all instances at once.
// Blocks begin at multiples of their length since the epoch.
//
// Where entry spans are seen, these are the requests, and metrics are not counted:
// spans tell of each request where its failure began. It takes ten blocks without
// entry spans until metrics count.
//
// A block that is open when the process ends is lost: it is not in any tick.
const (
	spanBlocks = 10  // how many blocks spans are waited for
	maxBlock   = 360 // windows
	noBlock    = math.MaxInt64
)

// metering is what closing remembers of a service that is known by metrics.
type metering struct {
	block    int64              // windows in a block; 0: nothing is known of the interval
	due      int64              // last window of the block at work; noBlock: nothing is gathered
	heard    [sourceCount]int64 // last window with a point
	counters [sourceCount]int64 // of these, with one of a counter
	counted  map[string]bool    // operations by which counters told, beside distributions
	timed    map[string]bool    // … by which distributions told
	told     map[string]bool    // what counters are told of; nil: to be found out
}

// maxNamed bounds the operations that are remembered of either.
const maxNamed = 1000

func newMetering() metering {
	m := metering{due: noBlock, counted: map[string]bool{}, timed: map[string]bool{}}
	for i := range m.heard {
		m.heard[i], m.counters[i] = firstIndex, firstIndex
	}
	return m
}

// patience is for how many windows what was heard is expected again.
func (m *metering) patience() int64 { return max(joinWindows, spanBlocks*m.block) }

// hears says that a source was heard of lately.
func (m *metering) hears(s source, index int64) bool { return m.heard[s] > index-m.patience() }

func (m *metering) counts(s source, index int64) bool { return m.counters[s] > index-m.patience() }

// hear notes by which operation a series tells.
func (m *metering) hear(q *request, index int64) {
	names := m.timed
	if !q.timed {
		names = m.counted
		m.counters[q.source] = index
	}
	if !names[q.operation] && len(names) < maxNamed {
		names[q.operation], m.told = true, nil
	}
}

// coarser gives the operation that a counter's requests are told of: where counters tell
// methods apart and distributions only routes, it is the route, so that both are told of one.
func (m *metering) coarser(operation string) string {
	if _, route, ok := strings.Cut(operation, " "); ok && !m.timed[operation] && m.timed[route] {
		return route
	}
	return operation
}

// tells says that counters tell of an operation, as they are told of.
func (m *metering) tells(operation string) bool {
	if m.told == nil {
		m.told = map[string]bool{}
		for name := range m.counted {
			m.told[m.coarser(name)] = true
		}
	}
	return m.told[operation]
}

// metered says that requests are counted by metrics, unless there are spans. Log records
// are none: where spans tell of what began inside the service, that goes before.
func (m *metering) metered(index int64) bool {
	for s := range accessLog {
		if m.hears(s, index) {
			return true
		}
	}
	return false
}

// chosen gives the sources whose requests count.
func (m *metering) chosen(index int64) (list []source) {
	first := func(of []source) {
		k := slices.IndexFunc(of, func(s source) bool { return m.hears(s, index) })
		if k >= 0 {
			list = append(list, of[k])
		}
	}
	for _, of := range protocols {
		first(of)
	}
	if len(list) == 0 {
		first(general)
	}
	return list
}

// metricCell tells apart what is gathered of one instance.
type metricCell struct {
	source            source
	timed             bool
	operation, traits string
}

// gathered are the requests of one cell in the block at work.
type gathered struct {
	requests, failed, rejected uint64
	durations                  unship.Histogram
}

// gather adds n requests of an instance, with their durations, to the block at work.
func (b *builder) gather(s *metering, m *meter, q *request, n uint64, durations unship.Histogram) {
	s.heard[q.source] = b.index
	if m.spacing > 0 {
		length := int64(b.a.opt.Window)
		s.block = min(max(s.block, (m.spacing+length-1)/length), maxBlock)
	}
	block := max(s.block, 1)
	s.due = b.index - b.index%block + block - 1
	if n == 0 {
		return
	}
	id := metricCell{q.source, q.timed, q.operation, q.traits}
	g := m.block[id]
	if g == nil {
		g = &gathered{}
		m.block[id] = g
	}
	g.requests += n
	switch q.result {
	case failed:
		g.failed += n
	case rejected:
		g.rejected += n
	}
	if len(g.durations) == 0 {
		g.durations = slices.Clone(durations)
	} else {
		g.durations.Merge(durations)
	}
}

// blockEnd is the first window at which a block is to be told; noBlock: there is none.
func (a *Aggregator) blockEnd() int64 {
	end := int64(noBlock)
	for _, s := range a.services {
		end = min(end, s.metering.due)
	}
	return end
}

// tellBlocks puts the blocks that end in this window into the windows of their instances.
func (b *builder) tellBlocks() {
	due := map[unship.Service]bool{}
	for id, s := range b.a.services {
		if s.metering.due <= b.index {
			due[id] = true
			s.metering.due = noBlock
		}
	}
	if len(due) == 0 {
		return
	}
	for key, m := range b.a.meters.of {
		if due[key.release.Service] && len(m.block) > 0 {
			b.tellBlock(key, m)
			clear(m.block)
		}
	}
}

func (b *builder) tellBlock(key windowKey, m *meter) {
	s := b.a.service(key.release.Service)
	if s.served > b.index-s.metering.patience() {
		return
	}
	chosen := s.metering.chosen(b.index)
	w, l := b.windowOf(key), &b.lessonsOf(key.release.Service).operations
	w.node, w.build, w.byLogs = max(w.node, m.node), max(w.build, m.build), slices.Contains(chosen, accessLog)
	for id, g := range m.block {
		if !slices.Contains(chosen, id.source) {
			continue
		}
		op := unship.Operation{Name: id.operation, Duration: g.durations}
		if !id.timed {
			op.Name = s.metering.coarser(id.operation)
		}
		if !id.timed || !s.metering.counts(id.source, b.index) || !s.metering.tells(id.operation) {
			op.Requests, op.Failed, op.FailedHere, op.Rejected = g.requests, g.failed, g.failed, g.rejected
		}
		l.requests += op.Requests
		for _, p := range pairs(id.traits) {
			l.key(p.key).add(key.instance, p.value, op.Requests)
			if s.chosen(p.key) {
				op.Slices = append(op.Slices, unship.Slice{
					Key: p.key, Value: p.value, Requests: op.Requests, FailedHere: op.FailedHere, Rejected: op.Rejected, Duration: slices.Clone(g.durations),
				})
			}
		}
		w.operations = addOperation(w.operations, op)
	}
}
