package detect

import (
	"math"
	"slices"
)

// tellsApart says that every instance is wholly in one value of an attribute: the
// attribute is of places, not of requests, and a release that comes to one place
// first is compared with the old version elsewhere unless it is divided by it.
func (l *looks) tellsApart(key string, of func(*instance) bool, h history) bool {
	for _, i := range l.svc.instances {
		if !of(i) {
			continue
		}
		one := ""
		for _, x := range l.slices {
			y := l.svc.slices[x.index]
			if y.key != key || !i.had(x.index, h) {
				continue
			}
			if one != "" && one != y.value {
				return false
			}
			one = y.value
		}
	}
	return true
}

// locate divides the strata of a slice by an attribute that tells instances apart,
// and gives by stratum the place of the one it is part of.
func (l *looks) locate(of []stratum, key string) (strata []stratum, place []int) {
	for k, st := range of {
		rest, room := st, maxStrata-len(strata)-(len(of)-k)
		for _, x := range l.slices {
			y := l.svc.slices[x.index]
			if y.key != key || y.unit != st.unit || len(rest.not) >= min(maxValues, room) {
				continue
			}
			rest.not = append(rest.not, x.index)
			part := st
			part.place = x.index + 1
			strata, place = append(strata, part), append(place, k)
		}
		strata, place = append(strata, rest), append(place, k)
	}
	return strata, place
}

// holds says whether an instance is of those that a stratum is about.
func (st *stratum) holds(i *instance, t int32) bool {
	if st.place > 0 && !i.mostly(st.unit, st.place-1, t) {
		return false
	}
	return !slices.ContainsFunc(st.not, func(k int) bool { return i.mostly(st.unit, k, t) })
}

// mostly says that more than half of what an instance served of an operation in
// window t is in a slice: all of it, but for what was told without attributes.
func (i *instance) mostly(unit, slice int, t int32) bool {
	all := i.at(unit, t)
	part, _ := i.slice(slice, t)
	return all != nil && 2*part.n > all.n
}

// had says that an instance served requests of a slice.
func (i *instance) had(slice int, h history) bool {
	return slice < len(i.slices) && slices.ContainsFunc(i.slices[slice], func(c cell) bool { return c.at >= h.from && c.at < h.to && c.n > 0 })
}

// elsewhere names the attribute by which nothing of the baseline serves where the
// release does; "" if there is none: only places are compared then, not versions.
func (w *watch) elsewhere() string {
	if w.conc == nil || w.past != nil {
		return ""
	}
	for _, key := range w.conc.places {
		var at [2][]string
		for _, i := range w.svc.instances {
			if side := w.conc.sides.side(i); side > 0 && i.last >= w.begin+settleWindows {
				at[side-1] = append(at[side-1], w.svc.placeOf(i, key))
			}
		}
		if len(at[0]) > 0 && !slices.ContainsFunc(at[0], func(p string) bool { return slices.Contains(at[1], p) }) {
			return key
		}
	}
	return ""
}

// placeOf gives the value of an attribute that tells instances apart, as an
// instance last had it.
func (s *service) placeOf(i *instance, key string) (value string) {
	if key == "" {
		return ""
	}
	last := int32(math.MinInt32)
	for k, v := range i.slices {
		if len(v) > 0 && s.slices[k].key == key && v[len(v)-1].at > last {
			value, last = s.slices[k].value, v[len(v)-1].at
		}
	}
	return value
}
