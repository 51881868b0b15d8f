package scenario

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

var layerNames = [][]string{
	{"storefront"},
	{"catalog", "cart", "checkout", "account", "search"},
	{"pricing", "inventory", "payment", "shipping", "recommendation", "ledger"},
	{"tax", "fraud", "currency", "address", "image", "loyalty", "audit"},
}

var (
	routeNames = []string{"", "/{id}", "/{id}/items", "/summary", "/quote"}
	methods    = []string{"GET", "POST", "GET", "GET", "POST"}
	databases  = []string{"postgresql", "mysql", "redis"}
	runtimes   = []string{"java", "go", "nodejs", "python"}
	appNames   = []string{"web", "ios", "android", "partner-alpha", "partner-beta", "partner-gamma", "partner-delta", "partner-epsilon"}
	nodeCount  = 6

	tenantNames = []string{"tenant-a", "tenant-b", "tenant-c", "tenant-d", "tenant-e"}
)

// newWorld draws the services of a recording, their calls and their pods.
func newWorld(rng *rand.Rand, scale float64) *world {
	w := &world{apps: appNames, tenants: tenantNames, phase: rng.Float64() * 2 * math.Pi}
	layers := drawLayers(w, rng)
	for i := 0; i+1 < len(layers); i++ {
		connect(layers[i], layers[i+1], rng)
	}
	addWorker(w, layers, rng)
	w.rate = 1
	w.spread()
	w.rate = scale * min(max(serverRate/w.load(), 55), 90)
	w.spread()
	for _, s := range w.services {
		addPods(s, rng)
	}
	return w
}

// drawLayers draws 7 to 15 services in four layers.
func drawLayers(w *world, rng *rand.Rand) [][]*service {
	sizes := []int{1, 2 + rng.IntN(3), 2 + rng.IntN(4), 1 + rng.IntN(6)}
	layers := make([][]*service, len(sizes))
	for layer, size := range sizes {
		names := layerNames[layer]
		for _, i := range rng.Perm(len(names))[:size] {
			s := newService(names[i], layer, rng)
			layers[layer] = append(layers[layer], s)
			w.services = append(w.services, s)
		}
	}
	return layers
}

func newService(name string, layer int, rng *rand.Rand) *service {
	s := &service{
		name: name, layer: layer,
		grpc:    layer > 0 && rng.Float64() < .3,
		runtime: runtimes[rng.IntN(len(runtimes))],
		version: fmt.Sprintf("1.%d.%d", rng.IntN(30), rng.IntN(5)),
	}
	if layer > 0 && rng.Float64() < .5 {
		s.database = databases[rng.IntN(len(databases))]
	}
	count := 2 + rng.IntN(2)
	if layer == 0 {
		count = 5
	}
	for i := range count {
		s.ops = append(s.ops, newOperation(s, i, rng))
	}
	if layer == 0 {
		weighEntries(s.ops)
	}
	return s
}

func newOperation(s *service, i int, rng *rand.Rand) *operation {
	medians := []float64{.003, .008, .014, .010}
	op := &operation{
		service: s, method: methods[i],
		median:    medians[s.layer] * math.Exp(.5*rng.NormFloat64()),
		sigma:     .4 + .3*rng.Float64(),
		failures:  .004 * math.Exp(.6*rng.NormFloat64()) / float64(1+s.layer),
		rejection: .003 * math.Exp(.6*rng.NormFloat64()),
		parallel:  rng.Float64() < .3,
	}
	op.route = "/" + s.name + routeNames[i]
	if s.grpc {
		op.method, op.route = "shop."+s.name, []string{"Get", "Place", "List", "Summarize", "Quote"}[i]
	}
	if s.database != "" && rng.Float64() < .8 {
		op.queries = 1 + rng.IntN(2)
	}
	return op
}

// weighEntries gives the entry's operations falling shares of the traffic.
func weighEntries(ops []*operation) {
	sum := 0.0
	for i := range ops {
		sum += 1 / float64(i+1)
	}
	for i, op := range ops {
		op.weight = 1 / float64(i+1) / sum
	}
}

// connect draws the calls from one layer to the next. The first callee is a
// busy one, so that there is always a service behind the entry with traffic
// enough for a canary.
func connect(callers, callees []*service, rng *rand.Rand) {
	for _, from := range callers {
		for _, op := range from.ops {
			if callers[0].layer == 0 {
				op.add(pickOperation(callees[0], rng), .85+.1*rng.Float64(), rng)
			}
			for range 1 + rng.IntN(2) {
				op.add(pickOperation(callees[rng.IntN(len(callees))], rng), .3+.4*rng.Float64(), rng)
			}
		}
	}
	for _, to := range callees {
		for _, op := range to.ops {
			if !called(op, callers) {
				from := callers[rng.IntN(len(callers))]
				pickOperation(from, rng).add(op, .3+.3*rng.Float64(), rng)
			}
		}
	}
}

func (op *operation) add(to *operation, share float64, rng *rand.Rand) {
	for _, c := range op.calls {
		if c.to == to {
			return
		}
	}
	op.calls = append(op.calls, call{to: to, share: share, retry: rng.Float64() < .25, optional: rng.Float64() < .2})
}

func pickOperation(s *service, rng *rand.Rand) *operation { return s.ops[rng.IntN(len(s.ops))] }

func called(op *operation, callers []*service) bool {
	for _, from := range callers {
		for _, o := range from.ops {
			for _, c := range o.calls {
				if c.to == op {
					return true
				}
			}
		}
	}
	return false
}

// addWorker adds a service that is reached through a queue only.
func addWorker(w *world, layers [][]*service, rng *rand.Rand) {
	s := &service{name: "mailer", layer: 3, worker: true, runtime: runtimes[rng.IntN(len(runtimes))], version: "2.0.1"}
	op := &operation{service: s, method: "process", route: "mails", median: .02, sigma: .5, failures: .002}
	s.ops = []*operation{op}
	w.services = append(w.services, s)
	from := layers[1][rng.IntN(len(layers[1]))]
	from.ops[1].calls = append(from.ops[1].calls, call{to: op, share: .5, queued: true})
}

// addPods gives a service the pods that serve when the recording begins.
func addPods(s *service, rng *rand.Rand) {
	for range 4 + rng.IntN(5) {
		p := s.newPod(s.version, rng)
		p.born = -time.Hour
		p.setWeight(-time.Hour, 1)
	}
}

// newPod adds a pod that does not serve yet.
func (s *service) newPod(version string, rng *rand.Rand) *pod {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	suffix := make([]byte, 5)
	for i := range suffix {
		suffix[i] = letters[rng.IntN(len(letters))]
	}
	hash := uint32(2166136261)
	for _, c := range []byte(s.name + version) {
		hash = (hash ^ uint32(c)) * 16777619
	}
	p := &pod{
		service: s, version: version,
		name: fmt.Sprintf("%s-%08x-%s", s.name, hash, suffix),
		node: fmt.Sprintf("node-%d", 1+rng.IntN(nodeCount)),
	}
	p.meter = newMeter(rng)
	s.pods = append(s.pods, p)
	return p
}
