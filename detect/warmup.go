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
// is what the next start exceeds about once in a thousand times (mean and 3
// deviations of the first minute's log slowdown), learnt from young instances
// that were no candidates, or whose release proved healthy.
const (
	warmth         = time.Minute
	warmupBound    = 4.5 // A, while nothing is known
	warmRequests   = 50  // of a bin: fewer teach nothing
	warmNoise      = .06 // deviation of the log durations between equal instances in a minute
	warmLessons    = 16  // the latest of a service
	warmServices   = 5   // fewer others teach a service nothing of itself
	warmDeviations = 3
	warmForetold   = 1.5 // times the usual A that later minutes may show
	longestDecay   = 8   // minutes

	// Prior deviations of the slowdown as a part of its mean, worth two lessons:
	// between starts of one service, between services.
	ownWarmthCV    = .5
	estateWarmthCV = 1
	warmthPrior    = 2

	// warmLittle is how far, in buckets, thresholds are raised when the middle is compared.
	warmLittle = 2
	// warmMuch is how far, in buckets, thresholds of the body are raised at most:
	// two fifths slower. The shape of the first moments is not known that well.
	warmMuch     = 8
	doubtUnknown = 2 // times as large A may be, if it was not learnt from the service itself
)

// warmBins are the ends, in minutes, of the parts of an instance's life that
// are looked at. In the last two it is as fast as it will ever be.
var warmBins = [...]float64{1, 2, 3, 4, 6, 8, 12, 16}

const (
	warmGrown = 6 // bins, after which an instance is what others are compared with
	bins      = len(warmBins)
)

// warmBin gives the bin of an age in minutes; bins beyond the last.
func warmBin(minutes float64) int {
	k := 0
	for k < bins && minutes >= warmBins[k] {
		k++
	}
	return k
}

// middleOf is the age in minutes that stands for a bin.
func middleOf(k int) float64 {
	if k == 0 {
		return warmBins[0] / 2
	}
	return (warmBins[k-1] + warmBins[k]) / 2
}

// warmness is what is granted to an instance that starts.
type warmness struct {
	amplitude float64 // A
	decay     float64 // τ in minutes
	doubt     float64 // times as large A may be after all
}

// buckets is by how many buckets an instance that starts may be slower.
func (w warmness) buckets() int16 {
	return int16(math.Ceil(math.Log1p(w.amplitude) / math.Log(bucketRatio)))
}

// warming is how slow an instance was in the first minutes of its life,
// compared with grown ones in the same windows: what slows all of them cancels.
type warming struct {
	bins    [bins]warmLesson
	filed   bool
	trouble int32 // windows up to the last one in which it failed as starts do …
	slow    int32 // … and in which some requests were very slow

	tail, tailExpected float64 // very slow requests since then
}

// warmLesson sums up log durations, in buckets.
type warmLesson struct{ n, peers, excess, squares float64 }

// durations sums up the buckets of some requests.
type durations struct{ n, sum, squares float64 }

func (d *durations) add(h unship.Histogram) {
	for _, b := range h {
		x, n := float64(b.Index), float64(b.Count)
		d.n, d.sum, d.squares = d.n+n, d.sum+float64(n*x), d.squares+float64(n*x*x)
	}
}

// add takes in what an operation of the instance did in one window, and its
// grown peers in the same one.
func (w *warming) add(bin int, own, peers durations) {
	if bin >= bins || own.n == 0 || peers.n == 0 {
		return
	}
	b := &w.bins[bin]
	middle := peers.sum / peers.n
	b.n, b.peers = b.n+own.n, b.peers+peers.n
	b.excess += own.sum - float64(own.n*middle)
	b.squares += own.squares - float64(2*middle*own.sum) + float64(own.n*middle*middle)
}

// slower gives the log slowdown in a bin against the instance's own later life,
// or against its peers while it has none, and the variance of chance; false with
// too few requests. An instance that is slow for good is not warming up.
func (w *warming) slower(k int) (log, variance float64, ok bool) {
	log, variance, ok = w.bins[k].slower()
	if a, _, later := w.bins[bins-2].slower(); ok && later {
		if b, _, last := w.bins[bins-1].slower(); last {
			log -= (a + b) / 2
		}
	}
	return log, variance, ok
}

func (b *warmLesson) slower() (log, variance float64, ok bool) {
	if b.n < warmRequests || b.peers < warmRequests {
		return 0, 0, false
	}
	mean := b.excess / b.n
	spread := math.Max(0, b.squares/b.n-mean*mean) * (1/b.n + 1/b.peers)
	scale := math.Log(bucketRatio)
	return mean * scale, spread*scale*scale + warmNoise*warmNoise, true
}

// starts is what a service's latest starts showed of the first minute.
type starts struct {
	n, mean  float64
	variance float64 // of the mean, by chance
	spread   float64 // sum of squares beyond what chance explains
}

func newStarts(logs, variances []float64) (s starts) {
	s.n, s.mean = float64(len(logs)), mean(logs)
	noise, ss := mean(variances), 0.0
	for _, x := range logs {
		ss += float64((x - s.mean) * (x - s.mean))
	}
	s.mean, s.variance = math.Max(0, s.mean), noise/s.n
	s.spread = math.Max(0, ss-noise*(s.n-1+math.Sqrt(2*(s.n-1))))
	return s
}

