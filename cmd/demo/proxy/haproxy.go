package proxy

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HAProxy is a [Balancer] over the admin socket of a HAProxy that runs with the
// configuration of [HAProxyConfig].
type HAProxy struct {
	Socket string // path; below 100 bytes, or the system refuses it
}

// Frontend is the address at which HAProxy takes requests for a service.
type Frontend struct{ Service, Addr string }

// HAProxyConfig is a configuration with one backend for each service and no
// server yet. Nothing is retried: a request that fails is seen to fail.
func HAProxyConfig(socket string, frontends []Frontend) string {
	var b strings.Builder
	fmt.Fprintf(&b, `global
  stats socket %s mode 600 level admin
  maxconn 4000
  nbthread 1
defaults
  mode http
  retries 0
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 600s
`, socket)
	for _, f := range frontends {
		fmt.Fprintf(&b, "frontend in_%[1]s\n  bind %[2]s\n  default_backend %[1]s\nbackend %[1]s\n  balance roundrobin\n", f.Service, f.Addr)
	}
	return b.String()
}

// Servers lists what stands behind a service, sorted by name.
func (h HAProxy) Servers(ctx context.Context, service string) (out []Server, err error) {
	rows, err := h.stat(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if name := r["svname"]; r["pxname"] == service && name != "BACKEND" {
			out = append(out, Server{Name: name, Addr: r["addr"], Weight: number(r["weight"]), Busy: number(r["scur"])})
		}
	}
	slices.SortFunc(out, func(a, b Server) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Add puts a server behind a service.
func (h HAProxy) Add(ctx context.Context, service string, s Server) error {
	at := service + "/" + s.Name
	_, err := h.command(ctx, fmt.Sprintf("add server %s %s weight %d", at, s.Addr, s.Weight), "New server registered.")
	if err != nil {
		return err
	}
	_, err = h.command(ctx, "enable server "+at, "")
	return err
}

// SetWeights changes weights in one command line, in the order given. HAProxy
// carries them out one after the other: raise before lowering, or for a moment
// nobody takes the traffic.
func (h HAProxy) SetWeights(ctx context.Context, service string, weights []Weight) error {
	commands := make([]string, len(weights))
	for i, w := range weights {
		commands[i] = fmt.Sprintf("set server %s/%s weight %d", service, w.Server, w.Weight)
	}
	_, err := h.command(ctx, strings.Join(commands, "; "), "")
	return err
}

// Stats counts what HAProxy did so far.
func (h HAProxy) Stats(ctx context.Context) (s Stats, err error) {
	rows, err := h.stat(ctx)
	if err != nil {
		return s, err
	}
	for _, r := range rows {
		if r["svname"] == "BACKEND" {
			s.Requests += uint64(number(r["req_tot"]))
			s.Failed += uint64(number(r["econ"]) + number(r["eresp"]))
			s.Repeated += uint64(number(r["wretr"]) + number(r["wredis"]))
		}
	}
	return s, nil
}

// stat reads HAProxy's table of statistics, one map a row, backends and servers only.
func (h HAProxy) stat(ctx context.Context) ([]map[string]string, error) {
	text, err := h.command(ctx, "show stat -1 6 -1", "*")
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "# ")))
	r.FieldsPerRecord = -1
	table, err := r.ReadAll()
	if err != nil || len(table) == 0 {
		return nil, fmt.Errorf("read HAProxy's statistics: %w", err)
	}
	rows := make([]map[string]string, len(table)-1)
	for i, cells := range table[1:] {
		rows[i] = map[string]string{}
		for k, cell := range cells {
			if k < len(table[0]) {
				rows[i][table[0][k]] = cell
			}
		}
	}
	return rows, nil
}

// command gives HAProxy one line of commands. It answers with nothing, or with
// a complaint; want is an answer that is none, "*" any.
func (h HAProxy) command(ctx context.Context, line, want string) (string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", h.Socket)
	if err != nil {
		return "", fmt.Errorf("reach HAProxy: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return "", fmt.Errorf("give HAProxy a command: %w", err)
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		return "", fmt.Errorf("read HAProxy's answer: %w", err)
	}
	if said := strings.TrimSpace(string(text)); want != "*" && said != want {
		return "", fmt.Errorf("HAProxy refused %q: %s", line, said)
	}
	return string(text), nil
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
