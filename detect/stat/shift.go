package stat

import (
	"math"
	"slices"
)

// ShiftOptions describes the time before a release that left nothing old to
// compare with.
type ShiftOptions struct {
	PreX, PreN []float64 // bad count and exposure by window before the release, oldest first
	Phi        float64   // dispersion; 0: 1.5, and 1 at least
	Grid       []float64 // log rate multipliers, above 0; nil: [DefaultGrid]
	Fall       bool      // a fall of the rate is looked for: by the grid's multipliers, downward
	Horizon    int       // windows of the watch; 0: 360
	Lenient    bool      // what is bad after the release is so by a more lenient measure than before: a fall of the rate is no shift
	Late       bool      // harm may begin some time after the release: see [Shift.LogA]
}

const (
	slotWidth = 3  // windows between two possible moments of an unrelated shift
	slotsPre  = 60 // windows before the release in which one is thought possible
	lateSlots = 40 // slots after the release in which late harm may begin

	// MaxMoment is how many windows before and after the release
	// [Shift.WorseSince] can look at.
	MaxMoment = 24
)

// Shift is the evidence of one stream that its rate rose, or fell, with the release.
//
// With X bad counts over exposure N since the release, (x, n) before it, and
// all of them divided by the dispersion φ, the rate having the prior that the
// time before gives it (a gamma–Poisson model: a = x + ½, b = n), a change by
// factor θ at moment τ has the log likelihood ratio
//
//	ℓ(θ; τ) = X_{>τ}·log θ − (a+X)·log[(b + N_{≤τ} + θ·N_{>τ}) / (b+N)].
//
// Null hypothesis: since the release the rate differs by no more than a normal
// drift of the log rate with the deviation given window by window, or it is at
// the level of some stretch of the time before that was about as long: what
// comes in bursts may do so again; or the release changed it for the better ([Shift.LogA] and [Shift.LogB] are both
// relative to the mixture). Assumption: the exposure has been
// multiplied by the ratio of services that should move alike. What is not
// refuted by this alone is a shift that came by itself near the release; for
// that there is LogB, and [ShiftRelease] weighs both: the change must start at
// the release (Li et al. 2020 call it temporal correlation).
//
// Cost: Add and LogA about 1 µs; LogB, computed when asked for, 17 terms for
// every third window since five minutes before the release and one for each length
// of a shift that passes, 300 µs after half an hour.
type Shift struct {
	phi          float64
	a, b         float64      // of the time before, divided by φ
	x, n         float64      // since the release, divided by φ
	sd, strain   float64      // deviation by drift; exposures times what strain adds to it
	grid, growth []float64    // log θ and θ−1 of changes for the worse
	any, anyGrow []float64    // the same of changes for better or worse
	kind         []float64    // log θ of changes for the better …
	kindGrow     []float64    // … and θ−1
	least, most  float64      // of them
	nodes, logV  []float64    // standard normal
	past         [][2]float64 // sums of the time before up to each window, divided by φ
	active       int          // windows with exposure since the release
	slots        [][2]float64
	slotCap      int
	first        int // slot at the release
	late         bool
	earlier      [][2]float64 // by windows before the release: what came between
	later        [][2]float64 // by windows after it: the same
	windows      int
	logA, logB   float64
	stale        bool // logB is not of the present window
}

// NewShift gives a shift without evidence.
func NewShift(o ShiftOptions) *Shift {
	if o.Grid == nil {
		o.Grid = DefaultGrid()
	}
	if o.Phi == 0 {
		o.Phi = 1.5
	}
	if o.Horizon <= 0 {
		o.Horizon = defaultHorizon
	}
	s := &Shift{phi: math.Max(1, o.Phi), grid: slices.Clone(o.Grid), late: o.Late}
	s.any = slices.Clone(o.Grid)
	if !o.Lenient {
		s.any = append(s.any, -0.15, -0.4, -0.9)
		s.kind = []float64{-0.15, -0.4, -0.9, -1.8, -3.6}
	}
	if o.Fall {
		negate(s.grid)
		negate(s.any)
		negate(s.kind)
	}
	s.least, s.most = slices.Min(s.any), slices.Max(s.any)
	s.growth, s.anyGrow, s.kindGrow = growth(s.grid), growth(s.any), growth(s.kind)
	s.nodes, s.logV = nullNodes(1)
	s.before(o.PreX, o.PreN)
	s.first = len(s.slots)
	s.slotCap = len(s.slots) + (o.Horizon+slotWidth-1)/slotWidth
	s.slots = slices.Grow(s.slots, s.slotCap-len(s.slots))
	return s
}

