package detect

import (
	"fmt"
	"math"

	"unship.dev"
	"unship.dev/detect/stat"
)

// Rules of throughput where nothing old is left to compare with.
const (
	flowMixSD    = .3 // drift of the log odds of an operation
	flowTotalSD  = .5 // drift of the log of all requests, beside other services
	flowSettle   = 24 // windows in which instances come and go, and nothing is made of silence
	flowControls = 2  // services that must tell what traffic does, for all requests to be judged
)

// flow is the evidence that fewer requests are served since a release replaced
// everything: of one operation beside the service's other ones, or of all
// beside those that other services serve. Clients come and go by themselves, so
// a fall is for people to judge and never acts alone.
//
// Null hypothesis: since the release the odds of the operation, or the service's
// part of the traffic, are as they were but for a drift of their log with
// deviation sd, for shifts at another moment ([stat.ShiftRelease]), and for what is
// served by another name now.
type flow struct {
	unit int // −1: all requests
	sd   float64
}

// addFlows gives the service and each of its operations a stream.
func (p *past) addFlows(sig *signal, ops []share, h history) {
	if len(p.w.controls) >= flowControls {
		p.addFlow(&shiftStream{signal: sig, weight: sig.weight / 2, flow: &flow{unit: -1, sd: flowTotalSD}}, h)
	}
	all := 0.0
	for _, u := range ops {
		all += u.requests
	}
	kept := ops[:0:0]
	for _, u := range ops[:min(len(ops), beforeSingle)] {
		if u.requests >= minCalls && u.requests >= mixShare*all {
			kept = append(kept, u)
		}
	}
	if len(ops) < 2 {
		return
	}
	for k, part := range spread(kept) {
		p.addFlow(&shiftStream{signal: sig, units: []int{kept[k].unit}, weight: sig.weight / 2 * part, flow: &flow{unit: kept[k].unit, sd: flowMixSD}}, h)
	}
}

// addFlow learns the odds before the release, and how much they scatter.
func (p *past) addFlow(s *shiftStream, h history) {
	x, n := p.flowBefore(s.flow, h)
	for k := range x {
		s.pre.x, s.pre.n = s.pre.x+x[k], s.pre.n+n[k]
	}
	if s.pre.x < minCalls || s.pre.n < minCalls {
		return
	}
	rate := s.pre.x / s.pre.n
	s.rates, s.single = []float64{rate}, true
	s.opt = stat.ShiftOptions{PreX: x, PreN: make([]float64, len(n)), Fall: true, Grid: stat.Grid(2, 300, 8)}
	for k := range n {
		s.opt.PreN[k] = n[k] * rate
	}
	// The exposure is counted, too: its variance adds to that of the count.
	s.opt.Phi = math.Max(beforePhi*(1+rate), stat.Scatter(s.opt.PreX, s.opt.PreN))
	s.shift = stat.NewShift(s.opt)
	p.streams = append(p.streams, s)
}

// flowBefore gives, by window, the requests of a flow before the release, and
// those that they are seen beside.
func (p *past) flowBefore(f *flow, h history) (x, n []float64) {
	x, n = make([]float64, h.to-h.from), make([]float64, h.to-h.from)
	if f.unit < 0 {
		p.w.svc.loadBy(h, x)
		for _, c := range p.w.controls {
			c.svc.loadBy(h, n)
		}
		return x, n
	}
	for _, i := range p.w.svc.instances {
		if i.version == p.w.release.Version {
			continue
		}
		for u := range i.units {
			to := n
			if u == f.unit {
				to = x
			}
			for k := range i.units[u] {
				if c := &i.units[u][k]; p.w.svc.units[u].callee == "" && c.at >= h.from && c.at < h.to {
					to[c.at-h.from] += float64(c.n)
				}
			}
		}
	}
	return x, n
}

// loadBy adds a service's requests by window.
func (s *service) loadBy(h history, to []float64) {
	for _, l := range s.load {
		if l.at >= h.from && l.at < h.to {
			to[l.at-h.from] += float64(l.n)
		}
	}
}

// flowAt is the same in window t since the release.
func (p *past) flowAt(f *flow, t int32, out map[*instance]bool) (x, n float64) {
	if f.unit >= 0 {
		for _, i := range p.w.svc.instances {
			if i.version == p.w.release.Version && !out[i] {
				own := float64(i.requestsOf(f.unit, t)) + p.renamed(i, t)
				x, n = x+own, n+float64(i.served(p.w.svc, t))-own
			}
		}
		return x, n
	}
	if t < p.w.begin+flowSettle {
		return 0, 0
	}
	var a, b [1]float64
	p.w.svc.loadBy(history{t, t + 1}, a[:])
	for _, c := range p.w.controls {
		c.svc.loadBy(history{t, t + 1}, b[:])
	}
	asked := p.w.svc.askedAt(t) // a call that ended well was served, whether the service told of it or not
	return math.Max(a[0], float64(asked.calls)-asked.lost), b[0]
}

// renamed counts what an instance served well of operations that were not served
// before the release: it may be what an operation that is gone is called now.
func (p *past) renamed(i *instance, t int32) (n float64) {
	for u, x := range p.w.svc.units {
		if x.callee != "" || p.served[u] {
			continue
		}
		if c := i.at(u, t); c != nil {
			n += float64(c.n - min(c.n, c.y[countFailed]+c.y[countRejected]))
		}
	}
	return n
}

// tally is the operation's part of the service's requests, or what is served of
// the requests that are expected, beside what was before.
func (f *flow) tally(s *shiftStream) tally {
	if f.unit < 0 {
		return tally{xc: math.Min(s.post.x, s.want), nc: s.want, xb: s.want, nb: s.want}
	}
	n := s.post.x + s.post.n
	return tally{xc: s.post.x, nc: n, xb: n * s.want / math.Max(1e-12, s.want+s.post.n), nb: n}
}

// sayFlow puts a finding about throughput after a replacement into words.
func (w *watch) sayFlow(f *unship.Finding) string {
	if f.Operation == "" {
		return fmt.Sprintf("%s serves %s of the requests expected by its past and by what other services serve; %d expected",
			w.release.Service, percent(f.Candidate), f.Samples.Candidate)
	}
	return fmt.Sprintf("%s of the requests to %s are %s, %s before the release; %d requests seen",
		percent(f.Candidate), w.release.Service, f.Operation, percent(f.Baseline), f.Samples.Candidate)
}
