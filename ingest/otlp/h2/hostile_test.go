package h2

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// Each of these breaks a rule of HTTP/2, and ends its connection with that error.
func TestWhatEndsAConnection(t *testing.T) {
	_, addr := serve(t, tick)
	headers := func(c *client, id uint32, block []byte, complete bool) {
		c.check(c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: complete}))
	}
	tests := []struct {
		name string
		want http2.ErrCode
		do   func(c *client)
	}{
		{"DATA of no stream", http2.ErrCodeProtocol, func(c *client) { c.check(c.WriteData(0, false, []byte("x"))) }},
		{"DATA of an idle stream", http2.ErrCodeProtocol, func(c *client) { c.check(c.WriteData(7, false, []byte("x"))) }},
		{"HEADERS of an even stream", http2.ErrCodeProtocol, func(c *client) { headers(c, 2, nil, true) }},
		{"HEADERS of no stream", http2.ErrCodeProtocol, func(c *client) { headers(c, 0, nil, true) }},
		{"broken HPACK", http2.ErrCodeCompression, func(c *client) { headers(c, 1, []byte{0xff, 0xff, 0xff, 0xff}, true) }},
		{"half an HPACK field", http2.ErrCodeCompression, func(c *client) { headers(c, 1, []byte{0x40, 0x05, 'a'}, true) }},
		{"something within headers", http2.ErrCodeProtocol, func(c *client) { headers(c, 1, nil, false); c.check(c.WritePing(false, [8]byte{})) }},
		{"CONTINUATION of another", http2.ErrCodeProtocol, func(c *client) { headers(c, 1, nil, false); c.check(c.WriteContinuation(3, true, nil)) }},
		{"CONTINUATION of nothing", http2.ErrCodeProtocol, func(c *client) { c.check(c.WriteContinuation(1, true, nil)) }},
		{"PUSH_PROMISE", http2.ErrCodeProtocol, func(c *client) { c.check(c.WriteRawFrame(http2.FramePushPromise, 4, 1, make([]byte, 4))) }},
		{"padding beyond the frame", http2.ErrCodeProtocol, func(c *client) {
			c.open(usual("/s/Echo"), false)
			c.check(c.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, 1, []byte{9, 1}))
		}},
		{"no room for padding", http2.ErrCodeProtocol, func(c *client) {
			c.open(usual("/s/Echo"), false)
			c.check(c.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, 1, nil))
		}},
		{"no room for a priority", http2.ErrCodeFrameSize, func(c *client) {
			c.check(c.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersPriority|http2.FlagHeadersEndHeaders, 1, make([]byte, 4)))
		}},
		{"large frame", http2.ErrCodeFrameSize, func(c *client) { c.check(c.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, maxFrame+1))) }},
		{"short PING", http2.ErrCodeFrameSize, func(c *client) { c.check(c.WriteRawFrame(http2.FramePing, 0, 0, make([]byte, 7))) }},
		{"PING of a stream", http2.ErrCodeProtocol, func(c *client) { c.check(c.WriteRawFrame(http2.FramePing, 0, 1, make([]byte, 8))) }},
		{"long RST_STREAM", http2.ErrCodeFrameSize, func(c *client) { c.check(c.WriteRawFrame(http2.FrameRSTStream, 0, 1, make([]byte, 5))) }},
		{"RST_STREAM of an idle stream", http2.ErrCodeProtocol, func(c *client) { c.check(c.WriteRSTStream(5, 0)) }},
		{"short PRIORITY", http2.ErrCodeFrameSize, func(c *client) { c.check(c.WriteRawFrame(http2.FramePriority, 0, 1, make([]byte, 4))) }},
		{"SETTINGS of a stream", http2.ErrCodeProtocol, func(c *client) { c.check(c.WriteRawFrame(http2.FrameSettings, 0, 1, nil)) }},
		{"half a setting", http2.ErrCodeFrameSize, func(c *client) { c.check(c.WriteRawFrame(http2.FrameSettings, 0, 0, make([]byte, 5))) }},
		{"a long acknowledgement", http2.ErrCodeFrameSize, func(c *client) { c.check(c.WriteRawFrame(http2.FrameSettings, 1, 0, make([]byte, 6))) }},
		{"a window too large", http2.ErrCodeFlowControl, func(c *client) {
			c.check(c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31}))
		}},
		{"frames too small", http2.ErrCodeProtocol, func(c *client) { c.check(c.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 100})) }},
		{"a window that overflows", http2.ErrCodeFlowControl, func(c *client) { c.check(c.WriteWindowUpdate(0, 1<<31-1)) }},
		{"no increment", http2.ErrCodeFlowControl, func(c *client) { c.check(c.WriteWindowUpdate(0, 0)) }},
		{"WINDOW_UPDATE of an idle stream", http2.ErrCodeProtocol, func(c *client) { c.check(c.WriteWindowUpdate(9, 1)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := connect(t, addr)
			tt.do(c)
			if a := c.read(0); a.away != tt.want || !a.over {
				t.Errorf("%v, want %v", a, tt.want)
			}
		})
	}
}

