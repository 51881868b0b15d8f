package detect

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"unship.dev"
	"unship.dev/detect/stat"
)

// Rules of throughput while old and new serve side by side.
const (
	mixShare     = .02 // of the requests: operations that have less are not looked at
	mixWindows   = 12  // of the release that tell how it shares each operation …
	mixRequests  = 20  // … and as many of the operation's requests that it served
	mixFall      = 2   // its share of an operation, in odds, may fall so many times
	mixSD        = .1  // deviation of the log odds that passes for routing
	absentShare  = .05 // of the baseline's requests: an operation that the release never served
	absentWanted = 20  // requests of it that the release would have served
)

// mix is the evidence that an operation no longer reaches the release: a
// handler that is gone, a subscription that broke, a route that answers nobody.
//
// What share of the traffic a release is given is routing's matter: it may be
// sent little, or another mix of operations than the old version, and either
// may be so from its first request on. So its own beginning tells what to
// expect. Null hypothesis: the odds that the release, and not the baseline,
// serves a request of this operation, over those for the other operations, do
// not fall below half of what they were at first. Weights may move, traffic may
// surge or another mix arrive, for both versions alike. The ratio at first is
// known up to its standard error, which is granted as a difference between
// instances is. What the null leaves out is routing by operation that changes
// later, so a fall is for people to judge and never acts alone.
type mix struct {
	unit    int
	table   stat.Table // of the present window, winsorised
	now     odds       // of the present window
	windows int        // learnt from so far
	first   odds
	all     odds // of the whole time
	offset  float64
	learnt  bool
}

// odds counts requests of one operation and of the others, by version.
type odds struct{ candidate, baseline, otherC, otherB float64 }

func (o *odds) add(x odds) {
	o.candidate, o.baseline = o.candidate+x.candidate, o.baseline+x.baseline
	o.otherC, o.otherB = o.otherC+x.otherC, o.otherB+x.otherB
}

// log is how many times likelier than another request one of the operation
// meets the baseline, and its variance for independent requests.
func (o *odds) log() (l, variance float64) {
	const half = .5 // Haldane 1956, Anscombe 1956: nearly unbiased
	l = math.Log((o.baseline + half) / (o.candidate + half) * (o.otherC + half) / (o.otherB + half))
	return l, 1/(o.baseline+half) + 1/(o.candidate+half) + 1/(o.otherC+half) + 1/(o.otherB+half)
}

// expected is the release's share of an operation's requests by its share of the others.
func (o *odds) expected(offset float64) float64 {
	r := o.otherC * math.Exp(-offset)
	return r / math.Max(1e-12, r+o.otherB)
}

// tally is the release's share of an operation's requests beside what is expected.
func (o *odds) tally(offset float64) tally {
	n := o.candidate + o.baseline
	return tally{xc: o.candidate, nc: n, xb: n * o.expected(offset), nb: n}
}

// mixSince is the tally from window from to window t.
func (c *comparison) mixSince(m *mix, from, t int32) []tally {
	var sum tally
	for u := from; u <= t; u++ {
		var now odds
		for _, i := range c.svc.instances {
			own := float64(i.requestsOf(m.unit, u))
			rest := float64(i.served(c.svc, u)) - own
			switch c.sides.side(i) {
			case 1:
				now.add(odds{candidate: own, otherC: rest})
			case 2:
				now.add(odds{baseline: own, otherB: rest})
			}
		}
		sum.merge(now.tally(m.offset))
	}
	return []tally{sum}
}

// addMixes gives each operation of some traffic a stream.
func (c *comparison) addMixes(w *watch, sig *signal, ops []share, h history) {
	all := 0.0
	for _, u := range ops {
		all += u.requests
	}
	kept := slices.Clone(ops[:min(len(ops), maxSingle)])
	kept = slices.DeleteFunc(kept, func(u share) bool { return u.requests < minCalls || u.requests < mixShare*all })
	if len(ops) < 2 {
		return
	}
	for k, part := range spread(kept) {
		s := &stream{signal: sig, units: []int{kept[k].unit}, single: true, weight: sig.weight * part, from: math.MaxInt32}
		s.opt = c.options(w, sig, stat.Calibrate([]stat.Cells{c.svc.mixCells(kept[k].unit, w.baseline, h)}, nil))
		s.mix = &mix{unit: kept[k].unit}
		c.addMix(s)
	}
}

func (c *comparison) addMix(s *stream) {
	s.divisions = []*division{{opt: s.opt, proc: stat.NewProcess(s.opt), totals: make([]tally, 1)}}
	c.streams = append(c.streams, s)
	c.mixes = append(c.mixes, s)
}

