// Package deflate inflates gzip messages that are in memory as a whole (RFC 1952, 1951).
//
// Most exporters compress by default, and then inflating is a large part of taking
// telemetry. A reader of streams keeps a window of what it wrote, copies everything out of
// it, and asks for its input byte by byte. Here input and output are each one slice: bits
// are read eight bytes at a time, and matches copied from where they were written.
//
// What is accepted is what compress/gzip accepts, several members one after the other
// included; a fuzz test compares them. [AppendGzip] may be called concurrently.
package deflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sync"
)

var (
	// ErrCorrupt says that a message is no gzip, or damaged.
	ErrCorrupt = errors.New("gzip is corrupt")
	// ErrTooLarge says that a message holds more than it may.
	ErrTooLarge = errors.New("gzip holds more than it may")
)

// maxRatio is how many bytes one byte of deflate can become at most.
const maxRatio = 1032

// SizeHint gives the size of what a gzip message holds, as its end tells it: of several
// members that of the last. It is no more than the message can hold.
func SizeHint(message []byte) int {
	if len(message) < trailerSize {
		return 0
	}
	size := uint64(binary.LittleEndian.Uint32(message[len(message)-4:]))
	return int(min(size, uint64(len(message))*maxRatio))
}

// Slack is how much more room than what it holds a message is inflated in without a copy.
const Slack = 280

const trailerSize = 8

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// AppendGzip appends what a gzip message holds, at most limit bytes. The error is
// ErrCorrupt, ErrTooLarge or io.ErrUnexpectedEOF, if the message is cut off.
func AppendGzip(dst, message []byte, limit int) ([]byte, error) {
	f := inflaters.Get().(*inflater)
	defer func() {
		f.in, f.out = nil, nil
		inflaters.Put(f)
	}()
	f.in, f.pos = message, 0
	f.out, f.at = dst[:cap(dst)], len(dst)
	f.begin, f.limit = len(dst), len(dst)+limit
	for {
		if err := f.member(); err != nil {
			return dst, err
		}
		if f.pos == len(f.in) {
			return f.out[:f.at], nil
		}
	}
}

// member inflates one member.
func (f *inflater) member() error {
	if err := f.header(); err != nil {
		return err
	}
	f.begin = f.at
	if err := f.blocks(); err != nil {
		return err
	}
	if len(f.in)-f.pos < trailerSize {
		return io.ErrUnexpectedEOF
	}
	sum, size := binary.LittleEndian.Uint32(f.in[f.pos:]), binary.LittleEndian.Uint32(f.in[f.pos+4:])
	f.pos += trailerSize
	written := f.out[f.begin:f.at]
	if size != uint32(len(written)) || sum != crc32.ChecksumIEEE(written) {
		return ErrCorrupt
	}
	return nil
}

// The flags of a header.
const (
	headerSum     = 1 << 1
	headerExtra   = 1 << 2
	headerName    = 1 << 3
	headerComment = 1 << 4
)

// maxHeaderText is how long a name or a comment may be, its end included.
const maxHeaderText = 512

// header skips the header of a member.
func (f *inflater) header() error {
	const size = 10
	h := f.in[f.pos:]
	if len(h) < size {
		return io.ErrUnexpectedEOF
	}
	if h[0] != 0x1f || h[1] != 0x8b || h[2] != 8 {
		return ErrCorrupt
	}
	flags, n := h[3], size
	if flags&headerExtra != 0 {
		if len(h) < n+2 {
			return io.ErrUnexpectedEOF
		}
		n += 2 + int(binary.LittleEndian.Uint16(h[n:]))
	}
	for _, text := range [...]byte{headerName, headerComment} {
		if flags&text == 0 {
			continue
		}
		if n > len(h) {
			return io.ErrUnexpectedEOF
		}
		end := bytes.IndexByte(h[n:min(len(h), n+maxHeaderText)], 0)
		if end < 0 {
			return ErrCorrupt
		}
		n += end + 1
	}
	if flags&headerSum != 0 {
		if n+2 > len(h) {
			return io.ErrUnexpectedEOF
		}
		if binary.LittleEndian.Uint16(h[n:]) != uint16(crc32.ChecksumIEEE(h[:n])) {
			return ErrCorrupt
		}
		n += 2
	}
	if n > len(h) {
		return io.ErrUnexpectedEOF
	}
	f.pos += n
	return nil
}
