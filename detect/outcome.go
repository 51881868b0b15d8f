package detect

import (
	"maps"
	"math"
	"slices"
	"strings"
)

// Rules of attributes that tell what became of requests.
const (
	outcomeShare = .05 // of the candidate's requests must have other values than before …
	outcomeLeast = 50  // … and so many of them
)

// whoAsks are words of attributes that say who asks, from where and with what: those are
// never outcomes, however differently the candidate's requests are made up.
var whoAsks = words(`tenant customer client app application caller consumer user enduser account org organization organisation company
	region zone cell cluster datacenter dc country city locale lang language device platform os browser agent plan tier segment cohort group
	channel partner merchant seller store shop brand market site host peer flag variant experiment currency protocol network method route`)

// outcomes tells which attributes say what became of requests, such as whether a cache
// had the answer, rather than what was asked: dividing requests by what a release does
// would divide its harm away.
//
// What is asked comes from outside, and versions share it: a value that routing gives
// more of to the candidate leaves the baseline with less. So an attribute tells an
// outcome if the candidate's requests have other values than requests had before the
// release, and the baseline's have not moved by half as many. Values that were not known
// before say nothing. Only the make-up of requests decides it, not how they fared; and as
// traffic that comes anew to the candidate alone looks the same, attributes that by their
// names say who asks are left out, and of others people are asked.
type outcomes struct {
	usual []usual
	keys  map[string]bool
}

// usual is how an operation's requests were made up before the release.
type usual struct {
	unit   int
	key    string
	slices []int     // indices of the values
	shares []float64 // of the requests that carried one of them
}

// newOutcomes notes how requests were made up, by the attributes that divide them and
// do not tell instances apart.
func newOutcomes(l *looks) *outcomes {
	o := &outcomes{keys: map[string]bool{}}
	for _, key := range l.keys[len(l.places):] {
		if slices.ContainsFunc(nameWords(key), func(word string) bool { return whoAsks[word] }) {
			continue
		}
		by := map[int]*usual{}
		sum := map[int]float64{}
		for _, x := range l.slices {
			y := l.svc.slices[x.index]
			if y.key != key {
				continue
			}
			u := by[y.unit]
			if u == nil {
				u = &usual{unit: y.unit, key: key}
				by[y.unit] = u
			}
			u.slices, u.shares = append(u.slices, x.index), append(u.shares, x.n)
			sum[y.unit] += x.n
		}
		for _, unit := range slices.Sorted(maps.Keys(by)) {
			for k := range by[unit].shares {
				by[unit].shares[k] /= sum[unit]
			}
			o.usual = append(o.usual, *by[unit])
		}
	}
	return o
}

// judge finds the outcomes by the requests of both cohorts so far.
func (o *outcomes) judge(b *balance) {
	moved := map[string]*[3]float64{} // of candidate and baseline, and the candidate's requests
	for _, u := range o.usual {
		m := moved[u.key]
		if m == nil {
			m = &[3]float64{}
			moved[u.key] = m
		}
		for side := range 2 {
			all := 0.0
			for _, k := range u.slices {
				all += b.slices[k][side]
			}
			for j, k := range u.slices {
				m[side] += math.Abs(b.slices[k][side]-u.shares[j]*all) / 2
			}
			if side == 0 {
				m[2] += all
			}
		}
	}
	for key, m := range moved {
		o.keys[key] = m[0] >= outcomeLeast && m[0] >= outcomeShare*m[2] && m[1] < m[0]/2
	}
}

// counts says that one of a stream's divisions counts: one by an outcome does not, and
// one that is crude only in its place.
func (o *outcomes) counts(all []*division, d *division) bool {
	if o == nil || !d.crude {
		return o == nil || !o.keys[d.key]
	}
	return slices.ContainsFunc(all, func(x *division) bool { return o.keys[x.key] })
}

// any says that some attribute tells an outcome.
func (o *outcomes) any() bool {
	for _, is := range o.keys {
		if is {
			return true
		}
	}
	return false
}

// named are the attributes that tell outcomes.
func (o *outcomes) named() string {
	var out []string
	for key, is := range o.keys {
		if is {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
