package dashboards_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"unship.dev"
	"unship.dev/dashboards"
	"unship.dev/dashboards/dashboardstest"
)

const gate = "/api/v1/releases/gate?wait=10m&version="

func TestTheGateAnswersAtOnceWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := full(t)
		for question, want := range map[string]unship.Verdict{
			"1.1.0&service=ledger":                             unship.Regressed,
			"2026.02.28-4&service=shop/checkout":               unship.Healthy,
			"1.1.0&service=ledger&environment=production":      unship.Regressed,
			"1.1.0&service=ledger&namespace=shop&environment=": unship.Regressed,
		} {
			began := time.Now()
			w := answerTo(h, request("GET", gate+question, ""))
			got := decode[dashboards.GateAnswer](t, w.Body.String())
			if got.Verdict != want || got.Release == nil || time.Since(began) > 0 {
				t.Errorf("%s: %s after %v; want %s at once", question, w.Body, time.Since(began), want)
			}
		}
	})
}

func TestTheGateWaitsForAVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, h := full(t)
		began := time.Now()
		go func() {
			<-time.After(30 * time.Second)
			src.PutRelease(dashboardstest.Release()) // nothing new: the gate waits on
			<-time.After(30 * time.Second)
			r := dashboardstest.Release()
			r.Verdict, r.Why = unship.Healthy, "no worse"
			src.PutRelease(r)
		}()
		w := answerTo(h, request("GET", gate+"3.4.0&service=cart", ""))
		if got := decode[dashboards.GateAnswer](t, w.Body.String()); got.Verdict != unship.Healthy || got.Why != "no worse" || time.Since(began) != time.Minute {
			t.Errorf("%s after %v; want healthy after 1m", w.Body, time.Since(began))
		}
	})
}

func TestTheGateGivesUpAtTheEndOfTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := full(t)
		for question, want := range map[string]unship.Verdict{"3.4.0&service=cart": unship.Inconclusive, "9.9.9&service=cart": unship.Unknown} {
			began := time.Now()
			w := answerTo(h, request("GET", gate+question, ""))
			if got := decode[dashboards.GateAnswer](t, w.Body.String()); got.Verdict != want || got.Why == "" || time.Since(began) != 10*time.Minute {
				t.Errorf("%s: %s after %v; want %s after 10m", question, w.Body, time.Since(began), want)
			}
		}
	})
}

func TestTheGateDoesNotWaitPastTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, h := full(t)
		r := dashboardstest.Release()
		r.Done = true
		src.PutRelease(r)
		began := time.Now()
		w := answerTo(h, request("GET", gate+"3.4.0&service=cart", ""))
		if got := decode[dashboards.GateAnswer](t, w.Body.String()); got.Verdict != unship.Inconclusive || time.Since(began) > 0 {
			t.Errorf("%s after %v; want inconclusive at once", w.Body, time.Since(began))
		}
	})
}

func TestTheGateAsksWhichOfTwoIsMeant(t *testing.T) {
	src, h := full(t)
	other := dashboardstest.Release()
	other.Namespace = "warehouse"
	src.PutRelease(other)
	w := answerTo(h, request("GET", gate+"3.4.0&service=cart", ""))
	got := decode[struct {
		Error      string
		Candidates []unship.ReleaseReport
	}](t, w.Body.String())
	if w.Code != 409 || len(got.Candidates) != 2 || !strings.Contains(got.Error, "warehouse") {
		t.Errorf("%d %s; want 409 and both candidates", w.Code, w.Body)
	}
}

// client is a response writer that keeps what it is sent.
type client struct {
	mu     sync.Mutex
	body   bytes.Buffer
	header http.Header
	slow   bool // refuses to take anything in time
}

func (c *client) Header() http.Header              { return c.header }
func (c *client) WriteHeader(int)                  {}
func (c *client) Flush()                           {}
func (c *client) SetWriteDeadline(time.Time) error { return nil }
func (c *client) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slow {
		return 0, errors.New("i/o timeout")
	}
	return c.body.Write(b)
}

// take gives what came since the last take.
func (c *client) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.body.Reset()
	return c.body.String()
}

// listen opens an event stream; the channel closes with it.
func listen(h http.Handler, ctx context.Context) (*client, <-chan struct{}) {
	c, done := &client{header: http.Header{}}, make(chan struct{})
	go func() {
		defer close(done)
		h.ServeHTTP(c, request("GET", "/api/v1/events", "").WithContext(ctx))
	}()
	synctest.Wait()
	return c, done
}

func TestEventsTellWhatChangedAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, h := full(t)
		ctx, leave := context.WithCancel(t.Context())
		c, done := listen(h, ctx)
		if got := c.take(); !strings.HasPrefix(got, "event: status\ndata: {") || strings.Count(got, "event: ") != 1 || c.header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("the stream begins with %q; want the status alone", got)
		}
		for range 50 { // a burst is told once
			r := dashboardstest.Release()
			r.Why = "changed\nin two lines"
			src.PutRelease(r)
		}
		<-time.After(time.Second)
		synctest.Wait()
		if got := c.take(); strings.Count(got, "event: release\n") != 1 || strings.Contains(got, "event: incident") || !strings.Contains(got, `changed\nin two lines`) {
			t.Errorf("after a burst of one release: %q", got)
		}
		src.PutIncident(dashboardstest.Resolved())
		<-time.After(time.Second)
		synctest.Wait()
		if got := c.take(); strings.Count(got, "event: incident\n") != 1 || strings.Contains(got, "event: release") {
			t.Errorf("after a changed incident: %q", got)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if got := strings.Count(c.take(), "event: status\n"); got != 4 {
			t.Errorf("%d heartbeats in a minute; want 4", got)
		}
		leave()
		<-done
	})
}

func TestSlowClientsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, h := full(t)
		c, done := listen(h, t.Context())
		c.mu.Lock()
		c.slow = true
		c.mu.Unlock()
		src.PutIncident(dashboardstest.Resolved())
		<-done
	})
}

func TestEventStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := full(t)
		ctx, leave := context.WithCancel(t.Context())
		var ends []<-chan struct{}
		for range 64 {
			_, done := listen(h, ctx)
			ends = append(ends, done)
		}
		if w := answerTo(h, request("GET", "/api/v1/events", "")); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("one too many: %d; want 503 and when to try again", w.Code)
		}
		leave()
		for _, done := range ends {
			<-done
		}
		c, done := listen(h, ctx)
		<-done
		if got := c.take(); !strings.Contains(got, "event: status") {
			t.Errorf("after others left: %q; want to be served", got)
		}
	})
}

// Over a real connection: flushing, deadlines and the end of a client work too.
func TestEventsOverHTTP(t *testing.T) {
	src, h := full(t)
	s := httptest.NewServer(h)
	defer s.Close()
	r, err := http.Get(s.URL + "/api/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var got strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(got.String(), `"status":"resolved"`) {
		n, err := r.Body.Read(buf)
		if err != nil {
			t.Fatalf("after %q: %v", got.String(), err)
		}
		got.Write(buf[:n])
		if strings.Count(got.String(), "event:") == 1 {
			src.PutIncident(dashboardstest.Resolved())
		}
	}
}
