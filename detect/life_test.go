package detect

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unship.dev"
	"unship.dev/rules"
)

func TestTheGuiltyOneOfTwoReleases(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		s := newSimulation(seed + 300)
		s.canary("checkout", simStart, 2)
		s.canary("cart", simStart+2, 2)
		s.harm("cart", "1.1.0", "", simStart+2, effect{errors: .08})
		// What cart fails, checkout passes on: both of its versions alike.
		s.harm("checkout", "", "", simStart+2, effect{errors: .01})
		r := s.run(t)
		if r["cart"].regressed < 0 || r["checkout"].regressed >= 0 {
			t.Fatalf("seed %d: cart after %d, checkout after %d windows; want only cart", seed, r["cart"].regressed, r["checkout"].regressed)
		}
		b := r["cart"].blame
		if b.Cause != unship.CauseRelease || len(b.Suspects) == 0 || b.Suspects[0].Service != "cart" || b.Suspects[0].Probability < .95 {
			t.Errorf("seed %d: blame is %+v; want cart, as a release", seed, b)
		}
		if len(b.Exonerated) != 1 || b.Exonerated[0].Service != "checkout" || !strings.Contains(b.Exonerated[0].Why, "no worse than those of 1.0.0") && !strings.Contains(b.Exonerated[0].Why, "old instances fail just as much") {
			t.Errorf("seed %d: exonerated %+v; want checkout, with the reason", seed, b.Exonerated)
		}
		if f := r["cart"].first.Findings[0]; f.Signal != unship.SignalErrorRatio || f.Interval[0] > f.Candidate || f.Interval[1] < f.Candidate || f.Baseline > .05 || len(f.Exemplars) == 0 {
			t.Errorf("seed %d: strongest finding %+v", seed, f)
		}
		if i := r["cart"].last.Impact; i.RequestsFailed < 100 {
			t.Errorf("seed %d: impact %+v; want hundreds of failed requests", seed, i)
		}
	}
}

// assess plays a simulation and keeps all assessments. change may rearrange a tick.
func assess(t *testing.T, seed uint64, change func(*unship.Tick)) []unship.Assessment {
	t.Helper()
	s := newSimulation(seed)
	s.canary("cart", simStart, 2)
	s.replace("ledger", simStart+3, 0)
	s.harm("cart", "1.1.0", "", simStart, effect{errors: .05})
	s.harm("ledger", "1.1.0", "", simStart+3, effect{latency: 3})
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out []unship.Assessment
	for w := range s.windows {
		k, r := s.tick(w)
		change(&k)
		out = append(out, d.Observe(k, r, rules.Set{s.policy}))
	}
	return out
}

func TestTheSameTicksGiveTheSameAssessments(t *testing.T) {
	t.Parallel()
	as := assess(t, 7, func(*unship.Tick) {})
	again := assess(t, 7, func(*unship.Tick) {})
	if d := cmp.Diff(as, again); d != "" {
		t.Errorf("played twice (-first +second):\n%s", d)
	}
	backwards := assess(t, 7, func(k *unship.Tick) { slices.Reverse(k.Windows) })
	if d := cmp.Diff(as, backwards); d != "" {
		t.Errorf("windows in reverse order (-sorted +reversed):\n%s", d)
	}
}

func TestALateFaultIsShownAsItIsNow(t *testing.T) {
	t.Parallel()
	s := newSimulation(11)
	s.canary("cart", simStart, 2)
	s.harm("cart", "1.1.0", "", simStart+72, effect{errors: .1})
	j := s.run(t)["cart"].last
	if late := j.Onset.Sub(simTime(simStart + 72)).Abs(); j.Verdict != unship.Regressed || late > 30*time.Second {
		t.Errorf("%v with onset %v from the true one; want regressed, within 30s", j.Verdict, late)
	}
	if f := j.Findings[0]; f.Candidate < .07 || f.Candidate > .14 {
		t.Errorf("finding %+v; want the 10 %% of now, not the mean over the watch", f)
	}
}

