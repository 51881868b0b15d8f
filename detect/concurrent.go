package detect

import (
	"math"
	"sort"

	"unship.dev/detect/stat"
)

// cohorts tells which instances are compared with which.
type cohorts struct {
	candidate, baseline string
	without             map[*instance]bool // left out of both
}

// side gives the cohort of an instance: 1 candidate, 2 baseline, 0 neither.
func (c *cohorts) side(i *instance) int {
	switch {
	case c.without[i]:
		return 0
	case i.version == c.candidate:
		return 1
	case i.version == c.baseline:
		return 2
	}
	return 0
}

// tally sums a table over windows, as counted.
type tally struct{ xc, nc, xb, nb float64 }

// stream is the evidence of one signal in some units with one common effect.
//
// Where requests carry attributes, their mix may differ between the versions,
// and one that fails more then shifts every total. The null hypothesis is
// therefore that the release is no worse when requests are divided by any one
// of these attributes: it is refuted only if every division refutes it. The
// least of e-processes is one for the union of their nulls.
type stream struct {
	signal    *signal
	units     []int
	near      []neighbour // of what neighbours see; nil of what the instances do
	sight     sight       // of the same
	loss      *loss       // of lost calls
	rise      *loss       // that more calls are lost, whoever they were meant for: enough to ask, not to judge
	mix       *mix        // of an operation's share of the traffic
	points    *pointLook  // of points that something else has summed up
	slice     string      // "key=value" of the only requests that count
	level     *level      // of a metric that it is about; nil: none, and divisions are its evidence
	event     int         // index of the event that it is about and 1; 0: none
	milder    int         // the same said with less severity and 1, which counts as well; 0: none
	from      int32       // its first window, where that is not the comparison's
	single    bool        // one operation or slice by itself
	weight    float64
	opt       stat.ProcessOptions
	divisions []*division
	outcomes  *outcomes // attributes by which requests are not to be divided; nil: none
}

// division is a stream's e-process over the requests divided in one way.
type division struct {
	strata []stratum // nil of what neighbours see
	key    string    // the attribute by which requests are divided; "": none
	crude  bool      // not divided, in place of what divides by an outcome
	place  string    // of events: the attribute that tells instances apart by which they are divided; "": none
	opt    stat.ProcessOptions
	proc   *stat.Process
	totals []tally      // by stratum, windows with both cohorts only
	crowd  []stat.Crowd // by instance, in window at; nil of one stratum
	at     int32
	bad    []crowded // in the windows before, that may yet be of a block
}

func newDivision(strata []stratum, o stat.ProcessOptions) *division {
	return &division{strata: strata, opt: o, proc: stat.NewProcess(o), totals: make([]tally, len(strata))}
}

// weakest is the division that says least: the stream's evidence.
func (s *stream) weakest() *division {
	return s.least(func(d *division) bool { return s.outcomes.counts(s.divisions, d) })
}

// least is the division that says least of those that are wanted.
func (s *stream) least(wanted func(*division) bool) (least *division) {
	for _, d := range s.divisions {
		if wanted(d) && (least == nil || d.proc.LogE() < least.proc.LogE()) {
			least = d
		}
	}
	return least
}

// undivided says that a stream's evidence stands only because some attribute is taken
// for an outcome: divided by it, or beside another make-up, it would not.
func (c *comparison) undivided(s *stream) bool {
	if guarded, _ := s.guard(); guarded && s.near == nil && s.loss == nil && s.mix == nil && s.event == 0 && s.points == nil {
		return c.outcomes.any()
	}
	most := s.least(func(d *division) bool { return !d.crude })
	return s.outcomes != nil && c.outcomes.any() && math.Log(s.weight)+most.proc.LogE() < showFindings
}

func (s *stream) logE() float64 {
	if s.level != nil {
		return s.level.logE
	}
	if s.rise != nil {
		return s.rise.evidence()
	}
	if s.loss != nil {
		return s.loss.judges(s.weakest().proc.LogE())
	}
	return s.weakest().proc.LogE()
}

