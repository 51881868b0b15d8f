package detect

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"unship.dev"
	"unship.dev/detect/stat"
)

// Bounds of what is known of a service's events, and the rules of their evidence.
const (
	maxEvents        = 256 // kept of one service; what comes beyond is one event
	maxKnownEvents   = 64  // with a stream of a release each
	maxFreshEvents   = 48  // that first came after the release began
	severityError    = 17  // OTel severity number of ERROR
	weightEvents     = .10 // share of a release's evidence
	shareKnown       = .4  // of that: known events, in equal parts
	adolescence      = time.Minute
	fewestOfVanished = 3 // expected occurrences of an event that is said to have vanished
	maxAside         = 2 // findings that are only shown
)

// event is something that an instance either shows in a window or does not: a
// pattern of log records or an exception. How often it shows it in one window
// does not count, for records come in storms.
type event struct {
	eventKey
	acts        bool // harm by itself; otherwise it is only shown
	first, last int32
	example     string
}

type eventKey struct {
	kind unship.Signal
	name string
	acts bool
}

// words name the event for people.
func (e *event) words() string {
	switch {
	case e.kind == unship.SignalException:
		return "exception " + e.name
	case e.kind == unship.SignalMetric:
		return "an increase of " + e.name
	case e.name == "":
		return "records of severity ERROR"
	}
	return "log pattern “" + e.name + "”"
}

// event gives the index of an event. Beyond the bound all share one; a place
// whose event has been silent for longer than anything looks back is used again.
func (s *service) event(k eventKey, t int32) int {
	if at, ok := s.eventOf[k]; ok {
		s.events[at].last = t
		return at
	}
	at := len(s.events)
	if at >= maxEvents {
		at = slices.IndexFunc(s.events, func(x *event) bool { return x.last < s.forgotten })
		if at < 0 && k.name != unship.OverflowOperation {
			return s.event(eventKey{k.kind, unship.OverflowOperation, k.acts}, t)
		}
		if at >= 0 {
			delete(s.eventOf, s.events[at].eventKey)
		}
	}
	if at < 0 || at == len(s.events) {
		at = len(s.events)
		s.events = append(s.events, nil)
	}
	s.events[at] = &event{eventKey: k, acts: k.acts, first: t, last: t}
	s.eventOf[k] = at
	return at
}

// readEvents notes what a window shows.
func (s *service) readEvents(i *instance, w *unship.Window, t int32) {
	for k := range w.Logs {
		x := &w.Logs[k]
		s.showed(i, eventKey{unship.SignalLogPattern, x.Pattern, x.Severity >= severityError}, x.Example, t)
	}
	for k := range w.Exceptions {
		x := &w.Exceptions[k]
		name := x.Type
		if x.Place != "" {
			name += " at " + x.Place
		}
		s.showed(i, eventKey{unship.SignalException, name, true}, x.Example, t)
	}
}

func (s *service) showed(i *instance, k eventKey, example string, t int32) {
	at := s.event(k, t)
	e := s.events[at]
	if e.example == "" || example != "" && example < e.example {
		e.example = example
	}
	for at >= len(i.events) {
		i.events = append(i.events, nil)
	}
	if v := i.events[at]; len(v) == 0 || v[len(v)-1] != t {
		i.events[at] = append(v, t)
	}
}

// shows says whether an instance showed an event in window t.
func (i *instance) shows(event int, t int32) bool {
	if event < 0 || event >= len(i.events) {
		return false
	}
	v := i.events[event]
	if k := len(v); k == 0 || v[k-1] < t {
		return false
	}
	_, ok := slices.BinarySearch(v, t)
	return ok
}

// heardAt gives the requests of window t, and whether the instance was heard at all.
func (i *instance) heardAt(t int32) (requests uint64, ok bool) {
	v := i.heard
	k := len(v) - 1 - int(i.last-t)
	if k < 0 || k >= len(v) || v[k].at != t {
		k = sort.Search(len(v), func(k int) bool { return v[k].at >= t })
	}
	if k < len(v) && v[k].at == t {
		return v[k].n, true
	}
	return 0, false
}

// grown says that an instance is past what only beginners show: a program that
// starts says what it will never say again, and nothing old is like it.
func (i *instance) grown(t int32, window time.Duration) bool {
	return i.age(t) >= int32(adolescence/window)
}

// keepSince drops windows before from.
func keepSince(v []int32, from int32) []int32 {
	k, _ := slices.BinarySearch(v, from)
	return append(v[:0], v[k:]...)
}

// forgetEvents drops what an instance showed before window from.
func (i *instance) forgetEvents(from int32) {
	for k := range i.events {
		i.events[k] = keepSince(i.events[k], from)
	}
	k := sort.Search(len(i.heard), func(k int) bool { return i.heard[k].at >= from })
	i.heard = append(i.heard[:0], i.heard[k:]...)
}

// eventCells is the history of an event in one version's instances: one
// opportunity for each window in which an instance was heard.
func (s *service) eventCells(x sign, version string, h history) stat.Cells {
	var c stat.Cells
	for _, i := range s.instances {
		if i.version != version || i.first >= h.to {
			continue
		}
		n, y := make([]int32, h.to-h.from), make([]int32, h.to-h.from)
		for _, v := range i.heard {
			if v.at >= h.from && v.at < h.to {
				n[v.at-h.from] = 1
			}
		}
		for _, event := range []int{x.event, x.milder} {
			for _, at := range i.shownIn(event, h) {
				y[at-h.from] = 1
			}
		}
		c.N, c.Y = append(c.N, n), append(c.Y, y)
	}
	return c
}

