package h2

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A connection's buffer grows when a read fills it, and is small again when the client is silent.
// Large ones save system calls where messages are large, and 7 % of all time with 230 KB.
const (
	smallBuffer = 4 << 10
	largeBuffer = 256 << 10
	bufferStep  = 8
	maxUnsent   = 64 << 10 // what may wait to be written before it is
)

// conn is a connection. All of it belongs to whoever holds mu, which is let go for as long as
// one reads, writes or does a call.
type conn struct {
	s   *Server
	raw net.Conn // is closed to end everything; does not change

	mu      sync.Mutex
	nc      net.Conn // raw, or TLS over it
	turn    int      // of the goroutine that reads; another one took over when it has changed
	started bool     // the client's first frame came
	began   int64    // ticks: the connection
	heard   int64    // the client, last
	pinged  bool     // since then

	// What was read: in[r:w] is still to be looked at.
	in     []byte
	r, w   int
	filled bool // at once, so that a larger buffer is worth it
	part   frame
	left   int // bytes of it that were not looked at

	working bool  // the goroutine that reads does a call
	inPlace bool  // on a message in the buffer
	since   int64 // ticks

	decoder *hpack.Decoder
	call    call // whose headers are being read
	block   []byte
	opening uint32 // the stream whose headers are not complete
	ended   bool   // and have no message after them

	streams map[uint32]*stream
	free    []*stream
	last    uint32 // stream that was opened
	room    int    // bytes of DATA that the client may still send
	quota   int

	// What is to be written.
	out, spare []byte
	writing    bool
	written    int64     // ticks: began the write
	headed     bool      // headers were written, or are to be
	window     int64     // bytes of DATA that we may still send
	initial    int64     // the same of a new stream
	waiting    []*stream // whose answers the windows hold back

	draining bool  // no new streams
	ending   bool  // nothing is listened to, all that is left is to be written
	finished int64 // ticks: since then
	shut     bool  // all is written
	closed   bool
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		s: s, raw: nc, nc: nc, began: s.clock.Load(), heard: s.clock.Load(), in: make([]byte, smallBuffer),
		streams: map[uint32]*stream{}, room: connWindow, quota: maxQuota, window: 65535, initial: 65535,
	}
	c.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) { c.call.field(f) })
	c.decoder.SetMaxStringLength(maxHeaderBytes)
	return c
}

// run serves the connection.
func (c *conn) run() {
	if c.s.opt.TLS != nil {
		t := tls.Server(c.raw, c.s.opt.TLS)
		if err := t.Handshake(); err != nil || t.ConnectionState().NegotiatedProtocol != "h2" { // it ends by startTicks
			c.s.opt.Logger.Debug("TLS handshake", "err", err, "client", c.raw.RemoteAddr())
			c.mu.Lock()
			defer c.mu.Unlock()
			c.close()
			return
		}
		c.mu.Lock()
		c.nc = t
		c.mu.Unlock()
	}
	c.read(0)
}

// read takes frames until the connection ends or another goroutine has the turn.
func (c *conn) read(turn int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.start()
	for err == nil && c.turn == turn {
		var f frame
		if f, err = c.next(); err == nil {
			err = c.take(f)
		}
		if len(c.out) > maxUnsent && c.turn == turn {
			c.flush()
		}
		if len(c.out) > 16*maxUnsent { // somebody else is writing, for long
			err = errors.New("the client does not read")
		}
	}
	if c.turn != turn {
		c.flush() // the answer to the call that took so long
		return
	}
	var e connError
	if errors.As(err, &e) {
		c.s.opt.Logger.Debug("end a connection", "err", err, "client", c.raw.RemoteAddr())
		c.goAway(e.code)
		c.end()
		for err = nil; err == nil; { // a reset would take from the client what it was told
			c.flush()
			c.r, c.w = 0, 0
			err = c.fill(1)
		}
	}
	c.close()
}

