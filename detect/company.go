package detect

import (
	"fmt"
	"math"
	"slices"

	"unship.dev"
	"unship.dev/detect/blame"
	"unship.dev/detect/stat"
)

// A comparison in the same moments holds whatever else is broken, if chance alone decides with
// whom else a version has to do. It does not where calls keep to new versions all along their
// way: routed by a header, or by balancers in a row that go round in step. Then what one new
// version does is seen at the others, too. What follows tells whose it is. What a release passes
// on is owed to one below it that is worse itself. What it fails at by itself may be owed to
// one that calls it or answers it, as far as that one's versions tell bad requests from good ones as
// well as its own do. And once a guilty release serves no more, whoever kept it company is
// compared anew.

// Rules of what may be owed to another release.
const (
	keepsTo = 1.25                                      // times as large a part of the candidate's calls as of the baseline's is with the other's new version
	rarer   = blame.PriorNeighbour / blame.PriorRelease // is a release bad in a way that shows at its neighbours only
)

// passedOn says that a stream is of what may come from further on: failures with a failed
// call, whole times, what is recorded, answers that callers cannot use.
func (s *stream) passedOn() bool {
	return s.event > 0 || s.signal.kind == unship.SignalInclusiveError || s.signal.kind == unship.SignalCallerError || s.signal.unit == ofWhole
}

// byItself says that a stream is of what the release's instances do by themselves.
func (s *stream) byItself() bool {
	return !s.passedOn() && s.near == nil && s.loss == nil && s.rise == nil && s.mix == nil && s.level == nil && s.points == nil
}

// refuses says that a stream is of requests that the instances fail or refuse by themselves.
func (s *stream) refuses() bool {
	return s.byItself() && (s.signal.kind == unship.SignalErrorRatio || s.signal.kind == unship.SignalRejectionRatio)
}

// withGuests adds to the releases under watch those that were judged guilty and whose watch is over, though
// they served while one of the others was compared already: they may yet be what is wrong there.
func (d *Detector) withGuests(watches []*watch) []*watch {
	all := watches
	for _, g := range d.guilty {
		same := func(w *watch) bool { return w.release.ReleaseID == g.release.ReleaseID }
		if g.condemned() && !slices.ContainsFunc(watches, same) && slices.ContainsFunc(watches, g.servedDuring) {
			all = append(all[:len(all):len(all)], g)
		}
	}
	if len(all) > len(watches) {
		slices.SortFunc(all, compareWatches)
	}
	return all
}

// condemned says that a release was judged guilty, and that nobody who knows better said otherwise.
func (w *watch) condemned() bool { return w.verdict == unship.Regressed && !w.dismissed }

// servedDuring says that a release served while another one of the same environment was compared.
func (w *watch) servedDuring(o *watch) bool {
	since := o.begin
	if o.beside() {
		since = o.conc.start
	}
	return o != w && !o.release.IsRollback() && o.release.Environment == w.release.Environment && o.svc.id != w.svc.id && w.there() >= since
}

// beside says that a release is compared in the same moments.
func (w *watch) beside() bool { return w.past == nil && w.conc != nil }

// there is the last window in which the release may have done harm: the present one, unless it
// was taken back. That it serves nothing does not say that it is gone; it may have crashed.
func (w *watch) there() int32 {
	if w.final == nil || w.closing == "" {
		return math.MaxInt32
	}
	return w.ended
}

// keepCompany weighs the evidence of releases of one environment, in place, by what they may owe to each other.
func (d *Detector) keepCompany(all []*watch, of []blame.Evidence) {
	most := slices.Repeat([]float64{math.Inf(-1)}, len(all)) // that each explains of another one's
	for k, w := range all {
		if w.final != nil {
			continue
		}
		w.owes = ""
		failures, claims := d.claims(w, all)
		for j, claim := range claims {
			claim += math.Log(rarer)
			most[j] = math.Max(most[j], claim)
			if claim > failures {
				w.owes = fmt.Sprintf("bad requests go with %s, whichever version of %s serves", all[j].release, w.release.Service)
			}
		}
		own := of[k].Own()
		of[k].Alone, of[k].Unjudged = w.unowed(own, failures, claims), d.unjudged(w, all, own)
		w.aloneE = math.Max(of[k].Alone, of[k].Unjudged)
	}
	further := below{d, all, of, map[int]int{}}
	for k, w := range all {
		if o := further.cause(k); o >= 0 {
			rest := further.rest(k)
			of[k].LogE, of[k].Asks = math.Min(of[k].LogE, rest), math.Min(of[k].Asks, rest)
			if w.owes == "" {
				w.owes = fmt.Sprintf("what is worse may come from %s, which it calls", all[o].release)
			}
		}
	}
	for k := range of {
		of[k].LogE = math.Max(of[k].LogE, most[k])
	}
}

