package h2

import (
	"encoding/binary"
	"fmt"
	"math"

	"golang.org/x/net/http2"
)

const frameHeader = 9

// frame is a frame in the connection's buffer, until more is read; or a part of DATA.
type frame struct {
	kind  http2.FrameType
	flags http2.Flags
	id    uint32 // of the stream, or 0
	size  int    // of the whole
	body  []byte
}

// connError ends the connection.
type connError struct {
	code http2.ErrCode
	why  string
}

func (e connError) Error() string { return fmt.Sprintf("%v: %s", e.code, e.why) }

// protocol is the error of a client that does not keep to HTTP/2.
func protocol(why string) error { return connError{http2.ErrCodeProtocol, why} }

// start reads the client's preface, after our own was sent.
func (c *conn) start() error {
	if c.started {
		return nil
	}
	var own []byte
	for _, s := range []http2.Setting{
		{ID: http2.SettingMaxConcurrentStreams, Val: maxStreams},
		{ID: http2.SettingInitialWindowSize, Val: streamWindow},
		{ID: http2.SettingMaxHeaderListSize, Val: maxHeaderBytes},
	} {
		own = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(own, uint16(s.ID)), s.Val)
	}
	c.out = appendFrame(c.out, http2.FrameSettings, 0, 0, own)
	c.out = appendNumber(c.out, http2.FrameWindowUpdate, 0, connWindow-65535)
	if err := c.fill(len(http2.ClientPreface)); err != nil {
		return err
	}
	if string(c.in[c.r:c.r+len(http2.ClientPreface)]) != http2.ClientPreface {
		return protocol("no preface")
	}
	c.r += len(http2.ClientPreface)
	f, err := c.next()
	if err == nil && (f.kind != http2.FrameSettings || f.flags.Has(http2.FlagSettingsAck)) {
		return protocol("no settings first")
	}
	if err == nil {
		c.started = true
		err = c.take(f)
	}
	return err
}

// next gives the next frame.
func (c *conn) next() (f frame, err error) {
	if c.left > 0 {
		return c.nextPart()
	}
	if err := c.fill(frameHeader); err != nil {
		return f, err
	}
	h := c.in[c.r:]
	n := int(h[0])<<16 | int(h[1])<<8 | int(h[2])
	f.kind, f.flags, f.id, f.size = http2.FrameType(h[3]), http2.Flags(h[4]), binary.BigEndian.Uint32(h[5:])&math.MaxInt32, n
	if n > maxFrame {
		return f, connError{http2.ErrCodeFrameSize, "frame is too large"}
	}
	c.r += frameHeader
	if f.kind == http2.FrameData && !f.flags.Has(http2.FlagDataPadded) && n > c.w-c.r {
		c.part, c.left = f, n
		return c.nextPart()
	}
	if err := c.fill(n); err != nil {
		return f, err
	}
	f.body = c.in[c.r : c.r+n : c.r+n]
	c.r += n
	return f, nil
}

// nextPart gives what is there of a DATA frame, as a frame: to wait for all of it would be to move it about.
func (c *conn) nextPart() (frame, error) {
	if err := c.fill(1); err != nil {
		return c.part, err
	}
	f, n := c.part, min(c.left, c.w-c.r)
	f.body = c.in[c.r : c.r+n : c.r+n]
	c.r += n
	if c.left -= n; c.left > 0 {
		f.flags &^= http2.FlagDataEndStream
	}
	return f, nil
}

// sizes are those of frames that have one only.
var sizes = map[http2.FrameType]int{
	http2.FramePriority: 5, http2.FrameRSTStream: 4, http2.FramePing: 8, http2.FrameWindowUpdate: 4,
}

// take does what a frame asks for. It must not touch the buffer after a call: another
// goroutine may be reading by then.
func (c *conn) take(f frame) error {
	if c.ending {
		return nil
	}
	if c.opening != 0 && (f.kind != http2.FrameContinuation || f.id != c.opening) {
		return protocol("headers are not complete")
	}
	if n, ok := sizes[f.kind]; ok && len(f.body) != n {
		return connError{http2.ErrCodeFrameSize, fmt.Sprintf("%v of %d bytes", f.kind, len(f.body))}
	}
	switch f.kind {
	case http2.FrameData:
		return c.takeData(f)
	case http2.FrameHeaders, http2.FrameContinuation:
		return c.takeHeaders(f)
	}
	if err := c.spend(); err != nil {
		return err
	}
	return c.takeControl(f)
}

