package detect

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"unship.dev"
	"unship.dev/detect/blame"
	"unship.dev/detect/stat"
)

const (
	// showsAbove is the probability that a fault which its caller sees is seen by that one's caller, too.
	showsAbove = .5
	// atNeighbours is the probability that a bad release shows at its neighbours only.
	atNeighbours = blame.PriorNeighbour / (blame.PriorRelease + blame.PriorNeighbour)
	// rankedAlong is for how many times the length of its watch a release is ranked, and maxEnded bounds those whose watch is over.
	rankedAlong = 2
	maxEnded    = 64
)

// candidate is a release that may be the cause.
type candidate struct {
	svc   *service
	watch *watch // nil: announced, never seen; or its watch is over
	begin int32
	until int32   // of one whose watch is over: how long it is ranked; 0 of others
	fits  float64 // log likelihood ratio of all that was seen, were it the cause
	unship.Standing
}

// Rank orders the releases of each environment that are watched, or were
// announced and not seen, by what speaks for each of them, if one is the cause.
func (d *Detector) Rank() (out []unship.Ranking) {
	by := map[string][]*candidate{}
	for _, c := range d.candidates() {
		env := c.svc.id.Environment
		by[env] = append(by[env], c)
	}
	for env, all := range by {
		x := d.scene(env)
		fits := make([]float64, len(all))
		for k, c := range all {
			if c.until == 0 {
				d.weigh(x, c)
			}
			fits[k] = c.fits
		}
		r := unship.Ranking{Schema: unship.RankingSchema, Environment: env, At: d.time(d.now + 1)}
		total := stat.LogSumExp(fits)
		for _, c := range all {
			c.Share = math.Exp(c.fits - total)
			r.Releases = append(r.Releases, c.Standing)
		}
		slices.SortStableFunc(r.Releases, func(a, b unship.Standing) int { return -cmp.Compare(a.Share, b.Share) })
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b unship.Ranking) int { return strings.Compare(a.Environment, b.Environment) })
	return out
}

// rankBlame tells each environment's blame how its releases stand.
func (d *Detector) rankBlame(blames []unship.Blame) {
	for _, r := range d.Rank() {
		for k := range blames {
			if blames[k].Environment == r.Environment {
				blames[k].Ranking = r.Releases
			}
		}
	}
}

// retire keeps what spoke for a release when its watch ended.
func (d *Detector) retire(w *watch) {
	d.ended = slices.DeleteFunc(d.ended, func(c *candidate) bool { return c.until <= d.now })
	if w.release.IsRollback() || w.dismissed || d.services[w.release.Service] == nil {
		return
	}
	c := d.candidate(w.release, d.announced(w))
	c.watch = w
	d.weigh(d.scene(w.release.Environment), c)
	c.watch, c.until = nil, w.begin+rankedAlong*(w.until-w.begin)
	d.ended = append(d.ended[max(0, len(d.ended)+1-maxEnded):], c)
}

func (d *Detector) candidate(r unship.Release, begin int32) *candidate {
	c := &candidate{svc: d.services[r.Service], begin: begin}
	c.Standing = unship.Standing{
		Namespace: r.Namespace, Service: r.Name, Version: r.Version, Previous: r.Previous, Since: d.time(begin),
	}
	return c
}

// candidates are the releases under watch, sorted, then those that were only
// announced, then those whose watch ended not long ago.
func (d *Detector) candidates() (out []*candidate) {
	for _, w := range d.watches {
		if !w.release.IsRollback() && !w.dismissed && d.services[w.release.Service] != nil {
			c := d.candidate(w.release, d.announced(w))
			c.watch = w
			out = append(out, c)
		}
	}
	rumours := slices.Clone(d.rumours)
	slices.SortFunc(rumours, func(a, b rumour) int { return a.release.Compare(b.release) })
	for _, r := range rumours {
		if d.services[r.release.Service] != nil {
			c := d.candidate(unship.Release{ReleaseID: r.release}, r.begin)
			c.Unseen = true
			out = append(out, c)
		}
	}
	for _, c := range d.ended {
		if c.until > d.now {
			again := *c
			out = append(out, &again)
		}
	}
	return out
}

// announced is when a release began by what was said of it, or to serve: what
// comes in by the minute shows it late.
func (d *Detector) announced(w *watch) int32 {
	a := w.release.Announcement
	if a == nil {
		return w.begin
	}
	said := int32(a.At.Sub(d.epoch)/d.opt.Window) + 1
	return max(1, min(w.begin, max(said, w.begin-maxPointWindows)))
}

