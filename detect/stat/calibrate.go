package stat

import (
	"math"
	"slices"
)

// Cells is the history of one stratum: Y bad requests of N, by instance and
// window, oldest first. N = 0 means that the instance had no traffic. All
// strata have the same instances; the shortest row is the length of all.
type Cells struct{ N, Y [][]int32 }

// blockLengths gives the scales, in windows, at which dispersion is measured.
func blockLengths() [blockCount]int { return [...]int{1, 2, 4, 8, 16, 32, 64, 128, 360} }

// blockCount is how many block lengths there are.
const blockCount = 9

// The default prior and how much data it is worth.
const (
	priorDF  = 10.0 // degrees of freedom of the default prior
	fleetDF  = 40.0 // most degrees of freedom that other services are worth
	priorTau = 0.01 // variance between instances: a standard deviation of a tenth
	noRate   = 0.01 // rate of a stratum that has no history
	noPhiW   = 2.0  // its dispersion
)

// Calibration is what the healthy instances of a service teach about one
// stream: how far to trust a count. See [Calibrate].
type Calibration struct {
	Dispersion           // what this history alone shows, for a [Prior]
	P, PhiW    []float64 // by stratum: rate, and dispersion of single windows
	PhiI       float64   // dispersion of an instance's single window in all strata; 0 where strata are not added up
	PhiS       []float64 // by block length: dispersion that passes; at least 1, never falling
	Tau2       float64   // variance of the instances' log odds that stays
	LongestRun int       // longest run of saturated windows of one instance, single gaps allowed
	Windows    int       // length of the history
	Instances  int
	TauHat     float64 // what this history alone says of Tau2 …
	TauWeight  float64 // … and the degrees of freedom which that deserves

	noRate float64
	alone  Dispersion // over time, of an instance that has no other beside it
	own    shown      // less what the past added
}

// Dispersion is Pearson's χ² with its degrees of freedom, by block length; nil: of nothing.
type Dispersion struct{ Chi2, DF []float64 }

func (d *Dispersion) add(x Dispersion) {
	if x.DF == nil {
		return
	}
	if d.DF == nil {
		d.Chi2, d.DF = make([]float64, blockCount), make([]float64, blockCount)
	}
	for i := range d.DF {
		d.Chi2[i] += x.Chi2[i]
		d.DF[i] += x.DF[i]
	}
}

func (d Dispersion) clone() Dispersion {
	return Dispersion{slices.Clone(d.Chi2), slices.Clone(d.DF)}
}

func (d *Dispersion) forget(keep float64) {
	for i := range d.DF {
		d.Chi2[i] *= keep
		d.DF[i] *= keep
	}
}

// Prior pools what the other services of an estate teach about the same
// signal. Its zero value is the default prior: dispersion 1.5 to 2.5, instances
// that differ by a tenth, worth ten degrees of freedom.
type Prior struct {
	Dispersion
	TauSum, TauWeight float64
	P                 float64 // rate assumed of a stratum without history; 0: .01
	Past              *Past   // what the stream itself showed before; nil: nothing
}

// Add pools one service's calibration.
func (p *Prior) Add(c *Calibration) {
	p.add(c.Dispersion)
	p.TauSum += float64(c.TauWeight * c.TauHat)
	p.TauWeight += c.TauWeight
}

// AddPast pools what a stream showed over a longer time. Nil adds nothing.
func (p *Prior) AddPast(x *Past) {
	if x == nil || x.DF == nil {
		return
	}
	p.add(x.Dispersion)
	p.TauSum += math.Max(0, x.TauSum)
	p.TauWeight += x.TauWeight
}

// Loosely gives a prior in which the stream's own past is no more than what
// other services show: for a part of the stream.
func (p *Prior) Loosely() *Prior {
	q := *p
	q.Dispersion, q.Past = p.clone(), nil
	q.AddPast(p.Past)
	return &q
}

