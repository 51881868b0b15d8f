// Package shop is the demo's shop: small services that speak HTTP with each
// other and are instrumented by the OpenTelemetry SDK as anybody's would be.
//
//	users → gateway → catalog → store
//	                → cart    → store
//	                → orders  → payments → ledger → store
//	                          → store
//	                          → queue ⇢ shipping → store
//
// [Run] is one instance of one service: a process of its own in the demo.
// Work is waiting: it takes a few milliseconds and no CPU. Now and then it
// fails, as everywhere; a release can be made worse by a [Fault].
package shop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Namespace is the service.namespace of all services.
const Namespace = "shop"

// Environment is the deployment.environment.name of all services.
const Environment = "demo"

// Config is one instance.
type Config struct {
	Service   string            `json:"service"`
	Version   string            `json:"version"`
	Instance  string            `json:"instance"`  // service.instance.id
	Telemetry string            `json:"telemetry"` // host:port of an OTLP/gRPC receiver
	Upstreams map[string]string `json:"upstreams"` // host:port by service
	Fault     *Fault            `json:"fault,omitempty"`
}

// Fault is what a release does wrong.
type Fault struct {
	Operation string  `json:"operation"` // "POST /charges"
	Errors    float64 `json:"errors"`    // share of requests that fail
	Slower    float64 `json:"slower"`    // how many times as long its work takes
}

// HeaderFailure tells, on the way back to the user, why a request failed:
// [FailedByFault] or [FailedAsUsual]. A failure without it is nobody's intention.
const HeaderFailure = "Shop-Failure"

// The values of HeaderFailure.
const (
	FailedByFault = "fault"
	FailedAsUsual = "usual"
)

const callTimeout = 15 * time.Second

// instance is one running instance.
type instance struct {
	Config
	telemetry telemetry
	clients   map[string]*http.Client // by upstream
}

// Run serves until ctx ends and then finishes what is under way. ready is told
// the address as soon as requests are taken.
func Run(ctx context.Context, c Config, ready func(addr string)) error {
	tel, err := newTelemetry(ctx, c)
	if err != nil {
		return fmt.Errorf("start telemetry: %w", err)
	}
	i := &instance{Config: c, telemetry: tel, clients: map[string]*http.Client{}}
	for name := range c.Upstreams {
		i.clients[name] = tracedClient(name)
	}
	handler, background, err := i.routes()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: callTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	ready(l.Addr().String())
	background(ctx)
	<-ctx.Done()
	return i.close(server, served)
}

func (i *instance) close(server *http.Server, served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	err := server.Shutdown(ctx)
	if s := <-served; !errors.Is(s, http.ErrServerClosed) {
		err = errors.Join(err, s)
	}
	return errors.Join(err, i.telemetry.close(ctx))
}

// tracedClient calls one upstream; its spans say which.
func tracedClient(upstream string) *http.Client {
	base := &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Hour, DisableCompression: true}
	return &http.Client{
		Timeout: callTimeout,
		Transport: otelhttp.NewTransport(base,
			otelhttp.WithSpanOptions(trace.WithAttributes(attribute.String("peer.service", upstream)))),
	}
}
