package detect

import (
	"math"
	"slices"
	"sort"

	"unship.dev"
	"unship.dev/detect/stat"
)

// history is the span of windows that a comparison learns from.
type history struct{ from, to int32 }

func (s *service) history(to, length int32) history {
	return history{max(s.first+1, to-length), to}
}

// cells gives a stratum's history of one version: what its healthy instances did.
func (s *service) cells(sig *signal, st stratum, version string, h history) stat.Cells {
	var c stat.Cells
	for _, i := range s.instances {
		if i.version != version || i.first >= h.to {
			continue
		}
		n, y := make([]int32, h.to-h.from), make([]int32, h.to-h.from)
		v := i.series(&st)
		for k := sort.Search(len(v), func(k int) bool { return v[k].at >= h.from }); k < len(v) && v[k].at < h.to; k++ {
			bad, all := sig.of(&v[k])
			y[v[k].at-h.from], n[v[k].at-h.from] = int32(bad), int32(all)
		}
		c.N, c.Y = append(c.N, n), append(c.Y, y)
	}
	return c
}

// traffic gives the requests of some instances in their history, by unit of one kind, most first.
func (s *service) traffic(kind unitKind, of func(*instance) bool, h history) []share {
	var out []share
	for u, x := range s.units {
		if x.kind() != kind {
			continue
		}
		sum := 0.0
		for _, i := range s.instances {
			if !of(i) || u >= len(i.units) {
				continue
			}
			for k := range i.units[u] {
				if c := &i.units[u][k]; c.at >= h.from && c.at < h.to {
					sum += used(c, kind)
				}
			}
		}
		out = append(out, share{u, sum})
	}
	slices.SortStableFunc(out, func(a, b share) int {
		switch {
		case a.requests > b.requests:
			return -1
		case a.requests < b.requests:
			return 1
		}
		return compareUnits(s.units[a.unit], s.units[b.unit])
	})
	return out
}

func isVersion(v string) func(*instance) bool {
	return func(i *instance) bool { return i.version == v }
}

func used(c *cell, kind unitKind) float64 {
	if kind == ofCalls {
		return float64(c.n) - float64(c.y[countNoCall])
	}
	return float64(c.n)
}

func compareUnits(a, b *unit) int {
	switch {
	case a.operation < b.operation || a.operation == b.operation && a.callee < b.callee:
		return -1
	case a.operation == b.operation && a.callee == b.callee:
		return 0
	}
	return 1
}

// minCalls is how many calls to a callee must have been seen before they are tested.
const minCalls = 20

// newComparison begins to compare a release with what it replaces, learning
// from the history. Window t is the last one known, start the first that is compared.
func (d *Detector) newComparison(w *watch, t, start int32) *comparison {
	s, h := w.svc, w.svc.history(w.begin, int32(d.opt.History))
	c := &comparison{
		svc: s, sides: cohorts{candidate: w.release.Version, baseline: w.baseline},
		start: start, patience: int32(patience / d.opt.Window),
	}
	c.kc, c.kb = w.instances(t)
	fleet := d.fleet(s, t)
	old := isVersion(w.baseline)
	ops, calls, wholes := s.traffic(ofRequests, old, h), s.traffic(ofCalls, old, h), s.traffic(ofWhole, old, h)
	calls = slices.DeleteFunc(calls, func(u share) bool { return u.requests < minCalls })
	look := s.looks(old, h, ops)
	c.places, c.outcomes = look.places, newOutcomes(&look)
	for k, sig := range w.signals {
		if sig.near != nowhere {
			c.addWitnesses(d, w, sig, h)
			continue
		}
		if sig.kind == unship.SignalThroughput {
			if !s.logged {
				c.addMixes(w, sig, ops, h)
			}
			continue
		}
		units, l := ops, &look
		switch sig.unit {
		case ofCalls:
			units, l = calls, &looks{keys: []string{""}}
		case ofWhole:
			units, l = wholes, &looks{keys: []string{""}}
		}
		fleet[k].Past = s.memory.of(k)
		c.addSignal(w, sig, units, l, h, fleet[k])
	}
	c.addEvents(w, h, d.opt.Window)
	c.addLevels(d, w, h)
	c.addPoints(d, w, h)
	return c
}

