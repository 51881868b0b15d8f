package h2

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// script is a connection that says what it has, in pieces, and listens to all.
type script struct {
	net.Conn
	mu    sync.Mutex
	rest  []byte
	piece int
	tick  func()
}

func (s *script) Read(b []byte) (int, error) {
	if s.tick != nil {
		s.tick()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.rest[:min(s.piece, len(s.rest))])
	s.rest = s.rest[n:]
	return n, nil
}

func (s *script) Write(b []byte) (int, error) { return len(b), nil }
func (s *script) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = nil
	return nil
}
func (s *script) RemoteAddr() net.Addr { return nil }

// FuzzConn gives bytes to a connection, whose calls at times are taken over by another
// goroutine. It must come to an end, and leave nothing behind.
func FuzzConn(f *testing.F) {
	record := func(do func(c *client)) {
		var b bytes.Buffer
		c := &client{Framer: http2.NewFramer(&b, nil), t: f, next: 1}
		c.AllowIllegalWrites = true
		c.enc = hpack.NewEncoder(&c.block)
		do(c)
		f.Add(byte(0), b.Bytes())
		f.Add(byte(9), b.Bytes())
	}
	record(func(c *client) {
		c.check(c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3}))
		c.call("/s/Echo", "hello")
		c.check(c.WriteWindowUpdate(1, 100))
		id := c.open(usual("/s/Echo", "grpc-encoding", "gzip", "grpc-timeout", "1S"), false)
		c.check(c.WriteDataPadded(id, false, framed("in pieces")[:4], make([]byte, 3)))
		c.call("/s/Fail", "x")
		c.check(c.WriteData(id, true, framed("in pieces")[4:]))
		c.check(c.WritePing(false, [8]byte{}))
		c.check(c.WriteRSTStream(id, 0))
	})
	record(func(c *client) {
		c.check(c.WriteSettings())
		block := c.encoded(usual("/s/Echo"))
		c.check(c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:5], Priority: http2.PriorityParam{Weight: 3}}))
		c.check(c.WriteContinuation(1, true, block[5:]))
		c.check(c.WriteData(1, false, framed("m")))
		c.check(c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndStream: true, EndHeaders: true}))
		c.check(c.WriteGoAway(0, 0, nil))
	})
	f.Fuzz(func(t *testing.T, how byte, input []byte) {
		var c *conn
		calls := byte(0)
		s := New(options(func(o *Options) {
			o.MaxMessageBytes = 1 << 16
			o.Methods["/s/Echo"] = func(compression string, message []byte) ([]byte, error) {
				before := bytes.Clone(message)
				if calls++; how&8 != 0 && calls < 20 {
					c.watch(s2(c)) // takes over
				}
				if !bytes.Equal(before, message) {
					t.Error("the message changed during the call")
				}
				return echo(compression, message)
			}
		}))
		nc := &script{rest: append([]byte(http2.ClientPreface), input...), piece: 1 + int(how&7)*1000}
		if how&16 != 0 {
			nc.tick = func() { c.watch(s2(c)) }
		}
		c = newConn(s, nc)
		s.conns[c] = struct{}{}
		s.group.Go(c.run)
		if how&32 != 0 {
			c.drain()
		}
		s.group.Wait()
		if len(c.streams) != 0 || s.held.Load() != 0 || len(s.conns) != 0 || len(s.opt.Buffers.(*pool).lent) != 0 {
			t.Errorf("%d streams, %d bytes, %d connections, %d buffers are left", len(c.streams), s.held.Load(), len(s.conns), len(s.opt.Buffers.(*pool).lent))
		}
	})
}

// s2 lets two ticks pass.
func s2(c *conn) int64 { return c.s.clock.Add(2) }