func negate(x []float64) {
	for k := range x {
		x[k] = -x[k]
	}
}

func growth(logTheta []float64) []float64 {
	g := make([]float64, len(logTheta))
	for k, lt := range logTheta {
		g[k] = math.Expm1(lt)
	}
	return g
}

// before takes in the windows before the release and opens a slot at every
// third of the last ones. A slot holds what comes between it and the release.
func (s *Shift) before(x, n []float64) {
	windows := min(len(x), len(n))
	s.past = sums(x[len(x)-windows:], n[len(n)-windows:], s.phi)
	all := s.past[windows]
	for i := 1; i <= min(windows, max(slotsPre, MaxMoment)); i++ {
		older := s.past[windows-i]
		since := [2]float64{all[0] - older[0], all[1] - older[1]}
		if i <= slotsPre && i%slotWidth == 0 {
			s.slots = append(s.slots, since)
		}
		if i <= MaxMoment {
			s.earlier = append(s.earlier, since)
		}
	}
	s.a, s.b = all[0]+0.5, all[1]
}

// Add adds one window after the release: x bad of the exposure n, and the
// deviation of the log rate by drift until then. Windows without exposure count
// as time.
func (s *Shift) Add(x, n, sd float64) { s.AddStrained(x, n, sd, 0) }

// AddStrained adds a window in which something else, such as another load, makes
// the rate drift by more than usual, by so much: it counts for less, as if its
// counts were dispersed more widely, and what was counted in it stays doubtful.
func (s *Shift) AddStrained(x, n, sd, strain float64) {
	if s.windows%slotWidth == 0 && len(s.slots) < s.slotCap {
		s.slots = append(s.slots, [2]float64{-s.x, -s.n})
	}
	if s.windows <= MaxMoment {
		s.later = append(s.later, [2]float64{-s.x, -s.n})
	}
	s.windows++
	if n > 0 && x >= 0 {
		s.active++
		sd, strain = math.Max(0, sd), math.Max(0, strain)
		phi := s.phi
		if sd > 0 {
			phi *= (sd + strain) * (sd + strain) / (sd * sd)
		}
		s.x += x / phi
		s.n += n / phi
		s.strain += strain * n / phi
		s.sd = sd + s.strain/s.n
	}
	s.logA, s.stale = s.atRelease()-s.null(), true
}

// ratio is ℓ for a change after which came (x, n).
func (s *Shift) ratio(x, n, logTheta, growth float64) float64 {
	return float64(x*logTheta) - float64((s.a+s.x)*math.Log1p(n*growth/(s.b+s.n)))
}

// drift is the log of the mixture of ℓ over drifts.
func (s *Shift) drift() float64 {
	if s.sd == 0 || s.b+s.n <= 0 {
		return 0
	}
	share := s.n / (s.b + s.n)
	if s.sd*s.sd*(s.a+s.x)*share*(1-share) > fineDrift {
		return s.peak(s.x, s.n, 0)
	}
	l := newSum()
	for j, z := range s.nodes {
		l.add(s.logV[j] + s.ratio(s.x, s.n, s.sd*z, math.Expm1(s.sd*z)))
	}
	if mode, counts := s.mode(s.x, s.n); counts >= normalCounts && math.Abs(mode) > nodesReach*s.sd {
		return math.Max(l.log(), s.peak(s.x, s.n, 0)) // changes are normal to their ends, and so is drift
	}
	return l.log()
}

