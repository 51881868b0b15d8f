package releases

import (
	"time"

	"unship.dev"
)

// release is a release and how far its rollout has been followed.
type release struct {
	unship.Release
	since   time.Time // announcements from before are about an earlier time it was released
	ended   bool      // its version is gone
	settled bool      // nothing of the previous version is left: the rollout is known
	lostOld int       // instances of the previous version gone since
	moved   time.Time // when instances last came or went
	peakOld int       // most instances of the previous version at one time since
	peakNew int
}

// keepsShare is the part of the requests with which an old version has not been left.
const keepsShare = 0.2

// updateReleases follows the rollouts of the service and notes what ended.
func (s *service) updateReleases(tick *unship.Tick, c changes) {
	for _, v := range s.versions {
		r := v.release
		if r == nil || r.ended {
			continue
		}
		if s.gone(v) {
			r.ended = true
			c.add(v)
			continue
		}
		if r.settled || v.last.Before(tick.End) {
			continue
		}
		if style := s.follow(v, tick); style != r.Rollout {
			r.Rollout = style
			c.add(v)
		}
	}
}

// follow looks at what the instances of the release and of the version before it do.
func (s *service) follow(v *version, tick *unship.Tick) unship.Rollout {
	r, old := v.release, s.versions[v.release.Previous]
	if old == nil {
		r.settled = true
		return r.Rollout
	}
	_, alive := v.lost(r.FirstSeen, s.last)
	lost, oldAlive := old.lost(r.FirstSeen, s.last)
	if lost > r.lostOld || r.moved.IsZero() {
		r.lostOld, r.moved = max(lost, r.lostOld), tick.End
	}
	if v.grown.After(r.moved) {
		r.moved = v.grown
	}
	r.peakNew, r.peakOld = max(r.peakNew, alive), max(r.peakOld, oldAlive)
	r.settled = s.gone(old)
	return classify(r.Rollout, rolloutSigns{
		unit:     max(12*tick.End.Sub(tick.Start), s.span()),
		age:      s.last.Sub(r.FirstSeen),
		still:    s.last.Sub(r.moved),
		overlap:  old.last.Sub(r.FirstSeen),
		shared:   sharedTime(v, old),
		switched: s.switched(v, old, tick.End),
		oldGone:  r.settled,
		oldShare: s.share(old.name, tick.End),
		lostOld:  r.lostOld,
		fullSet:  r.peakNew >= r.peakOld && r.peakOld > 0,
	})
}

// sharedTime is how long both versions carried more than stray traffic.
func sharedTime(v, old *version) time.Duration {
	if v.firstMajor.IsZero() || old.lastMajor.IsZero() {
		return 0
	}
	return max(0, old.lastMajor.Sub(v.firstMajor))
}

// switched says that requests went to the old version and go to the new one.
func (s *service) switched(v, old *version, now time.Time) bool {
	return !v.firstMajor.IsZero() && !old.lastMajor.IsZero() && s.share(v.name, now) > takenOver
}

// rolloutSigns are what a rollout is recognised by.
type rolloutSigns struct {
	unit     time.Duration // twelve windows, or three pauses where telemetry comes seldom
	age      time.Duration // since the release was first seen
	still    time.Duration // since an instance of either side last came or went
	overlap  time.Duration // in which both versions were heard
	shared   time.Duration // in which both carried more than stray traffic
	switched bool          // the new version carries what the old one carried
	oldGone  bool
	oldShare float64
	lostOld  int
	fullSet  bool // the new version had as many instances as the old one
}

// classify names the style. Canary and blue-green stay what they were when the
// old version goes at last: that is how they end.
func classify(known unship.Rollout, g rolloutSigns) unship.Rollout {
	side := g.overlap >= g.unit
	switch {
	case known == unship.RolloutCanary, known == unship.RolloutBlueGreen:
		return known
	case g.oldGone && !side:
		return unship.RolloutReplaced
	case side && g.switched && g.shared < g.unit && g.fullSet && (g.oldGone || g.lostOld == 0):
		return unship.RolloutBlueGreen
	case g.oldGone:
		return unship.RolloutRolling
	case !side:
		return unship.RolloutUnknown
	case g.oldShare > keepsShare && g.still >= 3*g.unit:
		return unship.RolloutCanary
	case g.lostOld > 0:
		return unship.RolloutRolling
	}
	return known
}
