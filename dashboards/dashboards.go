// Package dashboards serves what people and pipelines look at: an HTTP API and
// one embedded page over the same JSON.
//
// In: incidents and releases, read from a [Source]; people's answers go out
// through a [Control]. Nothing is judged or decided here, and nothing is kept:
// every answer is read when it is asked for, so a restart loses no view.
//
// The schemas are unship.incident/v1 and unship.release/v1. Errors are JSON,
// {"error":"…"}, and say what to do next.
//
// Without tokens the API answers this machine alone; with tokens every request
// for data needs one, and whatever acts needs one with [RoleAct]. The page
// itself, its code and the probes hold no data and are open.
//
// A [Server] starts no goroutine of its own. Everything exported is safe for
// concurrent use.
package dashboards

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"unship.dev"
	"unship.dev/decide/journal"
)

// Source is where incidents and releases are read, newest first, and its
// errors are the journal's: a [journal.Store] is one.
type Source interface {
	Incidents(ctx context.Context, f journal.Filter) ([]unship.Incident, error)
	Incident(ctx context.Context, id string) (unship.Incident, error)
	Releases(ctx context.Context, f journal.Filter) ([]unship.ReleaseReport, error)
}

// Control takes people's answers into the pipeline. Answer returns once the
// answer is durable; its time is left zero and stamped with the pipeline's
// event time. An error that wraps [ErrRefused] is the asker's mistake and is
// shown to them; any other is reported as a failure of this server.
type Control interface {
	Answer(ctx context.Context, a unship.Answer) error
}

// ErrRefused marks answers that do not fit the incident as it stands, such as
// an approval of what is already done.
var ErrRefused = errors.New("refused")

// Options is what a [Server] is made of. Source, Status and Subscribe are
// needed; what else is nil is answered with a message that it is not there.
type Options struct {
	Source  Source
	Control Control
	// Announcements takes POST /api/v1/announcements, after access is checked.
	Announcements http.Handler
	// Metrics answers GET /metrics, after access is checked.
	Metrics http.Handler
	Status  func() Status
	// Subscribe gives a channel that receives after incidents or releases have
	// changed, and a function that ends it. Changes may be coalesced: [Bell].
	Subscribe func() (<-chan struct{}, func())
	Tokens    []Token
	// OpenReads lets everybody who reaches the server read without a token.
	// Acting is never open.
	OpenReads bool
	Logger    *slog.Logger
}

// Status is how the service itself is.
type Status struct {
	Version   string      `json:"version"`
	Mode      unship.Mode `json:"mode"` // of releases that no policy names
	StartedAt time.Time   `json:"started_at,omitzero"`
	// Watermark is the event time up to which telemetry is judged; zero before the first.
	Watermark time.Time `json:"watermark,omitzero"`
	Outage    string    `json:"outage,omitempty"`    // why no verdict may be drawn from silence
	NotReady  string    `json:"not_ready,omitempty"` // why /readyz says no; empty when ready
	// Receivers are where telemetry can be sent. The page shows them until the first arrives.
	Receivers []Receiver    `json:"receivers,omitempty"`
	Counters  []Counter     `json:"counters,omitempty"`
	Losses    unship.Losses `json:"losses,omitzero"`
	Audit     unship.Audit  `json:"audit,omitzero"`
	// Ranking orders the releases under watch by how suspect they are, by environment.
	Ranking  []unship.Ranking `json:"ranking,omitempty"`
	Warnings []string         `json:"warnings,omitempty"` // what people should know, in sentences
}

// Receiver is one address that takes telemetry.
type Receiver struct {
	Protocol string `json:"protocol"` // "OTLP/gRPC"
	Address  string `json:"address"`  // "0.0.0.0:4317"
}

// Counter is one number of the status.
type Counter struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
	Help  string `json:"help,omitempty"`
}

// Server answers the API and the page.
type Server struct {
	opt    Options
	log    *slog.Logger
	access access
	feed   feed
	page   page
}

// New checks the options.
func New(o Options) (*Server, error) {
	if o.Source == nil || o.Status == nil || o.Subscribe == nil {
		return nil, errors.New("dashboards need a source, a status and a subscription to changes")
	}
	access, err := newAccess(o.Tokens, o.OpenReads)
	if err != nil {
		return nil, fmt.Errorf("dashboards: %w", err)
	}
	page, err := newPage()
	if err != nil {
		return nil, fmt.Errorf("dashboards: %w", err)
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Server{opt: o, log: log, access: access, page: page}, nil
}

// Handler is the whole of it, to be served on one address.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	s.routeOpen(mux)
	s.routeReads(mux)
	s.routeActs(mux)
	return secure(mux)
}

// routeOpen adds what holds no data: the probes, the page and its code.
func (s *Server) routeOpen(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /{$}", s.page.shell)
	mux.HandleFunc("GET /incidents/{id}", s.page.shell)
	mux.HandleFunc("GET /assets/{name}", s.page.asset)
	mux.HandleFunc("/", notFound)
}

func (s *Server) routeReads(mux *http.ServeMux) {
	read := func(pattern string, h http.HandlerFunc) {
		mux.Handle("GET "+pattern, s.access.require(RoleRead, gzhttp.GzipHandler(h)))
	}
	read("/api/v1/incidents", s.listIncidents)
	read("/api/v1/incidents/{id}", s.showIncident)
	read("/api/v1/incidents/{id}/report.md", s.showReport)
	read("/api/v1/releases", s.listReleases)
	read("/api/v1/status", s.showStatus)
	if s.opt.Metrics != nil {
		read("/metrics", s.opt.Metrics.ServeHTTP)
	}
	// What is answered late or bit by bit is not compressed, which would hold it back.
	mux.Handle("GET /api/v1/releases/gate", s.access.require(RoleRead, http.HandlerFunc(s.gateRelease)))
	mux.Handle("GET /api/v1/events", s.access.require(RoleRead, http.HandlerFunc(s.events)))
}

func (s *Server) routeActs(mux *http.ServeMux) {
	act := func(pattern string, h http.Handler) {
		mux.Handle("POST "+pattern, s.access.require(RoleAct, h))
	}
	for _, kind := range []string{unship.AnswerApprove, unship.AnswerReject, unship.AnswerUndo} {
		act("/api/v1/incidents/{id}/"+kind, s.answer(kind))
	}
	if s.opt.Announcements != nil {
		act("/api/v1/announcements", s.opt.Announcements)
	}
}
