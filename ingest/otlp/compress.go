package otlp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"unship.dev/ingest/otlp/deflate"
)

// maxWindow bounds what a zstd stream can make its reader allocate at once.
const maxWindow = 32 << 20

// inflater reads one compressed stream after another.
type inflater interface {
	io.Reader
	Reset(io.Reader) error
}

// inflaters pools readers of one compression: making one costs more than reading a request.
type inflaters struct {
	pool sync.Pool
}

func newInflaters(make func() inflater) *inflaters {
	return &inflaters{pool: sync.Pool{New: func() any { return &pooled{inflater: make()} }}}
}

var inflatersOf = map[string]*inflaters{
	"gzip": newInflaters(func() inflater { return new(gzip.Reader) }),
	"zstd": newInflaters(func() inflater {
		// One goroutine: none is left behind when the pool drops a reader.
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			panic(err) // only for options that do not exist
		}
		return d
	}),
}

// pooled reads a message that is there as a whole: from a bytes.Reader inflaters read
// without a buffer between.
type pooled struct {
	inflater
	whole bytes.Reader
	from  *inflaters
}

func (i *inflaters) open(message []byte) (*pooled, error) {
	p := i.pool.Get().(*pooled)
	p.from = i
	p.whole.Reset(message)
	if err := p.Reset(&p.whole); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close gives the reader back.
func (p *pooled) Close() error {
	p.whole.Reset(nil)
	p.from.pool.Put(p)
	return nil
}

// inflate reads a compressed message into a buffer, which the caller puts back;
// errTooLarge says that it would have more than limit bytes.
func inflate(compression string, message []byte, limit int) (*[]byte, error) {
	if compression == "gzip" {
		return gunzip(message, limit)
	}
	p, err := inflatersOf[compression].open(message)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	plain, err := shared.readAll(p, 8*len(message), limit)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		err = errTooLarge
	}
	return plain, err
}

// believedRatio is up to where a message is believed that says how large it will be.
const believedRatio = 32

func gunzip(message []byte, limit int) (*[]byte, error) {
	p := shared.Get(min(deflate.SizeHint(message), limit, believedRatio*len(message)) + deflate.Slack)
	plain, err := deflate.AppendGzip((*p)[:0], message, limit)
	*p = plain
	if err != nil {
		shared.Put(p)
		if errors.Is(err, deflate.ErrTooLarge) {
			err = errTooLarge
		}
		return nil, err
	}
	return p, nil
}

// tooLarge is the message of an error over a body beyond the limit.
func tooLarge(limit int) error {
	return fmt.Errorf("request is larger than %d bytes uncompressed; send smaller batches", limit)
}
