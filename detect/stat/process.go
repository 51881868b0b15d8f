package stat

import (
	"math"
	"slices"
)

// ProcessOptions says what a [Process] looks for and against what noise.
type ProcessOptions struct {
	Grid                   []float64    // log odds multipliers looked for, above 0; nil: [DefaultGrid]
	Calibration            *Calibration // nil: the default prior
	InstancesC, InstancesB int          // of the candidate and the baseline at the start; below 1 counts as 1
	// ExtraSD is the deviation of the log odds ratio between equal groups that
	// is granted without evidence: .05 for errors, .03 for latency.
	ExtraSD   float64
	Threshold float64 // log(1/α) at which someone acts; the limiter divides it. 0: log 1000
	// Delta is the rate that is tolerated whatever the baseline's. Above 0 the
	// null hypothesis is "odds ratio ≤ ρ, or candidate's rate ≤ Delta".
	Delta  float64
	LogRho float64 // log of the tolerated odds ratio ρ
	// Offsets are log odds ratios that strata are known to have without the
	// release, by stratum; they add to LogRho. Strata beyond its end have 0.
	Offsets []float64
	Horizon int // windows over which a late start is spread; 0: 360
}

// Process is the evidence of one stream that the candidate is worse.
//
// Null hypothesis: in every stratum the odds of a bad request in the candidate
// are at most ρ times those in the baseline, give or take the difference
// between healthy instances, or its rate is at most Delta. P(log E ever ≥ L) ≤
// exp(−L) on average over the instances' differences.
//
// For effect sizes θ of the grid, windows t and null effects η,
//
//	log E = log Σ_k w_k exp(L_k(t)/φ) − log Σ_j v_j exp(M_j(t)/φ)
//
// with L and M summed [ConditionalLLR] of all strata (Mantel and Haenszel 1959:
// one odds ratio, any number of strata), φ the dispersion of healthy instances
// (a power likelihood: Grünwald 2012) and η normal with the deviation of
// healthy instances' log odds ratio. Three quarters of the evidence
// ([AtRelease]) are for a change with the release, the rest for a change at a
// later moment; both are then limited in how fast they may rise. With Delta a second process, Poisson increments
// (y·log θ − n·Delta·(θ−1))/φ, runs beside it and the smaller of the two counts.
//
// The range of log E is from some −3 (the price of looking) upward, without
// bound. Cost: 2 to 5 µs a window of one stratum, about
// 1.5 KB.
type Process struct {
	logRho  float64
	offsets []float64
	delta   float64
	cal     *Calibration
	theta   []float64 // log odds multipliers: the grid, then the null nodes …
	growth  []float64 // θ−1 …
	scaled  []float64 // … and log odds multipliers in an unusual window
	excess  []float64 // Delta·(θ−1) of the grid
	ratio   mixture
	floor   mixture // against "rate ≤ Delta"
	limits  [2]limiter
	windows int // with traffic that counts
	closed  int // all
	traffic bool
	waits   bool
}

const defaultHorizon = 360

// NewProcess gives a process without evidence.
func NewProcess(o ProcessOptions) *Process {
	if o.Grid == nil {
		o.Grid = DefaultGrid()
	}
	if o.Calibration == nil {
		o.Calibration = Calibrate(nil, nil)
	}
	if o.Horizon <= 0 {
		o.Horizon = defaultHorizon
	}
	sd := o.Calibration.Sigma0(o.InstancesC, o.InstancesB, o.ExtraSD)
	nodes, logV := nullNodes(sd)
	p := &Process{
		logRho: o.LogRho, offsets: o.Offsets, delta: max(0, o.Delta), cal: o.Calibration,
		theta: slices.Concat(o.Grid, nodes), ratio: newMixture(len(o.Grid), logV, o.Horizon),
	}
	p.growth, p.scaled = growth(p.theta), make([]float64, len(p.theta))
	step := o.Calibration.LimiterStep(o.Threshold, o.InstancesC)
	p.limits = [2]limiter{{step: step}, {step: step}}
	if p.delta > 0 {
		p.floor = newMixture(len(o.Grid), nil, o.Horizon)
		for _, lt := range o.Grid {
			p.excess = append(p.excess, p.delta*math.Expm1(lt))
		}
	}
	return p
}

