package detect

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"strings"

	"unship.dev"
	"unship.dev/detect/stat"
)

// Bounds of what is looked at by slice.
const (
	maxSlices       = 96  // kept of one service: an operation's requests with one value of one attribute
	maxSliceStreams = 16  // slices of a release with streams of their own, for each signal
	maxPartitions   = 3   // attributes by which pooled streams are stratified
	maxValues       = 8   // of one attribute and operation that are strata of their own
	maxStrata       = 64  // of one stream
	keyCoverage     = .05 // of the requests: an attribute that fewer carry cannot shift the total much
)

// slice is an operation's requests that carry one value of one attribute.
type slice struct {
	unit       int
	key, value string
	last       int32
}

// name is the slice for people, whatever the operation.
func (s *slice) name() string { return s.key + "=" + s.value }

type sliceKey struct {
	unit       int
	key, value string
}

// slice gives the index of a slice of an operation; -1 beyond the bound. A place
// whose slice has been silent for longer than anything looks back is used again.
func (s *service) slice(unit int, key, value string, t int32) int {
	k := sliceKey{unit, key, value}
	if i, ok := s.sliceOf[k]; ok {
		s.slices[i].last = t
		return i
	}
	if s.units[unit].operation == unship.OverflowOperation {
		return -1
	}
	at := len(s.slices)
	if at == maxSlices {
		at = slices.IndexFunc(s.slices, func(x *slice) bool { return x.last < s.forgotten })
		if at < 0 {
			return -1
		}
		old := s.slices[at]
		delete(s.sliceOf, sliceKey{old.unit, old.key, old.value})
	} else {
		s.slices = append(s.slices, nil)
	}
	s.slices[at] = &slice{unit: unit, key: key, value: value, last: t}
	s.sliceOf[k] = at
	return at
}

// readSlices counts an operation's slices, slow requests by the operation's thresholds.
func (s *service) readSlices(i *instance, unit int, p *unship.Operation, t int32, y yardstick) {
	for k := range p.Slices {
		x := &p.Slices[k]
		at := s.slice(unit, x.Key, x.Value, t)
		if at < 0 {
			continue
		}
		for at >= len(i.slices) {
			i.slices = append(i.slices, nil)
		}
		n := [counts]uint64{countFailedHere: x.FailedHere, countFailed: x.FailedHere, countRejected: x.Rejected}
		c := i.slices[at].open(t)
		lat := y.slow(x.Duration, &n)
		c.add(x.Requests, x.Duration.Total(), n)
		c.lat, c.starting = lat, i.starting(t)
	}
}

// stratum is what one 2×2 table is made of: an operation, the calls of an
// operation to one callee, or a slice of an operation.
type stratum struct {
	unit  int
	slice int   // index of the slice and 1; 0: all requests
	less  []int // slices that are left out
	// For an attribute that tells instances apart, such as a region:
	place int   // of instances whose requests are in this slice; its index and 1; 0: of all
	not   []int // of instances whose requests are in none of these
	// The attribute of which it is read only while nothing old serves where the release does; "": always.
	vacated string
}

func (st *stratum) equal(o *stratum) bool {
	return st.unit == o.unit && st.slice == o.slice && st.place == o.place && st.vacated == o.vacated && slices.Equal(st.less, o.less) && slices.Equal(st.not, o.not)
}

func wholeUnits(units []int) []stratum {
	out := make([]stratum, len(units))
	for k, u := range units {
		out[k].unit = u
	}
	return out
}

// read gives what the instance did in window t in a stratum; false without traffic.
func (i *instance) read(st *stratum, t int32) (cell, bool) {
	if !st.holds(i, t) {
		return cell{}, false
	}
	if st.slice > 0 {
		return i.slice(st.slice-1, t)
	}
	x := i.at(st.unit, t)
	if x == nil {
		return cell{}, false
	}
	c := *x
	for _, k := range st.less {
		if y, ok := i.slice(k, t); ok {
			c.subtract(&y)
		}
	}
	return c, c.n > 0
}

func (i *instance) slice(k int, t int32) (cell, bool) {
	if k >= len(i.slices) {
		return cell{}, false
	}
	if c := i.slices[k].at(t); c != nil {
		return *c, true
	}
	return cell{}, false
}

// subtract takes away what a part of the cell counted. Two cells that were
// thinned differently may leave less than nothing, which is nothing.
func (c *cell) subtract(part *cell) {
	c.n -= min(c.n, part.n)
	c.timed -= min(c.timed, part.timed)
	for k := range c.y {
		c.y[k] = min(c.y[k]-min(c.y[k], part.y[k]), c.of(k))
	}
}

