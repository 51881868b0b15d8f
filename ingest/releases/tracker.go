// Package releases finds releases in ticks.
package releases

import (
	"time"

	"unship.dev"
)

// Options of a Tracker. The zero value is usable.
type Options struct {
	// Settle is how long after a service is first heard the versions that serve are initial; 0 means one minute.
	Settle time.Duration
}

// Tracker finds releases.
type Tracker struct{}

// New makes a Tracker.
func New(opts Options) *Tracker { return &Tracker{} }

// Observe takes the next tick and gives the releases that are new or have changed, sorted.
// It may rewrite the version of windows in the tick.
func (t *Tracker) Observe(tick *unship.Tick) (changed []unship.Release) { return nil }

// Release gives a release by its id.
func (t *Tracker) Release(id unship.ReleaseID) (unship.Release, bool) { return unship.Release{}, false }

// Releases gives all releases that are remembered, sorted by id.
func (t *Tracker) Releases() []unship.Release { return nil }

// State is a JSON snapshot of the memory.
func (t *Tracker) State() ([]byte, error) { return nil, nil }

// Restore takes up a snapshot before the first Observe.
func (t *Tracker) Restore(state []byte) error { return nil }
