package detect

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/rules"
)

// effect is what an instance does to one operation in one window.
type effect struct {
	errors, rejections float64 // extra probability
	waits              float64 // so many times the own time is waited for what is called
	latency            float64 // factor; 0: 1
	slowShare          float64 // of requests that take ten times as long
	hangs              float64 // of requests that take a hundred times as long
	twice              float64 // probability of calling the database twice or more
	tenant             string  // only of this tenant's requests; "": of all
	// Probability that a call is not served, of requests that take no more than a deviation
	// longer than the median by themselves, and of the slow ones that do.
	unserved [2]float64
}

// simOp is one operation and its share of an instance's requests.
type simOp struct {
	name           string
	share          float64
	errors, reject float64
	median         float64 // seconds
}

// simInstance serves from one window up to another.
type simInstance struct {
	version, id, node string
	from, to          int
	bias              float64 // factor on failures that stays
}

// simService is one service of the simulated estate.
type simService struct {
	name      string
	ops       []simOp
	rps       float64 // of each instance
	instances []*simInstance
	releases  map[int]unship.Release
}

// simulation makes ticks from a seed.
type simulation struct {
	rng      *rand.Rand
	services []*simService
	windows  int
	cluster  int                       // failures come in clusters of this size
	retells  func(i *simInstance) bool // an instance does not tell of its calls
	metered  bool                      // known by metrics: what a service calls is not told apart
	effects  []func(s *simService, i *simInstance, op string, t int) effect
	load     func(t int) float64
	mix      func(i *simInstance, op string) float64
	policy   rules.Policy
	silent   func(i *simInstance, t int) bool
	tenants  func(i *simInstance, t int) []simTenant
	region   func(i *simInstance) string
	shows    func(v *simService, i *simInstance, t int, w *unship.Window) // adds logs, exceptions, metrics
}

// simTenant is a tenant and its share of an instance's requests.
type simTenant struct {
	name  string
	share float64
}

const (
	simStart = 90 // windows of history before releases
	simNodes = 5
)

var simEpoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newSimulation(seed uint64) *simulation {
	s := &simulation{rng: rand.New(rand.NewPCG(seed, 1)), windows: simStart + 140, policy: rules.Default(unship.ModeAuto)}
	s.policy.Watch = 700 * time.Second
	for k, name := range []string{"cart", "catalog", "checkout", "ledger", "search"} {
		v := &simService{name: name, rps: 6, releases: map[int]unship.Release{}}
		v.ops = []simOp{
			{"GET /" + name, .6, .005, .01, .020},
			{"POST /" + name, .3, .005, .01, .050},
			{"GET /" + name + "/{id}", .1, .01, .01, .010},
		}
		for i := range 4 {
			v.instances = append(v.instances, &simInstance{
				version: "1.0.0", id: fmt.Sprintf("%s-old-%d", name, i), node: fmt.Sprintf("node-%d", (i+k)%simNodes), to: 1 << 30, bias: 1,
			})
		}
		s.services = append(s.services, v)
	}
	return s
}

func (s *simulation) service(name string) *simService {
	for _, v := range s.services {
		if v.name == name {
			return v
		}
	}
	panic("no service " + name)
}

// canary adds n instances of a new version at window t.
func (s *simulation) canary(name string, t, n int) *simService {
	v := s.service(name)
	for i := range n {
		v.instances = append(v.instances, &simInstance{
			version: "1.1.0", id: fmt.Sprintf("%s-new-%d", name, i), node: fmt.Sprintf("node-%d", (i+3)%simNodes), from: t, to: 1 << 30, bias: 1,
		})
	}
	v.announce(t)
	return v
}

func (v *simService) announce(t int) {
	v.releases[t] = unship.Release{
		ReleaseID: unship.ReleaseID{Service: v.id(), Version: "1.1.0"}, Previous: "1.0.0", FirstSeen: simTime(t), LastSeen: simTime(t + 1),
	}
}

// replace swaps one instance of the old version every so many windows.
func (s *simulation) replace(name string, t, every int) *simService {
	v := s.service(name)
	for i, old := range slices.Clone(v.instances) {
		at := t + i*every
		old.to = at
		n := *old
		n.version, n.id, n.from, n.to = "1.1.0", fmt.Sprintf("%s-new-%d", name, i), at, 1<<30
		v.instances = append(v.instances, &n)
	}
	v.announce(t)
	return v
}

func (v *simService) id() unship.Service {
	return unship.Service{Environment: "production", Namespace: "shop", Name: v.name}
}

func simTime(t int) time.Time { return simEpoch.Add(time.Duration(t) * 5 * time.Second) }

