package ingest

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"unship.dev"
)

// A service's requests are counted by up to maxSliceKeys attributes. Which ones is
// decided when a window closes, from this and earlier windows, and holds from the next
// window on; so it does not depend on the order in which data came.
//
// An attribute is chosen when a part of 1/minShare of the requests carries it, when it
// has 2 to maxSliceValues values, each backed by perValue requests (so that hardly any
// value is left unseen), and when one instance shows two of them (otherwise it tells
// instances or builds apart, which is done by other means). One that has more than
// giveUpValues is given up for good.
const (
	maxSliceKeys   = 4
	maxSliceValues = 16
	giveUpValues   = 32
	maxWatchedKeys = 64  // attributes of one service that are learned about at once
	sliceWindows   = 120 // the recent past: values not seen for so long are forgotten
	minShare       = 10
	perValue       = 20
)

// callerKey is the name of the slices by calling service.
const callerKey = "caller"

// sliceKey is what closing remembers of one attribute of a service.
type sliceKey struct {
	chosen   bool
	varied   bool   // one instance showed two values
	requests uint64 // that carried it, in the recent past
	values   map[string]*sliceValue
}

type sliceValue struct {
	last   int64 // window last seen in
	placed bool  // is told apart; others are counted under unship.OverflowOperation
}

// lesson is what one window teaches about the attributes of a service.
type lesson struct {
	requests uint64
	keys     map[string]*keyLesson
}

type keyLesson struct {
	requests uint64
	values   map[string]uint64 // requests by value; nil if over
	first    map[string]string // the value that each unit showed, until one varied
	varied   bool
	over     bool // too many values
}

func (l *lesson) key(name string) *keyLesson {
	if l.keys == nil {
		l.keys = map[string]*keyLesson{}
	}
	k := l.keys[name]
	if k == nil {
		k = &keyLesson{values: map[string]uint64{}, first: map[string]string{}}
		l.keys[name] = k
	}
	return k
}

// add notes n requests with a value. Unit is what must show two values for the
// attribute to vary: the instance or, of what is fixed in an instance, the release.
func (k *keyLesson) add(unit, value string, n uint64) {
	k.requests += n
	if !k.over {
		if k.values[value] += n; len(k.values) > giveUpValues {
			k.over, k.values = true, nil
		}
	}
	if k.varied {
		return
	}
	if first, ok := k.first[unit]; !ok {
		k.first[unit] = value
	} else if first != value {
		k.varied, k.first = true, nil
	}
}

// learn takes in a window's lesson and says which attributes were given up by it.
func (s *service) learn(l *lesson, index int64) (dropped []string) {
	s.age(index)
	s.requests += l.requests
	for _, name := range slices.Sorted(maps.Keys(l.keys)) {
		k := l.keys[name]
		if _, gone := s.dropped[name]; gone {
			continue
		}
		if s.learnKey(name, k, index) {
			dropped = append(dropped, name)
			s.dropped[name] = struct{}{}
			delete(s.keys, name)
		}
	}
	return dropped
}

// age forgets what is no longer the recent past.
func (s *service) age(index int64) {
	period := index / sliceWindows
	shift := min(max(period-s.period, 0), 63)
	s.period = max(s.period, period)
	s.requests >>= shift
	s.asks.age(shift)
	for name, k := range s.keys {
		k.requests >>= shift
		maps.DeleteFunc(k.values, func(_ string, v *sliceValue) bool { return v.last < index-sliceWindows })
		if len(k.values) == 0 {
			delete(s.keys, name)
		}
	}
}

// learnKey says whether the attribute turned out to have too many values.
func (s *service) learnKey(name string, l *keyLesson, index int64) (tooMany bool) {
	if l.over {
		return true
	}
	k := s.keys[name]
	if k == nil {
		if len(s.keys) >= maxWatchedKeys {
			return false
		}
		k = &sliceKey{values: map[string]*sliceValue{}}
		s.keys[name] = k
	}
	k.requests += l.requests
	k.varied = k.varied || l.varied
	k.see(l.values, index)
	return len(k.values) > giveUpValues
}

// see notes a window's values. Free places go to those seen most.
func (k *sliceKey) see(values map[string]uint64, index int64) {
	placed := 0
	var newcomers []string
	for value := range values {
		if v := k.values[value]; v == nil {
			k.values[strings.Clone(value)] = &sliceValue{last: index} // not the whole combination
		} else {
			v.last = max(v.last, index)
		}
	}
	for value, v := range k.values {
		if v.placed {
			placed++
		} else if values[value] > 0 {
			newcomers = append(newcomers, value)
		}
	}
	slices.SortFunc(newcomers, func(a, b string) int {
		return cmp.Or(cmp.Compare(values[b], values[a]), strings.Compare(a, b))
	})
	for _, value := range newcomers[:min(len(newcomers), max(maxSliceValues-placed, 0))] {
		k.values[value].placed = true
	}
}

// choose decides by which attributes the next window is sliced. Among equals those
// chosen stay.
func (s *service) choose() {
	var names []string
	for name, k := range s.keys {
		if k.chosen || s.eligible(k) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		x, y := s.keys[a], s.keys[b]
		return cmp.Or(cmp.Compare(keyRank(a), keyRank(b)), compareBool(y.chosen, x.chosen),
			cmp.Compare(y.requests, x.requests), strings.Compare(a, b))
	})
	for i, name := range names {
		s.keys[name].chosen = i < maxSliceKeys
	}
}

func (s *service) eligible(k *sliceKey) bool {
	n := len(k.values)
	return k.varied && n >= 2 && n <= maxSliceValues &&
		k.requests*minShare >= s.requests && k.requests >= uint64(perValue*n)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// chosen says whether requests are told apart by an attribute.
func (s *service) chosen(name string) bool {
	k := s.keys[name]
	return k != nil && k.chosen
}

// boundSlices leaves the slices of a service whose values have a place, and counts
// the others together.
func (s *service) boundSlices(list []unship.Slice) []unship.Slice {
	if s.settled(list) {
		return list
	}
	var kept unship.Operation
	for _, x := range list {
		k := s.keys[x.Key]
		if k == nil {
			continue // given up by this very window
		}
		if v := k.values[x.Value]; v == nil || !v.placed {
			x.Value = unship.OverflowOperation
		}
		kept.Merge(unship.Operation{Slices: []unship.Slice{x}})
	}
	return kept.Slices
}

// settled says that slices are sorted, one each, and all told apart.
func (s *service) settled(list []unship.Slice) bool {
	for i, x := range list {
		if i > 0 && cmp.Or(strings.Compare(list[i-1].Key, x.Key), strings.Compare(list[i-1].Value, x.Value)) >= 0 {
			return false
		}
		if k := s.keys[x.Key]; k == nil || k.values[x.Value] == nil || !k.values[x.Value].placed {
			return false
		}
	}
	return true
}

// remember teaches from what an earlier tick told of an operation.
func (s *service) remember(op *unship.Operation, index int64) {
	s.requests += op.Requests
	for _, x := range op.Slices {
		k := s.keys[x.Key]
		if k == nil {
			k = &sliceKey{chosen: true, varied: true, values: map[string]*sliceValue{}}
			s.keys[x.Key] = k
		}
		k.requests += x.Requests
		if x.Value == unship.OverflowOperation {
			continue
		}
		v := k.values[x.Value]
		if v == nil {
			v = &sliceValue{placed: true}
			k.values[x.Value] = v
		}
		v.last = max(v.last, index)
	}
}