func TestWhoDoesNotSpeakHTTP2(t *testing.T) {
	_, addr := serve(t, tick)
	for _, first := range []string{"GET /v1/traces HTTP/1.1\r\nHost: x\r\n\r\n", http2.ClientPreface + "\x00\x00\x08\x06\x00\x00\x00\x00\x00pingping"} {
		c := bare(t, addr)
		c.send([]byte(first))
		if a := c.read(0); a.away != http2.ErrCodeProtocol || !a.over {
			t.Errorf("%q: %v", first, a)
		}
	}
}

// These end a stream, and nothing else.
func TestWhatEndsAStream(t *testing.T) {
	_, addr := serve(t, tick)
	c := connect(t, addr)
	for name, fields := range map[string][]string{
		"a capital letter":         usual("/s/Echo", "Grpc-Timeout", "1S"),
		"connection":               usual("/s/Echo", "connection", "close"),
		"an unknown pseudo-header": append([]string{":protocol", "x"}, usual("/s/Echo")...),
		"two paths":                append([]string{":path", "/x"}, usual("/s/Echo")...),
		"a late pseudo-header":     append(usual("/s/Echo")[2:], ":method", "POST"),
		"no path":                  {":method", "POST", ":scheme", "http"},
		"nothing":                  {},
	} {
		if a := c.read(c.open(fields, false)); a.reset != http2.ErrCodeProtocol {
			t.Errorf("%s: %v", name, a)
		}
	}
	id := c.open(usual("/s/Echo"), false)
	c.check(c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true}))
	if a := c.read(id); a.reset != http2.ErrCodeProtocol {
		t.Errorf("trailers that end nothing: %v", a)
	}
	id = c.open(usual("/s/Echo"), false)
	c.check(c.WriteWindowUpdate(id, 1<<31-1))
	if a := c.read(id); a.reset != http2.ErrCodeFlowControl {
		t.Errorf("a window that overflows: %v", a)
	}
	if a := c.read(c.open(usual("/s/Echo", "x", strings.Repeat("m", 20_000), "y", strings.Repeat("m", 20_000), "z", strings.Repeat("m", 40_000)), false)); a.headers["grpc-status"] != "8" {
		t.Errorf("headers too large: %v", a)
	}
	id = c.open(usual("/s/Echo"), false)
	c.check(c.WriteData(id, false, framed("m")))
	c.check(c.WriteRSTStream(id, http2.ErrCodeCancel))
	c.check(c.WriteData(id, true, nil)) // on its way when the client changed its mind
	c.check(c.WriteRawFrame(0x77, 0xff, 0, []byte("of an extension")))
	c.check(c.WritePriority(id+100, http2.PriorityParam{Weight: 1}))
	c.works()
}

// Whoever sends frames that do no work and little else is told to be calm.
func TestFloods(t *testing.T) {
	s, addr := serve(t, time.Hour) // nothing is given back
	floods := map[string]func(c *client){
		"PING":          func(c *client) { c.check(c.WritePing(false, [8]byte{})) },
		"PING answers":  func(c *client) { c.check(c.WritePing(true, [8]byte{})) },
		"SETTINGS":      func(c *client) { c.check(c.WriteSettings()) },
		"PRIORITY":      func(c *client) { c.check(c.WritePriority(1, http2.PriorityParam{})) },
		"WINDOW_UPDATE": func(c *client) { c.check(c.WriteWindowUpdate(0, 1)) },
		"unknown":       func(c *client) { c.check(c.WriteRawFrame(0x55, 0, 0, nil)) },
		"rapid reset": func(c *client) {
			c.check(c.WriteRSTStream(c.open(usual("/s/Echo"), false), http2.ErrCodeCancel))
		},
		"malformed": func(c *client) { c.open([]string{"x", "y"}, true) },
		"streams":   func(c *client) { c.open(usual("/s/Echo"), false) },
		"empty DATA": func(c *client) {
			if c.next == 1 {
				c.open(usual("/s/Echo"), false)
			}
			c.check(c.WriteData(1, false, nil))
		},
		"DATA of what is over": func(c *client) {
			if c.next == 1 {
				c.open([]string{"x", "y"}, true)
			}
			c.check(c.WriteData(1, false, []byte("x")))
		},
		"empty CONTINUATION": func(c *client) {
			if c.next == 1 {
				c.check(c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1}))
				c.next = 3
			}
			c.check(c.WriteContinuation(1, false, nil))
		},
		"full CONTINUATION": func(c *client) {
			if c.next == 1 {
				c.check(c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1}))
				c.next = 3
			}
			c.check(c.WriteContinuation(1, false, make([]byte, 16000)))
		},
	}
	for name, one := range floods {
		t.Run(name, func(t *testing.T) {
			c := connect(t, addr)
			for range maxQuota + maxStreams + 10 {
				one(c)
			}
			if a := c.read(0); a.away != http2.ErrCodeEnhanceYourCalm || !a.over {
				t.Error(a)
			}
		})
	}
	s.until(t, "gone", func(*conn) bool { return false })
	if held := s.held.Load(); held != 0 {
		t.Errorf("%d bytes are held", held)
	}
}

