package detect

import (
	"math"
	"slices"

	"unship.dev/detect/blame"
	"unship.dev/detect/stat"
)

// hearing is what neighbours saw of a release that replaced everything, before
// and after. Its evidence is weighed by itself against shifts from outside and
// against the releases of those neighbours and of whom they have to do with.
//
// Where several services tell of it, it must stand without any one of them: the
// null hypothesis is that one of them broke by itself. With a control it must
// stand beside it, too. The least of e-values against several hypotheses is one
// against their union.
type hearing struct {
	near    []neighbour
	leave   []leaving
	control *crossing
	rates   []float64 // by neighbour: bad requests before, per request
	pre     rate
	post    rate
	want    float64
	logE    float64
}

// leaving is the shift without one of the services that tell of it.
type leaving struct {
	heard []bool // by neighbour
	opt   stat.ShiftOptions
	shift *stat.Shift
}

// addHearing adds a stream of what groups of neighbours saw, if they saw enough.
func (p *past) addHearing(s *shiftStream, groups [][]neighbour, control *crossing, h history) {
	x := &hearing{near: slices.Concat(groups...), control: control}
	length := int(h.to - h.from)
	bad, all := make([][]float64, len(x.near)), make([][]float64, len(x.near))
	for k := range x.near {
		bad[k], all[k] = make([]float64, length), make([]float64, length)
		x.near[k].rel.spread(h, anyPart, bad[k], all[k])
		x.pre.x, x.pre.n = x.pre.x+sum(bad[k]), x.pre.n+sum(all[k])
	}
	if x.pre.n < minCalls {
		return
	}
	mean := (x.pre.x + .5) / (x.pre.n + 1)
	for k := range x.near {
		x.rates = append(x.rates, (sum(bad[k])+10*mean)/(sum(all[k])+10))
	}
	for out := range groups {
		l := leaving{opt: stat.ShiftOptions{PreX: make([]float64, length), PreN: make([]float64, length), Phi: beforePhi}}
		k := 0
		for g, group := range groups {
			for range group {
				heard := g != out || len(groups) == 1
				l.heard = append(l.heard, heard)
				for i := 0; heard && i < length; i++ {
					l.opt.PreX[i] += bad[k][i]
					l.opt.PreN[i] += all[k][i] * x.rates[k]
				}
				k++
			}
		}
		x.leave = append(x.leave, l)
	}
	s.heard = x.again()
	p.streams = append(p.streams, s)
}

func sum(v []float64) (s float64) {
	for _, x := range v {
		s += x
	}
	return s
}

// again gives the hearing as it was before the release.
func (x *hearing) again() *hearing {
	y := &hearing{near: x.near, rates: x.rates, pre: x.pre}
	for _, l := range x.leave {
		l.shift = stat.NewShift(l.opt)
		y.leave = append(y.leave, l)
	}
	if x.control != nil {
		c := *x.control
		c.restart()
		y.control = &c
	}
	return y
}

// testifies says that what is heard counts though some instances are left out: beside a control,
// which they would make worse as well, or if none of those that tell is theirs, for what neighbours
// see is not told apart by their instances.
func (x *hearing) testifies(out map[*instance]bool) bool {
	return x.control != nil || !slices.ContainsFunc(x.near, func(n neighbour) bool {
		return slices.ContainsFunc(n.svc.instances, func(i *instance) bool { return out[i] })
	})
}

// step takes in window t.
func (x *hearing) step(p *past, t int32) {
	h, version := history{t, t + 1}, p.w.known
	sums := make([]rate, len(x.leave)) // bad requests, and those expected
	for k := range x.near {
		n, bad := x.near[k].rel.between(h, of(version))
		want := float64(n) * x.rates[k]
		for i := range x.leave {
			if x.leave[i].heard[k] {
				sums[i].x, sums[i].n = sums[i].x+float64(bad), sums[i].n+want
			}
		}
		x.post.x, x.post.n, x.want = x.post.x+float64(bad), x.post.n+float64(n), x.want+want
	}
	x.logE = math.Inf(1)
	rivals := x.rivals(p)
	for i := range x.leave {
		s := x.leave[i].shift
		s.Add(sums[i].x, sums[i].n, drift(&signal{}, usualDrift(countFailedHere), 0))
		e := s.LogA()
		if e > negligible {
			e -= stat.LogAdd(math.Log1p(-p.exogenous), math.Log(p.exogenous)+p.outsideOf(s, rivals))
		}
		x.logE = min(x.logE, e)
	}
	if x.control != nil {
		x.control.step(version, t)
		x.logE = min(x.logE, x.control.proc.LogE())
	}
}

// rivals are the releases of the neighbours that tell, and of whom they call.
func (x *hearing) rivals(p *past) (out []rival) {
	seen := map[*service]bool{p.w.svc: true, p.w.svc.estate[p.w.svc.id]: true} // a placebo's copy stands for its service
	for k := range x.near {
		s := x.near[k].svc
		if !seen[s] {
			seen[s] = true
			out = p.addRival(out, s, blame.PriorRelease)
		}
	}
	for k := range x.near {
		s := x.near[k].svc
		for key := range s.answers { // sums: the order does not matter
			if o := s.estate[key.other]; o != nil && !seen[o] {
				seen[o] = true
				out = p.addRival(out, o, blame.PriorNeighbour)
			}
		}
	}
	slices.SortFunc(out, compareRivals)
	return out
}

func compareRivals(a, b rival) int {
	if a.at != b.at {
		return a.at - b.at
	}
	return compareFloats(a.prior, b.prior)
}

// tally is the table that a hearing amounts to.
func (x *hearing) tally() tally {
	if x.post.n == 0 {
		return tally{}
	}
	return tally{xc: x.post.x, nc: x.post.n, nb: x.pre.n, xb: math.Min(x.pre.n, x.want/x.post.n*x.pre.n)}
}
