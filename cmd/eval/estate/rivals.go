package estate

import (
	"math"
	"slices"

	"unship.dev"
)

// Rival is a scorer known from the literature. It is given the same run and a
// level at which it would act, chosen to suit it: it cannot know its own noise.
type Rival struct {
	Name  string
	level float64
	score func(e *Estate, w *watcher) []float64 // by release
}

// Rivals are the scorers to compare with.
func Rivals() []Rival {
	return []Rival{
		{"vote and veto (Gandalf)", 4, (*Estate).voteAndVeto},
		{"Ochiai spectrum", .15, (*Estate).ochiai},
		{"TraceRCA score", .08, (*Estate).traceRCA},
		{"BARO score", 8, (*Estate).baro},
		{"latest deployment", 4, (*Estate).latest},
	}
}

// watcher keeps what the rivals look at.
type watcher struct {
	releases []sides
	services []series // by release
	all      series
}

// sides counts a released service's requests and failures, wherever they began.
type sides struct{ before, old, fresh ratio }

type ratio struct{ bad, all float64 }

// series are a service's failure ratio and mean duration by window.
type series struct{ failures, seconds []float64 }

// PlayRivals runs the estate through all of them. The estate is used up.
func (e *Estate) PlayRivals() map[string]Result {
	w := &watcher{releases: make([]sides, len(e.Releases)), services: make([]series, len(e.Releases))}
	for t := range Windows {
		tick, _ := e.Tick(t)
		w.see(e, &tick, t)
	}
	out := map[string]Result{}
	for _, r := range Rivals() {
		scores := r.score(e, w)
		x := Result{Guilty: e.Guilty, Top: best(scores), Blamed: -1}
		if scores[x.Top] >= r.level {
			x.Blamed = x.Top
			x.Wrong = x.Blamed != e.Guilty
		}
		out[r.Name] = x
	}
	return out
}

func best(scores []float64) int {
	top := 0
	for k, s := range scores {
		if s > scores[top] {
			top = k
		}
	}
	return top
}

// see counts one window.
func (w *watcher) see(e *Estate, tick *unship.Tick, t int) {
	var all sums
	by := make([]sums, len(e.Releases))
	for i := range tick.Windows {
		x := &tick.Windows[i]
		k := slices.IndexFunc(e.Releases, func(r *Rollout) bool { return r.Release.Service == x.Release.Service })
		var s sums
		for _, p := range x.Operations {
			s.add(&p)
		}
		all.merge(s)
		if k < 0 {
			continue
		}
		by[k].merge(s)
		c := &w.releases[k]
		side := &c.before
		switch {
		case x.Release == e.Releases[k].Release.ReleaseID:
			side = &c.fresh
		case t >= e.Releases[k].Begin:
			side = &c.old
		}
		side.bad, side.all = side.bad+s.failed, side.all+s.requests
	}
	w.all.append(all)
	for k := range by {
		w.services[k].append(by[k])
	}
}

// sums are one window's requests, failures and seconds.
type sums struct{ requests, failed, seconds float64 }

func (s *sums) add(p *unship.Operation) {
	s.requests += float64(p.Requests)
	s.failed += float64(p.Failed)
	for _, b := range p.Duration {
		s.seconds += float64(b.Count) * unship.UpperBound(b.Index).Seconds()
	}
}

func (s *sums) merge(o sums) {
	s.requests, s.failed, s.seconds = s.requests+o.requests, s.failed+o.failed, s.seconds+o.seconds
}

func (s *series) append(x sums) {
	n := math.Max(1, x.requests)
	s.failures, s.seconds = append(s.failures, x.failed/n), append(s.seconds, x.seconds/n)
}

// voteAndVeto gives each release the failures on its new instances beyond what
// was usual as votes, those on old instances at the same time as vetoes, as Li
// et al. (2020, "Gandalf") describe. Failures are inclusive: whatever a trace
// fails on is held against everything that it passed.
func (e *Estate) voteAndVeto(w *watcher) []float64 {
	out := make([]float64, len(e.Releases))
	for k, c := range w.releases {
		p := (c.before.bad + 1) / (c.before.all + 1)
		beyond := func(r ratio) float64 { return (r.bad - r.all*p) / math.Sqrt(r.all*p+1) }
		out[k] = beyond(c.fresh)
		if c.old.all > 0 {
			out[k] -= math.Max(0, beyond(c.old))
		}
	}
	return out
}

// ochiai is the coefficient of Ochiai over abnormal and normal traces, for the
// instances of each new version (as in Yu et al. 2021, "MicroRank", without its
// page rank).
func (e *Estate) ochiai(*watcher) []float64 {
	out := make([]float64, len(e.Releases))
	for k, x := range e.traces.through {
		if n := e.traces.abnormal * (x.abnormal + x.normal); n > 0 {
			out[k] = x.abnormal / math.Sqrt(n)
		}
	}
	return out
}

// traceRCA is the harmonic mean of support and confidence over traces (Li et
// al. 2021, "Practical root cause localization … via trace analysis").
func (e *Estate) traceRCA(*watcher) []float64 {
	out := make([]float64, len(e.Releases))
	for k, x := range e.traces.through {
		if x.abnormal > 0 {
			support, confidence := x.abnormal/e.traces.abnormal, x.abnormal/(x.abnormal+x.normal)
			out[k] = 2 * support * confidence / (support + confidence)
		}
	}
	return out
}

// baro is the largest deviation of a service's metrics after the change from
// their median before it, in interquartile ranges (Pham et al. 2024, "BARO").
func (e *Estate) baro(w *watcher) []float64 {
	out := make([]float64, len(e.Releases))
	for k, s := range w.services {
		out[k] = math.Max(robust(s.failures), robust(s.seconds))
	}
	return out
}

func robust(v []float64) float64 {
	before := slices.Sorted(slices.Values(v[:history]))
	q := func(p float64) float64 { return before[int(p*float64(len(before)-1))] }
	spread := math.Max(q(.75)-q(.25), 1e-3)
	return (slices.Max(v[history:]) - q(.5)) / spread
}

// latest blames the release that came last, once the estate as a whole fails
// more than before.
func (e *Estate) latest(w *watcher) []float64 {
	mean := func(v []float64) (m float64) {
		for _, x := range v {
			m += x / float64(len(v))
		}
		return m
	}
	p, now := mean(w.all.failures[:history]), mean(w.all.failures[history+rollouts:])
	n := float64(traces * horizon)
	z := (now - p) * n / math.Sqrt(p*n)
	out := make([]float64, len(e.Releases))
	for k := range out {
		out[k] = z + 1e-6*float64(k)
	}
	return out
}
