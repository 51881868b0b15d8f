package h2

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// okHead and okEnd are the headers and trailers of a call that went well. Ours use no table, so
// that they are the same bytes each time.
var (
	okHead = appendField(appendField(nil, ":status", "200"), "content-type", "application/grpc")
	okEnd  = appendField(nil, "grpc-status", "0")
)

// answer is what a method gave, or why it was not called.
func (c *conn) answer(st *stream, message []byte, err error) {
	st.state = answering
	switch {
	case st.dead || c.ending:
		c.drop(st)
		return
	case err != nil:
		c.refuse(st.id, true, err)
		c.drop(st)
		return
	}
	c.headers(st.id, 0, okHead)
	st.rest = append(binary.BigEndian.AppendUint32(append(st.small[:0], 0), uint32(len(message))), message...)
	if !c.push(st) {
		c.waiting = append(c.waiting, st)
	}
}

// push writes as much of an answer as the windows allow, and says whether that was all.
func (c *conn) push(st *stream) bool {
	for len(st.rest) > 0 {
		n := min(int64(len(st.rest)), st.window, c.window, maxFrame)
		if n <= 0 {
			return false
		}
		c.out = appendFrame(c.out, http2.FrameData, 0, st.id, st.rest[:n])
		st.rest = st.rest[n:]
		st.window -= n
		c.window -= n
	}
	c.headers(st.id, http2.FlagHeadersEndStream, okEnd)
	c.drop(st)
	return true
}

// release writes answers that the windows held back.
func (c *conn) release() {
	list := c.waiting
	c.waiting = nil
	for _, st := range list {
		if !c.push(st) {
			c.waiting = append(c.waiting, st)
		}
	}
}

// refuse answers with an error. If the client has not ended the stream it need not.
func (c *conn) refuse(id uint32, ended bool, err error) {
	c.headers(id, http2.FlagHeadersEndStream, errorBlock(err))
	if !ended {
		c.reset(id, http2.ErrCodeNo)
	}
}

// headers writes a block. The first one of a connection says that we use no table, as the client
// wants to know if it allows none.
func (c *conn) headers(id uint32, flags http2.Flags, block []byte) {
	if !c.headed {
		const tableOfNothing = 0x20
		c.headed = true
		block = append([]byte{tableOfNothing}, block...)
	}
	c.out = appendFrame(c.out, http2.FrameHeaders, flags|http2.FlagHeadersEndHeaders, id, block)
}

// httpError is an error of a client that does not speak gRPC, and may know HTTP.
type httpError struct {
	code int
	error
}

func (e httpError) Unwrap() error { return e.error }

// compressionError is an error whose answer tells what compressions are known.
type compressionError struct {
	known string
	error
}

func (e compressionError) Unwrap() error { return e.error }

// maxDetails bounds an error's message and what else is said of it: all of it fits into one frame.
const maxDetails = 1 << 10

func errorBlock(err error) []byte {
	st, code := status.Convert(err), 200
	var h httpError
	if errors.As(err, &h) {
		code = h.code
	}
	b := appendField(nil, ":status", strconv.Itoa(code))
	b = appendField(b, "content-type", "application/grpc")
	b = appendField(b, "grpc-status", strconv.Itoa(int(st.Code())))
	b = appendField(b, "grpc-message", percentEncoded(st.Message()))
	var u compressionError
	if errors.As(err, &u) {
		b = appendField(b, "grpc-accept-encoding", u.known)
	}
	if p := st.Proto(); len(p.GetDetails()) > 0 {
		p.Message = clipped(p.GetMessage())
		if details, err := proto.Marshal(p); err == nil && len(details) <= 2*maxDetails {
			b = appendField(b, "grpc-status-details-bin", base64.RawStdEncoding.EncodeToString(details))
		}
	}
	return b
}

// percentEncoded is a message as gRPC sends it: of ASCII what can be printed stands as it is.
func percentEncoded(s string) string {
	var b strings.Builder
	for _, c := range []byte(clipped(s)) {
		if c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func clipped(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), maxDetails)], "\uFFFD")
}

// appendField appends a header field as HPACK's literal without indexing.
func appendField(b []byte, name, value string) []byte {
	return appendText(appendText(append(b, 0), name), value)
}

// appendText appends a string's length with a prefix of 7 bits, and the string.
func appendText(b []byte, s string) []byte {
	const most = 127
	if len(s) < most {
		b = append(b, byte(len(s)))
	} else {
		b = binary.AppendUvarint(append(b, most), uint64(len(s)-most))
	}
	return append(b, s...)
}
