// Package dashboardstest is a source of incidents and releases in memory, and
// examples to fill it with, for tests of what shows them.
//
// A [Source] is safe for concurrent use.
package dashboardstest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"unship.dev"
	"unship.dev/dashboards"
	"unship.dev/decide/journal"
)

// Source holds incidents and releases as a journal would, takes answers, and
// rings its bell with each change. The zero value is empty.
type Source struct {
	dashboards.Bell

	mu        sync.Mutex
	incidents []unship.Incident
	releases  []unship.ReleaseReport
	answers   []unship.Answer
	refuse    error
}

// PutIncident adds an incident or replaces the one of its id.
func (s *Source) PutIncident(in unship.Incident) {
	s.mu.Lock()
	s.incidents = slices.DeleteFunc(s.incidents, func(o unship.Incident) bool { return o.ID == in.ID })
	s.incidents = append([]unship.Incident{in}, s.incidents...)
	s.mu.Unlock()
	s.Ring()
}

// PutRelease adds a release or replaces the one of its name and version.
func (s *Source) PutRelease(r unship.ReleaseReport) {
	s.mu.Lock()
	same := func(o unship.ReleaseReport) bool {
		return o.Environment == r.Environment && o.Namespace == r.Namespace && o.Service == r.Service && o.Version == r.Version
	}
	s.releases = slices.DeleteFunc(s.releases, same)
	s.releases = append([]unship.ReleaseReport{r}, s.releases...)
	s.mu.Unlock()
	s.Ring()
}

// Refuse makes every later answer fail with err; nil takes them again.
func (s *Source) Refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = err
}

// Answers gives the answers taken so far.
func (s *Source) Answers() []unship.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.answers)
}

// Answer takes an answer.
func (s *Source) Answer(_ context.Context, a unship.Answer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return s.refuse
	}
	s.answers = append(s.answers, a)
	return nil
}

// Incidents gives what f selects, the last put first.
func (s *Source) Incidents(_ context.Context, f journal.Filter) ([]unship.Incident, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return selected(s.incidents, f.Limit, func(in unship.Incident) bool {
		return (f.Environment == "" || in.Environment == f.Environment) &&
			(f.Status == "" || in.Status == f.Status) &&
			(f.Service == "" || len(in.Suspects) > 0 && fits(f.Service, in.Suspects[0].Namespace, in.Suspects[0].Service))
	}), nil
}

// Incident gives the incident of an id.
func (s *Source) Incident(_ context.Context, id string) (unship.Incident, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range s.incidents {
		if in.ID == id {
			return in, nil
		}
	}
	return unship.Incident{}, fmt.Errorf("incident %q: %w", id, journal.ErrNotFound)
}

// Releases gives what f selects, the last put first.
func (s *Source) Releases(_ context.Context, f journal.Filter) ([]unship.ReleaseReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return selected(s.releases, f.Limit, func(r unship.ReleaseReport) bool {
		return (f.Environment == "" || r.Environment == f.Environment) &&
			(f.Service == "" || fits(f.Service, r.Namespace, r.Service))
	}), nil
}

func fits(want, namespace, service string) bool {
	if ns, name, both := strings.Cut(want, "/"); both {
		return ns == namespace && name == service
	}
	return want == service
}

func selected[T any](all []T, limit int, fits func(T) bool) []T {
	list := []T{}
	for _, v := range all {
		if fits(v) && (limit == 0 || len(list) < limit) {
			list = append(list, v)
		}
	}
	return list
}