// comparison compares two versions of a service in the same moments.
type comparison struct {
	svc       *service
	sides     cohorts
	start     int32          // the first window
	skipped   map[int32]bool // windows of a telemetry outage
	blinded   map[int32]bool // windows in which what the service calls cannot be told
	patience  int32          // most windows of a block
	kc, kb    int
	places    []string // attributes that tell instances apart
	meetings  []meeting
	streams   []*stream
	witnesses []*stream // those of them that neighbours feed
	mixes     []*stream // those of them that are about throughput
	points    []*stream // those of them that are about points
	sources   []*source // in the order in which they are read
	events    *eventTest
	levels    *levelTest
	balance   balance
	outcomes  *outcomes
	harmless  [clearings]*clearing
}

// clearing is a test that a signal did not get worse, by each division of its stream.
type clearing struct {
	stream *stream
	procs  []*stat.Harmless
}

// logE is what the division that says least says.
func (c *clearing) logE() float64 {
	least := math.Inf(1)
	for k, p := range c.procs {
		if c.stream.outcomes.counts(c.stream.divisions, c.stream.divisions[k]) {
			least = math.Min(least, p.LogE())
		}
	}
	return least
}

// step takes in window t.
func (c *comparison) step(t int32) {
	for _, s := range c.streams {
		for _, d := range s.divisions {
			d.part(c, t)
		}
	}
	for _, x := range c.sources {
		x.read(c, t)
	}
	for _, x := range c.sources {
		for k := 0; x.frame.both && k < len(x.slots); k++ {
			if !c.blinded[t] || !x.slots[k].signal.ofOwnCalls() {
				c.feed(&x.slots[k], &x.frame)
			}
		}
	}
	c.balance.read(c, t)
	if c.sides.without == nil {
		c.outcomes.judge(&c.balance)
	}
	if len(c.witnesses) > 0 && !c.svc.starting(c.sides.candidate, t) {
		for _, s := range c.witnesses {
			if s.loss != nil {
				c.miss(s, t)
			}
			c.hear(s, t)
		}
	}
	c.stepMixes(t)
	c.stepPoints(t)
	if c.events != nil {
		c.showing(t)
	}
	if c.levels != nil {
		c.levels.step(t)
	}
	for _, s := range c.streams {
		for _, d := range s.divisions {
			if t >= s.from {
				d.proc.Close()
			}
		}
	}
	for _, h := range c.harmless {
		if h != nil {
			for _, p := range h.procs {
				p.Close()
			}
		}
	}
}

func (t *tally) merge(o tally) {
	t.xc, t.nc, t.xb, t.nb = t.xc+o.xc, t.nc+o.nc, t.xb+o.xb, t.nb+o.nb
}

// evidence is the log e-value of the release, to judge it and to ask about it: the
// weighted average of its streams' e-values. To judge, those that may only ask are e = 1.
func (c *comparison) evidence() (judge, ask float64) {
	judging, asking, kept, rest := make([]float64, 0, len(c.streams)+1), []float64(nil), 0.0, 1.0
	for _, s := range c.streams {
		rest -= s.weight
		if s.rise != nil {
			asking, kept = append(asking, s.share()), kept+s.weight
		} else {
			judging = append(judging, s.share())
		}
	}
	rest = math.Max(rest, 1e-9)
	judge = stat.LogSumExp(append(judging, math.Log(rest+kept)))
	return judge, stat.LogSumExp(append(append(asking, judging...), math.Log(rest)))
}

// partly is the log e-value of the release by those streams of what may judge it that are wanted;
// the others count as e = 1.
func (c *comparison) partly(wanted func(*stream) bool) float64 {
	terms, rest := []float64(nil), 1.0
	for _, s := range c.streams {
		if s.rise == nil && wanted(s) {
			terms, rest = append(terms, s.share()), rest-s.weight
		}
	}
	return stat.LogSumExp(append(terms, math.Log(math.Max(rest, 1e-9))))
}