// takeControl takes what belongs to no message.
func (c *conn) takeControl(f frame) error {
	switch f.kind {
	case http2.FrameSettings:
		return c.takeSettings(f)
	case http2.FrameWindowUpdate:
		return c.takeWindow(f)
	case http2.FrameRSTStream:
		return c.takeReset(f)
	case http2.FramePing:
		if f.id != 0 {
			return protocol("PING of a stream")
		}
		if !f.flags.Has(http2.FlagPingAck) {
			c.out = appendFrame(c.out, http2.FramePing, http2.FlagPingAck, 0, f.body)
		}
	case http2.FramePushPromise:
		return protocol("PUSH_PROMISE of a client")
	case http2.FramePriority, http2.FrameGoAway: // nothing to do: the client closes when it has its answers
	}
	return nil
}

// spend accounts for a frame that does no work, or a stream that was for nothing. Each tick and
// each call gives some back: who sends such frames and little else is told to be calm. So
// floods of pings, settings, resets, priorities, empty frames end.
func (c *conn) spend() error { return c.spendIf(true) }

// smallFrame is a frame that does not cost its sender much either.
const smallFrame = 1 << 10

func (c *conn) spendIf(idle bool) error {
	if idle {
		c.quota--
	}
	if c.quota < 0 {
		return connError{http2.ErrCodeEnhanceYourCalm, "too many frames that do no work"}
	}
	return nil
}

func (c *conn) takeSettings(f frame) error {
	ack := f.flags.Has(http2.FlagSettingsAck)
	switch {
	case f.id != 0:
		return protocol("SETTINGS of a stream")
	case len(f.body)%6 != 0, ack && len(f.body) > 0:
		return connError{http2.ErrCodeFrameSize, "SETTINGS"}
	case ack:
		return nil
	}
	for b := f.body; len(b) > 0; b = b[6:] {
		s := http2.Setting{ID: http2.SettingID(binary.BigEndian.Uint16(b)), Val: binary.BigEndian.Uint32(b[2:])}
		if err := s.Valid(); err != nil {
			if s.ID == http2.SettingInitialWindowSize {
				return connError{http2.ErrCodeFlowControl, "initial window"}
			}
			return protocol("setting " + s.String())
		}
		if s.ID != http2.SettingInitialWindowSize {
			continue // our headers use no table, our frames are no larger than all take, and we push nothing
		}
		more := int64(s.Val) - c.initial
		c.initial = int64(s.Val)
		for _, st := range c.streams {
			if st.window += more; st.window > math.MaxInt32 {
				return connError{http2.ErrCodeFlowControl, "initial window"}
			}
		}
	}
	c.out = appendFrame(c.out, http2.FrameSettings, http2.FlagSettingsAck, 0, nil)
	c.release()
	return nil
}

func (c *conn) takeWindow(f frame) error {
	n := int64(binary.BigEndian.Uint32(f.body) & math.MaxInt32)
	switch st := c.streams[f.id]; {
	case f.id == 0:
		if c.window += n; n == 0 || c.window > math.MaxInt32 {
			return connError{http2.ErrCodeFlowControl, "window of the connection"}
		}
	case c.idle(f.id):
		return protocol("WINDOW_UPDATE of an idle stream")
	case st == nil:
		return nil
	default:
		if st.window += n; n == 0 || st.window > math.MaxInt32 {
			c.reset(st.id, http2.ErrCodeFlowControl)
			c.drop(st)
			return nil
		}
	}
	c.release()
	return nil
}

func (c *conn) takeReset(f frame) error {
	if f.id == 0 || c.idle(f.id) {
		return protocol("RST_STREAM of an idle stream")
	}
	if st := c.streams[f.id]; st != nil {
		c.drop(st)
	}
	return nil
}

// idle says that the client did not open a stream. Of those that it opens after it was told not to, nothing is known.
func (c *conn) idle(id uint32) bool { return id > c.last && !c.draining }

func (c *conn) reset(id uint32, code http2.ErrCode) {
	c.out = appendNumber(c.out, http2.FrameRSTStream, id, uint32(code))
}

func (c *conn) goAway(code http2.ErrCode) {
	body := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, c.last), uint32(code))
	c.out = appendFrame(c.out, http2.FrameGoAway, 0, 0, body)
}

func appendFrame(b []byte, kind http2.FrameType, flags http2.Flags, id uint32, body []byte) []byte {
	b = append(b, byte(len(body)>>16), byte(len(body)>>8), byte(len(body)), byte(kind), byte(flags))
	return append(binary.BigEndian.AppendUint32(b, id), body...)
}

func appendNumber(b []byte, kind http2.FrameType, id, n uint32) []byte {
	b = append(b, 0, 0, 4, byte(kind), 0)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, id), n)
}
