package scenario

import (
	"slices"
	"time"
)

// release is one version change of a scenario.
type release struct {
	service   *service
	from, to  string
	at        time.Duration // when the new version begins to serve
	style     string        // as unship.release/v1 names rollouts
	announced bool
	pods      []*pod // that run the new version
}

// canary puts the new version on pods beside the old ones, with a share of
// the traffic.
func (b *builder) canary(s *service, at time.Duration, pods int, share float64) *release {
	r := b.newRelease(s, at, "canary")
	old := b.serving(s, at)
	each := share / (1 - share) * float64(len(old)) / float64(pods)
	for range pods {
		b.start(r, at, each)
	}
	return r
}

// promote lets a canary take over: the old pods go one after the other.
func (b *builder) promote(r *release, at time.Duration) {
	for i, p := range b.serving(r.service, at) {
		if p.version == r.to {
			continue
		}
		t := at + time.Duration(i)*10*time.Second
		p.setWeight(t, 0)
		b.start(r, t-2*time.Second, 1)
	}
}

// rolling replaces one pod after the other.
func (b *builder) rolling(s *service, at, each time.Duration) *release {
	r := b.newRelease(s, at, "rolling")
	for i, p := range b.serving(s, at) {
		t := at + time.Duration(i)*each
		b.start(r, t, 1)
		p.setWeight(t+3*time.Second, 0)
	}
	return r
}

// replaced exchanges all pods at once.
func (b *builder) replaced(s *service, at time.Duration) *release {
	r := b.newRelease(s, at, "replaced")
	for _, p := range b.serving(s, at) {
		p.setWeight(at, 0)
		b.start(r, at, 1)
	}
	return r
}

// blueGreen runs a second set with a trickle of traffic, then switches over.
func (b *builder) blueGreen(s *service, at time.Duration) *release {
	r := b.newRelease(s, at, "blue_green")
	for _, p := range b.serving(s, at) {
		p.setWeight(at+40*time.Second, 0)
		b.start(r, at, .02).setWeight(at+40*time.Second, 1)
	}
	return r
}

// restart exchanges all pods for new ones of the same version, one by one.
func (b *builder) restart(s *service, at time.Duration) {
	for i, p := range b.serving(s, at) {
		t := at + time.Duration(i)*8*time.Second
		p.setWeight(t, 0)
		q := s.newPod(p.version, b.rng)
		q.born, q.warmup = t, .2
		q.setWeight(t, 1)
	}
}

// start adds a pod of the release.
func (b *builder) start(r *release, at time.Duration, share float64) *pod {
	p := r.service.newPod(r.to, b.rng)
	p.born, p.warmup = at, .1+.2*b.rng.Float64()
	p.setWeight(at, share)
	r.pods = append(r.pods, p)
	return p
}

// serving gives the pods that have traffic just before a moment.
func (b *builder) serving(s *service, at time.Duration) []*pod {
	return slices.DeleteFunc(slices.Clone(s.pods), func(p *pod) bool { return p.weightAt(at-1) == 0 })
}

func (b *builder) newRelease(s *service, at time.Duration, style string) *release {
	from := s.version
	for _, r := range b.releases {
		if r.service == s {
			from = r.to
		}
	}
	r := &release{service: s, from: from, to: nextVersion(from), at: at, style: style, announced: b.rng.Float64() < .6}
	b.releases = append(b.releases, r)
	return r
}

// route works out who serves when, once all rollouts are known.
func (s *service) route() {
	var times []time.Duration
	for _, p := range s.pods {
		for _, w := range p.weights {
			times = append(times, w.from)
		}
	}
	slices.Sort(times)
	for _, at := range slices.Compact(times) {
		r := routes{from: at}
		sum := 0.0
		for _, p := range s.pods {
			if w := p.weightAt(at); w > 0 {
				sum += w
				r.pods, r.upTo = append(r.pods, p), append(r.upTo, sum)
			}
		}
		s.routing = append(s.routing, r)
	}
}
