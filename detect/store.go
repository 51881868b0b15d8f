package detect

import (
	"slices"
	"sort"

	"unship.dev"
)

// Bounds of what one service may hold. Operations beyond maxUnits are counted
// together under unship.OverflowOperation.
const (
	maxOperations = 64
	maxCalls      = 64
	maxKept       = 2160 // windows kept of one instance, however long the watch
)

// The counts of a cell. Operations and calls use the same places.
const (
	countFailedHere = iota
	countFailed
	countRejected
	countP50
	countP90
	countP99
	countFar // beyond twice the 99 % quantile
	counts

	countNoCall = 0
	countTwice  = 1
	countFour   = 2
)

// Which thresholds of durations are looked at: so many of them, the highest first.
const (
	latNone  = 0
	latTail  = 1 // the far tail only
	latUpper = 3 // all but the middle
	latAll   = thresholds
)

// holds says whether lat takes in the k-th threshold.
func holds(lat uint8, k int) bool { return k >= thresholds-int(lat) }

// cell is what one instance did in one window in one unit.
type cell struct {
	at       int32
	n        uint16
	timed    uint16 // requests with a duration
	lat      uint8
	starting bool // the instance is so young that failures do not count
	y        [counts]uint16
}

// add counts more, thinning the whole cell rather than overflowing: ratios are kept.
func (c *cell) add(n, timed uint64, y [counts]uint64) {
	n += uint64(c.n)
	timed += uint64(c.timed)
	for i := range y {
		y[i] += uint64(c.y[i])
	}
	for max(n, timed) > 0xffff {
		n, timed = n/2, timed/2
		for i := range y {
			y[i] /= 2
		}
	}
	c.n, c.timed = uint16(n), uint16(timed)
	for i := range y {
		c.y[i] = uint16(min(y[i], uint64(c.of(i))))
	}
}

// of is how many requests one of the counts is of.
func (c *cell) of(count int) uint16 {
	if count >= countP50 {
		return c.timed
	}
	return c.n
}

// series are the cells of one instance and unit, oldest first; windows without traffic are left out.
type series []cell

// at gives the cell of window t, or nil. Cells are dense, so the guess mostly hits.
func (s series) at(t int32) *cell {
	if len(s) == 0 {
		return nil
	}
	i := len(s) - 1 - int(s[len(s)-1].at-t)
	if i >= len(s) {
		return nil
	}
	if i >= 0 && s[i].at == t {
		return &s[i]
	}
	i = sort.Search(len(s), func(i int) bool { return s[i].at >= t })
	if i < len(s) && s[i].at == t {
		return &s[i]
	}
	return nil
}

// since cuts off the cells before window t, once that is worth moving the rest.
func (s series) since(t int32) series {
	i := sort.Search(len(s), func(i int) bool { return s[i].at >= t })
	if i < 64 && i < len(s) {
		return s
	}
	return append(s[:0], s[i:]...)
}

// open gives the cell of window t, the newest.
func (s *series) open(t int32) *cell {
	if k := len(*s) - 1; k >= 0 && (*s)[k].at == t {
		return &(*s)[k]
	}
	*s = append(*s, cell{at: t})
	return &(*s)[len(*s)-1]
}

// instance is one running copy of one version.
type instance struct {
	unship.Instance
	version     string
	first, last int32
	streak      int32 // windows without a pause, up to the last
	settled     bool  // it already served when telemetry began
	units       []series
	slices      []series
	heard       []loadCell // windows in which it was heard of at all, with its requests
	events      [][]int32  // by event: windows that show it
	metrics     []gauge
	warmness    warmness // how much slower it may be when it starts
	warming     *warming // nil of settled ones
	trouble     int32    // windows in which instances usually fail when they start
	slowStart   int32    // … and in which usually some requests are very slow
}

func (i *instance) at(unit int, t int32) *cell {
	if unit >= len(i.units) {
		return nil
	}
	return i.units[unit].at(t)
}

func (i *instance) open(unit int, t int32) *cell {
	for unit >= len(i.units) {
		i.units = append(i.units, nil)
	}
	return i.units[unit].open(t)
}

// age in windows; a settled instance is as old as can be.
func (i *instance) age(t int32) int32 {
	if i.settled {
		return 1 << 30
	}
	return t - i.first
}

// unit is what is counted by itself: an operation, or the calls of an operation to one callee.
type unit struct {
	operation, callee string
	requests          uint64
	lat               *latency // of operations, and of what is asked for as a whole
	grown             grownRate
}

// name is the unit's name for people.
func (u *unit) name() string {
	if u.kind() == ofCalls {
		return u.operation + " → " + u.callee
	}
	return u.operation
}

// unitKind is what a unit counts.
type unitKind uint8

const (
	ofRequests unitKind = iota // of an operation, with its own time
	ofCalls                    // of an operation to a callee
	ofWhole                    // requests of an operation again, with their whole time
)

// wholeTime stands for the callee of a unit of that kind.
const wholeTime = "\x00"

func (u *unit) kind() unitKind {
	switch u.callee {
	case "":
		return ofRequests
	case wholeTime:
		return ofWhole
	}
	return ofCalls
}

type unitKey struct{ operation, callee string }

type instanceKey struct{ version, id string }

