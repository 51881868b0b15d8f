package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryFormIsRead(t *testing.T) {
	announced := `{"service":"ledger","version":"1.1.0","at":"2026-03-02T09:00:09Z"}`
	dir := folder(t, map[string][]byte{
		"a/traces.jsonl":         []byte("\xef\xbb\xbf" + spanLine(after(1)) + "\n\n" + spanLine(after(2)) + "\r\n"),
		"a/metrics.jsonl.zst":    zstded([]byte(pointLine(after(3)))),
		"a/logs-2026.ndjson.gz":  gzipped([]byte(recordLine(after(4)) + "\n")),
		"b/traces.pb":            framed(must((&ptrace.ProtoMarshaler{}).MarshalTraces(spans(after(5))))),
		"b/metrics.pb.zst":       zstded(framed(must((&pmetric.ProtoMarshaler{}).MarshalMetrics(gauges(after(6)))))),
		"b/logs.binpb.gz":        gzipped(framed(must((&plog.ProtoMarshaler{}).MarshalLogs(records(after(7)))))),
		"rotated.jsonl.1":        []byte(spanLine(after(8))),
		"events.jsonl":           []byte(announced),
		"truth.json":             []byte("{\n \"service\": null\n}\n"),
		".hidden/traces.jsonl":   []byte("not read"),
		"README.md":              []byte("not read"),
		"empty.jsonl":            nil,
		"compressed-empty.jsonl": gzipped(nil),
	})
	items, _, broken := readAll(t, Options{}, dir)
	var got []string
	for _, i := range items {
		name, _ := filepath.Rel(dir, i.File)
		got = append(got, fmt.Sprint(i.At.Sub(epoch), " ", i.Kind, " ", name, ":", i.Line))
	}
	want := []string{"1s 1 a/traces.jsonl:1", "2s 1 a/traces.jsonl:3", "3s 2 a/metrics.jsonl.zst:1", "4s 3 a/logs-2026.ndjson.gz:1",
		"5s 1 b/traces.pb:1", "6s 2 b/metrics.pb.zst:1", "7s 3 b/logs.binpb.gz:1", "8s 1 rotated.jsonl.1:1", "9s 4 events.jsonl:1"}
	if diff := cmp.Diff(want, got); diff != "" || broken != 0 {
		t.Error(broken, "broken;", diff)
	}
}

