package detect

import (
	"testing"

	"unship.dev/detect/stat"
	"unship.dev/rules"
)

// beside makes a comparison of two instances that began in window 0, each with so many
// requests a window.
func beside(windows int32, candidate, baseline func(t int32) int) *comparison {
	old, young := &instance{version: "1"}, &instance{version: "2"}
	for t := range windows {
		for i, n := range map[*instance]int{old: baseline(t), young: candidate(t)} {
			if n > 0 {
				*i.open(0, t) = cell{at: t, n: uint16(n)}
			}
		}
	}
	return &comparison{
		svc: &service{units: []*unit{{operation: "op"}}, instances: []*instance{old, young}}, sides: cohorts{candidate: "2", baseline: "1"},
		patience: 12, blinded: map[int32]bool{},
	}
}

// blocks gives the windows in which blocks end, and how many requests each has.
func blocks(c *comparison, windows int32) (ends []int32, sums []tally) {
	x := &source{}
	for t := range windows {
		if x.read(c, t); x.frame.both {
			ends, sums = append(ends, t), append(sums, x.frame.tally(signalsFor(rules.Tolerance{})[0]))
		}
	}
	return ends, sums
}

func evenly(n int) func(int32) int { return func(int32) int { return n } }

func TestBlocksAreAsLongAsRequestsAreFew(t *testing.T) {
	for _, x := range []struct {
		name                string
		candidate, baseline func(int32) int
		from                int32 // looked at
		long                int32 // of the blocks that end later
	}{
		{"many requests stand alone", evenly(enough), evenly(100), 0, 1},
		{"few at first do, too", evenly(1), evenly(10), 0, 0},
		{"few wait for an eighth of the time", evenly(1), evenly(1), 40, 5},
		{"until there are enough", evenly(4), evenly(90), 40, 2},
		{"for a minute at most", evenly(1), evenly(10), 200, 8},
		{"those of one alone for the other's", func(t int32) int { return int(1 - min(1, t%10)) }, evenly(1), 200, 10},
	} {
		c := beside(x.from+100, x.candidate, x.baseline)
		ends, sums := blocks(c, x.from+100)
		if len(ends) == 0 || ends[0] > 2 {
			t.Errorf("%s: the first of %v ends late", x.name, ends)
		}
		for k := 1; k < len(ends); k++ {
			long := ends[k] - ends[k-1]
			if ends[k-1] >= x.from && ends[k] < x.from+30 && x.long > 0 && (long < x.long || long > x.long+4) {
				t.Errorf("%s: a block of %d windows ends with window %d, want %d or a little more", x.name, long, ends[k], x.long)
			}
			if s := sums[k]; s.nc == 0 || s.nb == 0 || long > c.patience {
				t.Errorf("%s: a block of %d windows has %+v", x.name, long, s)
			}
		}
	}
}

// Every request of both cohorts is in one block, in none but one.
func TestBlocksCountEachRequestOnce(t *testing.T) {
	c := beside(300, func(t int32) int { return int(t % 3) }, func(t int32) int { return int(t % 5) })
	ends, sums := blocks(c, 300)
	want, got := tally{}, tally{}
	for t := int32(0); t <= ends[len(ends)-1]; t++ {
		want.nc, want.nb = want.nc+float64(t%3), want.nb+float64(t%5)
	}
	for _, s := range sums {
		got.merge(s)
	}
	if got != want {
		t.Errorf("the blocks have %+v, want %+v", got, want)
	}
}

// A window in which calls cannot be told is compared alone or not at all.
func TestABlindWindowBelongsToNoBlock(t *testing.T) {
	c := beside(300, evenly(1), evenly(1))
	c.blinded[250] = true
	ends, sums := blocks(c, 300)
	for k, end := range ends {
		if end == 250 && sums[k].nc == 1 {
			return
		}
	}
	t.Errorf("blocks end with %v; want one of window 250 alone", ends)
}

// What an instance itself does in a block's other windows is not what others do.
func TestAnInstanceIsNotItsOwnWitness(t *testing.T) {
	c := beside(20, evenly(8), evenly(1))
	ill := c.svc.instances[1]
	s := &slot{division: &division{strata: []stratum{{}}, opt: stat.ProcessOptions{Calibration: stat.Calibrate(nil, nil)}}, signal: signalsFor(rules.Tolerance{})[0]}
	f := frame{block: true}
	for k := range ill.units[0] {
		x := ill.units[0][k]
		x.y[countFailedHere] = 8
		f.seen = append(f.seen, seen{cell: x, at: x.at, who: ill, candidate: true})
	}
	f.seen = append(f.seen, seen{cell: cell{n: 100}, who: c.svc.instances[0]})
	s.count(&f)
	for k, x := range s.counts[:20] {
		if x.others != 0 || x.y >= x.raw {
			t.Fatalf("window %d: %+v, want the failures of the only ill instance to be clipped", k, x)
		}
	}
}

// While most requests of both versions fail, what the candidate shows is no illness of an old
// instance: clipped, that would fare better than the candidate, which fails less.
func TestAnOldInstanceIsNotClippedBelowTheCandidate(t *testing.T) {
	c := beside(1, evenly(10), evenly(49))
	for name, x := range map[string]struct {
		candidate, baseline uint16
		least, most         int // failures of the old instance that count
	}{
		"both fail":      {3, 25, 15, 25},
		"it alone fails": {0, 25, 0, 5},
	} {
		old, young := c.svc.instances[0], c.svc.instances[1]
		old.units[0][0].y[countFailedHere], young.units[0][0].y[countFailedHere] = x.baseline, x.candidate
		f := frame{seen: []seen{{cell: old.units[0][0], who: old}, {cell: young.units[0][0], who: young, place: 1, candidate: true}}}
		s := &slot{division: &division{
			strata: []stratum{{}, {}}, opt: stat.ProcessOptions{Calibration: stat.Calibrate(nil, nil)}, crowd: make([]stat.Crowd, 2),
		}, signal: signalsFor(rules.Tolerance{})[0]}
		s.count(&f)
		s.meet(&f)
		if got := c.table(s, &f); got.XC != int(x.candidate) || got.XB < x.least || got.XB > x.most {
			t.Errorf("%s: %+v, want %d to %d failures of the old instance", name, got, x.least, x.most)
		}
	}
}

// Tables of the fewest requests would tell less than half of what they all together do.
func TestBlocksTellNearlyAllThereIsToKnow(t *testing.T) {
	c := beside(240, evenly(1), evenly(3))
	for k := range c.svc.instances[1].units[0] {
		if k%3 == 0 {
			c.svc.instances[1].units[0][k].y[countFailedHere] = 1
		}
	}
	_, sums := blocks(c, 240)
	theta, told, known, all := []float64{3}, []float64{0}, []float64{0}, tally{}
	for _, s := range sums {
		stat.ConditionalLLR(told, theta, 0, stat.Table{NC: int(s.nc), NB: int(s.nb), XC: int(s.xc), XB: int(s.xb)})
		all.merge(s)
	}
	stat.ConditionalLLR(known, theta, 0, stat.Table{NC: int(all.nc), NB: int(all.nb), XC: int(all.xc), XB: int(all.xb)})
	if part := told[0] / known[0]; part < .8 || part > 1.1 {
		t.Errorf("the blocks tell %.2f of all, %.1f of %.1f; want at least .8", part, told[0], known[0])
	}
}
