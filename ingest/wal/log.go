// Package wal is a write-ahead log of OTLP requests, as they came or reduced to what
// matters: it keeps on disk what was acknowledged to a sender until the windows made of it
// are durable elsewhere.
//
// A request is appended before it is acknowledged. Every few seconds the caller
// rotates, naming the latest event time appended so far, and trims what lies
// before the watermark once those windows are stored. After a crash it replays
// what is left and ingests it again.
//
// What survives: when Append returns, the request has been handed to the operating
// system in one write. It survives the end of the process by any means, kill -9
// and panic included. It survives a power failure or a crash of the machine only
// with [Options.Sync]. A request whose Append did not return may be there or not.
//
// A segment is a file of records, each with its length and a CRC-32C. What a crash
// tore off at its end, or a disk damaged, is reported to [Options.OnDamage] and skipped.
//
// The methods of a [Log] may be called concurrently. One process at a time uses a
// folder.
package wal

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	defaultSegmentBytes = 64 << 20
	defaultMaxBytes     = 1 << 30
)

// ErrFull is returned by Append when the log has reached Options.MaxBytes. The
// sender should try again later: Trim makes room.
var ErrFull = errors.New("write-ahead log is full")

// errClosed is returned after Close.
var errClosed = errors.New("write-ahead log is closed")

// Options of a Log. The zero value is usable.
type Options struct {
	SegmentBytes int64 // size from which a segment is closed; 0 means 64 MiB
	MaxBytes     int64 // size of all segments together beyond which Append refuses; 0 means 1 GiB
	Sync         bool  // flush each Append to the disk: survives a power failure, costs milliseconds
	// OnDamage is told of bytes that could not be read back; nil ignores them.
	// It must not call the Log.
	OnDamage func(Damage)
}

// Damage is a part of a segment that could not be read back.
type Damage struct {
	Segment string
	Offset  int64
	Bytes   int64
	Why     string
}

// Log is a write-ahead log.
type Log struct {
	dir   string
	opts  Options
	rooms sync.Pool // of *[]byte, for records

	mu     sync.Mutex
	closed []segment // oldest first
	active *os.File  // nil until the first Append after a Rotate
	size   int64     // of the active segment
	next   uint64    // number of the next segment
	old    int       // how many of closed were there at Open and are still there
	done   bool
}

// segment is a closed file of the log.
type segment struct {
	path   string
	number uint64
	size   int64
	end    int64     // of what can be read
	sealed bool      // its footer is written: latest is known
	latest time.Time // nothing in it is later; zero: nothing in it has a time
}

// Open opens the log in dir, which is made if it is not there. What is in it can
// be replayed; new requests go to new segments.
func Open(dir string, opts Options) (*Log, error) {
	if opts.SegmentBytes <= 0 {
		opts.SegmentBytes = defaultSegmentBytes
	}
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = defaultMaxBytes
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open write-ahead log: %w", err)
	}
	l := &Log{dir: dir, opts: opts}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open write-ahead log: %w", err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != extension {
			continue
		}
		s, err := inspect(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("open write-ahead log: %w", err)
		}
		l.closed = append(l.closed, s)
		l.next = max(l.next, s.number+1)
	}
	slices.SortFunc(l.closed, func(a, b segment) int { return cmp.Compare(a.number, b.number) })
	l.old = len(l.closed)
	return l, nil
}

// Append writes one request. When it returns without error the request survives
// the end of the process. Every error is worth trying again later: the disk is
// full, or the log is; nothing of the request was kept. A body that is dense already is
// not compressed.
func (l *Log) Append(signal, encoding string, body []byte, dense bool) error {
	room, ok := l.rooms.Get().(*[]byte)
	if !ok {
		room = new([]byte)
	}
	defer l.rooms.Put(room)
	record, err := encode(*room, signal, encoding, body, dense)
	if err != nil {
		return fmt.Errorf("append to write-ahead log: %w", err)
	}
	*room = record
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return errClosed
	}
	if err := l.room(len(record)); err != nil {
		return err
	}
	if err := l.begin(); err != nil {
		return fmt.Errorf("append to write-ahead log: %w", err)
	}
	if err := l.write(record); err != nil {
		return fmt.Errorf("append to write-ahead log: %w", err)
	}
	return nil
}

// Room says whether a record of a size fits; if not, the error is ErrFull. Of a request
// its uncompressed size may be asked for: then less fits than really does.
func (l *Log) Room(bytes int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.room(bytes)
}

