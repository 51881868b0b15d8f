package estate

import (
	"fmt"
	"slices"
	"strings"

	"unship.dev"
	"unship.dev/detect"
	"unship.dev/rules"
)

// Result is whom one judge blamed in one run.
type Result struct {
	Guilty int  // index of the guilty release; -1: none
	Top    int  // whom it suspects most; -1: nobody
	Blamed int  // whom it would roll back first; -1: nobody
	Wrong  bool // it would roll back an innocent one
	Asked  bool // it would ask a person about the guilty one
	Idle   bool // … about an innocent one that it would not roll back later
	Delay  int  // windows from the release to the decision
	Cause  unship.Cause
	Named  bool // no release was guilty, and what went wrong was thought the most probable cause while it did
	// Probability is that of each release when decided, or at the end; nil of judges that have none.
	Probability []float64
}

// after is how many windows a run goes on once a release is found guilty: until
// it is taken back another one could be blamed too.
const after = 12

// Play runs the estate through detect with some of its parts left out. The
// estate is used up.
func (e *Estate) Play(leave detect.Parts) Result {
	d, err := detect.New(detect.Options{Leave: leave})
	if err != nil {
		panic(err) // the options are constant
	}
	j := judge{Result: Result{Guilty: e.Guilty, Top: -1, Blamed: -1}, estate: e}
	set := rules.Set{rules.Default(unship.ModeAuto)}
	for t := 0; t < Windows && (j.Blamed < 0 || t < j.at+after); t++ {
		tick, begun := e.Tick(t)
		j.hear(d.Observe(tick, begun, set), t)
	}
	return j.Result
}

// judge keeps what detect says of a run.
type judge struct {
	Result
	estate *Estate
	at     int // window of the decision
}

func (j *judge) hear(a unship.Assessment, t int) {
	found := j.Blamed >= 0
	for _, x := range a.Judgements {
		k := j.estate.index(x.Release)
		if k < 0 {
			continue
		}
		switch {
		case x.Verdict != unship.Regressed:
			j.Asked = j.Asked || x.Asks && k == j.Guilty
			j.Idle = j.Idle || x.Asks && k != j.Guilty
		case !slices.ContainsFunc(x.Findings, harmful):
			j.Asked = j.Asked || k == j.Guilty
		case k != j.Guilty:
			j.Wrong = true
			fallthrough
		case j.Blamed < 0:
			if j.Blamed < 0 {
				j.Blamed, j.at, j.Delay = k, t, t+1-j.estate.Releases[k].Begin
			}
		}
	}
	if found { // what was believed when it was decided
		return
	}
	j.believe(a)
}

// harmful says that a finding is ground for a rollback by itself.
func harmful(f unship.Finding) bool { return f.Verdict == unship.Regressed && !f.Ambiguous }

// believe takes the present probabilities and the prime suspect.
func (j *judge) believe(a unship.Assessment) {
	j.Probability, j.Top = make([]float64, len(j.estate.Releases)), -1
	for _, x := range a.Judgements {
		if k := j.estate.index(x.Release); k >= 0 {
			j.Probability[k] = x.Probability
			if j.Top < 0 || x.Probability > j.Probability[j.Top] {
				j.Top = k
			}
		}
	}
	for _, b := range a.Blame {
		j.Cause = b.Cause
		j.Named = j.Named || j.Guilty < 0 && len(b.Hypotheses) > 0 && j.estate.other.is(b.Hypotheses[0])
	}
}

// is says that a hypothesis is what goes wrong without anybody's release.
func (d *distractor) is(h unship.Hypothesis) bool {
	switch d.kind {
	case outage, breakdown:
		return h.Cause == unship.CauseDependency && strings.HasSuffix(h.Name, d.services[0].name)
	case surge:
		return h.Cause == unship.CauseTraffic
	case badNode:
		return h.Cause == unship.CauseInfrastructure && h.Name == "node "+d.node
	}
	return false
}

// index gives the place of a release among those of the run; -1: it is not one.
func (e *Estate) index(r unship.ReleaseID) int {
	return slices.IndexFunc(e.Releases, func(x *Rollout) bool { return x.Release.ReleaseID == r })
}

// Story is what happens in the run, in a line.
func (e *Estate) Story() string {
	var b strings.Builder
	for k, r := range e.Releases {
		fmt.Fprintf(&b, "%d: %s %s at %d; ", k, r.service.name, r.Style, r.Begin)
	}
	fmt.Fprintf(&b, "%s from %d", distractorNames[e.other.kind], e.other.from)
	for _, s := range e.other.services {
		b.WriteString(" " + s.name)
	}
	return b.String() + e.other.node
}
