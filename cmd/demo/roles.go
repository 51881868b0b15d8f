package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"unship.dev/actions/protocol"
	"unship.dev/cmd/demo/proxy"
	"unship.dev/cmd/demo/shop"
	"unship.dev/cmd/demo/users"
)

// The roles of the demo's processes. Each but shift takes its settings as one
// argument in JSON, and announces its addresses on standard output.
const (
	roleService = "service" // shop.Config
	roleProxy   = "proxy"   // the names of services
	roleUsers   = "users"   // crowdConfig
	roleShift   = "shift"   // "builtin" or "haproxy", its address, a folder for notes
)

// addresses are where a process listens, by name.
type addresses map[string]string

// control is the name of the address at which a process is controlled.
const control = "control"

// Process is one process of the demo; args are its role and what the role needs.
// It runs until ctx ends.
func Process(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errors.New("demo process: want a role and its settings; unship demo starts these processes")
	}
	role, settings := args[0], args[1]
	switch role {
	case roleService:
		var c shop.Config
		if err := json.Unmarshal([]byte(settings), &c); err != nil {
			return fmt.Errorf("read settings of service: %w", err)
		}
		runtime.GOMAXPROCS(1) // many small processes share the machine
		return shop.Run(ctx, c, func(addr string) { announce(addresses{c.Service: addr}) })
	case roleProxy:
		return runProxy(ctx, strings.Split(settings, ","))
	case roleUsers:
		return runUsers(ctx, settings)
	case roleShift:
		return runShift(ctx, args[1:])
	}
	return fmt.Errorf("demo process: there is no role %q", role)
}

func announce(a addresses) { _ = json.NewEncoder(os.Stdout).Encode(a) }

// runProxy is the built-in proxy: one address for each service, and one for control.
func runProxy(ctx context.Context, services []string) error {
	p := proxy.New()
	handlers := map[string]http.Handler{control: p.Control()}
	for _, s := range services {
		handlers[s] = p.Service(s)
	}
	return serve(ctx, handlers)
}

// crowdConfig is the settings of the users.
type crowdConfig struct {
	Target string  `json:"target"`
	Rate   float64 `json:"rate"` // requests a second
	Seed   uint64  `json:"seed"`
}

// runUsers lets users come until somebody posts to /stop, which answers once the last has an answer.
func runUsers(ctx context.Context, settings string) error {
	var c crowdConfig
	if err := json.Unmarshal([]byte(settings), &c); err != nil {
		return fmt.Errorf("read settings of users: %w", err)
	}
	crowd, gone := users.New(c.Target, c.Rate, c.Seed), make(chan struct{})
	coming, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer close(gone)
		crowd.Run(coming)
	}()
	mux := http.NewServeMux()
	stats := func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(crowd.Stats()) }
	mux.HandleFunc("GET /stats", stats)
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, r *http.Request) {
		stop()
		<-gone
		stats(w, r)
	})
	err := serve(ctx, map[string]http.Handler{control: mux})
	<-gone
	return err
}

// runShift answers one message of the exec action by shifting traffic.
func runShift(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("shift: want builtin or haproxy, its address, and a folder for notes")
	}
	s := proxy.Shift{Balancer: proxy.Client{Addr: args[1]}, Notes: args[2]}
	if args[0] == "haproxy" {
		s.Balancer = proxy.HAProxy{Socket: args[1]}
	}
	return protocol.Serve(ctx, s, os.Stdin, os.Stdout)
}

// serve serves each handler at an address of its own until ctx ends.
func serve(ctx context.Context, handlers map[string]http.Handler) error {
	at, errs := addresses{}, make(chan error, len(handlers))
	var servers []*http.Server
	for name, h := range handlers {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		at[name] = l.Addr().String()
		s := &http.Server{Handler: h, ReadHeaderTimeout: 30 * time.Second}
		servers = append(servers, s)
		go func() { errs <- s.Serve(l) }()
	}
	announce(at)
	var err error
	select {
	case <-ctx.Done():
	case err = <-errs:
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	for _, s := range servers {
		err = errors.Join(err, s.Shutdown(end))
	}
	return err
}
