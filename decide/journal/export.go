package journal

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"unship.dev"
)

// Export writes the journal as JSON lines of the form {"kind":…,"value":…}:
// ticks in order of time, then releases, incidents, decisions, outcomes and
// answers in the order in which they came about. The same history gives the
// same bytes. The snapshots of the stages, the runner's ledger and the audit
// trail are left out: they tell nothing new, or hold times of the machine.
func (s *Store) Export(ctx context.Context, w io.Writer) error {
	b := bufio.NewWriter(w)
	for t, err := range s.Ticks(ctx, time.Time{}) {
		if err != nil {
			return err
		}
		if err := exportLine(b, "tick", t); err != nil {
			return err
		}
	}
	for _, part := range []struct{ kind, query string }{
		{"release", `SELECT body FROM releases ORDER BY first_seen_ns, environment, namespace, service, version`},
		{"incident", `SELECT body FROM incidents ORDER BY detected_ns, id`},
		{"decision", `SELECT body FROM decisions ORDER BY seq`},
		{"outcome", `SELECT body FROM outcomes ORDER BY seq`},
		{"answer", `SELECT body FROM answers ORDER BY seq`},
	} {
		rows, err := read[json.RawMessage](ctx, s.db, part.kind, part.query)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := exportLine(b, part.kind, r); err != nil {
				return err
			}
		}
	}
	return b.Flush()
}

func exportLine(w io.Writer, kind string, v any) error {
	line, err := json.Marshal(struct {
		Kind  string `json:"kind"`
		Value any    `json:"value"`
	}{kind, v})
	if err != nil {
		return fmt.Errorf("export %s: %w", kind, err)
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// Decisions gives the decisions about an incident, oldest first.
func (s *Store) Decisions(ctx context.Context, incident string) ([]unship.Decision, error) {
	return read[unship.Decision](ctx, s.db, "decisions",
		`SELECT body FROM decisions WHERE incident = $1 ORDER BY seq`, incident)
}
