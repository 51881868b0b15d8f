package world

import (
	"fmt"
	"math"
	"time"

	"unship.dev"
)

const windowLength = 5 * time.Second

func appName(k int) string { return fmt.Sprintf("app-%d", k) }

// instance is one running copy: what it is like, and what it did in the present window.
type instance struct {
	world *World
	since int // window in which it began

	failures float64 // factor for good
	slower   float64 // in log duration, for good
	cold     float64 // how many times slower it begins, less 1
	ar, lag  drift
	incident [2]int // windows

	window unship.Window
	counts []counts // by operation
	failed int      // in all
	total  int
	hist   histogram
}

// counts is what one operation did in the present window.
type counts struct {
	requests, failed, rejected int
	durations                  histogram
	apps                       []appCounts
}

type appCounts struct{ requests, failed, rejected int }

// histogram counts durations from 2^(lowest/16) s on.
type histogram struct {
	n      [size]uint16
	lo, hi int // of what is not zero; hi < lo: nothing
}

const (
	lowest = -192 // 0.25 ms
	size   = 352  // up to 2^10 s
)

func (h *histogram) reset() {
	if h.hi >= h.lo {
		clear(h.n[h.lo : h.hi+1])
	}
	h.lo, h.hi = size, -1
}

func (h *histogram) add(bucket float64) {
	i := min(max(int(math.Ceil(bucket))-1-lowest, 0), size-1)
	h.n[i]++
	h.lo, h.hi = min(h.lo, i), max(h.hi, i)
}

func (h *histogram) into(out unship.Histogram) unship.Histogram {
	out = out[:0]
	for i := h.lo; i <= h.hi; i++ {
		if h.n[i] > 0 {
			out = append(out, unship.Bucket{Index: int16(i + lowest), Count: uint64(h.n[i])})
		}
	}
	return out
}

func newInstance(w *World, version, id string, since int) *instance {
	i := &instance{world: w, since: since, counts: make([]counts, len(w.ops))}
	i.window.Release = unship.ReleaseID{Service: Service(), Version: version}
	i.window.Instance.ID = id
	i.window.Operations = make([]unship.Operation, len(w.ops))
	for k := range i.counts {
		i.counts[k].apps = make([]appCounts, w.env.Slices)
	}
	if w.env.Cold {
		i.cold = math.Exp(math.Ln2 + .3*w.rng.NormFloat64())
	}
	i.settle()
	return i
}

func (i *instance) settle() {
	w := i.world
	i.failures = lognormal(w.rng, w.env.InstanceSD)
	i.ar, i.lag = drift(w.rng.NormFloat64()), drift(w.rng.NormFloat64())
	if w.env.Disturbed {
		i.slower = .03 * w.rng.NormFloat64()
	}
}

// step draws what the instance does in the present window.
func (i *instance) step(w *World, m moment, candidate bool) {
	i.reset()
	r := w.rng
	if w.env.Incidents > 0 && r.Float64() < w.env.Incidents/(2*Watch) {
		i.incident = [2]int{w.t, w.t + 2 + r.IntN(3)}
	}
	ill := w.t >= i.incident[0] && w.t < i.incident[1]
	i.total = poisson(r, w.env.Requests*m.load)
	i.serve(m, ill, candidate)
	i.fail(m, ill, candidate)
	i.write()
}

func (i *instance) reset() {
	i.total, i.failed = 0, 0
	i.hist.reset()
	for k := range i.counts {
		c := &i.counts[k]
		c.requests, c.failed, c.rejected = 0, 0, 0
		clear(c.apps)
		c.durations.reset()
	}
}

// slowness draws the instance's log factor on durations, and the share of
// requests that a pause makes three times slower.
func (i *instance) slowness(m moment, ill, candidate bool) (log, paused float64) {
	w := i.world
	log = m.slower
	if w.env.Disturbed {
		log += i.slower + .05*i.lag.step(w.rng)
		if w.rng.Float64() < .03 {
			paused = .3
		}
		if ill {
			log += math.Log(5)
		}
	}
	if i.cold > 0 && i.since >= 0 {
		log += math.Log1p(i.cold * math.Exp(-5*float64(w.t-i.since)/60))
	}
	if candidate && w.harms() && w.effect.Slower > 0 {
		log += math.Log(w.effect.Slower)
	}
	return log, paused
}

// harms says that the release's effect has begun.
func (w *World) harms() bool { return w.t >= w.begun+w.effect.After }

