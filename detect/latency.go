package detect

import (
	"math"
	"slices"
	"time"

	"unship.dev"
)

// Thresholds of durations: three quantiles of the baseline's past, and twice
// the last of them, which sees a few requests become many times slower.
const (
	thresholds   = 4
	farBuckets   = 16  // twice as long
	minDurations = 30  // fewer give no threshold
	forgetting   = .97 // a window, of the past that sets the thresholds
	bucketRatio  = 1.0442737824274138
	blockWindows = 3
	recentBlocks = 20
	oldWindows   = 60
	tail         = 2 // the threshold of the 99 % quantile
)

var quantiles = [thresholds]float64{.5, .9, .99, .99}

// latency holds the past durations of one operation's baseline.
type latency struct {
	self   bool // durations are self durations
	past   sketch
	limits [thresholds]int16
	known  bool
	window unship.Histogram // the baseline's durations of the present window
	grown  durations        // those of instances that do not warm up any more
	slow   float64          // … of them beyond the 99 % quantile
	young  []youth          // … and what may teach how others do
	blocks []block
}

// sketch is a histogram that forgets.
type sketch struct {
	base   int16
	weight []float64
	total  float64
}

func (s *sketch) decay(by float64) {
	for i := range s.weight {
		s.weight[i] *= by
	}
	s.total *= by
}

func (s *sketch) add(h unship.Histogram) {
	if len(h) == 0 {
		return
	}
	lo, hi := h[0].Index, h[len(h)-1].Index
	if len(s.weight) == 0 {
		s.base = lo
	}
	if lo < s.base {
		s.weight = slices.Insert(s.weight, 0, make([]float64, s.base-lo)...)
		s.base = lo
	}
	for int(hi-s.base) >= len(s.weight) {
		s.weight = append(s.weight, 0)
	}
	for _, b := range h {
		s.weight[b.Index-s.base] += float64(b.Count)
		s.total += float64(b.Count)
	}
}

// limits gives the thresholds; false with too little data.
func (s *sketch) limits() (l [thresholds]int16, ok bool) {
	if s.total < minDurations {
		return l, false
	}
	k, seen := 0, 0.0
	for i, w := range s.weight {
		seen += w
		for k < thresholds && seen >= quantiles[k]*s.total*(1-1e-12) {
			l[k] = s.base + int16(i)
			k++
		}
	}
	for ; k < thresholds; k++ {
		l[k] = s.base + int16(len(s.weight)-1)
	}
	l[thresholds-1] += farBuckets
	return l, true
}

// block is the baseline's durations of a few windows: what a later comparison
// with the past needs, at thresholds that nobody knows yet.
type block struct {
	at  int32 // first window
	len int32
	h   []bucket
}

type bucket struct {
	index int16
	n     uint32
}

func (b *block) merge(h []bucket) {
	for _, x := range h {
		k, ok := slices.BinarySearchFunc(b.h, x.index, func(b bucket, i int16) int { return int(b.index) - int(i) })
		if ok {
			b.h[k].n += x.n
			continue
		}
		b.h = slices.Insert(b.h, k, x)
	}
}

func (b *block) above(limit int16) (n, total float64) {
	for _, x := range b.h {
		total += float64(x.n)
		if x.index > limit {
			n += float64(x.n)
		}
	}
	return n, total
}

// youth is what a young instance did in the present window.
type youth struct {
	of   *warming
	bin  int
	age  int32
	took unship.Histogram
}

// meet notes the durations of an instance, by which starts are compared with
// instances that are grown. candidate: its version is under watch.
func (l *latency) meet(i *instance, candidate bool, h unship.Histogram, t int32, window time.Duration) {
	bin := bins
	if !i.settled {
		bin = warmBin(i.minutes(t, window))
	}
	if bin < bins {
		l.young = append(l.young, youth{i.warming, bin, i.age(t), h})
	}
	if bin >= warmGrown && !candidate {
		l.grown.add(h)
		l.slow += float64(h.Above(l.limits[tail]))
	}
}

