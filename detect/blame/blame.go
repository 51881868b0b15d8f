// Package blame weighs releases that happened at the same time against each
// other, and against "no release did it".
//
// In: the evidence of each release of one environment, as natural logarithms of
// Bayes factors that are insensitive to everything that is not the release.
// Out: probabilities, suspects with reasons, and the innocent with theirs. The
// package is pure and safe for concurrent use; it never fails.
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
	PriorExogenous = .02
	leastPrior     = .5 // of "nothing is wrong", however many releases there are
)

// suspicious is the log evidence, or the probability, from which a release is listed.
const (
	suspiciousLogE        = 2.302585 // log 10
	suspiciousProbability = .2
)

// Evidence is what is known against one release.
type Evidence struct {
	Release     unship.Release
	LogE        float64  // log Bayes factor of "this release is worse" against "it is not"
	BeforeAfter bool     // the comparison was with the past, not with the same moments
	Regressed   bool     // judged so, at its own threshold
	Reasons     []string // for
	Against     []string // why it is thought innocent
}

// Case is everything that happened in one environment at one moment.
type Case struct {
	Environment string
	Releases    []Evidence
	Node        string // a node that explains harm by itself, if one does
	Shared      bool   // several services that are not being released fail more, too
	Surge       bool   // the load changed a lot
}

// Posterior gives the probability that each release, and nothing else, is the
// cause. A rival that is judged already does not weigh against a release that
// is compared in the same moments, for that comparison holds whatever else is
// broken; it does weigh against one that is compared with its past.
func Posterior(c Case) []float64 {
	out := make([]float64, len(c.Releases))
	for i, r := range c.Releases {
		logE, at := []float64{}, 0
		for j, o := range c.Releases {
			if j != i && o.Regressed && !r.BeforeAfter {
				continue
			}
			if j == i {
				at = len(logE)
			}
			logE = append(logE, o.LogE)
		}
		out[i] = weigh(logE)[at]
	}
	return out
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

// Weigh gives the blame of a case. Suspects come most probable first.
func Weigh(c Case) unship.Blame {
	b := unship.Blame{Environment: c.Environment, Cause: unship.CauseUnknown}
	logE := make([]float64, len(c.Releases))
	for i, r := range c.Releases {
		logE[i] = r.LogE
	}
	p := weigh(logE)
	for i, r := range c.Releases {
		switch {
		case r.Regressed || r.LogE >= suspiciousLogE || p[i] >= suspiciousProbability:
			b.Suspects = append(b.Suspects, suspect(r, p[i]))
		case len(r.Against) > 0:
			b.Exonerated = append(b.Exonerated, unship.Exoneration{Service: r.Release.Name, Version: r.Release.Version, Why: r.Against[0]})
		}
	}
	slices.SortStableFunc(b.Suspects, func(x, y unship.Suspect) int { return -cmp.Compare(x.Probability, y.Probability) })
	b.Cause = cause(c, b.Suspects)
	return b
}

func suspect(r Evidence, p float64) unship.Suspect {
	return unship.Suspect{
		Namespace: r.Release.Namespace, Service: r.Release.Name, Version: r.Release.Version, Previous: r.Release.Previous,
		Probability: p, Reasons: r.Reasons,
	}
}

// cause is the kind of the most probable hypothesis.
func cause(c Case, suspects []unship.Suspect) unship.Cause {
	switch {
	case len(suspects) > 0 && suspects[0].Probability > .5:
		return unship.CauseRelease
	case c.Node != "":
		return unship.CauseInfrastructure
	case c.Shared && c.Surge:
		return unship.CauseTraffic
	case c.Shared:
		return unship.CauseDependency
	}
	return unship.CauseUnknown
}
