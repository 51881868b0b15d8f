package detect

import (
	"math"

	"unship.dev/detect/stat"
)

// What a release does from its beginning it did while it served beside the old version as
// well. Of a release that served well beside it, evidence of the time since therefore counts as
// harm that began with it only as far as the time beside does not speak against that: by
//
//	ℓ = (x·log θ − m·(θ−1)) / φ,
//
// the log likelihood ratio of x bad requests of the release beside the old version, where m
// would have come at the rates of before, between θ times as many, as it has had since, and as
// many as before. Where little was counted then, as of durations while instances warm up,
// little speaks against it; what speaks for it was weighed beside the old version, and
// does not count again. So a stream keeps the part exp(min(0, ℓ)) of its weight.

// lookBack counts what each stream showed of the release beside the old version, some
// instances left out.
func (p *past) lookBack(out map[*instance]bool) {
	if p.well == 0 {
		return
	}
	h := history{p.w.begin, p.from}
	for _, s := range p.streams {
		s.beside = rate{}
		switch {
		case s.heard != nil:
			for k := range s.heard.near {
				n, bad := s.heard.near[k].rel.between(h, of(p.w.known))
				s.beside.add(float64(bad), float64(n)*s.heard.rates[k])
			}
		case s.crossing != nil:
			for k := range s.crossing.places {
				x := s.crossing.places[k].table(of(p.w.known), h)
				s.beside.add(float64(x.XC), float64(x.NC)*(float64(x.XB)+.5)/(float64(x.NB)+1))
			}
		}
	}
	for t := h.from; t < h.to; t++ {
		if p.w.skipped[t] {
			continue
		}
		busier, share := p.busier(t, out), p.w.share(t)
		for _, s := range p.streams {
			if s.shift == nil || s.flow != nil || p.w.blinded[t] && s.signal.ofOwnCalls() {
				continue
			}
			x, _, want := p.counted(s, t, out, busier)
			if s.signal.near == unheard { // all that were lost may have been meant for it
				want *= share
			}
			s.beside.add(x, want)
		}
	}
}

func (r *rate) add(x, n float64) { r.x, r.n = r.x+x, r.n+n }

// share is the release's part of what its service serves in window t.
func (w *watch) share(t int32) float64 {
	c, b := w.count(t)
	return float64(c) / math.Max(1, float64(c+b))
}

// fromStart gives, by stream, the log evidence of harm that began with the release, as far as
// the time beside leaves it its weight; the rest of the weights stays invested in e = 1.
func (p *past) fromStart() []float64 {
	p.spared = 0
	if p.well == 0 {
		return p.logA
	}
	out := make([]float64, len(p.streams))
	for k, s := range p.streams {
		left := s.besides()
		out[k] = p.logA[k] + left
		p.spared += s.weight * -math.Expm1(left)
	}
	return out
}

// sparing adds to the evidence of harm from the beginning the weight that the time beside took.
func (p *past) sparing(logE float64) float64 { return stat.LogAdd(logE, math.Log(p.spared)) }

// besides is the log likelihood ratio of what a stream showed of the release beside the old
// version, where it speaks against harm from the beginning.
func (s *shiftStream) besides() float64 {
	since := rate{s.post.x, s.want}
	switch {
	case s.level != nil: // it tells of the whole time since the release
		return 0
	case s.flow != nil:
		return math.Inf(-1)
	case s.heard != nil:
		since = rate{s.heard.post.x, s.heard.want}
	case s.crossing != nil:
		since = rate{}
		for _, t := range s.crossing.totals {
			since.add(t.xc, t.nc*(t.xb+.5)/(t.nb+1))
		}
	}
	times := (since.x + .5) / (since.n + .5)
	if s.good == (times > 1) {
		return 0
	}
	return math.Min(0, (s.beside.x*math.Log(times)-s.beside.n*(times-1))/math.Max(1, s.opt.Phi))
}
