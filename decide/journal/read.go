package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"unship.dev"
)

// Filter selects incidents or releases. Empty fields select all.
type Filter struct {
	Environment string
	Service     string        // "ledger", or with its namespace "shop/ledger"
	Status      unship.Status // of incidents
	Limit       int           // 0: no limit
}

// State gives the snapshot stored under name; nil if there is none.
func (s *Store) State(ctx context.Context, name string) ([]byte, error) {
	var b []byte
	err := s.db.QueryRowContext(ctx, `SELECT body FROM states WHERE name = $1`, name).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state %q: %w", name, explain(err))
	}
	return b, nil
}

// Incidents gives the incidents that f selects, newest first.
func (s *Store) Incidents(ctx context.Context, f Filter) ([]unship.Incident, error) {
	q := f.query()
	q.equal("status", string(f.Status))
	return read[unship.Incident](ctx, s.db, "incidents",
		`SELECT body FROM incidents`+q.where()+` ORDER BY detected_ns DESC, id`+q.limit(f.Limit), q.args...)
}

// Incident gives the incident of an id, or of a beginning that fits one id only.
func (s *Store) Incident(ctx context.Context, id string) (unship.Incident, error) {
	if id == "" {
		return unship.Incident{}, fmt.Errorf("incident without an id: %w", ErrNotFound)
	}
	found, err := read[unship.Incident](ctx, s.db, "incident",
		`SELECT body FROM incidents WHERE substr(id, 1, $1) = $2 ORDER BY id = $2 DESC, id LIMIT 2`, len(id), id)
	switch {
	case err != nil:
		return unship.Incident{}, err
	case len(found) == 0:
		return unship.Incident{}, fmt.Errorf("incident %q: %w", id, ErrNotFound)
	case len(found) == 1 || found[0].ID == id:
		return found[0], nil
	}
	return unship.Incident{}, fmt.Errorf("incident %q: %w", id, ErrAmbiguous)
}

// Releases gives the releases that f selects, newest first.
func (s *Store) Releases(ctx context.Context, f Filter) ([]unship.ReleaseReport, error) {
	q := f.query()
	return read[unship.ReleaseReport](ctx, s.db, "releases", `SELECT body FROM releases`+q.where()+
		` ORDER BY first_seen_ns DESC, environment, namespace, service, version`+q.limit(f.Limit), q.args...)
}

// Release gives one release.
func (s *Store) Release(ctx context.Context, id unship.ReleaseID) (unship.ReleaseReport, error) {
	found, err := read[unship.ReleaseReport](ctx, s.db, "release",
		`SELECT body FROM releases WHERE environment = $1 AND namespace = $2 AND service = $3 AND version = $4`,
		id.Environment, id.Namespace, id.Name, id.Version)
	if err != nil {
		return unship.ReleaseReport{}, err
	}
	if len(found) == 0 {
		return unship.ReleaseReport{}, fmt.Errorf("release %s: %w", id, ErrNotFound)
	}
	return found[0], nil
}

// read decodes the JSON bodies that a query yields. It never returns nil without an error.
func read[T any](ctx context.Context, db *sql.DB, what, query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, explain(err))
	}
	defer rows.Close()
	all := []T{}
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("read %s: %w", what, explain(err))
		}
		var v T
		if err := json.Unmarshal(body, &v); err != nil {
			return nil, fmt.Errorf("read %s: %w: %w", what, ErrCorrupt, err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", what, explain(err))
	}
	return all, nil
}

// conditions builds the WHERE part of a query.
type conditions struct {
	parts []string
	args  []any
}

func (f Filter) query() conditions {
	var q conditions
	q.equal("environment", f.Environment)
	if namespace, name, both := strings.Cut(f.Service, "/"); both {
		q.equal("namespace", namespace)
		q.equal("service", name)
	} else {
		q.equal("service", f.Service)
	}
	return q
}

func (q *conditions) equal(column, value string) {
	if value == "" {
		return
	}
	q.args = append(q.args, value)
	q.parts = append(q.parts, fmt.Sprintf("%s = $%d", column, len(q.args)))
}

func (q *conditions) where() string {
	if len(q.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(q.parts, " AND ")
}

func (q *conditions) limit(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" LIMIT %d", n)
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
