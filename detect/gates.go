package detect

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"unship.dev/detect/stat"
)

// Rules of the checks that stand between crossing the threshold and a verdict.
const (
	checkEvery  = 3   // windows between two checks at one level of evidence
	leftOut     = 6   // instances that are left out one by one, the worst first
	nodePhi     = 1.5 // dispersion of the counts of a node
	nodeAlpha   = .01 // that any node is suspected wrongly
	enoughAlone = 3   // e-value that must remain without any one instance
)

// gates is what the checks found.
type gates struct {
	at       int32   // window of the check; 0: not yet
	level    float64 // of evidence that was checked
	doubts   []string
	node     string  // the node that explains the harm, if one does
	nodeLogE float64 // that it is bad
	logE     float64 // without the instances on suspicious nodes
}

// examine checks a release whose evidence is enough to ask or to judge: would it
// stand without any one instance, and without a node that harms others too?
func (d *Detector) examine(w *watch, t int32) {
	level := w.reached()
	if w.gates.at != 0 && t-w.gates.at < checkEvery && w.gates.level == level {
		return
	}
	g := gates{at: t, level: level, logE: w.askE}
	var bad []string
	if !d.leaves(PartNodes) {
		bad, g.nodeLogE = d.noisyNodes(w, t)
	}
	out := map[*instance]bool{}
	for _, i := range w.svc.instances {
		if slices.Contains(bad, i.Node) {
			out[i] = true
		}
	}
	if len(out) > 0 {
		g.logE = w.without(out, t, everyone)
		if g.logE < level {
			g.node = strings.Join(bad, ", ")
			g.doubts = append(g.doubts, fmt.Sprintf("node %s harms other services as well; without it the evidence is not enough", g.node))
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

// lasts is which part of the additional calls in the first half of the time must be left in
// the latter half, lest they fade.
const lasts = .8

// fades says that evidence is of more calls, and that it is too early to tell whether they
// remain, or that there were fewer of them in the latter half of the time than in the first:
// a cache that fills makes fewer by the minute, and whoever waits sees what remains. That
// they remain has to be shown.
func (d *Detector) fades(w *watch, e *evidence) string {
	if !e.moreCalls() {
		return ""
	}
	soon := warmth
	if !e.signal.ambiguous { // many more calls than one are no cache's
		soon /= 2
	}
	if time.Duration(w.next-w.begin)*d.opt.Window < soon {
		return "there are more calls, as while a cache fills; it is too early to tell whether that remains"
	}
	first, latter := w.halves(e)
	if first.n == 0 || latter.n == 0 {
		return ""
	}
	before, _, _ := e.rates()
	p, q, both := first.x/first.n, latter.x/latter.n, (first.x+latter.x)/(first.n+latter.n)
	if q-before >= lasts*(p-before)+math.Sqrt(both*(1-both)*(1/first.n+1/latter.n)) {
		return ""
	}
	return fmt.Sprintf("more calls fade, as while a cache fills: %s of requests at first, %s since, %s before", percent(p), percent(q), percent(before))
}

// halves counts the candidate's bad and all requests in the first and the latter half of
// the time since the release.
func (w *watch) halves(e *evidence) (first, latter rate) {
	half := w.begin + (w.next-w.begin)/2
	for _, u := range e.units {
		for _, i := range w.candidates() {
			v := i.series(&stratum{unit: u})
			for k := range v {
				bad, all := e.signal.of(&v[k])
				switch at := v[k].at; {
				case at < w.begin || at >= w.next:
				case at < half:
					first = rate{first.x + float64(bad), first.n + float64(all)}
				default:
					latter = rate{latter.x + float64(bad), latter.n + float64(all)}
				}
			}
		}
	}
	return first, latter
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

// nodeCounts is what one node's old instances of one service did in one window.
type nodeCounts struct{ n, failed, durations, slow int }

// noisyNodes gives the nodes of the release's service on which the other
// services' and versions' instances are worse than elsewhere: failures and the
// 90 % quantile, old versions only, since the release began; and the largest
// log e-value against any of them.
func (d *Detector) noisyNodes(w *watch, t int32) (noisy []string, most float64) {
	nodes := w.svc.nodes()
	if len(nodes) == 0 {
		return nil, 0
	}
	grid := stat.DefaultGrid()
	evidence := make([][2][]float64, len(nodes))
	for k := range evidence {
		evidence[k] = [2][]float64{make([]float64, len(grid)), make([]float64, len(grid))}
	}
	for _, s := range d.order {
		if s.id.Environment == w.svc.id.Environment {
			w.svc.inPlaceOf(s).addNodes(evidence, nodes, grid, history{max(w.begin, t-int32(d.opt.History)), t + 1})
		}
	}
	limit := math.Log(2 * float64(len(nodes)) / nodeAlpha)
	for k, node := range nodes {
		for _, l := range evidence[k] {
			for j := range l {
				l[j] /= nodePhi
			}
			if e := stat.LogSumExp(l) - math.Log(float64(len(l))); e > limit {
				noisy, most = append(noisy, node), math.Max(most, e)
				break
			}
		}
	}
	return noisy, most
}

// nodes gives the names of the nodes that a service runs on, sorted.
func (s *service) nodes() []string {
	var out []string
	for _, i := range s.instances {
		if i.Node != "" {
			out = append(out, i.Node)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// addNodes adds what a service's instances of versions that are not under watch
// tell of each node: its share of the service's bad requests against its share
// of all of them, window by window.
func (s *service) addNodes(evidence [][2][]float64, nodes []string, grid []float64, h history) {
	place := len(nodes) // instances elsewhere are counted at the end
	counts := make([]nodeCounts, int(h.to-h.from)*(place+1))
	found := false
	for _, i := range s.instances {
		if s.candidate(i.version) {
			continue
		}
		k, here := slices.BinarySearch(nodes, i.Node)
		if !here {
			k = place
		}
		found = found || here
		s.addCounts(counts[k:], place+1, i, h)
	}
	if !found {
		return
	}
	for t := 0; t < len(counts); t += place + 1 {
		row, all := counts[t:t+place+1], nodeCounts{}
		for _, c := range row {
			all.n, all.failed, all.durations, all.slow = all.n+c.n, all.failed+c.failed, all.durations+c.durations, all.slow+c.slow
		}
		for k := range nodes {
			c := row[k]
			if c.n > 0 && c.n < all.n {
				stat.BinomialLLR(evidence[k][0], grid, c.failed, all.failed, float64(c.n)/float64(all.n))
			}
			if c.durations > 0 && c.durations < all.durations {
				stat.BinomialLLR(evidence[k][1], grid, c.slow, all.slow, float64(c.durations)/float64(all.durations))
			}
		}
	}
}

// addCounts adds an instance to every stride-th count.
func (s *service) addCounts(counts []nodeCounts, stride int, i *instance, h history) {
	for u := range i.units {
		if s.units[u].callee != "" {
			continue
		}
		v := i.units[u]
		for k := sort.Search(len(v), func(k int) bool { return v[k].at >= h.from }); k < len(v) && v[k].at < h.to; k++ {
			c := &counts[int(v[k].at-h.from)*stride]
			c.n += int(v[k].n)
			c.failed += int(v[k].y[countFailedHere])
			if v[k].lat == latAll {
				c.durations += int(v[k].timed)
				c.slow += int(v[k].y[countP90])
			}
		}
	}
}
