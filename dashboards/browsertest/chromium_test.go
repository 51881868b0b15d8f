package browsertest

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var (
	install     = flag.Bool("install", false, "install Chromium with apt-get if it is missing")
	screenshots = flag.String("screenshots", "", "folder for pictures of the page")
)

// chromium finds the browser, or installs it where that was asked for.
func chromium(t *testing.T) string {
	t.Helper()
	if path := find(); path != "" {
		return path
	}
	if *install && os.Geteuid() == 0 {
		t.Log("installing chromium with apt-get")
		cmd := exec.CommandContext(t.Context(), "apt-get", "install", "-y", "--no-install-recommends", "chromium")
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("apt-get install chromium: %v\n%s", err, out)
		}
	}
	path := find()
	if path == "" {
		t.Fatal("these tests need Chromium: install it (Debian: apt-get install chromium) or run them as root with -install")
	}
	return path
}

func find() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// tab is one page in a browser of its own. Whatever the page throws or the
// browser refuses fails the test.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func open(t *testing.T) *tab {
	t.Helper()
	opts := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	opts = append(opts, chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WindowSize(1280, 900),
		chromedp.WSURLReadTimeout(time.Minute))
	browser, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(browser)
	t.Cleanup(closeTab)
	if err := chromedp.Run(ctx); err != nil { // starts the browser, which lives as long as this context
		t.Fatalf("start %s: %v", find(), err)
	}
	p := &tab{t, ctx}
	chromedp.ListenTarget(ctx, func(ev any) {
		if e, ok := ev.(*runtime.EventExceptionThrown); ok {
			t.Errorf("the page threw: %v", e.ExceptionDetails)
		}
	})
	return p
}

// do runs actions, each within half a minute.
func (p *tab) do(actions ...chromedp.Action) {
	p.t.Helper()
	for i, a := range actions {
		ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
		err := chromedp.Run(ctx, a)
		cancel()
		if err != nil {
			p.t.Fatalf("action %d: %v", i+1, err)
		}
	}
}

// until waits for an expression of the page to be true.
func (p *tab) until(expression string) {
	p.t.Helper()
	var ok bool
	p.do(chromedp.Poll(expression, &ok, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(25*time.Second)))
}

func (p *tab) text(selector string) (s string) {
	p.t.Helper()
	p.do(chromedp.Text(selector, &s, chromedp.ByQuery))
	return s
}

// picture saves the page as it looks in every width and palette.
func (p *tab) picture(name string) {
	if *screenshots == "" {
		return
	}
	p.t.Helper()
	for _, look := range []struct {
		name, scheme string
		width        int64
	}{{"light", "light", 1280}, {"dark", "dark", 1280}, {"phone", "light", 390}} {
		var png []byte
		p.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}),
			chromedp.EmulateViewport(look.width, 900), chromedp.FullScreenshot(&png, 100))
		if err := os.WriteFile(filepath.Join(*screenshots, name+"-"+look.name+".png"), png, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	p.do(chromedp.EmulateViewport(1280, 900))
}
