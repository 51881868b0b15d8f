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
	ownTime bool    // of own times, which other parts of the cohorts may have
	counts  []count // by what the frame has seen
	sums    map[*instance]count
	// Bad requests that another make-up explains, those of them that were taken away, and by
	// what the frame has seen.
	explained float64
	taken     int
	takes     []int
	spreads   map[string]float64 // see rateSpread
}

// count is what one instance counts in one stratum.
type count struct {
	n, y, raw int     // requests; bad ones, winsorised and as they are
	others    float64 // the rate that the other instances have for certain
}

// source is a stratum that is read once a window for all that it feeds.
type source struct {
	stratum stratum
	frame   frame
	waiting []seen // of the block at work, oldest first
	slots   []slot
}

// seen is what an instance did in a window.
type seen struct {
	cell
	at        int32
	who       *instance
	place     int // in the service's instances in that window
	candidate bool
}

// Where requests are few, some windows make a block, whose requests are compared as those of
// one longer moment. A table of one request of each cohort can tell the odds of a failure by
// a factor of two at most, however rare failures are; one of eight and eighty tells nearly
// all there is to know. Which windows are put together depends on how many requests there
// were and on the time, never on what became of them, so that under the null hypothesis a
// table has the same distribution.
const (
	enough   = 8           // requests of each cohort for which no block need go on
	delays   = 8           // a block takes no more than this part of the time watched …
	patience = time.Minute // … and no longer than this
)

// frame is what both cohorts did in one block of windows in one stratum.
type frame struct {
	seen  []seen
	block bool // of several windows
	both  bool // it is whole, and both cohorts did something
}

func (f *frame) read(c *comparison, st *stratum, t int32) {
	f.seen, f.block, f.both = f.seen[:0], false, false
	if st.vacated != "" && c.meets(st.vacated, t) {
		return
	}
	for k, i := range c.svc.instances {
		side := c.sides.side(i)
		if side == 0 {
			continue
		}
		if x, ok := i.read(st, t); ok {
			f.seen = append(f.seen, seen{x, t, i, k, side == 1})
		}
	}
}

// requests counts what each cohort did.
func requests(list []seen) (candidate, baseline int) {
	for k := range list {
		if list[k].candidate {
			candidate += int(list[k].n)
		} else {
			baseline += int(list[k].n)
		}
	}
	return candidate, baseline
}

// whole says that a block that began in window from may end with window t.
func (c *comparison) whole(list []seen, from, t int32) bool {
	candidate, baseline := requests(list)
	long := min(max((t-c.start)/delays, 1), c.patience)
	return candidate > 0 && baseline > 0 && (min(candidate, baseline) >= enough || t-from+1 >= long)
}

// read takes window t in for all that the stratum feeds.
func (x *source) read(c *comparison, t int32) {
	x.frame.read(c, &x.stratum, t)
	for k := range x.slots {
		x.slots[k].count(&x.frame)
		x.slots[k].meet(&x.frame)
	}
	alone := len(x.frame.seen) > 0
	if x.join(c, t) {
		for k := range x.slots {
			x.slots[k].count(&x.frame)
		}
	}
	for k := 0; alone && !x.frame.both && k < len(x.slots); k++ {
		x.slots[k].proc.Wait()
		c.clearing(&x.slots[k], (*stat.Harmless).Wait)
	}
}

// join has the frame, which is of window t, wait for more, or makes it one of the whole block
// that ends with it, and says whether it did. A window in which calls cannot be told stands
// alone.
func (x *source) join(c *comparison, t int32) (joined bool) {
	f := &x.frame
	x.waiting = slices.DeleteFunc(x.waiting, func(s seen) bool { return c.blinded[t] || s.at <= t-c.patience })
	if len(x.waiting) == 0 && (c.blinded[t] || c.whole(f.seen, t, t)) {
		candidate, baseline := requests(f.seen)
		f.both = candidate > 0 && baseline > 0
		return false
	}
	x.waiting = append(x.waiting, f.seen...)
	if len(x.waiting) > 0 && c.whole(x.waiting, x.waiting[0].at, t) {
		f.seen, x.waiting, f.block, f.both = x.waiting, f.seen[:0], true, true
	}
	return f.both
}

