package stat

import "math"

// LogLater is the log Bayes factor of "worse since one of the 120 windows after the
// release" against the null: the later the less likely, for those who act, and all as
// likely, for those who ask, to whom a late beginning is as good as an early one. The
// release may have been served for some windows already without harm.
func (s *Shift) LogLater(served int) (act, ask float64) {
	if s.b+s.n <= 0 {
		return 0, 0
	}
	likely, any := newSum(), newSum()
	for j, weight := range lateWeights[min(lateSlots, served/slotWidth):] {
		worse := 0.0 // slots still to come have seen no change
		if k := s.first + 1 + j; k < len(s.slots) {
			worse = s.worse(s.slots[k])
		}
		likely.add(weight + worse)
		any.add(worse)
	}
	null := s.null()
	return likely.log() - null, any.log() - math.Log(lateSlots) - null
}

// lateWeights are the log probabilities that late harm begins at each slot after the
// release: the later the less likely.
var lateWeights = func() (w [lateSlots]float64) {
	sum := 0.0
	for j := range w {
		sum += 1 / float64(j+1)
	}
	for j := range w {
		w[j] = -math.Log(float64(j+1) * sum)
	}
	return w
}()
