package detect

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"unship.dev"
	"unship.dev/detect/stat"
)

// eventTest is what a comparison knows of events.
type eventTest struct {
	window  time.Duration
	before  history
	signals map[unship.Signal]*signal
	usual   *stat.Calibration // of known events together: what to expect of new ones
	fresh   int               // new events that act, so far
	aside   []*stream         // of new events that are shown and never act
	streams []*stream         // all
}

// addEvents gives every known event a stream. New ones get theirs when they
// come: a list without end, weighed in the order of appearance (under the null
// hypothesis an event's first occurrence is no likelier in the candidate than
// its share of opportunities).
func (c *comparison) addEvents(w *watch, h history, window time.Duration) {
	c.events = &eventTest{window: window, before: h, signals: eventSignals(w.policy.Tolerance.Ratio)}
	known := c.svc.knownEvents(h)
	all := make([]stat.Cells, len(known))
	for k, e := range known {
		all[k] = c.svc.eventCells(c.svc.sign(e, isVersion(w.baseline), h), w.baseline, h)
	}
	c.events.usual = stat.Calibrate(all, nil)
	for k, e := range known {
		s := c.newEventStream(w, c.svc.sign(e, isVersion(w.baseline), h), stat.Calibrate(all[k:k+1], nil), c.places)
		s.weight = weightEvents * shareKnown / float64(len(known))
		s.from = c.start
		c.addEvent(s)
	}
}

// eventGrid are the log multipliers looked for: a new event is infinitely more frequent.
var eventGrid = stat.Grid(1.5, 1000, 14)

// newEventStream makes an event's stream, also divided by what tells instances
// apart: one place may always show what the others do not. What was never seen
// anywhere is no place's habit.
func (c *comparison) newEventStream(w *watch, x sign, cal *stat.Calibration, places []string) *stream {
	s := &stream{signal: c.events.signals[c.svc.events[x.event].kind], event: x.event + 1, milder: x.milder + 1, single: true}
	s.opt = c.options(w, s.signal, cal)
	s.opt.Grid, s.opt.Delta = eventGrid, 0
	for _, key := range append([]string{""}, places...) {
		s.divisions = append(s.divisions, &division{opt: s.opt, place: key, proc: stat.NewProcess(s.opt), totals: make([]tally, 1)})
	}
	return s
}

func (c *comparison) addEvent(s *stream) {
	c.streams = append(c.streams, s)
	c.events.streams = append(c.events.streams, s)
}

// meetEvents gives the events that are new in window t a stream each.
func (c *comparison) meetEvents(w *watch, t int32) {
	for _, e := range c.svc.freshEvents(t) {
		acts := c.svc.events[e].acts
		if acts && c.events.fresh >= maxFreshEvents || !acts && len(c.events.aside) >= maxFreshEvents {
			continue
		}
		x, cal, places := c.svc.sign(e, isVersion(w.baseline), c.events.before), c.events.usual, []string(nil)
		if x.milder >= 0 { // then it did not come first now
			places = c.places
			cal = stat.Calibrate([]stat.Cells{c.svc.eventCells(x, w.baseline, c.events.before)}, nil)
		}
		s := c.newEventStream(w, x, cal, places)
		s.from = t
		if x.milder >= 0 {
			s.from = t + 1 // whoever raised it shows it in this window
		}
		if !acts {
			c.events.aside = append(c.events.aside, s)
			continue
		}
		s.weight = weightEvents * (1 - shareKnown) * orderWeight(c.events.fresh)
		c.events.fresh++
		c.addEvent(s)
	}
}

// opportunities are the grown instances of each cohort that were heard in a window in one place.
type opportunities struct {
	instancesC, instancesB float64
	by                     stat.Presence // the share of those that show an event which is the candidate's by chance
}

