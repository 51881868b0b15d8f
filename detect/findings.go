package detect

import (
	"math"
	"slices"

	"unship.dev"
	"unship.dev/detect/stat"
)

const (
	maxFindings  = 8
	showFindings = 2.302585 // log 10: evidence of a release from which findings are shown
)

// shown is what findings show of one operation: durations and examples.
type shown struct {
	candidate, baseline unship.Histogram
	failed, slow        unship.Exemplars
}

func (s *shown) add(candidate bool, p *unship.Operation, h unship.Histogram) {
	if !candidate {
		s.baseline.Merge(h)
		return
	}
	s.candidate.Merge(h)
	for _, e := range p.Exemplars {
		if e.Error != "" {
			s.failed.Add(e)
		} else {
			s.slow.Add(e)
		}
	}
}

// findings gives the strongest streams in a form for people, bounded.
func (d *Detector) findings(w *watch) []unship.Finding {
	if w.foundAt == d.now && w.foundAs == w.verdict {
		return w.found
	}
	w.found, w.foundAt, w.foundAs = d.newFindings(w), d.now, w.verdict
	return w.found
}

func (d *Detector) newFindings(w *watch) []unship.Finding {
	var out []unship.Finding
	all := w.streams()
	for k := range all {
		e := &all[k]
		if len(out) == maxFindings || e.share() < 0 {
			break
		}
		if w.told(out, e) || e.pooled(all) || e.attributed(all) {
			continue
		}
		f := d.finding(w, e)
		if reworded(e, all) {
			f.Ambiguous = true
			f.Warnings = append(f.Warnings, "an event as frequent is gone, so it may be the same by another name")
		}
		if w.unharmed(e, all) {
			f.Ambiguous = true
			f.Warnings = append(f.Warnings, "what became of the requests is told as well, and that is no worse: an error that is logged may be one that was handled")
		}
		if retold(e, all) {
			f.Ambiguous = true
			f.Warnings = append(f.Warnings, "calls are no longer told of, so that waiting for them counts as its own time; requests as a whole are not shown to be slower")
		}
		out = append(out, f)
	}
	if len(out) > 0 {
		out = append(out, d.aside(w, maxFindings-len(out))...)
	}
	return out
}

// told says that a finding of the same signal and operation is there already.
func (w *watch) told(out []unship.Finding, e *evidence) bool {
	for _, f := range out {
		if f.Signal == e.signal.kind && f.Operation == w.operation(e) && f.Slice == e.slice && f.Name == w.name(e) && f.Quantile == e.signal.quantile {
			return true
		}
	}
	return false
}

// operation is the name of the only operation of a stream, "" of several. A
// neighbour's operation comes after the neighbour's name.
func (w *watch) operation(e *evidence) string {
	if e.near != nil {
		return namely(e.near)
	}
	if len(e.units) == 1 {
		return w.svc.units[e.units[0]].name()
	}
	return ""
}

func (d *Detector) finding(w *watch, e *evidence) unship.Finding {
	if e.level != nil {
		return d.levelFinding(w, e)
	}
	f := unship.Finding{
		Release: w.release.ReleaseID, Signal: e.signal.kind, Operation: w.operation(e), Slice: e.slice, Quantile: e.signal.quantile,
		Unit: "1", LogE: e.logE, Weight: e.weight, Since: d.time(e.onset), Ambiguous: e.signal.ambiguous || e.rise,
		Name: w.name(e), Verdict: d.verdictOf(w, e),
	}
	if e.points != nil && w.lone(e.points) {
		f.Ambiguous = true
		f.Warnings = append(f.Warnings, "it rests on one instance, which may be slow by itself")
	}
	if e.whole {
		f.Ambiguous = true
		f.Warnings = append(f.Warnings, "requests have other "+w.conc.outcomes.named()+" than before on the new version alone: if that is what it is sent, and not what it does, it is harmless")
	}
	if e.event > 0 {
		x := w.svc.events[e.event-1]
		f.Example = x.example
		if w.svc.logged && x.kind == unship.SignalLogPattern {
			f.Ambiguous = true
			f.Warnings = append(f.Warnings, "log records tell what became of the requests, too: how loud they are may be all that changed")
		}
		if x.kind == unship.SignalException && x.mostlyHandled() {
			f.Ambiguous = true
			f.Warnings = append(f.Warnings, "the spans that tell of it ended well, most of them: it was handled")
		}
	}
	if e.shift != nil {
		if after := int32(e.shift.Moment()); after > settleWindows {
			e.onset += after
		} else if w.conc != nil {
			e.onset = w.beganBeside(e)
		}
		f.Since = d.time(e.onset)
	}
	e.totals = w.since(e, d.now)
	f.Baseline, f.Candidate, f.Samples = e.rates()
	f.Interval[0], f.Interval[1] = e.interval(f.Candidate, float64(f.Samples.Candidate), 1-w.policy.FalseRollbacks)
	f.Exemplars = w.examples(e)
	if e.signal.latency() {
		w.inSeconds(&f, e)
	}
	if w.mayBeSlow(e, &f) {
		f.Ambiguous = true
		f.Warnings = append(f.Warnings, "it rests on one instance, which is slower in all that it does, by no more than instances may differ by")
	}
	return f
}

