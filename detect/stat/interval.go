package stat

// IntervalOptions describes the noise of an interval.
type IntervalOptions struct {
	Phi float64 // dispersion; below 1: 1
	SD  float64 // deviation of the log odds ratio between healthy groups that the interval is to include; 0: none
}

// Interval is a confidence sequence for the odds ratio.
type Interval struct{}

// NewInterval gives an interval that excludes nothing.
func NewInterval(o IntervalOptions) *Interval { return &Interval{} }

// Add adds one table.
func (i *Interval) Add(t Table) {}

// Bounds gives the odds ratios between which the true one lies at the level.
func (i *Interval) Bounds(level float64) (lower, upper float64) { return 0, 0 }

// Estimate is the most likely odds ratio.
func (i *Interval) Estimate() float64 { return 1 }

// OddsTimes gives the rate whose odds are ratio times those of p.
func OddsTimes(p, ratio float64) float64 { return p }
