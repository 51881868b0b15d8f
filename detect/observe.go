package detect

import (
	"fmt"
	"slices"
	"time"

	"unship.dev"
)

// read takes a tick's windows into the store.
func (d *Detector) read(tick *unship.Tick, t int32) {
	var touched []*service
	for i := range tick.Windows {
		w := &tick.Windows[i]
		s := d.service(w.Release.Service, t)
		if s == nil {
			continue
		}
		if k := len(touched); k == 0 || touched[k-1] != s {
			touched = append(touched, s)
		}
		d.readWindow(s, w, t)
		relate(s, w, t)
		learnNames(s, w)
	}
	for i := range tick.Windows {
		if s := d.services[tick.Windows[i].Release.Service]; s != nil {
			d.ask(s, &tick.Windows[i], t)
		}
	}
	d.lostElsewhere(t)
	for _, s := range touched {
		s.noteStarts(t)
		for _, u := range s.units {
			if u.lat != nil {
				u.lat.close(t, int32(d.opt.History))
			}
		}
		s.noteTails(t)
	}
}

// service gives a service, known from now on; nil beyond the bound.
func (d *Detector) service(id unship.Service, t int32) *service {
	s, ok := d.services[id]
	if !ok {
		if len(d.services) >= d.opt.Services {
			return nil
		}
		s = newService(id, t)
		s.estate = d.services
		d.services[id] = s
		at, _ := slices.BinarySearchFunc(d.order, s, func(a, b *service) int { return a.id.Compare(b.id) })
		d.order = slices.Insert(d.order, at, s)
	}
	s.last = t
	return s
}

func (d *Detector) readWindow(s *service, w *unship.Window, t int32) {
	i := s.instance(w, t, d.opt.Instances)
	// Who serves in the first minute is no younger than anybody else known.
	i.settled = i.settled || i.first <= 1+int32(time.Minute/d.opt.Window)
	switch {
	case i.settled:
	case i.warming == nil:
		i.warmness, i.warming, i.trouble, i.slowStart = d.warmth(s), &warming{}, s.trouble(), s.slowStart()
	case !i.warming.filed && i.age(t) >= int32(warmth/d.opt.Window) && warmBin(i.minutes(t, d.opt.Window)) < bins && !s.candidate(i.version):
		s.file(i, d.opt.Window)
	}
	var mine *watch
	for _, x := range s.watches {
		if x.release.Version == i.version {
			mine = x
		}
	}
	if len(w.Operations) > 0 {
		s.logged = w.Logged
	}
	var now loadCell
	for k := range w.Operations {
		p := &w.Operations[k]
		now.n, now.bad, now.partial = now.n+p.Requests, now.bad+uint32(p.FailedHere+p.Rejected), now.partial+uint32(p.Partial)
		for c := range p.Calls {
			now.calls, now.callsFailed = now.calls+p.Calls[c].Total, now.callsFailed+p.Calls[c].Failed
			for _, a := range p.Calls[c].Answered {
				now.garbled += a.Garbled
			}
		}
		d.readOperation(s, i, p, mine, t)
	}
	s.readEvents(i, w, t)
	s.readMetrics(i, w, t, t/d.blockWindows())
	i.hear(t, &now)
	if k := len(s.load) - 1; k < 0 || s.load[k].at != t {
		s.load = append(s.load, loadCell{at: t})
	}
	l := &s.load[len(s.load)-1]
	l.n, l.bad, l.partial, l.garbled = l.n+now.n, l.bad+now.bad, l.partial+now.partial, l.garbled+now.garbled
	l.calls, l.callsFailed = l.calls+now.calls, l.callsFailed+now.callsFailed
}

