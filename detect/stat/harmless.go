package stat

import (
	"math"
	"slices"
)

// HarmlessOptions says what would be harm and against what noise it is ruled out.
type HarmlessOptions struct {
	// Grid holds log multipliers by which the baseline's odds may exceed those
	// that it would have beside a harmful candidate; nil: six from 1.15 to 4.
	Grid                   []float64
	Calibration            *Calibration // nil: the default prior
	InstancesC, InstancesB int          // below 1 counts as 1
	ExtraSD                float64      // as in ProcessOptions
	Threshold              float64      // log evidence at which the candidate counts as harmless; 0: log 20
	LogRho                 float64      // log odds ratio from which the candidate is harmful; 0: log 1.5
	Delta                  float64      // rate under which it is harmless whatever the baseline's; 0: none
	Offsets                []float64    // as in ProcessOptions
}

// Harmless is the evidence of one stream that the candidate is not worse than
// tolerated: a test of non-inferiority, [Process] with the groups exchanged.
//
// Null hypothesis: the candidate's odds of a bad request are at least ρ times
// the baseline's in every stratum and, with Delta, its rate is at least Delta.
// With Delta the evidence is the mean of two e-values, one for each half of the
// null: either suffices to refute it, so a service that never fails can be
// cleared by (1−θ)·n·Delta alone. No part restarts: a candidate that began
// badly has to make up for it. Calibration, random effects and limiter are as
// in [Process], so is the cost.
type Harmless struct {
	logRho  float64
	offsets []float64
	delta   float64
	cal     *Calibration
	theta   []float64
	low     []float64 // log multipliers, below 0, of the rate Delta
	ratio   mixture
	floor   mixture
	limit   limiter
	windows int
	traffic bool
	waits   bool
}

// NewHarmless gives a process without evidence.
func NewHarmless(o HarmlessOptions) *Harmless {
	if o.Grid == nil {
		o.Grid = Grid(1.15, 4, 6)
	}
	if o.Calibration == nil {
		o.Calibration = Calibrate(nil, nil)
	}
	if o.LogRho <= 0 {
		o.LogRho = math.Log(1.5)
	}
	if o.Threshold <= 0 {
		o.Threshold = math.Log(20)
	}
	nodes, logV := nullNodes(o.Calibration.Sigma0(o.InstancesC, o.InstancesB, o.ExtraSD))
	h := &Harmless{
		logRho: o.LogRho, offsets: o.Offsets, delta: max(0, o.Delta), cal: o.Calibration,
		theta: slices.Concat(o.Grid, nodes), ratio: newMixture(len(o.Grid), logV, defaultHorizon),
		low:   []float64{math.Log(0.6), math.Log(0.3), math.Log(0.1), math.Log(0.02)},
		limit: limiter{step: o.Calibration.LimiterStep(o.Threshold, o.InstancesC)},
	}
	h.floor = newMixture(len(h.low), nil, defaultHorizon)
	return h
}

// Add adds one stratum's winsorised table of the present window. Without
// baseline traffic only Delta can be tested, without candidate traffic nothing.
func (h *Harmless) Add(stratum int, t Table) {
	t = t.cut()
	if t.NC == 0 || t.NB == 0 && h.delta == 0 {
		return
	}
	h.traffic = true
	offset := 0.0
	if stratum >= 0 && stratum < len(h.offsets) {
		offset = h.offsets[stratum]
	}
	ConditionalLLR(h.ratio.now, h.theta, -h.logRho-offset, t.Swap())
	if h.delta == 0 {
		return
	}
	for k, lt := range h.low {
		h.floor.now[k] += float64(float64(t.XC)*lt) - float64(float64(t.NC)*h.delta*math.Expm1(lt))
	}
}

// Wait says that the present window has traffic that is added in a later one: [Process.Wait].
func (h *Harmless) Wait() { h.waits = true }

// Close ends the window and gives [Harmless.LogE]. A window without traffic
// changes nothing.
func (h *Harmless) Close() float64 {
	if h.traffic || h.waits {
		h.windows++
	}
	h.waits = false
	if !h.traffic {
		return h.LogE()
	}
	h.traffic = false
	phi := h.cal.Phi(h.windows)
	raw := h.ratio.closeFromStart(phi, h.windows)
	if h.delta > 0 {
		raw = LogAdd(raw, h.floor.closeFromStart(phi, h.windows)) - math.Ln2
	}
	return h.limit.update(raw)
}

// LogE is the rate-limited log e-value as of the last closed window.
func (h *Harmless) LogE() float64 { return h.limit.value }

// Raw is the log e-value before the limiter.
func (h *Harmless) Raw() float64 { return h.limit.raw }

// Windows is how many closed windows had traffic.
func (h *Harmless) Windows() int { return h.windows }
