package stat

// Crowd is what one instance did in one window in all strata that a process
// adds up. Its zero value is an instance without traffic.
//
// First every stratum's winsorised count is told of ([Crowd.Add]); then, in any
// order that is the same each time, [Crowd.Thin] gives what of each may count.
// The thinned counts sum to [Calibration.Ceiling] at most, and keep their
// proportions as well as whole numbers can.
type Crowd struct {
	y, limit    int     // limit 0: not known yet
	m, v        float64 // of the count: expected, and its variance if requests were independent
	seen, given int
}

// Add tells of y bad requests of n in a stratum, in a window in which others had some rate.
func (x *Crowd) Add(c *Calibration, stratum, n, y int, others float64) {
	m, v := c.Expected(stratum, n, others)
	x.y, x.m, x.v = x.y+y, x.m+m, x.v+v
}

// counted is how many bad requests count in all, where windows have dispersion phi.
func (x *Crowd) counted(phi float64) int { return min(x.y, ceiling(x.m, x.v, phi)) }

// Limits says that some of it may not count.
func (x *Crowd) Limits() bool { return x.y > leastCeiling }

// leastCeiling is how many bad requests always count.
const leastCeiling = 2

// Thin gives how many of a stratum's y bad requests count.
func (x *Crowd) Thin(c *Calibration, y int) int {
	if y == 0 || !x.Limits() {
		return y
	}
	if x.limit == 0 {
		x.limit = c.Ceiling(x.m, x.v)
	}
	if x.y <= x.limit {
		return y
	}
	x.seen += y
	up := min(x.seen, x.y) * x.limit / x.y
	y, x.given = up-x.given, up
	return y
}
