package cmd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"unship.dev"
	"unship.dev/ingest/otlp"
)

func (p *Program) serve() *cobra.Command {
	var file string
	var flags struct{ http, grpc, otlpHTTP, state, level, format string }
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Receive telemetry, judge releases, roll back the guilty one",
		Long: `Receives OTLP on :4317 (gRPC) and :4318 (HTTP), serves the page and the API on
:8080, and keeps its state in ./unship-data. It needs no configuration: without
one it observes, reports, and touches nothing.

The configuration file comes first, then the environment (UNSHIP_LISTEN_HTTP,
UNSHIP_LISTEN_OTLP_GRPC, UNSHIP_LISTEN_OTLP_HTTP, UNSHIP_STATE), then the flags.`,
		Example: "  unship serve\n  unship serve -c unship.yaml --log-format json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.config(file, unship.ModeObserve)
			if err != nil {
				return err
			}
			p.override(&c.Listen.HTTP, "UNSHIP_LISTEN_HTTP", flags.http)
			p.override(&c.Listen.OTLPGRPC, "UNSHIP_LISTEN_OTLP_GRPC", flags.grpc)
			p.override(&c.Listen.OTLPHTTP, "UNSHIP_LISTEN_OTLP_HTTP", flags.otlpHTTP)
			p.override(&c.State, "UNSHIP_STATE", flags.state)
			log, err := p.logger(flags.level, flags.format)
			if err != nil {
				return err
			}
			p.saveMemory()
			err = p.runServe(cmd.Context(), c, log)
			if cmd.Context().Err() != nil && errors.Is(err, context.Canceled) {
				return nil // asked to end while it was starting
			}
			return failed(err)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "config", "c", "", "configuration file")
	f.StringVar(&flags.http, "listen-http", "", "address of the page and the API (default :8080)")
	f.StringVar(&flags.grpc, "listen-otlp-grpc", "", "address for OTLP over gRPC (default :4317)")
	f.StringVar(&flags.otlpHTTP, "listen-otlp-http", "", "address for OTLP over HTTP (default :4318)")
	f.StringVar(&flags.state, "state", "", "folder of the durable state (default ./unship-data)")
	f.StringVar(&flags.level, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&flags.format, "log-format", "", "text or json (default: text on a terminal, else json)")
	return cmd
}

// saveMemory lets the heap grow by less than Go usually does until it is collected, unless
// GOGC says how much. Most of what serve holds are spans that wait for their window to
// close; they have no pointers to follow, so that to collect costs little.
func (p *Program) saveMemory() {
	const percent = 50
	if _, set := p.Env("GOGC"); !set {
		debug.SetGCPercent(percent)
	}
}

// override lets the environment, then a flag, replace what the file says.
func (p *Program) override(value *string, env, flag string) {
	if v, ok := p.Env(env); ok && v != "" {
		*value = v
	}
	if flag != "" {
		*value = flag
	}
}

func (p *Program) logger(level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level is %q; want debug, info, warn or error", level)
	}
	if format == "" {
		format = "json"
		if newProgress(p.Err, false).out != nil {
			format = "text"
		}
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(p.Err, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(p.Err, options)), nil
	}
	return nil, fmt.Errorf("--log-format is %q; want text or json", format)
}

// listeners are opened before anything else: a port that is taken is a mistake
// to be told at once, and an address with port 0 is known from here on.
type listeners struct{ http, grpc, otlpHTTP net.Listener }

func (c Config) open(ctx context.Context) (l listeners, err error) {
	var lc net.ListenConfig
	for _, x := range []struct {
		at   *net.Listener
		addr string
		what string
	}{
		{&l.http, c.Listen.HTTP, "listen.http"},
		{&l.grpc, c.Listen.OTLPGRPC, "listen.otlp_grpc"},
		{&l.otlpHTTP, c.Listen.OTLPHTTP, "listen.otlp_http"},
	} {
		if *x.at, err = lc.Listen(ctx, "tcp", x.addr); err != nil {
			l.close()
			return l, fmt.Errorf("listen on %s (%s): %w; stop what uses it, or choose another address", x.addr, x.what, err)
		}
	}
	return l, nil
}