// weigh says how well everything that was seen fits a release being the cause.
// Its own comparison tells with the probability that what is bad about a
// release shows at itself; what is not seen cannot speak for innocence. A fault
// may show at whoever calls it, the less surely the more calls lie between.
func (d *Detector) weigh(x *scene, c *candidate) {
	var why []string
	if c.watch != nil {
		e := d.evidenceFor(c.watch)
		own := c.watch.ownEvidence(x, e.LogE)
		if c.watch.past != nil { // what would speak for those that it calls speaks for itself no less
			own = byItself(math.Max(own, x.site(c.svc, c.begin, d.now)))
		}
		c.fits = stat.LogAdd(math.Log(atNeighbours), math.Log(1-atNeighbours)+own)
		switch {
		case len(e.Reasons) > 0:
			why = append(why, e.Reasons[0])
		case own >= showFindings:
			why = append(why, "what it shows of itself is worse than before it, or beside it")
		case len(e.Against) > 0:
			why = append(why, e.Against[0])
		}
	} else {
		c.fits = d.missing(c)
		why = append(why, "it was announced, and nothing of it was seen since")
	}
	above, depth := x.above(c.svc)
	if c.watch == nil {
		above = append([]*service{c.svc}, above...)
	}
	for _, s := range above {
		e := byItself(x.site(s, c.begin, d.now))
		p := math.Pow(showsAbove, float64(max(1, depth[s])))
		if s.apart { // what it fails by itself is hardly what it calls
			p = atNeighbours * math.Pow(showsAbove, float64(max(1, depth[s])-1))
		}
		c.fits += stat.LogAdd(math.Log1p(-p), math.Log(p)+e)
		if e >= showFindings {
			why = append(why, fmt.Sprintf("%s, %s, got worse since", s.id, relationTo(depth[s])))
		}
	}
	if len(why) == 0 {
		why = append(why, "nothing that was seen speaks for it")
	}
	c.Why = strings.Join(why[:min(len(why), 3)], "; ")
}

// byItself is the log evidence that a service got worse with a release, where it may have
// done so by itself, too: 1/[(1−p)/e + p].
func byItself(logE float64) float64 {
	return -stat.LogAdd(math.Log1p(-blame.PriorExogenous)-logE, math.Log(blame.PriorExogenous))
}

// missing is the log Bayes factor of nothing being seen of a release. How often
// that is so of good ones is learnt from the others that were announced, and of
// bad ones, of which nobody knows, half (both by the prior of Krichevsky and
// Trofimov 1981). It tells nothing until the slowest of the others would be there.
func (d *Detector) missing(c *candidate) float64 {
	came, late, slowest := 0.0, 0.0, int32(lateRelease)
	for _, w := range d.watches {
		if w.release.Announcement != nil && w.release.Environment == c.svc.id.Environment {
			came++
			slowest = max(slowest, w.begin-d.announced(w))
		}
	}
	for _, r := range d.rumours {
		if r.release.Environment == c.svc.id.Environment && (r.release.Service != c.svc.id || r.begin != c.begin) {
			late++
		}
	}
	if d.now-c.begin <= slowest {
		return 0
	}
	return math.Log(.5) - math.Log((late+.5)/(came+late+1))
}

func relationTo(depth int) string {
	switch depth {
	case 0:
		return "whose release it is"
	case 1:
		return "which calls it"
	}
	return "which calls it through others"
}

// ownEvidence is the log evidence of what the release itself did, for or
// against it. The evidence that is acted on hardly speaks against a release,
// however much was seen, for changes too small to matter cannot be refuted; so
// of it only what is beyond 1 counts, which nothing wrong gives. Against it speak
// points that are no worse, and harm that is ruled out.
func (w *watch) ownEvidence(x *scene, logE float64) float64 {
	kinds := []float64{min(0, logE)}
	if points, ok := x.pointsOf(w); ok {
		kinds[0] = points
	}
	if slower, ok := w.slower(); ok {
		kinds = append(kinds, slower)
	}
	if events, ok := w.svc.eventsSince(w.begin, w.next-1, func(i *instance) bool { return i.version == w.release.Version }); ok {
		kinds = append(kinds, events)
	}
	own := meanLog(kinds)
	if w.conc != nil && w.past == nil {
		own -= w.conc.ruledOut()
	}
	if logE > 0 {
		own = stat.LogAdd(own, logE+math.Log(-math.Expm1(-logE)))
	}
	return own
}

// slower is the log evidence that requests take longer than before, where
// everything was replaced: the mean over operations and two limits. Nothing is
// granted to starting instances, for all releases start; false without durations.
func (w *watch) slower() (logE float64, ok bool) {
	var all []float64
	for u := range w.shown {
		took := w.shown[u].candidate
		if w.past == nil || u >= len(w.svc.units) || w.svc.units[u].kind() != ofRequests || took.Total() == 0 {
			continue
		}
		var before block
		for _, b := range w.svc.units[u].lat.blocks {
			if b.at+b.len <= w.begin {
				before.merge(b.h)
			}
		}
		for _, q := range pointQuantiles {
			limit, known := before.quantile(q)
			if known < minDurations {
				continue
			}
			slow, _ := before.above(limit)
			s := stat.NewShift(stat.ShiftOptions{PreX: []float64{slow}, PreN: []float64{known}, Phi: beforePhi})
			s.Add(float64(took.Above(limit)), float64(took.Total()), usualDrift(countP90))
			all = append(all, s.LogA())
		}
	}
	return meanLog(all), len(all) > 0
}

// quantile gives a block's quantile and how many durations it holds.
func (b *block) quantile(q float64) (index int16, all float64) {
	_, all = b.above(0)
	seen := 0.0
	for _, x := range b.h {
		if seen += float64(x.n); seen >= q*all {
			return x.index, all
		}
	}
	return 0, all
}

// ruledOut is the log evidence that harm of each kind that is looked at is ruled out.
func (c *comparison) ruledOut() float64 {
	least := math.Inf(1)
	for _, h := range c.harmless {
		if h != nil {
			least = min(least, h.logE())
		}
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return max(0, least)
}
