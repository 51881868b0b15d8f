package detect

import (
	"fmt"
	"math"
	"slices"

	"unship.dev"
	"unship.dev/detect/blame"
	"unship.dev/detect/stat"
)

// Rules of what happens without a release.
const (
	outsideWindows = 12  // the present
	outsideTimes   = 1.5 // so many times as many failures are looked at
	outsideBad     = 10  // and so many of them at least
	loadSD         = .15 // deviation of the log load between two times of a day
	surgeSD        = 1   // … of a surge
	leastServices  = 3   // whose load tells that of the environment
)

// outside gives what may have happened in an environment without a release:
// services that were not released and fail more than before, and another load.
func (d *Detector) outside(environment string) (out []blame.Outside) {
	begin := d.now + 1
	for _, w := range d.watches {
		if w.release.Environment == environment {
			begin = min(begin, w.begin)
		}
	}
	from := max(0, begin-int32(d.opt.History))
	var loads []float64
	for _, s := range d.order {
		if s.id.Environment != environment || s.released > begin-releasedNear && s.released > 0 {
			continue
		}
		was, is := s.busy(history{from, begin}), s.busy(history{max(begin, d.now+1-outsideWindows), d.now + 1})
		if was.n < minCalls || is.n < minCalls {
			continue
		}
		loads = append(loads, math.Log(is.n/float64(min(outsideWindows, d.now+1-begin))/(was.n/float64(begin-max(from, s.first)))))
		if o, ok := dependency(s, was, is); ok && !d.victim(s, was, is, history{from, begin}) {
			out = append(out, o)
		}
	}
	if len(loads) < leastServices {
		return out
	}
	slices.Sort(loads)
	x := loads[len(loads)/2]
	v, w := float64(loadSD*loadSD), float64(loadSD*loadSD+surgeSD*surgeSD)
	return append(out, blame.Outside{
		Cause: unship.CauseTraffic, LogE: x*x/2*(1/v-1/w) - math.Log(w/v)/2,
		Why: fmt.Sprintf("services of which nothing was released get ×%.2g the traffic", math.Exp(x)),
	})
}

// victim says that what a service fails more since h may follow from what one that was
// released fails more.
func (d *Detector) victim(s *service, was, is rate, h history) bool {
	if s.apart {
		return false
	}
	more := func(was, is rate) float64 { return is.x - is.n*(was.x+.5)/(was.n+1) }
	for _, w := range d.watches {
		if w.svc == s || w.release.Environment != s.id.Environment {
			continue
		}
		own := more(w.svc.busy(h), w.svc.busy(history{max(h.to, d.now+1-outsideWindows), d.now + 1}))
		if more(was, is) <= followTimes*own {
			return true
		}
	}
	return false
}

// dependency is a service that was not released and fails more than before.
func dependency(s *service, was, is rate) (o blame.Outside, ok bool) {
	before := (was.x + .5) / (was.n + 1)
	if is.x < outsideBad || is.x < outsideTimes*before*is.n {
		return o, false
	}
	shift := stat.NewShift(stat.ShiftOptions{PreX: []float64{was.x}, PreN: []float64{was.n}, Phi: beforePhi})
	shift.Add(is.x, is.n, drift(&signal{}, usualDrift(countFailedHere), 0))
	return blame.Outside{
		Cause: unship.CauseDependency, Name: s.id.String(), LogE: shift.LogA(),
		Why: fmt.Sprintf("it fails or rejects %s of requests by itself, %s before, and was not released", percent(is.x/is.n), percent(before)),
	}, true
}

// busyOf is busy for some of the instances.
func (s *service) busyOf(h history, of func(*instance) bool) (r rate) {
	for u := range s.units {
		if s.units[u].kind() == ofRequests {
			x := s.sum(&stratum{unit: u}, of, h)
			r.x, r.n = r.x+x.y[countFailedHere]+x.y[countRejected], r.n+x.n
		}
	}
	return r
}

// busy counts a service's requests and those that failed or were rejected here.
func (s *service) busy(h history) (r rate) {
	for k := len(s.load) - 1; k >= 0 && s.load[k].at >= h.from; k-- {
		if s.load[k].at < h.to {
			r.x, r.n = r.x+float64(s.load[k].bad), r.n+float64(s.load[k].n)
		}
	}
	return r
}
