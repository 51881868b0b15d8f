package decide

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"unship.dev"
	"unship.dev/decide/words"
)

const (
	maxEvidence = 10
	maxTimeline = 200
)

// incident is an incident as people see it, and what the engine must know
// besides. Slices of the shown part are replaced, never changed in place:
// callers keep what Changed gave them.
type incident struct {
	unship.Incident `json:"incident"`

	Release     unship.ReleaseID  `json:"release"` // the guilty one
	Target      string            `json:"target"`  // the version to return to, "" if unknown
	Comparison  unship.Comparison `json:"comparison"`
	Probability float64           `json:"probability"`
	LogE        float64           `json:"log_e"`
	Wanted      bool              `json:"wanted,omitempty"` // all that changed may be wanted
	Unsure      bool              `json:"unsure,omitempty"` // the evidence is enough to ask, not to act
	Doubts      []string          `json:"doubts,omitempty"`
	Cleared     string            `json:"cleared,omitempty"`     // why blame holds the release innocent, "" if it does not
	Orders      int               `json:"orders"`                // how many were given
	Planned     bool              `json:"planned,omitempty"`     // a plan was ordered
	ApprovedBy  string            `json:"approved,omitempty"`    // who said: do it
	RejectedBy  string            `json:"rejected,omitempty"`    // who said: do not
	Rollback    string            `json:"rollback,omitempty"`    // decision of the rollback
	Done        bool              `json:"done,omitempty"`        // the rollback was carried out
	MitigatedAt time.Time         `json:"mitigated_at,omitzero"` // when the verification began
	Undo        string            `json:"undo,omitempty"`        // decision of the undo
	Undoing     *undo             `json:"undoing,omitempty"`     // asked for, not ordered yet
	UndoneBy    string            `json:"undone_by,omitempty"`   // who asked for the undo that was ordered
	Running     string            `json:"running,omitempty"`     // decision that is being carried out
	Change      unship.Change     `json:"change,omitzero"`       // what the release is, where it is no new version
	Thrown      []thrown          `json:"thrown,omitempty"`      // since the detection, sorted by type and place
}

// undo is a wish to take a rollback back.
type undo struct {
	By  string `json:"by,omitempty"` // "" if it is the engine's own
	Why string `json:"why"`
}

// shown is the public part, which further steps do not change.
func (in *incident) shown() unship.Incident {
	v := in.Incident
	v.Timeline = slices.Clip(v.Timeline)
	return v
}

// open opens the incident of a release that was judged guilty.
func (s *step) open(j unship.Judgement, b unship.Blame) {
	in := &incident{Release: j.Release, Wanted: true, Unsure: true}
	in.Incident = unship.Incident{
		Schema: unship.IncidentSchema, Environment: j.Release.Environment, Status: unship.StatusOpen,
		DetectedAt: s.at, StartedAt: onset(j, s.at),
		Plan: unship.Plan{}, Actions: []unship.StepResult{}, Timeline: []unship.TimelineItem{},
		Decision: unship.DecisionRecord{Gates: []unship.Gate{}},
		Recovery: unship.Recovery{Status: unship.RecoveryUnknown, Why: "nothing has been done yet"},
	}
	in.ID = hash(j.Release.Environment, j.Release.Namespace, j.Release.Name, j.Release.Version,
		nanos(in.StartedAt), nanos(in.DetectedAt))
	r := s.releases[j.Release]
	switch {
	case r == nil:
	case r.Change != (unship.Change{}):
		in.Change = r.Change
		s.note(in, r.FirstSeen, "%s%s", r.Change, from(r.Change.Was))
	default:
		in.Target = r.Previous
		s.note(in, r.FirstSeen, "%s began to serve%s", j.Release, replacing(r.Previous))
	}
	in.weigh(j, b)
	in.suspect(j, b)
	in.Ranking = slices.Clone(b.Ranking)
	in.describe(j)
	s.note(in, in.StartedAt, "estimated onset")
	s.note(in, s.at, "detected: %s", in.Title)
	s.insert(in)
}

