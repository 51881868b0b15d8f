package detect

import (
	"fmt"
	"slices"

	"unship.dev"
	"unship.dev/detect/stat"
)

// nearness is where else than at the release's own instances a signal is counted.
type nearness uint8

const (
	nowhere   nearness = iota
	atCallers          // by callers: their requests that the release answered
	atCallees          // by callees: the requests that the release made
	unheard            // by callers: calls that nobody answered
)

// calleeSD is the deviation of the log odds of a callee's failures between
// equal callers, granted: what they ask for differs, and the callee does not
// tell which of their operations asked.
const calleeSD = .3

// maxNeighbours is how many neighbours' operations are strata of a release's
// evidence, and maxSingleNeighbours how many have a stream of their own.
const (
	maxNeighbours       = 64
	maxSingleNeighbours = 10
)

// neighbour is one operation of another service that calls the release's
// service or is called by it.
type neighbour struct {
	svc  *service
	unit int
	rel  *relation // its other side is the release's service
}

func (n *neighbour) name() string { return n.svc.id.String() + " " + n.svc.units[n.unit].operation }

// neighbours gives the operations of other services that had to do with a
// version of a service, most traffic first. Callers answered by themselves
// (a service that calls itself) are no witnesses.
func (d *Detector) neighbours(s *service, where nearness, wanted func(*relationPart) bool, h history) []neighbour {
	type busy struct {
		neighbour
		n uint64
	}
	var all []busy
	for _, o := range d.order {
		if o.id == s.id || o.id.Environment != s.id.Environment {
			continue
		}
		of := o.answers
		if where == atCallees {
			of = o.demands // what it refuses is its caller's mistake
		}
		for k, x := range of {
			if k.other != s.id {
				continue
			}
			if n, _ := x.between(h, wanted); n >= minCalls {
				all = append(all, busy{neighbour{o, k.unit, x}, n})
			}
		}
	}
	slices.SortFunc(all, func(a, b busy) int { return compareBusy(a.n, b.n, &a.neighbour, &b.neighbour) })
	out := make([]neighbour, 0, len(all))
	for _, b := range all[:min(len(all), maxNeighbours)] {
		out = append(out, b.neighbour)
	}
	return out
}

func compareBusy(n, m uint64, a, b *neighbour) int {
	switch {
	case n > m:
		return -1
	case n < m:
		return 1
	case a.svc != b.svc:
		return a.svc.id.Compare(b.svc.id)
	}
	return compareUnits(a.svc.units[a.unit], b.svc.units[b.unit])
}

// of gives the parts of a relation with one version of the release's service.
func of(version string) func(*relationPart) bool {
	return func(p *relationPart) bool { return p.other == version }
}

// addWitnesses makes the streams of a signal that is not counted at the release's own instances.
func (c *comparison) addWitnesses(d *Detector, w *watch, sig *signal, h history) {
	switch {
	case d.leaves(PartNeighbours):
	case sig.near == unheard:
		c.addLoss(w, sig, h)
	default:
		c.addNear(w, sig, d.neighbours(c.svc, sig.near, of(w.baseline), h), h)
	}
}

// addNear makes a signal's streams from what neighbours saw of the two
// versions. Strata are operations and, within a window, the neighbour's own
// versions: a neighbour that is being released itself treats both versions of
// this service alike, so its own fault changes nothing.
func (c *comparison) addNear(w *watch, sig *signal, near []neighbour, h history) {
	if len(near) == 0 {
		return
	}
	cells, traffic := make([]stat.Cells, len(near)), make([]share, len(near))
	for k := range near {
		cells[k] = near[k].cells(w.baseline, h)
		n, _ := near[k].rel.between(h, of(w.baseline))
		traffic[k] = share{k, float64(n)}
	}
	whole := c.newWitness(w, sig, near, stat.Calibrate(cells, nil))
	whole.weight = sig.weight / 2
	c.addWitness(whole)
	single := traffic[:min(len(near), maxSingleNeighbours)]
	for k, part := range spread(single) {
		s := c.newWitness(w, sig, near[k:k+1], stat.Calibrate(cells[k:k+1], nil))
		s.weight, s.single = sig.weight/2*part, true
		c.addWitness(s)
	}
}

