package releases

import (
	"strings"
	"time"

	"unship.dev"
)

const (
	// foldWithin is how long after a version is released further builds of it are
	// taken for the same: one image has a digest for each architecture.
	foldWithin = 10 * time.Minute
	// maxBuilds bounds the builds told apart under one version. Beyond it the
	// version's builds say nothing, and new ones are not told apart.
	maxBuilds = 32
	// shortBuild is how much of a digest or commit is shown.
	shortBuild = 7
)

// builds are the builds that were seen under one version.
type builds struct {
	first, last time.Time
	fold        time.Duration
	base        map[string]bool // builds that are the version itself
	kinds       map[buildKind]bool
	others      map[string]spell    // builds told apart, first and last seen
	instances   map[string]sighting // what each instance last said
}

// sighting is the build that an instance told.
type sighting struct {
	build string
	at    time.Time
}

// buildKind tells what a build is named by. Two kinds cannot be compared: traces
// may carry the commit where metrics carry the image.
type buildKind uint8

const (
	byTag buildKind = iota
	byCommit
	byDigest
)

// qualify gives windows of another build under an unchanged version a version of
// their own; it says whether any was changed.
func (t *Tracker) qualify(tick *unship.Tick) (changed bool) {
	for i := range tick.Windows {
		w := &tick.Windows[i]
		s := t.service(w.Release.Service)
		b, ok := s.builds[w.Release.Version]
		if !ok {
			if w.Build == "" {
				continue
			}
			b = s.newBuilds(w.Release.Version, tick.Start)
		}
		if name := b.name(w, tick.Start); name != w.Release.Version {
			w.Release.Version, changed = name, true
		}
	}
	return changed
}

func (s *service) newBuilds(version string, at time.Time) *builds {
	b := &builds{first: at, fold: s.opts.Settle, base: map[string]bool{}, kinds: map[buildKind]bool{},
		others: map[string]spell{}, instances: map[string]sighting{}}
	if !s.first.IsZero() && !at.Before(s.first.Add(s.opts.Settle)) && s.versions[version] == nil {
		b.fold = foldWithin
	}
	s.builds[version] = b
	return b
}

// name gives the version of a window: as it is, or with the build.
func (b *builds) name(w *unship.Window, at time.Time) string {
	b.last = at
	build := b.buildOf(w, at)
	if build == "" || b.base[build] {
		return w.Release.Version
	}
	seen, ok := b.others[build]
	if !ok && !b.tellApart(build, at) {
		return w.Release.Version
	}
	if !ok {
		seen.From = at
	}
	seen.To = at
	b.others[build] = seen
	return qualified(w.Release.Version, build)
}

// tellApart decides about a build seen for the first time.
func (b *builds) tellApart(build string, at time.Time) bool {
	kind := kindOf(build)
	if !b.kinds[kind] || at.Sub(b.first) < b.fold {
		b.kinds[kind] = true
		if len(b.base) < maxBuilds {
			b.base[build] = true
		}
		return false
	}
	return len(b.others) < maxBuilds
}

// buildOf is what the window tells, else what its instance told before.
func (b *builds) buildOf(w *unship.Window, at time.Time) string {
	if w.Build == "" {
		return b.instances[w.Instance.ID].build
	}
	if _, ok := b.instances[w.Instance.ID]; ok || len(b.instances) < maxInstances {
		b.instances[w.Instance.ID] = sighting{w.Build, at}
	}
	return w.Build
}

func (b *builds) prune(now time.Time) {
	for id, seen := range b.instances {
		if now.Sub(seen.at) > time.Hour {
			delete(b.instances, id)
		}
	}
}

// qualified is the version of a build that differs from what its number says:
// "1.0.0 (build 4f2a91c)".
func qualified(version, build string) string {
	if _, digest, ok := strings.Cut(build, ":"); ok && kindOf(build) == byDigest {
		build = digest
	}
	if kindOf(build) != byTag && len(build) > shortBuild {
		build = build[:shortBuild]
	}
	if version == "" {
		return "build " + build
	}
	return version + " (build " + build + ")"
}

func kindOf(build string) buildKind {
	if algorithm, digest, ok := strings.Cut(build, ":"); ok && strings.HasPrefix(algorithm, "sha") && isHex(digest) {
		return byDigest
	}
	switch {
	case !isHex(build):
		return byTag
	case len(build) == 64:
		return byDigest
	case len(build) >= shortBuild && len(build) <= 40:
		return byCommit
	}
	return byTag
}

func isHex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}