// claims gives the log evidence that the release fails or refuses requests by itself, and how much
// of that each of the others explains, −∞ of those that explain nothing; nil where there is
// little evidence.
func (d *Detector) claims(w *watch, all []*watch) (failures float64, claims []float64) {
	if !w.beside() || w.askE < showFindings {
		return 0, nil
	}
	if failures = w.conc.partly((*stream).refuses); failures < showFindings {
		return failures, nil
	}
	claims = make([]float64, len(all))
	for j, o := range all {
		claims[j] = d.claim(w, o, failures)
	}
	return failures, claims
}

// unowed is how much of the evidence against a release no other one can have brought about:
// what its instances do by themselves, as far as its company does not explain it.
func (w *watch) unowed(logE, failures float64, claims []float64) float64 {
	if !w.beside() || !w.svc.apart || logE < showFindings {
		return 0
	}
	own := failures
	for _, claim := range claims {
		own = math.Min(own, failures-claim)
	}
	return math.Min(logE, math.Max(own, w.conc.partly(func(s *stream) bool { return s.byItself() && !s.refuses() })))
}

// unjudged is how much of it none that is judged already can have brought about.
func (d *Detector) unjudged(w *watch, all []*watch, logE float64) float64 {
	judged := func(g *watch) bool { return g.condemned() && g.servedDuring(w) }
	switch {
	case w.past != nil && (!w.svc.apart || d.driven(w)):
		return math.Min(w.frozen, logE) // from when the old version still served
	case w.past != nil: // the releases of its neighbours are in its evidence
		return logE
	case slices.ContainsFunc(all, judged):
		return 0
	}
	return logE
}

// below tells which releases are worse by what those that they call do.
type below struct {
	d     *Detector
	all   []*watch
	of    []blame.Evidence
	found map[int]int // by release: that which explains it, -1: none
}

// rest is the evidence against a release without what it may pass on.
func (b *below) rest(k int) float64 {
	return b.all[k].conc.partly(func(s *stream) bool { return !s.passedOn() })
}

// cause gives the release that explains what release k passes on, -1 if none does: one that it calls, directly
// or not, and that is worse even without what it passes on itself, if a further one explains that.
func (b *below) cause(k int) int {
	if o, known := b.found[k]; known {
		return o
	}
	b.found[k] = -1 // where calls go in circles
	w := b.all[k]
	if !w.beside() || w.final != nil || b.of[k].Own() < showFindings {
		return -1
	}
	reached := b.d.reach(w.svc)
	for o, x := range b.all {
		if o == k || !reached[x.svc] || !x.servedDuring(w) {
			continue
		}
		logE := b.of[o].Own()
		if b.cause(o) >= 0 {
			logE = b.rest(o)
		}
		if logE >= showFindings {
			b.found[k] = o
			break
		}
	}
	return b.found[k]
}

// reach gives the services that a service calls, directly or not, as far as spans tell.
func (d *Detector) reach(s *service) map[*service]bool {
	out, next := map[*service]bool{}, []*service{s}
	for len(next) > 0 {
		x := next[len(next)-1]
		next = next[:len(next)-1]
		for k := range x.answers { // a set: the order does not matter
			if o := d.services[k.other]; o != nil && !out[o] {
				out[o] = true
				next = append(next, o)
			}
		}
	}
	return out
}

// claim is the log evidence that another release explains the failures of w, for which there is evidence
// logE: of the part of them that has to do with it, by as much more or less as its versions tell the
// bad requests from the good ones better than those of w do; −∞ where the versions of w have the
// same company, so that it explains nothing.
func (d *Detector) claim(w, o *watch, logE float64) float64 {
	claim := math.Inf(-1)
	if !o.servedDuring(w) || o.baseline == "" {
		return claim
	}
	for _, ends := range []relations{w.svc.demands, w.svc.answers} {
		if tilt, part, keeps := w.tilt(o, ends); keeps {
			claim = math.Max(claim, logE*part+tilt)
		}
	}
	return claim
}

