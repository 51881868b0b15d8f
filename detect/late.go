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
// Only what began at the release's own instances by the word of spans may judge it: of
// anything else that changes late, a dependency, a neighbour or, of refusals, a client is
// as good an explanation. Where no spans tell what is a service's own, people are asked.
// So it is weighed by itself, against shifts from outside that the same streams show.
type lateHarm struct {
	weights    []float64 // by stream; 0 of those that tell nothing of it
	act, ask   []float64 // by stream, as logarithms: see [stat.Shift.LogLater] …
	outside    []float64 // … and what speaks for a shift from outside
	acts, asks *stat.ShiftRelease
	own        bool // spans tell what is the service's own
	served     int  // windows for which the release served beside the old version without harm
}

func newLateHarm(exogenous float64, served int, own bool) *lateHarm {
	return &lateHarm{served: served, own: own, acts: stat.NewShiftRelease(exogenous, beforeThreshold/4), asks: stat.NewShiftRelease(exogenous, beforeThreshold/4)}
}

// tells says that a stream can tell of late harm.
func (l *lateHarm) tells(p *past, s *shiftStream) bool {
	if s.shift == nil || s.flow != nil || s.points != nil || s.signal.near != nowhere || s.signal.unit != ofRequests {
		return false
	}
	if s.event > 0 { // where logs are all there is
		return p.w.svc.ops == 0
	}
	return s.signal.kind != unship.SignalRejectionRatio
}

// lateWord is what a stream tells of late harm, to judge and to ask, and of a shift from
// outside, as logarithms.
type lateWord struct{ act, ask, outside float64 }

// calmBefore is for how many windows before controls or the load moved what a stream tells
// may have been the same already.
const calmBefore = 24

// weigh finds what each stream tells. Once controls or the load moved since the release, a
// later moment is no more the release's than theirs: what counts is what was known before.
func (l *lateHarm) weigh(streams []*shiftStream) {
	for k, s := range streams {
		l.act[k], l.ask[k] = 0, 0
		if l.weights[k] == 0 {
			continue
		}
		act, ask := s.shift.LogLater(l.served)
		if s.stirred {
			act, ask = math.Min(act, s.late[0].act), math.Min(ask, s.late[0].ask)
		}
		l.ask[k] = ask
		if l.own {
			l.act[k] = act
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
// began with the release and for late harm.
func (l *lateHarm) beside(now, acts, asks float64) (judge, ask float64) {
	mean := func(late, share float64) float64 {
		return stat.LogAdd(now+math.Log1p(-share), late+math.Log(share))
	}
	return mean(acts, lateJudged), mean(asks, lateAsked)
}

// step combines them, given what speaks for a shift from outside.
func (l *lateHarm) step(streams []*shiftStream, logB []float64) {
	for k, s := range streams {
		l.outside[k] = logB[k]
		switch {
		case l.weights[k] == 0:
		case s.stirred:
			l.outside[k] = math.Min(logB[k], s.late[0].outside)
		default:
			copy(s.late[:], s.late[1:])
			s.late[calmBefore-1] = lateWord{l.act[k], l.ask[k], logB[k]}
		}
	}
	l.acts.Step(l.weights, l.act, l.outside)
	l.asks.Step(l.weights, l.ask, l.outside)
}
