package stat

import "math"

// history is what Calibrate sums up over strata: for each instance, prefix
// sums over windows of observed and expected bad counts and their variance.
type history struct {
	instances, windows int
	o, e, v            [][]float64 // [instance][window]: sums over the windows before
	y                  [][][]int32 // [stratum][instance][window]: clipped counts
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

// clip winsorises stratum s, whose rate c has learnt.
func (h *history) clip(c *Calibration, s int, cells Cells) {
	y := make([][]int32, h.instances)
	for i := range y {
		y[i] = make([]int32, h.windows)
		for w := range y[i] {
			n, bad := int(cells.N[i][w]), int(cells.Y[i][w])
			y[i][w] = int32(c.Winsor(s, n, bad, 0))
			limit := saturation(n, c.P[s], c.PhiW[s])
			if n > limit && bad >= limit {
				h.saturated[i][w] = true
			}
		}
	}
	h.y = append(h.y, y)
}

// together learns the dispersion of an instance's window in all strata, by
// iterating "clip, then estimate" as learnRate does, and clips at it.
func (h *history) together(c *Calibration, strata []Cells) (phi float64) {
	phi = noPhiW
	if len(strata) < 2 {
		if len(strata) == 1 {
			phi = c.PhiW[0]
		}
		return phi // clipped already
	}
	for range 3 {
		phi = h.relearn(c, strata, phi)
	}
	c.PhiI = phi
	for i := range h.instances {
		for w := range h.windows {
			all := h.crowd(c, strata, i, w)
			if all.y <= all.counted(phi) {
				continue
			}
			h.saturated[i][w] = true
			for s := range strata {
				h.y[s][i][w] = int32(all.Thin(c, int(h.y[s][i][w])))
			}
		}
	}
	return phi
}

// relearn gives the dispersion of instances' windows clipped at phi. What is
// expected follows the window's common level, so that shared outages cancel.
func (h *history) relearn(c *Calibration, strata []Cells, phi float64) float64 {
	spread, expected := 0.0, 0.0
	all := make([]Crowd, h.instances)
	for w := range h.windows {
		bad, m := 0.0, 0.0
		for i := range all {
			all[i] = h.crowd(c, strata, i, w)
			bad += float64(all[i].counted(phi))
			m += all[i].m
		}
		if m == 0 {
			continue
		}
		level := bad / m
		for i := range all {
			d := float64(all[i].counted(phi)) - float64(level*all[i].m)
			spread += float64(d * d)
			expected += float64(level * all[i].v)
		}
	}
	if expected == 0 {
		return phi
	}
	return math.Max(1, spread/expected)
}

// crowd is what instance i did in window w in all strata.
func (h *history) crowd(c *Calibration, strata []Cells, i, w int) (all Crowd) {
	for s := range strata {
		all.Add(c, s, int(strata[s].N[i][w]), int(h.y[s][i][w]), 0)
	}
	return all
}

// add adds stratum s, which is clipped.
func (h *history) add(c *Calibration, s int, cells Cells) {
	o, e, v := make([]float64, h.instances), make([]float64, h.instances), make([]float64, h.instances)
	for w := range h.windows {
		q, live := h.pooled(s, cells, w)
		for i := range h.instances {
			n := float64(cells.N[i][w])
			if live {
				m := float64(n * q)
				o[i] += float64(h.y[s][i][w])
				e[i] += m
				v[i] += float64(m * (1 - q))
				h.info += float64(n * c.P[s] * (1 - c.P[s]))
			}
			h.o[i][w+1] += o[i]
			h.e[i][w+1] += e[i]
			h.v[i][w+1] += v[i]
		}
	}
}

// pooled is the winsorised rate of all instances in one window.
func (h *history) pooled(s int, cells Cells, w int) (rate float64, live bool) {
	x, n := 0, 0
	for i := range h.instances {
		x += int(h.y[s][i][w])
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

// alone is the dispersion over time of an instance that has no other beside it: of its
// counts in blocks of windows around what is expected at its rate in all of the history. Of
// a block in which v events are expected χ² has the variance 2+1/v, so that it is worth
// 2v/(2v+1) of a degree of freedom: where nothing was to be seen, nothing is known.
func (h *history) alone(c *Calibration, strata []Cells) (d Dispersion) {
	if h.instances != 1 {
		return d
	}
	more, variance := make([]float64, h.windows+1), make([]float64, h.windows+1) // sums over the windows before
	for w := range h.windows {
		more[w+1], variance[w+1] = more[w]+h.o[0][w+1]-h.o[0][w], variance[w]
		for s := range strata {
			m, v := c.Expected(s, int(strata[s].N[0][w]), 0)
			more[w+1], variance[w+1] = more[w+1]-m, variance[w+1]+v
		}
	}
	for _, b := range blockLengths() {
		chi2, df, blocks := 0.0, 0.0, 0.0
		for from := 0; from+b <= h.windows; from += b {
			if v := variance[from+b] - variance[from]; v > 1e-9 {
				x, told := more[from+b]-more[from], 2*v/(2*v+1)
				chi2, df, blocks = chi2+float64(told*float64(x*x)/v), df+told, blocks+1
			}
		}
		if blocks < 2 {
			chi2, df, blocks = 0, 0, 1
		}
		d.Chi2, d.DF = append(d.Chi2, chi2), append(d.DF, df*(1-1/blocks)) // the rate is the history's own
	}
	return d
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
