package scenario

import (
	"math"
	"math/rand/v2"
	"time"
)

// simulation lets requests arrive and follows each through the services.
type simulation struct {
	*world
	effects []effect
	surges  []surge
	rng     *rand.Rand
	out     *exporter
	trace   [16]byte // of the request at hand
	app     string
	tenant  string
}

// reply is what a caller gets.
type reply struct {
	end     time.Duration
	status  int // of HTTP; 0: no answer
	misread bool
}

func (r reply) ok() bool        { return r.status > 0 && r.status < 400 }
func (r reply) retryable() bool { return r.status == 0 || r.status >= 500 }

// run simulates all requests until the end of the recording.
func (s *simulation) run(end time.Duration) error {
	for at := time.Duration(0); ; {
		at += time.Duration(s.rng.ExpFloat64() / s.rateAt(at) * float64(time.Second))
		if at >= end {
			return s.out.drain()
		}
		if err := s.out.flush(at); err != nil {
			return err
		}
		s.request(at)
	}
}

// rateAt is the rate at the entry.
func (s *simulation) rateAt(at time.Duration) float64 {
	rate := s.rate * s.drift(at)
	for _, x := range s.surges {
		if x.from <= at && at < x.until {
			share := 1.0
			if x.app != "" {
				share = s.appShare(x.app)
			}
			rate *= 1 + (x.factor-1)*share
		}
	}
	return rate
}

func (s *simulation) appShare(app string) float64 {
	var its, all float64
	for i, a := range s.apps {
		w := 1 / float64(i+1)
		all += w
		if a == app {
			its += w
		}
	}
	return its / all
}

func (s *simulation) request(at time.Duration) {
	s.app, s.tenant = s.pickApp(at), s.pickTenant()
	for i := range 2 {
		x := s.rng.Uint64()
		for j := range 8 {
			s.trace[8*i+j] = byte(x >> (8 * j))
		}
	}
	s.serve(s.pickEntry(), at, nil, [8]byte{})
}

func (s *simulation) pickApp(at time.Duration) string {
	weights, sum := make([]float64, len(s.apps)), 0.0
	for i, app := range s.apps {
		w := 1 / float64(i+1)
		for _, x := range s.surges {
			if x.app == app && x.from <= at && at < x.until {
				w *= x.factor
			}
		}
		sum += w
		weights[i] = w
	}
	x := s.rng.Float64() * sum
	for i, w := range weights {
		if x -= w; x < 0 {
			return s.apps[i]
		}
	}
	return s.apps[0]
}

func (s *simulation) pickTenant() string {
	sum := 0.0
	for i := range s.tenants {
		sum += 1 / float64(i+1)
	}
	x := s.rng.Float64() * sum
	for i, tenant := range s.tenants {
		if x -= 1 / float64(i+1); x < 0 {
			return tenant
		}
	}
	return s.tenants[0]
}

func (s *simulation) pickEntry() *operation {
	ops := s.services[0].ops
	x := s.rng.Float64()
	for _, op := range ops {
		if x -= op.weight; x < 0 {
			return op
		}
	}
	return ops[0]
}

// serve lets a service answer one request, whoever sent it.
func (s *simulation) serve(op *operation, at time.Duration, caller *pod, parent [8]byte) reply {
	p := op.service.pick(op, s.tenant, at, s.rng)
	if p == nil {
		return reply{end: at + time.Millisecond}
	}
	v := visit{op: op, pod: p, caller: caller, at: at, app: s.app, tenant: s.tenant}
	f := s.fate(v)
	if f.silent {
		return reply{end: at + 2*time.Millisecond}
	}
	h := handling{visit: v, id: s.newID(), parent: parent, status: 200}
	self := s.lognormal(op.median*f.slow, op.sigma)
	switch s.outcome(p, f) {
	case refused:
		h.status, h.end = 400, at+part(self, .3)
	case failedEarly:
		h.fail(f.exception)
		h.end = at + part(self, .5)
	case failedLate:
		s.work(&h, f, at, self)
		h.fail(f.exception)
	default:
		s.work(&h, f, at, self)
		h.misread = s.rng.Float64() < f.misread
		if f.caught > 0 && s.rng.Float64() < f.caught {
			h.caught = "java.io.UncheckedIOException"
		}
	}
	h.chatter, h.cpu = f.chatter, self.Seconds()*f.work/f.slow
	s.out.server(&h, s)
	return reply{end: h.end, status: h.status, misread: h.misread}
}

// handling is a request in the hands of one pod.
type handling struct {
	visit
	id, parent [8]byte
	end        time.Duration
	status     int
	exception  string // the failure began here
	caught     string // an exception that does not show in the answer
	misread    bool
	chatter    string
	cpu        float64 // seconds
}

