package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestDemo is the whole of it, live: the shop, its users, two good releases that
// stay, a bad one that is found, taken back without a broken request, and
// verified; behind the demo's own proxy and behind a real HAProxy.
func TestDemo(t *testing.T) {
	for _, proxy := range []string{"builtin", "haproxy"} {
		t.Run(proxy, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			dir := filepath.Join(t.TempDir(), "demo")
			cmd := exec.CommandContext(ctx, unshipBinary(t), "demo", "--proxy", proxy, "--dir", dir)
			cmd.Env = append(os.Environ(), "NO_COLOR=1")
			out, err := cmd.CombinedOutput()
			t.Logf("%s", out)
			if err != nil {
				t.Fatalf("the demo ends with %v", err)
			}
			if report, err := os.ReadFile(filepath.Join(dir, "report.md")); err != nil || len(report) < 500 {
				t.Errorf("no report was written: %v, %d bytes", err, len(report))
			}
		})
	}
}
