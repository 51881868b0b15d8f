// Package estate plays a whole estate of services in which several are
// released at once, to measure who is blamed: 20 services in five layers, eight
// routes through them, about eight calls a trace, ten instances a service on
// twelve nodes. At most one release is guilty, and in every run something else
// goes wrong as well: a dependency, a node, a surge.
//
// In: a seed and [Options]. Out: ticks as ingest would make them, without going
// through spans, so that thousands of runs take minutes; the truth; and what
// detect and some scorers known from papers make of it.
package estate

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"unship.dev"
)

// Sizes of the estate and of a run, in windows of five seconds.
const (
	Window     = 5 * time.Second
	history    = 60  // windows before the releases
	rollouts   = 12  // windows within which they begin
	horizon    = 120 // windows after that
	Windows    = history + rollouts + horizon
	instances  = 10 // of a service
	nodes      = 12
	operations = 3 // of a service
	routes     = 8
	traces     = 60 * 5 // a window
	canaries   = 2      // instances of ten
	maxCalls   = 14     // of a trace
)

// layers are the services by distance from the users.
var layers = [][]int{{0}, {1, 2, 3, 4}, {5, 6, 7, 8, 9, 10}, {11, 12, 13, 14, 15}, {16, 17, 18, 19}}

// Style is how releases roll out.
type Style uint8

// The styles.
const (
	Canary    Style = iota // two instances of ten
	Rolling                // one instance after the other, ten seconds apart
	Replaced               // all at once
	BlueGreen              // a second set of instances, which takes everything after a minute
	Mixed                  // any of these, each release its own
)

var styleNames = []string{"canary", "rolling", "replaced", "blue-green", "mixed"}

func (s Style) String() string { return styleNames[s] }

// StyleOf gives the style of a name.
func StyleOf(name string) (Style, error) {
	k := slices.Index(styleNames, name)
	if k < 0 {
		return 0, fmt.Errorf("unknown style %q; have %s", name, strings.Join(styleNames, ", "))
	}
	return Style(k), nil
}

// Options choose a run.
type Options struct {
	Style      Style
	Fault      Fault
	Distractor bool
	// Together is the probability that a call keeps to what its request was chosen for: the
	// new versions, or the old ones, wherever both serve. Routing by header does that, and
	// balancers in a row that go round in step.
	Together float64
}

// Estate is one run.
type Estate struct {
	Releases []*Rollout // in the order in which they begin
	Guilty   int        // index in Releases; -1: none
	options  Options
	rng      *rand.Rand
	services []*service
	routes   []*call
	fault    fault
	other    distractor
	traces   traceCounts
	chosen   bool // the present request is for new versions
}

// Rollout is one release of the run.
type Rollout struct {
	Release unship.Release
	Style   Style
	Begin   int // window
	service *service
}

// service is one service of the estate.
type service struct {
	index     int
	name      string
	median    [operations]float64 // seconds of self time
	instances []*instance
	release   *Rollout
	live      []*instance // those that serve in the present window
	rare      float64     // share of the traffic of a blue-green set that is not switched to yet
	usual     float64     // requests a window before the releases
	requests  float64     // in the present window …
	last      float64     // … and in the one before
}

// instance is one copy of one version.
type instance struct {
	id, node     string
	fresh        bool // of the new version
	from, to     int  // windows
	errors, slow float64
	ops          [operations]unship.Operation
}

// call is a step of a route: one operation of a service, and what it calls.
type call struct {
	service *service
	op      int
	calls   []*call
	slow    float64 // of a route: the 99 % quantile before the releases, seconds
	before  []float64
}

// New makes the run of a seed.
func New(seed uint64, o Options) *Estate {
	e := &Estate{options: o, rng: rand.New(rand.NewPCG(seed, 7)), Guilty: -1}
	for i := range 20 {
		e.services = append(e.services, e.newService(i))
	}
	for len(e.routes) < routes {
		if n := 0; true {
			if c := e.newCall(0, 0, &n); n >= 4 {
				e.routes = append(e.routes, c)
			}
		}
	}
	e.rollOut(2 + e.rng.IntN(4))
	e.chooseFault()
	if o.Distractor {
		e.other = e.newDistractor()
	}
	return e
}