func from(was string) string {
	if was == "" {
		return ""
	}
	return ", " + was + " before"
}

func replacing(previous string) string {
	if previous == "" {
		return ""
	}
	return ", replacing " + previous
}

func (s *step) insert(in *incident) {
	k, _ := slices.BinarySearchFunc(s.state.Incidents, in, func(a, b *incident) int {
		return cmp.Or(a.DetectedAt.Compare(b.DetectedAt), strings.Compare(a.ID, b.ID))
	})
	s.state.Incidents = slices.Insert(s.state.Incidents, k, in)
}

func onset(j unship.Judgement, at time.Time) time.Time {
	t := j.Onset
	for _, f := range j.Findings {
		if t.IsZero() && f.Verdict == unship.Regressed {
			t = f.Since
		}
	}
	if t.IsZero() || t.After(at) {
		return at
	}
	return t.UTC()
}

// weigh takes in how things stand now: what may stop a rollback, and the harm so far.
func (in *incident) weigh(j unship.Judgement, b unship.Blame) {
	in.Comparison, in.Probability = j.Comparison, probability(j, b)
	in.LogE = max(in.LogE, finite(j.LogE))
	in.Wanted = in.Wanted && (j.Verdict != unship.Regressed || onlyWanted(j)) // what was proven once stays so
	in.Unsure = in.Unsure && j.Verdict != unship.Regressed && !showsWanted(j)
	in.Doubts = slices.Clone(j.Doubts)
	in.First = slices.Clone(j.Dependents)
	in.Cleared = exonerated(j.Release, b)
	in.Cause = cmp.Or(b.Cause, unship.CauseRelease)
	in.Impact.RequestsFailed = max(in.Impact.RequestsFailed, j.Impact.RequestsFailed)
	in.Impact.RequestsSlowed = max(in.Impact.RequestsSlowed, j.Impact.RequestsSlowed)
}

// suspect takes the suspects as they stand until a rollback is ordered. It says whether they changed.
func (in *incident) suspect(j unship.Judgement, b unship.Blame) bool {
	before := in.Suspects
	in.Suspects = suspects(j, b, in.Target)
	in.Exonerated = append([]unship.Exoneration{}, b.Exonerated...)
	in.Hypotheses = slices.Clone(b.Hypotheses)
	return !slices.EqualFunc(before, in.Suspects, func(x, y unship.Suspect) bool {
		return x.Service == y.Service && x.Version == y.Version && x.Probability == y.Probability
	})
}

// describe takes the evidence as it stands when the release is found guilty.
func (in *incident) describe(j unship.Judgement) {
	in.Evidence = evidence(j)
	what := cmp.Or(change(in.Evidence), "is worse than what it replaced")
	if in.Unsure {
		what = "probably " + what
	}
	in.Title = j.Release.String() + " " + what
}

// change says what hurts most: failures before all else, then what the strongest evidence is about.
func change(evidence []unship.Evidence) string {
	if len(evidence) == 0 {
		return ""
	}
	for _, ev := range evidence {
		if failure(ev.Signal) {
			return words.Change(ev)
		}
	}
	return words.Change(evidence[0])
}

func failure(s unship.Signal) bool {
	switch s {
	case unship.SignalErrorRatio, unship.SignalInclusiveError, unship.SignalRejectionRatio, unship.SignalCallerError, unship.SignalUnanswered:
		return true
	}
	return false
}

// probability is that of the release among all hypotheses, where blame gave it one.
func probability(j unship.Judgement, b unship.Blame) float64 {
	for _, s := range b.Suspects {
		if isOf(s, j.Release) {
			return finite(s.Probability)
		}
	}
	return finite(j.Probability)
}

func isOf(s unship.Suspect, r unship.ReleaseID) bool {
	return s.Namespace == r.Namespace && s.Service == r.Name && s.Version == r.Version
}