// strongest gives the streams that carry the evidence, strongest first.
func (c *comparison) strongest(n int) []*stream {
	s := append([]*stream(nil), c.streams...)
	sort.SliceStable(s, func(i, j int) bool { return s[i].share() > s[j].share() })
	return s[:min(n, len(s))]
}

// share is the stream's part of the release's evidence, as a logarithm.
func (s *stream) share() float64 { return math.Log(s.weight) + s.logE() }

// Streams that are computed anew when instances are left out. The others only
// add, so what is found is a lower bound. Where instances are left out one by one
// the strongest have to do. Those on a bad node are left out once, and by all
// streams: the strongest then are what the node does, not what is left.
const (
	carriers = 8
	everyone = math.MaxInt
)

// without gives the evidence up to window t as if some instances had not been
// there, to judge and to ask: a lower bound, from so many of the streams that carry the
// evidence.
func (c *comparison) without(out map[*instance]bool, t int32, streams int) (judge, ask float64) {
	again := comparison{svc: c.svc, sides: c.sides, start: c.start, patience: c.patience, places: c.places, outcomes: c.outcomes, blinded: c.blinded}
	again.sides.without = out
	if c.levels != nil {
		again.levels = c.levels.without(out)
	}
	if c.events != nil {
		again.events = &eventTest{window: c.events.window}
	}
	kc, kb := c.kc, c.kb
	for i := range out {
		switch c.sides.side(i) {
		case 1:
			kc--
		case 2:
			kb--
		}
	}
	terms, asking := []float64(nil), math.Inf(-1)
	for _, s := range c.strongest(streams) {
		if s.loss != nil && !c.someoneElse(out, t) {
			continue
		}
		if s.rise != nil {
			asking = s.share()
			continue
		}
		if s.near != nil || s.loss != nil {
			terms = append(terms, s.share()) // neighbours do not tell instances apart
			continue
		}
		again.repeat(s, kc, kb)
	}
	for w := max(c.start, t-maxKept); w <= t; w++ {
		if !c.skipped[w] {
			again.step(w)
		}
	}
	for _, s := range again.streams {
		terms = append(terms, s.share())
	}
	judge = stat.LogSumExp(terms)
	return judge, stat.LogAdd(judge, asking)
}

// repeat gives the comparison a stream of another one that has seen nothing yet,
// for so many instances.
func (c *comparison) repeat(s *stream, kc, kb int) {
	if s.mix != nil {
		c.addMix(s.anewMix())
		return
	}
	if s.level != nil {
		c.addLevelStream(c.levels.again(s.level))
		return
	}
	x := *s
	x.divisions = nil
	for _, d := range s.divisions {
		o := d.opt
		o.InstancesC, o.InstancesB = max(1, kc), max(1, kb)
		x.divisions = append(x.divisions, &division{strata: d.strata, place: d.place, key: d.key, crude: d.crude, opt: o, proc: stat.NewProcess(o), totals: make([]tally, len(d.totals))})
	}
	if s.event > 0 {
		c.addEvent(&x)
		return
	}
	if s.points != nil {
		x.opt = x.divisions[0].opt
		c.addPointStream(&x)
		return
	}
	c.add(&x)
}

// add gives a stream a place at every source that feeds it.
func (c *comparison) add(s *stream) {
	c.streams = append(c.streams, s)
	guarded, key := s.guard()
	for _, d := range s.divisions {
		for k := range d.strata {
			src := c.source(&d.strata[k])
			src.slots = append(src.slots, slot{division: d, signal: s.signal, stratum: k, guarded: guarded, key: key, ownTime: s.signal.ownTime()})
		}
	}
}

func (c *comparison) source(st *stratum) *source {
	for _, x := range c.sources {
		if x.stratum.equal(st) {
			return x
		}
	}
	c.sources = append(c.sources, &source{stratum: *st})
	return c.sources[len(c.sources)-1]
}
