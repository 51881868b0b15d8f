package ingest

import (
	"cmp"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"unship.dev"
	"unship.dev/ingest/template"
)

const (
	maxNeighbours = 100 // callees, and callers, told apart in one operation and window
	// forgetWindows is how long an operation keeps its place among a service's
	// operations, and how long a service is known, without being heard of.
	forgetWindows = 720
)

// service is what closing remembers of a service.
type service struct {
	operations map[string]int64 // admitted, with the window last heard in
	served     int64            // last window with a server or consumer span
	told       int64            // last window in which spans or metrics told of its requests
	known      int64            // first window that is remembered
	heard      int64
	templates  template.Miner // of its log lines
	metering   metering

	asks     callings // in the recent past
	requests uint64   // in the recent past
	period   int64    // that the counts of the recent past belong to
	keys     map[string]*sliceKey
	dropped  map[string]struct{}
	gate     *keySet // dropped, for the way in
}

// Take gives the ticks that the watermark has passed since the last call, in
// order. Spans of time in which nothing was heard are left out.
func (a *Aggregator) Take() []unship.Tick {
	a.closing.Lock()
	defer a.closing.Unlock()
	return a.close()
}

// Flush gives all ticks that are still open, at the end of a recording.
func (a *Aggregator) Flush() []unship.Tick {
	a.closing.Lock()
	defer a.closing.Unlock()
	a.mu.Lock()
	last := a.index(a.maxTime)
	for index := range a.announced {
		last = max(last, index)
	}
	for _, index := range a.indices(1 << 62) {
		last = max(last, index)
	}
	if a.maxTime != 0 || len(a.announced) > 0 {
		a.raise((last + 1) * int64(a.opt.Window))
	}
	a.mu.Unlock()
	ticks := a.close()
	for end := a.blockEnd(); end != noBlock; end = a.blockEnd() {
		a.mu.Lock()
		a.raise((end + 1) * int64(a.opt.Window))
		a.mu.Unlock()
		ticks = append(ticks, a.close()...)
	}
	return ticks
}

// close closes every window before a.open.
func (a *Aggregator) close() (ticks []unship.Tick) {
	open, announced, lost := a.due()
	if open == a.done {
		return nil
	}
	a.done = open
	indices := a.indices(open)
	for index := range announced {
		indices = append(indices, index)
	}
	if lost != (unship.Losses{}) {
		indices = append(indices, open-1)
	}
	slices.Sort(indices)
	indices = slices.Compact(indices)
	for {
		index := a.blockEnd() // a block may end where nothing was heard
		if len(indices) > 0 && indices[0] <= index {
			index, indices = indices[0], indices[1:]
		}
		if index >= open {
			break
		}
		t := a.tick(index)
		if index < a.resumed.Load() {
			continue
		}
		addLosses(&t.Losses, lost)
		lost = unship.Losses{}
		t.Announcements = announced[index]
		if len(t.Windows) > 0 || len(t.Announcements) > 0 || t.Losses != (unship.Losses{}) {
			ticks = append(ticks, t)
		}
	}
	// A call may wait joinWindows for its request, and name a resource whose answer was as old.
	a.resources.forget(open - 2*joinWindows - 2)
	a.forgetServices(open)
	a.meters.forget(open - forgetWindows)
	return ticks
}

// due takes what is to be closed, apart from the shards' panes. Losses wait
// until there is a tick to carry them.
func (a *Aggregator) due() (int64, map[int64][]unship.Announcement, unship.Losses) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.follow()
	open := a.open.Load()
	announced := map[int64][]unship.Announcement{}
	for index, list := range a.announced {
		if index >= open {
			continue
		}
		slices.SortFunc(list, compareAnnouncements)
		announced[index] = slices.Compact(list)
		delete(a.announced, index)
	}
	lost := a.lost
	if open <= a.closed {
		return open, announced, unship.Losses{}
	}
	a.lost, a.closed = unship.Losses{}, open
	return open, announced, lost
}

func compareAnnouncements(a, b unship.Announcement) int {
	return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID), a.ReleaseID.Compare(b.ReleaseID),
		strings.Compare(a.By, b.By), strings.Compare(a.URL, b.URL))
}

// indices lists the windows before a limit in which anything is kept, each once or more.
func (a *Aggregator) indices(before int64) (list []int64) {
	for i := range a.shards {
		s := &a.shards[i]
		s.mu.Lock()
		for index := range s.panes {
			if index < before {
				list = append(list, index)
			}
		}
		s.mu.Unlock()
	}
	return list
}

