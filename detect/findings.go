package detect

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

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

// evidence is one stream of either comparison, as findings see it.
type evidence struct {
	signal *signal
	units  []int
	near   []neighbour
	slice  string
	strata []stratum
	event  int
	fresh  bool  // the event is one that first came after the release began
	loss   *loss // of lost calls, while old and new serve side by side
	lost   bool  // of lost calls
	mix    *mix  // of an operation's share of the traffic
	flow   *flow // of the same, compared with the past
	points *pointLook
	level  *level
	single bool
	whole  bool // not divided by what the release may do
	again  bool // another stream looks at the same requests and is told of
	weight float64
	logE   float64
	cal    *stat.Calibration // nil when compared with the past
	shift  *stat.Shift       // nil when compared in the same moments
	totals []tally
	onset  int32
	sd     float64
	// granted is the log odds that the candidate may be worse because of its place.
	granted float64
}

func (e *evidence) share() float64 { return math.Log(e.weight) + e.logE }

// streams gives the streams of both comparisons, strongest first.
func (w *watch) streams() []evidence {
	var out []evidence
	if w.conc != nil {
		for _, s := range w.conc.streams {
			out = append(out, w.concurrentEvidence(s))
		}
	}
	if w.past != nil {
		for _, s := range w.past.streams {
			out = append(out, w.pastEvidence(s))
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].share() > out[j].share() })
	return out
}

func (w *watch) concurrentEvidence(s *stream) evidence {
	if s.level != nil {
		return w.levelEvidence(s.level)
	}
	d := s.weakest()
	if x := w.conc.counting(s); x != nil { // people are told of ratios, as wide as counts are uncertain
		e := w.concurrentEvidence(x)
		e.weight, e.logE, e.onset, e.again = s.weight, d.proc.LogE(), max(s.from, w.begin)+int32(d.proc.Onset()), true
		return e
	}
	e := evidence{
		signal: s.signal, units: s.units, near: s.near, loss: s.loss, lost: s.loss != nil, mix: s.mix, points: s.points, slice: s.slice, strata: d.strata,
		event: s.event, fresh: s.event > 0 && w.svc.events[s.event-1].first >= w.begin,
		single: s.single, weight: s.weight, logE: s.logE(), totals: d.totals, cal: d.opt.Calibration,
		onset: max(s.from, w.begin) + int32(d.proc.Onset()), sd: d.opt.Calibration.Sigma0(w.conc.kc, w.conc.kb, s.signal.extra),
		granted: d.opt.LogRho - s.opt.LogRho,
	}
	if s.loss != nil {
		e.onset = s.loss.onset(w.begin)
	}
	e.whole = w.conc.undivided(s)
	return e
}

func (w *watch) levelEvidence(l *level) evidence {
	return evidence{signal: levelSignal, level: l, single: true, weight: l.weight, logE: l.logE, onset: max(l.since, w.begin)}
}

// pastEvidence is what a stream of the comparison with the past tells.
func (w *watch) pastEvidence(s *shiftStream) evidence {
	if s.level != nil {
		return w.levelEvidence(s.level)
	}
	e := evidence{
		signal: s.signal, units: s.units, lost: s.signal.near == unheard, slice: s.slice, strata: s.strata,
		event: s.event, fresh: s.fresh, single: s.single, weight: s.weight, onset: w.past.from, sd: w.past.drift(s, 0, w.next-w.begin), flow: s.flow,
	}
	if s.points != nil {
		e.points = s.points.pointLook
	}
	switch c := s.crossing; {
	case c != nil:
		e.near, e.logE, e.totals = c.near(), c.proc.LogE(), c.totals
	case s.heard != nil:
		e.near, e.logE, e.totals = s.heard.near, s.heard.logE, []tally{s.heard.tally()}
	default:
		e.logE, e.totals, e.shift = s.shift.LogA(), []tally{s.tally()}, s.shift
	}
	return e
}

// counting is the stream of counts beside a stream of presence: of the same
// requests. nil beside others.
func (c *comparison) counting(s *stream) *stream {
	if s.signal.whether == nil {
		return nil
	}
	for _, x := range c.streams {
		if x.signal == s.signal.whether && x.slice == s.slice && x.single == s.single && slices.Equal(x.units, s.units) {
			return x
		}
	}
	return nil
}

// tally is the table that a shift amounts to: the baseline's bad requests are
// those expected of as many requests.
func (s *shiftStream) tally() tally {
	if s.post.n == 0 {
		return tally{}
	}
	if s.flow != nil {
		return s.flow.tally(s)
	}
	t := tally{xc: s.post.x, nc: s.post.n, nb: s.pre.n, xb: math.Min(s.pre.n, s.want/s.post.n*s.pre.n)}
	if s.signal.near == unheard { // what would have been tolerated was not seen
		t.xb = s.lost
	}
	return t
}

