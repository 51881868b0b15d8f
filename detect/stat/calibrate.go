package stat

import "math"

// Cells is the history of one stratum: Y bad requests of N, by instance and
// window. N = 0 means that the instance had no traffic. All instances of all
// strata have equally many windows, oldest first.
type Cells struct{ N, Y [][]int32 }

// blockLengths are the scales, in windows, at which dispersion is measured.
func blockLengths() []int { return []int{1, 2, 4, 8, 16, 32, 64, 128, 360} }

// Calibration is what healthy instances of a service teach about one stream.
type Calibration struct {
	P, PhiW    []float64 // by stratum: rate, and dispersion of single windows
	PhiS       []float64 // by block length: dispersion that passes, non-decreasing, at least 1
	Tau2       float64   // variance of instances' log odds that stays
	LongestRun int       // longest run of saturated windows of one instance, one gap allowed
	Windows    int       // length of the history
	Instances  int
	Chi2, DF   []float64 // by block length: this history's own share, for a [Prior]
	TauHat     float64   // this history's own estimate of Tau2 …
	TauWeight  float64   // … and the degrees of freedom it deserves
	prior      float64   // rate of a stratum without history
}

// Prior pools what other services of the estate teach about the same signal.
// Its zero value is the default prior.
type Prior struct {
	Chi2, DF          []float64
	TauSum, TauWeight float64
	P                 float64 // rate assumed of a stratum without history; 0: .01
}

// Add pools a calibration.
func (p *Prior) Add(c *Calibration) {}

// Calibrate learns from the history of healthy instances.
func Calibrate(strata []Cells, prior *Prior) *Calibration { return &Calibration{PhiS: []float64{2}} }

// Winsor limits the bad count of one instance in one window.
func (c *Calibration) Winsor(stratum int, n int, y int) int { return y }

// Phi is the dispersion of counts over that many windows.
func (c *Calibration) Phi(windows int) float64 { return c.PhiS[0] }

// MaxPhi is the dispersion at the longest scale.
func (c *Calibration) MaxPhi() float64 { return c.PhiS[len(c.PhiS)-1] }

// Sigma0 is the deviation of the log odds ratio of two groups of healthy instances.
func (c *Calibration) Sigma0(instancesC, instancesB int, extraSD float64) float64 {
	kc, kb := float64(max(1, instancesC)), float64(max(1, instancesB))
	return math.Sqrt(float64(c.Tau2*(1/kc+1/kb)) + float64(extraSD*extraSD))
}

// LimiterStep is how much log evidence one window may add.
func (c *Calibration) LimiterStep(threshold float64, instancesC int) float64 {
	if threshold <= 0 {
		threshold = math.Log(1000)
	}
	windows := 4
	if instancesC <= 1 {
		windows = max(windows, min(c.LongestRun+3, 14))
	}
	return threshold / float64(windows)
}