// nodesReach is how far, in deviations, the nodes of the drift tell enough: they end at 4.
const nodesReach = 3

// fineDrift is the variance of drift, in units of what the counts leave open,
// beyond which the likelihood is narrower than the nodes are apart.
const fineDrift = 4

// peak is the log of the mixture of ℓ over changes around one, as wide as the drift,
// after which came (x, n). It is found by Laplace's method: the likelihood is concave
// in the log of the rate, the prior normal, and their product nearly so where there are
// many counts. The mode is found by Newton's method.
func (s *Shift) peak(x, n, around float64) float64 {
	v, before := s.sd*s.sd, s.b+s.n-n
	eta := around
	if x > 0 && before > 0 && s.a+s.x > x {
		eta = math.Log(x * before / ((s.a + s.x - x) * n))
	}
	curvature := 0.0
	for range 30 {
		p := n * math.Exp(eta) / (before + float64(n*math.Exp(eta)))
		curvature = float64((s.a+s.x)*p*(1-p)) + 1/v
		step := (x - float64((s.a+s.x)*p) - (eta-around)/v) / curvature
		eta += math.Max(-1, math.Min(1, step))
		if math.Abs(step) < 1e-9 {
			break
		}
	}
	return s.ratio(x, n, eta, math.Expm1(eta)) - (eta-around)*(eta-around)/(2*v) - math.Log(v*curvature)/2
}

// atRelease is the log of the mixture of ℓ over changes for the worse at the release.
func (s *Shift) atRelease() float64 {
	if s.b+s.n <= 0 {
		return 0
	}
	now := s.worse([2]float64{})
	if !s.late {
		return now
	}
	l := newSum()
	l.add(now - math.Ln2)
	for j, weight := range lateWeights {
		if k := s.first + 1 + j; k < len(s.slots) {
			l.add(weight - math.Ln2 + s.worse(s.slots[k]))
		} else {
			l.add(weight - math.Ln2)
		}
	}
	return l.log()
}

// worse is the log of the mixture of ℓ over changes for the worse at a moment,
// given what came between it and the release.
func (s *Shift) worse(between [2]float64) float64 {
	return s.mixture(s.x+between[0], s.n+between[1], s.grid, s.growth) - math.Log(float64(len(s.grid)))
}

// WorseSince is the log Bayes factor of "worse since window at, counted from the
// release" against drift: what another release near this one predicts. Windows
// beyond [MaxMoment] on either side, or still to come, give 0.
func (s *Shift) WorseSince(at int) float64 {
	switch {
	case s.b+s.n <= 0 || at == s.windows:
	case at >= 0 && at < len(s.later):
		return s.worse(s.later[at]) - s.null()
	case at < 0 && -at <= len(s.earlier):
		return s.worse(s.earlier[-at-1]) - s.null()
	}
	return 0
}

// normalCounts is how much the counts tell of the log rate (its inverse
// variance) from which on the likelihood is taken for a normal one.
const normalCounts = 20

// mixture is the log of the sum of ℓ over changes after which came (x, n). A
// rate that a release changes drifts like any other, so each change stands for
// a normal distribution of changes around it. Were it a point, the drifting null
// would explain large counts better than the nearest point of the grid, however
// large the change.
func (s *Shift) mixture(x, n float64, logTheta, growth []float64) float64 {
	l := newSum()
	mode, counts := s.mode(x, n)
	if s.sd == 0 || counts < normalCounts {
		for k, lt := range logTheta {
			l.add(s.ratio(x, n, lt, growth[k]))
		}
		return l.log()
	}
	if mode < slices.Min(logTheta) { // so far above the mode the likelihood falls faster than a normal one
		for _, lt := range logTheta {
			l.add(s.peak(x, n, lt))
		}
		return l.log()
	}
	v := s.sd*s.sd + 1/counts
	top := s.ratio(x, n, mode, math.Expm1(mode)) - math.Log(v*counts)/2
	for _, lt := range logTheta {
		l.add(top - (mode-lt)*(mode-lt)/(2*v))
	}
	return l.log()
}

