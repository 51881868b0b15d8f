package detect

import (
	"math"
	"slices"
	"strings"
)

// balance tells how differently the requests of two cohorts are made up: by how much of
// them the shares of an attribute's values differ. Another make-up alone changes the share
// of bad requests by no more than that (the total variation distance bounds the difference
// of any event's probability), so what cannot be divided by the attribute, because nobody
// counted it so, counts only beyond it: calls, whole times, and slices by another attribute.
type balance struct {
	units  [][2]float64 // requests of candidate and baseline, by unit
	timed  [][2]float64 // … and those of them with a duration
	slices [][2]float64 // by slice
	uneven []uneven     // as of the windows so far
}

// uneven is an attribute whose values differ in an operation's requests.
type uneven struct {
	unit int
	key  string
	by   float64 // total variation distance, beyond what chance brings
}

// read takes in window t. What it finds holds from the next window on, so that it
// depends on nothing that is tested with it.
func (b *balance) read(c *comparison, t int32) {
	s := c.svc
	for len(b.units) < len(s.units) {
		b.units, b.timed = append(b.units, [2]float64{}), append(b.timed, [2]float64{})
	}
	for len(b.slices) < len(s.slices) {
		b.slices = append(b.slices, [2]float64{})
	}
	for _, i := range s.instances {
		side := c.sides.side(i)
		if side == 0 {
			continue
		}
		for u := range i.units {
			if x := i.units[u].at(t); x != nil && s.units[u].kind() == ofRequests {
				b.units[u][side-1] += float64(x.n)
				b.timed[u][side-1] += float64(x.timed)
			}
		}
		for k := range i.slices {
			if x := i.slices[k].at(t); x != nil {
				b.slices[k][side-1] += float64(x.n)
			}
		}
	}
	b.compare(s, c.outcomes)
}

func (b *balance) compare(s *service, o *outcomes) {
	b.uneven = b.uneven[:0]
	for k, x := range s.slices {
		all := b.units[x.unit]
		if all[0] == 0 || all[1] == 0 || o != nil && o.keys[x.key] {
			continue
		}
		p, q := b.slices[k][0]/all[0], b.slices[k][1]/all[1]
		r := (b.slices[k][0] + b.slices[k][1]) / (all[0] + all[1])
		chance := math.Sqrt(r * (1 - r) * (1/all[0] + 1/all[1]))
		if more := math.Abs(p-q) - chance; more > 0 {
			b.add(x.unit, x.key, more/2)
		}
	}
}

func (b *balance) add(unit int, key string, by float64) {
	for k := range b.uneven {
		if x := &b.uneven[k]; x.unit == unit && x.key == key {
			x.by += by
			return
		}
	}
	b.uneven = append(b.uneven, uneven{unit, key, by})
}

// of gives how uneven the requests of an operation are by any attribute but one, each times
// by how much the rates of bad requests may differ between its values.
func (b *balance) of(unit int, but string, spread func(key string) float64) (by float64) {
	for _, x := range b.uneven {
		if x.unit == unit && x.key != but {
			by = math.Max(by, x.by*spread(x.key))
		}
	}
	return by
}

// guard says that a stream's requests are not divided by what the requests carry, and
// which attribute they are chosen by.
func (s *stream) guard() (guarded bool, key string) {
	key, _, _ = strings.Cut(s.slice, "=")
	return s.slice != "" || s.signal.unit != ofRequests, key
}

// rateSpread is by how much the rate of a slot's bad requests may differ between the values of an
// attribute: by all there is, where it tells requests apart; between places by no more than old
// instances there showed before the release, and than places are granted that none of them was in.
func (s *slot) rateSpread(c *comparison, key string) float64 {
	if !slices.Contains(c.places, key) && !slices.Contains(siteKeys, key) {
		return 1
	}
	if x, ok := s.spreads[key]; ok {
		return x
	}
	by := map[string]rate{}
	for _, i := range c.svc.instances {
		if i.version == c.sides.baseline {
			r := c.svc.sum(&s.strata[s.stratum], func(x *instance) bool { return x == i }, history{c.start - maxKept, c.start})
			at := by[c.svc.placeOf(i, key)]
			by[c.svc.placeOf(i, key)] = rate{at.x + r.y[s.signal.count], at.n + r.of(s.signal.count)}
		}
	}
	low, high := 1.0, 0.0
	for _, r := range by { // extremes: the order does not matter
		p := (r.x + .5) / (r.n + 1)
		sd := math.Sqrt(placePhi * p * (1 - p) / (r.n + 1))
		low, high = math.Min(low, math.Max(0, p-2*sd)), math.Max(high, math.Min(1, p+2*sd))
	}
	if s.spreads == nil {
		s.spreads = map[string]float64{}
	}
	s.spreads[key] = math.Max(0, timesOdds(high, math.Exp(placeDeviations*placeSD))-low)
	return s.spreads[key]
}

// evensOut is for how many windows bad requests that another make-up explains, and that did
// not come, may come yet.
const evensOut = 12

// explained gives how many bad requests of each of the frame's cells another make-up
// explains: so many as it does in this window and in those before that had fewer, rounded
// up, and of each of the candidate's instances in proportion to its requests.
func (c *comparison) explained(s *slot, f *frame) []int {
	s.takes = append(s.takes[:0], make([]int, len(s.counts))...)
	if !s.guarded && !s.ownTime {
		return s.takes
	}
	unit := s.strata[s.stratum].unit
	if x := c.svc.units[unit]; x.kind() != ofRequests {
		unit = c.svc.unitOf[unitKey{x.operation, ""}]
	}
	all := 0
	for k, x := range s.counts {
		if f.seen[k].candidate {
			all += x.n
		}
	}
	by := 0.0
	if s.guarded {
		by = c.balance.of(unit, s.key, func(key string) float64 { return s.rateSpread(c, key) })
	}
	if s.ownTime && c.svc.units[unit].lat.self {
		by += c.balance.moreTimed(unit)
	}
	now := float64(all) * by
	s.explained = math.Min(s.explained+now, float64(s.taken)+evensOut*now)
	want := int(math.Ceil(s.explained)) - s.taken
	for k, x := range s.counts {
		if f.seen[k].candidate && want > 0 && all > 0 {
			s.takes[k] = min(x.raw, (want*x.n+all-1)/all)
			s.taken += s.takes[k]
		}
	}
	return s.takes
}
