package detect

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"unship.dev"
	"unship.dev/detect/blame"
)

// What must have been seen before a release may be called healthy.
const (
	clearAfter    = time.Minute
	clearRequests = 500
	clearPoints   = .05 // a rise of the failure ratio by so much would have been seen …
	clearTimes    = 2   // … or so many times the baseline's
	clearBy       = 20  // e-value of each test that harm is ruled out before the watch is over
	maxGuilty     = 64
)

// judge gives every watch its judgement and every environment its blame.
func (d *Detector) judge(a *unship.Assessment, t int32) {
	for _, w := range d.watches {
		if w.suspicious() {
			d.examine(w, t)
		}
	}
	var probability map[unship.ReleaseID]float64
	var elsewhere map[string]blame.Outside
	a.Blame, probability, elsewhere = d.blame(d.watches)
	turned := false
	for _, w := range d.watches {
		j := d.judgement(w, t, a, probability[w.release.ReleaseID], w.sharesCause(elsewhere))
		a.Judgements = append(a.Judgements, j)
		turned = w.turns(&j) || turned
		if j.Done {
			if j.Verdict == unship.Healthy {
				w.teachWarmth()
			}
			d.retire(w)
			d.close(w)
		}
	}
	if turned {
		d.rankBlame(a.Blame)
	}
	d.watches = slices.DeleteFunc(d.watches, func(w *watch) bool { return w.final != nil })
}

// turns says that a release, or one of its findings, is found to be worse, or that a
// person is to be asked, for the first time: an incident may begin with each.
func (w *watch) turns(j *unship.Judgement) bool {
	worse := 0
	switch {
	case j.Verdict == unship.Regressed:
		worse = 2
	case j.Asks, slices.ContainsFunc(j.Findings, func(f unship.Finding) bool { return f.Verdict == unship.Regressed }):
		worse = 1
	}
	first := worse > w.ranked
	w.ranked = max(w.ranked, worse)
	return first
}

// close ends a watch and frees what it held.
func (d *Detector) close(w *watch) {
	w.last, w.ended, w.final = d.evidenceFor(w), d.now, &unship.Judgement{}
	w.svc.watches = slices.DeleteFunc(w.svc.watches, func(x *watch) bool { return x == w })
	w.dischargeControls()
	if w.verdict == unship.Regressed {
		d.guilty = append(d.guilty, w)
		if len(d.guilty) > maxGuilty {
			d.guilty = slices.Delete(d.guilty, 0, 1)
		}
	}
	w.context, w.after = nil, nil
}

func (d *Detector) judgement(w *watch, t int32, a *unship.Assessment, p float64, elsewhere string) unship.Judgement {
	j := unship.Judgement{
		Release: w.release.ReleaseID, At: a.At, Comparison: w.comparison(), Verdict: unship.Inconclusive,
		LogE: w.logE, Threshold: w.threshold(), Probability: p, Samples: w.samples,
	}
	if w.release.IsRollback() {
		j.Why, j.Done = fmt.Sprintf("this is a return from %s, a rollback; it is not judged", w.release.RollbackOf), true
		return j
	}
	if w.past != nil && len(w.past.streams) > 0 {
		j.Samples.Baseline += uint64(w.past.streams[0].pre.n)
	}
	j.Doubts = w.convict(a.Outage, elsewhere, p)
	j.Asks = w.asks(a.Outage, p)
	j.Done = t+1 >= w.until || w.closing != ""
	if w.askE >= showFindings || w.verdict == unship.Regressed {
		j.Findings = slices.Clone(d.findings(w))
	}
	j.Detectable = d.detectable(w, t, j.Done)
	d.conclude(w, &j, t)
	if n := d.dropped - w.dropped; n > 0 {
		j.Why += fmt.Sprintf("; memory ran short meanwhile: %d details (exceptions, log patterns, attributes) were not kept, though everything was counted", n)
	}
	return j
}

// suspicious says that the evidence against a release that is not judged yet is enough to ask a person.
func (w *watch) suspicious() bool {
	return w.verdict != unship.Regressed && !w.release.IsRollback() && w.askE >= w.level() && !w.dismissed
}

// crossed says that it is enough to judge the release.
func (w *watch) crossed() bool { return w.suspicious() && w.logE >= w.threshold() }

// evenOdds is the posterior of a release about which a person is asked.
const evenOdds = .5

// asks says that a person is to be asked: the release is suspicious, more probably the
// cause than all else together, and no check speaks against it.
func (w *watch) asks(outage string, p float64) bool {
	return w.suspicious() && len(w.gates.doubts) == 0 && outage == "" && p >= evenOdds
}

// convict judges a release regressed whose evidence is enough, unless there are doubts.
func (w *watch) convict(outage, elsewhere string, p float64) (doubts []string) {
	if !w.crossed() {
		return nil
	}
	if doubts = w.doubts(outage, elsewhere, p); len(doubts) == 0 {
		w.verdict = unship.Regressed
	}
	return doubts
}