// mode is the log change at which ℓ is largest, and its curvature there.
func (s *Shift) mode(x, n float64) (at, curvature float64) {
	if before := s.b + s.n - n; x > 0 && n > 0 && before > 0 && s.a+s.x > x {
		p := x / (s.a + s.x)
		return math.Log(p * before / ((1 - p) * n)), (s.a + s.x) * p * (1 - p)
	}
	return 0, 0
}

// anyTime is the log of the mixture of ℓ over all changes at all slots. Slots
// still to come have seen no change.
func (s *Shift) anyTime() float64 {
	if s.b+s.n <= 0 {
		return 0
	}
	l := newSum()
	for _, slot := range s.slots {
		l.add(s.mixture(s.x+slot[0], s.n+slot[1], s.any, s.anyGrow))
	}
	all := float64(s.slotCap)
	stays := LogAdd(l.log(), math.Log(float64((all-float64(len(s.slots)))*float64(len(s.any))))) -
		math.Log(all*float64(len(s.any)))
	return LogAdd(stays, s.passing())
}

// passingSlots are the lengths, in slots, of shifts that pass: a quarter of a minute to eight minutes.
var passingSlots = [...]int{1, 2, 4, 8, 16, 32}

// passing is the log of the mixture of ℓ over all changes that began at a slot
// and have ended at another, with the weight that those have which stay: an outage
// ends, whereupon no change that stays fits, and what came with the release is no
// worse an excuse for it than any other moment.
func (s *Shift) passing() float64 {
	l := newSum()
	for k := range s.slots {
		for _, length := range passingSlots {
			if k+length >= len(s.slots) {
				break
			}
			from, to := s.slots[s.inTime(k)], s.slots[s.inTime(k+length)]
			if change, ok := s.anyChange(from[0]-to[0], from[1]-to[1]); ok {
				l.add(change)
			}
		}
	}
	return l.log() - math.Log(float64(s.slotCap*len(passingSlots)))
}

// anyChange is the log of the mean of ℓ over the log changes between the least
// and the greatest looked for, all as likely, during which came (x, n): by Laplace's
// method, for there are many such times. Drift widens the peak by as much as it
// lowers it. Without counts there is no peak.
func (s *Shift) anyChange(x, n float64) (logL float64, ok bool) {
	mode, counts := s.mode(x, n)
	if counts <= 0 {
		return 0, false
	}
	at := math.Max(s.least, math.Min(s.most, mode))
	return s.ratio(x, n, at, math.Expm1(at)) + math.Min(0, math.Log(2*math.Pi/counts)/2-math.Log(s.most-s.least)), true
}

// inTime is where the k-th slot is, counted from the earliest: those before the
// release are kept backwards.
func (s *Shift) inTime(k int) int {
	if k < s.first {
		return s.first - 1 - k
	}
	return k
}

// LogA is the log Bayes factor of "worse since the release" against the null. With
// the option Late it is that of "worse since the release or, with half of the
// probability, one of the next 120 windows, the later the less likely".
func (s *Shift) LogA() float64 { return s.logA }

// LogB is the log Bayes factor of "shifted, either way, at some moment from
// five minutes before the release to the end of the watch, or shifted there and
// back" against the null.
func (s *Shift) LogB() float64 {
	if s.stale {
		s.logB, s.stale = s.anyTime()-s.null(), false
	}
	return s.logB
}

// Moment is the moment, in windows counted from the release, at which a change
// explains the counts best: every third one from 60 windows before it on.
func (s *Shift) Moment() int {
	best, most := 0, math.Inf(-1)
	for k, slot := range s.slots {
		if l := s.mixture(s.x+slot[0], s.n+slot[1], s.any, s.anyGrow); l > most {
			best, most = k, l
		}
	}
	switch {
	case math.IsInf(most, -1):
		return 0
	case best < s.first:
		return -slotWidth * (best + 1)
	}
	return slotWidth * (best - s.first)
}