// phi gives the expected dispersion at scale i of b windows with mu expected
// events, and the degrees of freedom that this is worth.
func (p *Prior) phi(i, b int, mu float64) (phi, df float64) {
	phi = 1.5 + math.Min(1, float64(b)/24) + float64(priorTau*mu)
	if p == nil || p.DF == nil {
		return phi, priorDF
	}
	return (float64(priorDF*phi) + p.Chi2[i]) / (priorDF + p.DF[i]), math.Min(fleetDF, priorDF+p.DF[i])
}

func (p *Prior) past() *Past {
	if p == nil {
		return nil
	}
	return p.Past
}

// tau gives the expected variance between instances and its degrees of freedom.
func (p *Prior) tau() (tau2, df float64) {
	if p == nil {
		return priorTau, priorDF
	}
	return (priorDF*priorTau + p.TauSum) / (priorDF + p.TauWeight), math.Min(fleetDF, priorDF+p.TauWeight)
}

// Calibrate learns from the history of healthy instances that serve together.
// prior may be nil for the default; without history it is all there is.
//
// Counts are first winsorised ([Calibration.Winsor]), in three fixed-point
// steps of clip and re-estimate. Then, with p̄_w the pooled rate of window w and
// blocks β of b = 1, 2, 4 … 128, 360 windows, the dispersion of instances j is
//
//	φ(b) = [ν·φ0(b) + Σ_{β,j} (O−E)²/V] / [ν + Σ_β(m−1)] · (1 + √(2/df))
//
// (Pearson 1900; quasi-likelihood: Wedderburn 1974; shrunk to the prior φ0 with
// weight ν, plus one standard error). Only what differs between instances
// counts: shared outages and seasons cancel here as they do in the test. An instance
// that has no other beside it is compared with itself at other times; that bounds what
// passes by, for shared outages and seasons are in it, so it may only lower what the
// prior says. The
// part of φ that grows with b in proportion to the expected count is not noise
// that averages out but instances that differ for good: Tau2, a moment
// estimate from their totals over the whole history (DerSimonian and Laird
// 1986), shrunk in the same way. PhiS is the rest.
//
// Cost: about 30 ns a cell; one allocation a row.
func Calibrate(strata []Cells, prior *Prior) *Calibration {
	return calibrate(strata, prior, false)
}

// CalibrateTogether is [Calibrate] for a process that adds up the strata of the
// same instances: what one instance does in one window then has a bounded
// influence however many strata show it ([Calibration.Ceiling]).
func CalibrateTogether(strata []Cells, prior *Prior) *Calibration {
	return calibrate(strata, prior, true)
}

func calibrate(strata []Cells, prior *Prior, together bool) *Calibration {
	c := &Calibration{noRate: noRate}
	if prior != nil && prior.P > 0 {
		c.noRate = prior.P
	}
	h := newHistory(strata)
	c.Instances, c.Windows = h.instances, h.windows
	for s, cells := range strata {
		p, phi := c.learnRate(cells)
		c.P, c.PhiW = append(c.P, p), append(c.PhiW, phi)
		h.clip(c, s, cells)
	}
	if together {
		c.PhiI = h.together(c, strata)
	}
	for s, cells := range strata {
		h.add(c, s, cells)
	}
	c.LongestRun = h.longestRun()
	c.measure(h)
	c.estimateTau(h)
	c.alone = h.alone(c, strata)
	c.own = shown{c.clone(), c.own.tau, c.TauWeight, h.information(), c.LongestRun, c.alone.clone()}
	windows, mu := c.recall(prior.past())
	c.shrink(windows, mu, prior)
	return c
}

// learnRate estimates rate and one-window dispersion of a stratum by iterating
// "clip, then estimate" three times.
func (c *Calibration) learnRate(cells Cells) (p, phi float64) {
	bad, all := 0.0, 0.0
	for i := range c.Instances {
		for w := range c.Windows {
			bad += float64(cells.Y[i][w])
			all += float64(cells.N[i][w])
		}
	}
	if all == 0 {
		return c.noRate, noPhiW
	}
	p, phi = (bad+0.5)/(all+1), noPhiW
	for range 3 {
		p, phi = c.relearn(cells, p, phi, all)
	}
	return p, phi
}

