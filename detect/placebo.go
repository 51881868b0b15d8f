package detect

import (
	"maps"
	"slices"
	"sort"
	"time"

	"unship.dev"
	"unship.dev/rules"
)

// Rules of placebos.
const (
	placeboLength   = 30 * time.Minute // of a watch; a policy's is less where it is shorter
	placeboMark     = " (placebo)"     // after the version that a placebo pretends to replace
	placeboAge      = 8 * time.Minute  // instances younger than that are not old
	placeboRequests = 500              // of the candidate in the time before: fewer could not be judged
	placeboKept     = 40               // instances of a service that are copied
	placeboShare    = 5                // one in so many instances, at most, is a canary
)

// placebo is a release that never was: some instances of a service are said to
// be of a new version, though nothing was released. It is watched by the code
// that watches releases, so that every alarm is a false one.
//
// The watch is not of the service but of a copy, which is told of the same
// windows under the pretended version. What the service learns and how its
// releases are judged is therefore as if there were no placebo.
type placebo struct {
	of      *service
	how     unship.Comparison
	watch   *watch          // of the copy; nil when there is nothing more to watch
	chosen  map[string]bool // instances that are said to be new
	ignored map[string]bool // instances that are not in the copy
	ends    time.Time
	void    bool // something happened for which a release could be blamed with reason
	alarm   *unship.PlaceboAlarm
}

// subjects gives the instances of a service that a placebo may pretend to
// replace from the next window on; none where a placebo would prove nothing:
// one version serves alone, has done so for a whole history, nothing was
// released meanwhile, and the traffic is enough to judge by.
func (d *Detector) subjects(s *service, t int32, how unship.Comparison, hash uint64) (chosen []*instance) {
	from := t - int32(d.opt.History)
	if s.first >= from || len(s.watches) > 0 || s.released > 0 && s.released >= from {
		return nil
	}
	var old []*instance
	for _, i := range s.instances {
		if i.last <= t-releasedNear {
			continue
		}
		if len(old) > 0 && old[0].version != i.version {
			return nil
		}
		if i.age(t) >= int32(placeboAge/d.opt.Window) && i.ID != unship.OverflowOperation {
			old = append(old, i)
		}
	}
	n := min(len(old), placeboKept)
	if how == unship.ComparisonConcurrent {
		if len(old) < 2 {
			return nil
		}
		n = 1 + int(hash%uint64(max(1, n/placeboShare)))
	}
	old = byHash(old, hash)[:n]
	requests, needed := uint64(0), uint64(placeboRequests)
	for _, i := range old {
		n, _ := i.heardIn(t+1-int32(placeboLength/d.opt.Window), t+1)
		requests += n
	}
	if s.ops == 0 {
		needed = 0
	}
	if len(old) == 0 || requests < needed {
		return nil
	}
	return old
}

// byHash gives instances in an order that names and a hash decide.
func byHash(in []*instance, hash uint64) []*instance {
	out := slices.Clone(in)
	key := func(i *instance) uint64 { return hashOf(hash, i.ID) }
	sort.SliceStable(out, func(a, b int) bool { return key(out[a]) < key(out[b]) })
	return out
}

// newPlacebo begins to pretend that instances of s are replaced after window t.
func (d *Detector) newPlacebo(s *service, chosen []*instance, how unship.Comparison, hash uint64, policies rules.Set, t int32) *placebo {
	p := &placebo{of: s, how: how, chosen: map[string]bool{}, ignored: map[string]bool{}}
	for _, i := range chosen {
		p.chosen[i.ID] = true
	}
	c, old := p.copy(hash), chosen[0].version
	for _, i := range chosen {
		c.admit(&instance{Instance: i.Instance, version: old + placeboMark, first: t + 1, last: i.last, streak: i.streak, settled: true})
	}
	policy := policies.For(s.id)
	policy.Watch = min(policy.Watch, placeboLength)
	at := d.time(t)
	r := unship.Release{ReleaseID: unship.ReleaseID{Service: s.id, Version: old + placeboMark}, Previous: old, FirstSeen: at, LastSeen: at}
	p.watch = d.newWatch(c, r, policy, t+1)
	if how == unship.ComparisonBefore {
		p.watch.known = old
	}
	return p
}

