// Package journal keeps what Unship must not forget: ticks, releases,
// incidents, decisions, outcomes, answers, the state of the stages and the
// audit trail, in one SQLite file inside a directory.
//
// [Store.Commit] is all or nothing and durable before it returns: write-ahead
// logging with a sync at every commit, so that a killed process or machine
// finds either the whole step or nothing of it. One process at a time may hold
// a directory; a second one is refused with [ErrLocked].
//
// A Store is safe for concurrent use: one writer at a time, readers beside it.
//
// The SQL avoids what PostgreSQL lacks: upserts by ON CONFLICT, times as
// integers (nanoseconds since 1970), bodies as JSON text. Package journaltest
// holds the suite that every other back end has to pass as well.
package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
	"modernc.org/sqlite" // registers the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// FileName is the name of the database inside the journal's directory.
const FileName = "unship.db"

const (
	lockName     = "unship.lock"
	pageSize     = 4096
	connections  = 4
	busyTimeout  = 10_000 // milliseconds that a writer waits for another one
	dirMode      = 0o700
	maxTickBytes = 1 << 30 // of one inflated tick; more is corruption
)

// Errors that callers tell apart.
var (
	ErrNotFound  = errors.New("not in the journal")
	ErrAmbiguous = errors.New("the id's beginning fits several incidents; give more of it")
	ErrLocked    = errors.New("another process holds the journal")
	ErrNewer     = errors.New("the journal was written by a newer version")
	ErrCorrupt   = errors.New("the journal is damaged")
	ErrFull      = errors.New("no space is left for the journal")
)

// Options are the choices of whoever opens a journal.
type Options struct {
	MaxBytes int64 // size beyond which writes are refused with ErrFull; 0: as much as the disk holds
}

// Store is an open journal.
type Store struct {
	db     *sql.DB
	lock   *sql.DB
	pack   *zstd.Encoder
	unpack *zstd.Decoder

	mu sync.Mutex // held by the one writer
}

// Open opens the journal in dir and creates what is missing.
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("create the journal's directory: %w", err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the journal's directory: %w", err)
	}
	lock, err := takeLock(ctx, abs)
	if err != nil {
		return nil, fmt.Errorf("open journal in %s: %w", dir, err)
	}
	s := &Store{lock: lock}
	if err := s.start(ctx, abs, o); err != nil {
		return nil, errors.Join(fmt.Errorf("open journal in %s: %w", dir, explain(err)), s.Close())
	}
	return s, nil
}

func (s *Store) start(ctx context.Context, dir string, o Options) (err error) {
	if s.pack, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)); err != nil {
		return err
	}
	if s.unpack, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxTickBytes)); err != nil {
		return err
	}
	if s.db, err = sql.Open("sqlite", dataSource(filepath.Join(dir, FileName), o)); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(connections)
	return migrate(ctx, s.db)
}

func dataSource(path string, o Options) string {
	q := url.Values{}
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout))
	q.Add("_pragma", "journal_mode(WAL)")
	q.Add("_pragma", "synchronous(FULL)")
	if o.MaxBytes > 0 {
		q.Add("_pragma", fmt.Sprintf("max_page_count(%d)", max(o.MaxBytes/pageSize, 1)))
	}
	q.Set("_txlock", "immediate")
	return fileURL(path) + "?" + q.Encode()
}

func fileURL(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

// takeLock holds an exclusive transaction on a database of its own as long as
// the process lives: a lock that works wherever SQLite does and that the
// operating system lets go when the process is killed.
func takeLock(ctx context.Context, dir string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", fileURL(filepath.Join(dir, lockName)))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		return nil, errors.Join(explainLock(err, dir), db.Close())
	}
	return db, nil
}

func explainLock(err error, dir string) error {
	if code(err) != sqlite3.SQLITE_BUSY {
		return explain(err)
	}
	return fmt.Errorf("%w: an unship that runs already uses %s; stop it, or choose another directory", ErrLocked, dir)
}

// Close closes the journal and lets its directory go.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.db, s.lock} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.pack != nil {
		errs = append(errs, s.pack.Close())
	}
	if s.unpack != nil {
		s.unpack.Close()
	}
	return errors.Join(errs...)
}

// write runs f in a transaction that is durable once write returns nil.
func (s *Store) write(ctx context.Context, what string, f func(*sql.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, explain(err))
	}
	if err := f(tx); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", what, explain(err)), rollback(tx))
	}
	if err := tx.Commit(); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", what, explain(err)), rollback(tx))
	}
	return nil
}

// rollback gives up a transaction. SQLite has already done so itself after
// some errors, a full disk among them.
func rollback(tx *sql.Tx) error {
	err := tx.Rollback()
	if errors.Is(err, sql.ErrTxDone) || err != nil && strings.Contains(err.Error(), "no transaction is active") {
		return nil
	}
	return err
}

// code is SQLite's primary result code, 0 for other errors.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// explain says what a person can do about an error of the database.
func explain(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: free some, or move the directory: %w", ErrFull, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: move %s aside, or restore it from a backup: %w", ErrCorrupt, FileName, err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf("the journal's directory must be writable: %w", err)
	}
	return err
}
