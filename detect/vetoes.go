package detect

import (
	"fmt"
	"math"
	"strings"
	"time"

	"unship.dev"
)

// Rules of what speaks against a release's guilt.
const (
	vetoTimes  = 1.5 // so many times what was before is worse
	vetoLike   = 1.25
	vetoBad    = 20
	otherTimes = 2.302585 // log 10: by so much another moment must fit better
)

// deeds count what one version did.
type deeds struct{ requests, failed, here float64 }

func (x *deeds) add(p *unship.Operation) {
	x.requests, x.failed, x.here = x.requests+float64(p.Requests), x.failed+float64(p.Failed), x.here+float64(p.FailedHere)
}

// cohort is the place of the candidate's or the baseline's deeds.
func cohort(candidate bool) int {
	if candidate {
		return 0
	}
	return 1
}

// deeds adds up what all versions of a service did.
func (s *service) deeds(h history) (x deeds) {
	for _, i := range s.instances {
		for u, v := range i.units {
			if s.units[u].callee != "" {
				continue
			}
			for k := range v {
				if c := &v[k]; c.at >= h.from && c.at < h.to {
					x.requests += float64(c.n)
					x.failed += float64(c.y[countFailed])
					x.here += float64(c.y[countFailedHere])
				}
			}
		}
	}
	return x
}

// vetoes are the facts that speak against a release: what is wrong began at
// another moment, is on old instances just as much, or is not its own doing.
func (w *watch) vetoes() (out []string) {
	if v := w.otherMoment(); v != "" {
		out = append(out, v)
	}
	was, is, old := &w.was, &w.did[0], &w.did[1]
	if was.requests == 0 || is.requests == 0 {
		return out
	}
	before := (was.here + .5) / (was.requests + 1)
	if w.past == nil && old.here >= vetoBad && old.here > vetoTimes*before*old.requests &&
		math.Abs(math.Log((is.here+.5)/is.requests*old.requests/old.here)) <= math.Log(vetoLike) {
		out = append(out, fmt.Sprintf("old instances fail just as much: %s of requests to %s, %s of those to %s, %s before the release",
			percent(old.here/old.requests), w.baseline, percent(is.here/is.requests), w.release.Version, percent(before)))
	}
	passed := is.failed - is.here
	before = (was.failed - was.here + .5) / (was.requests + 1)
	if passed >= vetoBad && passed > vetoTimes*before*is.requests && is.here < passed/vetoTimes {
		out = append(out, fmt.Sprintf("what fails is what it calls: %s of its requests fail with a failed call, %s by themselves",
			percent(passed/is.requests), percent(is.here/is.requests)))
	}
	return out
}

// otherMoment says that what changed most changed before the release, or later.
func (w *watch) otherMoment() string {
	if w.past == nil {
		return ""
	}
	var most *shiftStream
	for _, s := range w.past.streams {
		if s.shift != nil && s.event == 0 && !s.good && s.post.x >= vetoBad && s.post.x > vetoTimes*s.want &&
			(most == nil || s.post.x-s.want > most.post.x-most.want) {
			most = s
		}
	}
	if most == nil || most.shift.LogB() < showFindings || most.shift.LogB()-most.shift.LogA() < otherTimes {
		return ""
	}
	e := w.pastEvidence(most)
	was, is, _ := e.rates()
	what := fmt.Sprintf("the %s of %s changed", strings.ReplaceAll(string(e.signal.kind), "_", " "), w.release.Service)
	at := most.shift.Moment()
	apart := w.window * time.Duration(max(at, -at))
	if at == 0 || at < 0 && !most.rose(at) {
		return ""
	}
	if at < 0 {
		return fmt.Sprintf("older than the release: %s %s before it (%s of requests since the release, %s before)", what, apart, percent(is), percent(was))
	}
	return fmt.Sprintf("%s %s after the release, not with it (%s of requests since the release, %s before)", what, apart, percent(is), percent(was))
}

// rose says that a stream was worse in the last windows before the release already, from
// window at on: there were more bad requests than before that by more than is tolerated.
func (s *shiftStream) rose(at int) bool {
	k := max(0, len(s.opt.PreX)+at)
	before := (sum(s.opt.PreX[:k]) + .5) / (sum(s.opt.PreN[:k]) + 1)
	return sum(s.opt.PreX[k:]) > vetoLike*before*sum(s.opt.PreN[k:])
}
