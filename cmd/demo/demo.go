// Package demo is unship demo: a live shop that proves the whole job in about a
// minute and a half, and the end-to-end test of the program.
//
// It starts a dozen small HTTP services, each instance a process of its own and
// instrumented by the OpenTelemetry SDK, behind a reverse proxy that splits
// traffic by version, with users who buy; and unship serve, which all of them
// send their telemetry to. It ships a good release, which must stay, then an
// innocent one and a bad one side by side. The bad one must be found, named,
// taken back by shifting traffic without breaking a request, and the recovery
// verified.
//
// In: [Options]. Out: a timeline for people, and a [Result]. All processes end
// when Run returns, whichever way it ends.
package demo

import (
	"io"
	"time"

	"unship.dev"
)

// Options are the demo's options.
type Options struct {
	Proxy string    // "builtin" (also if empty) or "haproxy"
	Keep  bool      // leave everything running at the end until ctx ends
	Dir   string    // for the report, the state and the logs; emptied at the start; empty: a temporary folder
	Out   io.Writer // the timeline
	Color bool
	Seed  uint64 // of the users' behaviour; 0: 1
}

// Check is one promise of the demo and whether it held.
type Check struct {
	What string
	Held bool
	Why  string
}

// Result is what the demo measured.
type Result struct {
	Checks []Check
	// From the first request that the bad release broke.
	ToDetection, ToRollback, ToRecovery time.Duration
	Requests                            uint64 // that users made
	BrokenByFault                       uint64
	BrokenByRollback                    uint64 // failed for any reason but the fault and the shop's usual failures
	Incident                            unship.Incident
	Report                              string // path of the Markdown report
	Page                                string // address of the page
}

// Held says that every promise held.
func (r Result) Held() bool {
	for _, c := range r.Checks {
		if !c.Held {
			return false
		}
	}
	return len(r.Checks) > 0
}
