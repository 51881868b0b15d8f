package stat

import "math"

// Past pools what one stream's healthy instances showed in earlier histories,
// so that a calibration need not rest on the last half hour alone. Its zero
// value has seen nothing. Unlike a [Prior] it counts for as much as it saw.
//
// A day of half hours makes the dispersion at the longest scales known to a few
// per cent, where one half hour leaves a third; it is why small effects can be
// found in minutes and why a single instance's bursts, some a day, are known.
type Past struct {
	Dispersion
	TauSum, TauWeight float64 // of instances' differences: weighted sum of moment estimates, either sign
	Mu, Windows       float64 // expected events of one instance in a window, summed over windows
	LongestRun        float64 // see Calibration
	alone             Dispersion
}

// Add takes in what one history showed by itself. Its windows must be in no
// other history that was added or is calibrated with this past.
func (p *Past) Add(c *Calibration) {
	p.add(c.own.Dispersion)
	p.alone.add(c.own.alone)
	p.TauSum += float64(c.own.tauWeight * c.own.tau)
	p.TauWeight += c.own.tauWeight
	p.Mu += float64(c.own.mu * float64(c.Windows))
	p.Windows += float64(c.Windows)
	p.LongestRun = math.Max(p.LongestRun, float64(c.own.longestRun))
}

// Forget lets everything count for less, by a factor below 1.
func (p *Past) Forget(keep float64) {
	p.forget(keep)
	p.alone.forget(keep)
	p.TauSum, p.TauWeight = p.TauSum*keep, p.TauWeight*keep
	p.Mu, p.Windows, p.LongestRun = p.Mu*keep, p.Windows*keep, p.LongestRun*keep
}

// shown is what one history shows by itself.
type shown struct {
	Dispersion
	tau, tauWeight float64 // the moment estimate of Tau2, which may be negative
	mu             float64
	longestRun     int
	alone          Dispersion
}

// recall adds the past to what the present history shows.
func (c *Calibration) recall(p *Past) (windows, mu float64) {
	windows, mu = float64(c.Windows), c.own.mu
	if p == nil || p.DF == nil {
		return windows, mu
	}
	c.add(p.Dispersion)
	c.alone.add(p.alone)
	if w := c.TauWeight + p.TauWeight; w > 0 {
		c.TauHat = math.Max(0, (float64(c.own.tauWeight*c.own.tau)+p.TauSum)/w)
		c.TauWeight = w
	}
	c.LongestRun = max(c.LongestRun, int(math.Ceil(p.LongestRun-1e-9)))
	return windows + p.Windows, (float64(mu*windows) + p.Mu) / math.Max(1, windows+p.Windows)
}
