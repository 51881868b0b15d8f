package detect

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"unship.dev"
	"unship.dev/detect/stat"
)

// levelFinding is the finding of a level or a trend.
func (d *Detector) levelFinding(w *watch, e *evidence) unship.Finding {
	l := e.level
	m := w.svc.metrics[l.metric]
	f := unship.Finding{
		Release: w.release.ReleaseID, Signal: unship.SignalMetric, Name: m.title(), Unit: m.unit, LogE: e.logE, Weight: e.weight,
		Baseline: l.baseline, Candidate: l.candidate, Interval: l.interval(m, math.Log(1/w.policy.FalseRollbacks)),
		Since: d.time(e.onset), Ambiguous: l.shown, Verdict: d.verdictOf(w, e),
		Samples: unship.Samples{Baseline: uint64(l.references), Candidate: uint64(l.candidates)},
	}
	if f.Unit == "" {
		f.Unit = "1"
	}
	switch {
	case l.trend:
		f.Unit += "/h"
	case m.kind == unship.MetricCount && m.perRequest(w.svc):
		f.Unit += "/{request}"
	case m.kind == unship.MetricCount:
		f.Unit += "/{window}"
	}
	if l.shown {
		f.Warnings = append(f.Warnings, l.why(m))
	}
	return f
}

// why says why a level does not act.
func (l *level) why(m *metric) string {
	switch {
	case m.worse == 0:
		return "it is not known whether more or less of it is worse"
	case l.trend && l.soon > trendSoon:
		return "there is time: it is for people to look into"
	case l.trend && l.settles:
		return "what grows may still settle: it has not been seen for long enough to tell"
	case l.past:
		return "nothing old is left beside it that would grow in the same way"
	case !l.few && l.candidates < 2:
		return "it rests on one instance, which may be ill by itself"
	case !l.few && l.idle:
		return "how much each instance had to do is not known"
	}
	return "too few instances are known for their usual spread to be sure"
}

// interval gives the levels that the candidate's may have, at a level of evidence.
func (l *level) interval(m *metric, logAlpha float64) [2]float64 {
	z := 0.0
	for z < 1e3 && stat.StudentShift(z, l.nu) < logAlpha-l.logWeight {
		z += .5
	}
	z *= l.se
	if m.scale == scaleLog && !l.trend {
		return [2]float64{l.candidate * math.Exp(-z), l.candidate * math.Exp(z)}
	}
	if m.unit == "%" {
		z *= 100
	}
	return [2]float64{l.candidate - z, l.candidate + z}
}

// sayLevel puts a finding about a level or a trend into words.
func (w *watch) sayLevel(f *unship.Finding, l *level) string {
	m := w.svc.metrics[l.metric]
	is, was := quantity(f.Candidate, f.Unit), quantity(f.Baseline, f.Unit)
	if !l.trend {
		return fmt.Sprintf("%s: %s is %s, %s in %s at the same time%s; %d instances against %d", w.release.Service, m.title(),
			is, was, w.baseline, times(f.Candidate, f.Baseline), l.candidates, l.references)
	}
	until := "it doubles in " + l.soon.Round(time.Minute).String()
	if l.full {
		until = "its limit is reached in " + l.soon.Round(time.Minute).String()
	}
	return fmt.Sprintf("%s: %s grows by %s, unlike that of %d other instances (%s); %s", w.release.Service, m.title(), is,
		l.references, was, until)
}

// quantity writes a number with three digits and its unit, bytes in powers of a thousand.
func quantity(v float64, unit string) string {
	prefix := ""
	if rest, ok := strings.CutPrefix(unit, "By"); ok {
		for _, p := range []string{"k", "M", "G", "T"} {
			if math.Abs(v) >= 999.5 {
				v, prefix = v/1000, p
			}
		}
		unit = prefix + "B" + rest
	}
	number := strconv.FormatFloat(v, 'g', 3, 64)
	if math.Abs(v) >= 999.5 {
		number = strconv.FormatFloat(v, 'f', 0, 64)
	}
	if unit == "1" || unit == "" {
		return number
	}
	return number + " " + unit
}
