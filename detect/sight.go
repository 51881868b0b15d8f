package detect

import (
	"math"

	"unship.dev/detect/stat"
)

// What looks worse at first sight: so many times the odds, so many deviations beyond that.
const (
	sightTimes = 1.25 // of those in the same moments
	sightSince = 2    // of those before, for times change
	sightSD    = 3
)

// looksWorse says, in words, that the candidate's requests as a whole, or what its neighbours
// see of it, look worse than the baseline's in the same moments although instances differ too
// much to say so; that more of them fail than before although times differ; or that more calls
// go unanswered, whoever they were meant for: nobody would call that healthy.
func (d *Detector) looksWorse(w *watch) string {
	switch {
	case w.past != nil:
		return d.looksWorseSince(w)
	case w.conc == nil:
		return ""
	}
	if why := w.losesMore(); why != "" || w.elsewhere() != "" {
		return why
	}
	for _, s := range w.conc.streams {
		if s.single || s.level != nil || s.rise != nil || s.loss != nil || s.mix != nil || s.points != nil || s.event > 0 ||
			s.signal.whether != nil || s.signal.unit == ofCalls {
			continue
		}
		e := w.concurrentEvidence(s)
		if s.near != nil && s.sight.worse() || s.near == nil && e.worse(sightTimes) {
			f, differ := d.finding(w, &e), "instances differ as much by themselves"
			if s.near != nil {
				differ = "what is asked differs as much by itself"
			}
			return "it looks worse, but " + differ + ": " + w.say(&f, s.signal.what)
		}
	}
	return ""
}

// losesMore says, in words, that more calls go unanswered since the release than before, and
// more than is tolerated while instances come and go.
func (w *watch) losesMore() string {
	for _, s := range w.conc.streams {
		if s.rise == nil {
			continue
		}
		e := w.rising(s)
		was := e.totals[0].xb / math.Max(1, e.totals[0].nb)
		e.totals[0].xb = (lostRatio*was + lostTolerated) * e.totals[0].nb
		if e.worse(1) {
			return w.sayRise(e.totals[0].xc/e.totals[0].nc, was)
		}
	}
	return ""
}

func (d *Detector) looksWorseSince(w *watch) string {
	for _, s := range w.past.streams {
		near := s.heard != nil || s.crossing != nil
		if s.single || !near && s.shift == nil || s.flow != nil || s.points != nil || s.event > 0 || s.signal.near == unheard || s.signal.unit != ofRequests || s.signal.latency() {
			continue
		}
		if e := w.pastEvidence(s); e.worse(sightSince) {
			if why := w.logsOtherwise(); why != "" {
				return "it looks worse, but " + why
			}
			f := d.finding(w, &e)
			return "it looks worse, but times differ as much by themselves: " + w.say(&f, s.signal.what)
		}
	}
	return ""
}

// sight counts the candidate's bad requests beyond those that [sightTimes] the baseline's
// odds bring in the same moments, and their variance, where requests come one by one. Given
// how many were bad in a window, the candidate's are as likely as its part of the requests
// says: whatever comes and goes, and whoever has more of the traffic then, makes no difference.
type sight struct{ more, variance float64 }

func (s *sight) add(t stat.Table) {
	x, mine := float64(t.XC+t.XB), float64(sightTimes*float64(t.NC))
	p := mine / (mine + float64(t.NB))
	s.more, s.variance = s.more+float64(t.XC)-float64(x*p), s.variance+float64(x*p*(1-p))
}

// worse says that they are more than chance brings but once in a hundred times, however few
// they are: the inequality of Bernstein (1924), where a normal variable exceeds [sightSD].
func (s *sight) worse() bool {
	return s.more > 0 && s.more*s.more > sightSD*sightSD*(s.variance+s.more/3)
}