// doubts are the reasons not to act although the threshold is crossed.
func (w *watch) doubts(outage, elsewhere string, p float64) []string {
	out := slices.Clone(w.gates.doubts)
	if outage != "" {
		out = append(out, "telemetry broke down: "+outage)
	}
	if elsewhere != "" {
		out = append(out, elsewhere)
	}
	if why := w.logsOtherwise(); why != "" {
		out = append(out, why)
	}
	if p < w.certainty() && w.owes != "" {
		out = append(out, w.owes)
	}
	if p < w.certainty() {
		out = append(out, fmt.Sprintf("another cause is not ruled out: the probability that it is this release is %.2f, %.2f is wanted", p, w.certainty()))
	}
	return out
}

// sharesCause notes that a service which was not released fails more since, and more than
// can follow from the release, where neither the same moments nor spans tell whose doing
// the release's failures are: both may have one cause. If it was so once while the release
// looked worse, it is no less so when both are well again.
func (w *watch) sharesCause(elsewhere map[string]blame.Outside) string {
	o, ok := elsewhere[w.release.Environment]
	if ok && w.past != nil && !w.svc.apart && w.askE >= showFindings && w.shared == "" {
		w.shared = fmt.Sprintf("%s may have the same cause: %s", o.Name, o.Why)
	}
	return w.shared
}

// conclude sets the verdict and says why.
func (d *Detector) conclude(w *watch, j *unship.Judgement, t int32) {
	if j.Asks {
		j.Impact, j.Dependents = w.impact(j.Findings), d.dependents(w)
		if len(j.Findings) > 0 {
			j.Onset = j.Findings[0].Since
		}
	}
	switch {
	case w.verdict == unship.Regressed:
		j.Verdict = unship.Regressed
		j.Impact = w.impact(j.Findings)
		if len(j.Findings) > 0 {
			if w.onset.IsZero() {
				w.onset = j.Findings[0].Since
			}
			w.why = w.words(&j.Findings[0])
		}
		j.Onset, j.Why, j.Dependents = w.onset, w.why, d.dependents(w)
	case w.dismissed:
		j.Why = w.closing
	case len(j.Doubts) > 0:
		j.Why = "it looks worse, but " + strings.Join(j.Doubts, "; ")
	case w.loses() != "":
		j.Why = w.loses()
	case w.cleared(t, d.opt.Window):
		j.Verdict = unship.Healthy
		j.Why = fmt.Sprintf("shown to be no worse than tolerated, in %d requests", w.samples.Candidate)
	case w.absent() != "":
		j.Why = fmt.Sprintf("%d requests on the new version so far, none of them of %s", w.samples.Candidate, w.absent())
	case j.Done && w.logE < showFindings && seenEnough(j.Detectable):
		j.Verdict = unship.Healthy
		j.Why = fmt.Sprintf("nothing got worse during the watch, in %d requests; %s", w.samples.Candidate, sayDetectable(j.Detectable))
	default:
		j.Why = w.waiting(j)
	}
	if j.Verdict == unship.Healthy {
		why := d.looksWorse(w)
		if why == "" {
			why = d.drifts(w, t)
		}
		if why != "" {
			j.Verdict, j.Why = unship.Inconclusive, why
		}
	}
	if w.closing != "" && !w.dismissed {
		j.Why += "; " + w.closing
	}
}

// cleared says that harm is ruled out before the watch is over.
func (w *watch) cleared(t int32, window time.Duration) bool {
	if w.conc == nil || w.past != nil || w.logE >= showFindings || w.absent() != "" ||
		time.Duration(t+1-w.begin)*window < clearAfter || w.samples.Candidate < clearRequests {
		return false
	}
	h := &w.conc.harmless
	for at, needed := range [clearings]bool{clearFailures: true, clearDurations: h[clearDurations] != nil && w.timed(), clearWholes: h[clearWholes] != nil, clearRejections: h[clearRejections] != nil} {
		if needed && (h[at] == nil || h[at].logE() < math.Log(clearBy)) {
			return false
		}
	}
	return true
}

// timed says that the candidate's telemetry carries durations.
func (w *watch) timed() bool {
	for k := range w.shown {
		if len(w.shown[k].candidate) > 0 {
			return true
		}
	}
	return false
}

// waiting says why nothing can be said yet.
func (w *watch) waiting(j *unship.Judgement) string {
	seen := fmt.Sprintf("only %d requests on the new version so far", w.samples.Candidate)
	switch {
	case w.samples.Candidate == 0 && w.svc.ops == 0 && len(w.candidates()) > 0:
		return "the new version serves, but nothing tells of how many requests; " + w.sayPointless(j)
	case w.samples.Candidate == 0:
		return "no requests on the new version so far"
	case j.Comparison == unship.ComparisonNone && w.baseline == "":
		return "it is not known what it replaced; " + seen
	case j.Comparison == unship.ComparisonNone:
		return seen
	case j.LogE >= showFindings:
		if len(j.Findings) > 0 {
			return "it may be worse: " + w.words(&j.Findings[0])
		}
		return "it may be worse; " + seen
	}
	if v := w.vetoes(); len(v) > 0 {
		return v[0]
	}
	if key := w.elsewhere(); key != "" {
		return fmt.Sprintf("%d requests on the new version so far, but nothing of %s serves in the same %s: what differs may be the place", w.samples.Candidate, w.baseline, key)
	}
	if s := sayDetectable(j.Detectable); s != "" {
		return fmt.Sprintf("%d requests on the new version so far; %s", w.samples.Candidate, s)
	}
	return seen
}