func (l *Log) room(bytes int) error {
	if l.total()+int64(bytes) > l.opts.MaxBytes {
		return fmt.Errorf("append %d bytes: %w: it has %d of %d bytes", bytes, ErrFull, l.total(), l.opts.MaxBytes)
	}
	return nil
}

// begin makes sure that there is a segment with room.
func (l *Log) begin() error {
	if l.active != nil && l.size >= l.opts.SegmentBytes {
		if err := l.end(); err != nil {
			return err
		}
	}
	if l.active != nil {
		return nil
	}
	path := filepath.Join(l.dir, fmt.Sprintf("%016d%s", l.next, extension))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	l.next++ // even if what follows goes wrong: a name is used once
	if _, err = f.WriteString(magic); err == nil && l.opts.Sync {
		err = syncFolder(l.dir)
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(path))
	}
	l.active, l.size = f, int64(len(magic))
	return nil
}

// write appends a record as a whole or not at all.
func (l *Log) write(record []byte) error {
	_, err := l.active.Write(record)
	if err == nil && l.opts.Sync {
		err = l.active.Sync()
	}
	if err == nil {
		l.size += int64(len(record))
		return nil
	}
	// A disk that is full takes a part. Left there, it would hide what follows.
	if cut := l.active.Truncate(l.size); cut != nil {
		return errors.Join(err, cut, l.end())
	}
	return err
}

// end closes the active segment without saying what is latest in it.
func (l *Log) end() error {
	if l.active == nil {
		return nil
	}
	path := l.active.Name()
	err := l.active.Close()
	l.closed = append(l.closed, segment{path: path, number: l.next - 1, size: l.size, end: l.size})
	l.active, l.size = nil, 0
	return err
}

// Rotate closes the present segment: no request that was appended so far tells an
// event time later than latest; zero if none tells any. The caller sees to it that
// nothing is appended between its learning latest and the call; where requests
// arrive meanwhile, [Log.RotateWith] does.
func (l *Log) Rotate(latest time.Time) error {
	return l.RotateWith(func() time.Time { return latest })
}

// RotateWith is Rotate with the latest event time asked for once nothing more can
// be appended to what is closed. If each request is counted in latest before it is
// appended, none is later than what the segment says. latest must not call the Log.
func (l *Log) RotateWith(latest func() time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.end()
	at := latest()
	for i := range l.closed {
		if s := &l.closed[i]; !s.sealed {
			err = errors.Join(err, s.seal(at, l.opts.Sync))
		}
	}
	if err != nil {
		return fmt.Errorf("rotate write-ahead log: %w", err)
	}
	return nil
}

// Trim deletes the segments in which everything is before the watermark. Segments
// that Rotate has not seen stay.
func (l *Log) Trim(watermark time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var kept []segment
	var errs error
	old := 0
	for i, s := range l.closed {
		if s.sealed && s.latest.Before(watermark) {
			err := os.Remove(s.path)
			if err == nil || errors.Is(err, os.ErrNotExist) {
				continue
			}
			errs = errors.Join(errs, err)
		}
		kept = append(kept, s)
		if i < l.old {
			old++
		}
	}
	l.closed, l.old = kept, old
	if errs != nil {
		return fmt.Errorf("trim write-ahead log: %w", errs)
	}
	return nil
}

// Replay reads back, oldest first, what was in the log when it was opened and has
// not been trimmed. body is valid until fn returns. It ends at fn's first error.
func (l *Log) Replay(fn func(signal, encoding string, body []byte) error) error {
	l.mu.Lock()
	segments := append([]segment(nil), l.closed[:l.old]...)
	l.mu.Unlock()
	for _, s := range segments {
		if err := l.replay(s.path, fn); err != nil {
			return fmt.Errorf("replay write-ahead log: %w", err)
		}
	}
	return nil
}

func (l *Log) replay(path string, fn func(signal, encoding string, body []byte) error) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // trimmed meanwhile
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return read(f, l.opts.OnDamage, path, fn)
}

// Size is the size of all segments in bytes.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total()
}

func (l *Log) total() int64 {
	sum := l.size
	for _, s := range l.closed {
		sum += s.size
	}
	return sum
}

// Close closes the present segment. It stays to be replayed, unless Rotate came before.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = true
	if err := l.end(); err != nil {
		return fmt.Errorf("close write-ahead log: %w", err)
	}
	return nil
}

// syncFolder makes a new file's name survive a power failure.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
