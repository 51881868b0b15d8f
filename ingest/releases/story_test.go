package releases_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/ingest/releases"
)

const window = 5 * time.Second

var (
	epoch  = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	ledger = unship.Service{Environment: "production", Namespace: "shop", Name: "ledger"}
)

// tell observes a story and gives what the tracker said, one line a change:
// seconds, version, and what is known of its release.
//
// A line of a story is "FROM..TO EVERY? VERSION[/BUILD][#NAMES]*INSTANCES:REQUESTS …", in seconds,
// requests in a tick of all instances together; or
// "AT announce VERSION [rollback] [finished] [in=NAMESPACE] [id=ID] [flag=NAME] [ago=SECONDS]".
// "VERSION?FLAG=VALUE*…" are requests that carry a value of a feature flag, of "log:FLAG" by log records.
// Without NAMES instances are named after version and build.
func tell(t *testing.T, tr *releases.Tracker, story string) (said []string) {
	t.Helper()
	for _, tick := range ticks(t, story) {
		for _, r := range tr.Observe(&tick) {
			said = append(said, describe(tick.Start, r))
		}
	}
	return said
}

func describe(at time.Time, r unship.Release) string {
	s := fmt.Sprintf("%d %s was=%s since=%d last=%d %s", seconds(at), r.Version, r.Previous, seconds(r.FirstSeen), seconds(r.LastSeen), r.Rollout)
	if r.RollbackOf != "" {
		s += " rollback-of=" + r.RollbackOf
	}
	if r.Announcement != nil {
		s += " by=" + r.Announcement.ID
		if r.Announcement.Finished {
			s += " finished"
		}
	}
	return s
}

func seconds(at time.Time) int { return int(at.Sub(epoch) / time.Second) }

// ticks makes the ticks of a story in order.
func ticks(t *testing.T, story string) []unship.Tick {
	t.Helper()
	byStart := map[int]*unship.Tick{}
	end := 0
	tickAt := func(sec int) *unship.Tick {
		sec -= sec % 5
		end = max(end, sec)
		if byStart[sec] == nil {
			start := epoch.Add(time.Duration(sec) * time.Second)
			byStart[sec] = &unship.Tick{Start: start, End: start.Add(window), Closed: start.Add(window + 10*time.Second)}
		}
		return byStart[sec]
	}
	for line := range strings.Lines(story) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) > 2 && words[1] == "announce" {
			tick := tickAt(number(t, words[0]))
			tick.Announcements = append(tick.Announcements, announcement(tick.Start, words[2:]))
			continue
		}
		from, to, ok := strings.Cut(words[0], "..")
		if !ok {
			t.Fatalf("story line %q: want FROM..TO", line)
		}
		every, words := 5, words[1:]
		if n, err := strconv.Atoi(words[0]); err == nil {
			every, words = n, words[1:]
		}
		for sec := number(t, from); sec < number(t, to); sec += every {
			tick := tickAt(sec)
			for _, w := range words {
				speak(t, tick, w)
			}
		}
	}
	var out []unship.Tick
	for sec := 0; sec <= end; sec += 5 {
		if byStart[sec] != nil {
			out = append(out, *byStart[sec])
		}
	}
	return out
}

func announcement(at time.Time, words []string) unship.Announcement {
	a := unship.Announcement{ID: words[0] + "@" + strconv.Itoa(seconds(at)), At: at}
	a.Name, a.Version = "ledger", words[0]
	for _, w := range words[1:] {
		a.Rollback = a.Rollback || w == "rollback"
		a.Finished = a.Finished || w == "finished"
		if namespace, ok := strings.CutPrefix(w, "in="); ok {
			a.Namespace = namespace
		}
		if id, ok := strings.CutPrefix(w, "id="); ok {
			a.ID = id
		}
		if flag, ok := strings.CutPrefix(w, "flag="); ok {
			a.Version, a.Change = "", unship.Change{Kind: unship.ChangeFlag, Name: flag, Value: "on", Was: "off"}
		}
		if ago, err := strconv.Atoi(strings.TrimPrefix(w, "ago=")); err == nil {
			a.At = at.Add(-time.Duration(ago) * time.Second)
		}
	}
	return a
}

// speak adds the windows of "VERSION[/BUILD][#NAMES]*INSTANCES:REQUESTS".
func speak(t *testing.T, tick *unship.Tick, word string) {
	t.Helper()
	who, load, ok1 := strings.Cut(word, "*")
	count, reqs, ok2 := strings.Cut(load, ":")
	if !ok1 || !ok2 {
		t.Fatalf("story word %q: want VERSION*INSTANCES:REQUESTS", word)
	}
	who, flag, flagged := strings.Cut(who, "?")
	key, value, _ := strings.Cut(flag, "=")
	who, names, named := strings.Cut(who, "#")
	version, build, _ := strings.Cut(who, "/")
	if !named {
		names = version + build
	}
	n, requests := number(t, count), number(t, reqs)
	for i := range n {
		w := unship.Window{
			Release:  unship.ReleaseID{Service: ledger, Version: version},
			Instance: unship.Instance{ID: names + "-" + strconv.Itoa(i)},
			Start:    tick.Start, Length: window, Build: build,
		}
		if share := (requests + n - 1 - i) / n; share > 0 {
			w.Operations = []unship.Operation{{Name: "GET /", Requests: uint64(share)}}
			if flagged {
				if logged, is := strings.CutPrefix(key, "log:"); is {
					w.Logs = []unship.LogCount{{Pattern: unship.FlagPattern + logged + "=" + value, Count: uint64(share)}, {Pattern: "rates=on", Count: 100}}
				} else {
					w.Operations[0].Slices = []unship.Slice{{Key: "feature_flag." + key, Value: value, Requests: uint64(share)}}
				}
			}
		}
		tick.Windows = append(tick.Windows, w)
	}
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("story: %v", err)
	}
	return n
}