// Add adds one stratum's table of the present window. Counts are winsorised by
// the caller, instance by instance, with [Calibration.Winsor]. A table without
// traffic in one group adds nothing.
func (p *Process) Add(stratum int, t Table) {
	t = t.cut()
	if t.NC == 0 || t.NB == 0 {
		return
	}
	p.traffic = true
	ConditionalLLR(p.ratio.now, p.added(stratum, t), p.logRho+p.offset(stratum), t)
	for k, excess := range p.excess {
		p.floor.now[k] += float64(float64(t.XC)*p.theta[k]) - float64(float64(t.NC)*excess)
	}
}

// added gives the log odds multipliers of a table. What a release or an instance
// does wrong is added to what goes wrong anyway: when both groups together have
// more bad requests than is usual, it multiplies their odds by less. Multipliers
// may be any function of the margins, on which the likelihood is conditional.
func (p *Process) added(stratum int, t Table) []float64 {
	usual, x := p.cal.saturation(stratum, t.NC+t.NB), t.XC+t.XB
	if x <= usual {
		return p.theta
	}
	part := float64(usual) / float64(x)
	for k, excess := range p.growth {
		p.scaled[k] = math.Log1p(float64(part * excess))
	}
	return p.scaled
}

// AddShare adds x events of the present window, xc of them the candidate's, of
// which share pi would be by chance ([BinomialLLR]). Delta does not apply: use
// one of Add and AddShare in a process. Without events it is still a window.
func (p *Process) AddShare(stratum, xc, x int, pi float64) {
	if !(pi > 0 && pi < 1) {
		return
	}
	p.traffic = true
	odds := float64(pi / (1 - pi) * math.Exp(p.logRho+p.offset(stratum)))
	BinomialLLR(p.ratio.now, p.theta, xc, x, odds/(1+odds))
}

// AddPresence adds that x instances showed an event in the present window, xc of
// them the candidate's, of which share pi would be by chance ([Presence.Share]).
// The candidate served nc requests: Delta is an event's rate a request.
func (p *Process) AddPresence(stratum, xc, x int, pi float64, nc int) {
	p.AddShare(stratum, xc, x, pi)
	for k, excess := range p.excess {
		p.floor.now[k] += float64(float64(xc)*p.theta[k]) - float64(float64(nc)*excess)
	}
}

func (p *Process) offset(stratum int) float64 {
	if stratum < 0 || stratum >= len(p.offsets) {
		return 0
	}
	return p.offsets[stratum]
}

// Wait says that the present window has traffic that is added in a later one, as of a longer
// moment: what passes by averages out over both.
func (p *Process) Wait() { p.waits = true }

// Close ends the window and gives [Process.LogE]. A window without traffic
// changes nothing.
func (p *Process) Close() float64 {
	p.closed++
	if p.traffic || p.waits {
		p.windows++
	}
	p.waits = false
	if !p.traffic {
		return p.LogE()
	}
	p.traffic = false
	phi, late := p.cal.Phi(p.windows), lateDeflation*p.cal.MaxPhi()
	p.limits[0].update(p.ratio.close(phi, late, p.closed))
	if p.delta > 0 {
		p.limits[1].update(p.floor.close(phi, late, p.closed))
	}
	return p.LogE()
}

// lateDeflation widens the dispersion of the restarting part, which chooses
// among many starts.
const lateDeflation = 1.15

// LogE is the rate-limited log e-value as of the last closed window.
func (p *Process) LogE() float64 {
	if p.delta > 0 {
		return math.Min(p.limits[0].value, p.limits[1].value)
	}
	return p.limits[0].value
}

// Raw is the log e-value before the limiter.
func (p *Process) Raw() float64 {
	if p.delta > 0 {
		return math.Min(p.limits[0].raw, p.limits[1].raw)
	}
	return p.limits[0].raw
}

// Windows is how many closed windows had traffic that counts.
func (p *Process) Windows() int { return p.windows }

// Onset is how many windows were closed before the most likely moment of
// change: 0 if it came with the first. It means little without evidence.
func (p *Process) Onset() int { return p.ratio.onset() }

// Clone gives an independent copy, to go on with in two ways.
func (p *Process) Clone() *Process {
	c := *p
	c.ratio, c.floor, c.scaled = p.ratio.clone(), p.floor.clone(), make([]float64, len(p.theta))
	return &c
}