// Windows is how many windows since the release were added.
func (s *Shift) Windows() int { return s.windows }

// logSum is a running [LogSumExp].
type logSum struct{ top, sum float64 }

func newSum() logSum { return logSum{top: math.Inf(-1)} }

func (l *logSum) add(v float64) {
	switch {
	case math.IsInf(v, -1): // adds nothing, to nothing as well
	case v <= l.top:
		l.sum += math.Exp(v - l.top)
	case !math.IsNaN(v):
		l.sum = float64(l.sum*math.Exp(l.top-v)) + 1
		l.top = v
	}
}

func (l *logSum) log() float64 { return l.top + math.Log(l.sum) }

// ShiftRelease combines the [Shift] streams of one release into
//
//	E = Σ w·A / [(1−p_exo) + p_exo·Σ w·B]
//
// where p_exo is the probability that something unrelated shifts during the
// watch. However strong the change, E stays under about (slots of the
// watch)/p_exo: the past is no proof. Its rise is limited once, here.
//
// Null hypothesis: no stream rose at the release by more than its drift, and
// with probability p_exo one of them shifted at a moment of its own.
// P(log E ever ≥ L) ≤ exp(−L) on average over drifts and shifts, as far as
// those are described.
type ShiftRelease struct {
	logExo, logNone float64
	last            float64 // log Σ w·A of the step before
	limit           limiter
}

// NewShiftRelease gives a release without evidence. pExo outside (0,1) stands
// for .02; limit is the most that one window may add, 0 for log(100)/4.
func NewShiftRelease(pExo, limit float64) *ShiftRelease {
	if !(pExo > 0 && pExo < 1) {
		pExo = 0.02
	}
	if limit <= 0 {
		limit = math.Log(100) / 4
	}
	return &ShiftRelease{logExo: math.Log(pExo), logNone: math.Log1p(-pExo), limit: limiter{step: limit, fromZero: true}}
}

// pastPlateau is by how much bounded evidence trembles at its bound.
const pastPlateau = .05

// Step combines the streams' evidence as of one window: weights that sum to at
// most 1, what they leave staying invested in E = 1, and LogA and LogB of each
// stream. A LogB of -Inf says that LogA is an e-value by itself, weighed against
// shifts from outside already: what else shifts does not touch it. It gives
// [ShiftRelease.LogE].
func (r *ShiftRelease) Step(weights, logA, logB []float64) float64 {
	a, b, done, rest, open := newSum(), newSum(), newSum(), 1.0, 1.0
	for i, w := range weights {
		switch {
		case w <= 0:
			continue
		case math.IsInf(logB[i], -1):
			done.add(math.Log(w) + logA[i])
			open -= w
		default:
			a.add(math.Log(w) + logA[i])
			b.add(math.Log(w) + logB[i])
		}
		rest -= w
	}
	if rest > 1e-9 {
		a.add(math.Log(rest))
		b.add(math.Log(rest))
	}
	l := math.Inf(-1)
	if !math.IsInf(a.top, -1) {
		l = a.log() - LogAdd(r.logNone, r.logExo+b.log()-math.Log(open))
	}
	if !math.IsInf(done.top, -1) {
		l = LogAdd(l, done.log())
	}
	if math.IsInf(l, -1) {
		return r.limit.value
	}
	// E has a bound, and trembles at the bound although evidence grows.
	grew := LogAdd(a.log(), done.log()) > r.last || l > r.limit.raw-pastPlateau && l != r.limit.raw
	r.last = LogAdd(a.log(), done.log())
	return r.limit.follow(l, grew)
}

// LogE is the rate-limited log e-value as of the last step.
func (r *ShiftRelease) LogE() float64 { return r.limit.value }

// Raw is the log e-value before the limiter.
func (r *ShiftRelease) Raw() float64 { return r.limit.raw }
