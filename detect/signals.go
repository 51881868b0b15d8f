package detect

import (
	"math"

	"unship.dev"
	"unship.dev/rules"
)

// signal is one way of counting bad requests, with its share of a release's evidence.
type signal struct {
	kind      unship.Signal
	quantile  float64  // of durations; 0 for the far tail and all else
	count     int      // place in a cell
	unit      unitKind // what it counts
	near      nearness
	whether   *signal // the signal whose events an instance has in a window or has not: clusters count once; nil: all count
	what      string  // in words: "fails", after an operation's name
	weight    float64
	extra     float64 // deviation of the log odds between equal instances, granted
	ratio     float64 // tolerated odds ratio
	delta     float64 // tolerated rate
	beyond    bool    // of the far tail: beyond what any start is granted, and so counted since instances are a minute old
	ambiguous bool    // may be wanted: fewer calls are also what a new cache looks like, a second one a new step
}

// latency says that the signal counts slow requests.
func (s *signal) latency() bool { return s.unit != ofCalls && s.near == nowhere && s.count >= countP50 }

// ownTime says that the signal counts requests that are slow by themselves, or as a whole
// where nothing tells these apart.
func (s *signal) ownTime() bool { return s.latency() && s.unit == ofRequests }

// ofOwnCalls says that the signal depends on the spans of what the service calls: the calls
// themselves, and its own time, which is what is left beside them.
func (s *signal) ofOwnCalls() bool {
	return s.unit == ofCalls || s.ownTime()
}

// failure says that the signal counts failed requests.
func (s *signal) failure() bool {
	return s.kind == unship.SignalErrorRatio || s.kind == unship.SignalInclusiveError
}

// told says that people are told which change of the signal would have been
// seen: failures, rejections and the middle of the durations.
func (s *signal) told() bool {
	return s.kind == unship.SignalErrorRatio || s.kind == unship.SignalRejectionRatio || s.latency() && s.count == countP50 && s.unit == ofRequests
}

// of gives the bad and all requests of a cell, none where the signal is not to be had.
func (s *signal) of(c *cell) (bad, all int) {
	if s.whether != nil {
		bad, all = s.whether.of(c)
		return min(bad, 1), min(all, 1)
	}
	switch {
	case s.latency() && !holds(c.lat, s.count-countP50):
		return 0, 0
	case c.starting && s.failure():
		return 0, 0
	}
	return int(c.y[s.count]), int(c.of(s.count))
}

// weights of the signals in a release's evidence. They sum to .85: what is not
// measured stays invested in e = 1, so nothing depends on which signals exist.
const (
	weightFailedHere  = .20
	weightFailing     = .10 // that an instance has failures at all
	weightFailed      = .05
	weightRejected    = .05
	weightSelf        = .25
	weightWhole       = .05
	weightCalls       = .04
	weightThroughput  = .01
	weightCallerError = .05
	weightCalleeError = .03
	weightUnanswered  = .02
)

var latencyShares = [thresholds]float64{.30, .20, .25, .25}

// signalsFor gives the signals at a policy's tolerance.
func signalsFor(tol rules.Tolerance) []*signal {
	s := []*signal{
		{kind: unship.SignalErrorRatio, count: countFailedHere, weight: weightFailedHere, what: "fails"},
		{kind: unship.SignalInclusiveError, count: countFailed, weight: weightFailed, what: "fails, here or further on,"},
		{kind: unship.SignalRejectionRatio, count: countRejected, weight: weightRejected, what: "rejects"},
		{kind: unship.SignalErrorRatio, count: countFailedHere, weight: weightFailing},
	}
	s[3].whether = s[0]
	s = append(s,
		&signal{kind: unship.SignalCallerError, near: atCallers, weight: weightCallerError},
		&signal{kind: unship.SignalCalleeError, near: atCallees, weight: weightCalleeError},
		&signal{kind: unship.SignalUnanswered, near: unheard, weight: weightUnanswered},
		&signal{kind: unship.SignalThroughput, weight: weightThroughput, what: "is served", ambiguous: true})
	for _, x := range s {
		x.extra, x.ratio, x.delta = .05, max(1, tol.Ratio), tol.Absolute
		switch x.near {
		case atCallees:
			x.extra = calleeSD
		case unheard:
			x.ratio, x.delta = lostRatio, lostTolerated
		}
		if x.kind == unship.SignalThroughput {
			x.ratio, x.delta = mixFall, 0
		}
	}
	for _, time := range []signal{{kind: unship.SignalSelfDuration, weight: weightSelf}, {kind: unship.SignalDuration, unit: ofWhole, weight: weightWhole}} {
		for k, share := range latencyShares {
			x := time
			x.count, x.weight, x.extra, x.ratio = countP50+k, x.weight*share, .03, 1
			if k < thresholds-1 {
				x.quantile = quantiles[k]
			}
			s = append(s, &x)
		}
	}
	for _, c := range []signal{
		{count: countNoCall, weight: .4, what: "makes no call", ambiguous: true},
		{count: countTwice, weight: .4, what: "calls twice or more", ambiguous: true},
		{count: countFour, weight: .2, what: "calls four times or more"},
	} {
		c.kind, c.unit, c.extra = unship.SignalCalls, ofCalls, .05
		c.weight *= weightCalls
		c.ratio, c.delta = 1.25, .02
		s = append(s, &c)
	}
	return s
}

// share is a unit of a release with its part of the traffic.
type share struct {
	unit     int
	requests float64
}

// maxSingle is how many operations have a stream of their own.
const maxSingle = 20

// spread gives the weights of single streams: by the square root of traffic, so
// that rare operations are not forgotten (sum 1).
func spread(units []share) []float64 {
	w, sum := make([]float64, len(units)), 0.0
	for i, u := range units {
		w[i] = math.Sqrt(u.requests)
		sum += w[i]
	}
	for i := range w {
		if sum > 0 {
			w[i] /= sum
		}
	}
	return w
}
