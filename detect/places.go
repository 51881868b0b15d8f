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

// What places are granted where nothing old is left in the release's: as much as they
// differed before, as far as that is known, for instances that differ a little, and for
// places that differ by no more than so much where there was little to see.
const (
	placeDeviations = 2.5
	placePhi        = 2  // dispersion of the counts
	placeInstanceSD = .1 // of the log odds
	placeSD         = .3 // … of places
)

// vacancy is an attribute by which nothing of the baseline serves where the release does,
// though it did before: the old instance of a zone was replaced.
type vacancy struct {
	there, others []*instance // old ones, in the release's places and elsewhere
	h             history
	granted       map[*signal]float64 // worked out once a signal
}

// vacancies finds those of a look's places.
func (l *looks) vacancies(w *watch, h history) {
	for _, key := range l.places {
		if there, others := w.vacated(key, h); there != nil {
			l.vacant[key] = &vacancy{there, others, h, map[*signal]float64{}}
		}
	}
}

// vacated gives the old instances of such an attribute; nil if it is none.
func (w *watch) vacated(key string, h history) (there, others []*instance) {
	places := map[string]bool{} // of the release: whether something old served there
	for _, i := range w.candidates() {
		places[w.svc.placeOf(i, key)] = false
	}
	for _, i := range w.svc.instances {
		if i.version != w.baseline || i.first >= h.to {
			continue
		}
		place := w.svc.placeOf(i, key)
		switch _, here := places[place]; {
		case !here:
			others = append(others, i)
		case i.last >= w.begin+settleWindows:
			return nil, nil
		default:
			there = append(there, i)
			places[place] = true
		}
	}
	for place, known := range places {
		if !known || place == "" {
			return nil, nil
		}
	}
	return there, others
}

// allowance is the log odds that the place may be worse than others, by what its instances
// did before.
func (v *vacancy) allowance(s *service, sig *signal) float64 {
	if x, ok := v.granted[sig]; ok {
		return x
	}
	odds := func(of []*instance) (logOdds, variance float64) {
		var bad, all float64
		for _, i := range of {
			for u := range i.units {
				if s.units[u].kind() != sig.unit {
					continue
				}
				for k := range i.units[u] {
					if c := &i.units[u][k]; c.at >= v.h.from && c.at < v.h.to {
						x, n := sig.of(c)
						bad, all = bad+float64(x), all+float64(n)
					}
				}
			}
		}
		bad, good := bad+.5, all-bad+.5
		return math.Log(bad / good), placePhi*(1/bad+1/good) + placeInstanceSD*placeInstanceSD/float64(max(1, len(of)))
	}
	a, va := odds(v.there)
	b, vb := odds(v.others)
	v.granted[sig] = math.Max(0, a-b) + placeDeviations*math.Min(placeSD, math.Sqrt(va+vb))
	return v.granted[sig]
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