// sum adds up what some instances did in a stratum in their history.
func (s *service) sum(st *stratum, of func(*instance) bool, h history) (all rates) {
	for _, i := range s.instances {
		if !of(i) {
			continue
		}
		v := i.series(st)
		for k := sort.Search(len(v), func(k int) bool { return v[k].at >= h.from }); k < len(v) && v[k].at < h.to; k++ {
			if c, ok := i.read(st, v[k].at); ok {
				all.n, all.timed = all.n+float64(c.n), all.timed+float64(c.timed)
				for j := range c.y {
					all.y[j] += float64(c.y[j])
				}
			}
		}
	}
	return all
}

// rates are the sums of many cells.
type rates struct {
	n, timed float64
	y        [counts]float64
}

// of is how many requests one of the counts is of.
func (r *rates) of(count int) float64 {
	if count >= countP50 {
		return r.timed
	}
	return r.n
}

// series gives the cells that a stratum is read from.
func (i *instance) series(st *stratum) series {
	switch {
	case st.slice > 0 && st.slice <= len(i.slices):
		return i.slices[st.slice-1]
	case st.slice == 0 && st.unit < len(i.units):
		return i.units[st.unit]
	}
	return nil
}

// sliceTraffic is a slice with its part of the traffic before a release.
type sliceTraffic struct {
	index int
	rates
}

// sliceHistory gives what some instances did in every slice that had traffic, most traffic first.
func (s *service) sliceHistory(of func(*instance) bool, h history) []sliceTraffic {
	var out []sliceTraffic
	for k, x := range s.slices {
		if r := s.sum(&stratum{unit: x.unit, slice: k + 1}, of, h); r.n >= minCalls {
			out = append(out, sliceTraffic{k, r})
		}
	}
	slices.SortFunc(out, func(a, b sliceTraffic) int {
		x, y := s.slices[a.index], s.slices[b.index]
		return cmp.Or(-cmp.Compare(a.n, b.n), cmp.Compare(x.key, y.key), cmp.Compare(x.value, y.value),
			compareUnits(s.units[x.unit], s.units[y.unit]))
	})
	return out
}

// looks is what a comparison knows of slices before it begins, so that which
// streams exist and how operations are divided depends on nothing that it tests.
type looks struct {
	svc      *service
	slices   []sliceTraffic
	keys     []string // by which pooled streams are stratified, at least "", none …
	places   []string // … and those of them that tell instances apart
	granted  map[placeSignal]float64
	requests float64
	of       map[int]float64 // requests by operation
}

// looks chooses the attributes by which operations are divided: those that most
// requests carry, with more than one value.
func (s *service) looks(of func(*instance) bool, h history, ops []share) looks {
	l := looks{svc: s, slices: s.sliceHistory(of, h), of: map[int]float64{}, granted: map[placeSignal]float64{}}
	for _, u := range ops {
		l.requests += u.requests
		l.of[u.unit] = u.requests
	}
	covered, most := map[string]float64{}, map[string]map[string]float64{}
	for _, x := range l.slices {
		y := s.slices[x.index]
		covered[y.key] += x.n
		if most[y.key] == nil {
			most[y.key] = map[string]float64{}
		}
		most[y.key][y.value] += x.n
	}
	for key, n := range covered {
		one := 0.0
		for _, v := range most[key] {
			one = max(one, v)
		}
		if n >= keyCoverage*l.requests && one < (1-keyCoverage)*l.requests {
			l.keys = append(l.keys, key)
		}
	}
	apart := map[string]int{}
	for _, key := range l.keys {
		if l.tellsApart(key, of, h) {
			apart[key] = 1
		}
	}
	slices.SortFunc(l.keys, func(a, b string) int {
		return cmp.Or(-cmp.Compare(apart[a], apart[b]), -cmp.Compare(covered[a], covered[b]), cmp.Compare(a, b))
	})
	l.keys = l.keys[:min(len(l.keys), maxPartitions)]
	l.places = l.keys[:min(len(l.keys), len(apart))]
	if len(l.keys) == 0 {
		l.keys = []string{""}
	}
	return l
}

// divide gives the strata of some operations when they are divided by an
// attribute, and by stratum the place of its operation. What carries none of the
// attribute's leading values is a stratum as well.
func (l *looks) divide(units []int, key string) (strata []stratum, place []int) {
	for k, u := range units {
		rest := stratum{unit: u}
		room := maxStrata - len(strata) - (len(units) - k)
		for _, x := range l.slices {
			y := l.svc.slices[x.index]
			if key == "" || y.key != key || y.unit != u || len(rest.less) >= min(maxValues, room) {
				continue
			}
			rest.less = append(rest.less, x.index)
			strata, place = append(strata, stratum{unit: u, slice: x.index + 1}), append(place, k)
		}
		strata, place = append(strata, rest), append(place, k)
	}
	return strata, place
}

