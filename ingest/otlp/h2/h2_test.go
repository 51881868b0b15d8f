package h2

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// raw is a codec of messages that are bytes.
type raw struct{}

func (raw) Name() string { return "proto" }
func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}
func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// marked is a compressor that marks what it sends.
type marked struct{}

func (marked) Name() string { return "gzip" }
func (marked) Compress(w io.Writer) (io.WriteCloser, error) {
	_, err := w.Write([]byte("z"))
	return kept{w}, err
}
func (marked) Decompress(r io.Reader) (io.Reader, error) { return r, nil }

type kept struct{ io.Writer }

func (kept) Close() error { return nil }

var _ = func() bool { encoding.RegisterCompressor(marked{}); return true }()

func dial(t testing.TB, addr string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient(addr, append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}

func invoke(ctx context.Context, cc *grpc.ClientConn, method string, message []byte, opts ...grpc.CallOption) ([]byte, error) {
	var out []byte
	err := cc.Invoke(ctx, method, &message, &out, append(opts, grpc.ForceCodecV2(raw{}), grpc.MaxCallRecvMsgSize(64<<20))...)
	return out, err
}

// Messages of all sizes, many at once, come back as they were: beyond a frame, beyond the windows of both sides.
func TestClientOfGRPC(t *testing.T) {
	_, addr := serve(t, tick)
	cc := dial(t, addr)
	var group sync.WaitGroup
	for i := range 60 {
		group.Go(func() {
			size := []int{0, 1, 5, 1000, 16379, 16380, 16384, 100_000, 1 << 20, 3 << 20}[i%10]
			message := bytes.Repeat([]byte{byte(i)}, size)
			if out, err := invoke(t.Context(), cc, "/s/Echo", message); err != nil || !bytes.Equal(out, message) {
				t.Errorf("%d bytes: %d came back, %v", size, len(out), err)
			}
		})
	}
	group.Wait()
	if out, err := invoke(t.Context(), cc, "/s/Echo", []byte("m"), grpc.UseCompressor("gzip")); string(out) != "gzip:zm" {
		t.Errorf("compressed: %q, %v", out, err)
	}
	_, err := invoke(t.Context(), cc, "/s/Fail", nil)
	if s := status.Convert(err); s.Code() != codes.DataLoss || !strings.HasPrefix(s.Message(), "50 % är weg\nx") || len(s.Details()) != 1 {
		t.Errorf("the status that comes is %v with %v", err, s.Details())
	}
	if _, err := invoke(t.Context(), cc, "/s/Nothing", make([]byte, 4<<20)); status.Code(err) != codes.Unimplemented {
		t.Errorf("unknown method: %v", err)
	}
	for range 3 { // each is refused while most of it is still on its way
		if _, err := invoke(t.Context(), cc, "/s/Echo", make([]byte, 9<<20)); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("too large: %v", err)
		}
	}
	if _, err := invoke(t.Context(), cc, "/s/Echo", nil); err != nil {
		t.Error(err)
	}
}