// A client that sends a message may send as many other frames as clients do.
func TestHonestClientsAreNotStopped(t *testing.T) {
	_, addr := serve(t, time.Hour)
	c := connect(t, addr)
	for range 2 * maxQuota {
		c.check(c.WritePing(false, [8]byte{}))
		c.check(c.WriteWindowUpdate(0, 5))
		c.works()
		c.check(c.WriteRSTStream(c.next-2, http2.ErrCodeCancel))
	}
}

// A window that is not kept ends the stream, or the connection.
func TestOurWindowsHold(t *testing.T) {
	s := New(options())
	c := newConn(s, nil)
	c.started, c.last, c.room = true, 1, 10
	st := c.newStream()
	st.id, st.room = 1, 3
	c.streams[1] = st
	if err := c.take(frame{kind: http2.FrameData, id: 1, body: make([]byte, 4)}); err != nil || c.streams[1] != nil {
		t.Errorf("beyond the stream's window: %v", err)
	}
	if err := c.take(frame{kind: http2.FrameData, id: 1, body: make([]byte, connWindow+1)}); err == nil {
		t.Error("beyond the connection's window, nothing")
	}
}

func TestSlowClients(t *testing.T) {
	_, addr := serve(t, 3*time.Millisecond)
	half := connect(t, addr)
	id := half.open(usual("/s/Echo"), false)
	half.check(half.WriteData(id, false, framed("mmm")[:6]))
	if a := half.read(id); a.headers["grpc-status"] != "4" {
		t.Errorf("half a message: %v", a)
	}
	id = half.open(usual("/s/Echo", "grpc-timeout", "1m"), false)
	if a := half.read(id); a.headers["grpc-status"] != "4" {
		t.Errorf("no message: %v", a)
	}
	half.works()
	if a := bare(t, addr).read(0); !a.over {
		t.Errorf("no preface: %v", a)
	}
	narrow := connect(t, addr, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	if a := narrow.read(narrow.call("/s/Echo", "m")); a.reset != http2.ErrCodeCancel {
		t.Errorf("no window: %v", a)
	}
	quiet := connect(t, addr)
	pings := 0
	for pings < 2 {
		f, err := quiet.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if p, ok := f.(*http2.PingFrame); ok {
			pings++
			quiet.check(quiet.WritePing(true, p.Data))
		}
	}
	if a := quiet.read(0); !a.over { // no more answers
		t.Errorf("dead: %v", a)
	}
}

// A client that does not read what it asked for is cut off.
func TestAClientThatDoesNotRead(t *testing.T) {
	_, addr := serve(t, 10*time.Millisecond)
	c := connect(t, addr, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
	c.check(c.WriteWindowUpdate(0, 1<<30))
	message := framed(strings.Repeat("m", 4<<20))
	for range 20 {
		c.write(c.open(usual("/s/Echo"), false), message)
	}
	if a := c.read(0); !a.over {
		t.Error(a)
	}
}

// Messages that are not whole have so much memory together and no more.
func TestMessagesUnderWayAreBounded(t *testing.T) {
	s, addr := serve(t, tick, func(o *Options) { o.MaxMessageBytes = 1 << 20 })
	part := framed(strings.Repeat("m", 1<<20))[:3*maxFrame]
	refused := 0
	var clients []*client
	for range 8 {
		c := connect(t, addr)
		c.works()
		id := c.open(usual("/s/Echo"), false)
		c.check(c.WriteData(id, false, part[:maxFrame]))
		c.check(c.WritePing(false, [8]byte{1}))
		clients = append(clients, c)
	}
	for _, c := range clients {
		for answered := false; !answered; {
			f, err := c.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			switch f := f.(type) {
			case *http2.MetaHeadersFrame:
				refused++
			case *http2.PingFrame:
				answered = f.IsAck()
			}
		}
	}
	if held := s.held.Load(); refused < 4 || held > maxHeld<<20 {
		t.Errorf("%d refused, %d bytes held", refused, held)
	}
}