// mixture holds the evidence for a grid of alternatives against a distribution
// of null effects: once as if the change came with the release, once as if it
// came at an unknown later moment.
//
// The alternatives come first in every slice, the null nodes after them.
type mixture struct {
	alts  int
	now   []float64 // increments of the present window
	sum   []float64 // accumulated since the start
	late  []float64 // accumulated and deflated, restarting: log N_k, then log likelihood of the nodes
	low   []float64 // for each alternative the least sum so far …
	since []int     // … and after how many windows it was
	logV  []float64 // of the null nodes
	buf   []float64

	atRelease float64 // [AtRelease]

	logStart float64 // log weight of a start in one window
	lateNull float64 // log of the nodes' mixture in the restarting part
}

func newMixture(alts int, logV []float64, horizon int) mixture {
	n := alts + len(logV)
	m := mixture{
		alts: alts, logV: logV, atRelease: AtRelease, logStart: -math.Log(float64(horizon)), since: make([]int, alts),
		now: make([]float64, n), sum: make([]float64, n), late: make([]float64, n),
		low: make([]float64, alts), buf: make([]float64, n),
	}
	for k := range alts {
		m.late[k] = math.Inf(-1)
	}
	return m
}

// AtRelease is the prior probability that what a release does wrong begins with
// it. Changes that do cost log(4/3) nats more than if no others were looked for,
// later ones log 4: equal parts would cost both log 2, which is more on average
// if most faults are there from the beginning.
const AtRelease = .75

// close adds the present window to the evidence and gives its log: a change at
// the start with probability [AtRelease], else at a uniformly distributed later window
// (Shiryaev 1963; the e-detector of Shin, Ramdas and Rinaldo 2023 with total
// weight one). phi deflates the first, latePhi the second; window counts from 1.
func (m *mixture) close(phi, latePhi float64, window int) float64 {
	start := m.logStart + m.lateNull
	for k := range m.alts {
		m.late[k] = LogAdd(m.late[k], start) + m.now[k]/latePhi
	}
	for j := m.alts; j < len(m.now); j++ {
		m.late[j] += m.now[j] / latePhi
	}
	m.lateNull = m.nullEvidence(m.late, 1)
	late := m.evidence(m.late, 1) - m.lateNull
	return LogAdd(math.Log(m.atRelease)+m.closeFromStart(phi, window), math.Log(1-m.atRelease)+late)
}

// closeFromStart adds the present window to the evidence for a change that came
// at the start, and gives its log.
func (m *mixture) closeFromStart(phi float64, window int) float64 {
	for i, d := range m.now {
		m.sum[i] += d
		m.now[i] = 0
	}
	m.markOnset(window)
	return m.evidence(m.sum, phi) - m.nullEvidence(m.sum, phi)
}

// evidence is the log of the uniform mixture over the alternatives.
func (m *mixture) evidence(l []float64, phi float64) float64 {
	b := m.buf[:m.alts]
	for k := range b {
		b[k] = l[k] / phi
	}
	return LogSumExp(b) - math.Log(float64(m.alts))
}

// nullEvidence is the log of the mixture over the null nodes, 0 without any.
func (m *mixture) nullEvidence(l []float64, phi float64) float64 {
	if len(m.logV) == 0 {
		return 0
	}
	b := m.buf[:len(m.logV)]
	for j := range b {
		b[j] = m.logV[j] + l[m.alts+j]/phi
	}
	return LogSumExp(b)
}

// markOnset keeps, for each alternative, when its evidence was least: its
// likelihood is greatest for a change right after that.
func (m *mixture) markOnset(window int) {
	for k := range m.alts {
		if m.sum[k] < m.low[k] {
			m.low[k], m.since[k] = m.sum[k], window
		}
	}
}

// onset is the number of windows before the most likely change.
func (m *mixture) onset() int {
	best, at := 0.0, 0
	for k := range m.alts {
		if rise := m.sum[k] - m.low[k]; rise > best {
			best, at = rise, m.since[k]
		}
	}
	return at
}

func (m *mixture) clone() mixture {
	c := *m
	c.now, c.sum, c.late = slices.Clone(m.now), slices.Clone(m.sum), slices.Clone(m.late)
	c.low, c.since, c.buf = slices.Clone(m.low), slices.Clone(m.since), make([]float64, len(m.buf))
	return c
}
