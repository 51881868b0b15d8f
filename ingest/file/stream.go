package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

const (
	fileAhead      = 16      // items of one file that are looked at to know a wrong clock
	fileAheadBytes = 8 << 20 // fewer where they are long
	leastFileAhead = 4       // but at least these
	queue          = 4       // decoded items that wait to be merged
)

// entry is one line: an item, or why there is none.
type entry struct {
	item Item
	err  *LineError
	size int
	due  time.Time // when it takes its turn; before the one before it in its file only if that one was far ahead
}

// stream is one file. Its goroutine decodes ahead of the merging.
type stream struct {
	name  string
	index int
	file  *os.File
	read  *atomic.Int64
	max   int
	out   chan entry

	head *entry    // the next one, for the merging
	due  time.Time // of the last entry sent
}

func openStream(name string, r *Reader) (*stream, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read recordings: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read recordings: %w", err), f.Close())
	}
	r.total += info.Size()
	return &stream{name: name, index: len(r.streams), file: f, read: &r.read, max: r.opts.MaxLine, out: make(chan entry, queue)}, nil
}

// fill makes sure that head is the next entry; nil at the end.
func (s *stream) fill(ctx context.Context) error {
	if s.head != nil {
		return nil
	}
	select {
	case e, ok := <-s.out:
		if ok {
			s.head = &e
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run decodes the file until its end, or until ctx is done.
func (s *stream) run(ctx context.Context) {
	defer close(s.out)
	defer s.file.Close()
	var ahead []entry
	bytesAhead := 0
	send := func() bool {
		e := ahead[0]
		e.due = s.turn(ahead)
		ahead, bytesAhead = ahead[1:], bytesAhead-e.size
		select {
		case s.out <- e:
			return true
		case <-ctx.Done():
			return false
		}
	}
	ok := s.decode(func(e entry) bool {
		ahead, bytesAhead = append(ahead, e), bytesAhead+e.size
		for len(ahead) > leastFileAhead && (len(ahead) > fileAhead || bytesAhead > fileAheadBytes) {
			if !send() {
				return false
			}
		}
		return ctx.Err() == nil
	})
	for ok && len(ahead) > 0 {
		ok = send()
	}
}

// turn gives the time at which the first entry takes its turn: its own, unless
// it has none or the ones after it show that its clock is ahead.
func (s *stream) turn(ahead []entry) time.Time {
	times := make([]time.Time, 0, fileAhead+1)
	for i := range ahead {
		if !ahead[i].item.At.IsZero() {
			times = append(times, ahead[i].item.At)
		}
	}
	due := ahead[0].item.At
	if len(times) > 0 {
		latest := median(times).Add(tolerance)
		if s.due.After(latest) { // more were ahead than not, for a moment
			s.due = time.Time{}
		}
		if due.After(latest) {
			if due = s.due; due.IsZero() {
				due = latest.Add(-tolerance)
			}
		}
	}
	if due.After(s.due) {
		s.due = due
	}
	return s.due
}

// decode gives each line to yield until it says no.
func (s *stream) decode(yield func(entry) bool) bool {
	split, closer, err := newSplitter(&counter{s.file, s.read}, s.max)
	if err != nil {
		return yield(s.broken(1, err))
	}
	defer closer.Close()
	_, isText := split.(*lines)
	for line := 1; ; line++ {
		raw, err := split.next()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return true
		}
		if err != nil {
			if !yield(s.broken(line, err)) {
				return false
			}
			if errors.Is(err, errTooLong) {
				continue
			}
			return true
		}
		if isText && len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		if !yield(s.entry(line, raw, isText)) {
			return false
		}
	}
}

func (s *stream) entry(line int, raw []byte, isText bool) entry {
	decode := decodeMessage
	if isText {
		decode = decodeLine
	}
	item, err := decode(raw)
	if err != nil {
		return s.broken(line, err)
	}
	item.File, item.Line = s.name, line
	return entry{item: item, size: len(raw)}
}

func (s *stream) broken(line int, err error) entry {
	return entry{err: &LineError{File: s.name, Line: line, Err: err}}
}

// counter counts what is read of a file.
type counter struct {
	r io.Reader
	n *atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
