package detect

import (
	"math"

	"unship.dev"
)

// A release on a single instance cannot be told from that instance: machines differ in speed.
// In one public cloud the same benchmark differed between instances of one type by a quarter,
// as a deviation; on machines of one's own by a hundredth (Schad, Dittrich, Quiané-Ruiz 2010).
// What the service's old instances differ by tells which it is, where there are several.
const (
	speedSD         = .15 // deviation of the log speed that is assumed …
	speedWorth      = 2   // … and how many old instances that is worth
	speedDeviations = 2.5
	speedCommon     = .5 // the part of a slowdown that all else which the instance does shows, too, if it is the instance's
	speedBuckets    = 2  // over which the slope of a distribution of durations is taken
)

// mayBeSlow says that a finding of durations rests on one instance of the release, which is
// slower in all that it does by no more than instances differ by.
func (w *watch) mayBeSlow(e *evidence, f *unship.Finding) bool {
	if !e.signal.latency() || e.points != nil || !(f.Baseline > 0) || w.serving() > 1 {
		return false
	}
	slower := math.Log(f.Candidate / f.Baseline)
	if w.elsewise(e, slower) < speedCommon*slower {
		return false
	}
	sd, old := w.speeds()
	return slower <= speedDeviations*sd*math.Sqrt(1+1/math.Max(1, float64(old)))
}

// serving counts the release's instances that served something.
func (w *watch) serving() (n int) {
	for _, i := range w.candidates() {
		if requests, _ := i.heardIn(w.begin, w.next); requests > 0 {
			n++
		}
	}
	return n
}

// elsewise is the log slowdown of what the instance does beside the operation that the
// evidence is about, or beside the one that is slowed down most where it is about several: in the
// mean over requests; as much as that of the evidence where nothing else is known.
func (w *watch) elsewise(e *evidence, slower float64) float64 {
	if e.slice != "" {
		return slower
	}
	sum, n, most := 0.0, 0.0, rate{math.Inf(-1), 0}
	for u := range w.shown {
		if e.single && u == e.units[0] || w.svc.units[u].kind() != e.signal.unit {
			continue
		}
		var own, old durations
		candidate, baseline := w.unitDurations(u)
		own.add(candidate)
		old.add(baseline)
		if min(own.n, old.n) < minDurations {
			continue
		}
		shift := own.sum/own.n - old.sum/old.n
		sum, n = sum+own.n*shift, n+own.n
		if shift > most.x {
			most = rate{shift, own.n}
		}
	}
	if !e.single && n > most.n {
		sum, n = sum-most.x*most.n, n-most.n
	}
	if n == 0 {
		return slower
	}
	return sum / n * math.Log(bucketRatio)
}

// speeds gives the deviation of the log speed between instances, from what the old ones
// differed by before the release beyond chance, and how many those were.
func (w *watch) speeds() (sd float64, old int) {
	h := w.history()
	all, slopes := make([]rate, len(w.svc.units)), make([]float64, len(w.svc.units))
	for u, x := range w.svc.units {
		if x.kind() == ofRequests {
			all[u], slopes[u] = w.svc.median(nil, u, h), x.lat.slope()
		}
	}
	var speed []float64
	chance := 0.0
	for _, i := range w.svc.instances {
		if i.version != w.baseline {
			continue
		}
		sum, n, variance := 0.0, 0.0, 0.0
		for u := range i.units {
			slope := slopes[u]
			if !(slope > 0) {
				continue
			}
			own := w.svc.median(i, u, h)
			if own.n < minDurations {
				continue
			}
			p := (all[u].x + .5) / (all[u].n + 1)
			sum += own.n * (math.Log((own.x+.5)/(own.n-own.x+.5)) - math.Log(p/(1-p))) / slope
			variance += own.n / (p * (1 - p) * slope * slope)
			n += own.n
		}
		if n > 0 {
			speed, chance = append(speed, sum/n), chance+variance/(n*n)
		}
	}
	ss := 0.0
	for _, x := range speed {
		ss += (x - mean(speed)) * (x - mean(speed))
	}
	if k := float64(len(speed)); k > 1 {
		ss = math.Max(0, ss-chance*(k-1)/k)
		return math.Sqrt((speedWorth*speedSD*speedSD + ss) / (speedWorth + k - 1)), len(speed)
	}
	return speedSD, len(speed)
}

// median counts what instance i, nil for all, did of a unit, and how much of it took longer than the median.
func (s *service) median(i *instance, u int, h history) rate {
	r := s.sum(&stratum{unit: u}, func(x *instance) bool { return i == nil || x == i }, h)
	return rate{r.y[countP50], r.timed}
}

// slope is by how much the log odds of exceeding the median rise with the log of all
// durations; 0 of what has no thresholds.
func (l *latency) slope() float64 {
	if l == nil || !l.known {
		return 0
	}
	return (l.past.logOdds(l.limits[0]-speedBuckets) - l.past.logOdds(l.limits[0])) / (speedBuckets * math.Log(bucketRatio))
}

// logOdds are those of exceeding a limit.
func (s *sketch) logOdds(limit int16) float64 {
	above := 0.0
	for i := max(0, int(limit-s.base)+1); i < len(s.weight); i++ {
		above += s.weight[i]
	}
	return math.Log((above + .5) / (s.total - above + .5))
}
