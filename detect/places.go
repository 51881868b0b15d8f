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
// release does, so that versions are compared across places; "" if there is none.
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

// What places are granted in windows in which nothing old serves where the release does: as
// much as they differed before, as far as that is known, for instances that differ a little,
// and for places that differ by no more than so much where there was little to see.
const (
	placeDeviations = 2.5
	placePhi        = 2  // dispersion of the counts
	placeInstanceSD = .1 // of the log odds
	placeSD         = .3 // … of places
)

// beside are a place's strata once more, undivided, for the windows in which nothing of the
// baseline serves where the release does: the old instance of a zone is gone, or there was
// none. units gives by stratum which of all it is part of.
func (l *looks) beside(all []stratum, key string) (strata []stratum, units []int) {
	for k, st := range all {
		st.vacated = key
		strata, units = append(strata, st), append(units, k)
	}
	return strata, units
}

// offsets are by stratum the log odds that the candidate may be worse because of its place.
func (l *looks) offsets(w *watch, key string, sig *signal, strata []stratum, h history) []float64 {
	allowance := l.allowance(w, key, sig, h)
	out := make([]float64, len(strata))
	for k := range strata {
		if strata[k].vacated != "" {
			out[k] = allowance
		}
	}
	return out
}

// placeSignal is a signal in the places of an attribute.
type placeSignal struct {
	key string
	sig *signal
}

// allowance is the log odds that any of the places may be worse than the others, by what old
// instances there did before; of a place that none of them served, what places are granted at
// most.
func (l *looks) allowance(w *watch, key string, sig *signal, h history) float64 {
	if x, ok := l.granted[placeSignal{key, sig}]; ok {
		return x
	}
	by := map[string][]*instance{}
	for _, i := range w.svc.instances {
		if i.version == w.baseline && i.first < h.to {
			at := w.svc.placeOf(i, key)
			by[at] = append(by[at], i)
		}
	}
	most := 0.0
	for place, there := range by { // the largest: the order does not matter
		var others []*instance
		for at, all := range by {
			if at != place {
				others = append(others, all...)
			}
		}
		a, va := placeOdds(w.svc, there, sig, h)
		b, vb := placeOdds(w.svc, others, sig, h)
		most = math.Max(most, math.Max(0, a-b)+placeDeviations*math.Min(placeSD, math.Sqrt(va+vb)))
	}
	for _, i := range w.candidates() {
		if _, known := by[w.svc.placeOf(i, key)]; !known {
			most = math.Max(most, placeDeviations*placeSD)
		}
	}
	l.granted[placeSignal{key, sig}] = most
	return most
}

// placeOdds are the log odds of a signal at some instances, and their variance.
func placeOdds(s *service, of []*instance, sig *signal, h history) (logOdds, variance float64) {
	var bad, all float64
	for _, i := range of {
		for u := range i.units {
			if s.units[u].kind() != sig.unit {
				continue
			}
			for k := range i.units[u] {
				if c := &i.units[u][k]; c.at >= h.from && c.at < h.to {
					x, n := sig.of(c)
					bad, all = bad+float64(x), all+float64(n)
				}
			}
		}
	}
	bad, good := bad+.5, all-bad+.5
	return math.Log(bad / good), placePhi*(1/bad+1/good) + placeInstanceSD*placeInstanceSD/float64(max(1, len(of)))
}

// meeting is whether old and new instances serve in the same place of an attribute.
type meeting struct {
	key  string
	at   int32
	meet bool
}

// meets says that in window t something old serves in a place where something new does.
func (c *comparison) meets(key string, t int32) bool {
	for _, m := range c.meetings {
		if m.key == key && m.at == t {
			return m.meet
		}
	}
	var at [2]map[string]bool
	for _, i := range c.svc.instances {
		side := c.sides.side(i)
		if _, served := i.heardAt(t); side == 0 || !served {
			continue
		}
		if at[side-1] == nil {
			at[side-1] = map[string]bool{}
		}
		at[side-1][c.svc.placeOf(i, key)] = true
	}
	m := meeting{key: key, at: t}
	for place := range at[0] {
		m.meet = m.meet || at[1][place]
	}
	c.meetings = append(slices.DeleteFunc(c.meetings, func(m meeting) bool { return m.at != t }), m)
	return m.meet
}

// granted is the log odds that a division grants the candidate's place in window t.
func (c *comparison) granted(d *division, t int32) float64 {
	k := slices.IndexFunc(d.strata, func(st stratum) bool { return st.vacated != "" })
	if k < 0 || c.meets(d.strata[k].vacated, t) {
		return 0
	}
	return d.opt.Offsets[k]
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
