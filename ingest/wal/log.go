// Package wal keeps raw OTLP requests on disk until the windows made of them are durable.
package wal

import "time"

// Options of a Log. The zero value is usable.
type Options struct {
	SegmentBytes int64 // size at which a segment is closed; 0 means 64 MiB
	MaxBytes     int64 // size of all segments together from which Append refuses; 0 means 1 GiB
	Sync         bool  // fsync each Append: survives a power failure, costs a disk flush
	// OnDamage is told of bytes that could not be read back; nil ignores them.
	OnDamage func(Damage)
}

// Damage is a part of a segment that could not be read back.
type Damage struct {
	Segment string
	Offset  int64
	Bytes   int64
	Why     string
}

// Log is a write-ahead log. Its methods may be called concurrently.
type Log struct{}

// Open opens the log in dir, which is made if it is not there.
func Open(dir string, opts Options) (*Log, error) { return &Log{}, nil }

// Append writes one request.
func (l *Log) Append(signal, encoding string, body []byte) error { return nil }

// Replay reads back what was in the log when it was opened, oldest first.
func (l *Log) Replay(fn func(signal, encoding string, body []byte) error) error { return nil }

// Rotate closes the present segment: nothing appended so far is later than maxEventTime.
func (l *Log) Rotate(maxEventTime time.Time) error { return nil }

// Trim deletes the segments whose data all lie before the watermark.
func (l *Log) Trim(watermark time.Time) error { return nil }

// Size is the size of all segments in bytes.
func (l *Log) Size() int64 { return 0 }

// Close closes the present segment.
func (l *Log) Close() error { return nil }
