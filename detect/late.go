package detect

import (
	"math"

	"unship.dev"
	"unship.dev/detect/stat"
)

// lateHarm is the evidence of harm that began some time after a release replaced
// everything: a pool that runs empty, a first request of its kind. The release did it
// less and less probably the later that was, for what comes by itself comes at any time.
//
// Only what began at the release's own instances by the word of spans speaks for it: of
// anything else that changes late, a dependency, a neighbour or, of refusals, a client is
// as good an explanation.
// So it is weighed by itself, against shifts from outside that the same streams show.
type lateHarm struct {
	weights    []float64 // by stream; 0 of those that tell nothing of it
	act, ask   []float64 // by stream, as logarithms: see [stat.Shift.LogLater]
	acts, asks *stat.ShiftRelease
	served     int // windows for which the release served beside the old version without harm
}

func newLateHarm(exogenous float64, served int) *lateHarm {
	return &lateHarm{served: served, acts: stat.NewShiftRelease(exogenous, beforeThreshold/4), asks: stat.NewShiftRelease(exogenous, beforeThreshold/4)}
}

// tells says that a stream can tell of late harm.
func (l *lateHarm) tells(p *past, s *shiftStream) bool {
	return p.w.svc.apart && s.shift != nil && s.event == 0 && s.flow == nil && s.points == nil &&
		s.signal.near == nowhere && s.signal.unit == ofRequests && s.signal.kind != unship.SignalRejectionRatio
}

// weigh finds what each stream tells. Where controls or the load moved since the release,
// a later moment is no more the release's than theirs.
func (l *lateHarm) weigh(streams []*shiftStream) {
	for k, s := range streams {
		l.act[k], l.ask[k] = 0, 0
		if l.weights[k] > 0 && !s.stirred {
			l.act[k], l.ask[k] = s.shift.LogLater(l.served)
		}
	}
}

// Shares of the evidence that late harm has: to judge a release, of which most harm begins
// with it, and to ask about it, where that has been looked at already.
const (
	lateJudged = .25
	lateAsked  = .9
)

// beside gives the evidence to judge and to ask, as the means of what speaks for harm that
// began with the release and for late harm. A release that served well beside the old
// version did no harm from its beginning.
func (l *lateHarm) beside(now, acts, asks float64) (judge, ask float64) {
	if l.served > 0 {
		now = 0
	}
	mean := func(late, share float64) float64 {
		return stat.LogAdd(now+math.Log1p(-share), late+math.Log(share))
	}
	return mean(acts, lateJudged), mean(asks, lateAsked)
}

// step combines them, given what speaks for a shift from outside.
func (l *lateHarm) step(logB []float64) {
	l.acts.Step(l.weights, l.act, logB)
	l.asks.Step(l.weights, l.ask, logB)
}
