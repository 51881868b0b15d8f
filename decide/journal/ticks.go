package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"unship.dev"
)

func (s *Store) packTick(t unship.Tick) []byte { return s.pack.EncodeAll(encode(t), nil) }

func (s *Store) unpackTick(packed []byte) (unship.Tick, error) {
	b, err := s.unpack.DecodeAll(packed, nil)
	if err != nil {
		return unship.Tick{}, fmt.Errorf("%w: a tick cannot be inflated: %w", ErrCorrupt, err)
	}
	t, err := decode(b)
	if err != nil {
		return unship.Tick{}, fmt.Errorf("%w: a tick cannot be decoded: %w", ErrCorrupt, err)
	}
	return t, nil
}

// Ticks gives the stored ticks that start at since or later, in order. It
// reads one after the other: memory does not grow with their number, and the
// journal may be used within the loop.
func (s *Store) Ticks(ctx context.Context, since time.Time) iter.Seq2[unship.Tick, error] {
	return func(yield func(unship.Tick, error) bool) {
		from := nanos(since)
		for {
			start, packed, err := s.nextTick(ctx, from)
			if errors.Is(err, sql.ErrNoRows) {
				return
			}
			var t unship.Tick
			if err == nil {
				t, err = s.unpackTick(packed)
			}
			if err != nil {
				yield(unship.Tick{}, fmt.Errorf("read ticks: %w", explain(err)))
				return
			}
			if !yield(t, nil) {
				return
			}
			from = start + 1
		}
	}
}

func (s *Store) nextTick(ctx context.Context, from int64) (start int64, packed []byte, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT start_ns, body FROM ticks WHERE start_ns >= $1 ORDER BY start_ns LIMIT 1`,
		from).Scan(&start, &packed)
	return start, packed, err
}

// PruneTicks forgets the ticks that started before a time.
func (s *Store) PruneTicks(ctx context.Context, before time.Time) error {
	return s.write(ctx, "prune ticks", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM ticks WHERE start_ns < $1`, nanos(before))
		return err
	})
}
