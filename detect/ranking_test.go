package detect

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/rules"
)

// rank plays the simulation and ranks at its end. Announcements come in the tick of their window.
func (s *simulation) rank(t *testing.T, said map[int][]unship.Announcement) []unship.Ranking {
	t.Helper()
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for w := range s.windows {
		k, r := s.tick(w)
		k.Announcements = said[w]
		d.Observe(k, r, rules.Set{s.policy})
	}
	return d.Rank()
}

func announcement(service, version string, at int) unship.Announcement {
	return unship.Announcement{
		ReleaseID: unship.ReleaseID{Service: unship.Service{Name: service}, Version: version}, ID: service + version, At: simTime(at).Add(time.Second),
	}
}

// call makes metrics of a mesh tell of calls: the caller's word, a point a minute.
func (s *simulation) call(caller, callee string, ratio func(t int) (float64, bool)) {
	before := s.shows
	s.shows = func(v *simService, i *simInstance, t int, w *unship.Window) {
		if before != nil {
			before(v, i, t, w)
		}
		if x, told := ratio(t); v.name == caller && i == v.instances[0] && t%12 == 0 && told {
			w.Metrics = append(w.Metrics, unship.Metric{
				Name: "istio.request.success_ratio", Unit: "1", At: w.Start.Add(w.Length), Value: x,
				Attributes: fmt.Sprintf("destination_service_name=%s,reporter=source,source_workload=%s", callee, caller),
			})
		}
	}
}

func TestFewPointsAreEnoughToRank(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		s := mesh(seed+1500, 30, to(.3, 1))
		s.windows = meshStart + 60 // five minutes
		for k, name := range []string{"cart", "ledger", "search"} {
			s.canary(name, meshStart+k, 1)
		}
		r := s.rank(t, nil)
		if len(r) != 1 || len(r[0].Releases) != 3 || r[0].Environment != "production" {
			t.Fatalf("%+v", r)
		}
		sum := 0.0
		for _, x := range r[0].Releases {
			sum += x.Share
		}
		if first := r[0].Releases[0]; first.Service != "cart" || first.Share < .5 || math.Abs(sum-1) > 1e-9 || first.Why == "" {
			t.Errorf("seed %d: %+v; want the cart first", seed, r[0].Releases)
		}
	}
}

func TestNothingWrongLeavesNobodyFarAhead(t *testing.T) {
	t.Parallel()
	ahead := 0
	for seed := range uint64(10) {
		s := mesh(seed+1600, 30, to(0, 1))
		s.windows = meshStart + 60
		for k, name := range []string{"cart", "ledger", "search"} {
			s.canary(name, meshStart+k, 1)
		}
		if first := s.rank(t, nil)[0].Releases[0]; first.Share > .9 {
			ahead++
			t.Logf("seed %d: %+v", seed, first)
		}
	}
	if ahead > 1 {
		t.Errorf("in %d of 10 harmless runs one release is given nine tenths", ahead)
	}
}

// A release of which nothing is seen cannot be told from itself: what its
// callers' metrics tell of their calls, and of calls that they no longer make,
// singles it out among canaries that are seen to be well.
func TestWhatIsAnnouncedAndNotSeenIsRanked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		callee string
		ratio  func(t int) (float64, bool)
	}{
		"calls to it fail": {"ledger", func(t int) (float64, bool) {
			if t > meshStart+12 {
				return .7, true
			}
			return 1, true
		}},
		"what its caller does next happens no more": {"search", func(t int) (float64, bool) { return 1, t <= meshStart+12 }},
	} {
		s := mesh(1700, 30, to(0, 1))
		s.windows = meshStart + 120
		s.call("checkout", c.callee, c.ratio)
		s.call("checkout", "ledger", func(int) (float64, bool) { return 1, true })
		s.canary("cart", meshStart, 1)
		s.canary("catalog", meshStart+1, 1)
		r := s.rank(t, map[int][]unship.Announcement{meshStart: {announcement("ledger", "1.1.0", meshStart)}})
		first := r[0].Releases[0]
		if first.Service != "ledger" || !first.Unseen || first.Version != "1.1.0" || first.Share < .5 {
			t.Errorf("%s: %+v", name, r[0].Releases)
		}
	}
}

