package cmd

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"
)

// progress shows on a terminal how far a long command is. On anything else it is silent.
type progress struct {
	out   io.Writer // nil: silent
	start time.Time
	last  time.Time
}

func newProgress(out io.Writer, quiet bool) *progress {
	f, ok := out.(*os.File)
	if quiet || !ok || !isTerminal(f) {
		return &progress{}
	}
	return &progress{out: out, start: time.Now()}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *progress) show(done, total int64) {
	if p.out == nil || total == 0 || time.Since(p.last) < 200*time.Millisecond {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.out, "\r%3d %%  %d of %d MB  %.1f MB/s ", 100*done/total, done>>20, total>>20,
		float64(done)/(1<<20)/max(time.Since(p.start).Seconds(), 0.001))
}

func (p *progress) done(read, _ int64) {
	if p.out == nil {
		return
	}
	took := time.Since(p.start)
	fmt.Fprintf(p.out, "\r100 %%  %.1f MB in %s: %.1f MB/s\n", float64(read)/(1<<20), took.Round(time.Millisecond),
		float64(read)/(1<<20)/max(took.Seconds(), 0.001))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
