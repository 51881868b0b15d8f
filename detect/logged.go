package detect

import (
	"fmt"
	"math"
	"slices"

	"unship.dev"
	"unship.dev/rules"
)

// A release may change what it logs: another level, fewer of the successes, other units. Where
// nothing but log records tells of requests, durations are therefore asked about and do not
// act, an operation of which no record comes is not missed, and of failures and refusals there
// must be more, not only more beside fewer others. What an error is worth a record of is the
// release's to say as well: people are asked.
const (
	tellsMore = 1.5     // times the requests that were told of before: perhaps it logs something else as well
	tellsLess = 2.0 / 3 // of them, or of those beside: perhaps it only logs less
	moreBad   = 2       // times the bad ones must be told of then …
	strayBad  = 3       // … and so many more
)

// signals gives the signals at a policy's tolerance.
func (s *service) signals(tol rules.Tolerance) []*signal {
	all := signalsFor(tol)
	for _, sig := range all {
		sig.ambiguous = sig.ambiguous || s.logged && sig.latency()
	}
	return all
}

// recorded is what instances' log records told of.
type recorded struct{ requests, bad, windows float64 }

// recorded sums up what some instances told of. Windows are those of all of them.
func (s *service) recorded(of func(*instance) bool, h history) (x recorded) {
	for _, i := range s.instances {
		if !of(i) {
			continue
		}
		for _, c := range i.heard {
			if c.at >= h.from && c.at < h.to {
				x.windows++
			}
		}
		for u := range i.units {
			if s.units[u].kind() != ofRequests { // the others are of the same requests
				continue
			}
			for _, c := range i.units[u] {
				if c.at >= h.from && c.at < h.to {
					x.requests, x.bad = x.requests+float64(c.n), x.bad+float64(c.y[countFailed])+float64(c.y[countRejected])
				}
			}
		}
	}
	return x
}

// logsOtherwise says that a release may only log otherwise: its records tell of many more
// requests than there were before, or of fewer than the old version's did, and of hardly more
// bad ones. Beside the old version the instances are compared, after it the time is.
func (w *watch) logsOtherwise() string {
	if !w.svc.logged {
		return ""
	}
	mine, since := isVersion(w.release.Version), history{w.begin, w.next}
	old := func(i *instance) bool { return i.version != w.release.Version }
	is, was := w.svc.recorded(mine, since), recorded{}
	if w.past != nil {
		h := w.history()
		was = w.svc.recorded(old, h)
		is.windows, was.windows = float64(since.to-since.from), float64(h.to-h.from)
	} else {
		was = w.svc.recorded(isVersion(w.baseline), since)
	}
	if is.windows == 0 || was.windows == 0 {
		return ""
	}
	part := is.windows / was.windows
	if w.past != nil && is.requests > tellsMore*part*was.requests {
		return fmt.Sprintf("its log records tell of %s of the requests that there were before: it may log something else as well", percent(is.requests/math.Max(1, part*was.requests)))
	}
	if is.requests >= tellsLess*part*was.requests || is.bad > moreBad*part*was.bad+strayBad*math.Sqrt(math.Max(1, part*was.bad)) {
		return ""
	}
	return fmt.Sprintf("its log records tell of fewer requests (%s of what was expected), and of no more that went wrong: it may only log less", percent(is.requests/math.Max(1, part*was.requests)))
}

// unharmed says that evidence is of what a release logs, while its requests are told of by
// themselves and nothing about them, or about what neighbours see of them, is found to be
// worse. What a record of severity ERROR is written for is the program's choice: it may be what a
// fallback has mended. Where requests are worse as well, or nothing else tells of them, the
// records speak for themselves.
func (w *watch) unharmed(e *evidence, all []evidence) bool {
	if e.event == 0 || w.svc.events[e.event-1].kind != unship.SignalLogPattern || w.svc.logged || w.samples.Candidate == 0 {
		return false
	}
	return !slices.ContainsFunc(all, func(x evidence) bool { return x.event == 0 && x.level == nil && x.share() >= 0 })
}
