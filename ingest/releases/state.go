package releases

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"unship.dev"
)

const stateSchema = 1

// snapshot is the long memory as it is stored.
type snapshot struct {
	Schema   int            `json:"schema"`
	Services []savedService `json:"services"`
}

type savedService struct {
	unship.Service
	First    time.Time      `json:"first"`
	Last     time.Time      `json:"last"`
	Current  []takeover     `json:"current"`
	Versions []savedVersion `json:"versions"`
	Builds   []savedBuilds  `json:"builds,omitempty"`
	Told     []told         `json:"told,omitempty"`
	Flags    []savedFlag    `json:"flags,omitempty"`
}

type savedFlag struct {
	Name   string               `json:"name"`
	Values map[string]time.Time `json:"values"`
	Usual  string               `json:"usual"`
}

type savedVersion struct {
	Version     string          `json:"version"`
	First       time.Time       `json:"first"`
	Established bool            `json:"established,omitempty"`
	Served      []spell         `json:"served"`
	Gaps        []time.Duration `json:"gaps,omitempty"`
	Release     *unship.Release `json:"release,omitempty"`
	Ended       bool            `json:"ended,omitempty"`
}

type savedBuilds struct {
	Version string           `json:"version"`
	First   time.Time        `json:"first"`
	Fold    time.Duration    `json:"fold"`
	Base    []string         `json:"base"`
	Others  map[string]spell `json:"others,omitempty"`
}

// State is a JSON snapshot of the long memory: which versions of which service
// were seen when, which was current when, and their releases. It is bounded as
// the memory is. What it leaves out, the shares and instances of the last
// minutes, comes back with the ticks that are observed anew after [Tracker.Restore].
func (t *Tracker) State() ([]byte, error) {
	if t.restored != nil {
		return json.Marshal(t.restored)
	}
	snap := snapshot{Schema: stateSchema, Services: []savedService{}}
	for _, s := range t.sorted() {
		snap.Services = append(snap.Services, s.save())
	}
	return json.Marshal(snap)
}

// Restore takes up a snapshot. It is called once, before the first Observe.
//
// The first tick observed after it may be older than the snapshot: ticks of the
// last hour or so are observed again after a restart. What the snapshot tells
// of the time from that tick on is put aside, so that the releases of that time
// are found again as they were the first time.
func (t *Tracker) Restore(state []byte) error {
	var snap snapshot
	if err := json.Unmarshal(state, &snap); err != nil {
		return fmt.Errorf("read the stored versions: %w", err)
	}
	if snap.Schema != stateSchema {
		return fmt.Errorf("read the stored versions: schema %d is not known, want %d; it was written by another version of unship", snap.Schema, stateSchema)
	}
	t.restored = &snap
	return nil
}

// takeUp makes the restored memory what was known at the time from.
func (t *Tracker) takeUp(from time.Time) {
	if t.restored == nil {
		return
	}
	for _, saved := range t.restored.Services {
		if saved.First.Before(from) && saved.Name != "" {
			t.services[saved.Service] = saved.restore(from, &t.opts)
		}
	}
	t.restored = nil
}

func (s *service) save() savedService {
	out := savedService{Service: s.id, First: s.first, Last: s.last, Current: s.changes}
	for _, name := range slices.Sorted(maps.Keys(s.versions)) {
		out.Versions = append(out.Versions, s.versions[name].save())
	}
	for _, raw := range slices.Sorted(maps.Keys(s.builds)) {
		b := s.builds[raw]
		out.Builds = append(out.Builds, savedBuilds{Version: raw, First: b.first, Fold: b.fold,
			Base: slices.Sorted(maps.Keys(b.base)), Others: b.others})
	}
	out.Told = s.told
	for _, name := range slices.Sorted(maps.Keys(s.flags)) {
		out.Flags = append(out.Flags, savedFlag{name, s.flags[name].values, s.flags[name].usual})
	}
	return out
}

func (v *version) save() savedVersion {
	out := savedVersion{Version: v.name, First: v.first, Established: v.established, Served: v.served}
	out.Gaps = slices.Clone(v.rhythm.gaps[:min(v.rhythm.n, len(v.rhythm.gaps))])
	if v.release != nil {
		r := v.release.Release
		out.Release, out.Ended = &r, v.release.ended
	}
	return out
}

// restore gives the service as it was known at the time from.
func (s savedService) restore(from time.Time, opts *Options) *service {
	out := newService(s.Service, opts)
	out.first, out.last = s.First, earlier(s.Last, from)
	n := 0
	for n < len(s.Current) && s.Current[n].At.Before(from) {
		n++
	}
	later := s.Current[n:]
	if n > 0 {
		out.changes, out.current = slices.Clone(s.Current[:n]), s.Current[n-1].Version
	}
	for _, saved := range s.Versions {
		if !saved.First.Before(from) {
			continue
		}
		v := saved.restore(s.Service, from)
		v.established = saved.Established && (tookOver(out.changes, v.name) || !tookOver(later, v.name))
		out.versions[v.name] = v
	}
	for _, saved := range s.Builds {
		if saved.First.Before(from) {
			out.builds[saved.Version] = saved.restore(from)
		}
	}
	for _, x := range s.Told {
		if x.At.Before(from) {
			out.told = append(out.told, x)
		}
	}
	for _, saved := range s.Flags {
		f := &flag{values: map[string]time.Time{}, few: map[string]*newcomer{}, usual: saved.Usual}
		for v, at := range saved.Values {
			if at.Before(from) {
				f.values[v] = at
			}
		}
		if len(f.values) > 0 {
			if out.flags == nil {
				out.flags = map[string]*flag{}
			}
			out.flags[saved.Name] = f
		}
	}
	return out
}

func tookOver(changes []takeover, version string) bool {
	return slices.ContainsFunc(changes, func(c takeover) bool { return c.Version == version })
}

func (s savedVersion) restore(id unship.Service, from time.Time) *version {
	v := newVersion(s.Version, s.First)
	for _, sp := range s.Served {
		if sp.From.Before(from) {
			v.served = append(v.served, spell{sp.From, earlier(sp.To, from)})
			v.last = earlier(sp.To, from)
		}
	}
	for _, g := range s.Gaps[:min(len(s.Gaps), len(v.rhythm.gaps))] {
		v.rhythm.gaps[v.rhythm.n] = g
		v.rhythm.n++
	}
	if s.Release == nil || !s.Release.FirstSeen.Before(from) {
		return v
	}
	r := *s.Release
	r.ReleaseID = unship.ReleaseID{Service: id, Version: s.Version}
	v.release = &release{Release: r, ended: s.Ended && r.LastSeen.Before(from), settled: r.Rollout != unship.RolloutUnknown}
	v.release.LastSeen = earlier(r.LastSeen, from)
	return v
}

func (s savedBuilds) restore(from time.Time) *builds {
	b := &builds{first: s.First, last: from, fold: s.Fold, base: map[string]bool{}, kinds: map[buildKind]bool{},
		others: map[string]spell{}, instances: map[string]sighting{}}
	for _, build := range s.Base {
		b.base[build], b.kinds[kindOf(build)] = true, true
	}
	for build, seen := range s.Others {
		if seen.From.Before(from) {
			b.others[build] = seen
		}
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