// relearn is one step of learnRate: winsorise at (p, phi), then estimate both.
func (c *Calibration) relearn(cells Cells, p, phi, all float64) (float64, float64) {
	spread, expected, bad := 0.0, 0.0, 0.0
	for w := range c.Windows {
		x, n := 0.0, 0.0
		for i := range c.Instances {
			x += float64(winsor(int(cells.N[i][w]), int(cells.Y[i][w]), p, phi))
			n += float64(cells.N[i][w])
		}
		if n == 0 {
			continue
		}
		bad += x
		q := x / n
		for i := range c.Instances {
			y := float64(winsor(int(cells.N[i][w]), int(cells.Y[i][w]), p, phi))
			m := float64(float64(cells.N[i][w]) * q)
			spread += float64((y - m) * (y - m))
			expected += float64(m * (1 - q))
		}
	}
	if expected > 0 {
		phi = math.Max(1, spread/expected)
	}
	return (bad + 0.5) / (all + 1), phi
}

// saturation is the bad count from which one instance's window is clipped:
// three deviations above what is expected, and two events for good measure.
func saturation(n int, p, phi float64) int {
	m := float64(float64(n) * p)
	return min(n, int(m+float64(3*math.Sqrt(m*(1-p)*phi)))+2)
}

func winsor(n, y int, p, phi float64) int { return max(0, min(y, saturation(n, p, phi))) }

// Winsor limits the bad count y of one instance's n requests in one window:
// min(y, ⌊m + 3√(m(1−p)φ_W)⌋ + 2) with m = np. It is the clipped likelihood
// ratio of Huber (1965): a single window of one instance has bounded influence.
// Apply it to both groups alike, so that they stay exchangeable. A stratum
// without history is clipped at the prior's rate. others is the rate that the other
// instances had in the window, 0 where there are none: what all show is nobody's
// illness, and clipped it would leave more of the smaller instances' counts, for the
// limit does not fall to nothing with n.
func (c *Calibration) Winsor(stratum int, n int, y int, others float64) int {
	p, phi := c.rate(stratum, others)
	return max(0, min(y, saturation(max(0, n), p, phi)))
}

// saturation is the bad count of n requests in one window from which it is unusual.
func (c *Calibration) saturation(stratum, n int) int {
	p, phi := c.rate(stratum, 0)
	return saturation(n, p, phi)
}

// rate is what is usual in a stratum, in a window in which others had some rate.
func (c *Calibration) rate(stratum int, others float64) (p, phi float64) {
	p, phi = c.noRate, noPhiW
	if stratum >= 0 && stratum < len(c.P) {
		p, phi = c.P[stratum], c.PhiW[stratum]
	}
	return math.Max(p, math.Min(1, others)), phi
}

// Ceiling limits what one instance's window may count in all strata together,
// as [Calibration.Winsor] does in one: ⌊m + 3√(v·φ_I)⌋ + 2 for m = Σ n·p and
// v = Σ n·p(1−p) over strata. An instance that is ill for a moment is so in all
// of its operations: clipped in each alone it would count once for each.
func (c *Calibration) Ceiling(m, v float64) int { return ceiling(m, v, c.PhiI) }

func ceiling(m, v, phi float64) int { return int(m+float64(3*math.Sqrt(v*phi))) + 2 }

// Expected gives the expected count of n requests in a stratum, and its
// variance if they were independent, in a window in which others had some rate.
func (c *Calibration) Expected(stratum, n int, others float64) (m, v float64) {
	p, _ := c.rate(stratum, others)
	m = float64(float64(n) * p)
	return m, float64(m * (1 - p))
}

