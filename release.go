package unship

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Service names what is released. It is comparable and usable as a map key.
// Two services of one name in two environments or namespaces are two services.
type Service struct {
	Environment string `json:"environment"` // deployment.environment.name
	Namespace   string `json:"namespace"`   // service.namespace
	Name        string `json:"service"`     // service.name, never empty
}

// String is the short form for people: "shop/ledger", or "ledger" without a namespace.
func (s Service) String() string {
	if s.Namespace == "" {
		return s.Name
	}
	return s.Namespace + "/" + s.Name
}

// Compare orders services by environment, namespace and name.
func (s Service) Compare(o Service) int {
	return cmp.Or(
		strings.Compare(s.Environment, o.Environment),
		strings.Compare(s.Namespace, o.Namespace),
		strings.Compare(s.Name, o.Name),
	)
}

// ReleaseID names one version of one service. It is comparable.
type ReleaseID struct {
	Service
	Version string `json:"version"` // service.version, normalised, or what stands in for it
}

// String is the short form for people: "shop/ledger 1.1.0".
func (r ReleaseID) String() string { return r.Service.String() + " " + r.Version }

// Compare orders releases by service, then by version as text.
func (r ReleaseID) Compare(o ReleaseID) int {
	return cmp.Or(r.Service.Compare(o.Service), strings.Compare(r.Version, o.Version))
}

// Instance is one running copy of a release.
type Instance struct {
	ID   string `json:"id"`             // k8s.pod.name, else service.instance.id, else host and process
	Node string `json:"node,omitempty"` // k8s.node.name, else host.name
}

// Rollout is how a release took over from the one before it.
type Rollout uint8

// The ways of rolling out. Unknown until enough windows have been seen.
const (
	RolloutUnknown   Rollout = iota
	RolloutCanary            // a part of the instances, side by side with the previous version
	RolloutRolling           // instance after instance until nothing old serves
	RolloutReplaced          // at once: old and new hardly overlap
	RolloutBlueGreen         // a full second set beside the old one, traffic switched over
)

var rolloutNames = []string{"unknown", "canary", "rolling", "replaced", "blue_green"}

func (r Rollout) String() string { return enumName(rolloutNames, uint8(r)) }

// MarshalText gives the name used in unship.release/v1.
func (r Rollout) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText accepts the names that MarshalText gives.
func (r *Rollout) UnmarshalText(b []byte) error {
	return enumParse(rolloutNames, "rollout", b, (*uint8)(r))
}

// Release is one version of one service that was seen to begin serving while
// another version was known. The versions that already served when telemetry
// began are not releases: nobody can say what they replaced.
type Release struct {
	ReleaseID
	Previous     string        `json:"previous"`    // the version it replaced
	FirstSeen    time.Time     `json:"first_seen"`  // start of the first window in which it served
	LastSeen     time.Time     `json:"last_seen"`   // end of the last window in which it served
	Rollout      Rollout       `json:"rollout"`     // as far as seen by now
	RollbackOf   string        `json:"rollback_of"` // the version that was left, when this is a return to one that served before
	Announcement *Announcement `json:"announcement,omitempty"`
	// Change is what changed, where that is no new version: Previous then is the
	// version that serves before and after, and Version names both.
	Change Change `json:"change,omitzero"`
}

// ChangeKind is what kind of thing changed without a new version.
type ChangeKind string

// The kinds of changes.
const (
	ChangeFlag           ChangeKind = "flag"           // a feature flag
	ChangeConfig         ChangeKind = "config"         // a configuration
	ChangeInfrastructure ChangeKind = "infrastructure" // what the service runs on
)

// Change is a change of a service without a new version of it.
type Change struct {
	Kind  ChangeKind `json:"kind"`
	Name  string     `json:"name"`
	Value string     `json:"value,omitempty"` // what it is now
	Was   string     `json:"was,omitempty"`   // what it was before
}

// String is the short form for people: "flag new-checkout=on".
func (c Change) String() string {
	s := string(c.Kind) + " " + c.Name
	if c.Value != "" {
		s += "=" + c.Value
	}
	return s
}

// IsRollback says that the release is a return to a version that served before.
// A rollback is recognised, not judged as a release.
func (r Release) IsRollback() bool { return r.RollbackOf != "" }

// Announcement is what a CI/CD system or a person told us about a release.
type Announcement struct {
	ReleaseID
	ID        string    `json:"id"`                   // of the sender; the same id twice is one announcement
	At        time.Time `json:"at"`                   // when it happened, by the sender's word
	By        string    `json:"by,omitempty"`         // a person or a pipeline
	URL       string    `json:"url,omitempty"`        // of the pipeline's run
	Revision  string    `json:"revision,omitempty"`   // vcs.ref.head.revision
	Rollback  bool      `json:"rollback,omitempty"`   // announced as a rollback
	Finished  bool      `json:"finished,omitempty"`   // the rollout is complete
	SchemaRev string    `json:"schema_rev,omitempty"` // database schema revision that it needs
	Change    Change    `json:"change,omitzero"`      // what changed without a new version; Version is empty then
}

func enumName(names []string, v uint8) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("invalid(%d)", v)
}

func enumParse(names []string, what string, b []byte, v *uint8) error {
	for i, n := range names {
		if n == string(b) {
			*v = uint8(i)
			return nil
		}
	}
	return fmt.Errorf("unknown %s %q; have %s", what, b, strings.Join(names, ", "))
}
