package otlp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // its writer is kept; before registered, so that it does not replace ours

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
	input *[]byte // that whole reads, if it is to be put back
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
	if p.input != nil {
		shared.Put(p.input)
		p.input = nil
	}
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

// grpcCompressors are what gRPC calls by name. Its registry is global and must
// be filled during initialization, before any connection is made.
var _ = registerCompressors()

func registerCompressors() struct{} {
	encoding.RegisterCompressor(&compressor{name: "gzip", deflate: encoding.GetCompressor("gzip").Compress})
	z := &zstdWriters{}
	encoding.RegisterCompressor(&compressor{name: "zstd", deflate: z.open})
	return struct{}{}
}

// compressor compresses gRPC messages. gRPC itself bounds what it inflates.
type compressor struct {
	name    string
	deflate func(io.Writer) (io.WriteCloser, error)
}

func (c *compressor) Name() string                                 { return c.name }
func (c *compressor) Compress(w io.Writer) (io.WriteCloser, error) { return c.deflate(w) }

func (c *compressor) Decompress(r io.Reader) (io.Reader, error) {
	message, err := shared.readAll(r, lengthOf(r), math.MaxInt32)
	if err != nil {
		return nil, err
	}
	p, err := inflatersOf[c.name].open(*message)
	if err != nil {
		shared.Put(message)
		return nil, err
	}
	p.input = message
	return p, nil
}

// lengthOf tells how much there is to read, where the reader knows.
func lengthOf(r io.Reader) int {
	if l, ok := r.(interface{ Remaining() int }); ok {
		return l.Remaining()
	}
	return 0
}

// gzipMark begins a gRPC message that is still compressed. As protobuf it would be a
// field without a number: no message begins so.
const gzipMark = "\x07gzip"

// keptGzip leaves gzip messages to the receiver: it inflates them as a whole, into a
// buffer that is used again, and the journal keeps them as they came.
type keptGzip struct{}

func (keptGzip) Type() string { return "gzip" }

func (keptGzip) Do(r io.Reader) ([]byte, error) {
	message := make([]byte, len(gzipMark), len(gzipMark)+max(lengthOf(r), 512))
	copy(message, gzipMark)
	for {
		n, err := r.Read(message[len(message):cap(message)])
		message = message[:len(message)+n]
		if errors.Is(err, io.EOF) {
			return message, nil
		}
		if err != nil {
			return nil, err
		}
		if len(message) == cap(message) {
			message = slices.Grow(message, len(message))
		}
	}
}

// zstdWriters pools zstd encoders.
type zstdWriters struct{ pool sync.Pool }

type zstdWriter struct {
	*zstd.Encoder
	from *zstdWriters
}

func (z *zstdWriters) open(w io.Writer) (io.WriteCloser, error) {
	if e, ok := z.pool.Get().(*zstd.Encoder); ok {
		e.Reset(w)
		return zstdWriter{e, z}, nil
	}
	e, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	return zstdWriter{e, z}, err
}

// Close ends the stream and gives the encoder back.
func (z zstdWriter) Close() error {
	err := z.Encoder.Close()
	z.from.pool.Put(z.Encoder)
	return err
}
