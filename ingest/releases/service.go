package releases

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"unship.dev"
)

// Shares of a service's requests.
const (
	takenOver = 0.8  // beyond it a version has taken over
	major     = 0.05 // from it on a version is more than stray traffic
	// enoughRequests are needed before a share means anything: with fewer, the
	// requests of one minute can all go to one of two versions by chance.
	enoughRequests = 50
)

// service is what is known of one service.
type service struct {
	id       unship.Service
	opts     *Options
	first    time.Time // start of its first window
	last     time.Time // end of its last window
	current  string    // the version that last took over
	changes  []takeover
	versions map[string]*version
	builds   map[string]*builds // by version as telemetry gives it
	recent   []voice
	opened   []time.Time // of the last releases, to know flapping
	told     []told      // the last announced changes without a version
	flags    map[string]*flag
}

// takeover notes since when a version was current.
type takeover struct {
	Version string    `json:"version"`
	At      time.Time `json:"at"`
}

// voice is what one version did in one tick.
type voice struct {
	at        time.Time
	version   string
	requests  uint64
	instances uint64
}

func newService(id unship.Service, opts *Options) *service {
	return &service{id: id, opts: opts, versions: map[string]*version{}, builds: map[string]*builds{}}
}

// hear takes the windows of the service in one tick.
func (s *service) hear(tick *unship.Tick, windows []unship.Window, c changes) {
	if s.first.IsZero() {
		s.first = tick.Start
	}
	voices := tally(tick.Start, windows)
	for _, v := range voices {
		s.greet(v, c)
	}
	for i := range windows {
		s.versions[windows[i].Release.Version].hear(&windows[i], tick.End)
	}
	s.last = tick.End
	s.recent = append(s.recent, voices...)
	s.recent = slices.DeleteFunc(s.recent, func(v voice) bool { return tick.End.Sub(v.at) > longestSilence })
	s.noteShares(tick, voices)
	s.hearFlags(tick, windows)
	s.takeOver(tick, c)
	s.updateReleases(tick, c)
	s.boundVersions()
}

// tally sums the windows of one service by version. Windows are sorted.
func tally(at time.Time, windows []unship.Window) (voices []voice) {
	for i := range windows {
		w := &windows[i]
		if n := len(voices); n == 0 || voices[n-1].version != w.Release.Version {
			voices = append(voices, voice{at: at, version: w.Release.Version})
		}
		v := &voices[len(voices)-1]
		v.instances++
		for k := range w.Operations {
			v.requests += w.Operations[k].Requests
		}
	}
	return voices
}

// greet decides what it means that a version is heard, before the tick counts.
func (s *service) greet(heard voice, c changes) {
	v, known := s.versions[heard.version]
	switch {
	case !known && heard.at.Before(s.first.Add(s.opts.Settle)):
		s.versions[heard.version] = newVersion(heard.version, heard.at)
	case !known:
		v = newVersion(heard.version, heard.at)
		previous := s.previous(heard.at)
		s.versions[heard.version] = v
		s.open(v, heard.at, previous, "")
		c.add(v)
	case v.name != s.current && s.gone(v):
		s.comeBack(v, heard.at)
		c.add(v)
	}
}

// comeBack takes a version that was gone and is heard again.
func (s *service) comeBack(v *version, at time.Time) {
	v.instances, v.rhythm, v.last = map[string]*instance{}, rhythm{}, time.Time{}
	v.served = append(v.served, spell{at, at})
	if v.established {
		s.reopen(v, at)
		v.returned = true
		return
	}
	if v.release != nil { // a canary that was taken away and tried again, or had no traffic
		v.release.ended = false
	}
}

// reopen makes a release of the return of a version that was current once.
func (s *service) reopen(v *version, at time.Time) {
	left, rollbackOf := s.current, ""
	if l := s.versions[left]; l == nil || !v.first.After(l.first) {
		rollbackOf = left
	}
	s.open(v, at, left, rollbackOf)
}

// open makes a release of a version, unless the service flaps.
func (s *service) open(v *version, at time.Time, previous, rollbackOf string) {
	s.opened = slices.DeleteFunc(s.opened, func(o time.Time) bool { return at.Sub(o) > OpenedWithin })
	if len(s.opened) >= MaxOpened {
		return
	}
	s.opened = append(s.opened, at)
	v.firstMajor = time.Time{}
	v.release = &release{
		Release: unship.Release{
			ReleaseID:  unship.ReleaseID{Service: s.id, Version: v.name},
			Previous:   previous,
			FirstSeen:  at,
			LastSeen:   later(at, v.last),
			RollbackOf: rollbackOf,
		},
		since: s.since(v),
	}
}

// since is from when on announcements can be meant for the release of v that
// opens now: zero, or where v has served before, when it was left.
func (s *service) since(v *version) time.Time {
	if v.established && len(s.changes) > 0 {
		return s.changes[len(s.changes)-1].At
	}
	return time.Time{}
}

// previous is the version that a new one replaces: the one that carried most
// requests of late, else the current one.
func (s *service) previous(at time.Time) string {
	best, weight := s.current, 0.0
	weights, _ := s.weights(at, max(time.Minute, s.span()))
	for _, w := range weights {
		if w.share > weight && !s.replaced(w.version) {
			best, weight = w.version, w.share
		}
	}
	return best
}

