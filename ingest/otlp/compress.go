package otlp

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"unship.dev/ingest/otlp/deflate"
)

// maxWindow bounds what a zstd stream can make its reader allocate at once.
const maxWindow = 32 << 20

// zstdReaders pools readers: making one costs more than reading a request.
var zstdReaders = sync.Pool{New: func() any {
	// One goroutine: none is left behind when the pool drops a reader.
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		panic(err) // only for options that do not exist
	}
	return d
}}

// inflate reads a compressed message into a buffer, which the caller puts back;
// errTooLarge says that it would have more than limit bytes.
func inflate(compression string, message []byte, limit int) (*[]byte, error) {
	if compression == "gzip" {
		return gunzip(message, limit)
	}
	d := zstdReaders.Get().(*zstd.Decoder)
	defer func() {
		_ = d.Reset(nil) // keeps no message
		zstdReaders.Put(d)
	}()
	if err := d.Reset(bytes.NewReader(message)); err != nil {
		return nil, err
	}
	plain, err := shared.readAll(d, 8*len(message), limit)
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