// company counts requests by the versions at both ends, the old one first, and the bad ones among them.
type company struct{ n, bad [2][2]int }

func (m *company) sum() (n, bad int) {
	for own := range m.n {
		for other := range m.n[own] {
			n, bad = n+m.n[own][other], bad+m.bad[own][other]
		}
	}
	return n, bad
}

// tilt is by how much better, as a logarithm of likelihoods, the versions at the other end of the requests
// tell bad ones from good ones than those of w do; part is which part of the bad requests of w these are.
func (w *watch) tilt(o *watch, ends relations) (tilt, part float64, keeps bool) {
	h := history{max(w.conc.start, o.begin), w.next}
	if h.to <= h.from {
		return 0, 0, false
	}
	grid := stat.DefaultGrid()
	all, total := make([]company, h.to-h.from), company{}
	var mine, theirs []float64
	weigh := func(cells []company) {
		a, b := make([]float64, len(grid)), make([]float64, len(grid))
		for k := range cells {
			c := &cells[k]
			n, bad := c.sum()
			if n > 0 {
				stat.BinomialLLR(a, grid, c.bad[1][0]+c.bad[1][1], bad, float64(c.n[1][0]+c.n[1][1])/float64(n))
				stat.BinomialLLR(b, grid, c.bad[0][1]+c.bad[1][1], bad, float64(c.n[0][1]+c.n[1][1])/float64(n))
			}
		}
		for k := range grid {
			a[k], b[k] = a[k]/sitePhi, b[k]/sitePhi
		}
		mine, theirs = append(mine, stat.LogSumExp(a)), append(theirs, stat.LogSumExp(b))
	}
	for _, u := range w.svc.operationsBy(ends, o.svc.id) {
		cells := make([]company, h.to-h.from)
		x := ends[relationKey{u, o.svc.id}]
		for own, v := range [2]string{w.baseline, w.release.Version} {
			for other, s := range [2]string{o.baseline, o.known} {
				x.each(h, func(p *relationPart) bool { return p.own == v && p.other == s }, func(c relationCell) {
					for _, m := range []*company{&cells[c.at-h.from], &all[c.at-h.from], &total} {
						m.n[own][other] += int(c.n)
						m.bad[own][other] += int(c.bad)
					}
				})
			}
		}
		weigh(cells)
	}
	kept := func(own int) float64 {
		return (float64(total.n[own][1]) + .5) / float64(total.n[own][0]+total.n[own][1]+1)
	}
	if n, _ := total.sum(); n < minCalls || kept(1) <= keepsTo*kept(0) {
		return 0, 0, false
	}
	weigh(all)
	bad := float64(total.bad[1][0] + total.bad[1][1])
	return stat.LogSumExp(theirs) - stat.LogSumExp(mine), math.Min(1, bad/math.Max(1, w.refused(h))), true
}

// refused is how many requests the release failed or refused by itself.
func (w *watch) refused(h history) (bad float64) {
	for u := range w.svc.units {
		if w.svc.units[u].kind() == ofRequests {
			sum := w.svc.sum(&stratum{unit: u}, isVersion(w.release.Version), h)
			bad += sum.y[countFailedHere] + sum.y[countRejected]
		}
	}
	return bad
}

// operationsBy gives the operations that had to do with another service, sorted.
func (s *service) operationsBy(ends relations, other unship.Service) (units []int) {
	for k := range ends {
		if k.other == other {
			units = append(units, k.unit)
		}
	}
	slices.Sort(units)
	return units
}

// partAfter is how many windows after a guilty release is gone its harm may be seen.
const partAfter = 2

// part begins to compare a release anew, once those that were judged guilty and kept it company serve no more,
// if it looked worse by what may have been theirs.
func (d *Detector) part(w *watch, t int32) {
	if !w.beside() || w.verdict == unship.Regressed || w.askE < showFindings || w.aloneE >= showFindings {
		return
	}
	last := int32(0)
	for _, g := range append(slices.Clone(d.watches), d.guilty...) {
		if g.condemned() && g.servedDuring(w) {
			last = max(last, g.there())
		}
	}
	if last == 0 || last > t-partAfter {
		return
	}
	c := d.newComparison(w, t, last+partAfter)
	c.skipped, c.blinded = w.skipped, w.blinded
	w.conc, w.next, w.seen, w.gates = c, c.start, detectability{}, gates{}
}
