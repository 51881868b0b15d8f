package world

import (
	"fmt"
	"math"
)

// control is a service that is not released.
type control struct {
	instances []*instance
	own       wander
}

// Controls are smaller than the service that is released.
const controlInstances = 3

func newControl(w *World, k int) *control {
	c := &control{}
	for j := range controlInstances {
		i := newInstance(w, "v0", fmt.Sprintf("control-%d-%d", k, j), -1<<20)
		i.window.Release.Service.Name = fmt.Sprintf("other-%d", k)
		c.instances = append(c.instances, i)
	}
	return c
}

// stepControls lets the controls serve, each with a drift of its own, through
// what all services share.
func (w *World) stepControls(m moment) {
	if len(w.controls) == 0 {
		return
	}
	m.failures /= w.own.now()
	if !w.env.Shared {
		m.extra = 0
	}
	for _, c := range w.controls {
		x := m
		x.failures *= c.own.step(w, ownHours, ownSD)
		for _, i := range c.instances {
			i.step(w, x, false)
			if len(i.window.Operations) > 0 {
				w.tick.Windows = append(w.tick.Windows, i.window)
			}
		}
	}
}

// replace puts as many instances of a new version in the place of all old ones.
func (w *World) replace(version string) {
	w.canaries, w.fresh = w.canaries[:0:0], w.fresh[:0:0]
	for k := range w.env.Instances {
		w.canaries = append(w.canaries, newInstance(w, version, fmt.Sprintf("new-%d-%d", w.version, k), w.t))
	}
	w.old = nil
}

// What changes over hours: load and failures by the hour of the day, 1.5 times
// from its least to its most; the failures of all services together, and of each
// by itself.
const (
	daily       = 1.5
	hour        = 60 * Minute
	commonHours = 2
	commonSD    = .25
	ownHours    = 1
	ownSD       = .1
)

// hour gives a moment what the hour brings.
func (w *World) hour(m moment) moment {
	f := math.Pow(daily, .5*math.Sin(2*math.Pi*float64(w.t)/(24*hour)))
	m.load *= f
	m.failures *= f * w.common.step(w, commonHours, commonSD) * w.own.step(w, ownHours, ownSD)
	return m
}

// wander is an autoregressive process of first order with a correlation time of hours.
type wander struct {
	x     float64
	begun bool
	level float64
}

// step gives the next mean-corrected factor of a log rate of deviation sd.
func (v *wander) step(w *World, hours, sd float64) float64 {
	keep := math.Exp(-1 / (hours * hour))
	if !v.begun {
		v.x, v.begun = w.rng.NormFloat64(), true
	} else {
		v.x = keep*v.x + math.Sqrt(1-keep*keep)*w.rng.NormFloat64()
	}
	v.level = math.Exp(sd*v.x - sd*sd/2)
	return v.level
}

// now is the factor of the present window, 1 before the first.
func (v *wander) now() float64 {
	if !v.begun {
		return 1
	}
	return v.level
}
