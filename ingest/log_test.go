package ingest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/plog"
	"pgregory.net/rapid"

	"unship.dev"
)

// testLog is a log record as tests write it.
type testLog struct {
	version  string
	pod      string // begins the pod's name
	at       time.Duration
	severity int
	level    string
	body     any
	attrs    map[string]any
}

func (l testLog) send(t testing.TB, a *Aggregator) {
	t.Helper()
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	set(t, rl.Resource().Attributes(), map[string]any{"service.name": "web", "service.version": l.version, "k8s.pod.name": l.pod + "p" + l.version})
	r := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	r.SetTimestamp(stamp(l.at))
	r.SetSeverityNumber(plog.SeverityNumber(l.severity))
	r.SetSeverityText(l.level)
	if err := r.Body().FromRaw(l.body); err != nil {
		t.Fatal(err)
	}
	set(t, r.Attributes(), l.attrs)
	if _, err := a.Logs(ld); err != nil {
		t.Fatal(err)
	}
}

func logsOf(ticks []unship.Tick) (logs []unship.LogCount) {
	for _, tick := range ticks {
		for _, w := range tick.Windows {
			logs = append(logs, w.Logs...)
		}
	}
	return logs
}

func TestLogRecords(t *testing.T) {
	tests := map[string]struct {
		log  testLog
		want unship.LogCount
	}{
		"a line":       {testLog{body: "took 12ms", severity: 9}, unship.LogCount{Severity: 9, Pattern: "took <*>"}},
		"without any":  {testLog{}, unship.LogCount{Severity: 9}},
		"a warning":    {testLog{body: "took 12ms", severity: 13}, unship.LogCount{Severity: 13, Pattern: "took <*>", Example: "took 12ms"}},
		"by its level": {testLog{body: "x", level: "Error"}, unship.LogCount{Severity: 17, Pattern: "x", Example: "x"}},
		"its number goes before its level": {
			testLog{body: "x", level: "error", severity: 5}, unship.LogCount{Severity: 5, Pattern: "x"},
		},
		"a template that the program gave": {
			testLog{body: "order 17", severity: 9, attrs: map[string]any{"log.record.template": "order {Id} 1"}},
			unship.LogCount{Severity: 9, Pattern: "order {Id} 1"},
		},
		"an exception without words": {
			testLog{severity: 9, attrs: map[string]any{"exception.type": "E"}}, unship.LogCount{Severity: 9, Pattern: "E"},
		},
		"an exception with words": {
			testLog{body: "it failed", severity: 9, attrs: map[string]any{"exception.type": "E"}}, unship.LogCount{Severity: 9, Pattern: "it failed"},
		},
		"structured": {
			testLog{body: map[string]any{"msg": "took 3s", "id": 17}, severity: 9}, unship.LogCount{Severity: 9, Pattern: "took <*>"},
		},
		"JSON in a text": {
			testLog{body: `{"id": {"a": [1, "}"]}, "level": "warn", "ok": true, "msg": "took \"3\"s\nand more", "event": "e"}`},
			unship.LogCount{Severity: 13, Pattern: `took \"<*>\"s`, Example: `took \"3\"s`},
		},
		"JSON that is cut off": {
			testLog{body: `{"id": 1, "msg`}, unship.LogCount{Severity: 9, Pattern: `{"id": <*>, "msg`},
		},
	}
	for name, c := range tests {
		a := newAggregator(t)
		c.log.version = "1"
		c.log.send(t, a)
		c.want.Count = 1
		if diff := cmp.Diff([]unship.LogCount{c.want}, logsOf(a.Flush())); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Both versions' lines are mined together: what one of them learns holds for the other.
func TestPatternsAreOfTheService(t *testing.T) {
	a := newAggregator(t)
	for i := range 30 {
		testLog{version: "1", body: fmt.Sprintf("user %c%c came", 'a'+i, 'a'+i), severity: 9}.send(t, a)
	}
	testLog{version: "2", body: "user new came", severity: 9}.send(t, a)
	testLog{version: "2", body: "user new came", severity: 17}.send(t, a)
	testLog{version: "2", body: "cart is empty", severity: 9}.send(t, a)
	want := []unship.LogCount{
		{Severity: 9, Pattern: "user <*> came", Count: 30},
		{Severity: 9, Pattern: "cart is empty", Count: 1},
		{Severity: 9, Pattern: "user <*> came", Count: 1},
		{Severity: 17, Pattern: "user <*> came", Count: 1, Example: "user new came"},
	}
	if diff := cmp.Diff(want, logsOf(a.Flush())); diff != "" {
		t.Error(diff)
	}
}

// Patterns depend neither on the order in which records come nor on a restart.
func TestPatternsDoNotDependOnOrderNorOnARestart(t *testing.T) {
	words := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}
	rapid.Check(t, func(rt *rapid.T) {
		var logs []testLog
		for range rapid.IntRange(1, 120).Draw(rt, "logs") {
			logs = append(logs, testLog{
				version: rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "version"), at: time.Duration(rapid.IntRange(0, 19).Draw(rt, "at")) * time.Second,
				severity: rapid.SampledFrom([]int{9, 17}).Draw(rt, "severity"),
				body:     "say " + rapid.SampledFrom(words).Draw(rt, "word") + " " + rapid.SampledFrom(words).Draw(rt, "more"),
			})
		}
		run := func(a *Aggregator, logs []testLog) []unship.Tick {
			for _, l := range logs {
				l.send(t, a)
			}
			return a.Flush()
		}
		slow := func(o *Options) { o.Lateness = time.Minute }
		want := run(newAggregator(t, slow), logs)
		cutoff := epoch.Add(10 * time.Second)
		again := newAggregator(t, slow)
		again.Resume(cutoff)
		var rest []unship.Tick
		for _, tick := range want {
			if tick.End.After(cutoff) {
				rest = append(rest, tick)
			} else {
				again.Remember(tick)
			}
		}
		if diff := cmp.Diff(rest, run(again, rapid.Permutation(logs).Draw(rt, "order"))); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// What a line says of its level counts where the record tells none; "error" alone is a word.
func TestLevelsInTheText(t *testing.T) {
	for body, want := range map[string]struct {
		severity int32
		text     string // "" if it is the body
	}{
		`time=2031-07-19T04:40:41Z level=error msg="request failed: \"eof\" at 7" err=x`: {severityError, `request failed: \"eof\" at 7`},
		`level=warn msg=slow`:                 {severityWarn, "slow"},
		`ts=1 lvl=info message="all is well"`: {severityInfo, "all is well"},
		`{"level":50,"time":1,"msg":"no"}`:    {severityError, "no"},
		`{"level":30,"time":1,"msg":"no"}`:    {severityInfo, "no"},
		`{"msg":"no","level": 60}`:            {severityFatal, "no"},
		`severity=critical disk is full`:      {severityFatal, ""},
		`sublevel=error is no level`:          {severityInfo, ""},
		"2031-06-04 06:12:27.012  ERROR 1 --- [exec-16] o.a.Handler : no such cart": {severityError, ""},
		"2031-06-04 06:12:27,012 [main] WARN  a.b.C - slow":                         {severityWarn, ""},
		"[ERROR] no such cart":                         {severityError, ""},
		"2031/06/04 06:12:27 [error] 7#7: *3 upstream": {severityError, ""},
		"ERROR: relation \"cart\" does not exist":      {severityError, ""},
		"E0712 12:00:00.123456   1 cart.go:12] no":     {severityError, ""},
		"F0712 12:00:00.123456   1 cart.go:12] no":     {severityFatal, ""},
		"I0712 12:00:00.123456   1 cart.go:12] ERROR":  {severityInfo, ""},
		"2031-06-04 06:12:27 INFO handled ERROR page":  {severityInfo, ""},
		"an error was handled":                         {severityInfo, ""},
		"Error was handled":                            {severityInfo, ""},
		"a b c d e f g ERROR":                          {severityInfo, ""},
		"panic: runtime error":                         {severityError, ""},
		"Traceback (most recent call last):\n x":       {severityError, ""},
		"":                                             {severityInfo, ""},
		"WARN":                                         {severityWarn, ""},
	} {
		l := readBody(body, false)
		if want.text == "" {
			want.text = body
		}
		if got := severityOf(l.severity); got != want.severity || l.text != want.text {
			t.Errorf("%q: severity %d, %q; want %d, %q", body, got, l.text, want.severity, want.text)
		}
	}
}

func FuzzReadBody(f *testing.F) {
	for _, body := range []string{`level=error msg="a\"b"`, `x level="`, "[ERROR", "E0712", `{"msg":"a"}`, `{"a":{"b":["\"",{}]},"message":"x","level":"error"}`, `{"`, `{}`, `{"a":1}`, `{"a" "b"}`, `{"msg":"\\"}`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if l := readBody(body, false); len(l.text) > len(body) || len(l.severity) > len(body) {
			t.Errorf("%q gives %+v", body, l)
		}
	})
}

// BenchmarkLogs takes in records of a service, decoded already, whose lines are known.
func BenchmarkLogs(b *testing.B) {
	a := newAggregator(b)
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "web")
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	const n = 1000
	for i := range n {
		r := records.AppendEmpty()
		r.SetTimestamp(stamp(0))
		r.SetSeverityNumber(plog.SeverityNumberInfo)
		r.Body().SetStr(fmt.Sprintf("%c found %d seats left from shanghai to nanjing for trip Z%d in %dms", 'a'+i%20, i, i*77, i%90))
	}
	if _, err := a.Logs(ld); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Logs(ld); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
}