// service is everything known of one service.
type service struct {
	id        unship.Service
	first     int32
	last      int32
	units     []*unit
	unitOf    map[unitKey]int
	ops       int
	wholes    int // units of whole times
	instances []*instance
	instOf    map[instanceKey]*instance
	callers   relations                 // with who called its operations: bad requests are those that failed here
	demands   relations                 // likewise: bad requests are those that failed here or were refused
	answers   relations                 // with who answered its operations' calls: bad requests got an answer that they could not use
	names     map[string]unship.Service // whom the service calls by which name
	asked     []askedCell               // calls to the service, by its callers' word
	load      []loadCell                // requests by window
	watches   []*watch                  // open ones
	released  int32                     // window of the latest release; 0: none
	altered   int32                     // … of the latest that was no new version
	controls  []*control                // of watches that look at this service
	taught    *lesson                   // of the present history, while nothing is remembered
	memory    memory
	calls     map[string]bool // operations that are known to call
	slices    []*slice
	sliceOf   map[sliceKey]int
	events    []*event
	eventOf   map[eventKey]int
	metrics   []*metric
	warmups   []*warming // the latest starts that teach
	metricOf  map[metricKey]int
	forgotten int32 // nothing older than this window is kept
	estate    map[unship.Service]*service
	logged    bool // nothing but log records tells of its requests: see [watch.logsOtherwise]
	apart     bool // its failures and times are told apart from those of what it calls, as spans do
	stands    bool // a placebo's copy, which stands in the place of the service that it copies
}

type loadCell struct {
	at  int32
	bad uint32 // of a service: requests that failed or were rejected here
	// Requests of which spans are known to be missing.
	partial uint32
	n       uint64
	// Of what a service called.
	calls, callsFailed uint64
	garbled            uint64 // requests with a call that failed though its answer looked like success
}

func newService(id unship.Service, t int32) *service {
	return &service{
		id: id, first: t, last: t,
		unitOf:  map[unitKey]int{},
		instOf:  map[instanceKey]*instance{},
		callers: relations{},
		demands: relations{},
		answers: relations{},
		names:   map[string]unship.Service{},
		calls:   map[string]bool{},
		sliceOf: map[sliceKey]int{},
		eventOf: map[eventKey]int{},

		metricOf: map[metricKey]int{},
	}
}

// unit gives the index of an operation, or of its calls to a callee; -1 when calls are beyond the bound.
func (s *service) unit(operation, callee string) int {
	k := unitKey{operation, callee}
	if i, ok := s.unitOf[k]; ok {
		return i
	}
	switch {
	case callee == wholeTime && s.wholes >= maxOperations, callee != "" && callee != wholeTime && len(s.units)-s.ops-s.wholes >= maxCalls:
		return -1
	case callee == "" && s.ops >= maxOperations && operation != unship.OverflowOperation:
		return s.unit(unship.OverflowOperation, "")
	}
	u := &unit{operation: operation, callee: callee}
	if u.kind() != ofCalls {
		u.lat = &latency{}
	}
	switch u.kind() {
	case ofRequests:
		s.ops++
	case ofWhole:
		s.wholes++
	}
	s.units = append(s.units, u)
	s.unitOf[k] = len(s.units) - 1
	return len(s.units) - 1
}

// instance gives the instance of a window. Beyond the bound the instances of a version share one.
func (s *service) instance(w *unship.Window, t int32, bound int) *instance {
	k := instanceKey{w.Release.Version, w.Instance.ID}
	i, ok := s.instOf[k]
	if !ok && len(s.instances) >= bound {
		k.id = unship.OverflowOperation
		i, ok = s.instOf[k]
	}
	if !ok {
		i = &instance{Instance: w.Instance, version: w.Release.Version, first: t}
		i.ID = k.id
		s.instOf[k] = i
		at, _ := slices.BinarySearchFunc(s.instances, i, compareInstances)
		s.instances = slices.Insert(s.instances, at, i)
	}
	switch {
	case i.last == t-1:
		i.streak++
	case i.last != t:
		i.streak = 1
	}
	i.last = t
	if i.Node == "" {
		i.Node = w.Instance.Node
	}
	return i
}

// compareInstances keeps instances in an order that arrival does not change.
func compareInstances(a, b *instance) int {
	if a.version != b.version {
		if a.version < b.version {
			return -1
		}
		return 1
	}
	switch {
	case a.ID < b.ID:
		return -1
	case a.ID > b.ID:
		return 1
	}
	return 0
}

// candidate says whether a version is under watch.
func (s *service) candidate(version string) bool {
	for _, w := range s.watches {
		if w.release.Version == version {
			return true
		}
	}
	return false
}

// forget drops what is older than window from and instances that fell silent before it.
func (s *service) forget(from int32) {
	s.forgotten = max(s.forgotten, from)
	keep := s.instances[:0]
	for _, i := range s.instances {
		if i.last < from {
			delete(s.instOf, instanceKey{i.version, i.ID})
			continue
		}
		for u := range i.units {
			i.units[u] = i.units[u].since(from)
		}
		for k := range i.slices {
			i.slices[k] = i.slices[k].since(from)
		}
		i.forgetEvents(from)
		i.forgetMetrics(from)
		keep = append(keep, i)
	}
	clear(s.instances[len(keep):])
	s.instances = keep
	s.callers.forget(from)
	s.demands.forget(from)
	s.answers.forget(from)
	a := sort.Search(len(s.asked), func(j int) bool { return s.asked[j].at >= from })
	s.asked = append(s.asked[:0], s.asked[a:]...)
	j := sort.Search(len(s.load), func(j int) bool { return s.load[j].at >= from })
	s.load = append(s.load[:0], s.load[j:]...)
}

// requests gives the service's mean requests a window from window a up to b, exclusive.
func (s *service) requests(a, b int32) float64 {
	sum := uint64(0)
	for j := len(s.load) - 1; j >= 0 && s.load[j].at >= a; j-- {
		if s.load[j].at < b {
			sum += s.load[j].n
		}
	}
	return float64(sum) / float64(max(1, b-a))
}
