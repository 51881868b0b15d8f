package journal_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/decide/journal"
	"unship.dev/decide/journal/journaltest"
)

func TestSuite(t *testing.T) {
	journaltest.Run(t, func(t *testing.T, place string) journaltest.Backend { return open(t, place) })
}

func open(t *testing.T, dir string) *journal.Store {
	t.Helper()
	s, err := journal.Open(t.Context(), dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// TestMain lets the test binary stand for a process that is killed: see crash.
func TestMain(m *testing.M) {
	if dir := os.Getenv("JOURNAL_TEST_CRASH"); dir != "" {
		crash(dir)
	}
	os.Exit(m.Run())
}

// crash commits one decision after the other, tells each on standard output
// once it is committed, and never ends by itself.
func crash(dir string) {
	ctx := context.Background()
	s, err := journal.Open(ctx, dir, journal.Options{})
	for k := 0; err == nil; k++ {
		id := fmt.Sprintf("d%06d", k)
		tick := journaltest.Tick(noon.Add(time.Duration(k)*time.Second), 3, 3)
		err = s.Commit(ctx, journal.Commit{
			Tick: &tick, Decisions: []unship.Decision{{ID: id, Order: unship.OrderRollback}}, States: map[string][]byte{"engine": []byte(id)},
		})
		if err == nil {
			fmt.Println(id)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestKilledInTheMiddle kills a real process and finds all that it was told is
// durable, whole steps only, and the lock let go.
func TestKilledInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		told := killAfter(t, dir, 20)
		s := open(t, dir)
		all, err := s.Unfinished(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ticks := 0
		for _, err := range s.Ticks(t.Context(), time.Time{}) {
			if err != nil {
				t.Fatal(err)
			}
			ticks++
		}
		state, err := s.State(t.Context(), "engine")
		if err != nil {
			t.Fatal(err)
		}
		last := all[len(all)-1].ID
		if last < told || string(state) < told || ticks != len(all) {
			t.Errorf("told %s; found decisions up to %s, state %s, %d ticks for %d decisions", told, last, state, ticks, len(all))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func killAfter(t *testing.T, dir string, commits int) (last string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self)
	c.Env = append(os.Environ(), "JOURNAL_TEST_CRASH="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for range commits {
		if _, err := fmt.Fscanln(out, &last); err != nil {
			t.Fatal("the process ended early: ", err)
		}
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // killed, as intended
	return last
}

func TestASecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	_, err := journal.Open(t.Context(), dir, journal.Options{})
	if !errors.Is(err, journal.ErrLocked) || !strings.Contains(err.Error(), "stop it, or choose another directory") {
		t.Errorf("opened twice in one process: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self)
	c.Env = append(os.Environ(), "JOURNAL_TEST_CRASH="+dir)
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "another process holds the journal") {
		t.Errorf("another process: %v, %s", err, out)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Close(); err != nil {
		t.Fatal("after closing: ", err)
	}
}

func TestDamagedAndNewerJournalsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, file string)
		want  error
		words string
	}{
		"not a database": {func(t *testing.T, file string) {
			if err := os.WriteFile(file, []byte(strings.Repeat("nonsense", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, journal.ErrCorrupt, "restore it from a backup"},
		"newer": {func(t *testing.T, file string) { execute(t, file, `UPDATE schema_version SET version = 99`) },
			journal.ErrNewer, "its schema is 99"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := open(t, dir).Close(); err != nil {
				t.Fatal(err)
			}
			c.spoil(t, filepath.Join(dir, journal.FileName))
			_, err := journal.Open(t.Context(), dir, journal.Options{})
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func execute(t *testing.T, file, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedTickIsAnErrorWithItsReason(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	tick := journaltest.Tick(noon, 1, 1)
	if err := s.Commit(t.Context(), journal.Commit{Tick: &tick}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	execute(t, filepath.Join(dir, journal.FileName), `UPDATE ticks SET body = X'00112233'`)
	s = open(t, dir)
	defer func() { _ = s.Close() }()
	for _, err := range s.Ticks(t.Context(), time.Time{}) {
		if !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("got %v", err)
		}
	}
}

// TestAFullDiskLosesNothing: the commit that does not fit is refused whole, and
// after room was made the journal goes on.
func TestAFullDiskLosesNothing(t *testing.T) {
	s, err := journal.Open(t.Context(), t.TempDir(), journal.Options{MaxBytes: 400_000})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	n := 0
	for ; err == nil; n++ {
		err = s.Commit(t.Context(), journal.Commit{
			States:    map[string][]byte{fmt.Sprint("s", n): make([]byte, 20_000)},
			Decisions: []unship.Decision{{ID: fmt.Sprintf("d%03d", n), Order: unship.OrderRollback}},
		})
	}
	if !errors.Is(err, journal.ErrFull) {
		t.Fatalf("got %v", err)
	}
	all, err := s.Unfinished(t.Context())
	if err != nil || len(all) != n-1 || n < 5 {
		t.Errorf("%d of %d commits are there (%v)", len(all), n-1, err)
	}
	if err := s.Commit(t.Context(), journal.Commit{States: map[string][]byte{"s0": nil, "s1": nil, "small": []byte("fits")}}); err != nil {
		t.Errorf("after room was made: %v", err)
	}
}

func TestADirectoryThatCannotBeMadeIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := journal.Open(t.Context(), filepath.Join(file, "data"), journal.Options{})
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}

// TestReadersBesideAWriter: readers see whole steps while steps are written.
func TestReadersBesideAWriter(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a dir with ?odd #name%20"))
	defer func() { _ = s.Close() }()
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for range 30 {
				if _, err := s.Incidents(t.Context(), journal.Filter{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for k := range 50 {
		tick := journaltest.Tick(noon.Add(time.Duration(k)*time.Second), 1, 1)
		in := unship.Incident{ID: fmt.Sprint(k % 7), DetectedAt: noon}
		if err := s.Commit(t.Context(), journal.Commit{Tick: &tick, Incidents: []unship.Incident{in}}); err != nil {
			t.Fatal(err)
		}
	}
	readers.Wait()
}

// BenchmarkCommitTick stores ticks of 1,000 windows with 5 operations each.
func BenchmarkCommitTick(b *testing.B) {
	dir := b.TempDir()
	s, err := journal.Open(b.Context(), dir, journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	tick := journaltest.Tick(noon, 1000, 5)
	b.ReportAllocs()
	for b.Loop() {
		tick.Start = noon.Add(time.Duration(n) * 5 * time.Second)
		if err := s.Commit(b.Context(), journal.Commit{Tick: &tick}); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.StopTimer()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, journal.FileName))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/float64(n), "bytes/tick")
}

// BenchmarkReadTick reads one of them back.
func BenchmarkReadTick(b *testing.B) {
	s, err := journal.Open(b.Context(), b.TempDir(), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	tick := journaltest.Tick(noon, 1000, 5)
	if err := s.Commit(b.Context(), journal.Commit{Tick: &tick}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for _, err := range s.Ticks(b.Context(), time.Time{}) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkCommitSmall is a step that decides: one decision and the engine's state.
func BenchmarkCommitSmall(b *testing.B) {
	s, err := journal.Open(b.Context(), b.TempDir(), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	n := 0
	for b.Loop() {
		n++
		c := journal.Commit{
			Decisions: []unship.Decision{{ID: fmt.Sprint(n), Order: unship.OrderVerify}},
			States:    map[string][]byte{"engine": make([]byte, 4000)},
		}
		if err := s.Commit(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}