func TestAReleaseMayBeToldLate(t *testing.T) {
	t.Parallel()
	s := newSimulation(12)
	v := s.canary("cart", simStart, 2)
	v.releases[simStart+6] = v.releases[simStart]
	delete(v.releases, simStart)
	s.harm("cart", "1.1.0", "", simStart, effect{errors: .25})
	if r := s.run(t)["cart"]; r.regressed != 6 || r.last.Onset.Sub(simTime(simStart)) > 10*time.Second {
		t.Errorf("regressed after %d windows, onset %v; want 6, when it was told, and its beginning", r.regressed, r.last.Onset)
	}
}

func TestARollbackIsNotJudged(t *testing.T) {
	t.Parallel()
	s := newSimulation(1)
	v := s.canary("cart", simStart, 2)
	r := v.releases[simStart]
	r.RollbackOf = "1.2.0"
	v.releases[simStart] = r
	s.harm("cart", "1.1.0", "", simStart, effect{errors: .5})
	got := s.run(t)["cart"]
	if got.regressed >= 0 || got.last.Verdict != unship.Inconclusive || !got.last.Done || !strings.Contains(got.last.Why, "rollback") {
		t.Errorf("judged %+v; want inconclusive at once, as a rollback", got.last)
	}
}

func TestSilenceIsNoVerdict(t *testing.T) {
	t.Parallel()
	s := newSimulation(1)
	s.canary("cart", simStart, 2)
	s.silent = func(i *simInstance, t int) bool {
		return t >= simStart+10 && t < simStart+16 && !strings.Contains(i.id, "-0")
	}
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	outage := ""
	for w := range s.windows {
		k, r := s.tick(w)
		a := d.Observe(k, r, rules.Set{s.policy})
		if w == simStart+10 {
			outage = a.Outage
		} else if w < simStart+10 && a.Outage != "" {
			t.Fatalf("window %d: outage %q; want none", w-simStart, a.Outage)
		}
		for _, j := range a.Judgements {
			if j.Verdict == unship.Regressed {
				t.Fatalf("regressed: %s", j.Why)
			}
		}
	}
	if !strings.Contains(outage, "fell silent at once") {
		t.Errorf("outage is %q; want the number of silent instances", outage)
	}
}

func TestLittleTrafficIsInconclusive(t *testing.T) {
	t.Parallel()
	s := newSimulation(2)
	v := s.canary("cart", simStart, 1)
	s.mix = func(i *simInstance, _ string) float64 {
		if i.version == "1.1.0" {
			return .003
		}
		return 1
	}
	_ = v
	r := s.run(t)["cart"]
	if r.last.Verdict != unship.Inconclusive || !r.last.Done || !strings.Contains(r.last.Why, "would have been seen") {
		t.Errorf("%v: %q; want inconclusive, with what would have been seen", r.last.Verdict, r.last.Why)
	}
}

func TestWhatWouldHaveBeenSeenIsToldBySignal(t *testing.T) {
	t.Parallel()
	s := newSimulation(9)
	s.canary("cart", simStart, 2)
	told := map[unship.Signal]unship.Detectable{}
	for _, x := range s.run(t)["cart"].last.Detectable {
		told[x.Signal] = x
	}
	for _, k := range []unship.Signal{unship.SignalErrorRatio, unship.SignalRejectionRatio, unship.SignalSelfDuration} {
		if x := told[k]; x.Change <= x.Baseline || x.Change > 30*x.Baseline {
			t.Errorf("%s: %+v; want a change beyond the baseline that is within reach", k, x)
		}
	}
}

