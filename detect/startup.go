package detect

import "math"

// Trouble with starting. Services there are whose instances fail for a while
// whenever they start: connections are refused, caches are empty. What every
// start of a service shows is not the release's doing, and a rollback would
// show it again. So failures of an instance do not count while it is younger
// than the service's starts have been in trouble; a release that is at fault
// goes on failing. Likewise durations do not count while the slowest of them are
// what the service's starts bring: first requests that wait for connections.
//
// A start was in trouble as long as single windows stood out: more failures than
// ⌊m + 3√(2m)⌋ + 2, with m expected by the rates of grown instances in general
// and in the same moments.
const (
	startWindows = 24 // of an instance's life that are looked at; it is grown after them
	startShare   = .5 // of the starts must have been in trouble …
	startLessons = 2  // … and so many
	startMargin  = 2  // windows beyond the longest
	startGap     = 3  // windows without trouble that do not end it; what comes later is another matter
)

// grownRate is what grown instances did in one operation so far.
type grownRate struct{ requests, failed float64 }

func (r *grownRate) of() float64 { return (r.failed + .5) / (r.requests + 50) }

// noteStarts notes which of a service's young instances fail, at the end of window t.
func (s *service) noteStarts(t int32) {
	level := -1.0
	for _, i := range s.instances {
		if i.warming == nil || i.last != t || i.age(t) >= startWindows {
			continue
		}
		if level < 0 {
			level = s.grownLevel(t)
		}
		failed, m := s.failures(i, t)
		m *= level
		if i.age(t) <= i.warming.trouble+startGap && standsOut(failed, m) {
			i.warming.trouble = i.age(t) + 1
		}
	}
}

// noteTails notes which of a service's young instances have requests that are
// very slow, once the durations of window t are compared. Such requests are few:
// they are counted from the last window that stood out on.
func (s *service) noteTails(t int32) {
	for _, i := range s.instances {
		w := i.warming
		if w == nil || i.last != t || i.age(t) > w.slow+startGap || i.age(t) >= startWindows {
			continue
		}
		if standsOut(w.tail, w.tailExpected) {
			w.slow, w.tail, w.tailExpected = i.age(t)+1, 0, 0
		}
	}
}

// standsOut says that a count is more than chance makes of m.
func standsOut(n, m float64) bool { return n > math.Floor(m+3*math.Sqrt(2*m))+2 }

// grownLevel is how many times as often as usual the grown instances fail in
// window t, at least 1: an upper estimate, two deviations above.
func (s *service) grownLevel(t int32) float64 {
	failed, m := 0.0, 0.0
	for _, i := range s.instances {
		if i.last == t && i.age(t) >= startWindows {
			x, y := s.failures(i, t)
			failed, m = failed+x, m+y
		}
	}
	return math.Max(1, (failed+2*math.Sqrt(failed)+1)/(m+1))
}

// failures gives how many of an instance's requests failed in window t, and how
// many are expected to.
func (s *service) failures(i *instance, t int32) (failed, expected float64) {
	for k, u := range s.units {
		if u.callee != "" {
			continue
		}
		if c := i.at(k, t); c != nil {
			failed += float64(c.y[countFailed])
			expected += float64(float64(c.n) * u.grown.of())
		}
	}
	return failed, expected
}

// trouble is for how many windows the service's instances usually fail when
// they start.
func (s *service) trouble() int32 {
	return s.usual(func(w *warming) int32 { return w.trouble })
}

// slowStart is for how many windows the slowest of their durations are not to be
// compared.
func (s *service) slowStart() int32 {
	return s.usual(func(w *warming) int32 { return w.slow })
}

// usual is the longest trouble of the service's latest starts, if most had any.
func (s *service) usual(of func(*warming) int32) int32 {
	longest, seen, all := int32(0), 0, 0
	for _, w := range s.warmups {
		n := of(w)
		if n >= startWindows-startGap {
			continue // it did not end: that was no trouble with starting
		}
		all++
		if n > 0 {
			longest = max(longest, n)
			seen++
		}
	}
	if seen < startLessons || float64(seen) < startShare*float64(all) {
		return 0
	}
	return longest + startMargin
}

// starting says that an instance is as young as those that usually fail.
func (i *instance) starting(t int32) bool { return i.age(t) < i.trouble }

// starting says that all of a version's instances that are heard in window t are
// so young: then what neighbours see of it does not count either.
func (s *service) starting(version string, t int32) bool {
	young := false
	for _, i := range s.instances {
		if i.version != version || i.first > t || i.last < t {
			continue
		}
		if !i.starting(t) {
			return false
		}
		young = true
	}
	return young
}
