package detect

import (
	"fmt"
	"slices"
	"strings"

	"unship.dev"
)

// Rules of what must go back with a release.
const (
	fewMet        = 30  // requests between two versions: fewer tell nothing
	metTimes      = 2   // so many times as many failures as between the old versions …
	metPoints     = .02 // … and so much more are a broken contract
	maxDependents = 8
	maxNamed      = 3 // operations
)

// dependents gives the releases that were rolled out together with w and cannot
// do without it, by what passed between the versions: those whose callers must
// go back first come first. Each would have to go back before what it calls.
func (d *Detector) dependents(w *watch) []unship.Dependent {
	seen := map[*watch]bool{w: true}
	var out []unship.Dependent
	var visit func(w *watch)
	visit = func(w *watch) {
		for _, x := range d.watches {
			if seen[x] || len(seen) > maxDependents || !w.together(x) {
				continue
			}
			if why := w.needed(x); why != "" {
				seen[x] = true
				visit(x)
				out = append(out, unship.Dependent{Release: x.release.ReleaseID, Previous: x.baseline, Why: why})
			}
		}
	}
	visit(w)
	return out
}

// together says that two releases of two services were rolled out at about the same time.
func (w *watch) together(x *watch) bool {
	return x.svc.id != w.svc.id && x.release.Environment == w.release.Environment && !x.release.IsRollback() && !x.svc.stands && !w.svc.stands &&
		x.begin > w.begin-releasedNear && w.baseline != ""
}

// needed says why the release x cannot do without w; "" if nothing says so: it
// calls operations that w's predecessor does not serve, or failed with it.
func (w *watch) needed(x *watch) string {
	h := history{0, w.next + 1}
	if missing := w.missing(x, h); len(missing) > 0 {
		return fmt.Sprintf("it calls %s of %s, which %s does not serve", strings.Join(missing[:min(len(missing), maxNamed)], ", "), w.svc.id, w.baseline)
	}
	n, bad := w.met(x, x.known, h)
	m, usual := w.met(x, x.baseline, h)
	p, q := float64(bad)/float64(max(1, n)), float64(usual)/float64(max(1, m))
	if n >= fewMet && p > metTimes*q && p > q+metPoints {
		return fmt.Sprintf("%s of its calls to %s %s failed, %s of those of %s", percent(p), w.svc.id, w.baseline, percent(q), x.baseline)
	}
	return ""
}

// missing gives the operations that x calls and w's predecessor was not seen to
// serve, sorted; none if nothing is known of it.
func (w *watch) missing(x *watch, h history) (out []string) {
	served, known := map[int]bool{}, false
	for _, i := range w.svc.instances {
		if i.version != w.baseline {
			continue
		}
		known = true
		for u := range i.units {
			served[u] = served[u] || len(i.units[u]) > 0
		}
	}
	for k, r := range w.svc.callers {
		if k.other != x.svc.id || served[k.unit] || !known {
			continue
		}
		if n, _ := r.between(h, versions(w.known, x.known)); n >= minCalls {
			out = append(out, w.svc.units[k.unit].operation)
		}
	}
	slices.Sort(out)
	return out
}

// met counts the requests that a version of a caller sent to w's predecessor,
// and those of them that failed there or whose answer it could not use.
func (w *watch) met(x *watch, caller string, h history) (n, bad uint64) {
	for k, r := range w.svc.callers { // sums: the order does not matter
		if k.other == x.svc.id {
			a, b := r.between(h, versions(w.baseline, caller))
			n, bad = n+a, bad+b
		}
	}
	for k, r := range x.svc.answers {
		if k.other == w.svc.id {
			_, b := r.between(h, versions(caller, w.baseline))
			bad += b
		}
	}
	return n, min(n, bad)
}

// versions gives the parts of a relation between two versions.
func versions(own, other string) func(*relationPart) bool {
	return func(p *relationPart) bool { return p.own == own && p.other == other }
}
