package stat

// Wald is the least number of windows in which any test can tell.
func Wald(pc, pb, nc, nb, alpha float64) float64 { return 0 }

// Detectable is the smallest rate of the candidate that would have been seen by now.
func Detectable(nc, nb float64, pb, phi, sigma0, logThreshold float64) float64 { return 1 }

// WindowsToDetect is how many windows it takes to see a rate.
func WindowsToDetect(ncPerWindow, nbPerWindow, pb, pc, phi, sigma0, logThreshold float64) float64 {
	return 0
}
