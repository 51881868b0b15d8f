package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"unship.dev/actions"
	"unship.dev/actions/actiontest"
	"unship.dev/cmd/demo/proxy"
)

const service = "ledger" // as in actiontest.Request, with 1.1.0 and 1.0.0

// front is a balancer in front of the service, whichever it is.
type front struct {
	proxy.Balancer
	url   string
	stats func(context.Context) (proxy.Stats, error)
}

// fronts are the balancers that this machine has. HAProxy is tested where it is installed.
func fronts() map[string]func(*testing.T) front {
	all := map[string]func(*testing.T) front{"builtin": builtin, "builtin over its control API": remote}
	if _, err := exec.LookPath("haproxy"); err == nil {
		all["haproxy"] = haproxy
	}
	return all
}

func builtin(t *testing.T) front {
	p := proxy.New()
	s := httptest.NewServer(p.Service(service))
	t.Cleanup(s.Close)
	return front{p, s.URL, p.Stats}
}

func remote(t *testing.T) front {
	p := proxy.New()
	s, control := httptest.NewServer(p.Service(service)), httptest.NewServer(p.Control())
	t.Cleanup(s.Close)
	t.Cleanup(control.Close)
	c := proxy.Client{Addr: strings.TrimPrefix(control.URL, "http://")}
	return front{c, s.URL, c.Stats}
}

func haproxy(t *testing.T) front {
	dir, err := os.MkdirTemp("", "hap") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	h := proxy.HAProxy{Socket: filepath.Join(dir, "s")}
	config := filepath.Join(dir, "cfg")
	if err := os.WriteFile(config, []byte(proxy.HAProxyConfig(h.Socket, []proxy.Frontend{{Service: service, Addr: addr}})), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("haproxy", "-db", "-f", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		os.RemoveAll(dir)
	})
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := h.Servers(t.Context(), service); err == nil {
			return front{h, "http://" + addr, h.Stats}
		}
		if time.Now().After(deadline) {
			t.Fatal("haproxy does not start")
		}
	}
}

// instance is one server of the service; it counts what it answers.
type instance struct {
	*httptest.Server
	answered atomic.Int64
}

func start(t *testing.T, f front, version string, n, weight int) *instance {
	t.Helper()
	i := &instance{}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-time.After(3 * time.Millisecond)
		body, _ := io.ReadAll(r.Body)
		i.answered.Add(1)
		fmt.Fprintf(w, "%s %s", version, body)
	}))
	t.Cleanup(i.Close)
	s := proxy.Server{Name: proxy.ServerName(version, n), Addr: i.Listener.Addr().String(), Weight: weight}
	if err := f.Add(t.Context(), service, s); err != nil {
		t.Fatal(err)
	}
	return i
}

// users send GETs and POSTs over connections kept alive until stop is called.
func users(t *testing.T, url string, n int) (stop func() (ok int64)) {
	var ok atomic.Int64
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}}
	for i := range n {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := visit(client, url, i); err != nil {
					t.Error(err)
					return
				}
				ok.Add(1)
			}
		})
	}
	return func() int64 {
		cancel()
		all.Wait()
		client.CloseIdleConnections()
		return ok.Load()
	}
}

func visit(client *http.Client, url string, i int) error {
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if i%2 == 0 { // nobody may repeat a POST
		method, body = http.MethodPost, strings.NewReader("x")
	}
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	return err
}

