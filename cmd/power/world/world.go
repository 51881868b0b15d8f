package world

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"unship.dev"
)

// World is a service under way. It is not safe for concurrent use; the same
// environment, seed and calls give the same ticks.
type World struct {
	env     Environment
	rng     *rand.Rand
	ops     []operation
	apps    []float64 // cumulative shares
	t       int
	version int // of the latest release
	begun   int // window of the latest release
	effect  Effect

	old, canaries, fresh []*instance
	controls             []*control
	common, own          wander // of the log failure rate, over hours
	shared, slow         drift
	outage               [2]int // windows
	outageLevel          float64
	storm                float64 // probability that an instance logs what comes in bursts
	long                 [2]int  // windows of the long outage
	turn                 int     // window at which surge or rubbish begins
	tick                 unship.Tick
}

// operation is one thing that the service is asked for.
type operation struct {
	name     string
	upTo     float64 // cumulative share of requests
	mixed    float64 // the same for a candidate that is given another mix
	failures float64 // factor on the failure probability
	middle   float64 // log2 of the median in seconds, in buckets
}

const (
	buckets    = 16.0 // for each doubling
	spread     = .6 / math.Ln2 * buckets
	median     = .1 // seconds
	rejected   = .01
	callsTwice = .05
)

// epoch is when all worlds begin.
var epoch = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// New makes a world that has run for no time.
func New(e Environment, seed uint64) *World {
	w := &World{env: e, rng: rand.New(rand.NewPCG(seed, 0x756e73686970)), begun: -1, long: [2]int{-1, -1}, turn: math.MaxInt}
	w.makeOperations()
	for k := range e.Slices {
		w.apps = append(w.apps, float64(k+1)/float64(e.Slices))
	}
	for k := range e.Instances {
		w.old = append(w.old, newInstance(w, "v0", fmt.Sprintf("old-%02d", k), -1<<20))
	}
	for k := range e.Controls {
		w.controls = append(w.controls, newControl(w, k))
	}
	w.Settle()
	return w
}

// makeOperations gives operations of Zipf distributed traffic. Those that
// another mix prefers fail six times as often and take three times as long.
func (w *World) makeOperations() {
	sum, mixed := 0.0, 0.0
	for k := range w.env.Operations {
		share := 1 / float64(k+1)
		o := operation{name: fmt.Sprintf("GET /things/%02d", k), failures: 1, middle: math.Log2(median) * buckets}
		more := share
		if w.env.Mix && k%5 == 4 {
			o.failures, o.middle, more = 6, o.middle+math.Log2(3)*buckets, 6*share
		}
		sum, mixed = sum+share, mixed+more
		o.upTo, o.mixed = sum, mixed
		w.ops = append(w.ops, o)
	}
	for k := range w.ops {
		w.ops[k].upTo /= sum
		w.ops[k].mixed /= mixed
	}
}

// Service is the service that all worlds have.
func Service() unship.Service {
	return unship.Service{Environment: "production", Namespace: "power", Name: "shop"}
}

// Settle draws anew how the old instances differ for good, as after a restart of them all.
func (w *World) Settle() {
	for _, i := range w.old {
		i.settle()
	}
}

// Release starts a new version beside the old one, with as many fresh instances
// of the old one beside it, which no tick tells of. Its effect begins when it says.
func (w *World) Release(e Effect) unship.Release {
	w.Withdraw()
	w.version++
	w.begun, w.effect = w.t, e
	version := fmt.Sprintf("v%d", w.version)
	for k := range w.env.Canaries {
		w.canaries = append(w.canaries, newInstance(w, version, fmt.Sprintf("new-%d-%d", w.version, k), w.t))
		w.fresh = append(w.fresh, newInstance(w, "v0", fmt.Sprintf("fresh-%d-%d", w.version, k), w.t))
	}
	if w.env.LongOutage {
		w.long[0] = w.t + w.rng.IntN(Watch-5*Minute)
		w.long[1] = w.long[0] + 5*Minute
	}
	if w.env.Surge || w.env.Rubbish {
		w.turn = w.t + w.rng.IntN(2*Watch/3)
	}
	at := w.time(w.t)
	r := unship.Release{
		ReleaseID: unship.ReleaseID{Service: Service(), Version: version}, Previous: "v0",
		FirstSeen: at, LastSeen: at, Rollout: unship.RolloutCanary,
	}
	if w.env.Replaced {
		w.replace(version)
		r.Previous, r.Rollout = fmt.Sprintf("v%d", w.version-1), unship.RolloutReplaced
	}
	return r
}

// Withdraw takes the new version away. Where it replaced everything it stays,
// without its effect.
func (w *World) Withdraw() {
	if w.env.Replaced && len(w.canaries) > 0 {
		w.old = w.canaries
	}
	w.canaries, w.fresh, w.effect, w.turn = w.canaries[:0:0], w.fresh[:0:0], Effect{}, math.MaxInt
}

func (w *World) time(t int) time.Time { return epoch.Add(time.Duration(t) * 5 * time.Second) }

// moment is what disturbs all instances alike in one window.
type moment struct {
	failures, slower, load float64 // factors
	extra                  float64 // probability to fail
	rubbish                bool
}

// Step gives the next window. The tick is valid until the next step.
func (w *World) Step() (*unship.Tick, Sample) {
	m := w.moment()
	w.tick = unship.Tick{
		Start: w.time(w.t), End: w.time(w.t + 1), Closed: w.time(w.t + 1).Add(10 * time.Second), Windows: w.tick.Windows[:0],
	}
	var s Sample
	for _, i := range w.canaries {
		i.step(w, m, true)
		s.Canary.add(i)
	}
	for _, i := range w.old {
		i.step(w, m, false)
		s.Baseline.add(i)
	}
	for _, i := range w.fresh {
		i.step(w, m, false)
		s.Fresh.add(i)
	}
	for _, i := range slices.Concat(w.canaries, w.old) {
		if len(i.window.Operations) > 0 {
			w.tick.Windows = append(w.tick.Windows, i.window)
		}
	}
	w.stepControls(m)
	slices.SortFunc(w.tick.Windows, func(a, b unship.Window) int {
		return cmp.Or(a.Release.Compare(b.Release), cmp.Compare(a.Instance.ID, b.Instance.ID))
	})
	w.t++
	return &w.tick, s
}

// moment draws what all instances share in the present window.
func (w *World) moment() moment {
	e, m := &w.env, moment{failures: 1, slower: 0, load: 1}
	m.failures = w.shared.factor(w.rng, e.SharedAR)
	if e.Days {
		m = w.hour(m)
	}
	if e.Outages > 0 && w.rng.Float64() < e.Outages/Watch {
		w.outage = [2]int{w.t, w.t + 2 + w.rng.IntN(10)}
		w.outageLevel = .05 + .25*w.rng.Float64()
	}
	if w.t >= w.outage[0] && w.t < w.outage[1] {
		m.extra += w.outageLevel
	}
	if w.t >= w.long[0] && w.t < w.long[1] {
		m.extra += .1
	}
	if e.Durations { // a day of an hour, and a drift
		m.slower = .3*math.Sin(math.Pi*float64(w.t)/Watch) + .15*w.slow.step(w.rng)
	}
	w.storm = .02
	if w.t%Watch < 2*Minute {
		w.storm = .6
	}
	if w.t >= w.turn {
		m.rubbish = e.Rubbish
		if e.Surge {
			m.load, m.failures, m.slower = 2, 3*m.failures, m.slower+math.Log(1.5)
		}
	}
	return m
}
