package estate

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"unship.dev"
)

const (
	baseFail  = .001 // of requests
	spread    = .5   // deviation of log self times
	passOn    = .9   // probability that a failed call fails the request
	refused   = .001 // seconds until a call that nobody answers fails
	overload  = .5   // a service under twice its usual load takes half as long again
	slowRoute = .99  // quantile of a route's duration from which a trace is abnormal
)

// outcome is what became of a call.
type outcome struct {
	failed, answered, bad bool
	fresh                 bool // the new version answered
	seconds               float64
}

// traceCounts are what scorers of traces count since the first release.
type traceCounts struct {
	abnormal, normal float64   // traces
	through          []through // by release: those that its new version served
	visited          []bool
}

type through struct{ abnormal, normal float64 }

// Tick plays window t. Windows must be played in order.
func (e *Estate) Tick(t int) (unship.Tick, []unship.Release) {
	for _, s := range e.services {
		s.open(t)
	}
	n := e.rng.NormFloat64()*math.Sqrt(traces) + traces
	for range int(n * e.other.load(t)) {
		e.trace(t)
	}
	k := unship.Tick{Start: at(t), End: at(t + 1), Closed: at(t + 1).Add(2 * Window)}
	for _, s := range e.services {
		k.Windows = append(k.Windows, s.windows(t)...)
	}
	slices.SortFunc(k.Windows, func(a, b unship.Window) int {
		return cmp.Or(a.Release.Compare(b.Release), strings.Compare(a.Instance.ID, b.Instance.ID))
	})
	var begun []unship.Release
	for _, r := range e.Releases {
		if r.Begin == t {
			begun = append(begun, r.Release)
		}
	}
	return k, begun
}

// open prepares a service's instances for window t.
func (s *service) open(t int) {
	s.live = s.live[:0]
	for _, i := range s.instances {
		if t >= i.from && t < i.to {
			s.live = append(s.live, i)
			i.ops = [operations]unship.Operation{}
		}
	}
	if s.release != nil && s.release.Style == BlueGreen {
		s.rare = .05
	}
	s.last, s.requests = s.requests, 0
	if t == history {
		s.usual = s.last
	}
}

// pick chooses who serves a request. A blue-green set that is not switched to
// yet is given little.
func (e *Estate) pick(s *service, t int) *instance {
	if r := s.release; r != nil && r.Style == BlueGreen && t >= r.Begin && t < r.Begin+blueGreenAfter {
		k := e.rng.IntN(instances)
		if e.rng.Float64() < s.rare {
			k += instances
		}
		return s.live[k]
	}
	if e.options.Together > 0 && e.rng.Float64() < e.options.Together {
		if i := e.kept(s); i != nil {
			return i
		}
	}
	return s.live[e.rng.IntN(len(s.live))]
}

