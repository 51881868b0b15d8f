package pipeline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/cmd/pipeline"
	"unship.dev/decide/report"
	"unship.dev/rules"
)

const flipped = 90 // window in which the flag is turned on

// tick is one of an estate of three services, of which one fails once a flag is on.
func tick(t int) unship.Tick {
	at := func(t int) time.Time {
		return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).Add(time.Duration(t) * 5 * time.Second)
	}
	k := unship.Tick{Start: at(t), End: at(t + 1), Closed: at(t + 3)}
	for _, name := range []string{"cart", "ledger", "search"} {
		for i := range 3 {
			p := unship.Operation{Name: "POST /" + name, Requests: 60}
			if (t+i)%17 == 0 {
				p.Failed, p.FailedHere = 1, 1
			}
			if name == "ledger" && t >= flipped {
				p.Failed, p.FailedHere = 12, 12
			}
			k.Windows = append(k.Windows, unship.Window{
				Release:  unship.ReleaseID{Service: unship.Service{Environment: "production", Namespace: "shop", Name: name}, Version: "1.0.0"},
				Instance: unship.Instance{ID: fmt.Sprintf("%s-%d", name, i)}, Start: k.Start, Length: k.End.Sub(k.Start), Operations: []unship.Operation{p},
			})
		}
	}
	return k
}

// A flag that is announced is a suspect like a release, up to the report.
func TestAnAnnouncedFlagIsReported(t *testing.T) {
	p, err := pipeline.New(pipeline.Options{Window: 5 * time.Second, Policies: rules.Set{rules.Default(unship.ModeAuto)}})
	if err != nil {
		t.Fatal(err)
	}
	for w := range flipped + 20 {
		k := tick(w)
		if w == flipped {
			a := unship.Announcement{ID: "1", At: k.Start, By: "ann", Change: unship.Change{Kind: unship.ChangeFlag, Name: "new-rates", Value: "on", Was: "off"}}
			a.Name = "ledger"
			k.Announcements = []unship.Announcement{a}
		}
		for _, d := range p.Tick(k).Decisions {
			t.Errorf("window %d: %s %s; want no order, for a flag is no version", w, d.Order, d.Release)
		}
	}
	all := p.Incidents()
	if len(all) != 1 || all[0].Decision.Verdict != unship.DecideAsk || all[0].Cause != unship.CauseRelease {
		t.Fatalf("incidents %+v; want one that asks", all)
	}
	md := report.Markdown(all[0])
	for _, want := range []string{"flag new-rates=on", "set it back to off by hand", "POST /ledger"} {
		if !strings.Contains(md, want) {
			t.Errorf("the report lacks %q:\n%s", want, md)
		}
	}
}

// Which release is the most suspect is told while nothing is sure, and stands in the incident once something is.
func TestReleasesAreRanked(t *testing.T) {
	p, err := pipeline.New(pipeline.Options{Window: 5 * time.Second, Policies: rules.Set{rules.Default(unship.ModeObserve)}})
	if err != nil {
		t.Fatal(err)
	}
	var last []unship.Ranking
	for w := range flipped + 20 {
		k := tick(w)
		if w == flipped {
			for _, name := range []string{"ledger", "search"} {
				a := unship.Announcement{ID: name, At: k.Start, Change: unship.Change{Kind: unship.ChangeFlag, Name: "new-" + name, Value: "on", Was: "off"}}
				a.Name = name
				k.Announcements = append(k.Announcements, a)
			}
		}
		last = p.Tick(k).Ranking
	}
	if len(last) != 1 || len(last[0].Releases) != 2 || last[0].Releases[0].Service != "ledger" || last[0].Schema != unship.RankingSchema {
		t.Errorf("%+v; want two, the ledger's first", last)
	}
	if r := p.Incidents()[0].Ranking; len(r) != 2 || r[0].Service != "ledger" || r[0].Share < .9 {
		t.Errorf("%+v in the incident", r)
	}
}
