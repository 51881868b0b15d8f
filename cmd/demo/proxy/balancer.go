// Package proxy is the demo's way to split traffic by version: a reverse proxy
// of its own, the same control over a real HAProxy, and the action that takes a
// release back by shifting weights.
//
// Whatever stands behind a service is a [Server]; its name begins with its
// version. Everything here is safe for concurrent use.
package proxy

import (
	"context"
	"fmt"
	"strings"
)

// Server is one instance behind a service.
type Server struct {
	Name   string `json:"name"` // version_number, see [ServerName]
	Addr   string `json:"addr"`
	Weight int    `json:"weight"` // share of the traffic; 0: none
	Busy   int    `json:"busy"`   // requests under way
}

// ServerName names the n-th instance of a version.
func ServerName(version string, n int) string { return fmt.Sprintf("%s_%d", version, n) }

// Version is the version that the server runs.
func (s Server) Version() string {
	if i := strings.LastIndexByte(s.Name, '_'); i >= 0 {
		return s.Name[:i]
	}
	return s.Name
}

// Weight is a server's share of the traffic.
type Weight struct {
	Server string `json:"server"`
	Weight int    `json:"weight"`
}

// Balancer splits the traffic of services over servers.
type Balancer interface {
	// Servers lists what stands behind a service, sorted by name.
	Servers(ctx context.Context, service string) ([]Server, error)
	// Add puts a server behind a service.
	Add(ctx context.Context, service string, s Server) error
	// SetWeights changes weights in the order given.
	SetWeights(ctx context.Context, service string, weights []Weight) error
}
