package stat

import "math"

// LogSumExp gives log Σ exp(a), without overflow. An empty slice gives -Inf.
func LogSumExp(a []float64) float64 {
	m := math.Inf(-1)
	for _, v := range a {
		m = math.Max(m, v)
	}
	if math.IsInf(m, 0) || math.IsNaN(m) {
		return m
	}
	s := 0.0
	for _, v := range a {
		s += math.Exp(v - m)
	}
	return m + math.Log(s)
}

// LogAdd gives log(exp(a)+exp(b)), without overflow.
func LogAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// Grid gives the logarithms of k multipliers from lo to hi, geometric in their
// logarithm: dense where effects are small, because there the evidence is most
// sensitive to the choice. It wants 1 < lo < hi and k > 1; [DefaultGrid] is
// within a few per cent of any finer one.
func Grid(lo, hi float64, k int) []float64 {
	a := math.Log(lo)
	if k < 2 {
		return []float64{a}
	}
	step := math.Log(hi) / a
	g := make([]float64, k)
	for i := range g {
		g[i] = a * math.Pow(step, float64(i)/float64(k-1))
	}
	return g
}

// DefaultGrid gives the effect sizes that a stream looks for when it is told
// none: fourteen odds multipliers from 1.12 to 300.
func DefaultGrid() []float64 { return Grid(1.12, 300, 14) }

// nullNodes gives a discrete normal distribution of mean 0 and deviation sd on
// 17 points out to four deviations: values and log weights. A deviation of
// zero gives no nodes, which stands for the point 0.
func nullNodes(sd float64) (at, logWeight []float64) {
	if !(sd > 0) {
		return nil, nil
	}
	const nodes = 17
	at, logWeight = make([]float64, nodes), make([]float64, nodes)
	for i := range at {
		z := float64(i-8) / 2
		at[i], logWeight[i] = sd*z, -z*z/2
	}
	total := LogSumExp(logWeight)
	for i := range logWeight {
		logWeight[i] -= total
	}
	return at, logWeight
}

// xlogy is x·log y with 0·log 0 = 0.
func xlogy(x, y float64) float64 {
	if x == 0 {
		return 0
	}
	return x * math.Log(y)
}

// limiter is a value that follows a log e-value from below and rises by no more
// than step at a time, and only when the e-value itself rises: one burst of a
// single window can never decide, nor can silence after it. Being nowhere above
// an e-process it is as valid.
//
// What speaks for harmlessness may vanish as fast as it came: with fromZero a
// value rises from 0 at the latest.
type limiter struct {
	step, value, raw float64
	fromZero         bool
}

func (l *limiter) update(raw float64) float64 { return l.follow(raw, raw > l.raw) }

// follow is update where something else than raw tells that evidence grew.
func (l *limiter) follow(raw float64, grew bool) float64 {
	if grew {
		from := l.value
		if l.fromZero {
			from = math.Max(from, 0)
		}
		l.value = math.Min(raw, from+l.step)
	} else {
		l.value = math.Min(raw, l.value)
	}
	l.raw = raw
	return l.value
}
