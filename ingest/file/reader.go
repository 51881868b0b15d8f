// Package file reads recorded telemetry for replay: files and folders of what the
// Collector's file exporter writes, and announcements beside them.
//
// In go JSON lines, each one OTLP export request or one announcement, or
// length-prefixed protobuf (four bytes of length, big-endian, then one OTLP export
// request); plain, gzip or zstd, told by content and not by name. Out come
// [Item] values, one a request, of all files merged by time. No file is held in
// memory: each is read a few requests ahead, by a goroutine of its own that
// decodes them. The order depends on the content only.
//
// A recording has no wall clock, and single clocks in it may be wrong. An item's
// time is the median over its resources of the latest time each tells, and an item
// more than a minute later than the median of those that follow it in its file
// is not waited for. [Reader.Ceiling] bounds what can be believed.
//
// A line that cannot be read is reported, counted and skipped.
//
// A Reader is for one goroutine; Progress may be called from any.
package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"unship.dev"
)

const (
	defaultMaxLine = 64 << 20
	lookahead      = 64              // items by which Ceiling looks ahead
	lookaheadBytes = 32 << 20        // fewer where they are long
	leastAhead     = 8               // but at least these
	slack          = 5 * time.Minute // added to what Ceiling sees
	tolerance      = time.Minute     // by which an item may be later than those after it
	farFuture      = 1<<63 - 1       // the latest time OTLP can tell, as nanoseconds
)

// Kind says what an item holds.
type Kind uint8

// The kinds of items.
const (
	KindNone Kind = iota
	KindTraces
	KindMetrics
	KindLogs
	KindAnnouncements
)

// Item is one request of a recording, or the announcements of one line.
type Item struct {
	File string
	Line int // from 1: the line, or the number of the request in a length-prefixed file
	Kind Kind
	At   time.Time // its event time; zero if it holds none

	Message       []byte                // of telemetry: the request in protobuf, not yet known to be well-formed
	Announcements []unship.Announcement // if Kind is KindAnnouncements
}

// Release gives the room of the message back. Nothing of it may be used any more. Who
// keeps an item need not call it.
func (i *Item) Release() {
	const most = 1 << 20 // bytes; longer ones are rare
	if n := cap(i.Message); n > 0 && n <= most {
		room := i.Message[:0]
		rooms.Put(&room)
	}
	i.Message = nil
}

// rooms are for messages.
var rooms sync.Pool // of *[]byte

func room() []byte {
	if r, ok := rooms.Get().(*[]byte); ok {
		return *r
	}
	return nil
}

// Options for reading. The zero value is usable.
type Options struct {
	// OnError is told by Next of each line that could not be read. Nil ignores
	// them; they are counted all the same.
	OnError func(*LineError)
	// Strict ends the reading at the first broken line: Next returns its *LineError.
	Strict bool
	// MaxLine is the length in bytes from which a line or message is an error; 0 means 64 MiB.
	MaxLine int
}

// LineError is a line, or a length-prefixed message, that could not be read.
type LineError struct {
	File string
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap gives the reason.
func (e *LineError) Unwrap() error { return e.Err }

// Reader gives the items of several files in the order of their time.
type Reader struct {
	opts    Options
	streams []*stream
	ahead   []entry // merged, not yet given
	bytes   int     // of ahead
	ceiling time.Time
	clock   time.Time
	broken  int
	failed  error // what Next returns from now on

	read  atomic.Int64
	total int64
	stop  context.CancelFunc
	work  sync.WaitGroup
}

// Open opens files and, recursively, folders. A file that is named is read whatever
// its name; from a folder those ending in .jsonl, .ndjson, .pb or .binpb are
// taken, compressed (.gz, .zst) or not. The caller closes the Reader.
func Open(paths []string, opts Options) (*Reader, error) {
	if opts.MaxLine <= 0 {
		opts.MaxLine = defaultMaxLine
	}
	files, err := find(paths)
	if err != nil {
		return nil, err
	}
	r := &Reader{opts: opts}
	for _, f := range files {
		s, err := openStream(f, r)
		if err != nil {
			return nil, errors.Join(err, r.closeFiles())
		}
		r.streams = append(r.streams, s)
	}
	r.start()
	return r, nil
}

func (r *Reader) start() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	for _, s := range r.streams {
		r.work.Go(func() { s.run(ctx) })
	}
}

