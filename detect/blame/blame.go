// Package blame weighs releases that happened at the same time against each
// other, and against "no release did it".
//
// In: the evidence of each release of one environment, as natural logarithms of
// Bayes factors that are insensitive to everything that is not the release.
// Out: probabilities, suspects with reasons, and the innocent with theirs. The
// package is pure and safe for concurrent use; it never fails.
package blame

import "unship.dev"

// Evidence is what is known against one release.
type Evidence struct {
	Release     unship.Release
	LogE        float64  // log Bayes factor of "this release is worse" against "it is not"
	BeforeAfter bool     // the comparison was with the past, not with the same moments
	Regressed   bool     // judged so, at its own threshold
	Reasons     []string // for
	Against     []string // against: why it is thought innocent
}

// Case is everything that happened in one environment at one moment.
type Case struct {
	Environment string
	Releases    []Evidence
	Node        string // a node that explains harm by itself, if one does
}

// Weigh gives the blame of a case.
func Weigh(c Case) unship.Blame { return unship.Blame{Environment: c.Environment} }