// serve draws which operations are asked for, by whom, and how long they take.
func (i *instance) serve(m moment, ill, candidate bool) {
	w, r := i.world, i.world.rng
	log, paused := i.slowness(m, ill, candidate)
	shift, tenfold := log/math.Ln2*buckets, 0.0
	if candidate && w.harms() {
		tenfold = w.effect.Tenfold
	}
	for range i.total {
		k, app := i.pick(candidate)
		c := &i.counts[k]
		c.requests++
		refused := r.Float64() < rejected || m.rubbish && app == 0 && r.Float64() < .6
		if refused {
			c.rejected++
		}
		if app >= 0 {
			c.apps[app].requests++
			if refused {
				c.apps[app].rejected++
			}
		}
		if !w.env.Durations {
			continue
		}
		b := w.ops[k].middle + shift + spread*r.NormFloat64()
		if paused > 0 && r.Float64() < paused {
			b += math.Log2(3) * buckets
		}
		if tenfold > 0 && r.Float64() < tenfold {
			b += math.Log2(10) * buckets
		}
		c.durations.add(b)
		i.hist.add(b)
	}
}

// pick draws the operation and the application of one request; −1 without applications.
func (i *instance) pick(candidate bool) (op, app int) {
	w := i.world
	if len(w.ops) > 1 {
		u := w.rng.Float64()
		for op < len(w.ops)-1 && u >= w.ops[op].reach(candidate) {
			op++
		}
	}
	if len(w.apps) == 0 {
		return op, -1
	}
	return op, w.rng.IntN(len(w.apps))
}

func (o *operation) reach(candidate bool) float64 {
	if candidate {
		return o.mixed
	}
	return o.upTo
}

// fail draws failures: in clusters at the healthy rate, one by one in outages,
// incidents and by the release's effect.
func (i *instance) fail(m moment, ill, candidate bool) {
	w, r := i.world, i.world.rng
	size := math.Max(1, w.env.Cluster)
	rate := w.env.Failures * i.failures * m.failures * i.ar.factor(r, w.env.InstanceAR)
	extra := m.extra
	if ill {
		extra += .3
	}
	if candidate && w.harms() {
		extra += w.effect.Failures
	}
	for k := range i.counts {
		c := &i.counts[k]
		n := float64(c.requests)
		x := poisson(r, n*extra)
		for range poisson(r, n*rate*w.ops[k].failures/size) {
			x += geometric(r, size)
		}
		c.failed = min(x, c.requests)
		i.failed += c.failed
		i.blameApps(c)
	}
}

// blameApps draws which applications' requests failed.
func (i *instance) blameApps(c *counts) {
	left, failed := c.requests, c.failed
	for k := range c.apps {
		a := &c.apps[k]
		if left > 0 {
			x := binomial(i.world.rng, failed, float64(a.requests)/float64(left))
			a.failed = min(max(x, failed-(left-a.requests)), a.requests)
		}
		left, failed = left-a.requests, failed-a.failed
	}
}

// write makes the window of what was drawn, in the memory of the last one.
func (i *instance) write() {
	w := i.world
	i.window.Start, i.window.Length = w.time(w.t), windowLength
	ops := i.window.Operations[:0]
	for k := range i.counts {
		if i.counts[k].requests > 0 {
			ops = ops[:len(ops)+1]
			i.writeOperation(&ops[len(ops)-1], k)
		}
	}
	i.window.Operations = ops
	i.window.Logs, i.window.Exceptions = i.window.Logs[:0], i.window.Exceptions[:0]
	i.say()
}

func (i *instance) writeOperation(p *unship.Operation, k int) {
	c := &i.counts[k]
	n, failed, refused := uint64(c.requests), uint64(c.failed), uint64(c.rejected)
	p.Name = i.world.ops[k].name
	p.Requests, p.Failed, p.FailedHere, p.Rejected = n, failed, failed, refused
	p.Self = c.durations.into(p.Self)
	p.Duration = p.Self
	twice := uint64(binomial(i.world.rng, c.requests, callsTwice))
	p.Calls = append(p.Calls[:0], unship.Call{Callee: "postgresql", Requests: n, Twice: twice, Total: n + twice})
	p.Slices = p.Slices[:0]
	for a, x := range c.apps {
		if x.requests > 0 {
			p.Slices = append(p.Slices, unship.Slice{
				Key: "client.app", Value: appName(a), Requests: uint64(x.requests), FailedHere: uint64(x.failed), Rejected: uint64(x.rejected),
			})
		}
	}
}

// say draws what the instance logs: two patterns that come with no failure, one
// of them in bursts of both versions, and now and then an exception. A release's
// effect is not to be found here, so that delays are those of the requests.
func (i *instance) say() {
	r := i.world.rng
	i.window.Logs, i.window.Exceptions = i.window.Logs[:0], i.window.Exceptions[:0]
	if n := poisson(r, .05); n > 0 {
		i.window.Logs = append(i.window.Logs, unship.LogCount{Severity: 17, Pattern: "cache misses replica <*>", Count: uint64(n)})
	}
	if r.Float64() < i.world.storm {
		i.window.Logs = append(i.window.Logs, unship.LogCount{Severity: 17, Pattern: "retry of <*> took <*>", Count: uint64(geometric(r, 20))})
	}
	if r.Float64() < .02 {
		i.window.Exceptions = append(i.window.Exceptions, unship.Exception{Type: "TimeoutError", Place: "load < serve", Count: 1})
	}
}