func (e *Estate) newService(i int) *service {
	s := &service{index: i, name: fmt.Sprintf("service-%02d", i)}
	for k := range s.median {
		s.median[k] = .003 + .025*e.rng.Float64()
	}
	for k := range instances {
		s.instances = append(s.instances, e.newInstance(s, k, false, 0))
	}
	return s
}

func (e *Estate) newInstance(s *service, k int, fresh bool, from int) *instance {
	version := "old"
	if fresh {
		version = "new"
	}
	return &instance{
		id: fmt.Sprintf("%s-%s-%d", s.name, version, k), node: fmt.Sprintf("node-%02d", e.rng.IntN(nodes)), fresh: fresh, from: from, to: math.MaxInt,
		errors: math.Exp(.1*e.rng.NormFloat64() - .005), slow: math.Exp(.03 * e.rng.NormFloat64()),
	}
}

// newCall grows a random tree of calls below a service of a layer.
func (e *Estate) newCall(s, layer int, used *int) *call {
	c := &call{service: e.services[s], op: e.rng.IntN(operations)}
	*used++
	if layer == len(layers)-1 {
		return c
	}
	fan := 1 + e.rng.IntN(3)
	if layer >= 2 {
		fan = e.rng.IntN(3)
	}
	for range fan {
		if *used < maxCalls {
			below := layers[layer+1]
			c.calls = append(c.calls, e.newCall(below[e.rng.IntN(len(below))], layer+1, used))
		}
	}
	return c
}

// each visits a call and those below it.
func (c *call) each(visit func(*call)) {
	visit(c)
	for _, x := range c.calls {
		x.each(visit)
	}
}

// used gives the services below the first layer that any route passes, in order.
func (e *Estate) used() []*service {
	var out []*service
	for _, r := range e.routes {
		r.each(func(c *call) { out = append(out, c.service) })
	}
	slices.SortFunc(out, func(a, b *service) int { return cmp.Compare(a.index, b.index) })
	return slices.Compact(out)[1:]
}

// rollOut lets n releases begin within a minute.
func (e *Estate) rollOut(n int) {
	used := e.used()
	e.rng.Shuffle(len(used), func(i, j int) { used[i], used[j] = used[j], used[i] })
	for _, s := range used[:n] {
		r := &Rollout{Style: e.options.Style, Begin: history + e.rng.IntN(rollouts), service: s}
		if r.Style == Mixed {
			r.Style = Style(e.rng.IntN(int(Mixed)))
		}
		s.release = r
		r.Release = unship.Release{
			ReleaseID: unship.ReleaseID{Service: s.id(), Version: "2"}, Previous: "1",
			FirstSeen: at(r.Begin), LastSeen: at(r.Begin + 1),
		}
		e.place(r)
		e.Releases = append(e.Releases, r)
	}
	slices.SortFunc(e.Releases, func(a, b *Rollout) int {
		return cmp.Or(cmp.Compare(a.Begin, b.Begin), cmp.Compare(a.service.index, b.service.index))
	})
}

// blueGreenAfter is when a blue-green release takes everything, in windows.
const blueGreenAfter = 12

// place starts the instances of a release and ends those that it replaces.
func (e *Estate) place(r *Rollout) {
	n := instances
	if r.Style == Canary {
		n = canaries
	}
	for k := range n {
		from, to := r.Begin, r.Begin
		switch r.Style {
		case Rolling:
			from, to = r.Begin+2*k, r.Begin+2*k
		case BlueGreen:
			to = r.Begin + blueGreenAfter
		}
		r.service.instances[k].to = to
		r.service.instances = append(r.service.instances, e.newInstance(r.service, k, true, from))
	}
}

func (s *service) id() unship.Service {
	return unship.Service{Environment: "production", Namespace: "estate", Name: s.name}
}

func (s *service) version(fresh bool) unship.ReleaseID {
	if fresh {
		return unship.ReleaseID{Service: s.id(), Version: "2"}
	}
	return unship.ReleaseID{Service: s.id(), Version: "1"}
}

var epoch = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func at(t int) time.Time { return epoch.Add(time.Duration(t) * Window) }
