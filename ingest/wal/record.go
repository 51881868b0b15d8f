package wal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"
)

// A segment is the magic and then records:
//
//	length of the payload   uint32, little-endian
//	CRC-32C                 uint32, of the length's bytes and the payload
//	payload                 kind, then what belongs to it
//
// The payload of a request is its signal and its encoding, each with a byte of
// length before it, and the body, which may be compressed. The payload of a footer is the latest event
// time in nanoseconds, int64; the least int64 stands for none.
const (
	magic      = "UNSHWAL1"
	extension  = ".wal"
	headerSize = 8

	kindRequest = 1
	kindFooter  = 2
	kindPacked  = 3 // a request with its body compressed by S2

	noTime = math.MinInt64
)

// maxPayload bounds what a damaged length can make the reader allocate.
const maxPayload = 256 << 20

func checksum(length, payload []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(length, table), table, payload)
}

// leastPacked is the size from which a body is worth compressing.
const leastPacked = 512

// encode makes the record of a request in the room of another. Unless it is dense already,
// the body is compressed where that saves an eighth or more: it costs less than to write
// what it saves.
func encode(room []byte, signal, encoding string, body []byte, dense bool) ([]byte, error) {
	if len(signal) > 255 || len(encoding) > 255 {
		return nil, errors.New("the name of a signal or an encoding is longer than 255 bytes")
	}
	size := 1 + 1 + len(signal) + 1 + len(encoding) + len(body)
	if size > maxPayload {
		return nil, fmt.Errorf("request of %d bytes; at most %d can be kept", len(body), maxPayload)
	}
	record := append(room[:0], make([]byte, headerSize)...)
	record = append(record, kindRequest, byte(len(signal)))
	record = append(record, signal...)
	record = append(record, byte(len(encoding)))
	record = append(record, encoding...)
	if !dense && len(body) >= leastPacked {
		record = slices.Grow(record, s2.MaxEncodedLen(len(body)))
		packed := s2.Encode(record[len(record):cap(record)], body)
		if len(packed) <= len(body)/8*7 {
			record[headerSize] = kindPacked
			return finish(record[:len(record)+len(packed)]), nil
		}
	}
	return finish(append(record, body...)), nil
}

// finish fills in the header.
func finish(record []byte) []byte {
	binary.LittleEndian.PutUint32(record, uint32(len(record)-headerSize))
	binary.LittleEndian.PutUint32(record[4:], checksum(record[:4], record[headerSize:]))
	return record
}

func encodeFooter(latest time.Time) []byte {
	nanos := int64(noTime)
	if !latest.IsZero() {
		nanos = latest.UnixNano()
	}
	record := append(make([]byte, headerSize), kindFooter)
	return finish(binary.LittleEndian.AppendUint64(record, uint64(nanos)))
}

// decodeRequest takes a request's payload apart, without its kind.
func decodeRequest(p []byte) (signal, encoding string, body []byte, ok bool) {
	if signal, p, ok = cutString(p); !ok {
		return "", "", nil, false
	}
	if encoding, p, ok = cutString(p); !ok {
		return "", "", nil, false
	}
	return signal, encoding, p, true
}

func cutString(p []byte) (s string, rest []byte, ok bool) {
	if len(p) == 0 || len(p) < 1+int(p[0]) {
		return "", nil, false
	}
	return string(p[1 : 1+p[0]]), p[1+p[0]:], true
}

// read gives the requests of a segment. What cannot be read is told to onDamage;
// the error is fn's, or that of the disk.
func read(r io.Reader, onDamage func(Damage), path string, fn func(signal, encoding string, body []byte) error) error {
	w := walker{r: bufio.NewReaderSize(r, 256<<10), path: path, onDamage: onDamage}
	var plain []byte
	for {
		kind, payload, err := w.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if kind != kindRequest && kind != kindPacked {
			continue
		}
		signal, encoding, body, ok := decodeRequest(payload)
		if ok && kind == kindPacked {
			body, ok = unpack(&plain, body)
		}
		if !ok {
			w.damage(w.offset-int64(len(payload))-1, int64(len(payload)), "a record with a good checksum is no request")
			continue
		}
		if err := fn(signal, encoding, body); err != nil {
			return err
		}
	}
}