// blame weighs the releases of each environment against each other, and gives the
// probability of each, and by environment the service that was not released and is most
// surely worse, if any is. Watches are sorted by release.
func (d *Detector) blame(watches []*watch) (out []unship.Blame, p map[unship.ReleaseID]float64, elsewhere map[string]blame.Outside) {
	p, elsewhere = map[unship.ReleaseID]float64{}, map[string]blame.Outside{}
	var cases []blame.Case
	var members [][]*watch
	for _, w := range d.withGuests(watches) {
		if w.release.IsRollback() {
			continue
		}
		env := w.release.Environment
		if k := len(cases); k == 0 || cases[k-1].Environment != env {
			cases, members = append(cases, blame.Case{Environment: env}), append(members, nil)
		}
		c := &cases[len(cases)-1]
		members[len(cases)-1] = append(members[len(cases)-1], w)
		c.Releases = append(c.Releases, d.evidenceFor(w))
		if w.gates.site != "" && w.verdict != unship.Regressed {
			c.Outside = append(c.Outside, blame.Outside{
				Cause: unship.CauseInfrastructure, Name: w.gates.site, LogE: w.gates.siteLogE,
				Why: "other services are worse there than elsewhere",
			})
		}
	}
	for k, c := range cases {
		d.keepCompany(members[k], c.Releases)
		c.Outside = append(c.Outside, d.outside(c.Environment)...)
		for _, o := range c.Outside {
			if o.Cause == unship.CauseDependency && o.LogE > math.Max(showFindings, elsewhere[c.Environment].LogE) {
				elsewhere[c.Environment] = o
			}
		}
		b := blame.Weigh(c)
		out = append(out, b)
		for k, x := range blame.Posterior(c) {
			p[c.Releases[k].Release.ReleaseID] = x
		}
	}
	return out, p, elsewhere
}

// evidenceFor is what blame is told of a release.
func (d *Detector) evidenceFor(w *watch) blame.Evidence {
	if w.final != nil {
		return w.last
	}
	e := blame.Evidence{Release: w.release, LogE: w.logE, Regressed: w.verdict == unship.Regressed}
	if w.logE < w.level() {
		e.Asks = w.askE
	}
	if w.gates.site != "" {
		e.LogE, e.Asks = math.Min(e.LogE, w.gates.logE), math.Min(e.Asks, w.gates.logE)
	}
	if w.dismissed {
		e.LogE, e.Asks = math.Min(e.LogE, 0), 0
		e.Against = append(e.Against, w.closing)
	}
	if w.askE >= showFindings {
		e.Reasons = d.reasons(w)
	}
	if math.Max(e.LogE, e.Asks) >= showFindings {
		return e
	}
	e.Against = append(e.Against, w.vetoes()...)
	if w.past == nil && w.samples.Candidate > 0 && w.samples.Baseline > 0 {
		e.Against = append(e.Against, fmt.Sprintf("its requests are no worse than those of %s in the same moments (%d seen)", w.baseline, w.samples.Candidate))
	}
	if w.past != nil {
		e.Against = append(e.Against, "what it does is as it was before, or changed at another moment than its release")
	}
	return e
}

// driven says that a release which is judged already calls the service of w more often
// than its old version did.
func (d *Detector) driven(w *watch) bool {
	if w.past == nil || !w.svc.apart || w.askE < showFindings { // it would make no difference
		return false
	}
	for _, o := range append(slices.Clone(d.watches), d.guilty...) {
		if o == w || o.verdict != unship.Regressed || o.until < w.begin {
			continue
		}
		for _, e := range o.streams() {
			if e.moreCalls() && len(e.units) == 1 && e.share() >= showFindings && o.svc.names[o.svc.units[e.units[0]].callee] == w.svc.id {
				return true
			}
		}
	}
	return false
}

// reasons are what speaks for a release's guilt, in words.
func (d *Detector) reasons(w *watch) (out []string) {
	for k, f := range d.findings(w) {
		if k < 3 {
			out = append(out, w.words(&f))
		}
		if k == 0 {
			after := f.Since.Sub(d.time(w.begin))
			out = append(out, fmt.Sprintf("it began %s after the release started serving", after))
			if w.past == nil && !(f.Signal == unship.SignalUnanswered && f.Ambiguous) {
				out = append(out, "only instances of the new version show it")
			}
		}
	}
	return out
}