// copy makes the copy of the service: of a bounded number of instances, and
// without the past of a canary, for how a new instance differs from the others
// is not known beforehand.
func (p *placebo) copy(hash uint64) *service {
	kept := len(p.chosen)
	for _, i := range byHash(p.of.instances, hash) {
		switch {
		case p.chosen[i.ID]:
		case kept < placeboKept:
			kept++
		default:
			p.ignored[i.ID] = true
		}
	}
	c := p.of.stand(func(i *instance) bool {
		return !p.ignored[i.ID] && (p.how == unship.ComparisonBefore || !p.chosen[i.ID])
	})
	if len(p.ignored) > 0 {
		c.load = loadOf(p.of.instances, func(i *instance) bool { return !p.ignored[i.ID] })
	}
	return c
}

// loadOf gives the requests of some instances by window.
func loadOf(all []*instance, of func(*instance) bool) (out []loadCell) {
	sum := map[int32]uint64{}
	for _, i := range all {
		for _, c := range i.heard {
			if of(i) {
				sum[c.at] += c.n
			}
		}
	}
	for _, at := range slices.Sorted(maps.Keys(sum)) {
		out = append(out, loadCell{at: at, n: sum[at]})
	}
	return out
}

// seePlacebo takes a tick in under the pretended version, and judges.
func (d *Detector) seePlacebo(p *placebo, tick *unship.Tick, outage string, t int32) {
	w := p.watch
	d.readPlacebo(p, tick, t)
	if outage != "" {
		w.skipped[t] = true
	}
	w.note(t)
	d.advance(w, t)
	if !w.crossed() {
		return
	}
	d.examine(w, t)
	all := append(slices.Clone(d.watches), w)
	slices.SortFunc(all, compareWatches)
	_, probability, elsewhere := d.blame(all)
	w.convict(outage, w.sharesCause(elsewhere), probability[w.release.ReleaseID])
	if w.verdict == unship.Regressed {
		p.alarm = d.placeboAlarm(p, tick.Closed)
	}
}

// readPlacebo takes the windows of the service into its copy.
func (d *Detector) readPlacebo(p *placebo, tick *unship.Tick, t int32) {
	s, v := p.watch.svc, p.watch.release.Version
	k := sort.Search(len(tick.Windows), func(k int) bool { return tick.Windows[k].Release.Service.Compare(s.id) >= 0 })
	for ; k < len(tick.Windows) && tick.Windows[k].Release.Service == s.id; k++ {
		w := tick.Windows[k]
		if p.ignored[w.Instance.ID] {
			continue
		}
		if p.chosen[w.Instance.ID] || p.how == unship.ComparisonBefore {
			w.Release.Version = v
		}
		d.readWindow(s, &w, t)
	}
	s.noteStarts(t)
	for _, u := range s.units {
		if u.lat != nil {
			u.lat.close(t, int32(d.opt.History))
		}
	}
	s.last, s.asked = t, p.of.asked
}

// placeboAlarm tells of an alarm what a person needs to look into it.
func (d *Detector) placeboAlarm(p *placebo, at time.Time) *unship.PlaceboAlarm {
	w := p.watch
	x := &unship.PlaceboAlarm{At: at, Release: unship.ReleaseID{Service: w.svc.id, Version: w.baseline}, Comparison: p.how, Instances: slices.Sorted(maps.Keys(p.chosen))}
	x.Instances = x.Instances[:min(len(x.Instances), placeboShare)]
	if f := d.findings(w); len(f) > 0 {
		x.Why = w.words(&f[0])
	}
	return x
}

// end frees what a placebo holds.
func (p *placebo) end() {
	if p.watch != nil {
		p.watch.dischargeControls()
		p.watch = nil
	}
}

// inPlaceOf gives o as s sees it: where s is a placebo's copy of o, s itself.
func (s *service) inPlaceOf(o *service) *service {
	if s.stands && o.id == s.id {
		return s
	}
	return o
}

// placebo gives s if it is a placebo's copy.
func (s *service) placebo() *service {
	if s.stands {
		return s
	}
	return nil
}