// unpack inflates a body in the room of another.
func unpack(room *[]byte, packed []byte) (body []byte, ok bool) {
	n, err := s2.DecodedLen(packed)
	if err != nil || n > maxPayload {
		return nil, false
	}
	*room = slices.Grow((*room)[:0], n)[:n]
	body, err = s2.Decode(*room, packed)
	return body, err == nil
}

// walker goes through the records of a segment.
type walker struct {
	r        *bufio.Reader
	path     string
	onDamage func(Damage)
	offset   int64
	payload  []byte
}

// next gives the next good record; io.EOF at the end of what can be read.
func (w *walker) next() (kind byte, payload []byte, err error) {
	if w.offset == 0 {
		head := make([]byte, len(magic))
		n, err := io.ReadFull(w.r, head)
		if err != nil || string(head) != magic {
			return 0, nil, w.torn(int64(n), "it does not begin as a segment", err)
		}
		w.offset = int64(len(magic))
	}
	for {
		start := w.offset
		good, err := w.record()
		if err != nil {
			return 0, nil, err
		}
		if good {
			return w.payload[0], w.payload[1:], nil
		}
		w.damage(start, w.offset-start, "checksum does not fit")
	}
}

// record reads one record into payload and says whether it is whole.
func (w *walker) record() (good bool, err error) {
	var head [headerSize]byte
	n, err := io.ReadFull(w.r, head[:])
	if err != nil {
		return false, w.torn(int64(n), "the last record is cut off", err)
	}
	size := int(binary.LittleEndian.Uint32(head[:]))
	if size == 0 || size > maxPayload {
		return false, w.torn(headerSize, "a length is out of range", nil)
	}
	w.payload = w.payload[:0]
	for len(w.payload) < size { // grow with what is there: the length may be wrong
		at := len(w.payload)
		w.payload = append(w.payload, make([]byte, min(size-at, 1<<20))...)
		if n, err := io.ReadFull(w.r, w.payload[at:]); err != nil {
			return false, w.torn(int64(headerSize+at+n), "the last record is cut off", err)
		}
	}
	w.offset += int64(headerSize + size)
	return binary.LittleEndian.Uint32(head[4:]) == checksum(head[:4], w.payload), nil
}

// torn ends the reading where nothing more can be told apart. n bytes were read
// beyond the last record. An error of the disk is passed on.
func (w *walker) torn(n int64, why string, err error) error {
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	rest, err := io.Copy(io.Discard, w.r)
	if err != nil {
		return err
	}
	if n+rest > 0 {
		w.damage(w.offset, n+rest, why)
	}
	return io.EOF
}

func (w *walker) damage(offset, bytes int64, why string) {
	if w.onDamage != nil {
		w.onDamage(Damage{Segment: w.path, Offset: offset, Bytes: bytes, Why: why})
	}
}

// inspect looks at a segment that was there before: how long it is, how much of it
// holds records, and whether its last record is a footer. A body could end like a
// footer, so it goes from record to record.
func inspect(path string) (segment, error) {
	number, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(path), extension), 10, 64)
	if err != nil {
		return segment{}, fmt.Errorf("%s is no segment: its name is not a number; move it away", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return segment{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return segment{}, err
	}
	s := segment{path: path, number: number, size: info.Size()}
	w := walker{r: bufio.NewReaderSize(f, 256<<10), path: path}
	for {
		kind, payload, err := w.next()
		s.end = w.offset
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return segment{}, fmt.Errorf("read %s: %w", path, err)
		}
		if s.sealed = kind == kindFooter && len(payload) == 8; s.sealed {
			s.latest = footerTime(payload)
		}
	}
}

func footerTime(payload []byte) time.Time {
	nanos := int64(binary.LittleEndian.Uint64(payload))
	if nanos == noTime {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

// seal writes the footer. Behind a torn end it would not be found again: what
// cannot be read is cut off first.
func (s *segment) seal(latest time.Time, sync bool) error {
	f, err := os.OpenFile(s.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	footer := encodeFooter(latest)
	if s.end == 0 { // torn before it had begun
		footer = append([]byte(magic), footer...)
	}
	err = f.Truncate(s.end)
	if err == nil {
		_, err = f.WriteAt(footer, s.end)
	}
	if err == nil && sync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	s.size, s.sealed, s.latest = s.end+int64(len(footer)), true, latest
	return nil
}