// Phi is the dispersion of counts summed over that many windows: the variance
// over that of independent requests, at least 1. It is measured at some lengths
// and goes evenly with the logarithm of the length between them: a correlation
// that dies out raises it along a curve which the chord between a length and
// the next undercuts by less than a tenth of what is still to come.
func (c *Calibration) Phi(windows int) float64 {
	lengths := blockLengths()
	for i, b := range lengths {
		switch {
		case b == windows || b > windows && i == 0:
			return c.PhiS[i]
		case b > windows:
			part := math.Log(float64(windows)/float64(lengths[i-1])) / math.Log(float64(b)/float64(lengths[i-1]))
			return c.PhiS[i-1] + float64(part*(c.PhiS[i]-c.PhiS[i-1]))
		}
	}
	return c.MaxPhi()
}

// MaxPhi is the dispersion at the longest scale.
func (c *Calibration) MaxPhi() float64 { return c.PhiS[len(c.PhiS)-1] }

// Sigma0 is the deviation of the log odds ratio between two groups of healthy
// instances of the given numbers: √(τ²(1/k_c + 1/k_b) + extraSD²).
func (c *Calibration) Sigma0(instancesC, instancesB int, extraSD float64) float64 {
	kc, kb := float64(max(1, instancesC)), float64(max(1, instancesB))
	return math.Sqrt(float64(c.Tau2*(1/kc+1/kb)) + float64(extraSD*extraSD))
}

// LimiterStep is how much log evidence one window may add. With several
// candidate instances four windows must agree. A single one could have one of
// the bursts that healthy instances have, so it takes more windows than the
// longest of those, up to fourteen. threshold 0 stands for log 1000.
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

// measure sets Chi2 and DF.
func (c *Calibration) measure(h *history) {
	for _, b := range blockLengths() {
		chi2, df := 0.0, 0.0
		for from := 0; from+b <= h.windows; from += b {
			x, d := h.pearson(from, from+b)
			chi2 += x
			df += d
		}
		c.Chi2, c.DF = append(c.Chi2, chi2), append(c.DF, df)
	}
}

// estimateTau sets TauHat and TauWeight from the instances' totals. The weight
// says which share of the totals' variance such differences would make up.
func (c *Calibration) estimateTau(h *history) {
	chi2, df := h.pearson(0, h.windows)
	mu := h.information() * float64(h.windows)
	if df <= 0 || mu <= 0 {
		return
	}
	short := 1.0
	for i, b := range blockLengths() {
		if 12*b <= h.windows && c.DF[i] > 0 {
			short = math.Max(short, c.Chi2[i]/c.DF[i])
		}
	}
	share := mu * priorTau / (short + float64(mu*priorTau))
	c.own.tau = (chi2/df - short) / mu
	c.TauHat = math.Max(0, c.own.tau)
	c.TauWeight = df * share * share
}

// shrink sets Tau2 and PhiS: what the histories show, drawn towards the prior
// and raised by a standard error. Scales of which they have fewer than three
// blocks take the value of the last that has.
func (c *Calibration) shrink(windows, mu float64, prior *Prior) {
	t0, nu := prior.tau()
	df := nu + c.TauWeight
	tau2 := (float64(nu*t0) + float64(c.TauWeight*c.TauHat)) / df
	c.Tau2 = tau2 * (1 + math.Sqrt(2/df))
	run := 1.0
	for i, b := range blockLengths() {
		if i == 0 || float64(3*b) <= windows {
			m := float64(mu * float64(b))
			phi0, nu := prior.phi(i, b, m)
			phi := drawn(float64(nu*phi0)+c.Chi2[i], nu+c.DF[i])
			if c.Instances == 1 && c.alone.DF != nil {
				phi = math.Min(phi, drawn(float64(nu*phi0)+c.Chi2[i]+c.alone.Chi2[i], nu+c.DF[i]+c.alone.DF[i]))
			}
			run = math.Max(run, phi-float64(m*tau2))
		}
		c.PhiS = append(c.PhiS, run)
	}
	c.PhiS = slices.Clip(c.PhiS)
}

// drawn is a dispersion and its standard error, of χ² with so many degrees of freedom.
func drawn(chi2, df float64) float64 { return float64(chi2 / df * (1 + math.Sqrt(2/df))) }
