package detect

import (
	"maps"
	"math"
	"slices"
)

// spreadKey names what is asked of the estate.
type spreadKey struct {
	name  string
	block int32
	trend bool
	units int
	by    *service // a placebo's; nil for all releases
}

type estateSpread struct {
	deviation, mean float64
	instances       int
}

// spreadOf gives how much the levels of equal instances differ in the estate in
// one block, and of how many instances that is known: the deviations from the
// mean of their version, pooled over all services that have the metric.
func (d *Detector) spreadOf(by *service, m *metric, block int32) (deviation float64, instances int) {
	k := spreadKey{m.name + m.attributes, block, false, int(m.kind), by.placebo()}
	if x, ok := d.spreads[k]; ok {
		return x.deviation, x.instances
	}
	ss, df := 0.0, 0
	for _, s := range d.order {
		s = by.inPlaceOf(s)
		at, ok := s.metricOf[m.metricKey]
		if !ok {
			continue
		}
		byVersion, chance := map[string][]float64{}, map[string]float64{}
		for _, i := range s.instances {
			if s.candidate(i.version) {
				continue
			}
			v, ok := i.value(s, at, block, d.blockWindows())
			if ok && (m.scale != scaleLog || v > 0) && i.age(block*d.blockWindows()) >= int32(levelAge/d.opt.Window) {
				byVersion[i.version] = append(byVersion[i.version], m.onScale(v))
				if m.ofThings() && m.scale == scaleLog { // that counts differ by chance is not the instances' doing
					chance[i.version] += 1 / math.Max(1, i.metrics[at].at(block).sum)
				}
			}
		}
		for _, version := range slices.Sorted(maps.Keys(byVersion)) {
			v := byVersion[version]
			x := mean(v)
			ss -= chance[version] * float64(len(v)-1) / float64(len(v))
			for _, y := range v {
				ss += (y - x) * (y - x)
			}
			df += len(v) - 1
			if len(v) > 1 {
				instances += len(v)
			}
		}
	}
	if df > 0 {
		deviation = math.Sqrt(math.Max(0, ss) / float64(df))
	}
	d.spreads[k] = estateSpread{deviation: deviation, instances: instances}
	return deviation, instances
}
