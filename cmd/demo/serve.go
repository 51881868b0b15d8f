package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"unship.dev"
	"unship.dev/cmd/demo/users"
)

// startServe starts unship serve as any user would, with a configuration file,
// and gives the address of its page and that of its OTLP/gRPC receiver.
func (d *director) startServe(ctx context.Context) (page, otlp string, err error) {
	addrs, err := freeAddresses(3)
	if err != nil {
		return "", "", err
	}
	config := filepath.Join(d.dir, "unship.yaml")
	if err := os.WriteFile(config, []byte(d.config(addrs)), 0o600); err != nil {
		return "", "", err
	}
	if _, err := d.ps.start("unship-serve", d.ps.exe, "serve", "-c", config); err != nil {
		return "", "", err
	}
	page = "http://" + addrs[0]
	return page, addrs[1], eyes{page: page}.ready(ctx)
}

// config is the configuration of serve. Its one action is a program that shifts traffic.
func (d *director) config(addrs []string) string {
	command := append([]string{d.ps.exe, "demo-process", roleShift}, d.front.shift...)
	text, _ := json.Marshal(append(command, filepath.Join(d.dir, "notes"))) // a list in JSON is one in YAML
	return fmt.Sprintf(`# Made by unship demo.
listen: {http: %q, otlp_grpc: %q, otlp_http: %q}
state: %q
lateness: 3s
settle: 15s
policies:
  - name: demo
    mode: auto
    watch: 10m
    actions:
      - kind: exec
        timeout: 30s
        retries: 3
        with:
          command: %s
          verbs: [plan, apply, undo]
`, addrs[0], addrs[1], addrs[2], filepath.Join(d.dir, "state"), text)
}

// eyes read what unship serve and the users say.
type eyes struct {
	page  string // address of serve's page and API: http://host:port
	users string // host:port of the users' control
}

// incidents are all incidents, whatever their state.
func (e eyes) incidents(ctx context.Context) ([]unship.Incident, error) {
	var list struct {
		Incidents []unship.Incident `json:"incidents"`
	}
	return list.Incidents, read(ctx, http.MethodGet, e.page+"/api/v1/incidents", &list)
}

// releases are all releases by service and version.
func (e eyes) releases(ctx context.Context) (map[string]unship.ReleaseReport, error) {
	var list struct {
		Releases []unship.ReleaseReport `json:"releases"`
	}
	if err := read(ctx, http.MethodGet, e.page+"/api/v1/releases", &list); err != nil {
		return nil, err
	}
	by := map[string]unship.ReleaseReport{}
	for _, r := range list.Releases {
		by[r.Service+" "+r.Version] = r
	}
	return by, nil
}

// report is the Markdown report of an incident.
func (e eyes) report(ctx context.Context, incident string) ([]byte, error) {
	return fetch(ctx, http.MethodGet, e.page+"/api/v1/incidents/"+incident+"/report.md")
}

// ready waits until serve takes telemetry and requests.
func (e eyes) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, fmt.Errorf("unship serve is not ready after 30 s"))
	defer cancel()
	for {
		if _, err := fetch(ctx, http.MethodGet, e.page+"/readyz"); err == nil {
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func (e eyes) stats(ctx context.Context) (s users.Stats, err error) {
	return s, read(ctx, http.MethodGet, "http://"+e.users+"/stats", &s)
}

// stop sends no more users and waits until each has an answer.
func (e eyes) stop(ctx context.Context) (s users.Stats, err error) {
	return s, read(ctx, http.MethodPost, "http://"+e.users+"/stop", &s)
}

func read(ctx context.Context, method, url string, into any) error {
	body, err := fetch(ctx, method, url)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read %s: %w", url, err)
	}
	return nil
}

func fetch(ctx context.Context, method, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, strings.TrimSpace(string(body)))
	}
	return body, err
}

// pause waits; an error says why it was cut short.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
