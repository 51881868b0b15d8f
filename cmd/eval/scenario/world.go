package scenario

import (
	"math"
	"math/rand/v2"
	"time"
)

// epoch is when every recording begins: a Monday morning.
var epoch = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

const (
	environment = "production"
	namespace   = "shop"
	serverRate  = 350.0           // server spans a second that a world of scale 1 aims at
	timeout     = 4 * time.Second // how long a caller waits for an answer
)

// world is the services, who calls whom, and the traffic at the entry.
type world struct {
	services []*service // callers before callees; the first is the entry
	apps     []string   // the applications of third parties, by weight
	tenants  []string   // on whose behalf requests are made, by weight
	rate     float64    // requests a second at the entry
	phase    float64    // of the daily drift, in radians
}

type service struct {
	name     string
	layer    int
	grpc     bool
	worker   bool // consumes from a queue
	database string
	runtime  string
	version  string // that serves when the recording begins
	ops      []*operation
	pods     []*pod
	routing  []routes // by time
	rate     float64  // requests a second
}

// operation is one thing that a service can be asked to do.
type operation struct {
	service   *service
	method    string
	route     string
	calls     []call
	queries   int     // statements sent to the database
	parallel  bool    // calls at the same time
	median    float64 // of the time spent here, in seconds
	sigma     float64 // of its logarithm
	failures  float64 // ratio on an ordinary day
	rejection float64 // ratio of requests refused as the caller's mistake
	weight    float64 // share of the entry's traffic
	rate      float64 // requests a second
}

// call is an edge of the call graph.
type call struct {
	to       *operation
	share    float64 // of the caller's requests
	retry    bool    // once more after a failure
	optional bool    // the caller answers without it
	queued   bool    // through a queue: nobody waits for the answer
}

// pod is one running copy of a version.
type pod struct {
	service *service
	name    string
	node    string
	version string
	born    time.Duration
	weights []weight // by time
	bias    map[*operation]float64
	favours string // a tenant of which it gets three times the usual share
	meter   meter
	warmup  float64 // extra latency of a new pod, at birth
	noise   podNoise
	pending int // failures that still follow from the last one: failures cluster
	index   int
	batches []*batch
}

type weight struct {
	from  time.Duration
	share float64
}

func (p *pod) weightAt(at time.Duration) float64 {
	share := 0.0
	for _, w := range p.weights {
		if w.from > at {
			break
		}
		share = w.share
	}
	return share
}

// setWeight changes the pod's share from a moment on.
func (p *pod) setWeight(from time.Duration, share float64) {
	p.weights = append(p.weights, weight{from, share})
}

// routes is who serves a service from a moment on.
type routes struct {
	from time.Duration
	pods []*pod
	upTo []float64 // cumulative weights
}

// pick chooses a pod for a request; nil if nobody serves.
func (s *service) pick(op *operation, tenant string, at time.Duration, rng *rand.Rand) *pod {
	r := s.routesAt(at)
	if r == nil || len(r.pods) == 0 {
		return nil
	}
	for {
		p := r.pods[len(r.pods)-1]
		x := rng.Float64() * r.upTo[len(r.upTo)-1]
		for i, upTo := range r.upTo {
			if x < upTo {
				p = r.pods[i]
				break
			}
		}
		if (p.bias == nil || rng.Float64() < p.bias[op]) && (p.favours == "" || p.favours == tenant || rng.Float64() < 1./3) {
			return p
		}
	}
}

func (s *service) routesAt(at time.Duration) *routes {
	for i := len(s.routing) - 1; i >= 0; i-- {
		if s.routing[i].from <= at {
			return &s.routing[i]
		}
	}
	return nil
}

// share is the part of the service's traffic that a version has at a moment.
func (s *service) share(version string, at time.Duration) float64 {
	var its, all float64
	for _, p := range s.pods {
		w := p.weightAt(at)
		all += w
		if p.version == version {
			its += w
		}
	}
	if all == 0 {
		return 0
	}
	return its / all
}

// spread works out the rate of every operation from the entry's.
func (w *world) spread() {
	for _, s := range w.services {
		s.rate = 0
		for _, op := range s.ops {
			op.rate = w.rate * op.weight
		}
	}
	for _, s := range w.services { // callers come first
		for _, op := range s.ops {
			s.rate += op.rate
			for _, c := range op.calls {
				c.to.rate += op.rate * c.share
			}
		}
	}
}

// load is the sum of all services' rates.
func (w *world) load() (sum float64) {
	for _, s := range w.services {
		sum += s.rate
	}
	return sum
}

// drift is the slow change of traffic through the day.
func (w *world) drift(at time.Duration) float64 {
	return 1 + .12*math.Sin(w.phase+2*math.Pi*at.Hours())
}
