// Package blame weighs releases that happened at the same time against each
// other, and against "no release did it".
//
// In: the evidence of each release of one environment, as natural logarithms of
// Bayes factors that are insensitive to everything that is not the release; and
// that of what else may have happened. Out: probabilities, suspects with
// reasons, and the innocent with theirs. The package is pure and safe for
// concurrent use; it never fails.
package blame

import (
	"cmp"
	"math"
	"slices"

	"unship.dev"
	"unship.dev/detect/stat"
)

// Priors of the hypotheses: how often a release is bad, and how often something
// else shifts while one is watched.
const (
	PriorRelease   = .05
	PriorNeighbour = .005 // that a release is bad in a way that shows at its neighbours only
	PriorExogenous = .02
	leastPrior     = .5 // of "nothing is wrong", however many releases there are
)

// suspicious is the log evidence, or the probability, from which a release is
// listed; leastShown is the probability from which a hypothesis is.
const (
	suspiciousLogE        = 2.302585 // log 10
	suspiciousProbability = .2
	leastShown            = .005
)

// Evidence is what is known against one release.
type Evidence struct {
	Release   unship.Release
	LogE      float64  // log Bayes factor of "this release is worse" against "it is not"
	Asks      float64  // the same with what may ask a person and not judge; it weighs for the release alone, not against others
	Alone     float64  // so much of LogE no other release can have brought about …
	Unjudged  float64  // … and so much none that is judged already can
	Regressed bool     // judged so, at its own threshold
	Reasons   []string // for
	Against   []string // why it is thought innocent
}

// Own is the evidence that is weighed for the release itself.
func (e *Evidence) Own() float64 { return math.Max(e.LogE, e.Asks) }

// Outside is something that may have happened without a release.
type Outside struct {
	Cause unship.Cause // dependency, infrastructure or traffic
	Name  string       // of the service, or where it is: node X, cloud.availability_zone Y
	LogE  float64      // log Bayes factor of "it changed" against "it did not"
	Why   string       // in words
}

// Case is everything that happened in one environment at one moment.
type Case struct {
	Environment string
	Releases    []Evidence
	Outside     []Outside
}

// Posterior gives the probability that each release, and nothing else, is the cause. A rival
// weighs against the evidence that it may have brought about, not against the rest.
func Posterior(c Case) []float64 {
	out := make([]float64, len(c.Releases))
	for i, r := range c.Releases {
		out[i] = c.posterior(i, r.Own(), func(*Evidence) bool { return true })
		if r.Unjudged > 0 {
			out[i] = max(out[i], c.posterior(i, min(r.Own(), r.Unjudged), func(o *Evidence) bool { return !o.Regressed }))
		}
		if r.Alone > 0 {
			out[i] = max(out[i], c.posterior(i, min(r.Own(), r.Alone), func(*Evidence) bool { return false }))
		}
	}
	return out
}

// posterior gives the probability of release i by evidence logE, against those of the others
// that are its rivals.
func (c *Case) posterior(i int, logE float64, rival func(*Evidence) bool) float64 {
	all := []float64{logE}
	for j := range c.Releases {
		if o := &c.Releases[j]; j != i && rival(o) {
			all = append(all, o.LogE)
		}
	}
	return weigh(all)[0]
}

// weigh gives the posteriors of releases, then of nothing wrong, then of
// something from outside.
func weigh(logE []float64) []float64 {
	prior := make([]float64, len(logE))
	for i := range prior {
		prior[i] = PriorRelease
	}
	none := math.Max(leastPrior, 1-PriorRelease*float64(len(logE))-PriorExogenous)
	return stat.PosteriorBlame(logE, prior, stat.Rival{Prior: none}, stat.Rival{Prior: PriorExogenous})
}

// Weigh gives the blame of a case. Suspects come most probable first: several may be
// bad at once, so their probabilities may sum to more than 1; those of the hypotheses,
// each of which explains everything by itself, sum to 1.
func Weigh(c Case) unship.Blame {
	b := unship.Blame{Environment: c.Environment}
	logE := make([]float64, len(c.Releases))
	for i, r := range c.Releases {
		logE[i] = r.Own()
	}
	p, alone := weigh(logE), Posterior(c)
	for i, r := range c.Releases {
		switch {
		case r.Regressed || r.Own() >= suspiciousLogE || p[i] >= suspiciousProbability:
			b.Suspects = append(b.Suspects, suspect(r, math.Max(p[i], alone[i])))
		case len(r.Against) > 0:
			b.Exonerated = append(b.Exonerated, unship.Exoneration{Service: r.Release.Name, Version: r.Release.Version, Why: r.Against[0]})
		}
	}
	slices.SortStableFunc(b.Suspects, func(x, y unship.Suspect) int { return -cmp.Compare(x.Probability, y.Probability) })
	b.Hypotheses = hypotheses(c, p[:len(c.Releases)])
	b.Cause = cause(b.Hypotheses)
	return b
}

func suspect(r Evidence, p float64) unship.Suspect {
	return unship.Suspect{
		Namespace: r.Release.Namespace, Service: r.Release.Name, Version: r.Release.Version, Previous: r.Release.Previous,
		Probability: p, Reasons: r.Reasons,
	}
}

// hypotheses gives everything that may be the cause, most probable first; the
// probabilities sum to 1. Releases come with theirs: their evidence does not
// depend on what else is broken. What they leave is divided among the rest.
func hypotheses(c Case, p []float64) (out []unship.Hypothesis) {
	unknown := 1.0
	add := func(h unship.Hypothesis) {
		if h.Probability >= leastShown {
			out = append(out, h)
			unknown -= h.Probability
		}
	}
	left := 1.0
	for i, r := range c.Releases {
		left -= p[i]
		h := unship.Hypothesis{Cause: unship.CauseRelease, Name: r.Release.ReleaseID.String(), Probability: p[i]}
		if len(r.Reasons) > 0 {
			h.Why = r.Reasons[0]
		}
		add(h)
	}
	logE, prior := make([]float64, len(c.Outside)), make([]float64, len(c.Outside))
	for i, o := range c.Outside {
		logE[i], prior[i] = o.LogE, PriorExogenous
	}
	none := math.Max(leastPrior, 1-PriorExogenous*float64(len(c.Outside)))
	q := stat.PosteriorBlame(logE, prior, stat.Rival{Prior: none})
	for i, o := range c.Outside {
		add(unship.Hypothesis{Cause: o.Cause, Name: o.Name, Probability: math.Max(0, left) * q[i], Why: o.Why})
	}
	out = append(out, unship.Hypothesis{Cause: unship.CauseUnknown, Probability: math.Max(0, unknown)})
	slices.SortStableFunc(out, func(a, b unship.Hypothesis) int { return -cmp.Compare(a.Probability, b.Probability) })
	return out
}

// cause is the kind of the most probable hypothesis; a release must be more
// probable than all else together.
func cause(h []unship.Hypothesis) unship.Cause {
	if h[0].Cause == unship.CauseRelease && h[0].Probability <= .5 {
		return unship.CauseUnknown
	}
	return h[0].Cause
}
