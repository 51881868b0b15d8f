package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"unship.dev"
)

// Unfinished gives the decisions to plan, roll back or undo whose outcome is
// not in the journal, oldest first: what has to be taken up again after a crash.
func (s *Store) Unfinished(ctx context.Context) ([]unship.Decision, error) {
	return read[unship.Decision](ctx, s.db, "unfinished decisions",
		`SELECT d.body FROM decisions d LEFT JOIN outcomes o ON o.decision = d.id
		WHERE o.decision IS NULL AND d.kind IN ($1, $2, $3) ORDER BY d.seq`,
		string(unship.OrderPlan), string(unship.OrderRollback), string(unship.OrderUndo))
}

// Begin notes durably that a step of a decision begins. If it was begun before,
// it says so and gives what is known: the result that [Store.End] recorded, or
// ResultUnknown, because nobody saw the step end.
func (s *Store) Begin(ctx context.Context, decision string, step unship.Step) (r unship.StepResult, begun bool, err error) {
	r = unship.StepResult{
		Step: step.Step, Action: step.Action, StartedAt: time.Now().UTC(),
		Result: unship.ResultUnknown, Detail: "begun; its end was not recorded",
	}
	err = s.write(ctx, fmt.Sprintf("begin step %d of decision %s", step.Step, decision), func(tx *sql.Tx) error {
		before, err := readStep(ctx, tx, decision, step.Step)
		if err == nil {
			r, begun = before, true
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		return putStep(ctx, tx, decision, r)
	})
	return r, begun, err
}

// End records durably what became of a step. The last word counts: a step that
// was reconciled after a crash may end a second time.
func (s *Store) End(ctx context.Context, decision string, r unship.StepResult) error {
	return s.write(ctx, fmt.Sprintf("end step %d of decision %s", r.Step, decision), func(tx *sql.Tx) error {
		return putStep(ctx, tx, decision, r)
	})
}

func readStep(ctx context.Context, tx *sql.Tx, decision string, step int) (r unship.StepResult, err error) {
	var body []byte
	err = tx.QueryRowContext(ctx, `SELECT body FROM steps WHERE decision = $1 AND step = $2`, decision, step).Scan(&body)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return r, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return r, nil
}

func putStep(ctx context.Context, tx *sql.Tx, decision string, r unship.StepResult) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO steps (decision, step, body) VALUES ($1, $2, $3)
		ON CONFLICT (decision, step) DO UPDATE SET body = excluded.body`, decision, r.Step, string(body))
	return err
}

// AuditEntry is one line of the audit trail: who did what to which subject.
type AuditEntry struct {
	At      time.Time `json:"at"`
	Who     string    `json:"who"`
	What    string    `json:"what"`
	Subject string    `json:"subject"`
	Detail  string    `json:"detail,omitempty"`
}

// Audit adds a line to the audit trail.
func (s *Store) Audit(ctx context.Context, e AuditEntry) error {
	return s.write(ctx, "write to the audit trail", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO audit (seq, at_ns, who, what, subject, detail)
			VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM audit), $1, $2, $3, $4, $5)`,
			nanos(e.At), e.Who, e.What, e.Subject, e.Detail)
		return err
	})
}

// AuditLog gives the last lines of the audit trail, newest first; all of them if limit is 0.
func (s *Store) AuditLog(ctx context.Context, limit int) ([]AuditEntry, error) {
	var q conditions
	rows, err := s.db.QueryContext(ctx,
		`SELECT at_ns, who, what, subject, detail FROM audit ORDER BY seq DESC`+q.limit(limit))
	if err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", explain(err))
	}
	defer rows.Close()
	all := []AuditEntry{}
	for rows.Next() {
		var ns int64
		var e AuditEntry
		if err := rows.Scan(&ns, &e.Who, &e.What, &e.Subject, &e.Detail); err != nil {
			return nil, fmt.Errorf("read the audit trail: %w", explain(err))
		}
		e.At = time.Unix(0, ns).UTC()
		all = append(all, e)
	}
	return all, rows.Err()
}