// addSignal makes a signal's streams: half of its weight on all units together,
// stratified, half on single ones and on slices. There is no crude total: a
// candidate that is given another mix of operations would shift it.
func (c *comparison) addSignal(w *watch, sig *signal, units []share, look *looks, h history, prior *stat.Prior) {
	if len(units) == 0 {
		return
	}
	all, index := make([]stat.Cells, len(units)), make([]int, len(units))
	for k, u := range units {
		index[k] = u.unit
		all[k] = c.svc.cells(sig, stratum{unit: u.unit}, w.baseline, h)
	}
	whole := c.newStream(w, sig, index, look, h, stat.CalibrateTogether(all, prior))
	whole.weight = sig.weight / 2
	c.add(whole)
	c.addHarmless(whole)
	// Of parts the past is no more than a guide: it is of all together.
	guide := prior.Loosely()
	rest := sig.weight/2 - c.addSlices(w, sig, look, h, guide)
	if len(units) > 1 {
		prior = guide
	}
	single := units[:min(len(units), maxSingle)]
	for k, part := range spread(single) {
		if part == 0 {
			continue
		}
		s := c.newStream(w, sig, index[k:k+1], look, h, stat.CalibrateTogether(all[k:k+1], prior))
		s.weight, s.single = rest*part, true
		c.add(s)
	}
}

// newStream makes a stream of all requests of some units, divided in each way.
func (c *comparison) newStream(w *watch, sig *signal, units []int, look *looks, h history, cal *stat.Calibration) *stream {
	s := &stream{signal: sig, units: units, opt: c.options(w, sig, cal), outcomes: c.outcomes}
	for _, key := range look.keys {
		o := s.opt
		strata, place := look.divide(units, key)
		if slices.Contains(look.places, key) {
			more, of := look.beside(wholeUnits(units), key)
			strata, place = append(strata, more...), append(place, of...)
			o.Offsets = look.offsets(w, key, sig, strata, h)
		}
		if len(strata) > len(units) {
			o.Calibration = c.svc.finer(sig, cal, strata, place, isVersion(w.baseline), h)
		}
		s.divisions = append(s.divisions, newDivision(strata, o))
		s.divisions[len(s.divisions)-1].key = key
	}
	if len(look.keys) > len(look.places) && look.keys[0] != "" {
		crude := newDivision(wholeUnits(units), s.opt)
		crude.crude = true
		s.divisions = append(s.divisions, crude)
	}
	return s
}

func (c *comparison) options(w *watch, sig *signal, cal *stat.Calibration) stat.ProcessOptions {
	return stat.ProcessOptions{
		Calibration: cal, InstancesC: c.kc, InstancesB: c.kb, ExtraSD: sig.extra,
		Threshold: math.Log(1 / w.policy.FalseRollbacks), Delta: sig.delta, LogRho: math.Log(sig.ratio),
	}
}

// What an early all-clear rules out: twice the odds of failing, of refusing or of
// being slow, unless the ratio of failures or refusals stays under two in a hundred.
const (
	harmTimes = 2
	harmRatio = .02
)

// The tests of an early all-clear.
const (
	clearFailures  = iota
	clearDurations // the 90 % quantile
	clearWholes    // … of whole times
	clearRejections
	clearings
)

