package detect

import (
	"slices"

	"unship.dev"
	"unship.dev/rules"
)

// alter begins to watch a change without a new version: a flag, a configuration.
// As a placebo is, it is watched on a copy of the service, which is told of the
// same windows under the name of the change: what the service is from then on is
// compared with what it was.
func (d *Detector) alter(r unship.Release, policy rules.Policy, t int32) {
	s := d.services[r.Service]
	if s == nil {
		return // nothing to compare with
	}
	c := s.stand(func(*instance) bool { return true })
	for _, i := range slices.Clone(c.instances) {
		if i.last > t-releasedNear {
			c.admit(i.split(r.Version, t))
		}
	}
	d.watched[r.ReleaseID] = r.FirstSeen
	w := d.newWatch(c, r, policy, t)
	w.known = r.Previous
	s.released, s.altered, c.released = t, t, s.released
	d.watches = append(d.watches, w)
	slices.SortFunc(d.watches, compareWatches)
	d.changes = append(d.changes, &placebo{of: s, how: unship.ComparisonBefore, watch: w})
}

// split gives an instance what it did from window t on, under another name, and
// takes it from the old one.
func (i *instance) split(version string, t int32) *instance {
	n := &instance{Instance: i.Instance, version: version, first: t, last: max(i.last, t-1), streak: i.streak, settled: true}
	n.units, i.units = splitSeries(i.units, t)
	n.slices, i.slices = splitSeries(i.slices, t)
	k := slices.IndexFunc(i.heard, func(c loadCell) bool { return c.at >= t })
	if k >= 0 {
		n.heard, i.heard = slices.Clone(i.heard[k:]), i.heard[:k]
	}
	for e, v := range i.events {
		k, _ := slices.BinarySearch(v, t)
		n.events, i.events[e] = append(n.events, slices.Clone(v[k:])), v[:k]
	}
	i.last = min(i.last, t-1)
	return n
}

func splitSeries(all []series, t int32) (after, before []series) {
	for _, s := range all {
		k := slices.IndexFunc(s, func(c cell) bool { return c.at >= t })
		if k < 0 {
			k = len(s)
		}
		after, before = append(after, slices.Clone(s[k:])), append(before, s[:k])
	}
	return after, before
}

// readChanges takes a tick into the copies.
func (d *Detector) readChanges(tick *unship.Tick, t int32) {
	d.changes = slices.DeleteFunc(d.changes, func(p *placebo) bool { return p.watch.final != nil })
	for _, p := range d.changes {
		d.readPlacebo(p, tick, t)
	}
}
