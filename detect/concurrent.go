package detect

import (
	"math"
	"sort"

	"unship.dev/detect/stat"
)

// cohorts tells which instances are compared with which.
type cohorts struct {
	candidate, baseline string
	without             map[*instance]bool // left out of both
}

// side gives the cohort of an instance: 1 candidate, 2 baseline, 0 neither.
func (c *cohorts) side(i *instance) int {
	switch {
	case c.without[i]:
		return 0
	case i.version == c.candidate:
		return 1
	case i.version == c.baseline:
		return 2
	}
	return 0
}

// tally sums a table over windows, as counted.
type tally struct{ xc, nc, xb, nb float64 }

// stream is one e-process: a signal in some units with one common effect.
type stream struct {
	signal *signal
	units  []int       // strata
	near   []neighbour // strata, of what neighbours see; nil of what the instances do
	single bool        // one operation by itself
	weight float64
	opt    stat.ProcessOptions
	proc   *stat.Process
	totals []tally // by stratum, windows with both cohorts only
}

// slot is a stream's stratum that one unit feeds.
type slot struct {
	*stream
	stratum int
}

// comparison compares two versions of a service in the same moments.
type comparison struct {
	svc       *service
	sides     cohorts
	start     int32          // the first window
	skipped   map[int32]bool // windows of a telemetry outage
	kc, kb    int
	streams   []*stream
	witnesses []*stream // those of them that neighbours feed
	order     []int     // units in the order in which they are read
	slots     [][]slot  // by unit
	harmless  [2]*clearing
	frame     frame
}

// clearing is a test that a signal did not get worse.
type clearing struct {
	stream *stream
	proc   *stat.Harmless
	any    bool // there was something to compare
}

// frame is what both cohorts did in one window in one unit.
type frame struct {
	cells     []*cell
	candidate []bool
	both      bool
}

func (f *frame) read(c *comparison, unit int, t int32) {
	f.cells, f.candidate = f.cells[:0], f.candidate[:0]
	nc, nb := 0, 0
	for _, i := range c.svc.instances {
		side := c.sides.side(i)
		if side == 0 {
			continue
		}
		x := i.at(unit, t)
		if x == nil {
			continue
		}
		f.cells, f.candidate = append(f.cells, x), append(f.candidate, side == 1)
		if side == 1 {
			nc++
		} else {
			nb++
		}
	}
	f.both = nc > 0 && nb > 0
}

// table gives the winsorised table of a stratum, and the counts as they are.
func (f *frame) table(s *stream, stratum int) (t stat.Table, raw tally) {
	for k, c := range f.cells {
		y, n := s.signal.of(c)
		if n == 0 {
			continue
		}
		w := s.opt.Calibration.Winsor(stratum, n, y)
		if f.candidate[k] {
			t.NC, t.XC = t.NC+n, t.XC+w
			raw.nc, raw.xc = raw.nc+float64(n), raw.xc+float64(y)
		} else {
			t.NB, t.XB = t.NB+n, t.XB+w
			raw.nb, raw.xb = raw.nb+float64(n), raw.xb+float64(y)
		}
	}
	return t, raw
}

// step takes in window t.
func (c *comparison) step(t int32) {
	for _, unit := range c.order {
		c.frame.read(c, unit, t)
		if !c.frame.both {
			continue
		}
		for _, s := range c.slots[unit] {
			c.feed(s)
		}
	}
	for _, s := range c.witnesses {
		c.hear(s, t)
	}
	for _, s := range c.streams {
		s.proc.Close()
	}
	for _, h := range c.harmless {
		if h != nil {
			h.proc.Close()
		}
	}
}

func (c *comparison) feed(s slot) {
	table, raw := c.frame.table(s.stream, s.stratum)
	if table.NC == 0 || table.NB == 0 {
		return
	}
	s.proc.Add(s.stratum, table)
	sum := &s.totals[s.stratum]
	sum.xc, sum.nc, sum.xb, sum.nb = sum.xc+raw.xc, sum.nc+raw.nc, sum.xb+raw.xb, sum.nb+raw.nb
	for _, h := range c.harmless {
		if h != nil && h.stream == s.stream {
			h.proc.Add(s.stratum, table)
			h.any = true
		}
	}
}

// logE is the release's evidence: the weighted average of its streams' e-values.
func (c *comparison) logE() float64 {
	terms, rest := make([]float64, 0, len(c.streams)+1), 1.0
	for _, s := range c.streams {
		terms = append(terms, math.Log(s.weight)+s.proc.LogE())
		rest -= s.weight
	}
	return stat.LogSumExp(append(terms, math.Log(math.Max(rest, 1e-9))))
}

// strongest gives the streams that carry the evidence, strongest first.
func (c *comparison) strongest(n int) []*stream {
	s := append([]*stream(nil), c.streams...)
	sort.SliceStable(s, func(i, j int) bool { return s[i].share() > s[j].share() })
	return s[:min(n, len(s))]
}

// share is the stream's part of the release's evidence, as a logarithm.
func (s *stream) share() float64 { return math.Log(s.weight) + s.proc.LogE() }

// carriers is how many streams are computed anew when instances are left out.
// The others only add, so what is found is a lower bound.
const carriers = 8

// without gives the evidence up to window t as if some instances had not been
// there: a lower bound, from the streams that carry the evidence.
func (c *comparison) without(out map[*instance]bool, t int32) float64 {
	again := comparison{svc: c.svc, sides: c.sides, start: c.start, slots: make([][]slot, len(c.slots))}
	again.sides.without = out
	kc, kb := c.kc, c.kb
	for i := range out {
		switch c.sides.side(i) {
		case 1:
			kc--
		case 2:
			kb--
		}
	}
	var terms []float64
	for _, s := range c.strongest(carriers) {
		if s.near != nil {
			terms = append(terms, s.share()) // neighbours do not tell instances apart
			continue
		}
		x := *s
		x.opt.InstancesC, x.opt.InstancesB = max(1, kc), max(1, kb)
		x.proc = stat.NewProcess(x.opt)
		x.totals = make([]tally, len(s.units))
		again.add(&x)
	}
	for w := max(c.start, t-maxKept); w <= t; w++ {
		if !c.skipped[w] {
			again.step(w)
		}
	}
	for _, s := range again.streams {
		terms = append(terms, s.share())
	}
	return stat.LogSumExp(terms)
}

func (c *comparison) add(s *stream) {
	c.streams = append(c.streams, s)
	for k, u := range s.units {
		if len(c.slots[u]) == 0 {
			c.order = append(c.order, u)
		}
		c.slots[u] = append(c.slots[u], slot{s, k})
	}
}
