package detect

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"unship.dev/detect/stat"
)

// Bounds of what a ranking looks at.
const (
	siteSeries    = 32 // series of points of one service
	siteInstances = 32
	siteEvents    = 32
	fewPoints     = 5 // fewer earlier points are no measure
	farAbove      = 3 // calls between a fault and the callers that are looked at
)

// scene is an environment as a ranking looks at it: who calls whom, and where
// the points that tell of each service's requests are.
type scene struct {
	callers map[*service][]*service // sorted
	about   map[*service][]siteOf   // series of points about the requests to a service
	by      map[*service][]siteOf   // … about those that it sends
	last    int32                   // window of the latest point
}

// siteOf is a series of points about the requests to a service. Who called may tell it.
type siteOf struct {
	holder *service
	metric int
}

// endpoints are the attributes by which metrics of meshes and service graphs
// name who calls and who is called, the plainest first.
var endpoints = [2][]string{
	{"source.service", "source_service", "source_canonical_service", "source_workload", "source_app", "client"},
	{"destination.service", "destination_service_name", "destination_canonical_service", "destination_workload", "destination_app", "server"},
}

// endsOf gives the services that a metric's attributes name as caller and callee, "" where they do not.
func endsOf(attributes string) (ends [2]string) {
	for side, names := range endpoints {
		rank := len(names)
		for part := range strings.SplitSeq(attributes, ",") {
			key, value, _ := strings.Cut(part, "=")
			if k := slices.Index(names, key); k >= 0 && k < rank {
				rank, ends[side] = k, value
			}
		}
	}
	return ends
}

func (d *Detector) scene(environment string) *scene {
	x := &scene{callers: map[*service][]*service{}, about: map[*service][]siteOf{}, by: map[*service][]siteOf{}}
	named := map[string]*service{} // a name in several namespaces is nobody's
	for _, s := range d.order {
		if s.id.Environment == environment {
			if _, twice := named[s.id.Name]; twice {
				named[s.id.Name] = nil
			} else {
				named[s.id.Name] = s
			}
		}
	}
	for _, s := range d.order {
		if s.id.Environment != environment {
			continue
		}
		for k := range s.callers { // sets: the order does not matter
			x.meet(d.services[k.other], s)
		}
		for k := range s.answers {
			x.meet(s, d.services[k.other])
		}
		for k, m := range s.metrics {
			from, to := named[m.ends[0]], named[m.ends[1]]
			x.meet(from, to)
			if m.class != pointNone {
				x.add(siteOf{s, k}, from, to)
			}
		}
	}
	for s, v := range x.callers {
		slices.SortFunc(v, func(a, b *service) int { return a.id.Compare(b.id) })
		x.callers[s] = slices.Compact(v)
	}
	return x
}

func (x *scene) meet(caller, callee *service) {
	if caller != nil && callee != nil && caller != callee && caller.id.Environment == callee.id.Environment {
		x.callers[callee] = append(x.callers[callee], caller)
	}
}

// add files a series under the service whose requests it is about, and under
// the one that sends them: who stops calling tells that something is wrong at
// the caller, or at what it called before.
func (x *scene) add(at siteOf, from, to *service) {
	for _, i := range at.holder.instances {
		if at.metric < len(i.metrics) {
			if p := i.metrics[at.metric].points; len(p) > 0 {
				x.last = max(x.last, p[len(p)-1].at)
			}
		}
	}
	ends := at.holder.metrics[at.metric].ends
	if to == nil && ends[1] == "" {
		to = at.holder
	}
	if from == nil && ends[0] == "" {
		from = at.holder
	}
	if to != nil {
		x.about[to] = append(x.about[to], at)
	}
	if from != nil {
		x.by[from] = append(x.by[from], at)
	}
}

// above gives who calls a service, directly or not, with how many calls lie between.
func (x *scene) above(s *service) (out []*service, depth map[*service]int) {
	depth = map[*service]int{s: 0}
	out = []*service{s}
	for k := 0; k < len(out) && depth[out[k]] < farAbove; k++ {
		for _, c := range x.callers[out[k]] {
			if _, known := depth[c]; !known {
				depth[c] = depth[out[k]] + 1
				out = append(out, c)
			}
		}
	}
	return out[1:], depth
}

// site is the log evidence that the requests to a service are worse since
// window at than before, or that it sends fewer: the mean over what tells of it. Of a
// service that is being released itself, beside its old version, only that one tells of
// others: how much worse the new one is, is its own.
func (x *scene) site(s *service, at, now int32) float64 {
	var all []float64
	of := s.undisturbed()
	if e, ok := s.loadSince(at, now, of); ok {
		all = append(all, e)
	}
	if e, ok := s.eventsSince(at, now, of); ok {
		all = append(all, e)
	}
	add := func(r stat.Ranks) {
		if r.Points() > 0 {
			all = append(all, r.Late(int(at)))
		}
	}
	for _, k := range bounded(x.about[s]) {
		add(k.since(at, x.last, anyInstance))
	}
	for _, k := range bounded(x.by[s]) {
		add(k.silence(at, x.last))
	}
	return meanLog(all)
}

