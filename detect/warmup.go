package detect

import (
	"math"
	"slices"
	"time"

	"unship.dev"
)

// Warming up. A young instance of age a is expected to be
//
//	g(a) = 1 + A·exp(−a/τ)
//
// times slower than an old one. A differs from start to start; what is granted
// is exp(mean + 3 deviations) of its logarithm, learnt from young instances
// that were no candidates, or whose release proved healthy. τ is the least of
// one, two, four and eight minutes at which no start was slower later than its
// first minute foretold.
const (
	warmth         = time.Minute
	warmupBound    = 4.5  // of A, while nothing is known
	warmEnough     = 1.09 // two buckets: from here on all quantiles are compared
	warmBins       = 8    // minutes of an instance's life that are looked at
	warmRequests   = 50   // of a minute: fewer teach nothing
	warmFloor      = .05  // of A: less cannot be told from instances that differ
	warmNoise      = .06  // deviation of the log durations between equal instances
	warmLessons    = 16   // the latest of a service
	warmServices   = 5    // fewer others teach a service nothing of itself
	ownWarmthSD    = .5   // prior deviation of log A between starts of one service, worth two starts
	estateWarmthSD = 1    // … between services
	warmthPrior    = 2
	warmDeviations = 3
	warmForetold   = 1.5 // times the first minute's A that later ones may show
)

// warmness is what is granted to an instance that starts.
type warmness struct {
	amplitude float64 // A
	decay     float64 // τ in minutes
}

// warming is how slow an instance was in the first minutes of its life.
type warming struct {
	minutes [warmBins]struct{ n, sum, squares float64 } // of requests: log durations against the past, in buckets
	filed   bool
	trouble int32 // windows up to the last one in which it failed as starts do
}

// add takes in an operation's durations in the instance's k-th minute. middle
// is the mean bucket of the operation's past.
func (w *warming) add(k int32, h unship.Histogram, middle float64) {
	if k >= warmBins {
		return
	}
	m := &w.minutes[k]
	for _, b := range h {
		d, n := float64(b.Index)-middle, float64(b.Count)
		m.n, m.sum, m.squares = m.n+n, m.sum+float64(n*d), m.squares+float64(n*d*d)
	}
}

// amplitude is the A of the first minute and the largest of all minutes that are
// slower than noise would have them, if τ is so many minutes; 0 while the first
// one has too few requests.
func (w *warming) amplitude(decay float64) (first, most float64) {
	if w.minutes[0].n < warmRequests {
		return 0, 0
	}
	first, most = warmFloor, warmFloor
	for k, m := range w.minutes {
		if m.n < warmRequests {
			continue
		}
		mean := m.sum / m.n
		variance := math.Max(0, m.squares/m.n-mean*mean)
		log := mean * math.Log(bucketRatio)
		noise := math.Hypot(math.Sqrt(variance/m.n)*math.Log(bucketRatio), warmNoise)
		if k == 0 {
			first = math.Max(first, amplitudeOf(log, k, decay))
		}
		if k == 0 || log > 2*noise {
			most = math.Max(most, amplitudeOf(log, k, decay))
		}
	}
	return first, most
}

// amplitudeOf is the A whose mean log slowdown in the k-th minute is log.
func amplitudeOf(log float64, k int, decay float64) float64 {
	lo, hi := 0.0, 1e3
	for range 40 {
		a := (lo + hi) / 2
		sum := 0.0
		for j := range 6 {
			sum += math.Log1p(a * math.Exp(-(float64(k)+(float64(j)+.5)/6)/decay))
		}
		if sum/6 < log {
			lo = a
		} else {
			hi = a
		}
	}
	return lo
}

// warmth gives the amplitude that is granted to an instance of a service that
// starts now. What its own starts showed comes first; without any, the other
// services' together, and no less than the slowest of those shows.
func (d *Detector) warmth(s *service) warmness {
	if own, decay := s.warmth(); len(own) > 0 {
		return warmness{bound(own, ownWarmthSD), decay}
	}
	var others []float64
	w := warmness{decay: 1}
	for _, o := range d.order {
		if own, decay := o.warmth(); o.id.Environment == s.id.Environment && len(own) > 0 {
			others = append(others, mean(own))
			w = warmness{math.Max(w.amplitude, bound(own, ownWarmthSD)), math.Max(w.decay, decay)}
		}
	}
	if len(others) < warmServices {
		return warmness{warmupBound, 1}
	}
	w.amplitude = math.Max(w.amplitude, bound(others, estateWarmthSD))
	return w
}

// warmth gives the log amplitudes of a service's latest starts, and their decay.
func (s *service) warmth() (logs []float64, decay float64) {
	for decay = 1; ; decay *= 2 {
		logs = logs[:0]
		foretold := true
		for _, w := range s.warmups {
			if first, most := w.amplitude(decay); most > 0 {
				logs = append(logs, math.Log(most))
				foretold = foretold && most <= warmForetold*first
			}
		}
		if foretold || decay >= warmBins {
			return logs, decay
		}
	}
}

// bound is exp(mean + 3 deviations) of what the next one may be.
func bound(logs []float64, prior float64) float64 {
	n := float64(len(logs))
	ss := float64((n-1)*deviation(logs)*deviation(logs)) + warmthPrior*prior*prior
	sd := math.Sqrt(ss / (warmthPrior + n - 1) * (1 + 1/n))
	return math.Exp(mean(logs) + warmDeviations*sd)
}

// file keeps the start of an instance among the service's lessons. Instances
// that came with the service's telemetry are older than they look.
func (s *service) file(i *instance, window time.Duration) {
	if i.warming == nil || i.warming.filed || i.first <= s.first+int32(warmth/window) {
		return
	}
	i.warming.filed = true
	s.warmups = append(s.warmups, i.warming)
	if len(s.warmups) > warmLessons {
		s.warmups = slices.Delete(s.warmups, 0, 1)
	}
}

// slowdown gives how many times slower the instance may be at its age.
func (i *instance) slowdown(t int32, window time.Duration) float64 {
	if i.settled {
		return 1
	}
	return 1 + i.warmness.amplitude*math.Exp(-float64(i.age(t))*float64(window)/float64(warmth)/i.warmness.decay)
}

// allowance gives by how many buckets the thresholds of an instance are raised
// and which of them are compared.
func (i *instance) allowance(t int32, window time.Duration) (buckets int16, lat uint8) {
	g := i.slowdown(t, window)
	b := math.Log(g) / math.Log(bucketRatio)
	if g > warmEnough {
		return int16(math.Ceil(b - 1e-9)), latTail
	}
	return int16(math.Floor(b + .5)), latAll
}

// minute is which minute of its life an instance is in, from 0.
func (i *instance) minute(t int32, window time.Duration) int32 {
	return int32(time.Duration(t-i.first) * window / warmth)
}

// warm lets a window of an instance teach how it warms up.
func (s *service) warm(i *instance, h unship.Histogram, l *latency, t int32, window time.Duration) {
	if i.warming != nil && l.known {
		i.warming.add(i.minute(t, window), h, l.middle)
	}
}

// teachWarmth lets the starts of a release that proved healthy teach.
func (w *watch) teachWarmth() {
	for _, i := range w.candidates() {
		w.svc.file(i, w.window)
	}
}
