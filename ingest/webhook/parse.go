// Package webhook reads announcements of releases that CI/CD systems send.
package webhook

import (
	"context"
	"net/http"
	"time"

	"unship.dev"
)

// Parse reads the announcements of one message.
func Parse(contentType string, body []byte, now time.Time) ([]unship.Announcement, error) {
	return nil, nil
}

// Handler receives announcements over HTTP and hands them to sink.
func Handler(sink func(context.Context, unship.Announcement) error) http.Handler {
	return http.NotFoundHandler()
}
