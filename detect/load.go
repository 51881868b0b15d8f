package detect

import "math"

// loadNews is by how much, beyond the dead zone, the log of the load over the
// latest windows since the release is outside of what stretches of the past of
// the same length had. Load that comes in waves is no news when the next one
// comes: what it does to failures is in the past that is compared with.
func (w *watch) loadNews(t, length int32) float64 {
	if w.pastLoad == nil {
		w.pastLoad = w.svc.loadSums(w.history())
	}
	length = min(length, t-w.begin+1, int32(len(w.pastLoad)-1))
	if length <= 0 {
		return 0
	}
	low, high := extremes(w.pastLoad, int(length))
	is := w.svc.requests(t-length+1, t+1)
	return math.Max(0, math.Max(math.Log((is+1)/(high+1)), math.Log((low+1)/(is+1)))-loadDeadZone)
}

// loadSums gives the requests of a history up to each of its windows, beginning with none.
func (s *service) loadSums(h history) []float64 {
	sums := make([]float64, max(h.to-h.from, 0)+1)
	for _, c := range s.load {
		if c.at >= h.from && c.at < h.to {
			sums[c.at-h.from+1] += float64(c.n)
		}
	}
	for k := 1; k < len(sums); k++ {
		sums[k] += sums[k-1]
	}
	return sums
}

// extremes are the least and the greatest mean of so many successive windows.
func extremes(sums []float64, length int) (low, high float64) {
	low = math.Inf(1)
	for k := length; k < len(sums); k++ {
		mean := (sums[k] - sums[k-length]) / float64(length)
		low, high = math.Min(low, mean), math.Max(high, mean)
	}
	return low, high
}
