package otlp

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // clients ask for it by name
	_ "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// What gRPC's client needs to send zstd, and messages that are bytes already.

var _ = registerZstd()

func registerZstd() struct{} {
	encoding.RegisterCompressor(zstdClient{})
	return struct{}{}
}

type zstdClient struct{}

func (zstdClient) Name() string { return "zstd" }

func (zstdClient) Compress(w io.Writer) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
}

func (zstdClient) Decompress(r io.Reader) (io.Reader, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
}

// rawMessage is a message as bytes: answer is what is sent.
type rawMessage struct{ answer []byte }

type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*rawMessage)
	if !ok {
		return nil, fmt.Errorf("encode %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(m.answer)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*rawMessage)
	if !ok {
		return fmt.Errorf("decode %T", v)
	}
	m.answer = data.Materialize()
	return nil
}
