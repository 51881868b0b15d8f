package detect

import (
	"fmt"
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
	place                  string
	instancesC, instancesB float64
	by                     stat.Presence // the share of those that show an event which is the candidate's by chance
	xc, xb                 int           // of those that show the event at hand
}

// chances are the opportunities of one window by an attribute that tells
// instances apart: one place of all for "".
type chances struct {
	of []opportunities
	in []int // by the service's instances: their place; −1 of those that are not grown, or of another version
}

// chances looks once a window where everybody is.
func (c *comparison) chances(key string, t int32) *chances {
	x := &chances{in: make([]int, len(c.svc.instances))}
	for k, i := range c.svc.instances {
		x.in[k] = -1
		side := c.sides.side(i)
		if side == 0 || !i.grown(t, c.events.window) {
			continue
		}
		at := c.svc.placeOf(i, key)
		if x.in[k] = slices.IndexFunc(x.of, func(o opportunities) bool { return o.place == at }); x.in[k] < 0 {
			x.in[k] = len(x.of)
			x.of = append(x.of, opportunities{place: at})
		}
		n, heard := i.heardAt(t)
		if !heard {
			continue
		}
		o := &x.of[x.in[k]]
		o.by.Add(side == 1, int(min(n, math.MaxInt32)))
		if side == 1 {
			o.instancesC++
		} else {
			o.instancesB++
		}
	}
	return x
}

// showing takes in which instances showed events in window t.
func (c *comparison) showing(t int32) {
	by := map[string]*chances{}
	for _, list := range [2][]*stream{c.events.streams, c.events.aside} {
		for _, s := range list {
			for _, d := range s.divisions {
				if by[d.place] == nil {
					by[d.place] = c.chances(d.place, t)
				}
				if t >= s.from {
					c.show(s, d, by[d.place], t)
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

// show adds the instances that showed a stream's event, place by place. A place in
// which only one cohort serves compares nothing.
func (c *comparison) show(s *stream, d *division, x *chances, t int32) {
	for k := range x.of {
		x.of[k].xc, x.of[k].xb = 0, 0
	}
	for k, i := range c.svc.instances {
		if x.in[k] < 0 || !i.gives(sign{s.event - 1, s.milder - 1}, t) {
			continue
		}
		if o := &x.of[x.in[k]]; c.sides.side(i) == 1 {
			o.xc++
		} else {
			o.xb++
		}
	}
	sum := &d.totals[0]
	for k := range x.of {
		o := &x.of[k]
		if o.instancesC == 0 || o.instancesB == 0 {
			continue
		}
		d.proc.AddShare(0, o.xc, o.xc+o.xb, o.by.Share())
		sum.xc, sum.nc, sum.xb, sum.nb = sum.xc+float64(o.xc), sum.nc+o.instancesC, sum.xb+float64(o.xb), sum.nb+o.instancesB
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
	for _, warning := range f.Warnings {
		out += "; " + warning
	}
	if x.example != "" {
		out += "; e.g. " + x.example
	}
	return out
}
