package stat

import (
	"math"
	"slices"
)

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

	logStart float64 // log weight of a start in one window
	lateNull float64 // log of the nodes' mixture in the restarting part
}

func newMixture(alts int, logV []float64, horizon int) mixture {
	n := alts + len(logV)
	m := mixture{
		alts: alts, logV: logV, logStart: -math.Log(float64(horizon)), since: make([]int, alts),
		now: make([]float64, n), sum: make([]float64, n), late: make([]float64, n),
		low: make([]float64, alts), buf: make([]float64, n),
	}
	for k := range alts {
		m.late[k] = math.Inf(-1)
	}
	return m
}

// close adds the present window to the evidence and gives its log: half a
// change at the start, half a change at a uniformly distributed later window
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
	for i, d := range m.now {
		m.sum[i] += d
		m.now[i] = 0
	}
	m.markOnset(window)
	m.lateNull = m.nullEvidence(m.late, 1)
	late := m.evidence(m.late, 1) - m.lateNull
	return LogAdd(m.evidence(m.sum, phi)-m.nullEvidence(m.sum, phi), late) - math.Ln2
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
