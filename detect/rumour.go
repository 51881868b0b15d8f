package detect

import (
	"slices"
	"strings"

	"unship.dev"
	"unship.dev/rules"
)

// maxRumours is how many releases that were announced and not seen are remembered.
const maxRumours = 256

// rumour is a release that was announced and of which nothing was seen so far:
// its instances do not come up, or tell nothing of themselves.
type rumour struct {
	release unship.ReleaseID // its service is as telemetry names it
	begin   int32
	until   int32
}

// hearRumours takes in what a tick announces, and forgets what was seen or is old.
func (d *Detector) hearRumours(tick *unship.Tick, policies rules.Set, t int32) {
	for _, a := range tick.Announcements {
		if a.Change != (unship.Change{}) || a.Rollback || a.Version == "" {
			continue
		}
		for _, s := range d.order {
			if s.id.Name != a.Name || a.Namespace != "" && a.Namespace != s.id.Namespace || a.Environment != "" && a.Environment != s.id.Environment {
				continue
			}
			begin := max(1, min(t, int32(a.At.Sub(d.epoch)/d.opt.Window)+1))
			r := rumour{unship.ReleaseID{Service: s.id, Version: a.Version}, begin, begin + rankedAlong*int32(policies.For(s.id).Watch/d.opt.Window)}
			known := slices.ContainsFunc(d.rumours, func(o rumour) bool { return o.release == r.release })
			if !known && len(d.rumours) < maxRumours {
				d.rumours = append(d.rumours, r)
			}
		}
	}
	d.rumours = slices.DeleteFunc(d.rumours, func(r rumour) bool { return t >= r.until || d.seen(r) })
}

// seen says that a version that was announced serves, or another one, of which
// nothing was announced, began near it: they are one, written differently.
func (d *Detector) seen(r rumour) bool {
	s := d.services[r.release.Service]
	if s == nil {
		return false
	}
	for _, w := range s.watches {
		a := w.release.Announcement
		if a != nil && a.Version == r.release.Version || a == nil && max(w.begin-r.begin, r.begin-w.begin) <= maxPointWindows {
			return true
		}
	}
	return slices.ContainsFunc(s.instances, func(i *instance) bool { return sameName(i.version, r.release.Version) && i.last >= r.begin })
}

// sameName compares versions that people write differently.
func sameName(a, b string) bool {
	plain := func(v string) string { return strings.TrimPrefix(strings.ToLower(v), "v") }
	return plain(a) == plain(b)
}
