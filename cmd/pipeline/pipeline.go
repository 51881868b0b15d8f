// Package pipeline is what happens to a tick after ingest: releases are
// recognised, judged, decided on. Live and replay run this same code.
//
// A Pipeline does no I/O and reads no clock; what it returns is for its caller
// to make durable and then to carry out. It is used from one goroutine.
package pipeline

import (
	"fmt"
	"time"

	"unship.dev"
	"unship.dev/decide"
	"unship.dev/detect"
	"unship.dev/ingest/releases"
	"unship.dev/rules"
)

// Options are what a Pipeline is made of.
type Options struct {
	Window   time.Duration
	Settle   time.Duration // see [releases.Options]; 0: its default
	Policies rules.Set
	Placebos int // watched at once; 0: none
}

// Pipeline holds the stages between ingest and actions.
type Pipeline struct {
	policies rules.Set
	tracker  *releases.Tracker
	detector *detect.Detector
	engine   *decide.Engine
	at       time.Time // Closed of the last tick
	end      time.Time // its End
	outage   string
	audit    unship.Audit
	ranking  []unship.Ranking // as of rankedAt
	rankedAt time.Time
	about    map[string]unship.ReleaseID // the release that an incident is about
}

// New makes a Pipeline that has seen nothing.
func New(o Options) (*Pipeline, error) {
	detector, err := detect.New(detect.Options{Window: o.Window, Placebos: o.Placebos})
	if err != nil {
		return nil, fmt.Errorf("make detector: %w", err)
	}
	return &Pipeline{
		policies: o.Policies,
		tracker:  releases.New(releases.Options{Settle: o.Settle}),
		detector: detector,
		engine:   decide.New(o.Policies),
		about:    map[string]unship.ReleaseID{},
	}, nil
}

// Result is what one step changed: to be made durable as a whole, before its
// decisions are carried out.
type Result struct {
	Tick      *unship.Tick // as judged; nil when the step was not a tick
	Decisions []unship.Decision
	Incidents []unship.Incident      // those that changed
	Reports   []unship.ReleaseReport // those that changed
	Outage    string
	Audit     unship.Audit
	Ranking   []unship.Ranking // at most rankEvery old
}

// rankEvery is how much event time lies between two rankings.
const rankEvery = time.Minute

// Tick takes one tick through the pipeline.
func (p *Pipeline) Tick(t unship.Tick) Result {
	t.Releases = p.tracker.Observe(&t)
	p.at, p.end = t.Closed, t.End
	assessment := p.detector.Observe(t, t.Releases, p.policies)
	p.outage, p.audit = assessment.Outage, assessment.Audit
	if p.at.Sub(p.rankedAt) >= rankEvery {
		p.ranking, p.rankedAt = p.detector.Rank(), p.at
	}
	r := p.step(decide.Input{At: p.at, Releases: t.Releases, Assessment: &assessment, Tick: &t})
	r.Tick = &t
	return r
}

// Hear takes what became of decisions and what people answered.
func (p *Pipeline) Hear(outcomes []unship.Outcome, answers []unship.Answer) Result {
	at := p.at
	for _, a := range answers {
		if at.IsZero() {
			at = a.At
		}
	}
	return p.step(decide.Input{At: at, Outcomes: outcomes, Answers: answers})
}

func (p *Pipeline) step(in decide.Input) Result {
	r := Result{Decisions: p.engine.Step(in), Incidents: p.engine.Changed(), Reports: p.engine.ChangedReports(), Outage: p.outage, Audit: p.audit, Ranking: p.ranking}
	for _, d := range r.Decisions {
		p.obey(d)
	}
	for _, a := range in.Answers {
		if id, ok := p.about[a.Incident]; ok && a.Kind == unship.AnswerReject {
			p.detector.Dismiss(id)
		}
	}
	for _, i := range r.Incidents {
		if i.Status.Ended() {
			delete(p.about, i.ID)
		}
	}
	return r
}

// obey carries out what a decision asks of detect.
func (p *Pipeline) obey(d unship.Decision) {
	p.about[d.Incident] = d.Release
	if d.Order == unship.OrderVerify {
		p.detector.Verify(d.Release, d.At)
	}
}

// Incidents gives all incidents, in the order of their detection.
func (p *Pipeline) Incidents() []unship.Incident { return p.engine.Incidents() }

// Reports gives all releases, in the order in which they were first seen.
func (p *Pipeline) Reports() []unship.ReleaseReport { return p.engine.Reports() }

// Rank orders the releases under watch by how suspect they are now.
func (p *Pipeline) Rank() []unship.Ranking { return p.detector.Rank() }

// JudgedUntil is the end of the last tick: telemetry before it is in durable ticks once they are committed.
func (p *Pipeline) JudgedUntil() time.Time { return p.end }

// At is the event time that the last tick reached.
func (p *Pipeline) At() time.Time { return p.at }

// The names of the parts of a snapshot.
const (
	stateTracker = "tracker"
	stateEngine  = "engine"
	stateAudit   = "audit"
)

// Audit is what placebos have shown so far.
func (p *Pipeline) Audit() unship.Audit { return p.audit }

// Snapshot gives the state that outlives the process, by name. What detect knows
// is not in it, but for what placebos showed: it is found again by [Pipeline.Reobserve].
func (p *Pipeline) Snapshot() (map[string][]byte, error) {
	tracker, err := p.tracker.State()
	if err != nil {
		return nil, fmt.Errorf("snapshot releases: %w", err)
	}
	engine, err := p.engine.State()
	if err != nil {
		return nil, fmt.Errorf("snapshot decisions: %w", err)
	}
	audit, err := p.detector.AuditState()
	if err != nil {
		return nil, fmt.Errorf("snapshot audit: %w", err)
	}
	return map[string][]byte{stateTracker: tracker, stateEngine: engine, stateAudit: audit}, nil
}

// Restore takes up a snapshot. read gives its parts by name, nil for one that was never stored.
func (p *Pipeline) Restore(read func(name string) ([]byte, error)) error {
	for _, part := range []struct {
		name    string
		restore func([]byte) error
	}{{stateTracker, p.tracker.Restore}, {stateEngine, p.engine.Restore}, {stateAudit, p.detector.RestoreAudit}} {
		state, err := read(part.name)
		if err != nil {
			return fmt.Errorf("read state %s: %w", part.name, err)
		}
		if state == nil {
			continue
		}
		if err := part.restore(state); err != nil {
			return fmt.Errorf("restore state %s: %w", part.name, err)
		}
	}
	return nil
}

// Reobserve shows the detector a tick that was judged before the process
// started, so that it knows what it knew. Nothing is decided again.
func (p *Pipeline) Reobserve(t unship.Tick) {
	p.at, p.end = t.Closed, t.End
	p.audit = p.detector.Observe(t, t.Releases, p.policies).Audit
}

// Resume takes up, after Restore and Reobserve, what the decisions about
// incidents that have not ended ask of detect, such as verifying a rollback that
// was carried out before the process started.
func (p *Pipeline) Resume(decisions []unship.Decision) {
	for _, d := range decisions {
		p.obey(d)
	}
}
