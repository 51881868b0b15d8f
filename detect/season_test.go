package detect

import (
	"math"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/rules"
)

// wandering makes an estate of three services whose failure ratios go their own
// ways, and with the hour.
func wandering(seed uint64, own float64, hour func(at time.Time) float64) *simulation {
	s := newSimulation(seed)
	s.services = s.services[:3]
	level := map[string]float64{}
	for _, v := range s.services {
		v.ops, v.rps, v.instances = v.ops[:1], 12, v.instances[:2]
		v.ops[0].errors = 0
	}
	last := -1
	s.effects = append(s.effects, func(v *simService, _ *simInstance, _ string, t int) effect {
		for ; last < t; last++ {
			for _, v := range s.services { // in the mean of five minutes much stays
				level[v.name] = .99*level[v.name] + math.Sqrt(1-.99*.99)*own*s.rng.NormFloat64()
			}
		}
		return effect{errors: .02 * math.Exp(level[v.name]) * hour(simTime(t))}
	})
	return s
}

func always(time.Time) float64 { return 1 }

// learn plays windows with histories of five minutes, then replaces the cart.
func (s *simulation) learn(t *testing.T, windows int) *Detector {
	t.Helper()
	d, err := New(Options{History: 60})
	if err != nil {
		t.Fatal(err)
	}
	s.play(t, d, 0, windows)
	return d
}

func TestDriftIsLearntFromPretendedReplacements(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ own, least, most float64 }{{.02, leastDrift, .12}, {.6, .3, .8}} {
		s := wandering(1600, c.own, always)
		d := s.learn(t, 60*60)
		x := d.foretell(d.order[0], d.now)
		got := x.deviation(countFailedHere, 60)
		t.Logf("drift of %v: %.3f of %.0f placebos, .15 without", c.own, got, x.drift[countFailedHere].weight)
		if got < c.least || got > c.most {
			t.Errorf("drift of %v: %v; want %v to %v", c.own, got, c.least, c.most)
		}
		if early := x.deviation(countFailedHere, 0); early > got {
			t.Errorf("drift of %v: %v at once, %v later; want it to grow if it does anything", c.own, early, got)
		}
	}
	var nothing course
	if nothing.deviation(countP50, 9) != usualDrift(countP50) || nothing.ratio(countP50, 9) != 1 {
		t.Error("without a past the drift is not the usual one")
	}
}

// Replacements that change nothing, of services that wander by themselves, are
// blamed less often by what was learnt than by what is usual.
func TestReplacedServicesThatWander(t *testing.T) {
	t.Parallel()
	blamed := map[bool]int{}
	const releases = 8
	for seed := range uint64(releases) {
		for _, learnt := range []bool{true, false} {
			if wanders(t, seed+1620, learnt) {
				blamed[learnt]++
			}
		}
	}
	t.Logf("of %d replacements %d are blamed, %d by the usual drift", releases, blamed[true], blamed[false])
	if 2*blamed[true] > blamed[false] || blamed[false] == 0 {
		t.Errorf("of %d replacements %d are blamed, %d by the usual drift; want fewer", releases, blamed[true], blamed[false])
	}
}

func wanders(t *testing.T, seed uint64, learnt bool) (blamed bool) {
	t.Helper()
	s, at := wandering(seed, .9, always), 30*60
	d := s.learn(t, at)
	for _, o := range d.order {
		if !learnt {
			o.memory.season = season{}
		}
	}
	s.policy.Watch = 10 * time.Minute
	s.replace("cart", at, 0)
	for w := at; w < at+120; w++ {
		k, r := s.tick(w)
		for _, j := range d.Observe(k, r, rules.Set{s.policy}).Judgements {
			blamed = blamed || j.Verdict == unship.Regressed
		}
	}
	return blamed
}

// Every day at noon half as much again fails for half an hour: it is foretold.
func TestSeasonIsForetold(t *testing.T) {
	t.Parallel()
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := newService(unship.Service{Name: "cart"}, 1)
	d.epoch = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) // a Monday
	x := &s.memory.season
	rate := func(turn int64) float64 {
		if turn%48 == 24 {
			return 150
		}
		return 100
	}
	of := func(turn int64) *period {
		p := &period{turn: turn, units: make([]periodUnit, 1)}
		p.units[0].own[countFailedHere] = badOf(rate(turn))
		p.units[0].by = p.units[0].own
		return p
	}
	for turn := range int64(20 * 48) {
		x.pretend(int(turn%48), countFailedHere, 96, of(turn), of(turn+1))
	}
	for slot, want := range map[int]float64{10: 0, 23: math.Log(1.5), 24: -math.Log(1.5)} {
		got := x.mean(slot, countFailedHere)
		if math.Abs(got-want) > .15 || want != 0 && got*want <= 0 {
			t.Errorf("slot %d: %.2f; want about %.2f", slot, got, want)
		}
	}
	if drift := math.Sqrt(x.drift[countFailedHere].variance()); drift > .25 {
		t.Errorf("the drift beside the season is %.2f; want what is left of it", drift)
	}
	c := course{length: 360}
	c.slope[countFailedHere] = x.mean(23, countFailedHere)
	if now, late := c.ratio(countFailedHere, 0), c.ratio(countFailedHere, 360); now >= late || c.ratio(countRejected, 100) != 1 {
		t.Errorf("ratio %v at once, %v later; want it to grow, and nothing where nothing is known", now, late)
	}
}

func badOf(x float64) rate { return rate{x, 10000} }

// Working days and weekends have profiles of their own.
func TestSlotsOfTheWeek(t *testing.T) {
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := newService(unship.Service{Name: "cart"}, 1)
	seen := map[int]int{}
	for turn := range int64(7 * 48) {
		seen[d.slot(s, turn+1_000_000)]++
	}
	if len(seen) != 96 || d.slotsOfDay() != 48 {
		t.Errorf("%d slots in a week; want 48 of working days and 48 of weekends", len(seen))
	}
	for slot, n := range seen {
		if want := map[bool]int{true: 5, false: 2}[slot < 48]; n != want {
			t.Errorf("slot %d comes %d times a week; want %d", slot, n, want)
		}
	}
	odd, err := New(Options{History: 350})
	if err != nil {
		t.Fatal(err)
	}
	if odd.slot(s, 5) != -1 {
		t.Error("a history of which a day has no whole number has no slots")
	}
}
