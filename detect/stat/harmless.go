package stat

import "math"

// HarmlessOptions says what would be harm and against what noise it is ruled out.
type HarmlessOptions struct {
	Grid                   []float64    // log odds multipliers by which the baseline may be worse than a harmful candidate's; nil: six from 1.15 to 4
	Calibration            *Calibration // nil: the default prior
	InstancesC, InstancesB int
	ExtraSD                float64
	Threshold              float64 // 0: log 20
	LogRho                 float64 // log of the odds ratio from which the candidate is harmful; 0: log 1.5
	Delta                  float64 // rate under which the candidate is harmless whatever the baseline's; 0: none
	Offsets                []float64
}

// Harmless is the evidence of one stream that the candidate is not worse than
// tolerated: a non-inferiority test, [Process] with the groups exchanged.
//
// Null hypothesis: the candidate's odds of a bad request are at least ρ times
// the baseline's and, with Delta, its rate is at least Delta. With Delta the
// evidence is the mean of two e-values, for either half of the null is enough
// to refute: so a service that never fails can be cleared too. No part of it
// restarts; a candidate that began badly has to make up for it.
type Harmless struct {
	logRho  float64
	offsets []float64
	delta   float64
	cal     *Calibration
	theta   []float64
	low     []float64 // log multipliers below 1 of the rate Delta
	now     []float64 // increments for low
	sum     []float64
	buf     []float64
	ratio   mixture
	limit   limiter
	windows int
	traffic bool
}

// NewHarmless gives a process without evidence.
func NewHarmless(o HarmlessOptions) *Harmless { return &Harmless{} }

// Add adds one stratum's winsorised table of the present window.
func (h *Harmless) Add(stratum int, t Table) {}

// Close ends the window and gives [Harmless.LogE].
func (h *Harmless) Close() float64 { return h.LogE() }

// LogE is the rate-limited log e-value.
func (h *Harmless) LogE() float64 { return h.limit.value }

var _ = math.Pi
