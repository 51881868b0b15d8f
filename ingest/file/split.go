package file

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// errTooLong is the error of one line; reading goes on after it.
var errTooLong = errors.New("too long")

// splitter cuts a file into messages. A message is valid until the next call.
// After an error that is errTooLong the next message can be read.
type splitter interface {
	next() ([]byte, error)
}

// newSplitter looks at the first bytes: are they compressed, and are they text?
func newSplitter(r io.Reader, maxLen int) (splitter, io.Closer, error) {
	plain, closer, err := decompress(bufio.NewReaderSize(r, 64<<10))
	if err != nil {
		return nil, nil, err
	}
	buf := bufio.NewReaderSize(plain, 256<<10)
	// Read as a length, any byte that JSON text begins with makes a message beyond the limit.
	first, _ := buf.Peek(1)
	if len(first) > 0 && bytes.ContainsAny(first, "{[ \t\r\n\xef") {
		return &lines{r: buf, max: maxLen}, closer, nil
	}
	if len(first) > 0 && first[0] >= 0x20 && maxLen < int(first[0])<<24 {
		return &lines{r: buf, max: maxLen}, closer, nil // text, though not JSON: a broken line
	}
	return &frames{r: buf, max: maxLen}, closer, nil
}

// decompress tells gzip and zstd by their first bytes.
func decompress(r *bufio.Reader) (io.Reader, io.Closer, error) {
	magic, _ := r.Peek(4)
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, fmt.Errorf("read gzip: %w", err)
		}
		return z, z, nil
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		// One goroutine a file is enough: decoding JSON costs far more than this.
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, nil, fmt.Errorf("read zstd: %w", err)
		}
		rc := z.IOReadCloser()
		return rc, rc, nil
	}
	return r, io.NopCloser(nil), nil
}

// lines cuts at line ends.
type lines struct {
	r   *bufio.Reader
	max int
	buf []byte
}

func (l *lines) next() ([]byte, error) {
	part, err := l.r.ReadSlice('\n')
	if err == nil {
		return l.checked(part)
	}
	l.buf = append(l.buf[:0], part...)
	for errors.Is(err, bufio.ErrBufferFull) {
		if len(l.buf) >= l.max {
			return nil, l.skip()
		}
		part, err = l.r.ReadSlice('\n')
		l.buf = append(l.buf, part...)
	}
	if err != nil && (!errors.Is(err, io.EOF) || len(l.buf) == 0) {
		return nil, err
	}
	return l.checked(l.buf)
}

func (l *lines) checked(line []byte) ([]byte, error) {
	if len(line) >= l.max {
		return nil, fmt.Errorf("line of %d bytes is %w; at most %d are read", len(line), errTooLong, l.max)
	}
	return line, nil
}

// skip reads to the end of a line that is too long.
func (l *lines) skip() error {
	n, err := len(l.buf), bufio.ErrBufferFull
	l.buf = nil // not kept for the lines after it
	for errors.Is(err, bufio.ErrBufferFull) {
		var part []byte
		part, err = l.r.ReadSlice('\n')
		n += len(part)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return fmt.Errorf("line of %d bytes is %w; at most %d are read", n, errTooLong, l.max)
}

// frames reads messages that each have their length before them.
type frames struct {
	r   *bufio.Reader
	max int
}

// next reads a message, which is the caller's to keep.
func (f *frames) next() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("the file ends within the length of a message: %w", err)
		}
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n >= f.max {
		if _, err := f.r.Discard(n); err != nil {
			return nil, fmt.Errorf("message of %d bytes is longer than the file; is it length-prefixed protobuf?", n)
		}
		return nil, fmt.Errorf("message of %d bytes is %w; at most %d are read", n, errTooLong, f.max)
	}
	return f.message(n)
}

// message reads n bytes. It grows with what is there: a wrong length allocates little.
func (f *frames) message(n int) ([]byte, error) {
	message := room()
	for len(message) < n {
		at := len(message)
		message = slices.Grow(message, min(n-at, 1<<20))
		message = message[:min(n, cap(message))]
		if got, err := io.ReadFull(f.r, message[at:]); err != nil {
			return nil, fmt.Errorf("the file ends after %d of %d bytes of a message: %w", at+got, n, io.ErrUnexpectedEOF)
		}
	}
	return message, nil
}