func (l listeners) close() {
	for _, x := range []net.Listener{l.http, l.grpc, l.otlpHTTP} {
		if x != nil {
			x.Close()
		}
	}
}

// runServe runs the service until ctx ends and everything has drained: first the
// receivers, then the judging, then the page.
func (p *Program) runServe(ctx context.Context, c Config, log *slog.Logger) error {
	tlsConfig, err := c.TLS.load()
	if err != nil {
		return err
	}
	l, err := openLive(ctx, c, p.Actions, log)
	if err != nil {
		return err
	}
	defer l.close()
	ports, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer ports.close()
	receiver, err := otlp.New(otlp.Options{
		GRPC: ports.grpc, HTTP: ports.otlpHTTP, MaxMessageBytes: int(c.Limits.Message),
		Journal: walJournal{l.wal, &l.walFull}, TLS: tlsConfig, Tokens: secrets(c.Auth.tokens("send")), Logger: log,
	}, l.agg)
	if err != nil {
		return err
	}
	page, err := l.page(ports)
	if err != nil {
		return err
	}
	l.announceStart(ports)
	return l.runAll(ctx, receiver, &http.Server{Handler: page, ReadHeaderTimeout: 10 * time.Second, TLSConfig: tlsConfig}, ports.http)
}

// runAll runs the parts, and ends them in the order in which telemetry flows.
func (l *live) runAll(ctx context.Context, receiver *otlp.Server, server *http.Server, port net.Listener) error {
	judging, stopJudging := context.WithCancel(context.WithoutCancel(ctx))
	defer stopJudging()
	var g errgroup.Group
	ended, cancel := context.WithCancel(ctx)
	defer cancel()
	part := func(run func() error) {
		g.Go(func() error {
			defer cancel() // one part's end is everybody's
			return run()
		})
	}
	part(func() error {
		defer stopJudging()
		return receiver.Run(ended)
	})
	part(func() error {
		defer shutdown(server)
		return l.run(judging)
	})
	part(func() error { return serveHTTP(server, port) })
	if l.slack != nil {
		part(func() error { return l.slack.Run(judging) })
	}
	err := g.Wait()
	l.log.Info("stopped", "watermark", l.pipe.At())
	return err
}

func serveHTTP(server *http.Server, port net.Listener) error {
	if server.TLSConfig != nil {
		port = tls.NewListener(port, server.TLSConfig)
	}
	if err := server.Serve(port); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the page: %w", err)
	}
	return nil
}

// shutdown lets answers under way end; streams of events are cut after a moment.
func shutdown(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		server.Close()
	}
}

// announceStart says where everything is, and what is not protected.
func (l *live) announceStart(ports listeners) {
	l.log.Info("unship is ready", "version", Version(), "page", pageURL(ports.http, l.config.TLS.Cert != ""),
		"otlp_grpc", ports.grpc.Addr().String(), "otlp_http", ports.otlpHTTP.Addr().String(), "state", l.config.State)
	for _, w := range l.warnings() {
		l.log.Warn(w)
	}
}

// warnings are what people should know of how this service is set up.
func (l *live) warnings() (out []string) {
	c := l.config
	if len(c.Auth.tokens("act")) == 0 {
		out = append(out, "no token with role act is configured: approving, rejecting and announcing work from this machine only")
	}
	for _, policy := range c.Policies {
		if policy.Mode != unship.ModeObserve && len(policy.Actions) == 0 {
			out = append(out, fmt.Sprintf("policy %q is %s but names no actions: a rollback cannot be carried out", policy.Name, policy.Mode))
		}
	}
	return out
}

func pageURL(l net.Listener, tls bool) string {
	scheme := "http://"
	if tls {
		scheme = "https://"
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	if ip := net.ParseIP(strings.Trim(host, "[]")); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + net.JoinHostPort(host, port)
}

func secrets(tokens []Token) []string {
	out := make([]string, len(tokens))
	for i, t := range tokens {
		out[i] = t.Secret.Reveal()
	}
	return out
}