// Next gives the next item; io.EOF at the end. The item belongs to the caller.
func (r *Reader) Next(ctx context.Context) (Item, error) {
	for r.failed == nil {
		if err := r.lookAhead(ctx); err != nil {
			return Item{}, err
		}
		if len(r.ahead) == 0 {
			r.failed = io.EOF
			break
		}
		e := r.pop()
		if e.err == nil {
			return e.item, nil
		}
		_ = r.refuse(e.err) // it is in r.failed, if the reading ends
	}
	return Item{}, r.failed
}

// Refuse says that an item that Next gave cannot be read: its Message is malformed. It
// is reported and counted like any broken line; the error is that of Next if the
// options are Strict, else nil.
func (r *Reader) Refuse(item Item, why error) error {
	return r.refuse(&LineError{File: item.File, Line: item.Line, Err: why})
}

func (r *Reader) refuse(e *LineError) error {
	r.broken++
	if r.opts.OnError != nil {
		r.opts.OnError(e)
	}
	if !r.opts.Strict {
		return nil
	}
	r.failed = e
	return e
}

// pop takes the first item and sets the ceiling that holds for it.
func (r *Reader) pop() entry {
	e := r.ahead[0]
	r.ceiling, r.clock = ceiling(r.ahead, r.ceiling), clock(r.ahead, r.clock)
	r.ahead[0] = entry{}
	r.ahead = r.ahead[1:]
	r.bytes -= e.size
	return e
}

// ceiling is the median of the times plus the slack; last where none has a time.
func ceiling(ahead []entry, last time.Time) time.Time {
	times := make([]time.Time, 0, lookahead)
	for i := range ahead {
		if !ahead[i].due.IsZero() {
			times = append(times, ahead[i].due)
		}
	}
	if len(times) == 0 {
		return last
	}
	return median(times).Add(slack)
}

// clock is the earliest of the next few times; last where none has a time.
func clock(ahead []entry, last time.Time) time.Time {
	now := last
	for i := range ahead[:min(len(ahead), leastAhead)] {
		if at := ahead[i].item.At; !at.IsZero() && (now.Equal(last) || at.Before(now)) {
			now = at
		}
	}
	if now.Before(last) {
		return last
	}
	return now
}

// median is the lower one; it sorts times.
func median(times []time.Time) time.Time {
	slices.SortFunc(times, time.Time.Compare)
	return times[(len(times)-1)/2]
}

// lookAhead merges items until enough are known, or there are no more.
func (r *Reader) lookAhead(ctx context.Context) error {
	for len(r.ahead) < leastAhead || len(r.ahead) < lookahead && r.bytes < lookaheadBytes {
		s, err := r.earliest(ctx)
		if err != nil || s == nil {
			return err
		}
		r.ahead = append(r.ahead, *s.head)
		r.bytes += s.head.size
		s.head = nil
	}
	return nil
}

// earliest is the file whose next item is due first; of equals the one named
// first. It is nil when all are read.
func (r *Reader) earliest(ctx context.Context) (*stream, error) {
	for _, s := range r.streams {
		if err := s.fill(ctx); err != nil {
			return nil, err
		}
	}
	r.streams = slices.DeleteFunc(r.streams, func(s *stream) bool { return s.head == nil })
	if len(r.streams) == 0 {
		return nil, nil
	}
	return slices.MinFunc(r.streams, func(a, b *stream) int {
		return cmp.Or(a.head.due.Compare(b.head.due), cmp.Compare(a.index, b.index))
	}), nil
}

// Ceiling is the latest event time that can be believed at the item that Next
// gave last: five minutes after the median time of that item and up to 63 that
// follow it. A clock that is far ahead does not move it, save in the last items of a
// recording, where too few follow to outvote it. It is zero before any item with a time.
func (r *Reader) Ceiling() time.Time { return r.ceiling }

// Clock is what time it was when the item that Next gave last was recorded: the earliest
// of its time and those of up to 7 that follow it, and never earlier than it was before.
// A clock that is fast does not move it, where others are heard between.
func (r *Reader) Clock() time.Time { return r.clock }

// Progress tells how many bytes of the files have been read, of how many. It runs
// ahead of Next by what is read ahead.
func (r *Reader) Progress() (bytesRead, bytesTotal int64) { return r.read.Load(), r.total }

// Broken is the number of lines so far that could not be read.
func (r *Reader) Broken() int { return r.broken }

// Close ends the reading and closes the files.
func (r *Reader) Close() error {
	r.stop()
	r.work.Wait()
	if r.failed == nil {
		r.failed = errors.New("read recording: closed")
	}
	return nil
}

// closeFiles closes what was opened when another file could not be.
func (r *Reader) closeFiles() (err error) {
	for _, s := range r.streams {
		err = errors.Join(err, s.file.Close())
	}
	return err
}
