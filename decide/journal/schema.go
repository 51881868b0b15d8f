package journal

import (
	"context"
	"database/sql"
	"fmt"
)

// migrations returns the steps that lead from an empty database to the present
// schema. Steps are only ever added at the end.
func migrations() [][]string {
	return [][]string{{
		`CREATE TABLE ticks (start_ns BIGINT PRIMARY KEY, body BLOB NOT NULL)`,
		`CREATE TABLE states (name TEXT PRIMARY KEY, body BLOB NOT NULL)`,
		`CREATE TABLE incidents (
			id TEXT PRIMARY KEY, environment TEXT NOT NULL, namespace TEXT NOT NULL, service TEXT NOT NULL,
			status TEXT NOT NULL, detected_ns BIGINT NOT NULL, body TEXT NOT NULL)`,
		`CREATE INDEX incidents_detected ON incidents (detected_ns)`,
		`CREATE TABLE releases (
			environment TEXT NOT NULL, namespace TEXT NOT NULL, service TEXT NOT NULL, version TEXT NOT NULL,
			first_seen_ns BIGINT NOT NULL, body TEXT NOT NULL,
			PRIMARY KEY (environment, namespace, service, version))`,
		`CREATE INDEX releases_first_seen ON releases (first_seen_ns)`,
		`CREATE TABLE decisions (
			id TEXT PRIMARY KEY, seq BIGINT NOT NULL, incident TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL)`,
		`CREATE TABLE outcomes (decision TEXT PRIMARY KEY, seq BIGINT NOT NULL, incident TEXT NOT NULL, body TEXT NOT NULL)`,
		`CREATE TABLE answers (seq BIGINT PRIMARY KEY, incident TEXT NOT NULL, body TEXT NOT NULL)`,
		`CREATE TABLE steps (decision TEXT NOT NULL, step INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (decision, step))`,
		`CREATE TABLE audit (
			seq BIGINT PRIMARY KEY, at_ns BIGINT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
			subject TEXT NOT NULL, detail TEXT NOT NULL)`,
	}}
}

// migrate brings the schema up to date, in one transaction.
func migrate(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = rollback(tx) }() // of no effect after a commit
	have, err := schemaVersion(ctx, tx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	all := migrations()
	if have > len(all) {
		return fmt.Errorf("%w: its schema is %d, this one knows %d; run the newer version", ErrNewer, have, len(all))
	}
	for n, statements := range all[have:] {
		for _, q := range statements {
			if _, err := tx.ExecContext(ctx, q); err != nil {
				return fmt.Errorf("migrate the schema to %d: %w", have+n+1, err)
			}
		}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE schema_version SET version = $1`, len(all)); err != nil {
		return err
	}
	return tx.Commit()
}

func schemaVersion(ctx context.Context, tx *sql.Tx) (int, error) {
	for _, q := range []string{
		`CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)`,
		`INSERT INTO schema_version (version) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM schema_version)`,
	} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return 0, err
		}
	}
	var v int
	err := tx.QueryRowContext(ctx, `SELECT version FROM schema_version`).Scan(&v)
	return v, err
}