// replaced says that a version was current before the current one.
func (s *service) replaced(name string) bool {
	v := s.versions[name]
	return name != s.current && v != nil && v.established && !v.returned
}

// takeOver finds out whether another version is current now.
func (s *service) takeOver(tick *unship.Tick, c changes) {
	weights, enough := s.weights(tick.End, s.span())
	weights = slices.DeleteFunc(weights, func(w weight) bool { return s.gone(s.versions[w.version]) })
	if len(weights) == 0 {
		return
	}
	top := weights[0]
	cur := s.versions[s.current]
	settling := tick.Start.Before(s.first.Add(s.opts.Settle))
	if top.version == s.current ||
		!settling && cur != nil && !s.gone(cur) && (!enough || top.share <= takenOver) {
		return
	}
	v := s.versions[top.version]
	if !settling && v.established && !v.returned {
		s.reopen(v, s.majoritySince(v.name, tick.Start))
		c.add(v)
	}
	if cur != nil {
		cur.returned = false
		cur.established = !settling // the first minute's were guesses
	}
	v.established, v.returned = true, false
	s.current = v.name
	s.changes = append(s.changes, takeover{Version: v.name, At: tick.Start})
	s.changes = s.changes[max(0, len(s.changes)-maxTakeovers):]
}

const maxTakeovers = 16

// majoritySince is the start of the first of the latest ticks in all of which a
// version carried more than half.
func (s *service) majoritySince(name string, at time.Time) time.Time {
	for end := len(s.recent); end > 0; {
		begin := end
		var mine, all uint64
		for ; begin > 0 && s.recent[begin-1].at.Equal(s.recent[end-1].at); begin-- {
			all += s.recent[begin-1].requests
			if s.recent[begin-1].version == name {
				mine = s.recent[begin-1].requests
			}
		}
		if 2*mine <= all {
			break
		}
		at, end = s.recent[begin].at, begin
	}
	return at
}

// weight is a version's share of the service over some time.
type weight struct {
	version string
	share   float64
}

// weights gives the shares of requests in the time up to now, largest first, and
// whether they are enough to judge by. A service without requests, known by its
// metrics or logs only, is shared by instances.
func (s *service) weights(now time.Time, span time.Duration) (out []weight, enough bool) {
	requests, instances := map[string]uint64{}, map[string]uint64{}
	var allRequests, allInstances uint64
	for _, v := range s.recent {
		if v.at.Before(now.Add(-span)) {
			continue
		}
		requests[v.version] += v.requests
		instances[v.version] += v.instances
		allRequests += v.requests
		allInstances += v.instances
	}
	counts, all := requests, allRequests
	if all == 0 {
		counts, all = instances, allInstances
	}
	for name, n := range counts {
		if s.versions[name] != nil {
			out = append(out, weight{name, float64(n) / float64(max(all, 1))})
		}
	}
	slices.SortFunc(out, func(a, b weight) int {
		return cmp.Or(-cmp.Compare(a.share, b.share), strings.Compare(a.version, b.version))
	})
	return out, allRequests >= enoughRequests || allRequests == 0
}

// share gives a version's part of the requests of late.
func (s *service) share(name string, now time.Time) float64 {
	weights, _ := s.weights(now, s.span())
	for _, w := range weights {
		if w.version == name {
			return w.share
		}
	}
	return 0
}

// noteShares remembers when each version carried more than stray traffic.
func (s *service) noteShares(tick *unship.Tick, voices []voice) {
	var all uint64
	for _, v := range voices {
		all += v.requests
	}
	for _, heard := range voices {
		if heard.requests == 0 || float64(heard.requests) < major*float64(all) {
			continue
		}
		v := s.versions[heard.version]
		if v.firstMajor.IsZero() {
			v.firstMajor = tick.Start
		}
		v.lastMajor = tick.End
	}
}

// gone says that the service was heard long enough without the version.
func (s *service) gone(v *version) bool { return s.last.Sub(v.last) >= v.rhythm.horizon() }

// span is the time over which shares are taken: longer where telemetry comes seldom.
func (s *service) span() time.Duration {
	span := time.Duration(0)
	for _, v := range s.versions {
		if v.rhythm.known() && !s.gone(v) {
			span = max(span, v.rhythm.horizon())
		}
	}
	if span == 0 {
		return longestSilence
	}
	return span
}

// boundVersions forgets the versions silent longest.
func (s *service) boundVersions() {
	for len(s.versions) > s.opts.MaxVersions {
		var oldest *version
		for _, v := range s.versions {
			if v.name != s.current && (oldest == nil || v.before(oldest)) {
				oldest = v
			}
		}
		delete(s.versions, oldest.name)
	}
}

// prune drops details that no longer matter.
func (s *service) prune(now time.Time) {
	silent := now.Sub(s.last) >= s.opts.Forget
	for _, v := range s.versions {
		v.prune(now)
		if silent {
			v.release = nil
		}
	}
	for raw, b := range s.builds {
		b.prune(now)
		if len(s.builds) > s.opts.MaxVersions && now.Sub(b.last) > time.Hour {
			delete(s.builds, raw)
		}
	}
	if silent {
		s.recent, s.opened = nil, nil
	}
}
