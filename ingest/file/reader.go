// Package file reads recorded telemetry for replay.
package file

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"unship.dev"
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

	Traces        ptrace.Traces         // valid if Kind is KindTraces
	Metrics       pmetric.Metrics       // valid if Kind is KindMetrics
	Logs          plog.Logs             // valid if Kind is KindLogs
	Announcements []unship.Announcement // if Kind is KindAnnouncements
}

// Options for reading. The zero value is usable.
type Options struct {
	// OnError is told of each line that could not be read; nil ignores them, they are still counted.
	OnError func(*LineError)
	// Strict ends the reading at the first broken line: Next returns its *LineError.
	Strict bool
	// MaxLine is the length of a line or message from which it is an error; 0 means 64 MiB.
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
type Reader struct{}

// Open opens files and, recursively, folders.
func Open(paths []string, opts Options) (*Reader, error) { return &Reader{}, nil }

// Next gives the next item; io.EOF at the end.
func (r *Reader) Next(ctx context.Context) (Item, error) { return Item{}, io.EOF }

// Ceiling is the latest event time that can be believed at this point of the recording.
func (r *Reader) Ceiling() time.Time { return time.Time{} }

// Progress tells how many bytes of the files have been read, of how many.
func (r *Reader) Progress() (bytesRead, bytesTotal int64) { return 0, 0 }

// Broken is the number of lines that could not be read so far.
func (r *Reader) Broken() int { return 0 }

// Close ends the reading.
func (r *Reader) Close() error { return nil }
