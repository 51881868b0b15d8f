package detect

import (
	"math"
	"slices"
	"time"

	"unship.dev/detect/stat"
)

// trendEvidence is the log e-value of the trend so far: the mean slope of the
// candidate's floors against those of all healthy instances of the estate, each
// in units of its service's own noise. Those are grown, and the candidate's may
// only be filling their caches: a block in which the growth may be slowing down as
// that does says nothing (e = 0), and while it may end before it hurts it does not act.
func (x *levelTest) trendEvidence(l *level, m *metric, block int32) float64 {
	n := x.floors(block)
	if n < trendFloors {
		return 0
	}
	unit := x.svc.roughness(l.metric, x.sides.candidate, block, n)
	if unit == 0 {
		return 0
	}
	var slopes, floors []float64
	course, noise := make([]float64, n), unit
	for _, i := range x.svc.instances {
		if x.sides.side(i) != 1 {
			continue
		}
		if y := i.floors(l.metric, block, n); y != nil {
			s, _ := stat.TheilSen(y, nil)
			slopes, floors = append(slopes, s), append(floors, y[len(y)-1])
			noise = math.Max(noise, stat.Roughness(y))
			for k := range y {
				course[k] += y[k]
			}
		}
	}
	if len(slopes) == 0 {
		return 0
	}
	ref := x.det.slopes(x.svc, m, block, n)
	l.few, l.idle = ref.instances < actReferences, false
	l.shown = l.few || len(slopes) < 2 || l.past
	l.candidates, l.references = len(slopes), ref.instances
	grown, ok := stat.GrowthOf(course)
	if ref.instances <= leastReferences || slices.Min(slopes) <= 0 || !ok {
		return 0
	}
	perHour := float64(time.Hour) / float64(levelBlock)
	l.candidate, l.baseline = mean(slopes)*perHour, ref.mean*unit*perHour
	se := math.Max(ref.deviation, leastSlope) * math.Sqrt(1/float64(len(slopes))+1/float64(ref.instances))
	l.se, l.nu = se*unit*perHour, math.Min(tailDF, float64(ref.instances-1))

	limit, known := x.limit(m, mean(floors))
	l.soon, l.full = time.Duration(math.Min((limit-mean(floors))/mean(slopes)*float64(levelBlock), float64(1000*time.Hour))), known
	k := float64(len(slopes))
	beyond := func(excess, deviation float64) bool { return excess > growsOn*deviation*noise*math.Sqrt(k) }
	l.settles = !beyond(grown.Filling(limit * k))
	l.shown = l.shown || l.soon > trendSoon || l.settles
	if !beyond(grown.Slowing(float64(settling) / float64(levelBlock))) {
		return math.Inf(-1)
	}
	return stat.StudentShift((mean(slopes)/unit-ref.mean)/se, l.nu)
}

// floors is how many blocks a trend up to a block is made of: those since the
// release began, less the first ones, in which programs grow by nature.
func (x *levelTest) floors(block int32) int {
	return int(block-x.begin) - int(levelAge/levelBlock)
}

// floors gives an instance's floors in the n blocks up to one, nil if any is missing.
func (i *instance) floors(metric int, block int32, n int) []float64 {
	if metric >= len(i.metrics) {
		return nil
	}
	out := make([]float64, 0, n)
	for b := block - int32(n) + 1; b <= block; b++ {
		x := i.metrics[metric].at(b)
		if x == nil {
			return nil
		}
		out = append(out, x.floor())
	}
	return out
}

// roughness is the noise of a service's floors around their trends: the median
// of its instances', of versions other than one where there are any.
func (s *service) roughness(metric int, but string, block int32, n int) float64 {
	var other, own []float64
	for _, i := range s.instances {
		y := i.floors(metric, block, n)
		if y == nil {
			continue
		}
		r := math.Max(stat.Roughness(y), trendRoughness*math.Abs(mean(y)))
		if i.version == but {
			own = append(own, r)
		} else {
			other = append(other, r)
		}
	}
	if len(other) == 0 {
		other = own
	}
	if len(other) == 0 {
		return 0
	}
	return median(other)
}

// slopes gives the slopes of the floors of all instances of the estate that are
// not under watch, in units of their services' noise.
func (d *Detector) slopes(by *service, m *metric, block int32, n int) estateSpread {
	k := spreadKey{m.name + m.attributes, block, true, n, by.placebo()}
	if x, ok := d.spreads[k]; ok {
		return x
	}
	var all, buf []float64
	for _, s := range d.order {
		s = by.inPlaceOf(s)
		at, ok := s.metricOf[m.metricKey]
		if !ok {
			continue
		}
		unit := s.roughness(at, "", block, n)
		for _, i := range s.instances {
			if s.candidate(i.version) || unit == 0 || i.age((block-int32(n)+1)*d.blockWindows()) < int32(levelAge/d.opt.Window) {
				continue
			}
			if y := i.floors(at, block, n); y != nil {
				var slope float64
				slope, buf = stat.TheilSen(y, buf)
				all = append(all, slope/unit)
			}
		}
	}
	x := estateSpread{deviation: deviation(all), mean: mean(all), instances: len(all)}
	d.spreads[k] = x
	return x
}

// limit is the known limit of the same service beyond a level, else twice the level.
func (x *levelTest) limit(m *metric, level float64) (limit float64, known bool) {
	limit = 2 * level
	for k, y := range x.svc.metrics {
		if !y.limitOf(m) {
			continue
		}
		for _, i := range x.svc.instances {
			if x.sides.side(i) == 1 && k < len(i.metrics) && i.metrics[k].seen && i.metrics[k].last > level {
				limit, known = i.metrics[k].last, true
			}
		}
	}
	return limit, known
}

// limitOf says that a metric is the limit of another: it has the same unit and
// limits the same thing, such as memory.
func (m *metric) limitOf(x *metric) bool {
	own := nameWords(x.name)
	return m.limit && m.unit == x.unit && slices.ContainsFunc(nameWords(m.name), func(t string) bool { return fillsUp[t] && slices.Contains(own, t) })
}
