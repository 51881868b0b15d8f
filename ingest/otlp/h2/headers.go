package h2

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// call is what the headers of a call say.
type call struct {
	httpMethod, path, contentType, compression, timeout, authorization string

	size      int  // of all fields, as HTTP/2 counts them
	pseudo    int  // bits of the pseudo-headers that came
	regular   bool // others came: no pseudo-header may follow
	malformed bool
}

// pseudoBit is the bit of a pseudo-header, 0 of one that does not exist.
func pseudoBit(name string) int {
	switch name {
	case ":method":
		return 1
	case ":path":
		return 2
	case ":scheme":
		return 4
	case ":authority":
		return 8
	}
	return 0
}

// required are the pseudo-headers that every request has.
const required = 1 | 2 | 4

// field notes a field. Of a list that is too large the rest is not looked at.
func (r *call) field(f hpack.HeaderField) {
	if r.size += len(f.Name) + len(f.Value) + 32; r.size > maxHeaderBytes {
		return
	}
	if strings.HasPrefix(f.Name, ":") {
		bit := pseudoBit(f.Name)
		r.malformed = r.malformed || bit == 0 || r.pseudo&bit != 0 || r.regular
		r.pseudo |= bit
	} else {
		r.regular = true
	}
	switch f.Name {
	case ":method":
		r.httpMethod = f.Value
	case ":path":
		r.path = f.Value
	case "content-type":
		r.contentType = f.Value
	case "grpc-encoding":
		r.compression = f.Value
	case "grpc-timeout":
		r.timeout = f.Value
	case "authorization":
		if r.authorization == "" {
			r.authorization = f.Value
		}
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "":
		r.malformed = true
	default:
		r.malformed = r.malformed || strings.IndexFunc(f.Name, func(c rune) bool { return c >= 'A' && c <= 'Z' }) >= 0
	}
}

// takeHeaders opens a stream once its headers are complete. What they decode to is bounded, so
// that neither many nor empty CONTINUATION frames are of use to anybody.
func (c *conn) takeHeaders(f frame) error {
	block, err := f.body, error(nil)
	if f.kind == http2.FrameContinuation {
		if c.opening == 0 {
			return protocol("CONTINUATION of nothing")
		}
		if err := c.spend(); err != nil {
			return err
		}
	} else {
		if f.id%2 == 0 {
			return protocol("HEADERS of stream " + strconv.Itoa(int(f.id)))
		}
		if block, err = unpad(f); err != nil {
			return err
		}
		if f.flags.Has(http2.FlagHeadersPriority) {
			if len(block) < 5 {
				return connError{http2.ErrCodeFrameSize, "HEADERS"}
			}
			block = block[5:]
		}
		c.opening, c.ended = f.id, f.flags.Has(http2.FlagHeadersEndStream)
		c.block = c.block[:0]
	}
	complete := f.flags.Has(http2.FlagHeadersEndHeaders)
	if !complete || len(c.block) > 0 {
		if c.block = append(c.block, block...); len(c.block) > maxHeaderBytes {
			return connError{http2.ErrCodeEnhanceYourCalm, "headers are too large"}
		}
		block = c.block
	}
	if !complete {
		return nil
	}
	c.opening, c.call = 0, call{}
	_, err = c.decoder.Write(block)
	if err == nil {
		err = c.decoder.Close()
	}
	if err != nil {
		return connError{http2.ErrCodeCompression, err.Error()}
	}
	if cap(c.block) > maxFrame {
		c.block = nil
	}
	return c.open(f.id, c.ended)
}

// unpad gives a frame's body without its padding.
func unpad(f frame) ([]byte, error) {
	if !f.flags.Has(http2.FlagDataPadded) { // the same bit in HEADERS
		return f.body, nil
	}
	if len(f.body) == 0 || int(f.body[0]) >= len(f.body) {
		return nil, protocol("padding")
	}
	return f.body[1 : len(f.body)-int(f.body[0])], nil
}

// open begins a stream whose headers are in c.call.
func (c *conn) open(id uint32, ended bool) error {
	if id <= c.last {
		return c.trailers(id, ended)
	}
	if c.draining {
		return nil // the client was told that this one does not count
	}
	c.last = id
	r := &c.call
	if r.malformed || r.pseudo&required != required {
		c.reset(id, http2.ErrCodeProtocol)
		return c.spend()
	}
	if len(c.streams) >= maxStreams {
		c.reset(id, http2.ErrCodeRefusedStream)
		return c.spend()
	}
	st := c.newStream()
	st.id = id
	err := c.s.admit(r, st)
	if err == nil && ended {
		err = errNoMessage
	}
	if err != nil {
		c.refuse(id, ended, err)
		c.drop(st)
		return nil
	}
	c.streams[id] = st
	return nil
}

// trailers are what ends a stream if its last DATA frame did not. Clients of gRPC send none.
func (c *conn) trailers(id uint32, ended bool) error {
	st := c.streams[id]
	switch {
	case st == nil || st.state != receiving:
		return c.spend() // perhaps it was answered early
	case !ended:
		c.reset(id, http2.ErrCodeProtocol)
		c.drop(st)
	case st.n == 0:
		c.answer(st, nil, errNoMessage)
	default:
		c.whole(st, (*st.buf)[:st.n])
	}
	return nil
}

// admit decides about a call by its headers, and tells the stream what is to be done with its message.
func (s *Server) admit(r *call, st *stream) (err error) {
	if r.size > maxHeaderBytes {
		return httpError{431, status.Errorf(codes.ResourceExhausted, "headers are larger than %d bytes", maxHeaderBytes)}
	}
	rest, ok := strings.CutPrefix(r.contentType, "application/grpc")
	if !ok || rest != "" && rest[0] != '+' && rest[0] != ';' {
		return httpError{415, status.Errorf(codes.InvalidArgument, "invalid gRPC request content-type %q", r.contentType)}
	}
	if r.httpMethod != "POST" {
		return httpError{405, status.Errorf(codes.Internal, "method %q; want POST", r.httpMethod)}
	}
	if r.timeout != "" {
		d, ok := parseTimeout(r.timeout)
		if !ok {
			return httpError{400, status.Errorf(codes.Internal, "malformed grpc-timeout %q", r.timeout)}
		}
		st.limit = min(st.limit, int64(d/tick)+1)
	}
	if s.opt.Admit != nil {
		if err := s.opt.Admit(r.authorization); err != nil {
			return err
		}
	}
	if st.method, ok = s.opt.Methods[r.path]; !ok {
		return status.Errorf(codes.Unimplemented, "unknown method %s", r.path)
	}
	if r.compression != "identity" {
		st.compression = r.compression
	}
	if st.compression != "" && !slices.Contains(s.opt.Compressions, st.compression) {
		known := strings.Join(s.opt.Compressions, ",") + ",identity"
		return compressionError{known, status.Errorf(codes.Unimplemented, "grpc-encoding %q: want one of %s", r.compression, known)}
	}
	return nil
}

var timeoutUnits = map[byte]time.Duration{
	'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
}

// parseTimeout reads up to eight digits and a unit.
func parseTimeout(s string) (time.Duration, bool) {
	if len(s) < 2 || len(s) > 9 {
		return 0, false
	}
	unit := timeoutUnits[s[len(s)-1]]
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
	if err != nil || unit == 0 {
		return 0, false
	}
	if n > uint64(math.MaxInt64/unit) {
		return math.MaxInt64, true
	}
	return time.Duration(n) * unit, true
}
