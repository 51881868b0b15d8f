package detect

import "unship.dev/detect/stat"

// Rules of points where nothing old is left to compare with.
const (
	pointDrift = .3 // of the log rate of bad points, beside what is tolerated
	pointTrail = 5  // intervals of the controls' ratio
)

// pointShift is what the comparison with the past knows of points.
type pointShift struct {
	*pointLook
	controls []pointControl
}

// pointControl is a service that is not being released, with its own limits.
type pointControl struct {
	svc  *service
	look *pointLook
	pre  rate
}

// addPoints gives the points of each class streams.
func (p *past) addPoints(d *Detector, h history) {
	svc := p.w.svc
	old := func(i *instance) bool { return i.version != p.w.release.Version }
	for _, class := range pointClasses {
		for _, q := range pointQuantiles {
			l := svc.lookAt(class, q, old, h, d.levelWindows())
			if l == nil {
				continue
			}
			half := svc.pointWeight(class) / 2 / float64(len(pointQuantiles))
			x := &pointShift{pointLook: l, controls: p.pointControls(d, class, q, h)}
			if len(l.metrics) > 1 {
				p.addStream(&shiftStream{signal: pointSignal, points: x, weight: half}, h)
			} else {
				half *= 2
			}
			for k := range l.metrics {
				one := *x
				one.pointLook = l.only(k)
				p.addStream(&shiftStream{signal: pointSignal, points: &one, weight: half / float64(len(l.metrics)), single: true}, h)
			}
		}
	}
}

func (p *past) pointControls(d *Detector, class pointClass, q float64, h history) (out []pointControl) {
	for _, c := range p.w.controls {
		x := pointControl{svc: c.svc, look: c.svc.lookAt(class, q, anyInstance, h, d.levelWindows())}
		if x.look == nil {
			continue
		}
		x.pre = x.between(h)
		out = append(out, x)
	}
	return out
}

func anyInstance(*instance) bool { return true }

// between counts a control's points of some windows.
func (x *pointControl) between(h history) (r rate) {
	for k := range x.look.metrics {
		for _, i := range x.svc.instances {
			bad, all := x.look.count(x.svc, i, k, h, false)
			r.x, r.n = r.x+float64(bad), r.n+float64(all)
		}
	}
	return r
}

// ratio is how the rate of bad points changed in the middle of the other
// services, by the latest intervals.
func (x *pointShift) ratio(w *watch, t int32) float64 {
	var all []float64
	for k := range x.controls {
		c := &x.controls[k]
		if c.svc.released > w.begin-releasedNear && c.svc.released > 0 {
			continue
		}
		now := c.between(history{max(w.begin, t+1-pointTrail*c.look.every), t + 1})
		p := (c.pre.x + .5) / (c.pre.n + 1)
		all = append(all, (now.x+1)/(now.n+1/p)/p)
	}
	return median(all)
}

// pointsBefore gives bad and all points of a stratum by window before the release.
func (p *past) pointsBefore(l *pointLook, stratum int, h history) (x, n []float64) {
	x, n = make([]float64, h.to-h.from), make([]float64, h.to-h.from)
	for _, i := range p.w.svc.instances {
		if i.version == p.w.release.Version {
			continue
		}
		for t := h.from; t < h.to; t++ {
			bad, all := l.count(p.w.svc, i, stratum, history{t, t + 1}, false)
			x[t-h.from], n[t-h.from] = x[t-h.from]+float64(bad), n[t-h.from]+float64(all)
		}
	}
	return x, n
}

// pointsAt is the same of the candidate in window t.
func (p *past) pointsAt(l *pointLook, stratum int, t int32, out map[*instance]bool) (x, n float64) {
	for _, i := range p.w.svc.instances {
		if i.version == p.w.release.Version && !out[i] {
			bad, all := l.count(p.w.svc, i, stratum, history{t, t + 1}, true)
			x, n = x+float64(bad), n+float64(all)
		}
	}
	return x, n
}

// scattered widens the dispersion of a stream of points by how much they scatter in time.
func (s *shiftStream) scattered() float64 {
	return max(s.opt.Phi, stat.Scatter(s.opt.PreX, s.opt.PreN))
}
