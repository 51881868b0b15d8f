package decide

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"unship.dev"
)

const (
	stateVersion = 1
	// remembered is how long the engine keeps ended incidents, and how long an
	// open one waits for an answer.
	remembered = 7 * 24 * time.Hour
	// reported is how long the engine keeps the report of a release that
	// nobody watches any more.
	reported  = 24 * time.Hour
	maxGuilty = 1000
)

// state is all that an engine knows.
type state struct {
	Version   int                     `json:"version"`
	At        time.Time               `json:"at"`
	Outage    string                  `json:"outage,omitempty"`
	Audit     unship.Audit            `json:"audit,omitzero"`
	Incidents []*incident             `json:"incidents"` // by detection, then id
	Releases  []*unship.ReleaseReport `json:"releases"`  // by first seen, then id
	Rollbacks []rollback              `json:"rollbacks"` // oldest first
	Guilty    []Quarantine            `json:"guilty"`    // oldest first
}

// rollback is a rollback that was ordered, for cooldowns and budgets.
type rollback struct {
	At      time.Time      `json:"at"`
	Service unship.Service `json:"service"`
	Policy  string         `json:"policy"`
	By      string         `json:"by,omitempty"` // "" if it was automatic
}

// Quarantine names a release that was taken back.
type Quarantine struct {
	Release  unship.ReleaseID `json:"release"`
	Since    time.Time        `json:"since"`
	Incident string           `json:"incident"`
}

// State gives the engine's whole state. Equal states give equal bytes.
func (e *Engine) State() ([]byte, error) {
	e.state.Version = stateVersion
	b, err := json.Marshal(e.state)
	if err != nil {
		return nil, fmt.Errorf("encode the engine's state: %w", err)
	}
	return b, nil
}

// Restore replaces the engine's state by one that State gave; nil or nothing
// is the state of a new engine. After an error the engine is as it was.
func (e *Engine) Restore(b []byte) error {
	var s state
	if len(b) > 0 {
		if err := json.Unmarshal(b, &s); err != nil {
			return fmt.Errorf("decode the engine's state: %w", err)
		}
		if s.Version != stateVersion {
			return fmt.Errorf("the engine's state has version %d, this program knows %d; run the version that wrote it", s.Version, stateVersion)
		}
	}
	e.reset(s)
	return nil
}

// forget drops what no later step can ask for.
func (s *step) forget(in Input) {
	s.state.Incidents = slices.DeleteFunc(s.state.Incidents, func(i *incident) bool {
		return i.Status.Ended() && i.Running == "" && i.Undoing == nil && !s.changed[i] && s.at.Sub(i.EndedAt) > remembered
	})
	s.state.Rollbacks = slices.DeleteFunc(s.state.Rollbacks, func(r rollback) bool {
		p := s.policies.For(r.Service)
		return s.at.Sub(r.At) > max(p.Cooldown, s.longestBudget())
	})
	if extra := len(s.state.Guilty) - maxGuilty; extra > 0 {
		s.state.Guilty = slices.Delete(s.state.Guilty, 0, extra)
	}
	if in.Assessment != nil {
		s.forgetReleases(in.Releases)
	}
}

func (s *step) longestBudget() (d time.Duration) {
	for _, p := range s.policies {
		d = max(d, p.Budget.Per)
	}
	return d
}

func (s *step) forgetReleases(tracked []unship.Release) {
	keep := map[unship.ReleaseID]bool{}
	for _, r := range tracked {
		keep[r.ReleaseID] = true
	}
	s.state.Releases = slices.DeleteFunc(s.state.Releases, func(r *unship.ReleaseReport) bool {
		if keep[idOf(*r)] || s.at.Sub(r.UpdatedAt) <= reported {
			return false
		}
		delete(s.releases, idOf(*r))
		return true
	})
}