// compareYoung lets the window's young instances teach. Where nobody is grown
// nothing can be said of them.
func (l *latency) compareYoung() {
	for _, y := range l.young {
		var own durations
		own.add(y.took)
		y.of.add(y.bin, own, l.grown)
		if l.known && l.grown.n > 0 && y.age < startWindows {
			l.seeTail(&y, &own)
		}
	}
	clear(l.young)
	l.young, l.grown, l.slow = l.young[:0], durations{}, 0
}

// seeTail counts which of a young instance's requests are slower than those of
// grown ones, and than its being slower in the mean explains.
func (l *latency) seeTail(y *youth, own *durations) {
	slower := int16(math.Ceil(math.Max(0, own.sum/own.n-l.grown.sum/l.grown.n)))
	y.of.tail += float64(y.took.Above(l.limits[tail] + slower))
	y.of.tailExpected += own.n * (l.slow + .5) / (l.grown.n + 50)
}

// close takes the window's baseline durations into the past. Thresholds for
// window t are thus made of what came before t.
func (l *latency) close(t, history int32) {
	l.compareYoung()
	if len(l.window) == 0 {
		return
	}
	l.past.decay(forgetting)
	l.past.add(l.window)
	l.limits, l.known = l.past.limits()
	at := t - t%blockWindows
	if k := len(l.blocks); k == 0 || l.blocks[k-1].at != at {
		l.blocks = append(l.blocks, block{at: at, len: blockWindows})
	}
	h := make([]bucket, 0, len(l.window))
	for _, b := range l.window {
		h = append(h, bucket{b.Index, uint32(b.Count)})
	}
	l.blocks[len(l.blocks)-1].merge(h)
	l.window = l.window[:0]
	l.compact(t, history)
}

// compact merges blocks that are no longer recent into long ones and drops what is older than the history.
func (l *latency) compact(t, history int32) {
	recent := t - blockWindows*recentBlocks
	for i := 0; i+1 < len(l.blocks); {
		a, b := &l.blocks[i], &l.blocks[i+1]
		if b.at+b.len > recent || a.at/oldWindows != b.at/oldWindows {
			i++
			continue
		}
		a.merge(b.h)
		a.len = b.at + b.len - a.at
		l.blocks = slices.Delete(l.blocks, i+1, i+2)
	}
	for len(l.blocks) > 0 && l.blocks[0].at+l.blocks[0].len < t-history {
		l.blocks = slices.Delete(l.blocks, 0, 1)
	}
}

// before gives the thresholds of the whole past, for a comparison with it.
func (l *latency) before(from, to int32) (limits [thresholds]int16, ok bool) {
	var s sketch
	for _, b := range l.blocks {
		if b.at < from || b.at+b.len > to+blockWindows {
			continue
		}
		h := make(unship.Histogram, 0, len(b.h))
		for _, x := range b.h {
			h = append(h, unship.Bucket{Index: x.index, Count: uint64(x.n)})
		}
		s.add(h)
	}
	return s.limits()
}

// durations gives the histogram to compare, and whether there is one. Self
// durations and whole durations are never mixed in one operation.
func (l *latency) durations(p *unship.Operation) (unship.Histogram, bool) {
	h := p.Duration
	if l.self = l.self || p.Apart(); l.self {
		h = p.Self
	}
	return h, len(h) > 0
}

// yardstick measures durations against an operation's thresholds, as they are
// for one instance in one window.
type yardstick struct {
	limits [thresholds]int16
	lat    uint8 // which of them hold; latNone: none
}

// yardstick gives the measure for an instance whose thresholds are raised.
func (l *latency) yardstick(raise int16, lat uint8) yardstick {
	if !l.known {
		return yardstick{}
	}
	y := yardstick{limits: l.limits, lat: lat}
	for k := range y.limits {
		y.limits[k] += raise
	}
	return y
}

// slow counts the durations beyond each threshold, and says which of the counts hold.
func (y *yardstick) slow(h unship.Histogram, n *[counts]uint64) (lat uint8) {
	if y.lat == latNone || len(h) == 0 {
		return latNone
	}
	for k, limit := range y.limits {
		n[countP50+k] = h.Above(limit)
	}
	return y.lat
}

// toleratedBuckets is the tolerated slowdown in buckets, at least one.
func toleratedBuckets(duration float64) int16 {
	return max(1, int16(math.Round(math.Log1p(duration)/math.Log(bucketRatio))))
}