// sliceLook is one slice that gets a stream: a value in all operations or in one.
type sliceLook struct {
	name     string
	strata   []stratum
	requests float64
}

// streams gives the slices with streams of their own, most traffic first: each
// value over all operations, stratified, and each value in each operation. One
// that is nearly all of its operations has nothing to add to them.
func (l *looks) streams() []sliceLook {
	var out, wide []sliceLook
	at := map[string]int{}
	for _, x := range l.slices {
		y := l.svc.slices[x.index]
		one := sliceLook{y.name(), []stratum{{unit: y.unit, slice: x.index + 1}}, x.n}
		if x.n < (1-keyCoverage)*l.of[y.unit] {
			out = append(out, one)
		}
		k, ok := at[one.name]
		if !ok {
			at[one.name] = len(wide)
			wide = append(wide, one)
			continue
		}
		wide[k].requests += x.n
		if len(wide[k].strata) < maxValues {
			wide[k].strata = append(wide[k].strata, one.strata[0])
		}
	}
	for _, x := range wide {
		if len(x.strata) > 1 && x.requests < (1-keyCoverage)*l.requests {
			out = append(out, x)
		}
	}
	slices.SortStableFunc(out, func(a, b sliceLook) int { return -cmp.Compare(a.requests, b.requests) })
	return out[:min(len(out), maxSliceStreams)]
}

// finer is an operation's calibration for strata of it: dispersion is that of
// the operations, which the strata's cannot exceed but by the mix, rates are the
// strata's own.
func (s *service) finer(sig *signal, cal *stat.Calibration, strata []stratum, place []int, of func(*instance) bool, h history) *stat.Calibration {
	c := *cal
	c.P, c.PhiW = make([]float64, len(strata)), make([]float64, len(strata))
	for k := range strata {
		r := s.sum(&strata[k], of, h)
		p := cal.P[place[k]]
		c.P[k] = (r.y[sig.count] + pseudoRequests*p) / (r.of(sig.count) + pseudoRequests)
		c.PhiW[k] = cal.PhiW[place[k]]
	}
	return &c
}

// pseudoRequests is what the operation's rate is worth beside a stratum's own history.
const pseudoRequests = 20

// addSlices gives slices streams of their own and tells how much weight they take:
// half of what single streams have, in the order of their traffic. Their order
// weights 6/(π²i²) sum to one however many there are.
func (c *comparison) addSlices(w *watch, sig *signal, look *looks, h history, prior *stat.Prior) float64 {
	if sig.kind == unship.SignalInclusiveError { // slices count what fails here
		return 0
	}
	streams := look.streams()
	for k, x := range streams {
		all := make([]stat.Cells, len(x.strata))
		for j := range x.strata {
			all[j] = c.svc.cells(sig, x.strata[j], w.baseline, h)
		}
		s := &stream{signal: sig, slice: x.name, single: true, opt: c.options(w, sig, stat.CalibrateTogether(all, prior))}
		for _, st := range x.strata {
			s.units = append(s.units, st.unit)
		}
		s.weight = sig.weight / 4 * orderWeight(k)
		s.divisions = []*division{newDivision(x.strata, s.opt)}
		for _, key := range look.places {
			if strings.HasPrefix(x.name, key+"=") {
				continue
			}
			o := s.opt
			strata, place := look.locate(x.strata, key)
			more, of := look.beside(x.strata, key)
			strata, place = append(strata, more...), append(place, of...)
			o.Offsets = look.offsets(w, key, sig, strata, h)
			o.Calibration = c.svc.finer(sig, o.Calibration, strata, place, isVersion(w.baseline), h)
			s.divisions = append(s.divisions, newDivision(strata, o))
		}
		c.add(s)
	}
	if len(streams) == 0 {
		return 0
	}
	return sig.weight / 4
}

// orderWeight is the weight of the i-th stream, from 0, of a list without end:
// 6/(π²(i+1)²), which sums to one.
func orderWeight(i int) float64 { return 6 / (math.Pi * math.Pi * float64((i+1)*(i+1))) }

// seeSlices keeps the durations of both cohorts for what findings show.
func (w *watch) seeSlices(unit int, candidate bool, p *unship.Operation) {
	for k := range p.Slices {
		at, ok := w.svc.sliceOf[sliceKey{unit, p.Slices[k].Key, p.Slices[k].Value}]
		if !ok {
			continue
		}
		for at >= len(w.shownSlices) {
			w.shownSlices = append(w.shownSlices, shown{})
		}
		if candidate {
			w.shownSlices[at].candidate.Merge(p.Slices[k].Duration)
		} else {
			w.shownSlices[at].baseline.Merge(p.Slices[k].Duration)
		}
	}
}