func TestDismissEndsTheWatch(t *testing.T) {
	t.Parallel()
	s := newSimulation(3)
	s.canary("cart", simStart, 2)
	s.harm("cart", "1.1.0", "", simStart, effect{errors: .2})
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := unship.ReleaseID{Service: s.service("cart").id(), Version: "1.1.0"}
	for w := range simStart + 10 {
		k, r := s.tick(w)
		if w == simStart+2 {
			d.Dismiss(id)
		}
		a := d.Observe(k, r, rules.Set{s.policy})
		switch {
		case w == simStart+2 && (len(a.Judgements) != 1 || !a.Judgements[0].Done || a.Judgements[0].Verdict != unship.Inconclusive):
			t.Errorf("after the dismissal: %+v; want a last judgement, inconclusive", a.Judgements)
		case w > simStart+2 && len(a.Judgements) != 0:
			t.Fatalf("window %d: %+v; want nothing more", w-simStart, a.Judgements)
		}
	}
}

func TestTicksMustFollowOneAnother(t *testing.T) {
	t.Parallel()
	s := newSimulation(4)
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	k, _ := s.tick(5)
	d.Observe(k, nil, nil)
	before := len(d.services)
	k.Start = k.Start.Add(-time.Minute)
	if a := d.Observe(k, nil, nil); len(a.Judgements) > 0 || len(d.services) != before || !a.At.Equal(k.Closed) {
		t.Errorf("an old tick gave %+v; want it ignored", a)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{Window: time.Millisecond}, {History: 3}, {Services: -1}, {Instances: -1}} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), "want") {
			t.Errorf("New(%+v): error %v; want one that says what is wanted", o, err)
		}
	}
}

func TestWhatIsOldIsForgotten(t *testing.T) {
	t.Parallel()
	s := newSimulation(5)
	s.windows = simStart + 100
	s.canary("cart", 20, 2).stop("1.0.0", 30)
	s.policy.Watch = 5 * time.Minute
	d, err := New(Options{History: 60})
	if err != nil {
		t.Fatal(err)
	}
	for w := range s.windows {
		k, r := s.tick(w)
		d.Observe(k, r, rules.Set{s.policy})
	}
	for _, v := range d.order {
		for _, i := range v.instances {
			for _, u := range i.units {
				if len(u) > 60+64+sweepEvery {
					t.Fatalf("%s keeps %d windows of %s; want about the history of 60", v.id, len(u), i.ID)
				}
			}
			if i.last < d.now-60-sweepEvery {
				t.Errorf("%s still knows %s", v.id, i.ID)
			}
		}
		if len(v.watches) > 0 || len(v.controls) > 0 {
			t.Errorf("%s still has %d watches, %d controls", v.id, len(v.watches), len(v.controls))
		}
	}
}

// BenchmarkObserve is one tick of a canary among services; streams are reported.
func BenchmarkObserve(b *testing.B) {
	s := newSimulation(1)
	for _, v := range s.services {
		s.canary(v.name, simStart, 2)
	}
	d, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	s.policy.Watch = 24 * time.Hour
	w := 0
	for ; w < simStart+10; w++ {
		k, r := s.tick(w)
		d.Observe(k, r, rules.Set{s.policy})
	}
	streams := 0
	for _, x := range d.watches {
		streams += len(x.conc.streams)
	}
	ticks := make([]unship.Tick, 100) // the same window again and again would be evidence
	for i := range ticks {
		ticks[i], _ = s.tick(w)
	}
	b.ReportAllocs()
	for b.Loop() {
		k := ticks[w%len(ticks)]
		k.Start, k.End, k.Closed = simTime(w), simTime(w+1), simTime(w+3)
		d.Observe(k, nil, rules.Set{s.policy})
		w++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(streams), "ns/stream")
}

func TestAVerdictSaysThatItsInputWasThinned(t *testing.T) {
	t.Parallel()
	s := newSimulation(1)
	s.canary("cart", simStart, 2)
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for w := range simStart + 20 {
		k, r := s.tick(w)
		if w == simStart-5 || w == simStart+10 {
			k.Losses.Dropped = 7
		}
		a := d.Observe(k, r, rules.Set{s.policy})
		for _, j := range a.Judgements {
			if got, want := strings.Contains(j.Why, "7 details"), w >= simStart+10; got != want {
				t.Fatalf("window %d: %q tells of 7 dropped details: %v, want %v", w-simStart, j.Why, got, want)
			}
		}
	}
}
