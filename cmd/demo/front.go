package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"unship.dev/cmd/demo/proxy"
)

// front is the balancer in front of the shop.
type front struct {
	proxy.Balancer
	stats func(context.Context) (proxy.Stats, error)
	at    addresses // where each service takes requests
	shift []string  // how the action reaches it: kind and address
	close func()
}

// startFront starts the balancer that was asked for, with nothing behind it yet.
func startFront(ctx context.Context, ps *processes, kind string, services []string) (front, error) {
	if kind == "haproxy" {
		return startHAProxy(ctx, ps, services)
	}
	at, err := ps.role(ctx, "proxy", roleProxy, strings.Join(services, ","))
	if err != nil {
		return front{}, err
	}
	c := proxy.Client{Addr: at[control]}
	return front{Balancer: c, stats: c.Stats, at: at, shift: []string{"builtin", c.Addr}, close: func() {}}, nil
}

func startHAProxy(ctx context.Context, ps *processes, services []string) (f front, err error) {
	program, err := installHAProxy(ctx)
	if err != nil {
		return f, err
	}
	dir, err := os.MkdirTemp("", "shop") // the path of a socket must be short
	if err != nil {
		return f, err
	}
	h := proxy.HAProxy{Socket: filepath.Join(dir, "admin")}
	f = front{
		Balancer: h, stats: h.Stats, at: addresses{}, shift: []string{"haproxy", h.Socket},
		close: func() { os.RemoveAll(dir) },
	}
	addrs, err := freeAddresses(len(services))
	if err != nil {
		return f, err
	}
	var ends []proxy.Frontend
	for i, s := range services {
		f.at[s] = addrs[i]
		ends = append(ends, proxy.Frontend{Service: s, Addr: addrs[i]})
	}
	config := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(config, []byte(proxy.HAProxyConfig(h.Socket, ends)), 0o600); err != nil {
		return f, err
	}
	if _, err := ps.start("haproxy", program, "-db", "-f", config); err != nil {
		return f, err
	}
	return f, f.await(ctx, services[0])
}

// await waits until HAProxy answers on its admin socket.
func (f front) await(ctx context.Context, service string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, errors.New("HAProxy does not answer after 10 s"))
	defer cancel()
	for {
		if _, err := f.Servers(ctx, service); err == nil {
			return nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// installHAProxy finds HAProxy, or installs it where that can be done unasked.
func installHAProxy(ctx context.Context) (string, error) {
	if path, err := exec.LookPath("haproxy"); err == nil {
		return path, nil
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		return "", errors.New("HAProxy is not installed; install it (apt-get install haproxy) or leave --proxy haproxy out")
	}
	cmd := exec.CommandContext(ctx, apt, "install", "-y", "--no-install-recommends", "haproxy")
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install HAProxy with apt-get: %w: %s", err, lastLine(out))
	}
	return exec.LookPath("haproxy")
}

func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// freeAddresses finds addresses for programs that cannot choose their own. All
// are held until the last is found, so that no two are the same.
func freeAddresses(n int) ([]string, error) {
	out := make([]string, n)
	for i := range out {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		out[i] = l.Addr().String()
	}
	return out, nil
}