// readOperation counts one operation of one instance. mine is the watch of its version, if there is one.
func (d *Detector) readOperation(s *service, i *instance, p *unship.Operation, mine *watch, t int32) {
	u := s.unit(p.Name, "")
	l := s.units[u].lat
	s.units[u].requests += p.Requests
	h, ok := l.durations(p)
	raise, lat := i.allowance(t, d.opt.Window)
	s.apart = s.apart || p.Apart()
	y := [counts]uint64{countFailedHere: p.FailedHere, countFailed: p.Failed, countRejected: p.Rejected}
	tolerated := int16(0)
	if mine != nil {
		tolerated = toleratedBuckets(mine.policy.Tolerance.Duration)
	}
	limits := l.yardstick(raise+tolerated, lat)
	seen := uint8(latNone)
	if ok {
		seen = limits.slow(h, &y)
		l.meet(i, mine != nil, h, t, d.opt.Window)
	}
	c := i.open(u, t)
	c.add(p.Requests, h.Total(), y)
	c.lat, c.starting = seen, i.starting(t)
	if g := &s.units[u].grown; i.age(t) >= startWindows {
		g.requests, g.failed = g.requests+float64(p.Requests), g.failed+float64(p.Failed)
	}
	s.readSlices(i, u, p, t, limits)
	for _, x := range p.Callers {
		s.callers.add(relationKey{u, x.Release.Service}, i.version, x.Release.Version, t, x.Requests, x.FailedHere)
		s.demands.add(relationKey{u, x.Release.Service}, i.version, x.Release.Version, t, x.Requests, x.FailedHere+x.Rejected)
	}
	s.readCalls(i, p, t)
	if p.Apart() && len(p.Duration) > 0 && s.calls[p.Name] {
		s.readWhole(i, mine, p, t, raise+tolerated, lat)
	}
	if mine == nil {
		if ok {
			l.window.Merge(h)
		}
		for _, x := range s.controls {
			x.see(t, u, p, h, raise, lat)
		}
	}
	for _, x := range s.watches {
		if x.own != nil {
			x.own.see(t, u, p, h, raise, lat)
		}
		x.see(t, u, i, p, h, lat)
	}
}

// readWhole counts an operation's requests by their whole time, what they waited for
// included: a query of the new version may be slow where the version itself is not.
func (s *service) readWhole(i *instance, mine *watch, p *unship.Operation, t int32, raise int16, lat uint8) {
	u := s.unit(p.Name, wholeTime)
	if u < 0 {
		return
	}
	l := s.units[u].lat
	var y [counts]uint64
	limits := l.yardstick(raise, lat)
	seen := limits.slow(p.Duration, &y)
	c := i.open(u, t)
	c.add(p.Requests, p.Duration.Total(), y)
	c.lat = seen
	if mine == nil {
		l.window.Merge(p.Duration)
	}
	for _, x := range s.watches {
		x.seeWhole(t, u, i, p, lat)
	}
}

// seeWhole takes in whole times: for findings, and the candidate's at fixed thresholds.
func (w *watch) seeWhole(t int32, unit int, i *instance, p *unship.Operation, lat uint8) {
	candidate := i.version == w.release.Version
	if w.release.IsRollback() || !candidate && i.version != w.baseline {
		return
	}
	for unit >= len(w.shown) {
		w.shown = append(w.shown, shown{})
	}
	w.shown[unit].add(candidate, p, p.Duration)
	if !candidate {
		return
	}
	w.noteAfter(unit, w.measure(t, unit, i, p.Duration, lat))
}

// measure counts an instance's durations at the thresholds of before the release.
func (w *watch) measure(t int32, unit int, i *instance, h unship.Histogram, lat uint8) afterCell {
	c := afterCell{at: t, inst: i, starting: i.starting(t)}
	if unit < len(w.limits) && w.limits[unit].ok {
		c.lat, c.n = lat, uint32(h.Total())
		tolerated := toleratedBuckets(w.policy.Tolerance.Duration)
		for k, limit := range w.limits[unit].limits {
			c.y[k] = uint32(h.Above(limit + i.steady() + tolerated))
		}
		c.beyond, c.grown = uint32(h.Above(w.limits[unit].beyond+tolerated)), lat != latNone && i.grown(t, w.window)
	}
	return c
}

// noteAfter keeps what an instance of the candidate did in an operation.
func (w *watch) noteAfter(unit int, c afterCell) {
	for unit >= len(w.after) {
		w.after = append(w.after, nil)
	}
	w.after[unit] = append(w.after[unit], c)
}

// readCalls counts an operation's requests by how often they called. Callees
// known to the operation that were not called count as no call.
func (s *service) readCalls(i *instance, p *unship.Operation, t int32) {
	if len(p.Calls) == 0 && !s.calls[p.Name] {
		return
	}
	for k := range p.Calls {
		if s.unit(p.Name, p.Calls[k].Callee) >= 0 {
			s.calls[p.Name] = true
		}
	}
	for u, x := range s.units {
		if x.kind() != ofCalls || x.operation != p.Name {
			continue
		}
		y := [counts]uint64{countNoCall: p.Requests}
		k, ok := slices.BinarySearchFunc(p.Calls, x.callee, func(c unship.Call, callee string) int {
			switch {
			case c.Callee < callee:
				return -1
			case c.Callee > callee:
				return 1
			}
			return 0
		})
		if ok {
			c := &p.Calls[k]
			y = [counts]uint64{countNoCall: p.Requests - min(p.Requests, c.Requests), countTwice: c.Twice, countFour: c.FourPlus}
		}
		i.open(u, t).add(p.Requests, 0, y)
	}
}

