package releases

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"unship.dev"
)

// Bounds of what is remembered of changes without a version.
const (
	maxTold       = 64
	maxFlags      = 16
	maxFlagValues = 32
	sameWords     = time.Minute // the same announcement again within it is a retry, later it is another change
	flagRequests  = 20          // that carry a new value: fewer may be strays
	flagGap       = time.Minute // without requests that carry it, and the count begins anew
	flagFamily    = "feature_flag."
	// flagDelay is how many ticks requests carry a new value before it is told
	// apart: ingest chooses the attributes that it counts by from what it saw.
	flagDelay = 2
)

// flag is what is known of one feature flag of a service.
type flag struct {
	values map[string]time.Time // those that requests carried, and since when
	few    map[string]*newcomer // those that few requests carried so far
	usual  string               // the one that most carried in the tick before
	turned *unship.Change       // in this tick
	since  time.Time            // when requests began to carry the value that turned tells of
}

// newcomer is a value that may become known.
type newcomer struct {
	since, last time.Time
	requests    uint64
	settling    bool // it was heard in the service's first minute
}

// told is an announced change without a version.
type told struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
}

// alter gives the releases that are changes without a new version: those that
// were announced and those of feature flags. A change of a service that is not
// known, or of which nobody knows what serves, is nothing to compare with.
func (t *Tracker) alter(tick *unship.Tick) (out []unship.Release) {
	for _, s := range t.sorted() {
		for _, a := range tick.Announcements {
			if a.Change == (unship.Change{}) || a.Name != s.id.Name || !fits(a.Namespace, s.id.Namespace) ||
				!fits(a.Environment, s.id.Environment) || s.knows(a) {
				continue
			}
			s.told = append(s.told[max(0, len(s.told)+1-maxTold):], told{a.ID, a.At})
			if r, ok := s.alter(a.Change, startOf(a.At, tick), tick); ok {
				r.Announcement = &a
				out = append(out, r)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(s.flags)) {
			f := s.flags[name]
			if f.turned == nil {
				continue
			}
			announced := slices.ContainsFunc(out, func(r unship.Release) bool {
				return r.Service == s.id && r.Change.Kind == f.turned.Kind && r.Change.Name == f.turned.Name
			})
			if r, ok := s.alter(*f.turned, f.since.Add(-flagDelay*tick.End.Sub(tick.Start)), tick); ok && !announced {
				out = append(out, r)
			}
			f.turned = nil
		}
	}
	return out
}

// knows says that an announced change was told already.
func (s *service) knows(a unship.Announcement) bool {
	return slices.ContainsFunc(s.told, func(x told) bool { return x.ID == a.ID && a.At.Sub(x.At) < sameWords })
}

// startOf is the start of the window in which something happened, at most that of the tick.
func startOf(at time.Time, tick *unship.Tick) time.Time {
	behind := tick.Start.Sub(at)
	if behind <= 0 {
		return tick.Start
	}
	window := tick.End.Sub(tick.Start)
	return tick.Start.Add(-(behind + window - 1).Truncate(window))
}

// alter makes a release of a change, unless the service flaps or it is not
// known what serves.
func (s *service) alter(c unship.Change, at time.Time, tick *unship.Tick) (r unship.Release, ok bool) {
	s.opened = slices.DeleteFunc(s.opened, func(o time.Time) bool { return tick.Start.Sub(o) > OpenedWithin })
	serves := s.previous(tick.Start)
	if serves == "" || len(s.opened) >= MaxOpened {
		return r, false
	}
	s.opened = append(s.opened, tick.Start)
	return unship.Release{
		ReleaseID: unship.ReleaseID{Service: s.id, Version: serves + " (" + c.String() + ")"},
		Previous:  serves, FirstSeen: at, LastSeen: tick.End, Rollout: unship.RolloutReplaced, Change: c,
	}, true
}

// hearFlags notes which values of feature flags requests carry. A value that
// they carry for the first time, after the service's first minute, is a change.
func (s *service) hearFlags(tick *unship.Tick, windows []unship.Window) {
	sums := map[string]map[string]uint64{}
	for i := range windows {
		for k := range windows[i].Operations {
			for _, x := range windows[i].Operations[k].Slices {
				name, is := strings.CutPrefix(x.Key, flagFamily)
				if !is || x.Value == unship.OverflowOperation {
					continue
				}
				if sums[name] == nil {
					sums[name] = map[string]uint64{}
				}
				sums[name][x.Value] += x.Requests
			}
		}
	}
	for i := range windows {
		for _, l := range windows[i].Logs {
			told, is := strings.CutPrefix(l.Pattern, unship.FlagPattern)
			if name, value, ok := strings.Cut(told, "="); is && ok {
				if sums[name] == nil {
					sums[name] = map[string]uint64{}
				}
				sums[name][value] += l.Count
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		if s.flags == nil {
			s.flags = map[string]*flag{}
		}
		f := s.flags[name]
		if f == nil && len(s.flags) < maxFlags {
			f = &flag{values: map[string]time.Time{}, few: map[string]*newcomer{}}
			s.flags[name] = f
		}
		if f != nil {
			f.hear(name, sums[name], tick.Start, tick.Start.Before(s.first.Add(s.opts.Settle)))
		}
	}
}

// hear takes the requests of one tick by value. When values are first heard,
// all but the commonest of them are taken for new.
func (f *flag) hear(name string, requests map[string]uint64, at time.Time, settling bool) {
	f.count(requests, at, settling)
	by := slices.SortedFunc(maps.Keys(f.few), func(a, b string) int {
		return cmp.Or(-cmp.Compare(f.few[a].requests, f.few[b].requests), strings.Compare(a, b))
	})
	first := len(f.values) == 0 && len(by) > 1
	for k, v := range by {
		x := f.few[v]
		if x.requests < flagRequests || len(f.values) >= maxFlagValues {
			continue
		}
		f.values[v] = x.since
		delete(f.few, v)
		if x.settling || first && k == 0 {
			continue
		}
		was := f.usual
		if first {
			was = by[0]
		}
		f.turned, f.since = &unship.Change{Kind: unship.ChangeFlag, Name: name, Value: v, Was: was}, x.since
	}
	if most := commonest(requests); requests[most] > requests[f.usual] {
		f.usual = most
	}
}

// count adds up the requests that carry values which are not known yet.
func (f *flag) count(requests map[string]uint64, at time.Time, settling bool) {
	maps.DeleteFunc(f.few, func(_ string, x *newcomer) bool { return at.Sub(x.last) > flagGap })
	for v, n := range requests {
		if _, known := f.values[v]; known || n == 0 {
			continue
		}
		x := f.few[v]
		if x == nil {
			if len(f.few) >= maxFlagValues {
				continue
			}
			x = &newcomer{since: at, settling: settling}
			f.few[v] = x
		}
		x.requests, x.last = x.requests+n, at
	}
}

// commonest gives the value that most of a tick's requests carried.
func commonest(requests map[string]uint64) string {
	return slices.MinFunc(slices.Collect(maps.Keys(requests)), func(a, b string) int {
		return cmp.Or(-cmp.Compare(requests[a], requests[b]), strings.Compare(a, b))
	})
}
