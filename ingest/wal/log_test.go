package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unship.dev/ingest/wal"
)

var epoch = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func add(t *testing.T, l *wal.Log, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		if err := l.Append("traces", "proto", []byte(b), false); err != nil {
			t.Fatal(err)
		}
	}
}

func replay(t *testing.T, l *wal.Log) (bodies []string) {
	t.Helper()
	if err := l.Replay(func(_, _ string, body []byte) error {
		bodies = append(bodies, string(body))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return bodies
}

func TestWhatWasAppendedIsReplayedInOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by [open]")
	l := open(t, dir, wal.Options{SegmentBytes: 100})
	var want []string
	for i := range 50 {
		body := []byte(strings.Repeat("x", i))
		signal, encoding := []string{"traces", "metrics", "logs"}[i%3], []string{"proto", "json"}[i%2]
		if err := l.Append(signal, encoding, body, false); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprint(signal, encoding, len(body)))
	}
	var got []string
	if err := open(t, dir, wal.Options{}).Replay(func(signal, encoding string, body []byte) error {
		got = append(got, fmt.Sprint(signal, encoding, len(body)))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) < 10 {
		t.Errorf("%d segments of about 100 bytes, %v; want ten or more", len(left), err)
	}
}

func TestTrimKeepsWhatIsNotBeforeTheWatermark(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, wal.Options{})
	for i := range 5 {
		add(t, l, fmt.Sprint(i))
		if err := l.Rotate(epoch.Add(time.Duration(i) * time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	add(t, l, "not rotated")
	if err := l.Trim(epoch.Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	want := []string{"2", "3", "4", "not rotated"}
	second := open(t, dir, wal.Options{})
	if diff := cmp.Diff(want, replay(t, second)); diff != "" {
		t.Error("after Trim", diff)
	}
	// What Rotate said is known after the restart, and what it did not see stays.
	if err := second.Trim(epoch.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"not rotated"}, replay(t, second)); diff != "" {
		t.Error("after the restart", diff)
	}
	if err := errors.Join(second.Rotate(time.Time{}), second.Trim(epoch)); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || second.Size() != 0 || len(left) != 0 {
		t.Errorf("%d bytes and %v left, %v", second.Size(), left, err)
	}
}

// TestRotateWithCountsWhatArrivesMeanwhile appends beside rotations, each request
// later than the one before it and counted before it is appended: a watermark just
// behind the last rotation never takes one that is later.
func TestRotateWithCountsWhatArrivesMeanwhile(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, wal.Options{})
	var latest atomic.Int64
	var work sync.WaitGroup
	work.Go(func() {
		for i := range 2000 {
			latest.Store(int64(i))
			if err := l.Append("traces", "proto", fmt.Append(nil, i), false); err != nil {
				t.Error(err)
			}
		}
	})
	trimmed := int64(-1)
	for trimmed < 1000 {
		told := int64(0)
		err := l.RotateWith(func() time.Time { told = latest.Load(); return epoch.Add(time.Duration(told)) })
		if err := errors.Join(err, l.Trim(epoch.Add(time.Duration(told)))); err != nil {
			t.Fatal(err)
		}
		trimmed = told
	}
	work.Wait()
	got := replay(t, open(t, dir, wal.Options{}))
	if want := 2000 - int(trimmed); len(got) < want {
		t.Errorf("%d requests left; want at least the %d not before the watermark", len(got), want)
	}
}

func TestReplayLeavesOutWhatIsAppendedAfterOpen(t *testing.T) {
	dir := t.TempDir()
	add(t, open(t, dir, wal.Options{}), "before")
	l := open(t, dir, wal.Options{})
	add(t, l, "after")
	if got := replay(t, l); !slices.Equal(got, []string{"before"}) {
		t.Errorf("replayed %q", got)
	}
}

func TestReplayStopsAtAnError(t *testing.T) {
	dir := t.TempDir()
	add(t, open(t, dir, wal.Options{}), "a", "b")
	stop, n := errors.New("stop"), 0
	err := open(t, dir, wal.Options{}).Replay(func(string, string, []byte) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("error %v after %d; want stop after 1", err, n)
	}
}

// TestSealedAfterAnyCut cuts a segment at each length, as a crash can: all whole
// requests come back, the rest is told, and the log goes on.
func TestSealedAfterAnyCut(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, wal.Options{})
	var ends []int64
	for i := range 4 {
		add(t, l, strings.Repeat("x", i*3))
		ends = append(ends, l.Size())
	}
	whole, err := os.ReadFile(segments(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) + 1 {
		dir := t.TempDir()
		name := filepath.Join(dir, "0000000000000007.wal")
		if err := os.WriteFile(name, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		told := 0
		torn := open(t, dir, wal.Options{OnDamage: func(wal.Damage) { told++ }})
		want, atEnd := 0, cut == 0 || cut == 8
		for _, end := range ends {
			if int64(cut) >= end {
				want++
			}
			atEnd = atEnd || int64(cut) == end
		}
		if got := len(replay(t, torn)); got != want || (told > 0) == atEnd {
			t.Errorf("cut at %d: %d requests, %d damages told; want %d requests", cut, got, told, want)
		}
		add(t, torn, "next")
		if err := torn.Rotate(epoch); err != nil {
			t.Fatal(err)
		}
		again := open(t, dir, wal.Options{OnDamage: func(d wal.Damage) { t.Errorf("cut at %d: damage after sealing: %+v", cut, d) }})
		if got := len(replay(t, again)); got != want+1 {
			t.Errorf("cut at %d: %d requests after sealing, want %d", cut, got, want+1)
		}
		if err := again.Trim(epoch.Add(1)); err != nil || again.Size() != 0 {
			t.Errorf("cut at %d: %d bytes after Trim, %v", cut, again.Size(), err)
		}
	}
}

func TestADamagedRequestHidesNoOther(t *testing.T) {
	dir := t.TempDir()
	add(t, open(t, dir, wal.Options{}), "first", "second", "third")
	name := segments(t, dir)[0]
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, bytes.Replace(content, []byte("second"), []byte("sECond"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	var told []wal.Damage
	got := replay(t, open(t, dir, wal.Options{OnDamage: func(d wal.Damage) { told = append(told, d) }}))
	if !slices.Equal(got, []string{"first", "third"}) || len(told) != 1 || told[0].Segment != name {
		t.Errorf("replayed %q, told %+v", got, told)
	}
}

func TestABodyThatEndsLikeAFooterIsNoFooter(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, wal.Options{})
	add(t, l, "x")
	if err := l.Rotate(epoch.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(segments(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	forged := string(content[len(content)-17:])
	add(t, l, forged)
	second := open(t, dir, wal.Options{})
	if err := second.Trim(epoch); err != nil {
		t.Fatal(err)
	}
	if got := replay(t, second); !slices.Equal(got, []string{forged}) {
		t.Errorf("replayed %q; want the request kept", got)
	}
}

func TestFullIsAnErrorUntilTrimmed(t *testing.T) {
	l := open(t, t.TempDir(), wal.Options{MaxBytes: 1000})
	var err error
	for err == nil {
		err = l.Append("logs", "json", make([]byte, 100), false)
	}
	if !errors.Is(err, wal.ErrFull) || l.Size() > 1000 {
		t.Fatalf("error %v at %d bytes; want ErrFull below 1000", err, l.Size())
	}
	if err := errors.Join(l.Rotate(epoch), l.Trim(epoch.Add(1))); err != nil {
		t.Fatal(err)
	}
	add(t, l, "room again")
}

func TestAppendAfterCloseIsAnError(t *testing.T) {
	l := open(t, t.TempDir(), wal.Options{})
	if err := errors.Join(l.Close(), l.Append("logs", "json", nil, false)); err == nil {
		t.Error("accepted after Close")
	}
}

func TestAForeignFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes.wal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := wal.Open(dir, wal.Options{}); err == nil || !strings.Contains(err.Error(), "notes.wal") {
		t.Errorf("error %v", err)
	}
}

func TestAppendsBesideRotations(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, wal.Options{SegmentBytes: 2000, Sync: true})
	var work sync.WaitGroup
	for g := range 8 {
		work.Go(func() {
			for i := range 50 {
				if err := l.Append("traces", "proto", fmt.Appendf(nil, "%d-%d", g, i), false); err != nil {
					t.Error(err)
				}
				if i%20 == 0 {
					if err := errors.Join(l.Rotate(epoch), l.Trim(epoch)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	work.Wait()
	got := replay(t, open(t, dir, wal.Options{}))
	slices.Sort(got)
	if len(slices.Compact(got)) != 400 {
		t.Errorf("%d requests, want 400", len(got))
	}
}

// TestKilled kills a process that appends for ever: every request that it said
// was appended is there.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("UNSHIP_TEST_WAL"); dir != "" {
		appendForever(dir)
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), "UNSHIP_TEST_WAL="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 0, 1<<16)
	for buf := make([]byte, 1024); bytes.Count(said, []byte("\n")) < 500; {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, buf[:n]...)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	got := replay(t, open(t, dir, wal.Options{}))
	for i := range bytes.Count(said, []byte("\n")) {
		if i >= len(got) || got[i] != fmt.Sprint(i) {
			t.Fatalf("acknowledged request %d is not among the %d replayed", i, len(got))
		}
	}
}

func appendForever(dir string) {
	l, err := wal.Open(dir, wal.Options{SegmentBytes: 4000})
	for i := 0; err == nil; i++ {
		if err = l.Append("traces", "proto", fmt.Append(nil, i), false); err == nil {
			fmt.Println(i)
		}
	}
	os.Exit(1)
}

func FuzzSeal(f *testing.F) {
	dir := f.TempDir()
	l, err := wal.Open(dir, wal.Options{})
	if err != nil {
		f.Fatal(err)
	}
	for _, body := range []string{"", "first", "second"} {
		if err := l.Append("traces", "proto", []byte(body), false); err != nil {
			f.Fatal(err)
		}
	}
	if err := l.Rotate(epoch); err != nil {
		f.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "0000000000000000.wal"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add(content[:20])
	f.Add([]byte("UNSHWAL1\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "1.wal"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, dir, wal.Options{})
		before := replay(t, l)
		add(t, l, "next")
		if err := l.Rotate(epoch); err != nil {
			t.Fatal(err)
		}
		if got := replay(t, open(t, dir, wal.Options{})); !slices.Equal(got, append(before, "next")) {
			t.Errorf("replayed %q, then %q", before, got)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	l, err := wal.Open(b.TempDir(), wal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 64<<10)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		err := l.Append("traces", "proto", body, false)
		if errors.Is(err, wal.ErrFull) {
			err = errors.Join(l.Rotate(epoch), l.Trim(epoch.Add(1)))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// Telemetry repeats itself: kept compressed, the log holds more of it. What does not, stays as it is.
func TestBodiesTakeLessRoomThanTheyHave(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, wal.Options{})
	noise := make([]byte, 4<<10)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	want := []string{strings.Repeat("service.name=web ", 1000), "short", string(noise), strings.Repeat("service.name=web ", 10)}
	add(t, l, want...)
	if size := l.Size(); size > 7<<10 {
		t.Errorf("%d bytes for what can be kept in 5 KiB or so", size)
	}
	if diff := cmp.Diff(want, replay(t, open(t, dir, wal.Options{}))); diff != "" {
		t.Error(diff)
	}
}
