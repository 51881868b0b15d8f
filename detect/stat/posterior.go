package stat

import "math"

// Rival is a hypothesis that no release is the cause: that nothing is wrong
// (LogE 0), that something outside shifted, that a node is bad.
type Rival struct{ Prior, LogE float64 }

// PosteriorBlame gives the probability that each release is the one cause,
// then the same of each rival: prior_i·E_i over the sum of all, E being Bayes
// factors against "not this one, whatever else is going on". Exactly one
// hypothesis is taken to be true. If all are impossible all get 0.
//
// A release compared with its own past has outside shifts in its E already;
// give its rival LogE 0 then.
func PosteriorBlame(logE, prior []float64, rivals ...Rival) []float64 {
	post := make([]float64, 0, len(logE)+len(rivals))
	for i, e := range logE {
		post = append(post, math.Log(prior[i])+e)
	}
	for _, r := range rivals {
		post = append(post, math.Log(r.Prior)+r.LogE)
	}
	total := LogSumExp(post)
	for i, l := range post {
		post[i] = 0
		if !math.IsInf(l, -1) && !math.IsNaN(l) {
			post[i] = math.Exp(l - total)
		}
	}
	return post
}
