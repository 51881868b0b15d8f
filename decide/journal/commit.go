package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"unship.dev"
)

// Commit is what one step of the pipeline leaves behind. Empty parts are left
// as they are in the journal. An incident, a release, a tick of one start and a
// state replace what was stored of them; a decision, an outcome and the answers
// are only ever added: a decision or an outcome that is stored already stays.
type Commit struct {
	Tick      *unship.Tick
	Reports   []unship.ReleaseReport
	Incidents []unship.Incident
	Decisions []unship.Decision
	Outcomes  []unship.Outcome
	Answers   []unship.Answer
	States    map[string][]byte // snapshots of stages, by name
}

// Commit stores c, all or nothing, durable before it returns.
func (s *Store) Commit(ctx context.Context, c Commit) error {
	var packed []byte
	if c.Tick != nil {
		packed = s.packTick(*c.Tick)
	}
	return s.write(ctx, "commit to the journal", func(tx *sql.Tx) error {
		w := writer{ctx: ctx, tx: tx}
		if c.Tick != nil {
			w.exec(`INSERT INTO ticks (start_ns, body) VALUES ($1, $2)
				ON CONFLICT (start_ns) DO UPDATE SET body = excluded.body`, nanos(c.Tick.Start), packed)
		}
		w.reports(c.Reports)
		w.incidents(c.Incidents)
		w.decisions(c.Decisions)
		w.outcomes(c.Outcomes)
		w.answers(c.Answers)
		w.states(c.States)
		return w.err
	})
}

// writer writes within one transaction and keeps the first error.
type writer struct {
	ctx context.Context // of the one call that the writer serves
	tx  *sql.Tx
	err error
}

func (w *writer) exec(query string, args ...any) {
	if w.err != nil {
		return
	}
	_, w.err = w.tx.ExecContext(w.ctx, query, args...)
}

func (w *writer) json(what string, v any) string {
	b, err := json.Marshal(v)
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("encode %s: %w", what, err)
	}
	return string(b)
}

func (w *writer) reports(list []unship.ReleaseReport) {
	for _, r := range list {
		w.exec(`INSERT INTO releases (environment, namespace, service, version, first_seen_ns, body)
			VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (environment, namespace, service, version)
			DO UPDATE SET first_seen_ns = excluded.first_seen_ns, body = excluded.body`,
			r.Environment, r.Namespace, r.Service, r.Version, nanos(r.FirstSeen), w.json("release", r))
	}
}

func (w *writer) incidents(list []unship.Incident) {
	for _, in := range list {
		namespace, service := subject(in)
		w.exec(`INSERT INTO incidents (id, environment, namespace, service, status, detected_ns, body)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (id) DO UPDATE SET environment = excluded.environment, namespace = excluded.namespace,
				service = excluded.service, status = excluded.status, detected_ns = excluded.detected_ns, body = excluded.body`,
			in.ID, in.Environment, namespace, service, string(in.Status), nanos(in.DetectedAt), w.json("incident", in))
	}
}

// subject is the service that an incident is about: that of its first
// evidence, else of its first suspect.
func subject(in unship.Incident) (namespace, service string) {
	for _, s := range in.Suspects {
		if len(in.Evidence) == 0 || s.Service == in.Evidence[0].Service && s.Version == in.Evidence[0].Version {
			return s.Namespace, s.Service
		}
	}
	if len(in.Evidence) > 0 {
		return "", in.Evidence[0].Service
	}
	return "", ""
}

func (w *writer) decisions(list []unship.Decision) {
	for _, d := range list {
		w.exec(`INSERT INTO decisions (id, seq, incident, kind, body)
			VALUES ($1, (SELECT COALESCE(MAX(seq), 0) + 1 FROM decisions), $2, $3, $4)
			ON CONFLICT (id) DO NOTHING`, d.ID, d.Incident, string(d.Order), w.json("decision", d))
	}
}

func (w *writer) outcomes(list []unship.Outcome) {
	for _, o := range list {
		w.exec(`INSERT INTO outcomes (decision, seq, incident, body)
			VALUES ($1, (SELECT COALESCE(MAX(seq), 0) + 1 FROM outcomes), $2, $3)
			ON CONFLICT (decision) DO NOTHING`, o.Decision, o.Incident, w.json("outcome", o))
	}
}

func (w *writer) answers(list []unship.Answer) {
	for _, a := range list {
		w.exec(`INSERT INTO answers (seq, incident, body)
			VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM answers), $1, $2)`, a.Incident, w.json("answer", a))
	}
}

func (w *writer) states(all map[string][]byte) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		w.exec(`INSERT INTO states (name, body) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET body = excluded.body`, name, append([]byte{}, all[name]...)) // nothing is an empty body, not NULL
	}
}
