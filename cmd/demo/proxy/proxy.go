package proxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Stats counts what a balancer did itself.
type Stats struct {
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed"`   // answered with an error of the balancer's own
	Repeated uint64 `json:"repeated"` // sent to a server a second time
}

// Proxy is the built-in balancer. A change of weights holds from the next
// request on; what is under way ends where it began.
type Proxy struct {
	transport *http.Transport

	mu    sync.Mutex
	pools map[string]*pool

	requests, failed, repeated atomic.Uint64
}

// pool is what stands behind one service.
type pool struct {
	servers []*backend // sorted by name
}

// backend is one server. Its weight is guarded by Proxy.mu.
type backend struct {
	name, addr string
	weight     int
	busy       atomic.Int64
	forward    *httputil.ReverseProxy
}

// New makes a proxy in front of nothing.
func New() *Proxy {
	return &Proxy{
		transport: &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Hour, DisableCompression: true},
		pools:     map[string]*pool{},
	}
}

// Stats counts what the proxy did so far.
func (p *Proxy) Stats(context.Context) (Stats, error) {
	return Stats{Requests: p.requests.Load(), Failed: p.failed.Load(), Repeated: p.repeated.Load()}, nil
}

// Service is the handler in front of a service.
func (p *Proxy) Service(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		b := p.take(name)
		if b == nil {
			p.failed.Add(1)
			http.Error(w, "no server takes traffic for "+name, http.StatusServiceUnavailable)
			return
		}
		defer b.busy.Add(-1)
		defer p.countBroken(r)
		b.forward.ServeHTTP(w, r)
	})
}

// countBroken counts an answer that broke off in its midst; the forwarding
// handler then panics so that the user's connection breaks too.
func (p *Proxy) countBroken(r *http.Request) {
	if what := recover(); what != nil {
		if r.Context().Err() == nil {
			p.failed.Add(1)
		}
		panic(what)
	}
}

// take picks the server of the next request by chance, and marks it busy in the same moment: a
// drain that sees it idle misses nothing. By turns would not do: two services in a row would
// go round in step, and the canaries of one be called by the canaries of the other only.
func (p *Proxy) take(service string) *backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	pl := p.pools[service]
	if pl == nil {
		return nil
	}
	total := 0
	for _, b := range pl.servers {
		total += b.weight
	}
	if total == 0 {
		return nil
	}
	n := rand.IntN(total)
	for _, b := range pl.servers {
		if n < b.weight {
			b.busy.Add(1)
			return b
		}
		n -= b.weight
	}
	return nil
}

// Add puts a server behind a service.
func (p *Proxy) Add(_ context.Context, service string, s Server) error {
	if s.Name == "" || s.Addr == "" || s.Weight < 0 {
		return fmt.Errorf("add server %q at %q with weight %d: want a name, an address and a weight of 0 or more", s.Name, s.Addr, s.Weight)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pl := p.pools[service]
	if pl == nil {
		pl = &pool{}
		p.pools[service] = pl
	}
	if pl.find(s.Name) != nil {
		return fmt.Errorf("add server %s: %s has it already", s.Name, service)
	}
	pl.servers = append(pl.servers, &backend{name: s.Name, addr: s.Addr, weight: s.Weight, forward: p.forwarder(s.Addr)})
	slices.SortFunc(pl.servers, func(a, b *backend) int { return strings.Compare(a.name, b.name) })
	return nil
}

func (p *Proxy) forwarder(addr string) *httputil.ReverseProxy {
	to := &url.URL{Scheme: "http", Host: addr}
	return &httputil.ReverseProxy{
		Transport: p.transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out = r.Out.WithContext(p.watchRepeats(r.Out.Context()))
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil { // else the user left
				p.failed.Add(1)
			}
			http.Error(w, "proxy: "+err.Error(), http.StatusBadGateway)
		},
	}
}

// watchRepeats counts requests that net/http sends again by itself, because the
// server closed the connection under them.
func (p *Proxy) watchRepeats(ctx context.Context) context.Context {
	tries := 0
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() {
		if tries++; tries > 1 {
			p.repeated.Add(1)
		}
	}})
}

// Servers lists what stands behind a service, sorted by name.
func (p *Proxy) Servers(_ context.Context, service string) ([]Server, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pl := p.pools[service]
	if pl == nil {
		return nil, fmt.Errorf("list servers: nothing stands behind %q", service)
	}
	out := make([]Server, len(pl.servers))
	for i, b := range pl.servers {
		out[i] = Server{Name: b.name, Addr: b.addr, Weight: b.weight, Busy: int(b.busy.Load())}
	}
	return out, nil
}

// SetWeights changes weights, all in one moment. It refuses to leave a service without traffic.
func (p *Proxy) SetWeights(_ context.Context, service string, weights []Weight) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	pl := p.pools[service]
	if pl == nil {
		return fmt.Errorf("set weights: nothing stands behind %q", service)
	}
	after := map[*backend]int{}
	for _, w := range weights {
		b := pl.find(w.Server)
		if b == nil || w.Weight < 0 {
			return fmt.Errorf("set weights of %s: server %q with weight %d: no such server, or a weight below 0", service, w.Server, w.Weight)
		}
		after[b] = w.Weight
	}
	total := 0
	for _, b := range pl.servers {
		if w, changed := after[b]; changed {
			total += w
		} else {
			total += b.weight
		}
	}
	if total == 0 {
		return errors.New("set weights of " + service + ": nobody would take its traffic")
	}
	for b, w := range after {
		b.weight = w
	}
	return nil
}

func (pl *pool) find(name string) *backend {
	i := slices.IndexFunc(pl.servers, func(b *backend) bool { return b.name == name })
	if i < 0 {
		return nil
	}
	return pl.servers[i]
}
