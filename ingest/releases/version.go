package releases

import (
	"cmp"
	"strings"
	"time"

	"unship.dev"
)

const (
	shortestSilence = time.Minute      // never gone before
	longestSilence  = 15 * time.Minute // always gone after
	longestGap      = 20 * time.Minute // a longer one is an interruption, not a rhythm
	maxInstances    = 1000             // tracked per version
	maxServed       = 8                // spells of serving remembered per version
)

// version is what is known of one version of a service.
type version struct {
	name        string
	first, last time.Time
	established bool // was current once
	returned    bool // has come back and not yet taken over again
	served      []spell
	rhythm      rhythm
	instances   map[string]*instance
	grown       time.Time // when an instance was last added
	firstMajor  time.Time // when it first carried more than stray traffic since it was released
	lastMajor   time.Time
	release     *release // nil if initial
}

// spell is a time in which a version served.
type spell struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// instance is what is known of one instance of a version.
type instance struct {
	last   time.Time
	rhythm rhythm
}

func newVersion(name string, at time.Time) *version {
	return &version{name: name, first: at, instances: map[string]*instance{}}
}

// hear takes one window of the version, which ends at end.
func (v *version) hear(w *unship.Window, end time.Time) {
	v.rhythm.note(v.last, end)
	v.serve(w.Start, end)
	v.last = end
	if v.release != nil {
		v.release.LastSeen = end
	}
	in, ok := v.instances[w.Instance.ID]
	if !ok {
		if len(v.instances) >= maxInstances {
			return
		}
		in = &instance{}
		v.instances[w.Instance.ID] = in
		v.grown = end
	}
	in.rhythm.note(in.last, end)
	in.last = end
}

// serve notes when the version served. Spells less than the version's horizon apart are one.
func (v *version) serve(start, end time.Time) {
	n := len(v.served)
	if n > 0 && start.Sub(v.served[n-1].To) < v.rhythm.horizon() {
		v.served[n-1].To = end
		return
	}
	v.served = append(v.served, spell{start, end})
	v.served = v.served[max(0, len(v.served)-maxServed):]
}

// before orders versions by when they were last heard, then by name.
func (v *version) before(o *version) bool {
	return cmp.Or(v.last.Compare(o.last), strings.Compare(v.name, o.name)) < 0
}

// prune drops instances not heard for an hour.
func (v *version) prune(now time.Time) {
	for id, in := range v.instances {
		if now.Sub(in.last) > time.Hour {
			delete(v.instances, id)
		}
	}
}

// lost counts instances that were there at or after since and are silent now
// while the service is heard; alive counts those that are not silent.
func (v *version) lost(since, now time.Time) (lost, alive int) {
	for _, in := range v.instances {
		switch {
		case now.Sub(in.last) < in.rhythm.horizon():
			alive++
		case !in.last.Before(since):
			lost++
		}
	}
	return lost, alive
}

// rhythm is how long the last pauses between two signs of life were.
type rhythm struct {
	gaps [8]time.Duration
	n    int
}

// note adds the pause from the last sign of life until now.
func (r *rhythm) note(last, now time.Time) {
	gap := now.Sub(last)
	if last.IsZero() || gap <= 0 || gap > longestGap {
		return
	}
	r.gaps[r.n%len(r.gaps)] = gap
	r.n++
}

// known says that enough pauses were seen to tell what is usual.
func (r *rhythm) known() bool { return r.n >= 3 }

// horizon is how long a silence must be to mean something.
func (r *rhythm) horizon() time.Duration {
	if !r.known() {
		return longestSilence
	}
	longest := time.Duration(0)
	for _, g := range r.gaps {
		longest = max(longest, g)
	}
	return min(max(3*longest, shortestSilence), longestSilence)
}

func compareInstances(a, b unship.Instance) int {
	return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Node, b.Node))
}