func TestStrangersAreTurnedAwayBeforeTheirMessage(t *testing.T) {
	_, addr := serve(t, tick, func(o *Options) {
		o.Admit = func(a string) error {
			if a != "Bearer x" {
				return status.Error(codes.Unauthenticated, "who are you")
			}
			return nil
		}
	})
	c := connect(t, addr)
	id := c.open(usual("/s/Echo"), false) // and no message
	if a := c.read(id); a.headers["grpc-status"] != "16" {
		t.Errorf("a stranger: %v", a)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer x")
	if _, err := invoke(ctx, dial(t, addr), "/s/Echo", nil); err != nil {
		t.Error(err)
	}
}

func TestHeaders(t *testing.T) {
	_, addr := serve(t, tick)
	tests := []struct {
		name    string
		fields  []string
		message string
		want    map[string]string
	}{
		{"plain", usual("/s/Echo"), "\x00\x00\x00\x00\x01m", map[string]string{":status": "200", "grpc-status": "0", "content-type": "application/grpc"}},
		{"subtype", replaced(usual("/s/Echo"), "content-type", "application/grpc+proto"), "\x00\x00\x00\x00\x00", map[string]string{"grpc-status": "0"}},
		{"parameter", replaced(usual("/s/Echo"), "content-type", "application/grpc; x=y"), "\x00\x00\x00\x00\x00", map[string]string{"grpc-status": "0"}},
		{"other type", replaced(usual("/s/Echo"), "content-type", "application/grpcweb"), "", map[string]string{":status": "415", "grpc-status": "3"}},
		{"GET", replaced(usual("/s/Echo"), ":method", "GET"), "", map[string]string{":status": "405", "grpc-status": "13"}},
		{"unknown service", usual("/t/Echo"), "", map[string]string{":status": "200", "grpc-status": "12"}},
		{"unknown compression", usual("/s/Echo", "grpc-encoding", "br"), "", map[string]string{"grpc-status": "12", "grpc-accept-encoding": "gzip,identity"}},
		{"identity", usual("/s/Echo", "grpc-encoding", "identity"), "\x00\x00\x00\x00\x00", map[string]string{"grpc-status": "0"}},
		{"flag without compression", usual("/s/Echo"), "\x01\x00\x00\x00\x00", map[string]string{"grpc-status": "13"}},
		{"unknown flag", usual("/s/Echo", "grpc-encoding", "gzip"), "\x02\x00\x00\x00\x00", map[string]string{"grpc-status": "13"}},
		{"timeout", usual("/s/Echo", "grpc-timeout", "99999999H"), "\x00\x00\x00\x00\x00", map[string]string{"grpc-status": "0"}},
		{"timeout of no unit", usual("/s/Echo", "grpc-timeout", "100"), "", map[string]string{":status": "400", "grpc-status": "13"}},
		{"timeout too long", usual("/s/Echo", "grpc-timeout", "123456789S"), "", map[string]string{":status": "400", "grpc-status": "13"}},
		{"no message", usual("/s/Echo"), "", map[string]string{"grpc-status": "13"}},
		{"half a prefix", usual("/s/Echo"), "\x00\x00", map[string]string{"grpc-status": "13"}},
		{"half a message", usual("/s/Echo"), "\x00\x00\x00\x00\x09m", map[string]string{"grpc-status": "13"}},
		{"two messages", usual("/s/Echo"), "\x00\x00\x00\x00\x01m\x00\x00\x00\x00\x00", map[string]string{"grpc-status": "13"}},
		{"too large", usual("/s/Echo"), "\x00\x7f\x00\x00\x01m", map[string]string{"grpc-status": "8"}},
	}
	for _, pieces := range []bool{false, true} {
		c := connect(t, addr)
		for _, tt := range tests {
			id := c.open(tt.fields, false)
			for i := 0; pieces && i < len(tt.message); i++ { // each byte in a frame, with padding
				c.check(c.WriteDataPadded(id, false, []byte{tt.message[i]}, make([]byte, i)))
			}
			if pieces {
				c.check(c.WriteData(id, true, nil))
			} else {
				c.check(c.WriteData(id, true, []byte(tt.message)))
			}
			a := c.read(id)
			for k, want := range tt.want {
				if a.headers[k] != want {
					t.Errorf("%s: %v, want %s %s", tt.name, a, k, want)
				}
			}
		}
		id := c.open(usual("/s/Echo"), true)
		if a := c.read(id); a.headers["grpc-status"] != "13" {
			t.Errorf("no DATA at all: %v", a)
		}
		id = c.open(usual("/s/Echo"), false)
		c.check(c.WriteData(id, false, framed("m")))
		c.check(c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.encoded([]string{"x", "y"}), EndStream: true, EndHeaders: true}))
		if a := c.read(id); a.data != string(framed("m")) {
			t.Errorf("trailers: %v", a)
		}
		c.works()
	}
}

func replaced(fields []string, name, value string) []string {
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == name {
			fields[i+1] = value
		}
	}
	return fields
}

// A client whose window is small gets an answer piece by piece; a setting widens what is under way.
func TestTheClientsWindowsHold(t *testing.T) {
	_, addr := serve(t, tick)
	c := connect(t, addr, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3})
	id := c.call("/s/Echo", strings.Repeat("m", 100_000))
	got := 0
	for wide := false; ; {
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.DataFrame:
			got += len(f.Data())
			switch {
			case got < 10:
				c.check(c.WriteWindowUpdate(id, 2))
			case !wide:
				wide = true
				c.check(c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}))
			case got == 65535: // what the connection has, before it is told more
				c.check(c.WriteWindowUpdate(0, 1<<20))
			}
		case *http2.MetaHeadersFrame:
			if f.StreamEnded() {
				if got != 100_005 {
					t.Errorf("%d bytes came", got)
				}
				return
			}
		}
	}
}

