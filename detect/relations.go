package detect

import (
	"cmp"
	"slices"
	"sort"

	"unship.dev"
)

// Bounds of what one service may know of others.
const (
	maxRelations = 256 // pairs of one of its operations and another service, in each direction
	maxParts     = 16  // pairs of versions in one relation
)

// relationKey names what passes between one operation of a service and another service.
type relationKey struct {
	unit  int
	other unship.Service
}

// relation is what passed between them, by the versions at both ends.
type relation struct{ parts []relationPart } // sorted

// relationPart is what passed between two versions, oldest first.
type relationPart struct {
	own, other string
	cells      []relationCell
}

// relationCell counts one window: requests, and the bad ones among them.
type relationCell struct {
	at     int32
	n, bad uint32
}

// relations are those of one service in one direction: with who called it, or
// with who answered it.
type relations map[relationKey]*relation

// add counts requests of window t; without effect beyond the bounds.
func (r relations) add(k relationKey, own, other string, t int32, n, bad uint64) {
	x := r[k]
	if x == nil {
		if len(r) >= maxRelations {
			return
		}
		x = &relation{}
		r[k] = x
	}
	at, ok := slices.BinarySearchFunc(x.parts, relationPart{own: own, other: other}, compareParts)
	if !ok {
		if len(x.parts) >= maxParts {
			return
		}
		x.parts = slices.Insert(x.parts, at, relationPart{own: own, other: other})
	}
	p := &x.parts[at]
	if k := len(p.cells); k == 0 || p.cells[k-1].at != t {
		p.cells = append(p.cells, relationCell{at: t})
	}
	c := &p.cells[len(p.cells)-1]
	c.n += uint32(n)
	c.bad += uint32(min(n, bad))
}

func compareParts(a, b relationPart) int {
	return cmp.Or(cmp.Compare(a.own, b.own), cmp.Compare(a.other, b.other))
}

// forget drops what is older than window from.
func (r relations) forget(from int32) {
	for k, x := range r {
		for i := range x.parts {
			p := &x.parts[i]
			p.cells = append(p.cells[:0], p.since(from)...)
		}
		x.parts = slices.DeleteFunc(x.parts, func(p relationPart) bool { return len(p.cells) == 0 })
		if len(x.parts) == 0 {
			delete(r, k)
		}
	}
}

// since gives the cells of window from and later.
func (p *relationPart) since(from int32) []relationCell {
	return p.cells[sort.Search(len(p.cells), func(k int) bool { return p.cells[k].at >= from }):]
}

// at gives the cell of window t, which is mostly the last one.
func (p *relationPart) at(t int32) (c relationCell) {
	if k := len(p.cells) - 1; k >= 0 && p.cells[k].at == t {
		return p.cells[k]
	}
	if v := p.since(t); len(v) > 0 && v[0].at == t {
		return v[0]
	}
	return c
}

// each gives the cells of windows from h.from up to h.to of the parts that are wanted.
func (x *relation) each(h history, wanted func(*relationPart) bool, cell func(relationCell)) {
	for i := range x.parts {
		p := &x.parts[i]
		if !wanted(p) {
			continue
		}
		for _, c := range p.since(h.from) {
			if c.at >= h.to {
				break
			}
			cell(c)
		}
	}
}

// between adds up the cells of a span.
func (x *relation) between(h history, wanted func(*relationPart) bool) (n, bad uint64) {
	x.each(h, wanted, func(c relationCell) { n, bad = n+uint64(c.n), bad+uint64(c.bad) })
	return n, bad
}

// spread adds the cells of a span to bad and all requests by window.
func (x *relation) spread(h history, wanted func(*relationPart) bool, bad, all []float64) {
	x.each(h, wanted, func(c relationCell) {
		bad[c.at-h.from] += float64(c.bad)
		all[c.at-h.from] += float64(c.n)
	})
}

func anyPart(*relationPart) bool { return true }

// relate takes in who answered the calls of a window.
func relate(s *service, w *unship.Window, t int32) {
	for k := range w.Operations {
		p := &w.Operations[k]
		u := -1
		for _, c := range p.Calls {
			for _, a := range c.Answered {
				if u < 0 {
					u = s.unit(p.Name, "")
				}
				s.answers.add(relationKey{u, a.Release.Service}, w.Release.Version, a.Release.Version, t, a.Requests, a.Unusable())
			}
		}
	}
}
