package detect

import (
	"cmp"
	"math"
	"slices"

	"unship.dev/detect/stat"
)

// badness puts a point on a scale on which more is worse.
func (m *metric) badness(v float64) float64 {
	if m.worse < 0 {
		return -v
	}
	return v
}

// told is what a series told interval by interval: the mean over instances.
type told struct {
	every int32
	first int32 // of the intervals
	mean  []float64
	n     []int
}

// told sums up a series until window last.
func (k siteOf) told(last int32, of func(*instance) bool) (x told) {
	x.every, x.first = k.interval(), math.MaxInt32
	m := k.holder.metrics[k.metric]
	each := func(f func(p point)) {
		for _, i := range k.holder.instances[:min(len(k.holder.instances), siteInstances)] {
			if k.metric < len(i.metrics) && of(i) {
				for _, p := range i.metrics[k.metric].points {
					f(p)
				}
			}
		}
	}
	each(func(p point) { x.first = min(x.first, p.at/x.every) })
	length := max(0, (last+1)/x.every-x.first)
	x.mean, x.n = make([]float64, length), make([]int, length)
	each(func(p point) {
		if b := p.at/x.every - x.first; b < length {
			x.n[b]++
			x.mean[b] += (m.badness(p.v) - x.mean[b]) / float64(x.n[b])
		}
	})
	return x
}

// since ranks what some instances told since window at among all that was told before.
func (k siteOf) since(at, last int32, of func(*instance) bool) (r stat.Ranks) {
	var o stat.Order
	all := k.told(last, anyInstance)
	begin := int(max(0, at/all.every-all.first))
	for b := range all.mean[:min(begin, len(all.mean))] {
		if all.n[b] > 0 {
			o.Keep(all.mean[b])
		}
	}
	if o.Len() < fewPoints {
		return r
	}
	own := k.told(last, of)
	for b, v := range own.mean {
		if t := (int32(b) + own.first) * own.every; own.n[b] > 0 && t/all.every >= at/all.every {
			r.Meet(int(t), &o, v)
		}
	}
	return r
}

// silence ranks the intervals since window at by whether the series told anything.
func (k siteOf) silence(at, last int32) (r stat.Ranks) {
	var o stat.Order
	all := k.told(last, anyInstance)
	for b, n := range all.n {
		silent := 0.0
		if n == 0 {
			silent = 1
		}
		t := (int32(b) + all.first) * all.every
		switch {
		case t/all.every < at/all.every:
			o.Keep(silent)
		case o.Len() >= fewPoints:
			r.Meet(int(t), &o, silent)
		}
	}
	return r
}

func comparePoints(a, b point) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.v, b.v)) }

// beside ranks the points of a release among those that the version before it
// told in the same interval.
func (k siteOf) beside(candidate, baseline string, from, every int32) (r stat.Ranks) {
	m := k.holder.metrics[k.metric]
	by := map[int32]*stat.Order{}
	var own []point
	for _, i := range k.holder.instances[:min(len(k.holder.instances), siteInstances)] {
		if k.metric >= len(i.metrics) || i.version != candidate && i.version != baseline {
			continue
		}
		for _, p := range i.metrics[k.metric].points {
			switch {
			case p.at < from:
			case i.version == candidate:
				own = append(own, p)
			default:
				if by[p.at/every] == nil {
					by[p.at/every] = &stat.Order{}
				}
				by[p.at/every].Keep(m.badness(p.v))
			}
		}
	}
	slices.SortFunc(own, comparePoints)
	for _, p := range own {
		if o := by[p.at/every]; o != nil {
			r.Meet(int(p.at), o, m.badness(p.v))
		}
	}
	return r
}

// interval is how many windows lie between two points of a series.
func (k siteOf) interval() int32 {
	every := int32(1)
	for _, i := range k.holder.instances {
		if k.metric < len(i.metrics) {
			if p := i.metrics[k.metric].points; len(p) > 1 {
				n := int32(len(p) - 1)
				every = max(every, min(maxPointWindows, (p[n].at-p[0].at+n-1)/n))
			}
		}
	}
	return every
}