func TestRumoursEnd(t *testing.T) {
	t.Parallel()
	rollback := announcement("search", "0.9.0", 20)
	rollback.Rollback = true
	flag := announcement("search", "", 20)
	flag.Change = unship.Change{Kind: unship.ChangeFlag, Name: "new"}
	said := map[int][]unship.Announcement{
		20: {announcement("cart", "v1.1.0", 20), announcement("cart", "v1.1.0", 20), rollback, flag, announcement("nobody", "1", 20)},
		30: {announcement("catalog", "1.0.0", 30), announcement("ledger", "1.1.0", 30)},
		61: {announcement("cart", "build-77", 61)}, // what began at 60
	}
	s := newSimulation(5)
	s.canary("cart", 60, 1)
	s.policy.Watch = 50 * 5 * time.Second
	for _, c := range []struct {
		windows int
		want    []string
	}{
		{20, nil}, {25, []string{"cart unseen"}}, {50, []string{"cart unseen", "ledger unseen"}},
		{65, []string{"cart", "ledger unseen"}}, {129, []string{"cart", "ledger unseen"}},
		{135, []string{"cart"}}, {159, []string{"cart"}}, {162, nil}, // its watch is over at 110
	} {
		s.windows = c.windows
		var got []string
		for _, r := range s.rank(t, said) {
			for _, x := range r.Releases {
				got = append(got, x.Service+map[bool]string{true: " unseen"}[x.Unseen])
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("after %d windows: %q; want %q", c.windows, got, c.want)
		}
	}
}

// Errors that only a few windows show are told from those that were always there,
// and its own from those of a caller that was released with it.
func TestErrorsThatWereNotThereBeforeRank(t *testing.T) {
	t.Parallel()
	s := newSimulation(13)
	s.windows = simStart + 24
	for _, name := range []string{"cart", "ledger", "search"} {
		s.replace(name, simStart, 0)
	}
	s.shows = func(v *simService, i *simInstance, t int, w *unship.Window) {
		log := func(pattern string) {
			w.Logs = append(w.Logs, unship.LogCount{Pattern: pattern, Severity: severityError, Count: 1})
		}
		if v.name == "cart" && (t+len(i.id))%3 == 0 {
			log("always so")
		}
		if v.name == "ledger" && i.version == "1.1.0" && t%5 == 0 {
			log("no such account")
		}
	}
	if first := s.rank(t, nil)[0].Releases[0]; first.Service != "ledger" || first.Share < .6 {
		t.Errorf("%+v first; want the ledger", first)
	}
}

// Where the others that were announced are there, one that is missing is suspect
// by that alone; where none ever shows up, it tells nothing.
func TestMissingIsSuspectWhereOthersCome(t *testing.T) {
	t.Parallel()
	s := newSimulation(11)
	s.windows = simStart + 60
	said := map[int][]unship.Announcement{simStart: {announcement("ledger", "1.1.0", simStart)}}
	for k, name := range []string{"cart", "catalog", "search"} {
		v := s.canary(name, simStart+k, 2)
		r := v.releases[simStart+k]
		a := announcement(name, "1.1.0", simStart+k)
		r.Announcement = &a
		v.releases[simStart+k] = r
	}
	if first := s.rank(t, said)[0].Releases[0]; first.Service != "ledger" {
		t.Errorf("%+v first; want the one that did not come", first)
	}
	s = newSimulation(11)
	s.windows = simStart + 60
	for _, name := range []string{"cart", "catalog", "search"} {
		said[simStart] = append(said[simStart], announcement(name, "1.1.0", simStart))
	}
	for _, x := range s.rank(t, said)[0].Releases {
		if math.Abs(x.Share-.25) > .05 {
			t.Errorf("%+v; want a fourth for each", x)
		}
	}
}

func TestEndsOfCalls(t *testing.T) {
	t.Parallel()
	for attributes, want := range map[string][2]string{
		"": {},
		"destination.service=cart,reporter=source,source.service=web":                    {"web", "cart"},
		"destination_service_name=cart,destination_workload=cart-v2,source_workload=web": {"web", "cart"},
		"client=web,server=cart":                 {"web", "cart"},
		"quantile=0.9,source_app=web":            {"web", ""},
		"destination.service,source.service=web": {"web", ""},
	} {
		if got := endsOf(attributes); got != want {
			t.Errorf("endsOf(%q) = %q; want %q", attributes, got, want)
		}
	}
}

func TestTheBlameOfAGuiltyReleaseRanksTheOthers(t *testing.T) {
	t.Parallel()
	s := newSimulation(9)
	s.canary("cart", simStart, 2)
	s.canary("search", simStart, 2)
	s.harm("cart", "1.1.0", "", simStart, effect{errors: .2})
	r := s.run(t)["cart"]
	if len(r.blame.Ranking) != 2 || r.blame.Ranking[0].Service != "cart" || r.blame.Ranking[0].Share < .95 || r.blame.Ranking[1].Why == "" {
		t.Errorf("%+v", r.blame.Ranking)
	}
}

// A recording and the live stream give the same incidents, to the last bit.
func TestRankingTwiceGivesTheSame(t *testing.T) {
	t.Parallel()
	d := (&graph{services: 60, releases: 5, edges: true, begin: 40}).play(t, 55)
	want := d.Rank()
	for range 20 {
		if got := d.Rank(); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, then %+v", want, got)
		}
	}
	if first := want[0].Releases[0]; first.Service != "service-0000" || first.Share < .9 {
		t.Errorf("%+v first", first)
	}
}
