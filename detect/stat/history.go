package stat

import "math"

// history is what Calibrate sums up over strata: for each instance, prefix
// sums over windows of observed and expected bad counts and their variance.
type history struct {
	instances, windows int
	o, e, v            [][]float64 // [instance][window]: sums over the windows before
	saturated          [][]bool
	info               float64 // Σ n·p(1−p)
}

func newHistory(strata []Cells) *history {
	h := &history{}
	if len(strata) == 0 {
		return h
	}
	h.instances, h.windows = len(strata[0].N), math.MaxInt
	for _, s := range strata {
		h.instances = min(h.instances, len(s.N), len(s.Y))
	}
	for _, s := range strata {
		for i := range h.instances {
			h.windows = min(h.windows, len(s.N[i]), len(s.Y[i]))
		}
	}
	if h.instances == 0 {
		h.windows = 0
		return h
	}
	for range h.instances {
		h.o = append(h.o, make([]float64, h.windows+1))
		h.e = append(h.e, make([]float64, h.windows+1))
		h.v = append(h.v, make([]float64, h.windows+1))
		h.saturated = append(h.saturated, make([]bool, h.windows))
	}
	return h
}

// add adds stratum s, whose rate c has learnt.
func (h *history) add(c *Calibration, s int, cells Cells) {
	o, e, v := make([]float64, h.instances), make([]float64, h.instances), make([]float64, h.instances)
	for w := range h.windows {
		q, live := h.pooled(c, s, cells, w)
		for i := range h.instances {
			n, y := int(cells.N[i][w]), int(cells.Y[i][w])
			if live {
				m := float64(float64(n) * q)
				o[i] += float64(c.Winsor(s, n, y))
				e[i] += m
				v[i] += float64(m * (1 - q))
				h.info += float64(float64(n) * c.P[s] * (1 - c.P[s]))
			}
			limit := saturation(n, c.P[s], c.PhiW[s])
			if n > limit && y >= limit {
				h.saturated[i][w] = true
			}
			h.o[i][w+1] += o[i]
			h.e[i][w+1] += e[i]
			h.v[i][w+1] += v[i]
		}
	}
}

// pooled is the winsorised rate of all instances in one window.
func (h *history) pooled(c *Calibration, s int, cells Cells, w int) (rate float64, live bool) {
	x, n := 0, 0
	for i := range h.instances {
		x += c.Winsor(s, int(cells.N[i][w]), int(cells.Y[i][w]))
		n += int(cells.N[i][w])
	}
	if n == 0 {
		return 0, false
	}
	return float64(x) / float64(n), true
}

// pearson gives χ² of the instances' counts in the windows [from,to) and its
// degrees of freedom.
func (h *history) pearson(from, to int) (chi2, df float64) {
	live := 0
	for i := range h.instances {
		d := h.o[i][to] - h.o[i][from] - (h.e[i][to] - h.e[i][from])
		// Differences of prefix sums leave rounding errors where nothing happened.
		if v := h.v[i][to] - h.v[i][from]; v > 1e-9 {
			chi2 += float64(d*d) / v
			live++
		}
	}
	if live < 2 {
		return 0, 0
	}
	return chi2, float64(live - 1)
}

// information is the expected count of one instance in one window, less what
// p being large takes away.
func (h *history) information() float64 {
	if h.windows == 0 {
		return 0
	}
	return h.info / float64(h.instances*h.windows)
}

// longestRun is the longest run of saturated windows of one instance. Windows
// in which more than a third of all are saturated are shared events and break
// a run as a quiet window does; a single such gap does not.
func (h *history) longestRun() (longest int) {
	for i := range h.instances {
		run, gap := 0, 0
		for w := range h.windows {
			switch {
			case h.saturated[i][w] && 3*h.saturatedAt(w) <= h.instances:
				run += 1 + gap
				gap = 0
				longest = max(longest, run)
			case run > 0 && gap == 0:
				gap = 1
			default:
				run, gap = 0, 0
			}
		}
	}
	return longest
}

func (h *history) saturatedAt(w int) (n int) {
	for i := range h.instances {
		if h.saturated[i][w] {
			n++
		}
	}
	return n
}