// bound is the log slowdown of the first minute that the next start stays under:
// the upper limit of the mean and 3 deviations, less what chance does to
// instances of any age, which the comparison takes into account anyway.
func (s *starts) bound(cv float64) float64 {
	m := s.mean + math.Sqrt(s.variance)
	ss := float64(warmthPrior*cv*cv*m*m) + s.spread
	variance := ss / (warmthPrior + s.n - 1) * (1 + 1/s.n)
	return m + warmDeviations*(math.Sqrt(variance+warmNoise*warmNoise)-warmNoise)
}

// warmth gives what is granted to an instance of a service that starts now.
// What its own starts showed comes first; without any, the other services'
// together, and no less than the slowest of those shows.
func (d *Detector) warmth(s *service) warmness {
	if own, decay := s.warmth(); own.n > 0 {
		return warmness{amplitudeOf(own.bound(ownWarmthCV), decay), decay, 1 + 1/math.Sqrt(own.n)}
	}
	var means, variances []float64
	most, longest := 0.0, 1.0
	for _, o := range d.order {
		if own, decay := o.warmth(); o.id.Environment == s.id.Environment && own.n > 0 {
			means, variances = append(means, own.mean), append(variances, own.variance)
			most, longest = math.Max(most, own.bound(ownWarmthCV)), math.Max(longest, decay)
		}
	}
	if len(means) < warmServices {
		return warmness{warmupBound, 1, doubtUnknown}
	}
	all := newStarts(means, variances)
	return warmness{amplitudeOf(math.Max(most, all.bound(estateWarmthCV)), longest), longest, doubtUnknown}
}

// warmth gives what a service's latest starts showed, and their decay: the least
// of one, two, four and eight minutes at which the usual start was no slower
// later than the first minute foretold.
func (s *service) warmth() (starts, float64) {
	var logs, variances []float64
	for _, w := range s.warmups {
		if log, v, ok := w.slower(0); ok {
			logs, variances = append(logs, log), append(variances, v)
		}
	}
	if len(logs) == 0 {
		return starts{}, 1
	}
	own := newStarts(logs, variances)
	later := s.laterWarmth()
	for decay := 1.0; ; decay *= 2 {
		a := warmForetold * amplitudeOf(own.mean, decay)
		foretold := decay >= longestDecay
		if !foretold {
			foretold = true
			for k, log := range later {
				foretold = foretold && log <= math.Log1p(a*math.Exp(-middleOf(k+1)/decay))
			}
		}
		if foretold {
			return own, decay
		}
	}
}

// laterWarmth gives how slow a service's starts surely were in each bin after
// the first, in the middle of them: less two deviations of chance.
func (s *service) laterWarmth() (later [bins - 1]float64) {
	for k := range later {
		var logs, variances []float64
		for _, w := range s.warmups {
			if log, v, ok := w.slower(k + 1); ok {
				logs, variances = append(logs, log), append(variances, v)
			}
		}
		if n := len(logs); n > 0 {
			slices.Sort(logs)
			later[k] = (logs[(n-1)/2]+logs[n/2])/2 - 2*math.Sqrt(math.Pi/2*mean(variances)/float64(n))
		}
	}
	return later
}

// amplitudeOf is the A whose mean log slowdown in the first minute is log.
func amplitudeOf(log, decay float64) float64 {
	const steps = 6
	lo, hi := 0.0, 1e3
	for range 40 {
		a := (lo + hi) / 2
		sum := 0.0
		for j := range steps {
			sum += math.Log1p(a * math.Exp(-(float64(j)+.5)/steps/decay))
		}
		if sum/steps < log {
			lo = a
		} else {
			hi = a
		}
	}
	return lo
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

// minutes is the age of an instance that is not settled.
func (i *instance) minutes(t int32, window time.Duration) float64 {
	return float64(i.age(t)) * window.Minutes()
}

// allowance gives by how many buckets the thresholds of an instance are raised
// and which of them are compared: the upper quantiles once an A that is as large
// as it may be after all is not much, and with thresholds for that. Raised
// thresholds find what is much slower at once, but hide what is a little slower
// and would count it against a fault for long: the middle, which is for small
// changes, waits until hardly anything is granted.
func (i *instance) allowance(t int32, window time.Duration) (buckets int16, lat uint8) {
	if i.settled {
		return 0, latAll
	}
	w := &i.warmness
	more := w.amplitude * math.Exp(-i.minutes(t, window)/w.decay)
	granted := math.Log1p(more) / math.Log(bucketRatio)
	doubtful := int16(math.Log1p(w.doubt*more) / math.Log(bucketRatio))
	switch {
	case i.age(t) < i.slowStart:
		return int16(granted), latNone
	case doubtful > warmMuch:
		return int16(math.Ceil(granted)), latTail
	case doubtful > warmLittle:
		return doubtful, latUpper
	}
	return doubtful, latAll
}

// teachWarmth lets the starts of a release that proved healthy teach.
func (w *watch) teachWarmth() {
	for _, i := range w.candidates() {
		w.svc.file(i, w.window)
	}
}