// mixCells is the history of an operation's share of the requests of a version's instances.
func (s *service) mixCells(unit int, version string, h history) stat.Cells {
	var c stat.Cells
	for _, i := range s.instances {
		if i.version != version || i.first >= h.to {
			continue
		}
		n, y := make([]int32, h.to-h.from), make([]int32, h.to-h.from)
		for t := h.from; t < h.to; t++ {
			n[t-h.from], y[t-h.from] = int32(i.served(s, t)), int32(i.requestsOf(unit, t))
		}
		c.N, c.Y = append(c.N, n), append(c.Y, y)
	}
	return c
}

// served gives an instance's requests in window t.
func (i *instance) served(s *service, t int32) (all int) {
	for u := range i.units {
		if s.units[u].callee == "" {
			all += i.requestsOf(u, t)
		}
	}
	return all
}

func (i *instance) requestsOf(unit int, t int32) int {
	if x := i.at(unit, t); x != nil {
		return int(x.n)
	}
	return 0
}

// stepMixes takes in who served what in window t.
func (c *comparison) stepMixes(t int32) {
	if len(c.mixes) == 0 {
		return
	}
	for _, i := range c.svc.instances {
		side := c.sides.side(i)
		if side == 0 {
			continue
		}
		all := i.served(c.svc, t)
		for _, s := range c.mixes {
			s.mix.see(side, i.requestsOf(s.mix.unit, t), all, s.opt.Calibration)
		}
	}
	for _, s := range c.mixes {
		if x := &s.mix.table; x.NC > 0 && x.NB > 0 {
			c.stepMix(s, t)
		}
		s.mix.table, s.mix.now = stat.Table{}, odds{}
	}
}

// see counts what one instance did in the present window. Of the groups compared
// the baseline is the one that has more of the operation if something is wrong.
func (m *mix) see(side, own, all int, cal *stat.Calibration) {
	x, rest := cal.Winsor(0, all, own, 0), float64(all-own)
	if side == 1 {
		m.table.NB, m.table.XB = m.table.NB+all, m.table.XB+x
		m.now.add(odds{candidate: float64(own), otherC: rest})
		return
	}
	m.table.NC, m.table.XC = m.table.NC+all, m.table.XC+x
	m.now.add(odds{baseline: float64(own), otherB: rest})
}

func (c *comparison) stepMix(s *stream, t int32) {
	m := s.mix
	now := m.now
	m.all.add(now)
	if !m.learnt {
		m.first.add(now)
		m.windows++
		if m.windows >= mixWindows && m.first.candidate >= mixRequests {
			c.learnMix(s, t)
		}
		return
	}
	d := s.divisions[0]
	d.proc.Add(0, m.table)
	d.totals[0].merge(now.tally(m.offset))
}

// learnMix begins the test with what the release's first windows told.
func (c *comparison) learnMix(s *stream, t int32) {
	l, variance := s.mix.first.log()
	s.mix.learnt, s.mix.offset, s.from = true, l, t+1
	s.opt.Offsets = []float64{l}
	s.opt.ExtraSD = math.Sqrt(mixSD*mixSD + s.opt.Calibration.MaxPhi()*variance)
	d := s.divisions[0]
	d.opt, d.proc = s.opt, stat.NewProcess(s.opt)
}

// anewMix is the stream before it has seen anything.
func (s *stream) anewMix() *stream {
	x := *s
	x.mix, x.from = &mix{unit: s.mix.unit}, math.MaxInt32
	x.opt.Offsets, x.opt.ExtraSD = nil, s.signal.extra
	return &x
}

// absent names the operations of which the release served no request although
// it served enough others: nothing is known of what it does with them.
func (w *watch) absent() string {
	if w.conc == nil || w.past != nil {
		return ""
	}
	var names []string
	for _, s := range w.conc.mixes {
		o := &s.mix.all
		share := o.baseline / math.Max(1, o.baseline+o.otherB)
		if o.candidate == 0 && share >= absentShare && share/(1-share)*o.otherC >= absentWanted {
			names = append(names, fmt.Sprintf("%s, %s of what %s serves", w.svc.units[s.mix.unit].name(), percent(share), w.baseline))
		}
	}
	return strings.Join(names, "; ")
}

// sayMix puts a finding about an operation's traffic into words.
func (w *watch) sayMix(f *unship.Finding) string {
	if w.past != nil {
		return w.sayFlow(f)
	}
	return fmt.Sprintf("%s of %s reach %s, %s expected by what reached it at first and by its other operations; %d requests seen",
		percent(f.Candidate), f.Operation, w.release.ReleaseID, percent(f.Baseline), f.Samples.Candidate)
}