// A call that waits holds up neither others of its connection nor pings, and is shown its own message to the end.
func TestACallThatWaits(t *testing.T) {
	leave := make(chan struct{})
	_, addr := serve(t, 3*time.Millisecond, func(o *Options) {
		o.Methods["/s/Wait"] = func(_ string, message []byte) ([]byte, error) {
			<-leave
			return bytes.Clone(message), nil
		}
	})
	c := connect(t, addr)
	var waiting []uint32
	for i := range maxStreams - 1 { // some arrive in one frame, some in two
		text := fmt.Sprintf("message %d", i)
		id := c.open(usual("/s/Wait"), false)
		if i%2 == 0 {
			c.check(c.WriteData(id, true, framed(text)))
		} else {
			c.check(c.WriteData(id, false, framed(text)[:3]))
			c.check(c.WriteData(id, true, framed(text)[3:]))
		}
		waiting = append(waiting, id)
	}
	for range 200 {
		c.works()
	}
	c.check(c.WriteRSTStream(waiting[0], http2.ErrCodeCancel)) // still counts: it is at work
	more := c.call("/s/Wait", "one more")
	if a := c.read(c.call("/s/Echo", "")); a.reset != http2.ErrCodeRefusedStream {
		t.Errorf("beyond the limit of streams: %v", a)
	}
	close(leave)
	got := map[uint32]string{}
	for len(got) < maxStreams-1 {
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := f.(*http2.DataFrame); ok {
			got[f.StreamID] = string(f.Data())
		}
	}
	for i, id := range waiting {
		if want := string(framed(fmt.Sprintf("message %d", i))); i > 0 && got[id] != want {
			t.Errorf("stream %d: %q, want %q", id, got[id], want)
		}
	}
	if got[waiting[0]] != "" || got[more] != string(framed("one more")) {
		t.Errorf("%q and %q", got[waiting[0]], got[more])
	}
}

func TestShutdown(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s, addr := serve(t, 10*time.Millisecond, func(o *Options) {
		o.Methods["/s/Wait"] = func(string, []byte) ([]byte, error) {
			close(entered)
			<-leave
			return []byte("done"), nil
		}
	})
	idle, busy, silent := connect(t, addr), connect(t, addr), bare(t, addr)
	idle.works()
	id := busy.call("/s/Wait", "")
	<-entered
	late := busy.call("/s/Echo", "read by whoever takes over")
	s.until(t, "read on", func(c *conn) bool { return len(c.streams) == 0 || c.last == late })
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.Background()) }()
	if a := idle.read(0); a.away != http2.ErrCodeNo {
		t.Errorf("idle: %v", a)
	}
	if a := silent.read(0); !a.over {
		t.Errorf("silent: %v", a)
	}
	if a := busy.read(late); a.data == "" {
		t.Errorf("before the end: %v", a)
	}
	busy.call("/s/Echo", "too late: the client was told that it does not count")
	close(leave)
	if a := busy.read(id); a.data != string(framed("done")) || a.away != http2.ErrCodeNo {
		t.Errorf("at work: %v", a)
	}
	if a := busy.read(0); !a.over {
		t.Errorf("at the end: %v", a)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("it still listens")
	}
}

func TestShutdownCutsWhatTakesTooLong(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s, addr := serve(t, tick, func(o *Options) {
		o.Methods["/s/Wait"] = func(string, []byte) ([]byte, error) {
			close(entered)
			<-leave
			return nil, nil
		}
	})
	c := connect(t, addr)
	id := c.call("/s/Wait", "")
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if a := c.read(id); !a.over {
		t.Errorf("cut: %v", a)
	}
	close(leave)
}

// A connection that says nothing keeps little, also if it once said much.
func TestIdleConnectionsAreSmall(t *testing.T) {
	s, addr := serve(t, 10*time.Millisecond)
	const count = 200
	before := heap()
	var clients []*client
	for range count {
		c := connect(t, addr)
		c.call("/s/Echo", strings.Repeat("m", 15_000))
		c.call("/s/Echo", strings.Repeat("m", 15_000))
		c.works()
		c.Framer = nil // it has buffers of its own
		clients = append(clients, c)
	}
	s.until(t, "small again", small)
	each := (heap() - before) / count
	t.Logf("%d bytes a connection, both ends", each)
	if each > 64<<10 {
		t.Errorf("%d bytes a connection", each)
	}
	for _, c := range clients {
		c.Framer = framer(c.nc)
		c.works()
	}
}

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}
