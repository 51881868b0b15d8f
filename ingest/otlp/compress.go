package otlp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // its writer is kept; before registered, so that it does not replace ours
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
	return &inflaters{pool: sync.Pool{New: func() any {
		return &pooled{inflater: make(), buffer: bufio.NewReaderSize(nil, 64<<10)}
	}}}
}

func gzipInflaters() *inflaters {
	return newInflaters(func() inflater { return new(gzip.Reader) })
}

func zstdInflaters() *inflaters {
	return newInflaters(func() inflater {
		// One goroutine: none is left behind when the pool drops a reader.
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			panic(err) // only for options that do not exist
		}
		return d
	})
}

// pooled reads through a buffer: inflating byte by byte is slow.
type pooled struct {
	inflater
	buffer *bufio.Reader
	from   *inflaters
}

func (i *inflaters) open(r io.Reader) (*pooled, error) {
	p := i.pool.Get().(*pooled)
	p.from = i
	p.buffer.Reset(r)
	if err := p.Reset(p.buffer); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close gives the reader back.
func (p *pooled) Close() error {
	p.buffer.Reset(nil)
	p.from.pool.Put(p)
	return nil
}

// inflate reads a request's body. Neither the compressed nor the plain form may
// be larger than a message may be.
func (s *Server) inflate(body io.Reader, compression string) ([]byte, error) {
	limit := s.opt.MaxMessageBytes
	r := body
	switch c := strings.ToLower(strings.TrimSpace(compression)); c {
	case "", "identity":
	case "gzip", "zstd":
		p, err := s.inflaters[c].open(body)
		if err != nil {
			return nil, badBody(err)
		}
		defer p.Close()
		r = p
	default:
		return nil, httpError{http.StatusUnsupportedMediaType, fmt.Errorf("content encoding %q: want gzip, zstd or none", compression)}
	}
	var plain bytes.Buffer
	if _, err := plain.ReadFrom(io.LimitReader(r, int64(limit)+1)); err != nil {
		return nil, badBody(err)
	}
	if plain.Len() > limit {
		return nil, httpError{http.StatusRequestEntityTooLarge, fmt.Errorf("request is larger than %d bytes uncompressed; send smaller batches", limit)}
	}
	return plain.Bytes(), nil
}

func badBody(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) || errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return httpError{http.StatusRequestEntityTooLarge, fmt.Errorf("read body: %w", err)}
	}
	return httpError{http.StatusBadRequest, fmt.Errorf("read body: %w", err)}
}

// grpcCompressors are what gRPC calls by name. Its registry is global and must
// be filled during initialization, before any connection is made.
var _ = registerCompressors()

func registerCompressors() struct{} {
	encoding.RegisterCompressor(&compressor{
		name:      "gzip",
		inflaters: gzipInflaters(),
		deflate:   encoding.GetCompressor("gzip").Compress,
	})
	z := &zstdWriters{}
	encoding.RegisterCompressor(&compressor{name: "zstd", inflaters: zstdInflaters(), deflate: z.open})
	return struct{}{}
}

// compressor compresses gRPC messages. gRPC itself bounds what it inflates.
type compressor struct {
	name      string
	inflaters *inflaters
	deflate   func(io.Writer) (io.WriteCloser, error)
}

func (c *compressor) Name() string                                 { return c.name }
func (c *compressor) Compress(w io.Writer) (io.WriteCloser, error) { return c.deflate(w) }
func (c *compressor) Decompress(r io.Reader) (io.Reader, error)    { return c.inflaters.open(r) }

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
