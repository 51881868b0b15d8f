package releases_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unship.dev"
	"unship.dev/ingest/releases"
)

const restartStory = `0..300 1.0*4:80
	290 announce 1.1
	300..420 1.0*3:60 1.1*1:20
	420..900 1.1*4:80
	900..1200 1.0?rates=off*4:80
	960 announce x flag=costs
	1200..1500 1.0?rates=off*2:40 1.0#b?rates=on*2:40
	1500..1800 1.0*4:72 1.2*1:8`

func TestRestartFindsTheSameReleases(t *testing.T) {
	all := ticks(t, restartStory)
	for _, tt := range []struct{ stop, again int }{
		{250, 200}, {310, 250}, {600, 350}, {1000, 500}, {1000, 950}, {1600, 1100}, {1799, 100}, {1799, 1799},
	} {
		t.Run(fmt.Sprintf("stopped at %d, observed again from %d", tt.stop, tt.again), func(t *testing.T) {
			want := observe(releases.New(releases.Options{}), all, 0, 1<<30)
			first := releases.New(releases.Options{})
			observe(first, all, 0, tt.stop)
			state, err := first.State()
			if err != nil {
				t.Fatal(err)
			}
			second := releases.New(releases.Options{})
			if err := second.Restore(state); err != nil {
				t.Fatal(err)
			}
			got := observe(second, all, tt.again, 1<<30)
			if diff := cmp.Diff(opened(want, tt.again), opened(got, tt.again)); diff != "" {
				t.Error("releases opened after the restart:", diff)
			}
		})
	}
}

func TestStateSurvivesRestoreUnread(t *testing.T) {
	tr := releases.New(releases.Options{})
	tell(t, tr, restartStory)
	state, _ := tr.State()
	again := releases.New(releases.Options{})
	if err := again.Restore(state); err != nil {
		t.Fatal(err)
	}
	if got, err := again.State(); err != nil || string(got) != string(state) {
		t.Errorf("state %s, %v; want %s", got, err, state)
	}
}

func TestReleasedWhileNobodyWatched(t *testing.T) {
	tr := releases.New(releases.Options{})
	tell(t, tr, `0..300 1.0*3:60
		300..900 1.1*3:60`)
	state, _ := tr.State()
	for version, want := range map[string][]string{
		"1.1": {"300 1.1 was=1.0 since=300"}, // a restart of ours is nothing to the service
		"1.2": {"300 1.1 was=1.0 since=300", "4000 1.2 was=1.1 since=4000"},
		"1.0": {"4000 1.0 was=1.1 since=4000", "300 1.1 was=1.0 since=300"},
	} {
		again := releases.New(releases.Options{})
		if err := again.Restore(state); err != nil {
			t.Fatal(err)
		}
		tell(t, again, "4000..4300 "+version+"*3:60")
		var got []string
		for _, r := range again.Releases() {
			got = append(got, fmt.Sprintf("%d %s was=%s since=%d", seconds(r.FirstSeen), r.Version, r.Previous, seconds(r.FirstSeen)))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s after the pause: %s", version, diff)
		}
	}
}

func TestRestoreRefusesWhatItCannotRead(t *testing.T) {
	for _, state := range []string{"", "{", `{"schema":2}`, `{"schema":1,"services":7}`} {
		if err := releases.New(releases.Options{}).Restore([]byte(state)); err == nil {
			t.Errorf("Restore(%q) accepted it", state)
		}
	}
}

func FuzzRestore(f *testing.F) {
	tr := releases.New(releases.Options{})
	tr.Observe(&unship.Tick{Start: epoch, End: epoch.Add(window), Windows: []unship.Window{{Release: unship.ReleaseID{Service: ledger, Version: "1.0"}}}})
	state, _ := tr.State()
	f.Add(state)
	f.Add([]byte(`{"schema":1,"services":[{"service":"a","first":"2026-01-01T00:00:00Z","current":[{"version":"x"}],"versions":[{"version":"y","gaps":[1,2,3,4,5,6,7,8,9],"release":{}}]}]}`))
	f.Fuzz(func(t *testing.T, state []byte) {
		tr := releases.New(releases.Options{})
		if tr.Restore(state) != nil {
			return
		}
		for _, tick := range ticks(t, "0..30 1.0*2:10 1.1/abc*1:1") {
			tr.Observe(&tick)
		}
		if _, err := tr.State(); err != nil {
			t.Error(err)
		}
	})
}

// observe tells a tracker the ticks from one second to another.
func observe(tr *releases.Tracker, all []unship.Tick, from, to int) (said []unship.Release) {
	for _, tick := range all {
		if s := seconds(tick.Start); s >= from && s < to {
			tick.Windows = slices.Clone(tick.Windows)
			said = append(said, tr.Observe(&tick)...)
		}
	}
	return said
}

// opened names the releases first seen from a second on.
func opened(said []unship.Release, from int) (out []string) {
	for _, r := range said {
		s := fmt.Sprintf("%d %s was=%s %s", seconds(r.FirstSeen), r.Version, r.Previous, r.RollbackOf)
		if r.FirstSeen.Sub(epoch) >= time.Duration(from)*time.Second && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
