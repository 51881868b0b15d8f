package stat

import "math"

// Growth is what the last two thirds of a course added to the thirds before them.
//
// What starts fills its caches and pools and grows by less and less: each third adds
// at most r times what the one before it added, for some r below one. A leak adds the
// same each time. So what the last third added, less r times what the one before did,
// is 0 or less in the mean of what only fills, and (1−r) times a third's growth of a leak.
type Growth struct {
	before, last float64
	level        float64 // of the last third
	points       float64 // of a third
}

// GrowthOf measures y, points with equal spacing, of which the first are left out
// where thirds are uneven. ok is false of fewer than three, and where one of the two
// thirds did not grow.
func GrowthOf(y []float64) (g Growth, ok bool) {
	n := len(y) / 3
	if n == 0 {
		return g, false
	}
	var third [3]float64
	for k, v := range y[len(y)-3*n:] {
		third[k/n] += v / float64(n)
	}
	g = Growth{third[1] - third[0], third[2] - third[1], third[2], float64(n)}
	return g, g.before > 0 && g.last > 0
}

// Slowing is by how much the growth exceeds one that falls by a factor e in so many
// points, and the deviation of that for noise of deviation 1 in each point.
func (g Growth) Slowing(points float64) (excess, deviation float64) {
	return g.excess(math.Exp(-g.points/points), 1)
}

// Filling is the same beside growth that ends just below a limit. All that is still to
// come of it is gr/(1−r) if g was added last (Aitken 1926), so r = room/(room+g).
func (g Growth) Filling(limit float64) (excess, deviation float64) {
	room := math.Max(0, limit-g.level)
	return g.excess(room/(room+g.last), 1+g.before/(room+g.last))
}

// excess takes r and the excess' derivative by the last third's level.
func (g Growth) excess(r, slope float64) (excess, deviation float64) {
	return g.last - float64(r*g.before), math.Sqrt((slope*slope + float64((slope+r)*(slope+r)) + float64(r*r)) / g.points)
}
