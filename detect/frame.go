package detect

import (
	"math"
	"slices"
	"time"

	"unship.dev/detect/stat"
)

// slot is a division's stratum that is fed from one place.
type slot struct {
	*division
	signal  *signal
	stratum int
	guarded bool    // what another make-up of the requests explains does not count …
	key     string  // … by attributes other than this one
	counts  []count // of the present window, by the frame's cells
	// Bad requests that another make-up explains, those of them that were taken away, and by
	// the frame's cells in the present window.
	explained float64
	taken     int
	takes     []int
}

// count is what one instance counts in one stratum.
type count struct{ n, y, raw int } // requests; bad ones, winsorised and as they are

// source is a stratum that is read once a window for all that it feeds.
type source struct {
	stratum stratum
	frame   frame
	waiting []waiting
	slots   []slot
}

// waiting is what an instance did in a window in which the other cohort did nothing.
type waiting struct {
	at   int32
	who  *instance
	cell cell
}

// patience is for how long such a window waits for another in which only the other cohort has traffic.
const patience = time.Minute

// frame is what both cohorts did in one window in one stratum.
type frame struct {
	cells     []cell
	who       []int // place in the service's instances
	candidate []bool
	both      bool
}

func (f *frame) read(c *comparison, st *stratum, t int32) {
	f.cells, f.who, f.candidate = f.cells[:0], f.who[:0], f.candidate[:0]
	nc, nb := 0, 0
	for k, i := range c.svc.instances {
		side := c.sides.side(i)
		if side == 0 {
			continue
		}
		x, ok := i.read(st, t)
		if !ok {
			continue
		}
		f.cells, f.who, f.candidate = append(f.cells, x), append(f.who, k), append(f.candidate, side == 1)
		if side == 1 {
			nc++
		} else {
			nb++
		}
	}
	f.both = nc > 0 && nb > 0
}

// read takes window t into the frame. Where requests are so few that only one
// cohort has any, the window waits for those in which only the other one has:
// together they are the same moments as well, only longer ones. Which windows are
// put together depends on how many requests there were, not on what became of
// them, so that under the null hypothesis a table has the same distribution.
func (x *source) read(c *comparison, t int32) {
	x.frame.read(c, &x.stratum, t)
	if x.frame.both || len(x.frame.cells) == 0 {
		return
	}
	for k, cell := range x.frame.cells {
		x.waiting = append(x.waiting, waiting{t, c.svc.instances[x.frame.who[k]], cell})
	}
	x.waiting = slices.DeleteFunc(x.waiting, func(w waiting) bool { return w.at <= t-c.patience })
	candidate := func(w waiting) bool { return c.sides.side(w.who) == 1 }
	if one := candidate(x.waiting[0]); !slices.ContainsFunc(x.waiting, func(w waiting) bool { return candidate(w) != one }) {
		return
	}
	x.frame.gather(c, x.waiting)
	x.waiting = x.waiting[:0]
}

// gather makes a frame of windows that waited.
func (f *frame) gather(c *comparison, windows []waiting) {
	f.cells, f.who, f.candidate, f.both = f.cells[:0], f.who[:0], f.candidate[:0], true
	for _, w := range windows {
		if who := slices.Index(c.svc.instances, w.who); who >= 0 {
			f.cells, f.who, f.candidate = append(f.cells, w.cell), append(f.who, who), append(f.candidate, c.sides.side(w.who) == 1)
		}
	}
}

// count winsorises what the frame's instances did.
func (s *slot) count(f *frame) {
	cal := s.opt.Calibration
	s.counts = s.counts[:0]
	var all count
	for k := range f.cells {
		y, n := s.signal.of(&f.cells[k])
		s.counts = append(s.counts, count{n, y, y})
		all.n, all.y = all.n+n, all.y+y
	}
	for k := range s.counts {
		x := &s.counts[k]
		others := surely(all.y-x.y, all.n-x.n)
		x.y = cal.Winsor(s.stratum, x.n, x.y, others)
		if s.crowd != nil && x.n > 0 {
			s.crowd[f.who[k]].Add(cal, s.stratum, x.n, x.y, others)
		}
	}
}

// surely is the rate that y of n show for certain: two deviations less than it looks like,
// for a few strays make no outage.
func surely(y, n int) float64 {
	if n == 0 {
		return 0
	}
	return math.Max(0, float64(y)-2*math.Sqrt(float64(y))) / float64(n)
}

// table gives the winsorised table of a stratum. Of the candidate's bad requests, those
// that another make-up explains come off first, from each instance by its requests.
func (c *comparison) table(s *slot, f *frame) (t stat.Table) {
	explained := c.explained(s, f)
	for k, x := range s.counts {
		if x.n == 0 {
			continue
		}
		y := s.thin(f.who[k], min(x.y, x.raw-explained[k]))
		if f.candidate[k] {
			t.NC, t.XC = t.NC+x.n, t.XC+y
		} else {
			t.NB, t.XB = t.NB+x.n, t.XB+y
		}
	}
	return t
}

// tally gives what was counted, as it is.
func (f *frame) tally(sig *signal) (sum tally) {
	for k := range f.cells {
		y, n := sig.of(&f.cells[k])
		if f.candidate[k] {
			sum.xc, sum.nc = sum.xc+float64(y), sum.nc+float64(n)
		} else {
			sum.xb, sum.nb = sum.xb+float64(y), sum.nb+float64(n)
		}
	}
	return sum
}

// thin gives what of an instance's winsorised count may count beside its others.
func (d *division) thin(who, y int) int {
	if d.crowd == nil || y == 0 {
		return y
	}
	return d.crowd[who].Thin(d.opt.Calibration, y)
}

// part is a new window for a division whose strata are added up.
func (d *division) part(instances int) {
	if len(d.strata) < 2 {
		return
	}
	d.crowd = append(d.crowd[:0], make([]stat.Crowd, instances)...)
}

func (c *comparison) feed(s *slot, f *frame) {
	if s.signal.whether != nil {
		s.feedPresence(f)
		return
	}
	table := c.table(s, f)
	if table.NC == 0 || table.NB == 0 {
		return
	}
	s.proc.Add(s.stratum, table)
	s.totals[s.stratum].merge(f.tally(s.signal))
	for _, h := range c.harmless {
		if h == nil || h.stream.signal != s.signal {
			continue
		}
		for k, d := range h.stream.divisions {
			if d == s.division {
				h.procs[k].Add(s.stratum, table)
			}
		}
	}
}

// feedPresence adds which instances had bad requests at all.
func (s *slot) feedPresence(f *frame) {
	sum := f.tally(s.signal.whether)
	if sum.nc == 0 || sum.nb == 0 {
		return
	}
	var by stat.Presence
	var showed [2]int
	for k, x := range s.counts {
		if x.n == 0 {
			continue
		}
		by.Add(f.candidate[k], int(f.cells[k].n))
		if f.candidate[k] {
			showed[0] += s.thin(f.who[k], x.y)
		} else {
			showed[1] += s.thin(f.who[k], x.y)
		}
	}
	s.proc.AddPresence(s.stratum, showed[0], showed[0]+showed[1], by.Share(), int(sum.nc))
	s.totals[s.stratum].merge(sum)
}