// tick closes one window.
func (a *Aggregator) tick(index int64) unship.Tick {
	panes, resources, keys := a.detach(index), a.resources.snapshot(), a.keys.names()
	a.join(index, &panes, resources, keys)
	length := int64(a.opt.Window)
	t := unship.Tick{
		Start:  time.Unix(0, index*length).UTC(),
		End:    time.Unix(0, (index+1)*length).UTC(),
		Closed: time.Unix(0, (index+1)*length).Add(a.opt.Lateness).UTC(),
	}
	b := &builder{a: a, index: index, start: t.Start, windows: map[windowKey]*window{}, lessons: map[unship.Service]*lessons{}}
	b.addSums(a.joiners, resources, keys)
	for _, p := range panes {
		addLosses(&t.Losses, p.losses)
		b.addPane(p, resources, keys)
	}
	t.Windows = b.build()
	a.resources.drop(func(id unship.Service) *keySet { return a.service(id).gate })
	t.Losses.Overflow += b.overflow
	t.Losses.Dropped += b.dropped
	a.mu.Lock()
	a.stats.Dropped += b.dropped
	a.stats.Overflow += b.overflow
	a.stats.Duplicate += b.doubles
	a.stats.Spans -= b.doubles
	a.mu.Unlock()
	return t
}

// detach takes a window out of every shard.
func (a *Aggregator) detach(index int64) (panes [shardCount]*pane) {
	for i := range a.shards {
		s := &a.shards[i]
		s.mu.Lock()
		panes[i] = s.panes[index]
		delete(s.panes, index)
		s.mu.Unlock()
		if panes[i] == nil {
			panes[i] = &pane{}
		}
		a.pending.Add(-panes[i].bytes)
	}
	return panes
}

// join joins the window of every shard, with a joiner for each processor. Which one
// joins which shard does not matter: what they count is added up.
func (a *Aggregator) join(index int64, panes *[shardCount]*pane, resources []*resource, keys []string) {
	for len(a.joiners) < min(runtime.GOMAXPROCS(0), shardCount) {
		a.joiners = append(a.joiners, &joiner{})
	}
	var next atomic.Int32
	var wg sync.WaitGroup
	for _, j := range a.joiners {
		wg.Go(func() {
			j.begin(index, int64(a.opt.Window), resources, keys)
			for i := next.Add(1); i <= shardCount; i = next.Add(1) {
				j.join(&a.shards[i-1], panes[i-1])
			}
		})
	}
	wg.Wait()
}

func addLosses(l *unship.Losses, o unship.Losses) {
	l.Late += o.Late
	l.Future += o.Future
	l.Invalid += o.Invalid
	l.Overflow += o.Overflow
	l.Dropped += o.Dropped
}

// Remember teaches what an earlier tick told, after a restart: which operations
// have a place among those told apart, of which services spans told, by which attributes
// their requests are sliced, and which templates log lines have. What a cumulative
// metric had counted it cannot tell: the first point after a restart only sets the base.
func (a *Aggregator) Remember(t unship.Tick) {
	a.closing.Lock()
	defer a.closing.Unlock()
	index := a.index(t.Start.UnixNano())
	for _, w := range t.Windows {
		s := a.service(w.Release.Service)
		s.heard, s.known = max(s.heard, index), min(s.known, index)
		for _, op := range w.Operations {
			if op.Name != unship.OverflowOperation {
				s.operations[op.Name] = max(s.operations[op.Name], index)
			}
			if op.Apart() {
				s.told = max(s.told, index)
			}
			s.remember(&op, index)
			s.rememberAsks(&op)
		}
	}
	for id, lines := range patternsOf(&t) {
		a.service(id).templates.Teach(index, lines)
	}
}

func patternsOf(t *unship.Tick) map[unship.Service][]template.Line {
	lines := map[unship.Service][]template.Line{}
	for _, w := range t.Windows {
		for _, l := range w.Logs {
			id := w.Release.Service
			lines[id] = append(lines[id], template.Line{Text: l.Pattern, Grave: l.Severity >= severityWarn})
		}
	}
	return lines
}

func (a *Aggregator) service(id unship.Service) *service {
	s := a.services[id]
	if s == nil {
		s = &service{
			operations: map[string]int64{}, served: firstIndex, told: firstIndex, known: math.MaxInt64,
			keys: map[string]*sliceKey{}, dropped: map[string]struct{}{}, metering: newMetering(),
		}
		a.services[id] = s
	}
	return s
}

func (a *Aggregator) forgetServices(open int64) {
	maps.DeleteFunc(a.services, func(_ unship.Service, s *service) bool { return s.heard < open-forgetWindows })
}
