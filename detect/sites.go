package detect

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"

	"unship.dev/detect/stat"
)

// Rules of the search for nodes and zones that harm whoever runs there.
const (
	sitePhi   = 1.5 // dispersion of the counts of a site
	siteAlpha = .01 // that any site is suspected wrongly
)

// site is where instances run: a node, or what an attribute such as the zone says.
type site struct{ key, value string } // key "": a node

func (x site) String() string {
	if x.key == "" {
		return "node " + x.value
	}
	return x.key + " " + x.value
}

// suspicion is a site that may harm whoever runs there, and the log e-value against it; sure:
// that is enough to say so, whatever else is looked at.
type suspicion struct {
	site
	logE float64
	sure bool
}

// noisySites gives the sites of the release at which instances are worse than others of the same
// service and version elsewhere: failures and the 90 % quantile, since the release began, and
// how sure that is. What other services' releases do, they do
// everywhere. The release itself is no witness, for one instance of it may be ill by its doing;
// but what others make likely, that it is worse at the same site confirms.
func (d *Detector) noisySites(w *watch, t int32) (noisy []suspicion) {
	sites := w.sites()
	grid := stat.DefaultGrid()
	likely := math.Log(2 * float64(len(sites)))
	limit := likely - math.Log(siteAlpha)
	h := history{max(w.begin, t-int32(d.opt.History)), t + 1}
	for _, x := range sites {
		others, own := newSiteEvidence(grid), newSiteEvidence(grid)
		for _, s := range d.order {
			if s.id.Environment == w.svc.id.Environment {
				w.svc.inPlaceOf(s).addSite(&others, &own, w, x, grid, h)
			}
		}
		theirs, confirmed := others.logE(), own.logE()
		worst := math.Inf(-1)
		for k, e := range theirs {
			if e > likely {
				worst = math.Max(worst, e+math.Max(0, confirmed[k]))
			}
		}
		if worst > likely {
			noisy = append(noisy, suspicion{x, worst, worst > limit})
		}
	}
	return noisy
}

// sites gives where a release and those that tell of it run, sorted. What all instances of a
// service have in common is none.
func (w *watch) sites() []site {
	seen := map[site]bool{}
	for _, s := range append([]*service{w.svc}, w.witnesses()...) {
		s.addSites(seen)
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b site) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.value, b.value))
	})
}

// witnesses are the other services whose telling is evidence.
func (w *watch) witnesses() (out []*service) {
	for _, e := range w.streams() {
		for _, n := range e.near {
			if e.share() > 0 && !slices.Contains(out, n.svc) {
				out = append(out, n.svc)
			}
		}
	}
	return out
}

func (s *service) addSites(seen map[site]bool) {
	here := map[site]int{}
	for _, i := range s.instances {
		if i.Node != "" {
			here[site{"", i.Node}]++
		}
		for _, key := range siteKeys {
			if value := s.placeOf(i, key); value != "" {
				here[site{key, value}]++
			}
		}
	}
	for x, n := range here {
		if n < len(s.instances) || n == 1 {
			seen[x] = true
		}
	}
}

// siteKeys are the attributes that say where an instance runs, beside its node (OpenTelemetry's
// resource conventions).
var siteKeys = []string{"cloud.availability_zone", "cloud.region", "k8s.cluster.name"}

// nameSites names those of some sites that are surely bad, "" if none is.
func nameSites(all []suspicion) string {
	var names []string
	for _, x := range all {
		if x.sure {
			names = append(names, x.String())
		}
	}
	return strings.Join(names, ", ")
}

// isAt says that an instance runs at a site.
func (s *service) isAt(i *instance, x site) bool {
	if x.key == "" {
		return i.Node == x.value
	}
	return s.placeOf(i, x.key) == x.value
}

// at adds the instances that run at any of some sites.
func (s *service) at(sites []suspicion, out map[*instance]bool) {
	for _, i := range s.instances {
		if slices.ContainsFunc(sites, func(x suspicion) bool { return s.isAt(i, x.site) }) {
			out[i] = true
		}
	}
}

// siteEvidence are the log likelihoods that a site makes failures, or slow requests, so many
// times as likely, by the grid of multiples.
type siteEvidence struct{ failures, durations []float64 }

func newSiteEvidence(grid []float64) siteEvidence {
	return siteEvidence{make([]float64, len(grid)), make([]float64, len(grid))}
}