// suspects gives blame's suspects, most probable first, the release among them.
func suspects(j unship.Judgement, b unship.Blame, previous string) []unship.Suspect {
	list := append([]unship.Suspect{}, b.Suspects...)
	own := func(s unship.Suspect) bool { return isOf(s, j.Release) }
	if !slices.ContainsFunc(list, own) {
		list = append(list, unship.Suspect{
			Namespace: j.Release.Namespace, Service: j.Release.Name, Version: j.Release.Version,
			Previous: previous, Probability: j.Probability, Reasons: []string{j.Why},
		})
	}
	for k := range list {
		list[k].Probability = finite(list[k].Probability)
		list[k].Reasons = append([]string{}, list[k].Reasons...)
	}
	slices.SortStableFunc(list, func(a, b unship.Suspect) int { return -cmp.Compare(a.Probability, b.Probability) })
	return list
}

// exonerated says why blame holds a release innocent; "" if it does not.
func exonerated(r unship.ReleaseID, b unship.Blame) string {
	for _, x := range b.Exonerated {
		if x.Service == r.Name && x.Version == r.Version {
			return cmp.Or(x.Why, "blame holds it innocent")
		}
	}
	return ""
}

// onlyWanted says that every change found may be one that was intended.
func onlyWanted(j unship.Judgement) bool {
	worse := slices.DeleteFunc(slices.Clone(j.Findings), func(f unship.Finding) bool { return f.Verdict != unship.Regressed })
	if len(worse) == 0 {
		worse = j.Findings
	}
	return len(worse) > 0 && !slices.ContainsFunc(worse, func(f unship.Finding) bool { return !f.Ambiguous })
}

// evidence gives the findings that show a change for the worse; where the
// evidence is spread too thin for any one to show it, those that point there.
func evidence(j unship.Judgement) []unship.Evidence {
	list := []unship.Evidence{}
	for _, keep := range []func(unship.Finding) bool{
		func(f unship.Finding) bool { return f.Verdict == unship.Regressed },
		func(f unship.Finding) bool { return f.LogE > 0 },
	} {
		for _, f := range j.Findings {
			if keep(f) && len(list) < maxEvidence {
				list = append(list, shownFinding(f, j.Comparison))
			}
		}
		if len(list) > 0 {
			break
		}
	}
	return list
}

func shownFinding(f unship.Finding, c unship.Comparison) unship.Evidence {
	return unship.Evidence{
		Service: f.Release.Name, Version: f.Release.Version, Signal: f.Signal, Operation: f.Operation,
		Quantile: finite(f.Quantile), Slice: f.Slice, Name: f.Name, Example: f.Example, Unit: f.Unit, Baseline: finite(f.Baseline), Candidate: finite(f.Candidate),
		Interval: [2]float64{finite(f.Interval[0]), finite(f.Interval[1])},
		EValue:   finite(math.Exp(min(f.LogE, 700))), Comparison: c, Samples: f.Samples, Since: f.Since.UTC(),
		Exemplars: append(unship.Exemplars{}, f.Exemplars...),
	}
}

// finite bounds what JSON cannot hold, and e-values beyond what anybody reads.
func finite(x float64) float64 {
	if math.IsNaN(x) {
		return 0
	}
	return min(max(x, -unship.MaxEValue), unship.MaxEValue)
}

// note adds a line to the timeline and marks the incident as changed.
func (s *step) note(in *incident, at time.Time, format string, args ...any) {
	s.changed[in] = true
	if len(in.Timeline) > maxTimeline {
		return
	}
	what := fmt.Sprintf(format, args...)
	if len(in.Timeline) == maxTimeline {
		what = "the timeline is full; what follows is in the journal only"
	}
	in.Timeline = append(in.Timeline, unship.TimelineItem{At: at.UTC(), What: what})
}

// end gives the incident its last status.
func (s *step) end(in *incident, status unship.Status) {
	in.Status = status
	in.EndedAt = s.at
	in.ApprovedBy = ""
	s.changed[in] = true
}

const idBytes = 8

// hash makes a short id of its parts.
func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s,", len(p), p) // lengths keep "a","bc" from "ab","c"
	}
	return hex.EncodeToString(h.Sum(nil)[:idBytes])
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }
