package wal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"unship.dev/ingest/wal"
)

func open(t *testing.T, dir string, o wal.Options) *wal.Log {
	t.Helper()
	l, err := wal.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// replayed gives what a fresh process would read back from dir.
func replayed(t *testing.T, dir string) (bodies []string, damage int) {
	t.Helper()
	l := open(t, dir, wal.Options{OnDamage: func(wal.Damage) { damage++ }})
	err := l.Replay(func(signal, encoding string, body []byte) error {
		bodies = append(bodies, signal+"/"+encoding+"/"+string(body))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return bodies, damage
}

func fill(t *testing.T, l *wal.Log, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := l.Append("traces", "protobuf", fmt.Appendf(nil, "body %d", i), false); err != nil {
			t.Fatal(err)
		}
	}
}

// What was appended is read back, without the log having been closed, as after kill -9.
func TestAppendSurvivesWithoutClose(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, wal.Options{SegmentBytes: 100})
	fill(t, l, 0, 50)
	got, damage := replayed(t, copied(t, dir))
	if len(got) != 50 || got[0] != "traces/protobuf/body 0" || got[49] != "traces/protobuf/body 49" || damage != 0 {
		t.Errorf("%d bodies, %d damaged; want 50 in order, none damaged: %v", len(got), damage, got)
	}
}

// Wherever the last write was cut, all whole records before it are read back.
func TestTornAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, wal.Options{})
	fill(t, l, 0, 4)
	segment := segments(t, dir)[0]
	whole, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	last := -1
	for cut := range len(whole) + 1 {
		torn := t.TempDir()
		if err := os.WriteFile(filepath.Join(torn, filepath.Base(segment)), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		got, _ := replayed(t, torn)
		if len(got) < last {
			t.Fatalf("cut at %d of %d: %d bodies, fewer than a shorter file gave", cut, len(whole), len(got))
		}
		last = len(got)
	}
	if last != 4 {
		t.Errorf("the whole file gives %d bodies; want 4", last)
	}
}

// A flipped byte costs what it is in, and is told; nothing is made up.
func TestDamageIsTold(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, wal.Options{})
	fill(t, l, 0, 5)
	segment := segments(t, dir)[0]
	whole, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		flipped := append([]byte{}, whole...)
		flipped[at] ^= 0x40
		other := t.TempDir()
		if err := os.WriteFile(filepath.Join(other, filepath.Base(segment)), flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		got, damage := replayed(t, other)
		if len(got) == 5 || damage == 0 {
			t.Fatalf("byte %d flipped: %d bodies, %d damaged", at, len(got), damage)
		}
	}
}

// Trim deletes the segments that lie before the watermark, and no others, also after a restart.
func TestTrim(t *testing.T) {
	dir := t.TempDir()
	start := time.Unix(1_800_000_000, 0)
	l := open(t, dir, wal.Options{})
	for i := range 3 {
		fill(t, l, i, i+1)
		if err := l.Rotate(start.Add(time.Duration(i) * time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, l, 3, 4)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, wal.Options{})
	if err := again.Trim(start.Add(90 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	got, _ := replayed(t, dir)
	if len(got) != 2 || got[0] != "traces/protobuf/body 2" || got[1] != "traces/protobuf/body 3" {
		t.Errorf("kept %v; want bodies 2 and 3", got)
	}
}

// A log that is full refuses, so that the sender tries again; it does not fail.
func TestFullLogRefuses(t *testing.T) {
	l := open(t, t.TempDir(), wal.Options{MaxBytes: 2000})
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = l.Append("traces", "protobuf", make([]byte, 100), false)
	}
	if err == nil {
		t.Error("1000 bodies of 100 bytes went into 2000 bytes")
	}
}

func TestConcurrentAppends(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, wal.Options{SegmentBytes: 1000})
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 50 {
				if err := l.Append("logs", "json", fmt.Appendf(nil, "%d %d", w, i), false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got, damage := replayed(t, copied(t, dir)); len(got) != 400 || damage != 0 {
		t.Errorf("%d bodies, %d damaged; want 400, none", len(got), damage)
	}
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no segment in %s: %v", dir, err)
	}
	return found
}

// copied is the folder as a killed process leaves it.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func FuzzReplay(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("UNSHWAL1\x05\x00\x00\x00\x00\x00\x00\x00abcde"))
	f.Fuzz(func(t *testing.T, segment []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "00000000000000000001.wal"), segment, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := wal.Open(dir, wal.Options{})
		if err != nil {
			return
		}
		defer l.Close()
		_ = l.Replay(func(string, string, []byte) error { return nil })
		if err := l.Append("traces", "protobuf", []byte("still works"), false); err != nil {
			t.Error(err)
		}
	})
}
