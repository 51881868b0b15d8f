package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is something that takes OTLP.
type server struct {
	name    string
	command func(dir, grpc, http string) (*exec.Cmd, error) // dir is for its files
}

// rivalName is what the others are compared with.
const rivalName = "Collector"

const collectorConfig = `
receivers: {otlp: {protocols: {grpc: {endpoint: "%s", max_recv_msg_size_mib: 64}, http: {endpoint: "%s"}}}}
connectors: {spanmetrics: {dimensions: [{name: service.version}]}}
exporters: {prometheus: {endpoint: "127.0.0.1:0"}}
service:
  telemetry: {logs: {level: warn}, metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], exporters: [spanmetrics]}
    metrics: {receivers: [spanmetrics], exporters: [prometheus]}
`

func collectorServer(binary string) server {
	return server{rivalName, func(dir, grpc, http string) (*exec.Cmd, error) {
		file := filepath.Join(dir, "collector.yaml")
		err := os.WriteFile(file, fmt.Appendf(nil, collectorConfig, grpc, http), 0o600)
		return exec.Command(binary, "--config", file), err
	}}
}

func unshipServer(binary string) server {
	return server{"unship serve", func(dir, grpc, http string) (*exec.Cmd, error) {
		return exec.Command(binary, serveArgs(dir, grpc, http)...), nil
	}}
}

func serveArgs(dir, grpc, http string) []string {
	return []string{"serve", "--state", filepath.Join(dir, "state"), "--log-level", "warn",
		"--listen-http", "127.0.0.1:0", "--listen-otlp-grpc", grpc, "--listen-otlp-http", http}
}

func ingestServer() server {
	return server{"its ingest alone", func(_, grpc, http string) (*exec.Cmd, error) {
		self, err := os.Executable()
		return exec.Command(self, "-ingest", grpc+","+http), err
	}}
}

// process is a server that runs.
type process struct {
	grpc, http string // addresses
	dir        string
	cmd        *exec.Cmd
	log        bytes.Buffer
}

func (s server) start(ctx context.Context) (*process, error) {
	dir, err := os.MkdirTemp("", "unship-bench-")
	if err != nil {
		return nil, err
	}
	p := &process{dir: dir}
	if p.grpc, err = freePort(ctx); err == nil {
		p.http, err = freePort(ctx)
	}
	if err == nil {
		p.cmd, err = s.command(dir, p.grpc, p.http)
	}
	if err == nil {
		p.cmd.Stderr = &p.log
		err = p.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := p.listens(ctx); err != nil {
		return nil, errors.Join(err, p.stop(), fmt.Errorf("its log: %s", &p.log))
	}
	return p, nil
}

func freePort(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// listens waits until both ports answer.
func (p *process) listens(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var d net.Dialer
	for _, addr := range []string{p.grpc, p.http} {
		for {
			c, err := d.DialContext(ctx, "tcp", addr)
			if err == nil {
				c.Close()
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s does not listen: %w", addr, err)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

func (p *process) stop() error {
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	_ = p.cmd.Wait() // how it ends is its own affair
	return errors.Join(err, os.RemoveAll(p.dir))
}

// clockTick is the unit of times in /proc: Linux has had no other on any of its architectures for decades.
const clockTick = 10 * time.Millisecond

// cpu is the processor time that the process has used, in user mode and in the kernel.
func (p *process) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // behind the command's name
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat: %q", p.cmd.Process.Pid, text)
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * clockTick, errors.Join(err1, err2)
}

// peak is the largest resident set so far, in MB.
func (p *process) peak() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kb / 1000, err
		}
	}
	return 0, errors.New("/proc tells no peak of memory")
}
