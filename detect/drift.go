package detect

import (
	"fmt"
	"math"

	"unship.dev/detect/stat"
)

// driftBlocks are the latest blocks over which a level that may fill up must have stood still
// before a release is called healthy: six minutes.
const driftBlocks = 3

// drifts says, in words, that what may fill up, such as memory, still grows on the release's
// instances and not on old ones, so fast that it would be full soon. That takes no proof of a
// leak, for which [levelTest] waits: what starts may only be filling its caches. But nobody
// would call it healthy before it stands still.
func (d *Detector) drifts(w *watch, t int32) string {
	block := (t+1)/d.blockWindows() - 1
	x := levelTest{svc: w.svc, sides: cohorts{candidate: w.release.Version, baseline: w.baseline}}
	for k, m := range w.svc.metrics {
		if !m.grows {
			continue
		}
		mine, old := w.svc.course(k, w.release.Version, block), w.svc.course(k, w.baseline, block)
		if mine.n == 0 || mine.slope <= 0 {
			continue
		}
		noise := max(w.svc.unrest(k, w.baseline), w.svc.unrest(k, w.release.Version), trendRoughness*mine.last)
		// The slope of n points with noise of deviation s is known to s√(12/(n³−n)).
		sd := noise * math.Sqrt(12./(driftBlocks*driftBlocks*driftBlocks-driftBlocks)*(1/mine.n+1/math.Max(1, old.n)))
		more := mine.slope - math.Max(0, old.slope)
		limit, _ := x.limit(m, mine.last)
		if more > growsOn*sd && more*float64(trendSoon/levelBlock) > limit-mine.last {
			return fmt.Sprintf("it may yet fill up: %s of %s grows by %s in two minutes and is %s by now", m.title(), w.release.Service,
				quantity(mine.slope, m.unit), quantity(mine.last, m.unit))
		}
	}
	return ""
}

// levelCourse is what a version's instances, so many, have of a metric in the latest blocks: the
// mean slope of their floors, a block, and the mean of the last ones.
type levelCourse struct{ n, slope, last float64 }

func (s *service) course(metric int, version string, block int32) (c levelCourse) {
	for _, i := range s.instances {
		if i.version != version {
			continue
		}
		if y := i.floors(metric, block, driftBlocks); y != nil {
			slope, _ := stat.TheilSen(y, nil)
			c.n, c.slope, c.last = c.n+1, c.slope+slope, c.last+y[driftBlocks-1]
		}
	}
	if c.n > 0 {
		c.slope, c.last = c.slope/c.n, c.last/c.n
	}
	return c
}

// unrest is the noise of a metric's floors around their trends: the median of a version's
// instances, over all that is known of each.
func (s *service) unrest(metric int, version string) float64 {
	var all []float64
	for _, i := range s.instances {
		if i.version != version || metric >= len(i.metrics) {
			continue
		}
		var y []float64
		for k := range i.metrics[metric].blocks {
			y = append(y, i.metrics[metric].blocks[k].floor())
		}
		if len(y) >= driftBlocks {
			all = append(all, stat.Roughness(y))
		}
	}
	if len(all) == 0 {
		return 0
	}
	return median(all)
}