func TestANamedFileIsReadWhateverItsName(t *testing.T) {
	dir := folder(t, map[string][]byte{"capture": []byte(spanLine(after(1))), "truth.json": []byte("{\n \"service\": null\n}\n")})
	items, _, broken := readAll(t, Options{}, filepath.Join(dir, "capture"), filepath.Join(dir, "truth.json"), filepath.Join(dir, "capture"))
	if len(items) != 1 || broken != 3 {
		t.Errorf("%d items, %d broken lines; want 1 and the 3 of truth.json", len(items), broken)
	}
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	for name, paths := range map[string][]string{"no such file": {"nowhere.jsonl"}, "nothing in": {t.TempDir()}, "no path": nil} {
		if _, err := Open(paths, Options{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Open(%q) = %v; want it to say %q", paths, err, name)
		}
	}
}

func TestBrokenLines(t *testing.T) {
	good := spanLine(after(1))
	dir := folder(t, map[string][]byte{
		"a.jsonl":    []byte(good + "\n" + good[:len(good)/2] + "\n{}\nhello\n{\"resourceSpans\":7}\n{\"service\":\"x\"}\n" + good),
		"b.jsonl.gz": gzipped([]byte(good + "\n" + good + "\n"))[:60],
		"c.pb":       append(framed(must((&ptrace.ProtoMarshaler{}).MarshalTraces(spans(after(2)))), []byte{0xff, 1, 2}), 0, 0),
	})
	var said []string
	items, _, broken := readAll(t, Options{OnError: func(e *LineError) {
		said = append(said, fmt.Sprintf("%s:%d", filepath.Base(e.File), e.Line))
	}}, dir)
	slices.Sort(said)
	want := []string{"a.jsonl:2", "a.jsonl:3", "a.jsonl:4", "a.jsonl:5", "a.jsonl:6", "b.jsonl.gz:1", "c.pb:2", "c.pb:3"}
	if diff := cmp.Diff(want, said); diff != "" || broken != len(want) || len(items) != 3 {
		t.Error(len(items), "items", broken, "broken", diff)
	}
}

func TestStrictStops(t *testing.T) {
	dir := folder(t, map[string][]byte{"a.jsonl": []byte(spanLine(after(1)) + "\nbroken\n" + spanLine(after(2)))})
	r, err := Open([]string{dir}, Options{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Next(context.Background()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err = r.Next(context.Background())
		if at, ok := errors.AsType[*LineError](err); !ok || at.Line != 2 {
			t.Fatalf("error %v; want the one of line 2", err)
		}
	}
}

func TestLongLinesAreTheErrorOfThatLine(t *testing.T) {
	good := spanLine(after(1))
	pb := must((&ptrace.ProtoMarshaler{}).MarshalTraces(spans(after(1))))
	dir := folder(t, map[string][]byte{
		"a.jsonl": []byte(good + "\n" + strings.Repeat("x", 1<<20) + "\n" + good),
		"b.jsonl": []byte(good + "\n" + strings.Repeat("y", 1<<20)),
		"c.pb":    framed(pb, make([]byte, 1<<20), pb),
	})
	items, _, broken := readAll(t, Options{MaxLine: 1 << 19}, dir)
	if len(items) != 5 || broken != 3 {
		t.Errorf("%d items, %d broken; want 5 and 3", len(items), broken)
	}
}

func TestMergedByTimeAndAlwaysTheSame(t *testing.T) {
	var a, b, c strings.Builder
	for i := range 300 {
		fmt.Fprintln(&a, spanLine(after(2*i)))
		fmt.Fprintln(&b, recordLine(after(2*i+1)))
		if i%30 == 0 {
			fmt.Fprintln(&c, pointLine(after(2*i)))
		}
	}
	dir := folder(t, map[string][]byte{"a.jsonl": []byte(a.String()), "b.jsonl": []byte(b.String()), "c.jsonl": []byte(c.String())})
	first, _, _ := readAll(t, Options{}, dir)
	if len(first) != 610 {
		t.Fatalf("%d items, want 610", len(first))
	}
	for i := 1; i < len(first); i++ {
		if first[i].At.Before(first[i-1].At) {
			t.Fatalf("item %d at %v comes after %v", i, first[i].At, first[i-1].At)
		}
	}
	where := func(i Item) string { return fmt.Sprint(i.File, i.Line) }
	for range 5 {
		again, _, _ := readAll(t, Options{}, dir)
		if !slices.EqualFunc(first, again, func(x, y Item) bool { return where(x) == where(y) }) {
			t.Fatal("another order")
		}
	}
}

// TestWrongClocks has one line in four tell a time an hour ahead, and some the year
// 2100 or 1970: the other file is still read beside it, not after it or before it.
func TestWrongClocks(t *testing.T) {
	var a, b strings.Builder
	for i := range 400 {
		at := after(i)
		switch {
		case i%4 == 1:
			at = at.Add(time.Hour)
		case i == 50, i == 399:
			at = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
		case i == 60:
			at = time.Unix(1, 0)
		}
		fmt.Fprintln(&a, spanLine(at))
		fmt.Fprintln(&b, recordLine(after(i)))
	}
	dir := folder(t, map[string][]byte{"a.jsonl": []byte(a.String()), "b.jsonl": []byte(b.String())})
	items, ceilings, _ := readAll(t, Options{}, dir)
	newest := map[string]int{}
	for i, item := range items {
		newest[filepath.Base(item.File)] = item.Line
		if apart := newest["a.jsonl"] - newest["b.jsonl"]; max(apart, -apart) > 5 && item.Line < 390 {
			t.Fatalf("item %d: the files are read %d seconds apart", i, apart)
		}
		now := after(item.Line)
		if item.Line >= 390 {
			continue // too little follows to outvote a clock
		}
		if ceilings[i].Before(now) || ceilings[i].After(now.Add(7*time.Minute)) {
			t.Fatalf("at %v the ceiling is %v", now, ceilings[i])
		}
	}
}

// Where for a moment most lines are ahead, by a day or as far as can be told, the lines after
// them are read at their time again, and what is believed with them. Requests are too large to look
// further ahead than to a few.
func TestAFewWrongTimesDoNoLastingHarm(t *testing.T) {
	large := strings.Repeat(" ", fileAheadBytes/leastFileAhead)
	for name, wrong := range map[string]time.Time{"a day": after(86400), "a century": time.Date(2250, 1, 1, 0, 0, 0, 0, time.UTC)} {
		var a strings.Builder
		for i := range 60 {
			at := after(i)
			if i >= 10 && i < 13 {
				at = wrong
			}
			fmt.Fprintln(&a, large+spanLine(at))
		}
		items, ceilings, _ := readAll(t, Options{}, folder(t, map[string][]byte{"a.jsonl": []byte(a.String())}))
		for i, item := range items {
			if now := after(item.Line); item.Line > 25 && item.Line < 50 && (ceilings[i].Before(now) || ceilings[i].After(now.Add(7*time.Minute))) {
				t.Fatalf("%s: at line %d, of %v, the ceiling is %v", name, item.Line, now, ceilings[i])
			}
		}
	}
}

// The largest time there is says nothing.
func TestTheLargestTimeIsNone(t *testing.T) {
	line := strings.ReplaceAll(spanLine(after(1)), fmt.Sprint(after(1).UnixNano()), "18446744073709551615")
	if item := must(decodeLine([]byte(line))); !item.At.IsZero() {
		t.Errorf("at %v, want no time", item.At)
	}
}

func TestOneWrongClockOfThreeInARequestIsOutvoted(t *testing.T) {
	item := must(decodeLine([]byte(spanLine(after(1), after(3600), after(2)))))
	if !item.At.Equal(after(2)) {
		t.Errorf("at %v, want %v", item.At, after(2))
	}
}

// A clock that is 40 s ahead does not move what time it is as long as others are heard
// between what its host sends.
func TestAFastClockDoesNotMoveTheTime(t *testing.T) {
	var lines []string
	for k := range 60 {
		lines = append(lines, spanLine(after(k)))
		if k%10 == 5 {
			lines = append(lines, spanLine(after(k+40)))
		}
	}
	r, err := Open([]string{folder(t, map[string][]byte{"traces.jsonl": []byte(strings.Join(lines, "\n"))})}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	last := epoch
	for k := range lines {
		item, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		now, want := r.Clock(), after(k-k/11)
		if now.Before(last) || now.After(want.Add(2*time.Second)) || now.Before(want.Add(-2*time.Second)) {
			t.Errorf("at line %d, of %v, it is %v; want %v", item.Line, item.At.Sub(epoch), now.Sub(epoch), want.Sub(epoch))
		}
		last = now
	}
}

func TestStoppingEarly(t *testing.T) {
	dir := folder(t, map[string][]byte{"a.jsonl": []byte(strings.Repeat(spanLine(after(1))+"\n", 1000))})
	r, err := Open([]string{dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, total := r.Progress(); total == 0 {
		t.Error("the length of the files is not known")
	}
	if _, err := r.Next(context.Background()); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Next(context.Background()); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("Next after Close: %v; want an error that is not the end", err)
	}
}

func TestNextStopsWithItsContext(t *testing.T) {
	r := &Reader{streams: []*stream{{out: make(chan entry)}}} // a file from which nothing comes
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestProgressReachesTheEnd(t *testing.T) {
	dir := folder(t, map[string][]byte{"a.jsonl": []byte(spanLine(after(1)) + "\n"), "b.jsonl.zst": zstded([]byte(pointLine(after(1))))})
	r, err := Open([]string{dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for err == nil {
		_, err = r.Next(context.Background())
	}
	if read, total := r.Progress(); read != total {
		t.Errorf("%d of %d bytes read", read, total)
	}
}
