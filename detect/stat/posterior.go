package stat

// Rival is a hypothesis that no release is the cause: that nothing is wrong
// (LogE 0), that something outside is, or a node.
type Rival struct{ Prior, LogE float64 }

// PosteriorBlame gives the posterior of each release, then of each rival.
func PosteriorBlame(logE, prior []float64, rivals ...Rival) []float64 { return nil }