// addHarmless sets up the early all-clear.
func (c *comparison) addHarmless(s *stream) {
	var at int
	switch {
	case s.signal.kind == unship.SignalErrorRatio && s.signal.whether == nil:
		at = clearFailures
	case s.signal.kind == unship.SignalRejectionRatio:
		at = clearRejections
	case s.signal.latency() && s.signal.count == countP90 && s.signal.unit == ofWhole:
		at = clearWholes
	case s.signal.latency() && s.signal.count == countP90:
		at = clearDurations
	default:
		return
	}
	o := stat.HarmlessOptions{
		Calibration: s.opt.Calibration, InstancesC: c.kc, InstancesB: c.kb, ExtraSD: s.signal.extra, LogRho: math.Log(harmTimes),
	}
	if !s.signal.latency() {
		o.Delta = harmRatio
	}
	c.harmless[at] = &clearing{stream: s}
	for _, d := range s.divisions {
		o.Calibration, o.Offsets = d.opt.Calibration, opposite(d.opt.Offsets)
		c.harmless[at].procs = append(c.harmless[at].procs, stat.NewHarmless(o))
	}
}

// opposite are offsets that hide harm instead of excusing it: the place may be better, too.
func opposite(offsets []float64) []float64 {
	out := make([]float64, len(offsets))
	for k, x := range offsets {
		out[k] = -x
	}
	return out
}

// fleetServices is how many other services teach what noise is usual, and
// fleetEvery how many windows their lesson holds.
const (
	fleetServices = 20
	fleetEvery    = 60
)

// lesson is what one service teaches the others about each signal.
type lesson struct {
	at  int32
	cal []*stat.Calibration // by signal
}

// fleet pools what the environment's other services teach about each signal.
func (d *Detector) fleet(s *service, t int32) []*stat.Prior {
	priors := make([]*stat.Prior, len(d.signals))
	for k := range priors {
		priors[k] = &stat.Prior{}
	}
	taught := 0
	for _, o := range d.order {
		if o.id == s.id || o.id.Environment != s.id.Environment || taught == fleetServices {
			continue
		}
		l := d.lesson(o, t, s.stands)
		if l == nil {
			continue
		}
		taught++
		for k, c := range l.cal {
			if c != nil {
				priors[k].Add(c)
			}
			priors[k].AddPast(o.memory.of(k))
		}
	}
	return priors
}

// lesson gives what a service teaches: its latest digest, or one made now. One
// made for a placebo is not kept, so that releases never learn from it.
func (d *Detector) lesson(s *service, t int32, placebo bool) *lesson {
	switch {
	case s.memory.fresh != nil:
		return s.memory.fresh
	case placebo:
		return d.digest(s, t)
	case s.taught == nil || t-s.taught.at >= fleetEvery:
		s.taught = d.digest(s, t)
	}
	return s.taught
}

// digest gives what a service's history up to window t shows; nil if there is nothing.
func (d *Detector) digest(s *service, t int32) *lesson {
	h := s.history(t, int32(d.opt.History))
	version := s.settled(h)
	if version == "" || h.to-h.from < blockWindows {
		return nil
	}
	l := &lesson{at: t}
	for _, sig := range d.signals {
		if sig.near != nowhere || sig.kind == unship.SignalThroughput { // nothing that others could learn from
			l.cal = append(l.cal, nil)
			continue
		}
		var all []stat.Cells
		for _, u := range s.traffic(sig.unit, isVersion(version), h) {
			if len(all) < maxSingle && u.requests >= minCalls {
				all = append(all, s.cells(sig, stratum{unit: u.unit}, version, h))
			}
		}
		if len(all) == 0 || len(all[0].N) < 2 {
			l.cal = append(l.cal, nil)
			continue
		}
		l.cal = append(l.cal, stat.CalibrateTogether(all, nil))
	}
	return l
}

// settled is the version with most traffic that is not under watch, "" without any.
func (s *service) settled(h history) string {
	best, most := "", 0
	sum := map[string]int{}
	for _, i := range s.instances {
		if s.candidate(i.version) {
			continue
		}
		for u, v := range i.units {
			if s.units[u].callee == "" {
				sum[i.version] += len(v)
			}
		}
		if n := sum[i.version]; n > most {
			best, most = i.version, n
		}
	}
	return best
}