// kept chooses among those that the present request keeps to; nil if there are none.
func (e *Estate) kept(s *service) *instance {
	n := 0
	for _, i := range s.live {
		if i.fresh == e.chosen {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	n = e.rng.IntN(n)
	for _, i := range s.live {
		if i.fresh == e.chosen {
			if n == 0 {
				return i
			}
			n--
		}
	}
	return nil
}

func (e *Estate) trace(t int) {
	r := e.routes[e.route()]
	if e.options.Together > 0 {
		e.chosen = e.rng.Float64() < float64(canaries)/instances
	}
	if e.traces.visited == nil {
		e.traces.visited, e.traces.through = make([]bool, len(e.Releases)), make([]through, len(e.Releases))
	}
	clear(e.traces.visited)
	o := e.serve(r, t, nil, nil, 0)
	if t < history {
		r.before = append(r.before, o.seconds)
		return
	}
	if r.slow == 0 {
		slices.Sort(r.before)
		r.slow = r.before[int(slowRoute*float64(len(r.before)-1))]
	}
	e.traces.count(o.failed || o.seconds > r.slow)
}

func (c *traceCounts) count(abnormal bool) {
	add := func(a, n *float64) {
		if abnormal {
			*a++
		} else {
			*n++
		}
	}
	add(&c.abnormal, &c.normal)
	for k, v := range c.visited {
		if v {
			add(&c.through[k].abnormal, &c.through[k].normal)
		}
	}
}

// route chooses a route, the first most often.
func (e *Estate) route() int {
	sum := 0.0
	for k := range e.routes {
		sum += 1 / float64(k+1)
	}
	x := e.rng.Float64() * sum
	for k := range e.routes {
		if x -= 1 / float64(k+1); x < 0 {
			return k
		}
	}
	return len(e.routes) - 1
}

// called counts one request's calls to one service.
type called struct {
	service                    *service
	calls, failed, lost        uint64
	answeredByOld, answeredNew bool
}

// serve plays one request, called by an instance of another service or by a user.
func (e *Estate) serve(c *call, t int, from *service, by *instance, poison float64) outcome {
	s := c.service
	i := e.pick(s, t)
	s.requests++
	if e.fault.crashed(s, i, t) {
		return outcome{failed: true, seconds: refused}
	}
	if i.fresh {
		e.visit(s)
	}
	f := e.fault.at(s, i, c.op)
	o := outcome{answered: true, fresh: i.fresh}
	var groups []called
	misread, callFailed := false, false
	if f.skip == 0 || e.rng.Float64() >= f.skip {
		for _, x := range c.calls {
			for range max(1, f.repeat) {
				a := e.serve(x, t, s, i, f.poison)
				o.seconds += a.seconds
				callFailed = callFailed || a.failed
				o.failed = o.failed || a.failed && e.rng.Float64() < passOn
				misread = misread || a.bad
				groups = note(groups, x.service, a)
			}
		}
	}
	extra, slow := e.other.at(s, i, t)
	own := e.rng.Float64() < baseFail*i.errors+extra+f.fail+poison || misread
	o.failed = o.failed || own
	o.bad = !o.failed && e.rng.Float64() < f.bad
	self := s.median[c.op] * i.slow * slow * max(1, f.slow) * s.strain(t) * math.Exp(spread*e.rng.NormFloat64())
	o.seconds += self
	i.count(c.op, o, callFailed, self, groups)
	if from != nil {
		i.ops[c.op].Callers = addCaller(i.ops[c.op].Callers, from.version(by.fresh), o.failed && !callFailed)
	}
	return o
}

// strain is the factor on self time under more load than usual.
func (s *service) strain(t int) float64 {
	if t < history || s.usual == 0 {
		return 1
	}
	return 1 + overload*math.Max(0, math.Min(4, s.last/s.usual)-1.25)
}

func (e *Estate) visit(s *service) {
	for k, r := range e.Releases {
		if r.service == s {
			e.traces.visited[k] = true
		}
	}
}

// note counts an answer among the calls to its service.
func note(groups []called, s *service, a outcome) []called {
	k := slices.IndexFunc(groups, func(g called) bool { return g.service == s })
	if k < 0 {
		groups, k = append(groups, called{service: s}), len(groups)
	}
	g := &groups[k]
	g.calls++
	if a.failed {
		g.failed++
	}
	switch {
	case !a.answered:
		g.lost++
	case a.fresh:
		g.answeredNew = true
	default:
		g.answeredByOld = true
	}
	return groups
}

// count adds a request to the instance's counts, as ingest would.
func (i *instance) count(op int, o outcome, callFailed bool, self float64, groups []called) {
	p := &i.ops[op]
	p.Requests++
	here := o.failed && !callFailed
	if o.failed {
		p.Failed++
	}
	if here {
		p.FailedHere++
	}
	p.Duration.Add(unship.BucketOf(duration(o.seconds)), 1)
	if !callFailed {
		p.Self.Add(unship.BucketOf(duration(self)), 1)
	}
	for _, g := range groups {
		c := unship.Call{Callee: g.service.name, Requests: 1, Total: g.calls, Failed: g.failed, Unanswered: g.lost}
		if g.calls >= 2 {
			c.Twice = 1
		}
		if g.calls >= 4 {
			c.FourPlus = 1
		}
		for _, fresh := range []bool{false, true} {
			if fresh && g.answeredNew || !fresh && g.answeredByOld {
				a := unship.CalleeAnswer{Release: g.service.version(fresh), Requests: 1}
				if here {
					a.Failed = 1
				}
				c.Answered = append(c.Answered, a)
			}
		}
		p.Merge(unship.Operation{Calls: []unship.Call{c}})
	}
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func addCaller(callers []unship.Caller, r unship.ReleaseID, here bool) []unship.Caller {
	k, ok := slices.BinarySearchFunc(callers, r, func(c unship.Caller, r unship.ReleaseID) int { return c.Release.Compare(r) })
	if !ok {
		callers = slices.Insert(callers, k, unship.Caller{Release: r})
	}
	callers[k].Requests++
	if here {
		callers[k].FailedHere++
	}
	return callers
}

// windows gives what the service's instances did.
func (s *service) windows(t int) (out []unship.Window) {
	for _, i := range s.live {
		w := unship.Window{
			Release: s.version(i.fresh), Instance: unship.Instance{ID: i.id, Node: i.node}, Start: at(t), Length: Window,
		}
		for k, p := range i.ops {
			if p.Requests > 0 {
				p.Name = operationNames[k]
				w.Operations = append(w.Operations, p)
			}
		}
		if len(w.Operations) > 0 {
			out = append(out, w)
		}
	}
	return out
}

var operationNames = [operations]string{"GET /items", "GET /items/{id}", "POST /items"}
