package detect

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"unship.dev"
	"unship.dev/detect/stat"
)

// Bounds of what is known of a service's events, and the rules of their evidence.
const (
	maxEvents        = 256 // kept of one service; what comes beyond is one event
	maxKnownEvents   = 64  // with a stream of a release each
	maxFreshEvents   = 48  // that first came after the release began
	severityError    = 17  // OTel severity number of ERROR
	weightEvents     = .10 // share of a release's evidence
	shareKnown       = .4  // of that: known events, in equal parts
	adolescence      = time.Minute
	fewestOfVanished = 3 // expected occurrences of an event that is said to have vanished
	maxAside         = 2 // findings that are only shown
)

// event is something that an instance either shows in a window or does not: a
// pattern of log records or an exception. How often it shows it in one window
// does not count, for records come in storms.
type event struct {
	eventKey
	acts bool // harm by itself; otherwise it is only shown
	// Of exceptions, how many there were, and how many of them spans told that ended well.
	count, handled uint64
	first, last    int32
	example        string
}

type eventKey struct {
	kind unship.Signal
	name string
	acts bool
}

// words name the event for people.
func (e *event) words() string {
	switch {
	case e.kind == unship.SignalException:
		return "exception " + e.name
	case e.kind == unship.SignalMetric:
		return "an increase of " + e.name
	case e.name == "":
		return "records of severity ERROR"
	}
	return "log pattern “" + e.name + "”"
}

// event gives the index of an event. Beyond the bound all share one; a place
// whose event has been silent for longer than anything looks back is used again.
func (s *service) event(k eventKey, t int32) int {
	if at, ok := s.eventOf[k]; ok {
		s.events[at].last = t
		return at
	}
	at := len(s.events)
	if at >= maxEvents {
		at = slices.IndexFunc(s.events, func(x *event) bool { return x.last < s.forgotten })
		if at < 0 && k.name != unship.OverflowOperation {
			return s.event(eventKey{k.kind, unship.OverflowOperation, k.acts}, t)
		}
		if at >= 0 {
			delete(s.eventOf, s.events[at].eventKey)
		}
	}
	if at < 0 || at == len(s.events) {
		at = len(s.events)
		s.events = append(s.events, nil)
	}
	s.events[at] = &event{eventKey: k, acts: k.acts, first: t, last: t}
	s.eventOf[k] = at
	return at
}

// readEvents notes what a window shows.
func (s *service) readEvents(i *instance, w *unship.Window, t int32) {
	for k := range w.Logs {
		x := &w.Logs[k]
		s.showed(i, eventKey{unship.SignalLogPattern, x.Pattern, x.Severity >= severityError}, x.Example, t)
	}
	for k := range w.Exceptions {
		x := &w.Exceptions[k]
		name := x.Type
		if x.Place != "" {
			name += " at " + x.Place
		}
		e := s.showed(i, eventKey{unship.SignalException, name, true}, x.Example, t)
		e.count, e.handled = e.count+x.Count, e.handled+x.Handled
	}
}

// mostlyHandled says that most exceptions were told by spans that ended well: requests that
// fail for another reason throw some as well.
func (e *event) mostlyHandled() bool { return 2*e.handled > e.count }

func (s *service) showed(i *instance, k eventKey, example string, t int32) *event {
	at := s.event(k, t)
	e := s.events[at]
	if e.example == "" || example != "" && example < e.example {
		e.example = example
	}
	for at >= len(i.events) {
		i.events = append(i.events, nil)
	}
	if v := i.events[at]; len(v) == 0 || v[len(v)-1] != t {
		i.events[at] = append(v, t)
	}
	return e
}

// shows says whether an instance showed an event in window t.
func (i *instance) shows(event int, t int32) bool {
	if event < 0 || event >= len(i.events) {
		return false
	}
	v := i.events[event]
	if k := len(v); k == 0 || v[k-1] < t {
		return false
	}
	_, ok := slices.BinarySearch(v, t)
	return ok
}

// heardAt gives the requests of window t, and whether the instance was heard at all.
func (i *instance) heardAt(t int32) (requests uint64, ok bool) {
	v := i.heard
	k := len(v) - 1 - int(i.last-t)
	if k < 0 || k >= len(v) || v[k].at != t {
		k = sort.Search(len(v), func(k int) bool { return v[k].at >= t })
	}
	if k < len(v) && v[k].at == t {
		return v[k].n, true
	}
	return 0, false
}

// grown says that an instance is past what only beginners show: a program that
// starts says what it will never say again, and nothing old is like it.
func (i *instance) grown(t int32, window time.Duration) bool {
	return i.age(t) >= int32(adolescence/window)
}

// keepSince drops windows before from.
func keepSince(v []int32, from int32) []int32 {
	k, _ := slices.BinarySearch(v, from)
	return append(v[:0], v[k:]...)
}

// forgetEvents drops what an instance showed before window from.
func (i *instance) forgetEvents(from int32) {
	for k := range i.events {
		i.events[k] = keepSince(i.events[k], from)
	}
	k := sort.Search(len(i.heard), func(k int) bool { return i.heard[k].at >= from })
	i.heard = append(i.heard[:0], i.heard[k:]...)
}

// eventCells is the history of an event in one version's instances: one
// opportunity for each window in which an instance was heard.
func (s *service) eventCells(x sign, version string, h history) stat.Cells {
	var c stat.Cells
	for _, i := range s.instances {
		if i.version != version || i.first >= h.to {
			continue
		}
		n, y := make([]int32, h.to-h.from), make([]int32, h.to-h.from)
		for _, v := range i.heard {
			if v.at >= h.from && v.at < h.to {
				n[v.at-h.from] = 1
			}
		}
		for _, event := range []int{x.event, x.milder} {
			for _, at := range i.shownIn(event, h) {
				y[at-h.from] = 1
			}
		}
		c.N, c.Y = append(c.N, n), append(c.Y, y)
	}
	return c
}

// knownEvents are those that act and were seen in a history, in the order of their names.
func (s *service) knownEvents(h history) (out []int) {
	for k, e := range s.events {
		if e.acts && e.first < h.to && e.last >= h.from {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b int) int { return s.compareEvents(a, b) })
	return out[:min(len(out), maxKnownEvents)]
}

func (s *service) compareEvents(a, b int) int {
	x, y := s.events[a], s.events[b]
	return cmp.Or(cmp.Compare(x.kind, y.kind), strings.Compare(x.name, y.name))
}

// freshEvents are those that first came in window t, in the order of their names.
func (s *service) freshEvents(t int32) (out []int) {
	for k, e := range s.events {
		if e.first == t {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b int) int { return s.compareEvents(a, b) })
	return out
}

// eventSignals are the signals of events at a policy's tolerance.
func eventSignals(ratio float64) map[unship.Signal]*signal {
	out := map[unship.Signal]*signal{}
	for _, kind := range []unship.Signal{unship.SignalLogPattern, unship.SignalException, unship.SignalMetric} {
		out[kind] = &signal{kind: kind, what: "shows", extra: .05, ratio: math.Max(1, ratio)}
	}
	return out
}

// hear notes that an instance was heard of in window t, and what of its requests.
func (i *instance) hear(t int32, now *loadCell) {
	if k := len(i.heard) - 1; k < 0 || i.heard[k].at != t {
		i.heard = append(i.heard, loadCell{at: t})
	}
	x := &i.heard[len(i.heard)-1]
	x.n, x.partial = x.n+now.n, x.partial+now.partial
}