// beganBeside is when it began to show beside the old version what evidence from before and
// after shows from its first window on: then, if it did not show.
func (w *watch) beganBeside(e *evidence) int32 {
	for _, s := range w.conc.streams {
		if s.level != nil || s.rise != nil || s.loss != nil || s.signal != e.signal || s.slice != e.slice || s.event != e.event || !slices.Equal(s.units, e.units) {
			continue
		}
		if x := w.concurrentEvidence(s); x.logE > 0 {
			return x.onset
		}
	}
	return e.onset
}

// verdictOf is the verdict of one stream.
func (d *Detector) verdictOf(w *watch, e *evidence) unship.Verdict {
	enough := e.share() >= w.threshold() || w.verdict == unship.Regressed && e.share() >= showFindings
	if enough && !e.rise && (!e.late || w.verdict == unship.Regressed) && d.fades(w, e) == "" {
		return unship.Regressed
	}
	return unship.Inconclusive
}

// name is what tells a finding from others of the same signal: the event, the
// metric, or in which way calls changed.
func (w *watch) name(e *evidence) string {
	switch {
	case e.level != nil:
		return w.svc.metrics[e.level.metric].title()
	case e.event > 0:
		return w.svc.events[e.event-1].name
	case e.points != nil:
		return e.points.title(w.svc)
	case e.signal.unit == ofCalls:
		return e.signal.what
	}
	return ""
}

// interval gives the rates that the candidate's may be, where p of n requests were seen.
func (e *evidence) interval(p, n, level float64) (lower, upper float64) {
	o := stat.RateOptions{Phi: beforePhi, SD: e.sd}
	if e.cal != nil {
		o.Phi = e.cal.MaxPhi()
	}
	return stat.RateInterval(p*n, n, level, o)
}

// inSeconds turns a finding about the share of slow requests into durations.
// A quantile's interval follows from the interval of the share beyond it.
func (w *watch) inSeconds(f *unship.Finding, e *evidence) {
	c, b := w.durations(e)
	q := e.signal.quantile
	if q == 0 {
		q = quantiles[thresholds-1]
		f.Quantile = q
		f.Warnings = append(f.Warnings, "seen in requests that take more than twice as long as the slowest hundredth before")
	}
	f.Unit = "s"
	f.Baseline, f.Candidate = seconds(b, q), seconds(c, q)
	if f.Candidate < f.Baseline && len(e.units) > 1 && e.slice == "" {
		// A quantile of operations together may lie between the fast ones and the slow ones, where few requests
		// decide: then one of them tells.
		if u, ok := w.slowerUnit(e.units, q); ok {
			f.Operation = w.svc.units[u].name()
			c, b = w.unitDurations(u)
			f.Baseline, f.Candidate = seconds(b, q), seconds(c, q)
		}
	}
	if f.Baseline == f.Candidate {
		f.Baseline, f.Candidate = between(b, c, q), between(c, b, q)
	}
	less, more := e.interval(1-q, float64(c.Total()), 1-w.policy.FalseRollbacks)
	f.Interval = [2]float64{math.Min(f.Candidate, seconds(c, 1-more)), math.Max(f.Candidate, seconds(c, 1-less))}
}

// durations gives those of both cohorts that a stream is about, the baseline's as if
// it had been asked for the same mix as the candidate: more of what is fast is not faster.
func (w *watch) durations(e *evidence) (candidate, baseline unship.Histogram) {
	add := func(c, b unship.Histogram) {
		if n := c.Total(); n > 0 && len(b) > 0 {
			candidate.Merge(c)
			baseline.Merge(asMany(b, n))
		}
	}
	for _, st := range e.strata {
		if k := st.slice - 1; e.slice != "" && k < len(w.shownSlices) {
			add(w.shownSlices[k].candidate, w.shownSlices[k].baseline)
		}
	}
	for _, u := range e.units {
		add(w.unitDurations(u))
	}
	return candidate, baseline
}