// rates gives the baseline's rate, for the candidate's mix of operations, and the candidate's.
func (e *evidence) rates() (baseline, candidate float64, n unship.Samples) {
	var want, xc, nc, nb float64
	for _, t := range e.totals {
		if t.nc == 0 || t.nb == 0 {
			continue
		}
		want += t.nc * t.xb / t.nb
		xc, nc, nb = xc+t.xc, nc+t.nc, nb+t.nb
	}
	if nc == 0 {
		return 0, 0, n
	}
	return want / nc, xc / nc, unship.Samples{Baseline: uint64(nb), Candidate: uint64(nc)}
}

// since gives the totals from the estimated onset on: what a fault that came
// late does now, not thinned by the good time before it.
func (w *watch) since(e *evidence, t int32) []tally {
	if e.cal == nil || e.event > 0 || w.switched != 0 || e.onset <= w.begin+settleWindows {
		return e.totals
	}
	if e.points != nil {
		return w.conc.pointsSince(e.points, max(e.onset, t-maxKept), t)
	}
	if e.mix != nil {
		return w.conc.mixSince(e.mix, max(e.onset, t-maxKept), t)
	}
	if e.loss != nil {
		return e.loss.since(e.onset)
	}
	if e.near != nil {
		return w.conc.heardSince(e.near, max(e.onset, t-maxKept), t)
	}
	var f frame
	out := make([]tally, len(e.strata))
	for k := range e.strata {
		for i := max(e.onset, t-maxKept); i <= t; i++ {
			f.read(w.conc, &e.strata[k], i)
			if x := f.tally(e.signal); x.nc > 0 && x.nb > 0 {
				out[k].merge(x)
			}
		}
	}
	return out
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
		if w.told(out, e) {
			continue
		}
		f := d.finding(w, e)
		f.Ambiguous = f.Ambiguous || reworded(e, all)
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

// retold says that own time may have been waiting time before: calls are not told of any
// more, and whole times are not worse.
func retold(e *evidence, all []evidence) bool {
	if !e.signal.latency() || e.signal.unit != ofRequests || e.points != nil {
		return false
	}
	silent := false
	for _, x := range all {
		switch {
		case x.logE < showFindings:
		case x.signal.unit == ofWhole:
			return false
		case x.signal.unit == ofCalls && x.signal.count == countNoCall:
			silent = true
		}
	}
	return silent
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
		Unit: "1", LogE: e.logE, Weight: e.weight, Since: d.time(e.onset), Ambiguous: e.signal.ambiguous,
		Name: w.name(e), Verdict: w.verdictOf(e),
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
		if x.kind == unship.SignalException && !x.unhandled {
			f.Ambiguous = true
			f.Warnings = append(f.Warnings, "the spans that tell of it ended well: it was handled")
		}
	}
	if e.shift != nil {
		if after := int32(e.shift.Moment()); after > settleWindows {
			e.onset += after
			f.Since = d.time(e.onset)
		}
	}
	e.totals = w.since(e, d.now)
	f.Baseline, f.Candidate, f.Samples = e.rates()
	f.Interval[0], f.Interval[1] = e.interval(f.Candidate, float64(f.Samples.Candidate), 1-w.policy.FalseRollbacks)
	f.Exemplars = w.examples(e)
	if e.signal.latency() {
		w.inSeconds(&f, e)
	}
	return f
}

