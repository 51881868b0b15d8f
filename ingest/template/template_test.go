package template

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestMask(t *testing.T) {
	tests := map[string]string{
		"":                           "",
		"user alice logged in":       "user alice logged in",
		"took 12ms for 3.5 MB (45%)": "took <*> for <*> MB (<*>%)",
		"order 550e8400-e29b-41d4-a716-446655440000 stored":           "order <*> stored",
		"order-abcdefab-abcd-abcd-abcd-abcdefabcdef":                  "order-abcdefab-abcd-abcd-abcd-abcdefabcdef",
		"dial tcp 10.0.0.1:8080: connect: connection refused":         "dial tcp <*>: connect: connection refused",
		"peer [2001:db8::1]:443 gone":                                 "peer [<*>]:<*> gone",
		"2024-05-01T12:30:01.123Z INFO  [http-nio-8080-exec-1] ready": "<*> INFO [http-nio-<*>-exec-<*>] ready",
		"16:48:16.545 INFO  t.c.Travel2Controller#129 done":           "<*> INFO t.c.Travel2Controller#<*> done",
		"GET https://shop.example/a?b=c failed":                       "GET <*> failed",
		"open /etc/shop/config.yaml: no such file":                    "open <*>: no such file",
		"content type text/html, n/a":                                 "content type text/html, n/a",
		"mail to a.b@c.example bounced":                               "mail to <*> bounced",
		`relation "orders" does not exist`:                            "relation <*> does not exist",
		`can't find user's cart 'x y'`:                                "can't find user's cart <*>",
		`{"level": "info", "n": 3}`:                                   `{"level": <*>, "n": <*>}`,
		`level=info msg="cache is cold" took=3s`:                      `level=info msg="cache is cold" took=<*>`,
		"key=value id=17, n = -5":                                     "key=value id=<*>, n = <*>",
		"deadbeefdeadbeef and 0xCAFE and 1f3a9c2b":                    "<*> and <*> and <*>",
		"s3 http2 utf8 are names; v1 v20 Z1234 are not":               "s3 http2 utf8 are names; <*> are not",
		"ids [1, 2, 3, 4] and [5, 6, 7]":                              "ids [<*>, <*>, <*>] and [<*>, <*>, <*>]",
		"\x1b[31mERROR\x1b[0m   it\tbroke\nat line two":               "ERROR it broke",
		"\n\n  first":            "first",
		"bad \xff utf8":          "bad \uFFFD utf8",
		"größer als 5€":          "größer als <*>",
		"1.5e-07 1m30.5s":        "<*>",
		strings.Repeat("x", 500): "<*>",
	}
	for line, want := range tests {
		if got := string(AppendMasked(nil, line)); got != want {
			t.Errorf("%q\n got %q\nwant %q", line, got, want)
		}
	}
}

func TestMaskedLinesAreBounded(t *testing.T) {
	got := string(AppendMasked(nil, strings.Repeat("word ", 1<<16)))
	if len(got) > maxLine || len(got) < maxLine-10 || strings.HasSuffix(got, "wor") {
		t.Errorf("%d bytes, %q", len(got), got)
	}
}

func FuzzMask(f *testing.F) {
	for _, line := range []string{"", "a \"b' c\" 'd", "\x1b[", "a\x1b[3", "-", "+1", "<*>", "<*>.<*>", "\\\"", "1.2.3.4:5/6", "ü1", "\xff1"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got := AppendMasked([]byte("before "), line)
		rest, ok := strings.CutPrefix(string(got), "before ")
		if !ok || !utf8.ValidString(rest) || len(rest) > 3*maxLine || strings.ContainsAny(rest, "\n\r\t") || strings.Contains(rest, "  ") {
			t.Errorf("%q gives %q", line, got)
		}
	})
}

