// Package h2 serves unary gRPC calls over HTTP/2, in plain text (with prior knowledge) or
// over TLS, at a fraction of what a server costs that streams.
//
// A connection has one goroutine. It reads what there is, takes frames out of its buffer,
// does calls as soon as their message is whole, and writes all answers at once before it
// reads again: with small messages most of the cost of a call is system calls and the waking
// of goroutines. So the calls of one connection come one after another, and keep one core
// busy at most. If one takes long, another goroutine reads on, so that a call that waits (for
// a disk, say) holds up neither the others nor pings.
//
// What strangers can make it do is bounded: streams, headers, bytes of messages that are not
// whole yet, frames that do no work, and the time that all of this may take. The rules are those of
// RFC 9113, RFC 7541 and gRPC's PROTOCOL-HTTP2. Of HTTP/2 it leaves out priorities, push and
// compression of its own headers.
package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Method does a call: it is given the message and how it is compressed ("" is not at all), and
// must keep neither. The error's gRPC status is answered.
type Method func(compression string, message []byte) ([]byte, error)

// Buffers lends byte slices; what is in them is not defined.
type Buffers interface {
	Get(length int) *[]byte
	Put(*[]byte)
}

// Options configure a [Server]. All but TLS and Admit are required.
type Options struct {
	Methods         map[string]Method // by path
	Compressions    []string          // that the methods understand
	MaxMessageBytes int               // as sent
	Admit           func(authorization string) error
	Busy            error // the answer where there is no memory for a message
	Buffers         Buffers
	TLS             *tls.Config
	Logger          *slog.Logger
}

// The limits of a connection.
const (
	maxStreams     = 256
	maxHeaderBytes = 64 << 10 // of a call's header list, compressed or not
	maxFrame       = 16 << 10 // HTTP/2's default, which most clients do not go beyond
	streamWindow   = 8 << 20
	connWindow     = 16 << 20
	maxQuota       = 1000 // frames that do no work, at once; see conn.spend
	quotaOfTick    = 25
	quotaOfCall    = 10
)

// maxHeld is how many messages of the largest size may be under way on all connections together.
const maxHeld = 4

// tick is how often connections are looked after. All times are counted in ticks: on the way of a
// call nobody asks for the time or sets a timer.
const tick = 250 * time.Millisecond

const (
	ticks        = int64(time.Second / tick)
	startTicks   = 20 * ticks  // for TLS and the first frame
	messageTicks = 60 * ticks  // for a message to come, or an answer to go
	writeTicks   = 20 * ticks  // for a write to end
	quietTicks   = 120 * ticks // until a silent client is pinged
	pongTicks    = 20 * ticks  // for the answer
	lingerTicks  = 1 * ticks   // for a client to close first
	shrinkTicks  = 5 * ticks   // until a silent client's buffer is taken away
)

// Server serves calls. Use [New].
type Server struct {
	opt   Options
	tick  time.Duration
	clock atomic.Int64 // in ticks
	held  atomic.Int64 // bytes of buffers of messages
	group sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	conns    map[*conn]struct{}
	stopped  bool
	cut      chan struct{} // closed by Close
}

// New makes a Server.
func New(opt Options) *Server {
	if opt.TLS != nil {
		opt.TLS = opt.TLS.Clone()
		opt.TLS.NextProtos = []string{"h2"}
	}
	return &Server{opt: opt, tick: tick, conns: map[*conn]struct{}{}, cut: make(chan struct{})}
}

// Serve accepts connections until [Server.Shutdown] or [Server.Close], which close the listener.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return l.Close()
	}
	s.listener = l
	s.mu.Unlock()
	done := make(chan struct{})
	defer close(done)
	go s.watch(done)
	for pause := time.Duration(0); ; {
		nc, err := l.Accept()
		if err == nil {
			pause = 0
			s.add(nc)
			continue
		}
		s.mu.Lock()
		stopped := s.stopped
		s.mu.Unlock()
		if stopped {
			s.wait() // the watch goes on until then
			return nil
		}
		var t interface{ Temporary() bool } // such as too many open files
		if !errors.As(err, &t) || !t.Temporary() {
			return errors.Join(err, s.Close())
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.opt.Logger.Warn("accept a connection; trying again", "err", err)
		time.Sleep(pause)
	}
}

// add serves a connection, in a goroutine of its own.
func (s *Server) add(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		nc.Close()
		return
	}
	c := newConn(s, nc)
	s.conns[c] = struct{}{}
	s.group.Go(c.run)
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// all gives the connections as they are now, after the server stopped if that is asked for.
func (s *Server) all(stop bool) (list []*conn, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stop && !s.stopped {
		s.stopped = true
		if s.listener != nil {
			err = s.listener.Close()
		}
	}
	for c := range s.conns {
		list = append(list, c)
	}
	return list, err
}

// watch looks after the connections.
func (s *Server) watch(done <-chan struct{}) {
	t := time.NewTicker(s.tick)
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		case <-t.C:
		}
		now := s.clock.Add(1)
		list, _ := s.all(false)
		for _, c := range list {
			c.watch(now)
		}
	}
}

// Shutdown takes no more calls and returns when those at work are answered. When ctx ends it
// cuts the connections and waits no more.
func (s *Server) Shutdown(ctx context.Context) error {
	list, err := s.all(true)
	for _, c := range list {
		c.drain()
	}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	s.wait()
	return err
}

// Close cuts all connections. It waits for no call.
func (s *Server) Close() error {
	list, err := s.all(true)
	s.mu.Lock()
	select {
	case <-s.cut:
	default:
		close(s.cut)
	}
	s.mu.Unlock()
	for _, c := range list {
		c.raw.Close()
	}
	return err
}

// wait waits until the connections have ended, or are cut.
func (s *Server) wait() {
	done := make(chan struct{})
	go func() {
		s.group.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-s.cut:
	}
}

// hold asks for so many more bytes of buffers.
func (s *Server) hold(n int) bool {
	if s.held.Add(int64(n)) > maxHeld*int64(s.opt.MaxMessageBytes) {
		s.held.Add(int64(-n))
		return false
	}
	return true
}