// verdictOf is the verdict of one stream.
func (w *watch) verdictOf(e *evidence) unship.Verdict {
	if e.share() >= w.threshold() || w.verdict == unship.Regressed && e.share() >= showFindings {
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
	if w.past != nil && len(b) == 0 {
		b = w.pastDurations(e.units)
	}
	q := e.signal.quantile
	if q == 0 {
		q = quantiles[thresholds-1]
		f.Quantile = q
		f.Warnings = append(f.Warnings, "seen in requests that take more than twice as long as the slowest hundredth before")
	}
	f.Unit = "s"
	f.Baseline, f.Candidate = seconds(b, q), seconds(c, q)
	if f.Baseline == f.Candidate {
		f.Baseline, f.Candidate = between(b, c, q), between(c, b, q)
	}
	less, more := e.interval(1-q, float64(c.Total()), 1-w.policy.FalseRollbacks)
	f.Interval = [2]float64{math.Min(f.Candidate, seconds(c, 1-more)), math.Max(f.Candidate, seconds(c, 1-less))}
}

// durations gives those of both cohorts that a stream is about.
func (w *watch) durations(e *evidence) (candidate, baseline unship.Histogram) {
	if e.slice == "" {
		for _, u := range e.units {
			if u < len(w.shown) {
				candidate.Merge(w.shown[u].candidate)
				baseline.Merge(w.shown[u].baseline)
			}
		}
		return candidate, baseline
	}
	for _, st := range e.strata {
		if k := st.slice - 1; k < len(w.shownSlices) {
			candidate.Merge(w.shownSlices[k].candidate)
			baseline.Merge(w.shownSlices[k].baseline)
		}
	}
	return candidate, baseline
}

// pastDurations gives the durations before the release.
func (w *watch) pastDurations(units []int) (h unship.Histogram) {
	for _, u := range units {
		for _, b := range w.svc.units[u].lat.blocks {
			for _, x := range b.h {
				if b.at < w.begin {
					h.Add(x.index, uint64(x.n))
				}
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

// say puts a finding into words.
func (w *watch) say(f *unship.Finding, what string) string {
	switch f.Signal {
	case unship.SignalCallerError, unship.SignalCalleeError:
		return w.sayNear(f)
	case unship.SignalUnanswered:
		return w.sayLost(f)
	case unship.SignalThroughput:
		return w.sayMix(f)
	}
	where := f.Operation
	if where == "" {
		where = w.release.Service.String()
	}
	if f.Slice != "" {
		where = "for " + f.Slice + ", " + where
	}
	than := w.baseline + " at the same time"
	if w.past != nil {
		than = "before the release"
	} else {
		than = "in " + than
	}
	seen := fmt.Sprintf("; %d requests seen", f.Samples.Candidate)
	if f.Unit == "s" {
		return fmt.Sprintf("%s takes %s at the %g %% quantile, %s %s%s%s", where, duration(f.Candidate), 100*f.Quantile,
			duration(f.Baseline), than, times(f.Candidate, f.Baseline), seen)
	}
	verb := " " + what + " "
	if f.Signal == unship.SignalCalls {
		return fmt.Sprintf("%s: %s of requests %s, %s %s%s%s", where, percent(f.Candidate), calling(what), percent(f.Baseline), than,
			times(f.Candidate, f.Baseline), seen)
	}
	return where + verb + fmt.Sprintf("%s of requests, %s %s%s%s", percent(f.Candidate), percent(f.Baseline), than,
		times(f.Candidate, f.Baseline), seen)
}

// calling puts "makes no call" into the plural.
func calling(what string) string {
	return strings.NewReplacer("makes", "make", "calls", "call").Replace(what)
}

// percent writes a ratio with two digits, without powers of ten: what is below a
// hundredth of a percent is nothing that people tell apart.
func percent(p float64) string {
	switch {
	case p > 0 && p < 1e-4:
		return "less than 0.01 %"
	case p >= .995:
		return fmt.Sprintf("%.0f %%", 100*p)
	}
	return fmt.Sprintf("%.2g %%", 100*p)
}

func times(a, b float64) string {
	switch {
	case b <= 0, a >= 100*b: // the two ratios beside it say more
		return ""
	case a >= 10*b:
		return fmt.Sprintf(" (×%.0f)", a/b)
	}
	return fmt.Sprintf(" (×%.2g)", a/b)
}

func duration(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(100 * time.Microsecond).String()
}

// words says what the strongest finding is about.
func (w *watch) words(f *unship.Finding) string {
	for _, e := range w.streams() {
		if same := e.signal.kind == f.Signal && w.name(&e) == f.Name; same && e.event > 0 {
			return w.sayEvent(f, &e)
		} else if same && e.points != nil {
			return w.sayPoints(f, e.points)
		} else if same && e.level != nil && e.logE == f.LogE {
			return w.sayLevel(f, e.level)
		}
		if e.signal.kind == f.Signal && w.operation(&e) == f.Operation && e.slice == f.Slice && (e.signal.quantile == f.Quantile || e.signal.latency()) {
			return w.say(f, e.signal.what)
		}
	}
	return w.say(f, string(f.Signal))
}

// impact counts what the release did to users beyond the baseline's rate. Only
// what is found counts: the noise of a healthy release harms nobody.
func (w *watch) impact(findings []unship.Finding) (i unship.Impact) {
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
		switch {
		case e.signal.latency():
			i.RequestsSlowed = max(i.RequestsSlowed, beyond)
		case e.signal.unit != ofCalls:
			i.RequestsFailed = max(i.RequestsFailed, beyond)
		}
	}
	return i
}
