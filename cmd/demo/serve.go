package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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
