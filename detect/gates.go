package detect

import (
	"fmt"
	"math"
	"slices"
	"sort"
)

// Rules of the checks that stand between crossing the threshold and a verdict.
const (
	checkEvery  = 3 // windows between two checks at one level of evidence
	leftOut     = 6 // instances that are left out one by one, the worst first
	enoughAlone = 3 // e-value that must remain without any one instance
)

// gates is what the checks found.
type gates struct {
	at       int32   // window of the check; 0: not yet
	level    float64 // of evidence that was checked
	doubts   []string
	site     string  // the node or zone that explains the harm, if one does
	siteLogE float64 // that it is bad
	logE     float64 // without the instances there
}

// examine checks a release whose evidence is enough to ask or to judge: would it
// stand without any one instance, and without a node or zone that harms others too?
func (d *Detector) examine(w *watch, t int32) {
	level := w.reached()
	if w.gates.at != 0 && t-w.gates.at < checkEvery && w.gates.level == level {
		return
	}
	g := gates{at: t, level: level, logE: w.askE}
	var bad []suspicion
	if !d.leaves(PartNodes) {
		bad = d.noisySites(w, t)
	}
	out := map[*instance]bool{}
	for _, s := range d.order {
		if len(bad) > 0 && s.id.Environment == w.svc.id.Environment {
			w.svc.inPlaceOf(s).at(bad, out)
		}
	}
	if len(out) > 0 {
		g.logE = w.without(out, t, everyone)
		if g.logE < level {
			g.explain(bad)
		}
	}
	if doubt := w.alone(out, t); doubt != "" && len(g.doubts) == 0 {
		g.doubts = append(g.doubts, doubt)
	}
	all := w.streams()
	if !slices.ContainsFunc(all, func(x evidence) bool { return !x.moreCalls() && x.share() >= w.level() }) {
		if doubt := d.fades(w, &all[0]); doubt != "" {
			g.doubts = append(g.doubts, doubt)
		}
	}
	w.gates = g
}

// explain notes that a site may be what is wrong, in place of the release: if that is not sure yet, it
// is waited for.
func (g *gates) explain(bad []suspicion) {
	if g.site = nameSites(bad); g.site == "" {
		g.doubts = append(g.doubts, bad[0].String()+" may harm other services as well; without it the evidence is not enough")
		return
	}
	for _, x := range bad {
		g.siteLogE = math.Max(g.siteLogE, x.logE)
	}
	g.doubts = append(g.doubts, g.site+" harms other services as well; without it the evidence is not enough")
}

// Which part of the additional calls in the first half of the time must be left in the latter half,
// lest they fade, and by how many deviations more that must be: it is looked at again and again.
const (
	lasts   = .8
	lastsSD = 2
)

// fades says that evidence is of more calls, and that it is too early to tell whether they
// remain, or that there were fewer of them in the latter half of the time than in the first:
// a cache that fills makes fewer by the minute, and whoever waits sees what remains. That
// they remain has to be shown. Each instance's cache fills from when it started, so that time is
// its own: while instances are replaced one by one, there are empty ones all the time.
func (d *Detector) fades(w *watch, e *evidence) string {
	if !e.moreCalls() {
		return ""
	}
	soon := warmth
	if !e.signal.ambiguous { // many more calls than one are no cache's
		soon /= 2
	}
	first, latter, known := w.halves(e, int32(soon/d.opt.Window))
	if !known {
		return "there are more calls, as while a cache fills; it is too early to tell whether that remains"
	}
	if first.n == 0 || latter.n == 0 {
		return ""
	}
	before, _, _ := e.rates()
	p, q, both := first.x/first.n, latter.x/latter.n, (first.x+latter.x)/(first.n+latter.n)
	if q-before >= lasts*(p-before)+lastsSD*math.Sqrt(both*(1-both)*(1/first.n+1/latter.n)) {
		return ""
	}
	return fmt.Sprintf("more calls fade, as while a cache fills: %s of requests at first, %s since, %s before", percent(p), percent(q), percent(before))
}

// halves counts the bad and all requests of the candidate's instances in the first and the latter
// half of the time that each has served; known says that some have for so many windows.
func (w *watch) halves(e *evidence, soon int32) (first, latter rate, known bool) {
	for _, i := range w.candidates() {
		from, to := max(w.begin, i.first), min(w.next, i.last+1)
		if to-from < soon {
			continue
		}
		known = true
		for _, u := range e.units {
			v := i.series(&stratum{unit: u})
			for k := range v {
				bad, all := e.signal.of(&v[k])
				switch at := v[k].at; {
				case at < from || at >= to:
				case at < from+(to-from)/2:
					first = rate{first.x + float64(bad), first.n + float64(all)}
				default:
					latter = rate{latter.x + float64(bad), latter.n + float64(all)}
				}
			}
		}
	}
	return first, latter, known
}

// alone says which instance carries the evidence alone, if one of several does.
func (w *watch) alone(out map[*instance]bool, t int32) string {
	live := w.worst(out, t)
	if len(live) < 2 {
		return ""
	}
	for _, i := range live[:min(leftOut, len(live))] {
		out[i] = true
		e := w.without(out, t, carriers)
		delete(out, i)
		if e < math.Log(enoughAlone) {
			return fmt.Sprintf("instance %s carries nearly all of the evidence; one instance can be ill by itself", i.ID)
		}
	}
	return ""
}

// worst gives the candidate's serving instances, those with most bad requests first.
func (w *watch) worst(out map[*instance]bool, t int32) []*instance {
	bad := map[*instance]int{}
	var live []*instance
	for _, i := range w.candidates() {
		if out[i] {
			continue
		}
		seen := w.svc.ops == 0 && i.last >= w.begin // where metrics and records are all there is
		for u := range i.units {
			for k := range i.units[u] {
				c := &i.units[u][k]
				if c.at < w.begin || c.at > t || c.n == 0 {
					continue
				}
				seen = true
				if w.svc.units[u].callee == "" {
					bad[i] += int(c.y[countFailed]) + int(c.y[countRejected]) + int(c.y[countP90])
				}
			}
		}
		if seen {
			live = append(live, i)
		}
	}
	sort.SliceStable(live, func(a, b int) bool { return bad[live[a]] > bad[live[b]] })
	return live
}