// knownEvents are those that act and were seen in a history, in the order of their names.
func (s *service) knownEvents(h history) (out []int) {
	for k, e := range s.events {
		if e.acts && e.first < h.to && e.last >= h.from {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b int) int { return s.compareEvents(a, b) })
	return out[:min(len(out), maxKnownEvents)]
}

func (s *service) compareEvents(a, b int) int {
	x, y := s.events[a], s.events[b]
	return cmp.Or(cmp.Compare(x.kind, y.kind), strings.Compare(x.name, y.name))
}

// freshEvents are those that first came in window t, in the order of their names.
func (s *service) freshEvents(t int32) (out []int) {
	for k, e := range s.events {
		if e.first == t {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b int) int { return s.compareEvents(a, b) })
	return out
}

// eventSignals are the signals of events at a policy's tolerance.
func eventSignals(ratio float64) map[unship.Signal]*signal {
	out := map[unship.Signal]*signal{}
	for _, kind := range []unship.Signal{unship.SignalLogPattern, unship.SignalException, unship.SignalMetric} {
		out[kind] = &signal{kind: kind, what: "shows", extra: .05, ratio: math.Max(1, ratio)}
	}
	return out
}

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

// hear notes that an instance was heard of in window t.
func (i *instance) hear(t int32, requests uint64) {
	if k := len(i.heard) - 1; k < 0 || i.heard[k].at != t {
		i.heard = append(i.heard, loadCell{at: t})
	}
	i.heard[len(i.heard)-1].n += requests
}

// eventShift is what the comparison with the past knows of events.
type eventShift struct {
	signals map[unship.Signal]*signal
	before  history
	fresh   int
}

// addEvents gives every known event a stream.
func (p *past) addEvents(h history) {
	p.events = &eventShift{signals: eventSignals(p.w.policy.Tolerance.Ratio), before: h}
	known := p.w.svc.knownEvents(h)
	for _, e := range known {
		p.addEvent(e, weightEvents*shareKnown/float64(len(known)), false)
	}
}

// meetEvents gives the events that are new in window t a stream each.
func (p *past) meetEvents(t int32) {
	for _, e := range p.w.svc.freshEvents(t) {
		if p.w.svc.events[e].acts && p.events.fresh < maxFreshEvents {
			p.addEvent(e, weightEvents*(1-shareKnown)*orderWeight(p.events.fresh), true)
			p.events.fresh++
			p.rest()
		}
	}
}

// addEvent makes the stream of an event. One that is new did not come in all
// the windows before, but with less severity.
func (p *past) addEvent(event int, weight float64, fresh bool) {
	svc, h := p.w.svc, p.events.before
	old := func(i *instance) bool { return i.version != p.w.release.Version }
	what := svc.sign(event, old, h)
	s := &shiftStream{signal: p.events.signals[svc.events[event].kind], event: event + 1, milder: what.milder + 1, fresh: fresh, weight: weight, single: true}
	s.opt = stat.ShiftOptions{PreX: make([]float64, h.to-h.from), PreN: make([]float64, h.to-h.from), Phi: beforePhi}
	for t := h.from; t < h.to; t++ {
		x, n := svc.shown(what, t, old)
		s.opt.PreX[t-h.from], s.opt.PreN[t-h.from] = x, n
		s.pre.x, s.pre.n = s.pre.x+x, s.pre.n+n
	}
	if s.pre.n < minCalls {
		return
	}
	rate := (s.pre.x + .5) / (s.pre.n + 1)
	for k := range s.opt.PreN {
		s.opt.PreN[k] *= rate
	}
	s.opt.Phi = stat.Unrest(s.opt.PreX, s.opt.PreN, beforePhi)
	s.rates = []float64{rate}
	s.shift = stat.NewShift(s.opt)
	for t := p.from; fresh && t < svc.events[event].first; t++ {
		if c, ok := p.w.contextAt(t); ok && !p.w.skipped[t] {
			x, n := p.shown(what, t, nil)
			s.shift.Add(x, n*rate, p.drift(s, c.load, t-p.w.begin))
			s.post.x, s.post.n, s.want = s.post.x+x, s.post.n+n, s.want+n*rate
		}
	}
	p.streams = append(p.streams, s)
}

// shown gives how many of the candidate's grown instances showed an event in
// window t, and how many were heard.
func (p *past) shown(what sign, t int32, out map[*instance]bool) (x, n float64) {
	return p.w.svc.shown(what, t, func(i *instance) bool {
		return i.version == p.w.release.Version && !out[i] && i.grown(t, p.w.window)
	})
}

// shown gives how many of some instances showed an event in window t, and how many were heard.
func (s *service) shown(what sign, t int32, of func(*instance) bool) (x, n float64) {
	for _, i := range s.instances {
		if _, heard := i.heardAt(t); !heard || !of(i) {
			continue
		}
		n++
		if i.gives(what, t) {
			x++
		}
	}
	return x, n
}