func (c *comparison) newWitness(w *watch, sig *signal, near []neighbour, cal *stat.Calibration) *stream {
	s := &stream{signal: sig, near: near, opt: c.options(w, sig, cal)}
	s.divisions = []*division{{opt: s.opt, proc: stat.NewProcess(s.opt), totals: make([]tally, max(1, len(near)))}}
	return s
}

// addWitness adds a stream that the release's own instances do not feed.
func (c *comparison) addWitness(s *stream) {
	c.streams = append(c.streams, s)
	c.witnesses = append(c.witnesses, s)
}

// cells gives a neighbour's history with one version as if it were one
// instance's: it teaches the usual rate, not how instances differ.
func (n *neighbour) cells(version string, h history) stat.Cells {
	all, bad := make([]int32, h.to-h.from), make([]int32, h.to-h.from)
	n.rel.each(h, of(version), func(c relationCell) {
		all[c.at-h.from] += int32(c.n)
		bad[c.at-h.from] += int32(c.bad)
	})
	return stat.Cells{N: [][]int32{all}, Y: [][]int32{bad}}
}

// hear takes in what the neighbours of a stream saw in window t.
func (c *comparison) hear(s *stream, t int32) {
	d := s.divisions[0]
	for k := range s.near {
		s.near[k].tables(c.sides, t, func(table stat.Table) {
			d.proc.Add(k, table)
			d.totals[k].add(table)
			s.sight.add(table)
		})
	}
}

// tables gives what a neighbour saw of both versions in window t: one table
// for each of the neighbour's own versions. Counts are not winsorised: they are
// sums of many instances, of which the larger group's would be cut more often.
func (n *neighbour) tables(sides cohorts, t int32, each func(stat.Table)) {
	parts := n.rel.parts
	for len(parts) > 0 {
		own := parts[0].own
		var table stat.Table
		for len(parts) > 0 && parts[0].own == own {
			x := parts[0].at(t)
			switch parts[0].other {
			case sides.candidate:
				table.NC, table.XC = int(x.n), int(x.bad)
			case sides.baseline:
				table.NB, table.XB = int(x.n), int(x.bad)
			}
			parts = parts[1:]
		}
		if table.NC > 0 && table.NB > 0 {
			each(table)
		}
	}
}

// heardSince gives what neighbours saw from window from to window t.
func (c *comparison) heardSince(near []neighbour, from, t int32) []tally {
	out := make([]tally, len(near))
	for k := range near {
		for u := from; u <= t; u++ {
			near[k].tables(c.sides, u, out[k].add)
		}
	}
	return out
}

func (t *tally) add(x stat.Table) {
	t.xc, t.nc, t.xb, t.nb = t.xc+float64(x.XC), t.nc+float64(x.NC), t.xb+float64(x.XB), t.nb+float64(x.NB)
}

// namely names the only neighbour of a stream, "" of several.
func namely(near []neighbour) string {
	if len(near) == 1 {
		return near[0].name()
	}
	return ""
}

// counts gives bad and all requests of window t with versions other than one.
func (n *neighbour) counts(but string, t int32) (x, all float64) {
	for i := range n.rel.parts {
		if p := &n.rel.parts[i]; p.other != but {
			c := p.at(t)
			x, all = x+float64(c.bad), all+float64(c.n)
		}
	}
	return x, all
}

// sayNear puts what neighbours see into words.
func (w *watch) sayNear(f *unship.Finding) string {
	did, who, fail := "called", "what "+w.release.Service.String()+" calls", "fail or are refused"
	if f.Signal == unship.SignalCallerError {
		did, who, fail = "answered", "callers of "+w.release.Service.String(), "get nothing that they can use, though it looks like success"
	}
	if f.Operation != "" {
		who = f.Operation
	}
	than := w.baseline + " " + did + " at the same time"
	if w.past != nil {
		than = "were so before the release"
	}
	return fmt.Sprintf("%s: %s of requests that %s %s %s, %s of those that %s%s; %d requests seen", who, percent(f.Candidate),
		w.release.Version, did, fail, percent(f.Baseline), than, times(f.Candidate, f.Baseline), f.Samples.Candidate)
}