// logE are the log e-values that it does.
func (e *siteEvidence) logE() [2]float64 {
	mixed := func(l []float64) float64 {
		for j := range l {
			l[j] /= sitePhi
		}
		return stat.LogSumExp(l) - math.Log(float64(len(l)))
	}
	return [2]float64{mixed(e.failures), mixed(e.durations)}
}

// addSite adds what a service's instances tell of a site: its share of the bad requests of
// one version against its share of all of them, window by window.
func (s *service) addSite(others, own *siteEvidence, w *watch, x site, grid []float64, h history) {
	by := map[string][]*instance{}
	here := map[string]bool{}
	for _, i := range s.instances {
		if i.last < h.from {
			continue
		}
		by[i.version] = append(by[i.version], i)
		if s.isAt(i, x) {
			here[i.version] = true
		}
	}
	if len(here) == 0 {
		return
	}
	usual := s.usualAt(x, h.from)
	for _, version := range slices.Sorted(maps.Keys(here)) {
		e := others
		if s == w.svc && version == w.release.Version {
			e = own
		}
		s.addVersion(e, by[version], x, usual, grid, h)
	}
}

// usually is by how much the odds at a site are usually higher than elsewhere.
type usually struct{ failed, slow float64 }

// usualAt gives it from what a service did before a window. Of a zone or a region that
// differs for good the comparison of versions knows, for it is divided by them: there only
// what is new counts. A node's whole difference counts, for no version is compared within it.
func (s *service) usualAt(x site, before int32) usually {
	if x.key == "" {
		return usually{1, 1}
	}
	var there, all siteCounts
	for _, i := range s.instances {
		c := s.countsOf(i, history{0, before})
		all.add(c)
		if s.isAt(i, x) {
			there.add(c)
		}
	}
	times := func(bad, n, allBad, allN int) float64 {
		odds := func(bad, n int) float64 { return (float64(bad) + .5) / (float64(n-bad) + .5) }
		return math.Max(1, odds(bad, n)/odds(allBad-bad, allN-n))
	}
	return usually{times(there.failed, there.n, all.failed, all.n), times(there.slow, there.durations, all.slow, all.durations)}
}

// shareOf is the share of bad requests that is usual at a site with n of all requests.
func shareOf(n, all int, times float64) float64 {
	here := float64(n) * times
	return here / (here + float64(all-n))
}

// addVersion does so for the instances of one version.
func (s *service) addVersion(e *siteEvidence, of []*instance, x site, usual usually, grid []float64, h history) {
	there, all := make([]siteCounts, h.to-h.from), make([]siteCounts, h.to-h.from)
	for _, i := range of {
		s.addCounts(all, i, h)
		if s.isAt(i, x) {
			s.addCounts(there, i, h)
		}
	}
	for t := range all {
		c, sum := there[t], all[t]
		if c.n > 0 && c.n < sum.n {
			stat.BinomialLLR(e.failures, grid, c.failed, sum.failed, shareOf(c.n, sum.n, usual.failed))
		}
		if c.durations > 0 && c.durations < sum.durations {
			stat.BinomialLLR(e.durations, grid, c.slow, sum.slow, shareOf(c.durations, sum.durations, usual.slow))
		}
	}
}

// addCounts adds an instance to the counts of each window.
func (s *service) addCounts(counts []siteCounts, i *instance, h history) {
	s.eachCount(i, h, func(t int32, c siteCounts) { counts[t-h.from].add(c) })
}

// countsOf adds up what an instance did.
func (s *service) countsOf(i *instance, h history) (all siteCounts) {
	s.eachCount(i, h, func(_ int32, c siteCounts) { all.add(c) })
	return all
}

func (s *service) eachCount(i *instance, h history, do func(t int32, c siteCounts)) {
	for u := range i.units {
		if s.units[u].kind() != ofRequests {
			continue
		}
		v := i.units[u]
		for k := sort.Search(len(v), func(k int) bool { return v[k].at >= h.from }); k < len(v) && v[k].at < h.to; k++ {
			x := siteCounts{n: int(v[k].n), failed: int(v[k].y[countFailedHere])}
			if v[k].lat == latAll {
				x.durations, x.slow = int(v[k].timed), int(v[k].y[countP90])
			}
			do(v[k].at, x)
		}
	}
}

// siteCounts is what instances did in one window.
type siteCounts struct{ n, failed, durations, slow int }

func (c *siteCounts) add(o siteCounts) {
	c.n, c.failed, c.durations, c.slow = c.n+o.n, c.failed+o.failed, c.durations+o.durations, c.slow+o.slow
}