// unitDurations gives those of both cohorts of one unit.
func (w *watch) unitDurations(u int) (candidate, baseline unship.Histogram) {
	switch {
	case u >= len(w.shown):
		return nil, nil
	case w.past != nil: // what stragglers of the old version did since is not what it is compared with
		return w.shown[u].candidate, w.pastDurations(u)
	}
	return w.shown[u].candidate, w.shown[u].baseline
}

// slowerUnit is the unit with most requests whose quantile is slower than before.
func (w *watch) slowerUnit(units []int, q float64) (unit int, ok bool) {
	most := uint64(0)
	for _, u := range units {
		if c, b := w.unitDurations(u); c.Total() > most && seconds(c, q) > seconds(b, q) {
			unit, most, ok = u, c.Total(), true
		}
	}
	return unit, ok
}

// asMany gives a histogram as if it were of n requests, in thousandths of them.
func asMany(h unship.Histogram, n uint64) (out unship.Histogram) {
	times := float64(1000*n) / float64(h.Total())
	for _, b := range h {
		out.Add(b.Index, uint64(math.Round(float64(b.Count)*times)))
	}
	return out
}

// pastDurations gives a unit's durations before the release.
func (w *watch) pastDurations(u int) (h unship.Histogram) {
	for _, b := range w.svc.units[u].lat.blocks {
		for _, x := range b.h {
			if b.at < w.begin {
				h.Add(x.index, uint64(x.n))
			}
		}
	}
	return h
}

func seconds(h unship.Histogram, q float64) float64 {
	i, ok := h.Quantile(q)
	if !ok {
		return 0
	}
	return unship.UpperBound(i).Seconds()
}

// between gives the q-quantile of h in seconds where buckets are as wide as a metric's
// bounds: it lies as far between two of them as the requests do, evenly spread. The
// bounds are those that h or o, of the same metric, have requests below.
func between(h, o unship.Histogram, q float64) float64 {
	want, seen := q*float64(h.Total()), 0.0
	for k, b := range h {
		if n := float64(b.Count); seen+n < want {
			seen += n
			continue
		}
		low := 0.0
		if k > 0 {
			low = unship.UpperBound(h[k-1].Index).Seconds()
		}
		for _, x := range o {
			if x.Index < b.Index {
				low = math.Max(low, unship.UpperBound(x.Index).Seconds())
			}
		}
		return low + (unship.UpperBound(b.Index).Seconds()-low)*(want-seen)/float64(b.Count)
	}
	return 0
}

// examples gives requests to look up. Those of slices are not known apart.
func (w *watch) examples(e *evidence) (x unship.Exemplars) {
	if e.slice != "" || e.mix != nil || e.flow != nil {
		return nil
	}
	for _, u := range e.units {
		op := u
		if w.svc.units[u].callee != "" {
			op = w.svc.unitOf[unitKey{w.svc.units[u].operation, ""}]
		}
		if op >= len(w.shown) {
			continue
		}
		list := w.shown[op].failed
		if e.signal.latency() || e.signal.unit == ofCalls {
			list = w.shown[op].slow
		}
		for _, y := range list {
			x.Add(y)
		}
	}
	return x
}

// impact counts what the release did to users beyond the baseline's rate. Only
// what is found counts: the noise of a healthy release harms nobody.
func (w *watch) impact(findings []unship.Finding) unship.Impact {
	var beside, since unship.Impact // of different windows
	for _, e := range w.streams() {
		found := false
		for _, f := range findings {
			found = found || f.Verdict == unship.Regressed && f.Signal == e.signal.kind
		}
		if !found || e.single || e.points != nil { // how many requests points are of is not known
			continue
		}
		b, c, n := e.rates()
		beyond := uint64(math.Max(0, math.Round((c-b)*float64(n.Candidate))))
		i := &beside
		if e.cal == nil {
			i = &since
		}
		switch {
		case e.signal.latency():
			i.RequestsSlowed = max(i.RequestsSlowed, beyond)
		case e.signal.unit != ofCalls:
			i.RequestsFailed = max(i.RequestsFailed, beyond)
		}
	}
	return unship.Impact{RequestsFailed: beside.RequestsFailed + since.RequestsFailed, RequestsSlowed: beside.RequestsSlowed + since.RequestsSlowed}
}
