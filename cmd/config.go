package cmd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"unship.dev"
	"unship.dev/actions"
	"unship.dev/rules"
	"unship.dev/rules/document"
)

// Config is what users write in unship.yaml. Every field has a default; an
// empty file, or none, is a valid configuration.
type Config struct {
	Listen   Listen         `yaml:"listen"`
	State    string         `yaml:"state"`    // folder of the durable state
	Window   time.Duration  `yaml:"window"`   // span of event time that is judged as one
	Lateness time.Duration  `yaml:"lateness"` // how long a window waits for late telemetry, in event time
	Settle   time.Duration  `yaml:"settle"`   // after a service is first heard, its versions are what it began with and no releases
	Limits   Limits         `yaml:"limits"`
	Audit    Audit          `yaml:"audit"`
	TLS      TLS            `yaml:"tls"`
	Auth     Auth           `yaml:"auth"`
	Slack    Slack          `yaml:"slack"`
	Policies []rules.Policy `yaml:"policies"`

	mode unship.Mode // of the default policy: observe for serve, auto for replay
}

// Listen holds the addresses, "host:port"; an empty host is every interface.
type Listen struct {
	HTTP     string `yaml:"http"`
	OTLPGRPC string `yaml:"otlp_grpc"`
	OTLPHTTP string `yaml:"otlp_http"`
}

// Limits bound memory.
type Limits struct {
	Operations int            `yaml:"operations"` // kept apart per service; more are counted together
	Pending    document.Bytes `yaml:"pending"`    // telemetry in windows that are still open; beyond it senders are told to retry
	Message    document.Bytes `yaml:"message"`    // one OTLP request, inflated
}

// Audit says how much Unship checks its own verdicts.
type Audit struct {
	Placebos int `yaml:"placebos"` // releases that never were, watched at once over the whole estate; 0: none
}

// TLS names the PEM files of the OTLP and HTTP listeners. Without a certificate they speak plain text.
type TLS struct {
	Cert     string `yaml:"cert"`
	Key      string `yaml:"key"`
	ClientCA string `yaml:"client_ca"` // when set, senders must show a certificate that it signed
}

// Auth says who may do what. Without tokens, whatever can act is reachable from loopback only.
type Auth struct {
	Tokens []Token `yaml:"tokens"`
	// OpenReads lets everybody who reaches the page read without a token. Acting is never open.
	OpenReads bool `yaml:"open_reads"`
}

// Token is a bearer token of the HTTP API, or of the OTLP receivers with role "send".
type Token struct {
	Name   string          `yaml:"name"`
	Role   string          `yaml:"role"` // read, act or send
	Secret document.Secret `yaml:"secret"`
}

// Slack says where incidents are told. Without a token nothing is sent.
type Slack struct {
	Token   document.Secret `yaml:"token"`   // xoxb-…, with chat:write
	Channel string          `yaml:"channel"` // id or #name
	APIURL  string          `yaml:"api_url"` // of a proxy in front of Slack; empty: Slack itself
	PageURL string          `yaml:"page_url"`
}

// DefaultConfig is the configuration without a file. mode is that of the default policy.
func DefaultConfig(mode unship.Mode) Config {
	return Config{
		Listen:   Listen{HTTP: ":8080", OTLPGRPC: ":4317", OTLPHTTP: ":4318"},
		State:    "unship-data",
		Window:   5 * time.Second,
		Lateness: 10 * time.Second,
		Settle:   time.Minute,
		Limits:   Limits{Operations: 200, Pending: 512 << 20, Message: 64 << 20},
		Audit:    Audit{Placebos: 4},
		mode:     mode,
	}
}

// readConfig reads a file over the defaults. Every mistake is reported, all at
// once, as [document.Mistakes]. An empty path gives the defaults.
func readConfig(path string, mode unship.Mode, env document.Env, registry *actions.Registry) (Config, error) {
	c := DefaultConfig(mode)
	if path == "" {
		return c, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("read configuration: there is no file %s; leave -c out to run with the defaults", path)
	}
	if err != nil {
		return c, fmt.Errorf("read configuration: %w", err)
	}
	d := document.Parse(path, text, env)
	d.Decode(&c)
	c.validate(d)
	checkActions(c.Policies, registry, d)
	return c, d.Err()
}

