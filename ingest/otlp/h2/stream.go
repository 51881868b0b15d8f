package h2

import (
	"encoding/binary"
	"slices"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type state uint8

const (
	receiving state = iota // its message
	working                // the method
	answering              // the windows hold the answer back
)

// stream is a call from its headers to its answer.
type stream struct {
	id           uint32
	state        state
	dead         bool // nobody waits for the answer
	method       Method
	compression  string
	began, limit int64 // ticks

	buf  *[]byte // its message with gRPC's prefix, as far as it came
	n    int
	room int // bytes of DATA that the client may still send

	window int64  // bytes of DATA that we may still send
	rest   []byte // of the answer
	small  [64]byte
}

// maxFree is how many streams a connection keeps for the next calls.
const maxFree = 8

func (c *conn) newStream() *stream {
	st := &stream{}
	if n := len(c.free); n > 0 {
		st, c.free = c.free[n-1], c.free[:n-1]
	}
	*st = stream{room: streamWindow, window: c.initial, began: c.s.clock.Load(), limit: messageTicks}
	return st
}

// prefix is what comes before each message: whether it is compressed, and how long it is.
const prefix = 5

var (
	errNoMessage = status.Error(codes.Internal, "the request has no whole message")
	errMore      = status.Error(codes.Internal, "more than one message in a unary call")
	errFlag      = status.Error(codes.Internal, "compressed flag set, and not known how")
	errExpired   = status.Error(codes.DeadlineExceeded, "the message did not come in time")
)

// takeData takes a part of a message.
func (c *conn) takeData(f frame) error {
	st := c.streams[f.id]
	ended := f.flags.Has(http2.FlagDataEndStream)
	if f.id == 0 || c.idle(f.id) {
		return protocol("DATA of an idle stream")
	}
	data, err := unpad(f)
	if err != nil {
		return err
	}
	if c.room -= len(f.body); c.room < 0 {
		return connError{http2.ErrCodeFlowControl, "more DATA than the window allows"}
	}
	if c.room < connWindow/2 { // seldom: an update is a system call of its own for most clients
		c.out = appendNumber(c.out, http2.FrameWindowUpdate, 0, uint32(connWindow-c.room))
		c.room = connWindow
	}
	if st == nil || st.state != receiving { // perhaps it was answered early
		return c.spendIf(f.size < smallFrame)
	}
	if st.room -= len(f.body); st.room < 0 {
		c.reset(st.id, http2.ErrCodeFlowControl)
		c.drop(st)
		return nil
	}
	if st.room < streamWindow/2 && !ended {
		c.out = appendNumber(c.out, http2.FrameWindowUpdate, st.id, uint32(streamWindow-st.room))
		st.room = streamWindow
	}
	if len(data) == 0 && !ended {
		return c.spendIf(true)
	}
	if ended && st.n == 0 {
		c.whole(st, data) // where it lies
		return nil
	}
	if err := c.collect(st, data); err != nil {
		c.refuse(st.id, ended, err)
		c.drop(st)
	} else if ended {
		c.whole(st, (*st.buf)[:st.n])
	}
	return nil
}

// collect adds to a message.
func (c *conn) collect(st *stream, data []byte) error {
	total, announced := st.n+len(data), prefix
	if total >= prefix {
		var head [prefix]byte
		m := 0
		if st.n > 0 {
			m = copy(head[:], (*st.buf)[:st.n])
		}
		copy(head[m:], data)
		length := int(binary.BigEndian.Uint32(head[1:]))
		if err := c.s.acceptable(st, head[0], length); err != nil {
			return err
		}
		if announced += length; total > announced {
			return errMore
		}
	}
	if st.buf == nil || total > len(*st.buf) {
		if err := c.s.grow(st, total, announced); err != nil {
			return err
		}
	}
	copy((*st.buf)[st.n:], data)
	st.n = total
	return nil
}

// grow makes room for at least so many bytes of a message: rather by what came than by what was announced.
func (s *Server) grow(st *stream, total, announced int) error {
	const believed = 1 << 20
	held := 0
	if st.buf != nil {
		held = cap(*st.buf)
	}
	more := s.opt.Buffers.Get(max(total, min(announced, max(believed, 2*total))))
	if !s.hold(cap(*more) - held) {
		s.opt.Buffers.Put(more)
		return s.opt.Busy
	}
	if st.buf != nil {
		copy(*more, (*st.buf)[:st.n])
		s.opt.Buffers.Put(st.buf)
	}
	st.buf = more
	return nil
}

// acceptable judges a message by its prefix.
func (s *Server) acceptable(st *stream, flag byte, length int) error {
	switch {
	case flag > 1 || flag == 1 && st.compression == "":
		return errFlag
	case length > s.opt.MaxMessageBytes:
		return status.Errorf(codes.ResourceExhausted, "message of %d bytes is larger than %d", length, s.opt.MaxMessageBytes)
	}
	return nil
}

// whole does the call whose message is complete. Another goroutine may have the turn after it.
func (c *conn) whole(st *stream, b []byte) {
	err := errNoMessage
	if len(b) >= prefix {
		length := int(binary.BigEndian.Uint32(b[1:]))
		if err = c.s.acceptable(st, b[0], length); err == nil && length != len(b)-prefix {
			if err = errNoMessage; length < len(b)-prefix {
				err = errMore
			}
		}
	}
	if err != nil {
		c.answer(st, nil, err)
		return
	}
	compression := st.compression
	if b[0] == 0 {
		compression = ""
	}
	turn := c.turn
	c.working, c.inPlace, c.since, st.state = true, st.buf == nil, c.s.clock.Load(), working
	c.mu.Unlock()
	out, err := st.method(compression, b[prefix:])
	c.mu.Lock()
	if c.turn == turn {
		c.working = false
	}
	c.quota = min(c.quota+quotaOfCall, maxQuota)
	c.answer(st, out, err)
}

// drop forgets a stream. At work it counts as one until the method returns, though nobody waits.
func (c *conn) drop(st *stream) {
	if st.state == working {
		st.dead = true
		return
	}
	delete(c.streams, st.id)
	if st.rest = nil; st.state == answering {
		c.waiting = slices.DeleteFunc(c.waiting, func(w *stream) bool { return w == st })
	}
	if st.buf != nil {
		c.s.held.Add(int64(-cap(*st.buf)))
		c.s.opt.Buffers.Put(st.buf)
		st.buf = nil
	}
	if len(c.free) < maxFree {
		c.free = append(c.free, st)
	}
	if c.draining && len(c.streams) == 0 {
		c.end()
	}
}

// expire ends streams whose message, or whose client's window, did not come in time.
func (c *conn) expire(now int64) {
	for _, st := range c.streams {
		switch {
		case st.state == receiving && now-st.began > st.limit:
			c.refuse(st.id, false, errExpired)
			c.drop(st)
		case st.state == answering && now-st.began > messageTicks:
			c.reset(st.id, http2.ErrCodeCancel)
			c.drop(st)
		}
	}
}
