package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"unship.dev"
	"unship.dev/ingest/webhook"
)

func TestHandlerAnswers(t *testing.T) {
	const good = `{"service":"ledger","version":"1.1.0"}`
	jsonType := http.Header{"Content-Type": {"application/json"}}
	binary := http.Header{"Content-Type": {"application/json"}, "Ce-Id": {"ce-9"}, "Ce-Type": {"dev.cdevents.service.deployed.0.2.0"},
		"Ce-Time": {"2026-03-02T09:00:00Z"}, "Ce-Specversion": {"1.0"}}
	foreign := binary.Clone()
	foreign.Set("Ce-Type", "dev.cdevents.build.queued.0.2.0")
	for _, tt := range []struct {
		name, method, body string
		header             http.Header
		sinkErr            error
		status             int
		says               string
		taken              int
	}{
		{"accepted", "POST", good, jsonType, nil, 202, `"service":"ledger"`, 1},
		{"without a content type", "POST", good, nil, nil, 202, `"version":"1.1.0"`, 1},
		{"binary CloudEvent", "POST", good, binary, nil, 202, `"id":"ce-9"`, 1},
		{"ignored", "POST", `{}`, foreign, nil, 202, `"ignored":["dev.cdevents.build`, 0},
		{"mistakes", "POST", `{"service":"ledger"}`, jsonType, nil, 400, `"mistakes":["version is missing`, 0},
		{"one of two is wrong: none is taken", "POST", `[` + good + `,{}]`, jsonType, nil, 400, "event 2", 0},
		{"get", "GET", "", nil, nil, 405, "POST", 0},
		{"too long", "POST", strings.Repeat(" ", webhook.MaxBody) + good, jsonType, nil, 413, "longer", 0},
		{"a form", "POST", good, http.Header{"Content-Type": {"text/plain"}}, nil, 415, "Content-Type: application/json", 0},
		{"not taken", "POST", good, jsonType, errors.New("disk full"), 503, "disk full", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var taken []unship.Announcement
			h := webhook.Handler(func(_ context.Context, a unship.Announcement) error {
				taken = append(taken, a)
				return tt.sinkErr
			})
			r := httptest.NewRequest(tt.method, "/", strings.NewReader(tt.body))
			if tt.header != nil {
				r.Header = tt.header
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) || len(taken) != tt.taken {
				t.Errorf("status %d, %d taken, body %s; want %d, %d taken, %q", w.Code, len(taken), w.Body, tt.status, tt.taken, tt.says)
			}
		})
	}
}