// Set is the policies in order of precedence; the default policy comes last.
func (c Config) Set() rules.Set {
	return append(append(rules.Set{}, c.Policies...), rules.Default(c.mode))
}

func (c Config) validate(d *document.Document) {
	address := func(path, a string) {
		if _, _, err := net.SplitHostPort(a); err != nil {
			d.Wrong(path, "is %q; want host:port, such as 127.0.0.1:8080 or :8080", a)
		}
	}
	address("listen.http", c.Listen.HTTP)
	address("listen.otlp_grpc", c.Listen.OTLPGRPC)
	address("listen.otlp_http", c.Listen.OTLPHTTP)
	if c.Settle < c.Window || c.Settle > time.Hour {
		d.Wrong("settle", "is %v; want one window (%v) to 1h", c.Settle, c.Window)
	}
	if c.State == "" {
		d.Wrong("state", "is empty; name a folder")
	}
	if c.Window < time.Second || c.Window > time.Minute || time.Minute%c.Window != 0 {
		d.Wrong("window", "is %v; want 1s to 1m, a divisor of a minute", c.Window)
	}
	if c.Lateness < 0 || c.Lateness > 10*time.Minute {
		d.Wrong("lateness", "is %v; want 0s to 10m", c.Lateness)
	}
	c.Limits.validate(d)
	if c.Audit.Placebos < 0 || c.Audit.Placebos > 64 {
		d.Wrong("audit.placebos", "is %d; want 0 (none) to 64", c.Audit.Placebos)
	}
	c.TLS.validate(d)
	c.Auth.validate(d)
	c.Slack.validate(d)
	rules.Set(c.Policies).Validate("policies", d.Wrong)
}

func (l Limits) validate(d *document.Document) {
	if l.Operations < 1 || l.Operations > 10000 {
		d.Wrong("limits.operations", "is %d; want 1 to 10000", l.Operations)
	}
	if l.Pending < 1<<20 {
		d.Wrong("limits.pending", "is %v; want 1MiB or more", l.Pending)
	}
	if l.Message < 1<<10 || l.Message > 1<<30 {
		d.Wrong("limits.message", "is %v; want 1KiB to 1GiB", l.Message)
	}
}

func (t TLS) validate(d *document.Document) {
	if (t.Cert == "") != (t.Key == "") {
		d.Wrong("tls", "has only one of cert and key; want both or neither")
		return
	}
	if t.Cert == "" && t.ClientCA != "" {
		d.Wrong("tls.client_ca", "is set without cert and key; a listener needs its own certificate first")
	}
	if _, err := t.load(); err != nil {
		d.Wrong("tls", "%v", err)
	}
}

func (a Auth) validate(d *document.Document) {
	names := map[string]bool{}
	for i, t := range a.Tokens {
		at := fmt.Sprintf("auth.tokens[%d]", i)
		if t.Name == "" || names[t.Name] {
			d.Wrong(at+".name", "is %q; want a name of its own, it stands in the audit trail", t.Name)
		}
		names[t.Name] = true
		if t.Role != "read" && t.Role != "act" && t.Role != "send" {
			d.Wrong(at+".role", "is %q; want read, act or send", t.Role)
		}
		if len(t.Secret) < 16 {
			d.Wrong(at+".secret", "has %d characters; want at least 16", len(t.Secret))
		}
	}
}

func (s Slack) validate(d *document.Document) {
	if (s.Token == "") != (s.Channel == "") {
		d.Wrong("slack", "has only one of token and channel; want both or neither")
	}
}

// tokens gives the secrets of one role.
func (a Auth) tokens(roles ...string) (out []Token) {
	for _, t := range a.Tokens {
		for _, r := range roles {
			if t.Role == r {
				out = append(out, t)
			}
		}
	}
	return out
}

// load reads the certificate; nil when none is configured.
func (t TLS) load() (*tls.Config, error) {
	if t.Cert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("load certificate %s with key %s: %w", t.Cert, t.Key, err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if t.ClientCA == "" {
		return conf, nil
	}
	conf.ClientCAs, err = certPool(t.ClientCA)
	conf.ClientAuth = tls.RequireAndVerifyClientCert
	return conf, err
}
