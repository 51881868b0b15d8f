package detect

import "slices"

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