// mine gives the templates of plain lines.
func mine(m *Miner, index int64, texts ...string) []string {
	var lines []Line
	for _, text := range texts {
		lines = append(lines, Line{Text: string(AppendMasked(nil, text)), Count: 1})
	}
	return m.Mine(index, lines)
}

func users(n int) (lines []string) {
	for i := range n {
		lines = append(lines, fmt.Sprintf("user %c%c logged in", 'a'+i/26, 'a'+i%26))
	}
	return lines
}

func TestWhatHappenedStaysApart(t *testing.T) {
	var m Miner
	lines := []string{"payment accepted for order 17", "payment rejected for order 18", "payment refunded for order 19"}
	got := mine(&m, 1, lines...)
	want := []string{"payment accepted for order <*>", "payment rejected for order <*>", "payment refunded for order <*>"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAVariableIsFound(t *testing.T) {
	var m Miner
	first := mine(&m, 1, users(3)...)
	if diff := cmp.Diff(users(3), first); diff != "" {
		t.Errorf("three values: %s", diff)
	}
	for i, got := range mine(&m, 2, users(40)...) {
		if got != "user <*> logged in" {
			t.Errorf("forty values: %d is %q", i, got)
		}
	}
	if got := mine(&m, 3, "user zz logged in", "user zz logged out"); !slices.Equal(got, []string{"user <*> logged in", "user zz logged out"}) {
		t.Errorf("later: %q", got)
	}
	if m.Len() != 2 {
		t.Errorf("%d templates; those that the general one covers are to go", m.Len())
	}
}

func TestGivenTemplatesStay(t *testing.T) {
	var m Miner
	var lines []Line
	for i := range 20 {
		lines = append(lines, Line{Text: fmt.Sprintf("Order {Id} is %c now", 'a'+i), Given: true, Count: 1})
	}
	for i, got := range m.Mine(1, lines) {
		if got != lines[i].Text {
			t.Errorf("%q became %q", lines[i].Text, got)
		}
	}
}

func TestErrorsFindRoomBesideTalk(t *testing.T) {
	var m Miner
	var lines []Line
	for i := range 1000 {
		lines = append(lines, Line{Text: fmt.Sprintf("%c%c%c talk", 'a'+i%26, 'a'+i/26%26, 'a'+i/676), Count: 1})
	}
	lines = append(lines, Line{Text: "disk full", Grave: true, Count: 1})
	got := m.Mine(1, lines)
	if got[1000] != "disk full" || m.Len() != maxPlain+1 {
		t.Errorf("the error has %q, of %d templates", got[1000], m.Len())
	}
	if n := len(slices.DeleteFunc(got, func(s string) bool { return s == "" })); n != maxPlain+1 {
		t.Errorf("%d lines have a template", n)
	}
	if got := m.Mine(1+forgetWindows+1, []Line{{Text: "new talk", Count: 1}}); got[0] != "new talk" || m.Len() != 1 {
		t.Errorf("after an hour of silence: %q, %d templates", got, m.Len())
	}
}

// drawWindows draws lines of a few words, so that many are similar.
func drawWindows(t *rapid.T) (windows [][]Line) {
	words := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", Wildcard}
	for range rapid.IntRange(2, 5).Draw(t, "windows") {
		texts := map[string]bool{}
		for range rapid.IntRange(1, 40).Draw(t, "lines") {
			line := []string{rapid.SampledFrom(words[:2]).Draw(t, "first")}
			for range rapid.IntRange(1, 3).Draw(t, "more") {
				line = append(line, rapid.SampledFrom(words).Draw(t, "word"))
			}
			texts[strings.Join(line, " ")] = true
		}
		var window []Line
		for text := range texts {
			window = append(window, Line{Text: text, Count: 1, Grave: text[0] == 'b'})
		}
		slices.SortFunc(window, func(a, b Line) int { return strings.Compare(a.Text, b.Text) })
		windows = append(windows, window)
	}
	return windows
}

func TestTemplatesCoverTheirLines(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var m Miner
		for index, lines := range drawWindows(rt) {
			for i, got := range m.Mine(int64(index), lines) {
				have, line := strings.Fields(got), strings.Fields(lines[i].Text)
				if len(have) != len(line) {
					rt.Fatalf("%q has the template %q", lines[i].Text, got)
				}
				if _, ok := covers(have, line); !ok {
					rt.Fatalf("%q has the template %q", lines[i].Text, got)
				}
			}
		}
	})
}

