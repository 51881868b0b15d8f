// Package releases finds releases in ticks: which version of which service began
// to serve, what it replaced, how it rolled out, and who announced it.
//
// In go ticks in the order of their time; out come the releases that are new or
// have changed. Where service.version stays while the build changes, the tick's
// windows are rewritten so that the new build is a version of its own.
//
// What counts as what:
//   - The versions heard within a service's first minute ([Options.Settle]) are
//     initial: nobody can say what they replaced. They are no releases.
//   - A version never heard before is a release.
//   - A version is gone when its service was heard for three times the version's
//     longest recent gap (one minute to fifteen) without it. When the whole service
//     is silent nothing is gone: an outage, or a scale to zero, replaces nothing.
//   - The current version is the one that last took over: by more than four
//     fifths of the requests, or because the current one before it is gone.
//   - A version that was current once and comes back, after it was gone or by
//     taking over again, is a rollback if it is older than the version it takes over from, and a
//     release anew if it is newer: what was taken back has been rolled out again.
//   - A canary that disappears is no rollback: the old version never stopped.
//   - A change without a new version (flag, configuration, infrastructure) that is
//     announced, or a feature flag of which requests begin to carry a value that
//     they did not before, is a release of the version that serves.
//
// Memory is bounded. A service that opens releases faster than [MaxOpened] in
// [OpenedWithin] flaps: further versions are remembered as seen and open nothing.
//
// A Tracker reads no clock and does no I/O; the same ticks give the same
// releases. It is not safe for concurrent use.
package releases

import (
	"slices"
	"time"

	"unship.dev"
)

// MaxOpened is how many releases one service can open within [OpenedWithin];
// a version that flaps opens no more.
const MaxOpened = 8

// OpenedWithin is the time over which [MaxOpened] counts.
const OpenedWithin = 10 * time.Minute

// Options of a Tracker. Zero fields take the value named with each.
type Options struct {
	Settle            time.Duration // how long after a service is first heard its versions are initial; one minute
	KeepAnnouncements time.Duration // how long an announcement waits for its version, in event time; two hours
	Forget            time.Duration // after how long a silent service keeps its versions only; a day
	MaxServices       int           // services remembered, the longest silent go first; 10000
	MaxVersions       int           // versions remembered per service, the longest silent go first; 64
}

func (o Options) withDefaults() Options {
	or := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	or(&o.Settle, time.Minute)
	or(&o.KeepAnnouncements, 2*time.Hour)
	or(&o.Forget, 24*time.Hour)
	if o.MaxServices <= 0 {
		o.MaxServices = 10000
	}
	if o.MaxVersions <= 1 {
		o.MaxVersions = 64
	}
	return o
}

// Tracker finds releases.
type Tracker struct {
	opts     Options
	services map[unship.Service]*service
	pending  []pendingAnnouncement
	restored *snapshot // taken up at the first tick, which tells from when on ticks are observed
	swept    time.Time
}

// New makes a Tracker.
func New(opts Options) *Tracker {
	return &Tracker{opts: opts.withDefaults(), services: map[unship.Service]*service{}}
}

// Observe takes the next tick and gives the releases that are new or have
// changed in it, sorted by id: opened (changes without a new version among them), rollout recognised, announced, gone, or
// come back. That LastSeen moves on is no change.
func (t *Tracker) Observe(tick *unship.Tick) (changed []unship.Release) {
	t.takeUp(tick.Start)
	if t.qualify(tick) {
		slices.SortFunc(tick.Windows, compareWindows)
	}
	c := changes{}
	for rest := tick.Windows; len(rest) > 0; {
		n := sameService(rest)
		t.service(rest[0].Release.Service).hear(tick, rest[:n], c)
		rest = rest[n:]
	}
	t.announce(tick, c)
	changed = append(c.sorted(), t.alter(tick)...)
	slices.SortStableFunc(changed, func(a, b unship.Release) int { return a.ReleaseID.Compare(b.ReleaseID) })
	t.sweep(tick.End)
	return changed
}

// Release gives a release by its id. Where a version was released more than
// once, it is the last time.
func (t *Tracker) Release(id unship.ReleaseID) (unship.Release, bool) {
	s, ok := t.services[id.Service]
	if !ok || s.versions[id.Version] == nil || s.versions[id.Version].release == nil {
		return unship.Release{}, false
	}
	return s.versions[id.Version].release.Release, true
}

// Releases gives all releases that are remembered, sorted by id.
func (t *Tracker) Releases() []unship.Release {
	c := changes{}
	for _, s := range t.services {
		for _, v := range s.versions {
			c.add(v)
		}
	}
	return c.sorted()
}

func (t *Tracker) service(id unship.Service) *service {
	s, ok := t.services[id]
	if !ok {
		s = newService(id, &t.opts)
		t.services[id] = s
	}
	return s
}

// sweep drops what is beyond the bounds, about once a minute of event time.
func (t *Tracker) sweep(now time.Time) {
	if now.Sub(t.swept) < time.Minute && len(t.services) <= t.opts.MaxServices {
		return
	}
	t.swept = now
	for _, s := range t.services {
		s.prune(now)
	}
	t.expireAnnouncements(now)
	t.evict()
}

// evict forgets the services that have been silent longest, a tenth at once so
// that a flood of names does not sort them anew with each.
func (t *Tracker) evict() {
	if len(t.services) <= t.opts.MaxServices {
		return
	}
	all := t.sorted()
	slices.SortStableFunc(all, func(a, b *service) int { return a.last.Compare(b.last) })
	for _, s := range all[:len(all)-t.opts.MaxServices*9/10] {
		delete(t.services, s.id)
	}
}

// sorted gives the services by id.
func (t *Tracker) sorted() []*service {
	all := make([]*service, 0, len(t.services))
	for _, s := range t.services {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *service) int { return a.id.Compare(b.id) })
	return all
}

// changes are the versions whose release changed in one tick.
type changes map[unship.ReleaseID]*version

func (c changes) add(v *version) {
	if v.release != nil {
		c[v.release.ReleaseID] = v
	}
}

func (c changes) sorted() []unship.Release {
	out := make([]unship.Release, 0, len(c))
	for _, v := range c {
		out = append(out, v.release.Release)
	}
	slices.SortFunc(out, func(a, b unship.Release) int { return a.ReleaseID.Compare(b.ReleaseID) })
	return out
}

func compareWindows(a, b unship.Window) int {
	if c := a.Release.Compare(b.Release); c != 0 {
		return c
	}
	return compareInstances(a.Instance, b.Instance)
}

// sameService counts the windows at the front that are of one service.
func sameService(windows []unship.Window) int {
	for i := range windows {
		if windows[i].Release.Service != windows[0].Release.Service {
			return i
		}
	}
	return len(windows)
}
