package releases

import (
	"slices"
	"strings"
	"time"

	"unship.dev"
)

// maxPending bounds the announcements that wait for their version; the oldest go first.
const maxPending = 1024

// pendingAnnouncement waits for a release to be seen.
type pendingAnnouncement struct {
	unship.Announcement
	since time.Time // event time at which it was taken, whatever its sender's clock says
}

// announce takes the tick's announcements and attaches what fits a release.
func (t *Tracker) announce(tick *unship.Tick, c changes) {
	for _, a := range tick.Announcements {
		if a.Change != (unship.Change{}) {
			continue // of no version: see alter
		}
		t.remember(a, tick.Start)
		t.attachTo(t.sorted(), a, c)
	}
	if len(c) == 0 || len(t.pending) == 0 {
		return
	}
	for _, v := range c { // opened just now: its announcement may have come before it
		for _, p := range t.pending {
			t.attach(v.release, p.Announcement)
		}
	}
}

// remember keeps an announcement for the releases to come. One that was sent twice
// counts once. The id may be a hash of what was said: the same words at a later
// time can be about the same version rolled out again, so the later time is kept.
func (t *Tracker) remember(a unship.Announcement, at time.Time) {
	same := func(p pendingAnnouncement) bool { return p.ID == a.ID }
	if i := slices.IndexFunc(t.pending, same); i >= 0 {
		if !a.At.After(t.pending[i].At) {
			return
		}
		t.pending = slices.Delete(t.pending, i, i+1)
	}
	t.pending = append(t.pending, pendingAnnouncement{a, at})
	t.pending = t.pending[max(0, len(t.pending)-maxPending):]
}

func (t *Tracker) expireAnnouncements(now time.Time) {
	t.pending = slices.DeleteFunc(t.pending, func(p pendingAnnouncement) bool {
		return now.Sub(p.since) > t.opts.KeepAnnouncements
	})
}

func (t *Tracker) attachTo(services []*service, a unship.Announcement, c changes) {
	for _, s := range services {
		if s.id.Name != a.Name {
			continue
		}
		for _, v := range s.versions {
			if v.release != nil && t.attach(v.release, a) {
				c.add(v)
			}
		}
	}
}

// attach says whether the announcement told something new about the release.
func (t *Tracker) attach(r *release, a unship.Announcement) bool {
	if !announces(a, r.Release) || a.Rollback && !r.IsRollback() || a.At.Before(r.since) || r.ended && a.At.After(r.LastSeen) {
		return false
	}
	apart := r.FirstSeen.Sub(a.At).Abs()
	if apart > t.opts.KeepAnnouncements && !(a.Finished && r.Announcement != nil) {
		return false
	}
	merged := a
	if r.Announcement != nil {
		merged = mergeAnnouncements(*r.Announcement, a)
		if merged == *r.Announcement {
			return false
		}
	}
	r.Announcement = &merged
	return true
}

// mergeAnnouncements keeps what was said first and adds what was left open.
func mergeAnnouncements(first, then unship.Announcement) unship.Announcement {
	or := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	or(&first.By, then.By)
	or(&first.URL, then.URL)
	or(&first.Revision, then.Revision)
	or(&first.SchemaRev, then.SchemaRev)
	first.Finished = first.Finished || then.Finished
	first.Rollback = first.Rollback || then.Rollback
	return first
}

// announces says whether an announcement is about a release. What the sender
// left out, or telemetry does not tell, fits anything.
func announces(a unship.Announcement, r unship.Release) bool {
	return a.Name == r.Name && fits(a.Namespace, r.Namespace) && fits(a.Environment, r.Environment) &&
		sameVersion(a.Version, r.Version)
}

func fits(a, b string) bool { return a == "" || b == "" || a == b }

// sameVersion compares an announced version with one that telemetry gave, which
// may be qualified with its build. Either the number or the build has to fit.
func sameVersion(announced, seen string) bool {
	number, build, isQualified := strings.Cut(strings.TrimSuffix(seen, ")"), " (build ")
	announced = normalise(announced)
	if announced == normalise(seen) || announced == normalise(number) {
		return true
	}
	if !isQualified {
		build = number
	}
	build = strings.TrimPrefix(normalise(build), "build ")
	_, digest, _ := strings.Cut(announced, ":")
	long := len(build) >= shortBuild && isHex(build)
	return long && (strings.HasPrefix(announced, build) || digest != "" && strings.HasPrefix(digest, build)) ||
		len(announced) >= shortBuild && isHex(announced) && strings.HasPrefix(build, announced)
}

// normalise drops what people write differently: case, a leading v, and the
// digest behind a tag.
func normalise(v string) string {
	v = strings.ToLower(strings.TrimSpace(v))
	if tag, _, ok := strings.Cut(v, "@"); ok && tag != "" {
		v = tag
	}
	if len(v) > 1 && v[0] == 'v' && v[1] >= '0' && v[1] <= '9' {
		v = v[1:]
	}
	return v
}