// see keeps what a watch needs beyond the cells: durations of both cohorts,
// examples, and the candidate's counts at fixed thresholds.
func (w *watch) see(t int32, unit int, i *instance, p *unship.Operation, h unship.Histogram, lat uint8) {
	candidate := i.version == w.release.Version
	if w.release.IsRollback() || !candidate && i.version != w.baseline {
		return
	}
	for unit >= len(w.shown) {
		w.shown = append(w.shown, shown{})
	}
	w.did[cohort(candidate)].add(p)
	w.shown[unit].add(candidate, p, h)
	w.seeSlices(unit, candidate, p)
	if !candidate {
		return
	}
	c := w.measure(t, unit, i, h, lat)
	c.all = uint32(p.Requests)
	for _, x := range p.Callers {
		if !w.svc.near(x.Release.Service, w) {
			c.outN += uint32(x.Requests)
			c.out += uint32(x.FailedHere)
		}
	}
	w.noteAfter(unit, c)
}

// near says that a service was released about when w began: what it asks for may be at fault.
func (s *service) near(caller unship.Service, w *watch) bool {
	o := s.estate[caller]
	return o != nil && o.released > 0 && o.released > w.begin-releasedNear
}

// Rules of a telemetry outage.
const (
	outageSilence   = 3  // windows in which nothing at all was heard
	outageInstances = 6  // fewer instances prove nothing
	outageShare     = .5 // of the instances that report in every window
)

// rhythms is how many pauses between ticks tell the usual one.
const rhythms = 9

// silence says that nothing was heard for longer than usual, after so many
// windows. Where all telemetry is metrics, it comes once in an export interval:
// pauses that come twice in the latest ones are usual.
func (d *Detector) silence(gap int32) bool {
	pauses, usual := slices.Sorted(slices.Values(d.gaps)), int32(1)
	if n := len(pauses); n > 1 {
		usual = pauses[n-2]
	}
	if d.gaps = append(d.gaps, gap); len(d.gaps) > rhythms {
		d.gaps = slices.Delete(d.gaps, 0, 1)
	}
	return gap > max(outageSilence, 2*usual)
}

// outage says that telemetry as a whole broke down: much that reported in each
// of the last windows is silent at once, in more than one service.
func (d *Detector) outage(tick *unship.Tick, t int32) string {
	if d.now == 0 {
		return ""
	}
	if d.silence(t - d.now) {
		return fmt.Sprintf("nothing was heard from %s to %s", d.time(d.now+1).UTC().Format(time.TimeOnly), tick.Start.UTC().Format(time.TimeOnly))
	}
	heard := map[unship.ReleaseID]map[string]bool{}
	for i := range tick.Windows {
		w := &tick.Windows[i]
		if heard[w.Release] == nil {
			heard[w.Release] = map[string]bool{}
		}
		heard[w.Release][w.Instance.ID] = true
	}
	steady, silent, services := 0, 0, 0
	for _, s := range d.order {
		if s.released > 0 && s.released > t-releasedNear {
			continue // instances go when others come
		}
		missing := 0
		for _, i := range s.instances {
			if i.streak < controlWindows || i.last < d.now-1 {
				continue
			}
			steady++
			if !heard[unship.ReleaseID{Service: s.id, Version: i.version}][i.ID] {
				missing++
			}
		}
		if missing > 0 {
			services++
		}
		silent += missing
	}
	if steady >= outageInstances && services >= 2 && float64(silent) >= outageShare*float64(steady) {
		return fmt.Sprintf("%d of %d instances that report all the time fell silent at once, in %d services", silent, steady, services)
	}
	return ""
}

const (
	sweepEvery       = 12             // windows between two times that what is old is dropped
	rememberReleases = 48 * time.Hour // longer than any watch
)

// sweep drops what no comparison can need any more.
func (d *Detector) sweep(t int32) {
	if t-d.swept < sweepEvery {
		return
	}
	d.swept = t
	for _, s := range d.order {
		from := t
		for _, w := range s.watches {
			from = min(from, w.begin)
		}
		s.forget(max(from-int32(d.opt.History), t-maxKept))
	}
	for _, w := range d.watches {
		w.forget(t - maxKept)
	}
	clear(d.spreads)
	for id, first := range d.watched {
		if d.time(t).Sub(first) > rememberReleases {
			delete(d.watched, id)
		}
	}
	d.order = slices.DeleteFunc(d.order, func(s *service) bool {
		old := len(s.watches) == 0 && s.last < t-int32(d.opt.History)
		if old {
			delete(d.services, s.id)
		}
		return old
	})
}