// harm gives all requests of a version an effect from a window on.
func (s *simulation) harm(name, version, op string, from int, e effect) {
	s.effects = append(s.effects, func(v *simService, i *simInstance, o string, t int) effect {
		if v.name == name && (version == "" || i.version == version) && (op == "" || op == o) && t >= from {
			return e
		}
		return effect{}
	})
}

// tick makes the tick of window t.
func (s *simulation) tick(t int) (unship.Tick, []unship.Release) {
	k := unship.Tick{Start: simTime(t), End: simTime(t + 1), Closed: simTime(t + 1).Add(10 * time.Second)}
	var releases []unship.Release
	for _, v := range s.services {
		for _, i := range v.instances {
			if t < i.from || t >= i.to || s.silent != nil && s.silent(i, t) {
				continue
			}
			k.Windows = append(k.Windows, s.window(v, i, t))
		}
		if r, ok := v.releases[t]; ok {
			releases = append(releases, r)
		}
	}
	slices.SortFunc(k.Windows, func(a, b unship.Window) int {
		return cmp.Or(a.Release.Compare(b.Release), cmp.Compare(a.Instance.ID, b.Instance.ID))
	})
	return k, releases
}

func (s *simulation) window(v *simService, i *simInstance, t int) unship.Window {
	w := unship.Window{
		Release:  unship.ReleaseID{Service: v.id(), Version: i.version},
		Instance: unship.Instance{ID: i.id, Node: i.node}, Start: simTime(t), Length: 5 * time.Second,
	}
	load := 1.0
	if s.load != nil {
		load = s.load(t)
	}
	for _, o := range v.ops {
		mean := v.rps * 5 * o.share * load
		if s.mix != nil {
			mean *= s.mix(i, o.name)
		}
		if n := s.poisson(mean); n > 0 {
			w.Operations = append(w.Operations, s.operation(v, i, o, n, t))
		}
	}
	slices.SortFunc(w.Operations, func(a, b unship.Operation) int { return cmp.Compare(a.Name, b.Name) })
	if s.shows != nil {
		s.shows(v, i, t, &w)
	}
	return w
}

// operation counts n requests, by tenant where there are tenants.
func (s *simulation) operation(v *simService, i *simInstance, o simOp, n, t int) unship.Operation {
	if s.tenants == nil {
		return s.requests(v, i, o, n, t, "")
	}
	p, left, rest := unship.Operation{Name: o.name}, n, 1.0
	for _, x := range s.tenants(i, t) {
		k := 0
		for range left {
			if s.rng.Float64() < x.share/rest {
				k++
			}
		}
		left, rest = left-k, math.Max(1e-12, rest-x.share)
		if k == 0 {
			continue
		}
		q := s.requests(v, i, o, k, t, x.name)
		q.Slices = []unship.Slice{{
			Key: "tenant.id", Value: x.name, Requests: q.Requests, FailedHere: q.FailedHere, Rejected: q.Rejected,
			Duration: slices.Clone(q.Self),
		}}
		p.Merge(q)
	}
	if s.region != nil {
		p.Slices = append(p.Slices, unship.Slice{
			Key: "cloud.region", Value: s.region(i), Requests: p.Requests, FailedHere: p.FailedHere, Rejected: p.Rejected, Duration: slices.Clone(p.Self),
		})
	}
	return p
}

