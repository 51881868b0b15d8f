package releases_test

import (
	"fmt"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/ingest/releases"
)

func TestMemoryIsBounded(t *testing.T) {
	tr := releases.New(releases.Options{MaxServices: 50, MaxVersions: 8})
	for i := range 2000 {
		tick := unship.Tick{Start: epoch.Add(time.Duration(i) * window)}
		tick.End = tick.Start.Add(window)
		for k := range 3 {
			id := unship.ReleaseID{Service: unship.Service{Name: fmt.Sprintf("s%d", (3*i+k)%200)}, Version: fmt.Sprint(i)}
			tick.Windows = append(tick.Windows, unship.Window{Release: id, Build: fmt.Sprintf("sha256:%064x", i),
				Instance: unship.Instance{ID: fmt.Sprint(i)}, Start: tick.Start, Length: window})
			tick.Announcements = append(tick.Announcements, unship.Announcement{ReleaseID: id, ID: fmt.Sprint(i, k), At: tick.Start})
		}
		tr.Observe(&tick)
	}
	state, err := tr.State()
	if err != nil {
		t.Fatal(err)
	}
	if len(state) > 1<<20 {
		t.Errorf("state is %d bytes after 6000 versions of 200 services; want it bounded by 50 services with 8 versions", len(state))
	}
}

func TestBuildsUnderOneVersionAreBounded(t *testing.T) {
	tr := releases.New(releases.Options{})
	seen := map[string]bool{}
	for i := range 500 {
		tick := unship.Tick{Start: epoch.Add(time.Duration(i) * window)}
		tick.End = tick.Start.Add(window)
		tick.Windows = []unship.Window{{Release: unship.ReleaseID{Service: ledger, Version: "1.0"}, Build: fmt.Sprintf("b-%d", i), Start: tick.Start, Length: window}}
		tr.Observe(&tick)
		seen[tick.Windows[0].Release.Version] = true
	}
	if len(seen) < 2 || len(seen) > 40 {
		t.Errorf("500 builds of one version became %d versions; want a few dozen at most", len(seen))
	}
}

func TestWindowsStaySortedWhenRewritten(t *testing.T) {
	tr := releases.New(releases.Options{})
	tell(t, tr, `0..120 1.0/aaaaaaa*2:10`)
	tick := unship.Tick{Start: epoch.Add(200 * time.Second), End: epoch.Add(205 * time.Second), Windows: []unship.Window{
		{Release: unship.ReleaseID{Service: ledger, Version: "1.0"}, Instance: unship.Instance{ID: "a"}, Build: "bbbbbbb"},
		{Release: unship.ReleaseID{Service: ledger, Version: "1.0"}, Instance: unship.Instance{ID: "b"}, Build: "aaaaaaa"},
	}}
	changed := tr.Observe(&tick)
	if got := tick.Windows[0].Release.Version + "," + tick.Windows[1].Release.Version; got != "1.0,1.0 (build bbbbbbb)" {
		t.Errorf("versions %q", got)
	}
	if len(changed) != 1 || changed[0].Previous != "1.0" {
		t.Errorf("changed %+v; want the new build as a release after 1.0", changed)
	}
	if _, ok := tr.Release(changed[0].ReleaseID); !ok {
		t.Error("Release does not know it")
	}
}

func TestOneNameInTwoNamespacesIsTwoServices(t *testing.T) {
	tr := releases.New(releases.Options{})
	for i := range 100 {
		tick := unship.Tick{Start: epoch.Add(time.Duration(i) * window)}
		tick.End = tick.Start.Add(window)
		for _, ns := range []string{"bank", "shop"} {
			version := "1.0"
			if ns == "shop" && i >= 50 {
				version = "1.1"
			}
			id := unship.ReleaseID{Service: unship.Service{Namespace: ns, Name: "ledger"}, Version: version}
			tick.Windows = append(tick.Windows, unship.Window{Release: id, Start: tick.Start, Length: window})
		}
		tr.Observe(&tick)
	}
	all := tr.Releases()
	if len(all) != 1 || all[0].Namespace != "shop" || all[0].Version != "1.1" {
		t.Errorf("releases %v; want shop/ledger 1.1 alone", all)
	}
}

func TestSilentForADayKeepsVersions(t *testing.T) {
	tr := releases.New(releases.Options{})
	tell(t, tr, `0..300 1.0*1:60
		300..600 1.1*1:60`)
	other := unship.Tick{Start: epoch.Add(30 * time.Hour), End: epoch.Add(30*time.Hour + window)}
	tr.Observe(&other)
	if got := tr.Releases(); len(got) != 0 {
		t.Errorf("releases after a silent day: %v", got)
	}
	back := unship.Tick{Start: epoch.Add(31 * time.Hour), End: epoch.Add(31*time.Hour + window), Windows: []unship.Window{
		{Release: unship.ReleaseID{Service: ledger, Version: "1.1"}, Start: epoch.Add(31 * time.Hour), Length: window}}}
	if got := tr.Observe(&back); len(got) != 0 {
		t.Errorf("a version seen before became a release: %v", got)
	}
}