func (h *handling) fail(exception string) {
	h.status, h.exception = 500, exception
	if exception == "" {
		h.exception = "java.net.SocketTimeoutException"
	}
}

type outcome int

const (
	answered outcome = iota
	refused
	failedEarly
	failedLate
)

// outcome decides what becomes of a request. Everyday failures come in
// clusters; those of an effect are independent of each other.
func (s *simulation) outcome(p *pod, f fate) outcome {
	early := s.rng.Float64() < .5
	failed := s.rng.Float64() < f.fail || s.clustered(p, f.usual)
	switch {
	case s.rng.Float64() < f.reject:
		return refused
	case failed && early:
		return failedEarly
	case failed:
		return failedLate
	}
	return answered
}

// clustered says whether a request falls to the everyday failures of a pod. A
// cluster begins so often that the ratio over all requests is as wanted.
func (s *simulation) clustered(p *pod, ratio float64) bool {
	if p.pending > 0 {
		p.pending--
		return true
	}
	if ratio <= 0 || s.rng.Float64() >= 1/(clusterMean/min(ratio, 1)-clusterMean+1) {
		return false
	}
	for s.rng.Float64() > 1.0/clusterMean {
		p.pending++
	}
	return true
}

// work does a request's own work and its calls.
func (s *simulation) work(h *handling, f fate, at time.Duration, self time.Duration) {
	now := at + part(self, .4)
	if now = s.query(h, f, now); h.op.parallel {
		now = s.callTogether(h, f, now)
	} else {
		now = s.callInTurn(h, f, now)
	}
	h.end = now + part(self, .6)
}

func (s *simulation) query(h *handling, f fate, now time.Duration) time.Duration {
	count := h.op.queries
	if f.repeat > 1 && len(h.op.calls) == 0 {
		count = max(count, 1) * f.repeat
	}
	for range count {
		end := now + s.lognormal(.0015, .5)
		s.out.query(h, s, now, end)
		now = end + 50*time.Microsecond
	}
	return now
}

func (s *simulation) callInTurn(h *handling, f fate, now time.Duration) time.Duration {
	for i := range h.op.calls {
		if s.rng.Float64() >= h.op.calls[i].share {
			continue
		}
		for range f.repeat {
			now = s.call(h, &h.op.calls[i], now) + 100*time.Microsecond
		}
		if h.status >= 400 {
			return now
		}
	}
	return now
}

func (s *simulation) callTogether(h *handling, f fate, now time.Duration) time.Duration {
	last := now
	for i := range h.op.calls {
		if s.rng.Float64() < h.op.calls[i].share {
			for range f.repeat {
				last = max(last, s.call(h, &h.op.calls[i], now))
			}
		}
	}
	return last
}

// call makes one call, again if it may be repeated, and lets its failure spread
// to the caller where it cannot do without.
func (s *simulation) call(h *handling, c *call, now time.Duration) time.Duration {
	if c.queued {
		return s.publish(h, c, now)
	}
	r := s.send(h, c.to, now, 0)
	if r.retryable() && c.retry {
		r = s.send(h, c.to, r.end+30*time.Millisecond, 1)
	}
	switch {
	case r.ok() && r.misread && !c.optional:
		h.fail("com.fasterxml.jackson.databind.JsonMappingException")
	case r.ok() || c.optional:
	case r.retryable():
		h.status = 500
	default:
		h.status = max(h.status, r.status)
	}
	return r.end
}

// send is one attempt of a call, as its client sees it.
func (s *simulation) send(h *handling, to *operation, now time.Duration, resend int) reply {
	id := s.newID()
	network := s.lognormal(.0005, .4)
	r := s.serve(to, now+network, h.pod, id)
	r.end += network
	late := r.end-now > timeout
	if late {
		r = reply{end: now + timeout}
	}
	s.out.client(h, s, clientCall{id: id, to: to, at: now, reply: r, late: late, resend: resend})
	return r
}

// publish puts a message into the queue; a worker takes it later.
func (s *simulation) publish(h *handling, c *call, now time.Duration) time.Duration {
	id := s.newID()
	end := now + s.lognormal(.001, .3)
	s.out.producer(h, s, clientCall{id: id, to: c.to, at: now, reply: reply{end: end, status: 200}})
	s.serve(c.to, end+s.lognormal(.05, .5), h.pod, id)
	return end
}

func (s *simulation) lognormal(median, sigma float64) time.Duration {
	return time.Duration(median * math.Exp(sigma*s.rng.NormFloat64()) * float64(time.Second))
}

func (s *simulation) newID() (id [8]byte) {
	x := s.rng.Uint64() | 1 // never zero
	for i := range id {
		id[i] = byte(x >> (8 * i))
	}
	return id
}

func part(d time.Duration, share float64) time.Duration { return time.Duration(float64(d) * share) }
