package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"unship.dev"
	"unship.dev/dashboards"
	"unship.dev/dashboards/slack"
	"unship.dev/decide/journal"
	"unship.dev/ingest/webhook"
)

// page is the handler of the HTTP listener: the API, the page, the probes.
func (l *live) page(ports listeners) (http.Handler, error) {
	server, err := dashboards.New(dashboards.Options{
		Source:        l.store,
		Control:       l,
		Announcements: webhook.Handler(l.announce),
		Metrics:       l.metrics(),
		Status:        func() dashboards.Status { return l.status(ports) },
		Subscribe:     l.bell.Subscribe,
		Tokens:        apiTokens(l.config.Auth),
		OpenReads:     l.config.Auth.OpenReads,
		Logger:        l.log,
	})
	if err != nil {
		return nil, err
	}
	return server.Handler(), nil
}

func apiTokens(a Auth) (out []dashboards.Token) {
	for _, t := range a.tokens("read", "act") {
		out = append(out, dashboards.Token{Name: t.Name, Secret: t.Secret.Reveal(), Role: dashboards.Role(t.Role)})
	}
	return out
}

// Answer takes a person's answer into the pipeline. It is durable when Answer returns.
func (l *live) Answer(ctx context.Context, a unship.Answer) error {
	incident, err := l.store.Incident(ctx, a.Incident)
	if err != nil {
		return err
	}
	if why := unfit(incident, a.Kind); why != "" {
		return fmt.Errorf("%s incident %s: %s: %w", a.Kind, incident.ID, why, dashboards.ErrRefused)
	}
	a.Incident = incident.ID
	if a.At.IsZero() {
		a.At = l.state.Load().watermark
	}
	entry := journal.AuditEntry{At: time.Now().UTC(), Who: a.By, What: a.Kind, Subject: "incident " + a.Incident, Detail: a.Comment}
	if err := l.store.Audit(ctx, entry); err != nil {
		return err
	}
	return l.tell(ctx, message{answers: []unship.Answer{a}})
}

// unfit says why an answer does not fit an incident as it stands; "" if it does.
func unfit(i unship.Incident, kind string) string {
	switch {
	case kind == unship.AnswerUndo && i.Status != unship.StatusMitigated && i.Status != unship.StatusResolved && i.Status != unship.StatusEscalated:
		return fmt.Sprintf("it is %s; there is no rollback to undo", i.Status)
	case kind != unship.AnswerUndo && i.Status.Ended():
		return fmt.Sprintf("it has ended (%s)", i.Status)
	case kind == unship.AnswerApprove && i.Status != unship.StatusOpen:
		return fmt.Sprintf("it is %s already", i.Status)
	}
	return ""
}

// tell hands the loop a message and waits until it is durable.
func (l *live) tell(ctx context.Context, m message) error {
	m.reply = make(chan error, 1)
	select {
	case l.inbox <- m:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-m.reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// announce takes an announcement that came over HTTP.
func (l *live) announce(ctx context.Context, a unship.Announcement) error {
	entry := journal.AuditEntry{At: time.Now().UTC(), Who: a.By, What: "announce", Subject: "release " + a.ReleaseID.String(), Detail: a.ID}
	if err := l.store.Audit(ctx, entry); err != nil {
		return err
	}
	body, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("write announcement: %w", err)
	}
	if err := l.agg.Announce(a); err != nil {
		return err
	}
	return l.wal.Append(walAnnouncement, "", body, false)
}

func (l *live) status(ports listeners) dashboards.Status {
	s, n := l.state.Load(), l.agg.Stats()
	return dashboards.Status{
		Version: Version(), Mode: l.config.mode, StartedAt: l.started, Watermark: s.watermark,
		Outage: s.outage, NotReady: s.trouble, Losses: s.losses, Audit: s.audit, Ranking: s.ranking, Warnings: l.warnings(),
		Receivers: []dashboards.Receiver{{Protocol: "OTLP/gRPC", Address: ports.grpc.Addr().String()}, {Protocol: "OTLP/HTTP", Address: ports.otlpHTTP.Addr().String()}},
		Counters: []dashboards.Counter{
			{Name: "spans", Value: n.Spans, Help: "spans accepted since the start"},
			{Name: "metric points", Value: n.Points, Help: "metric points accepted since the start"},
			{Name: "log records", Value: n.Records, Help: "log records accepted since the start"},
		},
	}
}

// newSlack gives the notifier, or nil when none is configured.
func newSlack(s Slack, store *journal.Store, log *slog.Logger) (*slack.Notifier, error) {
	if s.Token == "" {
		return nil, nil
	}
	return slack.New(slack.Options{
		Token: s.Token.Reveal(), Channel: s.Channel, APIURL: s.APIURL, PageURL: s.PageURL,
		State: slackState{store}, Logger: log,
	})
}

// slackState keeps in the journal which message belongs to which incident.
type slackState struct{ store *journal.Store }

func (s slackState) name(incident string) string { return "slack/" + incident }

// SlackMessage gives the message of an incident, if one was sent.
func (s slackState) SlackMessage(ctx context.Context, incident string) (m slack.Message, ok bool, err error) {
	text, err := s.store.State(ctx, s.name(incident))
	if err != nil || text == nil {
		return m, false, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, false, fmt.Errorf("read Slack message of incident %s: %w", incident, err)
	}
	return m, true, nil
}

// SetSlackMessage remembers the message of an incident.
func (s slackState) SetSlackMessage(ctx context.Context, incident string, m slack.Message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write Slack message of incident %s: %w", incident, err)
	}
	return s.store.Commit(ctx, journal.Commit{States: map[string][]byte{s.name(incident): text}})
}