// fill reads until there are n bytes.
func (c *conn) fill(n int) error {
	for c.w-c.r < n {
		c.flush()
		c.makeRoom(n)
		nc, to := c.nc, c.in[c.w:]
		c.mu.Unlock()
		m, err := nc.Read(to)
		c.mu.Lock()
		if m > 0 {
			c.w += m
			c.filled = m == len(to)
			c.heard, c.pinged = c.s.clock.Load(), false
			continue // an error will come again
		}
		switch {
		case err == nil || c.ending || !errors.Is(err, os.ErrDeadlineExceeded):
		case c.r == c.w: // see watch
			c.in, c.filled = make([]byte, smallBuffer), false
			fallthrough
		default:
			err = c.nc.SetReadDeadline(time.Time{})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// makeRoom moves what was not looked at to the front of a buffer in which n bytes fit.
func (c *conn) makeRoom(n int) {
	from := c.in[c.r:c.w]
	if size := len(c.in); n > size || c.filled && size < largeBuffer {
		c.in, c.filled = make([]byte, min(size*bufferStep, largeBuffer)), false
	}
	c.r, c.w = 0, copy(c.in, from)
}

// flush writes what is to be written, unless somebody does: then they write this as well.
func (c *conn) flush() {
	for len(c.out) > 0 && !c.writing && !c.closed {
		b := c.out
		c.out = c.spare[:0]
		c.writing, c.written = true, c.s.clock.Load()
		nc := c.nc
		c.mu.Unlock()
		_, err := nc.Write(b)
		c.mu.Lock()
		c.writing = false
		if c.spare = b; cap(b) > 4*maxUnsent {
			c.spare = nil
		}
		if err != nil {
			c.raw.Close()
			return
		}
	}
	if c.ending && !c.shut && !c.writing && !c.closed {
		c.shut = true
		list := []net.Conn{c.nc, c.raw}
		c.mu.Unlock()
		closeWrite(list)
		c.mu.Lock()
	}
}

// closeWrite tells the client that no more will come.
func closeWrite(list []net.Conn) {
	for _, nc := range list {
		if w, ok := nc.(interface{ CloseWrite() error }); ok {
			_ = w.CloseWrite() // what is wrong with it, reading tells
		}
	}
}

// watch looks whether something took too long.
func (c *conn) watch(now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	quiet := now - c.heard
	switch {
	case c.closed:
		return
	case c.ending && now-c.finished > lingerTicks,
		c.writing && now-c.written > writeTicks,
		!c.started && now-c.began > startTicks,
		c.pinged && quiet > quietTicks+pongTicks:
		c.raw.Close()
		return
	case !c.started, c.ending:
		return
	}
	c.quota = min(c.quota+quotaOfTick, maxQuota)
	c.expire(now)
	if c.working && now-c.since > 1 {
		c.takeOver()
	}
	if !c.working && quiet > quietTicks && !c.pinged {
		c.pinged = true
		c.out = appendFrame(c.out, http2.FramePing, 0, 0, make([]byte, 8))
	}
	if !c.working && quiet > shrinkTicks && len(c.in) > smallBuffer {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // fill notices
		c.out, c.spare, c.block = append([]byte(nil), c.out...), nil, append([]byte(nil), c.block...)
	}
	c.flushLater()
}

// flushLater is for those who must not be held up by this client.
func (c *conn) flushLater() {
	if (len(c.out) > 0 || c.ending && !c.shut) && !c.writing && !c.closed {
		c.s.group.Go(func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.flush()
		})
	}
}

// takeOver lets another goroutine read on. Where the message of the call at work lies in the
// buffer it needs one of its own. There are no more such goroutines than there may be streams.
func (c *conn) takeOver() {
	if c.inPlace {
		rest := c.in[c.r:c.w]
		c.in = make([]byte, max(len(rest), smallBuffer*bufferStep))
		c.r, c.w = 0, copy(c.in, rest)
	}
	c.working = false
	c.turn++
	turn := c.turn
	c.s.group.Go(func() { c.read(turn) })
}

// drain lets the calls at work end, and the connection then.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.started {
		c.raw.Close()
		return
	}
	if !c.draining && !c.ending {
		c.draining = true
		c.goAway(http2.ErrCodeNo)
		if len(c.streams) == 0 {
			c.end()
		}
	}
	c.flushLater()
}

// end listens to nothing more.
func (c *conn) end() {
	if !c.ending {
		c.ending, c.finished = true, c.s.clock.Load()
	}
}

// close is the last that the goroutine does that reads.
func (c *conn) close() {
	c.raw.Close()
	c.end()
	c.closed = true
	for _, st := range c.streams {
		c.drop(st)
	}
	c.s.remove(c)
}
