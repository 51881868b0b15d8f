package h2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pool is Buffers that knows what was lent, and spoils what is given back.
type pool struct {
	mu   sync.Mutex
	lent map[*[]byte]bool
}

func (p *pool) Get(n int) *[]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := bytes.Repeat([]byte{0xAA}, n)
	p.lent[&b] = true
	return &b
}

func (p *pool) Put(b *[]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.lent[b] {
		panic("given back twice, or never lent")
	}
	delete(p.lent, b)
	for i := range *b {
		(*b)[i] = 0xBB
	}
}

func echo(compression string, message []byte) ([]byte, error) {
	if compression != "" {
		message = append([]byte(compression+":"), message...)
	}
	return bytes.Clone(message), nil
}

// options are those of a server with an echo and a call that fails.
func options(change ...func(*Options)) Options {
	o := Options{
		Methods: map[string]Method{
			"/s/Echo": echo,
			"/s/Fail": func(string, []byte) ([]byte, error) {
				st, err := status.New(codes.DataLoss, "50 % är weg\n"+strings.Repeat("x", 3000)).WithDetails(durationpb.New(time.Second))
				if err != nil {
					return nil, err
				}
				return nil, st.Err()
			},
		},
		Compressions: []string{"gzip"}, MaxMessageBytes: 8 << 20, Busy: status.Error(codes.ResourceExhausted, "busy"),
		Buffers: &pool{lent: map[*[]byte]bool{}}, Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&o)
	}
	return o
}

// serve runs a server, whose ticks are as long as said.
func serve(t testing.TB, tick time.Duration, change ...func(*Options)) (*Server, string) {
	t.Helper()
	s := New(options(change...))
	s.tick = tick
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := errors.Join(s.Shutdown(ctx), <-done); err != nil {
			t.Error(err)
		}
		s.group.Wait()
		if n := len(s.opt.Buffers.(*pool).lent); n != 0 || s.held.Load() != 0 {
			t.Errorf("%d buffers and %d bytes are still held", n, s.held.Load())
		}
	})
	return s, l.Addr().String()
}

// until waits for what the server's connections become.
func (s *Server) until(t testing.TB, what string, ok func(c *conn) bool) {
	t.Helper()
	late, again := time.After(20*time.Second), time.NewTicker(2*time.Millisecond)
	defer again.Stop()
	for done := false; !done; {
		done = true
		list, _ := s.all(false)
		for _, c := range list {
			c.mu.Lock()
			done = done && ok(c)
			c.mu.Unlock()
		}
		select {
		case <-late:
			t.Fatalf("not all connections are %s", what)
		case <-again.C:
		}
	}
}

func small(c *conn) bool { return len(c.in) <= smallBuffer }

// client speaks in frames, as it is told.
type client struct {
	*http2.Framer
	t     testing.TB
	nc    net.Conn
	block bytes.Buffer
	enc   *hpack.Encoder
	next  uint32
}

// connect dials, and sends a preface and settings.
func connect(t testing.TB, addr string, settings ...http2.Setting) *client {
	t.Helper()
	c := bare(t, addr)
	c.send([]byte(http2.ClientPreface))
	c.check(c.WriteSettings(settings...))
	return c
}

func bare(t testing.TB, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	c := &client{Framer: framer(nc), t: t, nc: nc, next: 1}
	c.enc = hpack.NewEncoder(&c.block)
	return c
}

func framer(nc net.Conn) *http2.Framer {
	f := http2.NewFramer(nc, nc)
	f.AllowIllegalWrites = true
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	return f
}

// check is for errors of writing: where the server has ended the connection, what it said is what counts.
func (c *client) check(err error) {
	c.t.Helper()
	var closed *net.OpError
	if err != nil && !errors.As(err, &closed) {
		c.t.Fatal(err)
	}
}

func (c *client) send(b []byte) {
	_, err := c.nc.Write(b)
	c.check(err)
}

// usual are the headers of a call.
func usual(path string, more ...string) []string {
	return append([]string{":method", "POST", ":scheme", "http", ":path", path, ":authority", "x", "content-type", "application/grpc", "te", "trailers"}, more...)
}

func (c *client) encoded(fields []string) []byte {
	c.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		c.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(c.block.Bytes())
}

// open sends headers and gives the stream.
func (c *client) open(fields []string, ended bool) uint32 {
	id := c.next
	c.next += 2
	block := c.encoded(fields)
	n := min(len(block), maxFrame)
	c.check(c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block[:n], EndStream: ended, EndHeaders: n == len(block)}))
	for block = block[n:]; len(block) > 0; block = block[n:] {
		n = min(len(block), maxFrame)
		c.check(c.WriteContinuation(id, n == len(block), block[:n]))
	}
	return id
}

// call sends a whole call.
func (c *client) call(path, message string) uint32 {
	id := c.open(usual(path), false)
	c.write(id, framed(message))
	return id
}

// write sends a message to its end.
func (c *client) write(id uint32, b []byte) {
	for n := 0; len(b) > 0; b = b[n:] {
		n = min(len(b), maxFrame)
		c.check(c.WriteData(id, n == len(b), b[:n]))
	}
}

func framed(message string) []byte {
	n := len(message)
	return append([]byte{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, message...)
}

// answer is all that came on a stream, and how the stream or the connection ended.
type answer struct {
	data    string
	headers map[string]string
	reset   http2.ErrCode // of the stream
	away    http2.ErrCode // of the connection
	over    bool          // the connection
}

const none = http2.ErrCode(999)

// read reads until a stream (0: the connection) ends.
func (c *client) read(id uint32) answer {
	c.t.Helper()
	a := answer{headers: map[string]string{}, reset: none, away: none}
	for {
		f, err := c.ReadFrame()
		if err != nil {
			var slow net.Error
			if errors.As(err, &slow) && slow.Timeout() {
				c.t.Fatal("nothing comes")
			}
			a.over = true
			return a
		}
		if g, ok := f.(*http2.GoAwayFrame); ok {
			a.away = g.ErrCode
		}
		if f.Header().StreamID != id || id == 0 {
			continue
		}
		switch f := f.(type) {
		case *http2.DataFrame:
			a.data += string(f.Data())
		case *http2.RSTStreamFrame:
			a.reset = f.ErrCode
			return a
		case *http2.MetaHeadersFrame:
			for _, h := range f.Fields {
				a.headers[h.Name] = h.Value
			}
			if f.StreamEnded() {
				return a
			}
		}
	}
}

func (a answer) String() string {
	return fmt.Sprintf("data %.50q, headers %v, reset %v, away %v, over %v", a.data, a.headers, a.reset, a.away, a.over)
}

// works wants a call to be answered.
func (c *client) works() {
	c.t.Helper()
	if a := c.read(c.call("/s/Echo", "hello")); a.data != string(framed("hello")) || a.headers["grpc-status"] != "0" {
		c.t.Errorf("a call: %v", a)
	}
}