// count winsorises what the frame's instances did, window by window. An instance that is ill
// counts once, as far as the others do not show the same for certain. What is taken from the
// baseline speaks against the candidate, though: so of an instance of the baseline nothing is
// ill that the candidate shows as well, certain or not. Saturation at a rate is at least that
// rate, so an instance that fares no better than the candidate still does when it was clipped:
// no table speaks against a release that all of the baseline's instances fared no better than.
func (s *slot) count(f *frame) {
	cal := s.opt.Calibration
	s.counts = s.counts[:0]
	var all, theirs count
	for k := range f.seen {
		y, n := s.signal.of(&f.seen[k].cell)
		s.counts = append(s.counts, count{n: n, y: y, raw: y})
		all.n, all.y = all.n+n, all.y+y
		if f.seen[k].candidate {
			theirs.n, theirs.y = theirs.n+n, theirs.y+y
		}
	}
	candidate := float64(theirs.y) / float64(max(1, theirs.n))
	own := s.own(f)
	for k := range s.counts {
		x := &s.counts[k]
		o := *x
		if f.block {
			o = own[f.seen[k].who]
		}
		x.others = surely(all.y-o.raw, all.n-o.n)
		if !f.seen[k].candidate {
			x.others = math.Max(x.others, candidate)
		}
		x.y = cal.Winsor(s.stratum, x.n, x.y, x.others)
	}
}

// own is what each instance did in all windows of the frame; nil if it is one.
func (s *slot) own(f *frame) map[*instance]count {
	if !f.block {
		return nil
	}
	if s.sums == nil {
		s.sums = map[*instance]count{}
	}
	clear(s.sums)
	for k, x := range s.counts {
		sum := s.sums[f.seen[k].who]
		s.sums[f.seen[k].who] = count{n: sum.n + x.n, raw: sum.raw + x.raw}
	}
	return s.sums
}

// meet tells the division what its instances did in the present window in this stratum.
func (s *slot) meet(f *frame) {
	for k, x := range s.counts {
		if s.crowd != nil && x.n > 0 {
			s.crowd[f.seen[k].place].Add(s.opt.Calibration, s.stratum, x.n, x.y, x.others)
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
		y := s.thin(&f.seen[k], min(x.y, x.raw-explained[k]))
		if f.seen[k].candidate {
			t.NC, t.XC = t.NC+x.n, t.XC+y
		} else {
			t.NB, t.XB = t.NB+x.n, t.XB+y
		}
	}
	return t
}

// tally gives what was counted, as it is.
func (f *frame) tally(sig *signal) (sum tally) {
	for k := range f.seen {
		y, n := sig.of(&f.seen[k].cell)
		if f.seen[k].candidate {
			sum.xc, sum.nc = sum.xc+float64(y), sum.nc+float64(n)
		} else {
			sum.xb, sum.nb = sum.xb+float64(y), sum.nb+float64(n)
		}
	}
	return sum
}

// thin gives what of an instance's winsorised count in a window may count beside its others.
func (d *division) thin(x *seen, y int) int {
	if d.crowd == nil || y == 0 {
		return y
	}
	if x.at == d.at {
		return d.crowd[x.place].Thin(d.opt.Calibration, y)
	}
	for k := range d.bad {
		if b := &d.bad[k]; b.at == x.at && b.place == x.place {
			return b.Thin(d.opt.Calibration, y)
		}
	}
	return y
}

// crowded is what an instance did in a window that is over.
type crowded struct {
	stat.Crowd
	at    int32
	place int
}

// part is window t for a division whose strata are added up. What was bad in windows that
// may belong to a block yet is remembered.
func (d *division) part(c *comparison, t int32) {
	if len(d.strata) < 2 {
		return
	}
	d.bad = slices.DeleteFunc(d.bad, func(b crowded) bool { return b.at <= t-c.patience })
	for k, x := range d.crowd {
		if x.Limits() {
			d.bad = append(d.bad, crowded{x, d.at, k})
		}
	}
	d.crowd, d.at = append(d.crowd[:0], make([]stat.Crowd, len(c.svc.instances))...), t
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
	evened := table
	evened.NC = max(evened.NC, c.leastTimed(s, f))
	s.proc.Add(s.stratum, evened)
	s.totals[s.stratum].merge(f.tally(s.signal))
	c.clearing(s, func(h *stat.Harmless) { h.Add(s.stratum, table) })
}

// clearing does something with the tests of no harm that a slot feeds.
func (c *comparison) clearing(s *slot, do func(*stat.Harmless)) {
	for _, h := range c.harmless {
		if h == nil || h.stream.signal != s.signal {
			continue
		}
		for k, d := range h.stream.divisions {
			if d == s.division {
				do(h.procs[k])
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
		by.Add(f.seen[k].candidate, int(f.seen[k].n))
		if f.seen[k].candidate {
			showed[0] += s.thin(&f.seen[k], x.y)
		} else {
			showed[1] += s.thin(&f.seen[k], x.y)
		}
	}
	s.proc.AddPresence(s.stratum, showed[0], showed[0]+showed[1], by.Share(), int(sum.nc))
	s.totals[s.stratum].merge(sum)
}
