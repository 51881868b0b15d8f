package detect

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"unship.dev"
	"unship.dev/detect/stat"
)

// Rules of what is told of changes that would have been seen.
const (
	toldSlices   = 4   // of each signal, most requests first
	toldGrowth   = 1.1 // of the candidate's requests, after which it is told anew …
	toldInterval = 60  // … or after so many windows
)

// detectability is what was told last. To compute it takes as long as all else
// that is judged, and it changes as slowly as requests add up.
type detectability struct {
	list       []unship.Detectable
	at         int32 // window; 0: never
	candidates uint64
}

// detectable gives the smallest changes that would have been seen by now: at the
// end of the watch, and when there is a tenth more to see by than the last time.
func (d *Detector) detectable(w *watch, t int32, done bool) []unship.Detectable {
	s := &w.seen
	if s.at == 0 || done || t-s.at >= toldInterval || float64(w.samples.Candidate) >= toldGrowth*float64(s.candidates) && w.samples.Candidate > s.candidates {
		*s = detectability{d.newDetectable(w, t), t, w.samples.Candidate}
	}
	return s.list
}

func (d *Detector) newDetectable(w *watch, t int32) (out []unship.Detectable) {
	var of []evidence // slices
	for _, e := range w.streams() {
		switch {
		case e.again || !e.signal.told():
		case e.slice != "" && !e.signal.latency():
			of = append(of, e)
		case !e.single:
			out = d.tellDetectable(out, w, &e, t)
		}
	}
	slices.SortStableFunc(of, func(a, b evidence) int {
		_, _, n := a.rates()
		_, _, m := b.rates()
		return cmp.Or(-cmp.Compare(n.Candidate, m.Candidate), cmp.Compare(a.slice, b.slice))
	})
	told := map[unship.Signal]int{}
	for k := range of {
		kind := of[k].signal.kind
		known := slices.ContainsFunc(out, func(x unship.Detectable) bool { return x.Signal == kind && x.Slice == of[k].slice })
		if before := len(out); !known && told[kind] < toldSlices {
			out = d.tellDetectable(out, w, &of[k], t)
			told[kind] += len(out) - before
		}
	}
	slices.SortStableFunc(out, func(a, b unship.Detectable) int {
		return cmp.Or(cmp.Compare(a.Signal, b.Signal), cmp.Compare(a.Slice, b.Slice))
	})
	return out
}

// tellDetectable adds what would have been seen of one stream; nothing without traffic.
func (d *Detector) tellDetectable(out []unship.Detectable, w *watch, e *evidence, t int32) []unship.Detectable {
	b, _, n := e.rates()
	if n.Candidate == 0 || n.Baseline == 0 {
		return out
	}
	p := prospect{phi: beforePhi, sd: e.sd, need: w.threshold() - math.Log(e.weight), windows: float64(max(1, t+1-w.begin))}
	if e.cal != nil {
		p.phi = e.cal.MaxPhi()
	}
	p.nc, p.nb = float64(n.Candidate), float64(n.Baseline)
	x := unship.Detectable{Signal: e.signal.kind, Slice: e.slice, Unit: "1", Baseline: b}
	x.Change = timesOdds(math.Min(1, stat.Detectable(p.nc, p.nb, b, p.phi, p.sd, p.need)), math.Exp(e.granted))
	if e.signal.latency() {
		return append(out, d.slowdown(w, x, e, &p))
	}
	x.DoublingAt = d.seenAt(w, &p, b, math.Min(1, 2*b))
	return append(out, x)
}

// timesOdds gives the probability of which the odds are so many times those of p.
func timesOdds(p, times float64) float64 { return p * times / (1 - p + p*times) }

// prospect is what decides when a change would be seen.
type prospect struct {
	nc, nb        float64 // requests so far
	windows       float64 // in which they came
	phi, sd, need float64
}

// seenAt is when a change from rate b to rate c would be seen at the traffic so
// far; zero if never within the watch.
func (d *Detector) seenAt(w *watch, p *prospect, b, c float64) (at time.Time) {
	k := stat.WindowsToDetect(p.nc/p.windows, p.nb/p.windows, b, c, p.phi, p.sd, p.need)
	if k <= float64(w.until-w.begin) && b > 0 {
		at = d.time(w.begin + int32(math.Ceil(k)))
	}
	return at
}

// slowdown turns the share of slow requests that would have been seen into a
// multiple of the baseline's durations, and a doubling of these into the share
// of requests that would then be slow.
func (d *Detector) slowdown(w *watch, x unship.Detectable, e *evidence, p *prospect) unship.Detectable {
	var h unship.Histogram
	for _, u := range e.units {
		if u < len(w.shown) {
			h.Merge(w.shown[u].baseline)
		}
	}
	if len(h) == 0 {
		for _, u := range e.units {
			h.Merge(w.pastDurations(u))
		}
	}
	share, tolerated := x.Change, toleratedBuckets(w.policy.Tolerance.Duration)
	x.Unit, x.Baseline, x.Change = "x", 1, math.Exp2(8)
	middle, ok := h.Quantile(.5)
	if !ok {
		return x
	}
	total := float64(h.Total())
	for k := int16(1); k < 128; k++ {
		if float64(h.Above(middle-k)) >= share*total {
			x.Change = math.Pow(bucketRatio, float64(k+tolerated))
			break
		}
	}
	x.DoublingAt = d.seenAt(w, p, float64(h.Above(middle))/total, float64(h.Above(middle-farBuckets+tolerated))/total)
	return x
}

func sayDetectable(ds []unship.Detectable) string {
	for _, x := range ds {
		if x.Signal == unship.SignalErrorRatio && x.Slice == "" && x.Change < 1 {
			return fmt.Sprintf("a failure ratio above %s would have been seen", percent(x.Change))
		}
	}
	return ""
}

// seenEnough says that a change worth knowing would have been seen.
func seenEnough(ds []unship.Detectable) bool {
	for _, x := range ds {
		if x.Signal == unship.SignalErrorRatio && x.Slice == "" {
			return x.Change <= math.Max(x.Baseline+clearPoints, clearTimes*x.Baseline)
		}
	}
	return false
}
