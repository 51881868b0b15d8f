// Package e2e_test runs the whole program: real processes, real sockets, a real
// Collector, kill -9. Slow by nature; `make test-e2e`.
package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"unship.dev"
)

// unshipBinary builds the program once a test run.
var unshipBinary = build("unship", "unship.dev/cmd/unship", "")

// build gives a function that builds a command of this module, or of the module
// in dir, into a folder that outlives the test run only in Go's build cache.
func build(name, pkg, dir string) func(t *testing.T) string {
	var path string
	return func(t *testing.T) string {
		t.Helper()
		if path != "" {
			return path
		}
		folder, err := os.MkdirTemp("", "unship-e2e-")
		if err != nil {
			t.Fatal(err)
		}
		built = append(built, folder)
		out := filepath.Join(folder, name)
		cmd := exec.Command("go", "build", "-o", out, pkg)
		cmd.Dir = dir
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, text)
		}
		path = out
		return path
	}
}

var built []string

func TestMain(m *testing.M) {
	status := m.Run()
	for _, folder := range built {
		os.RemoveAll(folder)
	}
	os.Exit(status)
}

// server is a serve process.
type server struct {
	t                    *testing.T
	args                 []string
	http, grpc, otlpHTTP string // addresses
	state                string
	cmd                  *exec.Cmd
	log                  *bytes.Buffer
	ended                chan struct{}
}

// serve starts a serve process on free ports with the configuration text.
func serve(t *testing.T, config string) *server {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "unship.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, http: freePort(t), grpc: freePort(t), otlpHTTP: freePort(t), state: filepath.Join(dir, "state")}
	s.args = []string{"serve", "-c", file, "--state", s.state, "--log-format", "json",
		"--listen-http", s.http, "--listen-otlp-grpc", s.grpc, "--listen-otlp-http", s.otlpHTTP}
	s.start()
	t.Cleanup(func() {
		s.kill(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("log of serve:\n%s", tail(s.log.Bytes(), 8000))
		}
	})
	return s
}

func (s *server) start() {
	s.t.Helper()
	if s.log == nil {
		s.log = &bytes.Buffer{}
	}
	s.cmd = exec.Command(unshipBinary(s.t), s.args...)
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	s.ended = ended
	cmd := s.cmd
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	s.until("serve is ready", 30*time.Second, func() bool {
		resp, err := http.Get("http://" + s.http + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// kill ends the process with a signal and waits until it is gone.
func (s *server) kill(sig syscall.Signal) {
	_ = s.cmd.Process.Signal(sig)
	<-s.ended
}

// until polls a condition; the test fails when it does not come true in time.
func (s *server) until(what string, timeout time.Duration, ok func() bool) {
	s.t.Helper()
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		select {
		case <-poll.C:
		case <-deadline.C:
			s.t.Fatalf("in %v it did not come true that %s", timeout, what)
		}
	}
}

// get decodes an answer of the API.
func (s *server) get(path string, into any) {
	s.t.Helper()
	resp, err := http.Get("http://" + s.http + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s: %s: %s (%v)", path, resp.Status, text, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		s.t.Fatalf("GET %s: %v", path, err)
	}
}

func (s *server) incidents() []unship.Incident {
	s.t.Helper()
	var got struct {
		Incidents []unship.Incident `json:"incidents"`
	}
	s.get("/api/v1/incidents", &got)
	return got.Incidents
}

func (s *server) watermark() time.Time {
	s.t.Helper()
	var got struct {
		Watermark time.Time `json:"watermark"`
	}
	s.get("/api/v1/status", &got)
	return got.Watermark
}

// judgedUntil waits until the window is judged in which the last telemetry ended.
// Nothing need follow it: time moves on by itself in silence. No window after it is
// judged, for nothing was heard there.
func (s *server) judgedUntil(last time.Time) {
	s.t.Helper()
	s.until("everything is judged", 3*time.Minute, func() bool { return s.watermark().After(last.Add(10 * time.Second)) })
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// unshipCommand runs a command of the program to its end.
func unshipCommand(t *testing.T, args ...string) (stdout []byte, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, unshipBinary(t), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("unship %v did not end in time\n%s", args, errs.Bytes())
	}
	t.Logf("unship %v: %s", args[0], bytes.TrimSpace(tail(errs.Bytes(), 500)))
	return out.Bytes(), cmd.ProcessState.ExitCode()
}

func lines[T any](t *testing.T, text []byte, schema string) (out []T) {
	t.Helper()
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		if !bytes.Contains(line, []byte(fmt.Sprintf("%q", schema))) {
			continue
		}
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		out = append(out, v)
	}
	return out
}
