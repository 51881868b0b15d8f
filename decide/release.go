package decide

import (
	"cmp"
	"fmt"
	"slices"

	"unship.dev"
	"unship.dev/decide/words"
)

func idOf(r unship.ReleaseReport) unship.ReleaseID {
	return unship.ReleaseID{
		Service: unship.Service{Environment: r.Environment, Namespace: r.Namespace, Name: r.Service},
		Version: r.Version,
	}
}

// takeReleases notes new releases and what became known of old ones.
func (s *step) takeReleases(list []unship.Release) {
	for _, r := range list {
		report := s.releases[r.ReleaseID]
		switch {
		case report == nil && s.at.Sub(r.FirstSeen) > reported:
			// An old one, forgotten since: the journal knows it better.
		case report == nil:
			s.addRelease(r)
		case r.IsRollback() && report.RollbackOf == "":
			// A version that was a release of its own came back: what was found
			// about it then is still what is known of it.
		default:
			s.updateRelease(report, r)
		}
		if r.IsRollback() {
			s.rolledBackByHand(r)
		}
	}
}

func (s *step) addRelease(r unship.Release) {
	report := &unship.ReleaseReport{
		Schema: unship.ReleaseSchema, Environment: r.Environment, Namespace: r.Namespace, Service: r.Name,
		Version: r.Version, Change: r.Change, FirstSeen: r.FirstSeen.UTC(), RollbackOf: r.RollbackOf,
		Verdict: unship.Inconclusive, Detectable: []unship.Detectable{}, Why: s.firstWhy(r), Done: r.IsRollback(),
	}
	s.updateRelease(report, r)
	s.releases[r.ReleaseID] = report
	k, _ := slices.BinarySearchFunc(s.state.Releases, report, func(a, b *unship.ReleaseReport) int {
		return cmp.Or(a.FirstSeen.Compare(b.FirstSeen), idOf(*a).Compare(idOf(*b)))
	})
	s.state.Releases = slices.Insert(s.state.Releases, k, report)
}

func (s *step) firstWhy(r unship.Release) string {
	if r.IsRollback() {
		return fmt.Sprintf("a return from %s to a version that served before; it is not judged as a release", r.RollbackOf)
	}
	if q, bad := s.quarantine(r.ReleaseID); bad {
		return fmt.Sprintf("known bad: it was taken back at %s (incident %s)", words.Moment(q.Since), q.Incident)
	}
	return "nothing can be said yet"
}

func (s *step) updateRelease(report *unship.ReleaseReport, r unship.Release) {
	before := *report
	report.Previous = r.Previous
	report.Rollout = r.Rollout
	report.Announced = r.Announcement != nil
	if a := r.Announcement; a != nil {
		report.By, report.Revision, report.URL = cmp.Or(a.By, report.By), cmp.Or(a.Revision, report.Revision), cmp.Or(a.URL, report.URL)
	}
	if report.UpdatedAt.IsZero() || before.Previous != report.Previous || before.Rollout != report.Rollout ||
		before.Announced != report.Announced || before.By != report.By || before.Revision != report.Revision || before.URL != report.URL {
		report.UpdatedAt = s.at
		s.changedReports[r.ReleaseID] = true
	}
}

// report takes a judgement into the release's report. What was found once
// stays: a release that was judged regressed is never said to be healthy.
func (s *step) report(j unship.Judgement) {
	r := s.releases[j.Release]
	if r == nil {
		s.addRelease(unship.Release{ReleaseID: j.Release, FirstSeen: j.At})
		r = s.releases[j.Release]
	}
	r.Samples, r.Comparison, r.Done, r.UpdatedAt = j.Samples, j.Comparison, j.Done, s.at
	r.LogE, r.Threshold = finite(j.LogE), finite(j.Threshold)
	r.Detectable = detectable(j.Detectable)
	if r.Verdict != unship.Regressed || j.Verdict == unship.Regressed {
		r.Verdict, r.Why = verdictOf(j), j.Why
	}
	s.changedReports[j.Release] = true
}

// verdictOf says inconclusive where nobody has looked yet: the schema knows no other word.
func verdictOf(j unship.Judgement) unship.Verdict {
	if j.Verdict == unship.Unknown {
		return unship.Inconclusive
	}
	return j.Verdict
}

func detectable(list []unship.Detectable) []unship.Detectable {
	out := make([]unship.Detectable, 0, len(list))
	for _, d := range list {
		d.Baseline, d.Change = finite(d.Baseline), finite(d.Change)
		out = append(out, d)
	}
	return out
}

// quarantine says whether a release was taken back.
func (e *Engine) quarantine(r unship.ReleaseID) (Quarantine, bool) {
	for _, q := range e.state.Guilty {
		if q.Release == r {
			return q, true
		}
	}
	return Quarantine{}, false
}

// guilty says why a version must not be returned to; "" if nothing is known against it.
func (e *Engine) guilty(r unship.ReleaseID) string {
	if q, bad := e.quarantine(r); bad {
		return fmt.Sprintf("%s was itself taken back at %s", r, words.Moment(q.Since))
	}
	if report := e.releases[r]; report != nil && report.Verdict == unship.Regressed && !e.cleared(r) {
		return fmt.Sprintf("%s was itself judged regressed", r)
	}
	return ""
}

// cleared says that the last word about a release was: it was not the cause.
func (e *Engine) cleared(r unship.ReleaseID) bool {
	in := e.incidentOf(r)
	return in != nil && (in.Status == unship.StatusDismissed || in.Recovery.Status == unship.NotRecovered)
}

// incidentOf is the latest incident of a release.
func (e *Engine) incidentOf(r unship.ReleaseID) *incident {
	for _, in := range slices.Backward(e.state.Incidents) {
		if in.Release == r {
			return in
		}
	}
	return nil
}