// opportunities gives them by value of an attribute that tells instances apart;
// "" for all in one place. A place in which only one cohort serves compares nothing.
func (c *comparison) opportunities(key string, t int32) map[string]*opportunities {
	out := map[string]*opportunities{}
	for _, i := range c.svc.instances {
		side := c.sides.side(i)
		n, heard := i.heardAt(t)
		if side == 0 || !heard || !i.grown(t, c.events.window) {
			continue
		}
		at := c.svc.placeOf(i, key)
		if out[at] == nil {
			out[at] = &opportunities{}
		}
		o := out[at]
		o.by.Add(side == 1, int(min(n, math.MaxInt32)))
		if side == 1 {
			o.instancesC++
		} else {
			o.instancesB++
		}
	}
	maps.DeleteFunc(out, func(_ string, o *opportunities) bool { return o.instancesC == 0 || o.instancesB == 0 })
	return out
}

// showing takes in which instances showed events in window t.
func (c *comparison) showing(t int32) {
	in := map[string]map[string]*opportunities{}
	for _, list := range [2][]*stream{c.events.streams, c.events.aside} {
		for _, s := range list {
			for _, d := range s.divisions {
				if in[d.place] == nil {
					in[d.place] = c.opportunities(d.place, t)
				}
				if t >= s.from && len(in[d.place]) > 0 {
					c.show(s, d, in[d.place], t)
				}
			}
		}
	}
	for _, s := range c.events.aside {
		for _, d := range s.divisions {
			d.proc.Close()
		}
	}
}

// show adds the instances that showed a stream's event, place by place.
func (c *comparison) show(s *stream, d *division, in map[string]*opportunities, t int32) {
	showed := map[string]*[2]int{}
	for at := range in {
		showed[at] = &[2]int{}
	}
	for _, i := range c.svc.instances {
		x := showed[c.svc.placeOf(i, d.place)]
		if x == nil || !i.gives(sign{s.event - 1, s.milder - 1}, t) || !i.grown(t, c.events.window) {
			continue
		}
		switch c.sides.side(i) {
		case 1:
			x[0]++
		case 2:
			x[1]++
		}
	}
	sum := &d.totals[0]
	for _, at := range slices.Sorted(maps.Keys(in)) {
		o, x := in[at], showed[at]
		d.proc.AddShare(0, x[0], x[0]+x[1], o.by.Share())
		sum.xc, sum.nc, sum.xb, sum.nb = sum.xc+float64(x[0]), sum.nc+o.instancesC, sum.xb+float64(x[1]), sum.nb+o.instancesB
	}
}

// reworded says that a known event vanished while this new one came: the same
// thing may only be called something else, which is for people to tell.
func reworded(fresh *evidence, all []evidence) bool {
	if fresh.event == 0 || !fresh.fresh {
		return false
	}
	_, rate, _ := fresh.rates()
	for k := range all {
		e := &all[k]
		if e.event == 0 || e.fresh {
			continue
		}
		t := e.totals[0] // of the whole time
		if t.nb > 0 && t.xc == 0 && t.xb/t.nb*t.nc >= fewestOfVanished && t.xb/t.nb >= rate/2 {
			return true
		}
	}
	return false
}

// aside gives the findings of new events that never act: they help to understand.
func (d *Detector) aside(w *watch, room int) (out []unship.Finding) {
	if w.conc == nil || w.conc.events == nil {
		return nil
	}
	for _, s := range w.conc.events.aside {
		e := w.concurrentEvidence(s)
		if len(out) < min(room, maxAside) && e.logE >= w.threshold() {
			out = append(out, d.finding(w, &e))
		}
	}
	return out
}

// sayEvent puts a finding about an event into words.
func (w *watch) sayEvent(f *unship.Finding, e *evidence) string {
	x := w.svc.events[e.event-1]
	than := "in " + w.baseline + " at the same time"
	if w.past != nil {
		than = "before the release"
	}
	seen := fmt.Sprintf("%s of the instances' windows show it, %s %s", percent(f.Candidate), percent(f.Baseline), than)
	out := fmt.Sprintf("%s: %s: %s", w.release.Service, x.words(), seen)
	if e.fresh && f.Baseline == 0 {
		out = fmt.Sprintf("%s: %s is new: %s", w.release.Service, x.words(), seen)
	}
	if f.Ambiguous {
		out += "; an event as frequent is gone, so it may be the same by another name"
	}
	if x.example != "" {
		out += "; e.g. " + x.example
	}
	return out
}
