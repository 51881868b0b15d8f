package dashboards

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	maxListeners = 64               // open event streams
	heartbeat    = 15 * time.Second // keeps proxies from closing the stream, and shows that it lives
	writeWithin  = 10 * time.Second // a client slower than this is dropped
	gather       = 200 * time.Millisecond
)

// events streams what changes, as server-sent events. "incident" and "release"
// carry the whole object in its schema, "status" the service's own state; the
// first event is a status, and everything that changes after it is told.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	if s.feed.listeners.Add(1) > maxListeners {
		s.feed.listeners.Add(-1)
		w.Header().Set("Retry-After", "10")
		fail(w, http.StatusServiceUnavailable, "%d event streams are open, the most allowed; close one, or read the lists instead", maxListeners)
		return
	}
	defer s.feed.listeners.Add(-1)
	changed, stop := s.opt.Subscribe()
	defer stop()
	st := newStream(w)
	if err := s.follow(r.Context(), st, changed); err != nil && r.Context().Err() == nil {
		s.log.Warn("event stream dropped", "client.address", r.RemoteAddr, "error", err)
	}
}

// follow writes events until the client is gone or too slow.
func (s *Server) follow(ctx context.Context, st *stream, changed <-chan struct{}) error {
	now, err := s.feed.read(ctx, s.opt.Source, time.Now())
	if err != nil {
		return fmt.Errorf("read what to follow: %w", err)
	}
	st.know(now)
	if err := st.send("status", s.opt.Status()); err != nil {
		return err
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
			err = st.send("status", s.opt.Status())
		case <-changed:
			err = s.tell(ctx, st, time.Now())
		}
		if err != nil {
			return err
		}
	}
}

// tell sends everything that is not as the stream last told it. It waits a
// moment first: changes come in bursts, and all streams share one reading.
func (s *Server) tell(ctx context.Context, st *stream, heard time.Time) error {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(gather):
	}
	now, err := s.feed.read(ctx, s.opt.Source, heard)
	if err != nil {
		return fmt.Errorf("read what changed: %w", err)
	}
	for _, it := range now {
		if err := st.sendIfNew(it); err != nil {
			return err
		}
	}
	st.know(now)
	return st.send("status", s.opt.Status())
}

// stream writes server-sent events to one client.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	told    map[string][32]byte // what the client knows, by item
}

func newStream(w http.ResponseWriter) *stream {
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no")
	return &stream{w: w, control: http.NewResponseController(w)}
}

// know replaces what the client is taken to know, so that what has left the
// lists is forgotten.
func (st *stream) know(now []item) {
	st.told = make(map[string][32]byte, len(now))
	for _, it := range now {
		st.told[it.key] = it.sum
	}
}

func (st *stream) sendIfNew(it item) error {
	if st.told[it.key] == it.sum {
		return nil
	}
	return st.write(it.event, it.data)
}

func (st *stream) send(event string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write event %s: %w", event, err)
	}
	return st.write(event, data)
}

func (st *stream) write(event string, data []byte) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", event, data) // JSON has no line breaks
	if err := st.control.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return fmt.Errorf("bound the time to write: %w", err)
	}
	if _, err := st.w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write event %s: %w", event, err)
	}
	return st.control.Flush()
}