func (s *simulation) requests(v *simService, i *simInstance, o simOp, n, t int, tenant string) unship.Operation {
	sum := effect{latency: 1}
	for _, f := range s.effects {
		e := f(v, i, o.name, t)
		if e.tenant != "" && e.tenant != tenant {
			continue
		}
		sum.waits, sum.hangs = sum.waits+e.waits, sum.hangs+e.hangs
		sum.unserved[0], sum.unserved[1] = sum.unserved[0]+e.unserved[0], sum.unserved[1]+e.unserved[1]
		sum.errors, sum.rejections, sum.slowShare, sum.twice = sum.errors+e.errors, sum.rejections+e.rejections, sum.slowShare+e.slowShare, sum.twice+e.twice
		if e.latency > 0 {
			sum.latency *= e.latency
		}
	}
	p := unship.Operation{Name: o.name, Requests: uint64(n)}
	failed := s.failures(n, math.Min(1, o.errors*i.bias+sum.errors))
	if s.cluster > 1 { // what an effect adds comes one by one
		failed = min(uint64(n), s.failures(n, o.errors*i.bias)+uint64(s.poisson(float64(n)*sum.errors)))
	}
	p.Failed, p.FailedHere = failed, failed
	p.Rejected = s.failures(n, math.Min(1, o.reject+sum.rejections))
	call := unship.Call{Callee: "postgresql", Requests: uint64(n), Total: uint64(n)}
	call.Twice = s.failures(n, .05+sum.twice)
	middle := math.Log2(o.median*sum.latency) * 16
	var took unship.Histogram
	for range n {
		z := s.rng.NormFloat64()
		x := middle + z*.5/math.Ln2*16
		if sum.slowShare > 0 && s.rng.Float64() < sum.slowShare {
			x += math.Log2(10) * 16
		}
		if sum.hangs > 0 && s.rng.Float64() < sum.hangs {
			x += math.Log2(100) * 16
		}
		took.Add(int16(math.Floor(x)), 1)
		kind := 0
		if z > 1 {
			kind = 1
		}
		if sum.unserved[kind] > 0 && s.rng.Float64() < sum.unserved[kind] {
			call.Failed++
			continue
		}
		p.Self.Add(int16(math.Floor(x)), 1)
	}
	p.Calls = []unship.Call{call}
	for _, b := range took { // what is called takes a tenth of the time, unless an effect says otherwise
		p.Duration.Add(b.Index+int16(math.Round(16*math.Log2(1.1+sum.waits))), b.Count)
	}
	if s.metered {
		p.Self, p.Calls = nil, nil
	}
	if s.retells != nil && s.retells(i) {
		p.Self, p.Calls = slices.Clone(p.Duration), nil
	}
	if failed > 0 {
		p.Exemplars.Add(unship.Exemplar{TraceID: fmt.Sprintf("%s-%s-%d", i.id, o.name, t), Error: "500"})
	}
	return p
}

func (s *simulation) failures(n int, p float64) uint64 {
	size := max(1, s.cluster)
	x := s.poisson(float64(n)*p/float64(size)) * size
	return uint64(min(n, x))
}

func (s *simulation) poisson(mean float64) int {
	if mean > 50 {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*s.rng.NormFloat64())))
	}
	l, k, p := math.Exp(-mean), 0, s.rng.Float64()
	for p > l {
		k++
		p *= s.rng.Float64()
	}
	return k
}

// result is what became of one release.
type result struct {
	last      unship.Judgement
	regressed int // windows after the release; -1: never
	asked     int // likewise, when a person was to be asked at first
	healthy   int // windows until first called healthy
	first     unship.Judgement
	blame     unship.Blame
}

// run plays the simulation and gives what became of each release.
func (s *simulation) run(t *testing.T) map[string]result {
	t.Helper()
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]result{}
	for w := range s.windows {
		k, r := s.tick(w)
		if len(k.Windows) == 0 {
			continue
		}
		a := d.Observe(k, r, rules.Set{s.policy})
		for _, j := range a.Judgements {
			x, ok := out[j.Release.Name]
			if !ok {
				x.regressed, x.asked = -1, -1
			}
			x.last = j
			if j.Asks && x.asked < 0 {
				x.asked = int(k.Start.Sub(simTime(simStart)) / (5 * time.Second))
			}
			if j.Verdict == unship.Regressed && x.regressed < 0 {
				x.regressed, x.first, x.blame = int(k.Start.Sub(simTime(simStart))/(5*time.Second)), j, a.Blame[0]
			}
			if j.Verdict == unship.Healthy && x.healthy == 0 {
				x.healthy = int(k.Start.Sub(simTime(simStart)) / (5 * time.Second))
			}
			out[j.Release.Name] = x
		}
	}
	return out
}

// harmBetween gives a service, or all, an effect for some time.
func (s *simulation) harmBetween(name string, from, to int, e effect) {
	s.effects = append(s.effects, func(v *simService, _ *simInstance, _ string, t int) effect {
		if (name == "" || v.name == name) && t >= from && t < to {
			return e
		}
		return effect{}
	})
}

// harmNode gives all instances on a node an effect.
func (s *simulation) harmNode(node string, from int, e effect) {
	s.effects = append(s.effects, func(_ *simService, i *simInstance, _ string, t int) effect {
		if i.node == node && t >= from {
			return e
		}
		return effect{}
	})
}

// warmUp makes young instances slower by up to a factor, for a minute or so.
func (s *simulation) warmUp(factor float64) {
	s.effects = append(s.effects, func(_ *simService, i *simInstance, _ string, t int) effect {
		if i.from == 0 {
			return effect{}
		}
		return effect{latency: 1 + (factor-1)*math.Exp(-float64(t-i.from)*5/60)}
	})
}

// surge doubles the load, which makes everything slower and fail more.
func (s *simulation) surge(from int) {
	s.load = func(t int) float64 {
		if t >= from {
			return 2
		}
		return 1
	}
	s.harmBetween("", from, 1<<30, effect{latency: 1.5, errors: .01})
}
