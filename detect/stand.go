package detect

import (
	"maps"
	"slices"
)

// stand gives a copy of a service with those instances that are kept: a service
// of the same name and past, which shares nothing that either changes.
func (s *service) stand(kept func(*instance) bool) *service {
	c := *s
	c.stands, c.watches, c.controls, c.taught = true, nil, nil, nil
	c.unitOf, c.instOf, c.calls = maps.Clone(s.unitOf), map[instanceKey]*instance{}, maps.Clone(s.calls)
	c.sliceOf, c.eventOf, c.metricOf = maps.Clone(s.sliceOf), maps.Clone(s.eventOf), maps.Clone(s.metricOf)
	c.units, c.slices, c.events, c.metrics = copies(s.units), copies(s.slices), copies(s.events), copies(s.metrics)
	for _, u := range c.units {
		if u.lat != nil {
			u.lat = u.lat.clone()
		}
	}
	c.callers, c.demands, c.answers, c.names = s.callers.clone(), relations{}, relations{}, nil
	c.load, c.warmups = slices.Clone(s.load), slices.Clone(s.warmups)
	c.instances = nil
	for _, i := range s.instances {
		if kept(i) {
			c.admit(i.clone())
		}
	}
	return &c
}

// admit adds an instance that is not known yet.
func (s *service) admit(i *instance) {
	s.instOf[instanceKey{i.version, i.ID}] = i
	at, _ := slices.BinarySearchFunc(s.instances, i, compareInstances)
	s.instances = slices.Insert(s.instances, at, i)
}

// copies gives copies of what a list points to.
func copies[T any](in []*T) []*T {
	out := make([]*T, len(in))
	for k, x := range in {
		c := *x
		out[k] = &c
	}
	return out
}

func (i *instance) clone() *instance {
	c := *i
	c.units, c.slices = make([]series, len(i.units)), make([]series, len(i.slices))
	for k := range i.units {
		c.units[k] = slices.Clone(i.units[k])
	}
	for k := range i.slices {
		c.slices[k] = slices.Clone(i.slices[k])
	}
	c.heard, c.events, c.metrics = slices.Clone(i.heard), slices.Clone(i.events), slices.Clone(i.metrics)
	for k := range c.events {
		c.events[k] = slices.Clone(c.events[k])
	}
	for k := range c.metrics {
		c.metrics[k].blocks, c.metrics[k].points = slices.Clone(c.metrics[k].blocks), slices.Clone(c.metrics[k].points)
	}
	if i.warming != nil {
		w := *i.warming
		c.warming = &w
	}
	return &c
}

func (l *latency) clone() *latency {
	c := *l
	c.past.weight, c.window, c.blocks = slices.Clone(l.past.weight), slices.Clone(l.window), slices.Clone(l.blocks)
	c.young = nil
	for k := range c.blocks {
		c.blocks[k].h = slices.Clone(c.blocks[k].h)
	}
	return &c
}

func (r relations) clone() relations {
	c := maps.Clone(r)
	for k, x := range c {
		y := relation{parts: slices.Clone(x.parts)}
		for i := range y.parts {
			y.parts[i].cells = slices.Clone(y.parts[i].cells)
		}
		c[k] = &y
	}
	return c
}
