package scenario

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"unship.dev/cmd/eval/truth"
)

// builder is what a kind works with: the world drawn from the seed, to which it
// adds releases and effects.
type builder struct {
	*world
	rng      *rand.Rand
	options  Options
	releases []*release
	effects  []effect
	surges   []surge
	outages  []outage // of telemetry

	telemetry telemetry
	idle      float64 // of a core that a process needs for nothing, and a hundred seconds of that when it starts

	fault  string
	guilty *release
	onset  time.Duration
	effect *truth.Effect
	err    error
}

// surge multiplies the traffic for a while.
type surge struct {
	from, until time.Duration
	factor      float64
	app         string // of one application only; empty: of all
}

// outage loses telemetry of a share of the pods, or of those of a release.
type outage struct {
	from, until time.Duration
	share       float64
	of          *release // nil: of all
}

func newBuilder(o Options) *builder {
	rng := rand.New(rand.NewPCG(o.Seed, 0x9e3779b97f4a7c15))
	// The world has a stream of its own: one seed is one world, whatever the kind.
	return &builder{world: newWorld(rand.New(rand.NewPCG(o.Seed, 1)), o.Scale), rng: rng, options: o, fault: "none"}
}

// at is the moment of the release.
func (b *builder) at() time.Duration { return b.options.History }

// length is the length of the recording.
func (b *builder) length() time.Duration { return b.options.History + b.options.After }

// finish prepares what can be prepared once everything is known.
func (b *builder) finish() {
	noise := rand.New(rand.NewPCG(b.options.Seed, 2))
	index := 0
	for _, s := range b.services {
		s.route()
		addNoise(s, b.length(), noise)
		for _, p := range s.pods {
			p.index = index
			index++
		}
	}
}

// busy chooses a service by its traffic: at least rate requests a second at
// scale one, none that is being released, no worker. Without one so busy it
// takes the busiest.
func (b *builder) busy(rate float64) *service {
	return b.choose(rate, func(*service) bool { return true })
}

// behind is busy among the services that other services call.
func (b *builder) behind(rate float64) *service {
	return b.choose(rate, func(s *service) bool { return s.layer > 0 })
}

// caller is busy among the services that call others.
func (b *builder) caller(rate float64) *service {
	return b.choose(rate, func(s *service) bool {
		return slices.ContainsFunc(s.ops, func(op *operation) bool {
			return slices.ContainsFunc(op.calls, func(c call) bool { return !c.queued && c.share > .2 })
		})
	})
}

func (b *builder) choose(rate float64, fits func(*service) bool) *service {
	var busy []*service
	var best *service
	for _, s := range b.services {
		if s.worker || b.released(s) || !fits(s) {
			continue
		}
		if best == nil || s.rate > best.rate {
			best = s
		}
		if s.rate >= rate*b.options.Scale {
			busy = append(busy, s)
		}
	}
	switch {
	case best == nil:
		b.err = fmt.Errorf("no service of %d is left to choose", len(b.services))
		return b.services[0]
	case len(busy) == 0:
		return best
	}
	return busy[b.rng.IntN(len(busy))]
}

func (b *builder) released(s *service) bool {
	return slices.ContainsFunc(b.releases, func(r *release) bool { return r.service == s })
}

// canaryOf puts a canary of a service on enough pods for rate requests a
// second, at most half of the traffic.
func (b *builder) canaryOf(s *service, at time.Duration, rate float64) *release {
	share := min(max(rate*b.options.Scale/s.rate, .15), .5)
	old := len(b.serving(s, at))
	pods := max(2, int(math.Round(share*float64(old))))
	return b.canary(s, at, pods, share)
}

// bystanders releases other services at about the same time; all are good.
func (b *builder) bystanders(count int) {
	for range count {
		s := b.busy(4)
		at := b.at() + time.Duration(b.rng.Float64()*120-60)*time.Second
		switch b.rng.IntN(3) {
		case 0:
			b.canaryOf(s, at, s.rate/b.options.Scale*.3)
		case 1:
			b.rolling(s, at, 15*time.Second)
		default:
			b.replaced(s, at)
		}
	}
}

// blame declares which release is at fault, of what, and since when.
func (b *builder) blame(r *release, fault string, onset time.Duration) {
	b.guilty, b.fault, b.onset = r, fault, onset
}

// add adds an effect.
func (b *builder) add(e effect) { b.effects = append(b.effects, e) }

// extra adds failures of a release and notes them for the bound on the delay.
func (b *builder) extra(r *release, ratio float64) {
	b.add(effect{from: r.at, where: onRelease(r), fail: ratio, exception: "java.lang.IllegalStateException"})
	b.note(r, ratio)
}

// note works out the effect in figures for a release beside its predecessor.
func (b *builder) note(r *release, ratio float64) {
	base, share := b.failures(r.service), r.service.share(r.to, r.at+time.Second)
	b.effect = &truth.Effect{
		Baseline: base, Candidate: base + (1-base)*ratio,
		BaselineRate: r.service.rate * (1 - share), CandidateRate: r.service.rate * share,
	}
}

// failures is the ratio of failures that begin in a service on an ordinary day.
func (b *builder) failures(s *service) float64 {
	sum := 0.0
	for _, op := range s.ops {
		sum += op.failures * op.rate
	}
	return sum / s.rate
}

// needed makes the callers of a service depend on it: no answer of theirs comes
// about without it, and no second attempt hides a failure. Faults that only
// callers can notice would otherwise harm nobody.
func (b *builder) needed(s *service) *service {
	for _, from := range b.services {
		for _, op := range from.ops {
			for i := range op.calls {
				if c := &op.calls[i]; c.to.service == s {
					c.optional, c.retry = false, false
				}
			}
		}
	}
	return s
}

// callee chooses a callee of a service, the one it calls most, not through a queue.
func (b *builder) callee(s *service) *service {
	rates := map[*service]float64{}
	var best *service
	for _, op := range s.ops {
		for _, c := range op.calls {
			if c.queued {
				continue
			}
			rates[c.to.service] += op.rate * c.share
			if best == nil || rates[c.to.service] > rates[best] {
				best = c.to.service
			}
		}
	}
	if best == nil {
		b.err = fmt.Errorf("%s calls nobody; choose a service with caller", s.name)
		return s
	}
	return best
}

// label gives the truth about the scenario.
func (b *builder) label(k Kind) truth.Truth {
	t := truth.Truth{
		Case: fmt.Sprintf("%s-%d", k.Name, b.options.Seed), Fault: b.fault,
		Start: epoch.Add(b.at()), End: epoch.Add(b.length()),
		Expect: k.Expect, Gross: k.Gross, Seed: b.options.Seed, Effect: b.effect,
		HealthyReleases: []string{}, Releases: []truth.Release{},
	}
	for _, r := range b.releases {
		t.Releases = append(t.Releases, truth.Release{
			Service: r.service.name, From: r.from, To: r.to, Time: epoch.Add(r.at), Rollout: r.style,
		})
		if r != b.guilty {
			t.HealthyReleases = append(t.HealthyReleases, r.service.name)
		}
	}
	if b.guilty != nil {
		id := b.guilty.service.name + "@" + b.guilty.to
		t.Service, t.Release, t.Start = &b.guilty.service.name, &id, epoch.Add(b.onset)
	}
	return t
}

// nextVersion raises the minor version.
func nextVersion(v string) string {
	var major, minor, patch int
	if _, err := fmt.Sscanf(v, "%d.%d.%d", &major, &minor, &patch); err != nil {
		return v + ".1"
	}
	return fmt.Sprintf("%d.%d.0", major, minor+1)
}