func TestShiftUnderLoadLosesNothing(t *testing.T) {
	for name, make := range fronts() {
		t.Run(name, func(t *testing.T) {
			f := make(t)
			start(t, f, "1.0.0", 1, 1)
			start(t, f, "1.0.0", 2, 1)
			bad := start(t, f, "1.1.0", 1, 1)
			shift := proxy.Shift{Balancer: f, Notes: t.TempDir()}
			stop := users(t, f.url, 16)
			for i := range 20 {
				r := actiontest.Request(fmt.Sprint("d", i))
				if _, err := shift.Apply(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				drained := bad.answered.Load()
				<-time.After(20 * time.Millisecond)
				if now := bad.answered.Load(); now != drained {
					t.Errorf("shift %d: the drained server answered %d more requests", i, now-drained)
				}
				r.Undoes = r.Decision
				if _, err := shift.Undo(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				<-time.After(20 * time.Millisecond)
			}
			ok := stop()
			stats, err := f.stats(t.Context())
			if err != nil || stats.Failed > 0 || stats.Repeated > 0 || int64(stats.Requests) < ok || ok < 100 {
				t.Errorf("users got %d answers, the balancer counts %+v, error %v", ok, stats, err)
			}
			if bad.answered.Load() == 0 {
				t.Error("the version under test never got a request")
			}
		})
	}
}

func TestTrafficFollowsWeights(t *testing.T) {
	f := builtin(t)
	old := []*instance{start(t, f, "1.0.0", 1, 1), start(t, f, "1.0.0", 2, 1), start(t, f, "1.0.0", 3, 1)}
	canary := start(t, f, "1.1.0", 1, 2)
	for range 1000 {
		if err := visit(http.DefaultClient, f.url, 0); err != nil {
			t.Fatal(err)
		}
	}
	if got := canary.answered.Load(); got < 310 || got > 490 { // six deviations
		t.Errorf("the canary answered %d of 1,000 requests; want about 400", got)
	}
	if got := old[0].answered.Load(); got < 120 || got > 280 {
		t.Errorf("an old server answered %d of 1,000 requests; want about 200", got)
	}
}

func TestNobodyIsLeftWithoutTraffic(t *testing.T) {
	f := builtin(t)
	start(t, f, "1.0.0", 1, 1)
	if err := f.SetWeights(t.Context(), service, []proxy.Weight{{Server: "1.0.0_1"}}); err == nil {
		t.Error("the last server was taken out of traffic")
	}
	if err := f.SetWeights(t.Context(), service, []proxy.Weight{{Server: "9_9", Weight: 1}}); err == nil {
		t.Error("an unknown server got a weight")
	}
	shift := proxy.Shift{Balancer: f, Notes: t.TempDir()}
	r := actiontest.Request("d1")
	r.Target = "0.9.0"
	if _, err := shift.Apply(t.Context(), r); err == nil || !strings.Contains(err.Error(), "start one first") {
		t.Errorf("a shift to a version that nobody runs gave %v", err)
	}
}

func TestOwnErrorsAreCounted(t *testing.T) {
	p := proxy.New()
	s := httptest.NewServer(p.Service(service))
	defer s.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for i, want := range []int{http.StatusServiceUnavailable, http.StatusBadGateway} {
		resp, err := http.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if stats, _ := p.Stats(t.Context()); resp.StatusCode != want || stats.Failed != uint64(i+1) {
			t.Errorf("got status %d and %+v; want %d and %d failed", resp.StatusCode, stats, want, i+1)
		}
		if err := p.Add(t.Context(), service, proxy.Server{Name: "1_1", Addr: strings.TrimPrefix(gone.URL, "http://"), Weight: 1}); i == 0 && err != nil {
			t.Fatal(err)
		}
	}
}

// The shift is an action like any other and passes the suite of all actions.
func TestShiftConforms(t *testing.T) {
	fresh := map[string]proxy.Shift{}
	var mu sync.Mutex
	factory := actions.Factory{Kind: "shift", Summary: "shifts traffic", New: func(s actions.Settings) (actions.Action, error) {
		var set struct {
			Notes string `yaml:"notes"`
		}
		err := s.Decode(&set)
		mu.Lock()
		defer mu.Unlock()
		return fresh[set.Notes], err
	}}
	actiontest.Run(t, factory, actiontest.Env{New: func(t *testing.T) actiontest.Platform {
		f, notes := builtin(t), t.TempDir()
		start(t, f, "1.0.0", 1, 3)
		start(t, f, "1.1.0", 1, 2)
		mu.Lock()
		defer mu.Unlock()
		fresh[notes] = proxy.Shift{Balancer: f, Notes: notes}
		return actiontest.Platform{Settings: "notes: " + notes, State: func(t *testing.T) string {
			servers, err := f.Servers(t.Context(), service)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(servers)
		}}
	}})
}