// meanLog is the log of the mean of evidence, to the last bit the same in any order; 0 without any.
func meanLog(logE []float64) float64 {
	if len(logE) == 0 {
		return 0
	}
	slices.Sort(logE)
	return stat.LogSumExp(logE) - math.Log(float64(len(logE)))
}

// bounded orders series by name, so that arrival changes nothing.
func bounded(all []siteOf) []siteOf {
	slices.SortFunc(all, func(a, b siteOf) int {
		p, q := a.holder.metrics[a.metric], b.holder.metrics[b.metric]
		return cmp.Or(a.holder.id.Compare(b.holder.id), cmp.Compare(p.name, q.name), cmp.Compare(p.attributes, q.attributes))
	})
	return all[:min(len(all), siteSeries)]
}

// undisturbed are the instances of a service that no release beside them can have changed.
func (s *service) undisturbed() func(*instance) bool {
	return func(i *instance) bool {
		return !slices.ContainsFunc(s.watches, func(w *watch) bool { return w.past == nil && w.release.Version == i.version })
	}
}

// loadSince is the same by the requests of some instances; false without any.
func (s *service) loadSince(at, now int32, of func(*instance) bool) (logE float64, ok bool) {
	was, is := s.busyOf(history{0, at}, of), s.busyOf(history{at, now + 1}, of)
	if was.n < minCalls || is.n == 0 {
		return 0, false
	}
	shift := stat.NewShift(stat.ShiftOptions{PreX: []float64{was.x}, PreN: []float64{was.n}, Phi: beforePhi})
	shift.Add(is.x, is.n, drift(&signal{}, usualDrift(countFailedHere), 0))
	return shift.LogA(), true
}

// eventsSince is the log evidence that some instances show events that are harm
// by themselves (records of severity ERROR, exceptions, restarts) in more windows
// since one than the service did before: the mean over its events; false without any.
func (s *service) eventsSince(at, now int32, of func(*instance) bool) (logE float64, ok bool) {
	var shows []int
	events := 0
	for e, x := range s.events {
		if x.acts {
			events++
			if x.last >= at {
				shows = append(shows, e)
			}
		}
	}
	if events == 0 {
		return 0, false
	}
	slices.SortFunc(shows, func(a, b int) int {
		p, q := s.events[a], s.events[b]
		return cmp.Or(cmp.Compare(p.kind, q.kind), cmp.Compare(p.name, q.name))
	})
	var all []float64
	for _, e := range shows[:min(len(shows), siteEvents)] {
		r := s.eventSince(e, at, now, of)
		all = append(all, r.Late(int(at)))
	}
	none := s.eventSince(len(s.events), at, now, of) // those that are not shown are all alike
	for range events - len(all) {
		all = append(all, none.Late(int(at)))
	}
	return meanLog(all), true
}

// eventSince ranks the windows since one by whether some instances show an event.
func (s *service) eventSince(event int, at, now int32, of func(*instance) bool) (r stat.Ranks) {
	var o stat.Order
	from, what := max(s.first, s.forgotten), sign{event, -1}
	if event < len(s.events) {
		what = s.sign(event, anyInstance, history{from, at})
	}
	for t := from; t <= now; t++ {
		who := of
		if t < at {
			who = anyInstance
		}
		shown, heard := s.shown(what, t, who)
		switch {
		case heard == 0:
		case t < at:
			o.Keep(min(shown, 1))
		case o.Len() >= fewPoints:
			r.Meet(int(t), &o, min(shown, 1))
		}
	}
	return r
}

// pointsOf is the log evidence that a release's own points are worse: than those
// beside it where there are any, else than what was before it; 0 without points.
func (x *scene) pointsOf(w *watch) (logE float64, ok bool) {
	var all []float64
	own := func(i *instance) bool { return i.version == w.release.Version }
	for _, k := range bounded(x.about[w.svc]) {
		if k.holder != w.svc {
			continue // callers do not tell versions apart
		}
		r := stat.Ranks{}
		if w.past == nil {
			r = k.beside(w.release.Version, w.baseline, w.begin, k.interval())
		} else {
			r = k.since(w.begin, x.last, own)
		}
		if r.Points() > 0 {
			all = append(all, r.Late(int(w.begin)))
		}
	}
	return meanLog(all), len(all) > 0
}
