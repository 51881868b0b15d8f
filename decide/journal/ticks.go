package journal

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/gob"
	"errors"
	"fmt"
	"iter"
	"time"

	"unship.dev"
)

// encodeTick gives gob packed by zstd: exact for every float, smaller than
// JSON, and readable after fields were added.
func (s *Store) encodeTick(t unship.Tick) ([]byte, error) {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(t); err != nil {
		return nil, err
	}
	return s.pack.EncodeAll(b.Bytes(), nil), nil
}

func (s *Store) decodeTick(packed []byte) (t unship.Tick, err error) {
	b, err := s.open.DecodeAll(packed, nil)
	if err != nil {
		return t, fmt.Errorf("%w: a tick cannot be inflated: %w", ErrCorrupt, err)
	}
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&t); err != nil {
		return t, fmt.Errorf("%w: a tick cannot be decoded: %w", ErrCorrupt, err)
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
				t, err = s.decodeTick(packed)
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