// What order lines come in, and a restart between windows, show nowhere.
func TestTemplatesDependNeitherOnOrderNorOnARestart(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		windows := drawWindows(rt)
		restart := rapid.IntRange(1, len(windows)-1).Draw(rt, "restart")
		var whole, again Miner
		for index, lines := range windows {
			want := whole.Mine(int64(index), lines)
			if index < restart {
				var given []Line
				for i, text := range want {
					given = append(given, Line{Text: text, Grave: lines[i].Grave})
				}
				again.Teach(int64(index), rapid.Permutation(given).Draw(rt, "given"))
				continue
			}
			at := rapid.Permutation(lines).Draw(rt, "order")
			got := again.Mine(int64(index), at)
			for i, l := range at {
				k := slices.IndexFunc(lines, func(o Line) bool { return o.Text == l.Text })
				if want[k] != got[i] {
					rt.Fatalf("window %d: %q is %q, after a restart %q", index, l.Text, want[k], got[i])
				}
			}
		}
	})
}

func FuzzMine(f *testing.F) {
	f.Add("a b c\na b d\n<*> x\n\n \u00a0 \na", false)
	f.Fuzz(func(t *testing.T, text string, given bool) {
		var m, again Miner
		var lines []Line
		for i, line := range strings.Split(text, "\n") {
			lines = append(lines, Line{Text: line, Given: given, Count: uint64(i), Grave: i%2 == 0})
		}
		var taught []Line
		for _, got := range m.Mine(1, lines) {
			taught = append(taught, Line{Text: got})
		}
		again.Teach(1, taught)
		again.Mine(2, lines)
		if m.Len() > MaxTemplates || again.Len() > MaxTemplates+1 {
			t.Errorf("%d and %d templates", m.Len(), again.Len())
		}
	})
}

// BenchmarkMask masks a line as services write them, and looks it up among those
// seen before: what a log line costs while its window is open.
func BenchmarkMask(b *testing.B) {
	const line = "16:48:16.593 INFO  t.s.TravelServiceImpl#459 trace 88ebfbcebbbc0884eabd9178e1808940: 3 seats left from shanghai to nanjing in 12ms"
	var buffer []byte
	buffer = AppendMasked(buffer[:0], line)
	seen := map[string]int{string(buffer): 1}
	b.ReportAllocs()
	for b.Loop() {
		buffer = AppendMasked(buffer[:0], line)
		if seen[string(buffer)] != 1 {
			b.Fatal("not the same line")
		}
	}
}

// BenchmarkMine closes windows of a service that says 200 things, in steady state, and
// of one that says twenty, each with ten words in one place.
func BenchmarkMine(b *testing.B) {
	b.Run("templates", func(b *testing.B) {
		benchMine(b, func(i int) string {
			return fmt.Sprintf("w%c%c did what it does with <*> of %c", 'a'+i%26, 'a'+i/26, 'a'+i%7)
		})
	})
	b.Run("variables", func(b *testing.B) {
		benchMine(b, func(i int) string { return fmt.Sprintf("w%c did what it does with <*> of %c", 'a'+i%20, 'a'+i/20) })
	})
}

func benchMine(b *testing.B, line func(i int) string) {
	var m Miner
	var lines []Line
	for i := range 200 {
		lines = append(lines, Line{Text: line(i), Count: 1})
	}
	index := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		m.Mine(index, lines)
		index++
	}
}
