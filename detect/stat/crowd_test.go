package stat

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// split divides every window's requests and failures evenly by chance among so
// many operations: the same instances, told of in parts.
func split(r random, cells Cells, parts int) []Cells {
	out := make([]Cells, parts)
	for i := range cells.N {
		for k := range out {
			out[k].N = append(out[k].N, make([]int32, len(cells.N[i])))
			out[k].Y = append(out[k].Y, make([]int32, len(cells.N[i])))
		}
		for w := range cells.N[i] {
			left, bad := int(cells.N[i][w]), int(cells.Y[i][w])
			for k := range out {
				n := left
				if k < parts-1 {
					n = r.binomial(left, 1/float64(parts-k))
				}
				y := 0
				if left > 0 {
					y = min(max(r.binomial(bad, float64(n)/float64(left)), bad-(left-n)), n)
				}
				out[k].N[i][w], out[k].Y[i][w] = int32(n), int32(y)
				left, bad = left-n, bad-y
			}
		}
	}
	return out
}

// crowds gives what each instance did in one window.
func crowds(c *Calibration, strata []Cells, w int) []Crowd {
	all := make([]Crowd, len(strata[0].N))
	for s := range strata {
		for i := range all {
			n := int(strata[s].N[i][w])
			all[i].Add(c, s, n, c.Winsor(s, n, int(strata[s].Y[i][w]), 0), 0)
		}
	}
	return all
}

// watchTogether is watch for several strata.
func watchTogether(c *Calibration, strata []Cells, k int, together bool) (top float64) {
	p := NewProcess(ProcessOptions{Calibration: c, InstancesC: k, InstancesB: len(strata[0].N) - k, ExtraSD: .05})
	for w := range strata[0].N[0] {
		all := crowds(c, strata, w)
		for s := range strata {
			var t Table
			for i := range all {
				n := int(strata[s].N[i][w])
				y := c.Winsor(s, n, int(strata[s].Y[i][w]), 0)
				if together {
					y = all[i].Thin(c, y)
				}
				if i < k {
					t.NC, t.XC = t.NC+n, t.XC+y
				} else {
					t.NB, t.XB = t.NB+n, t.XB+y
				}
			}
			p.Add(s, t)
		}
		top = math.Max(top, p.Close())
	}
	return top
}

// An instance that is ill for a moment is so in all of its operations. Clipped
// in each alone it counts many times; together once, as with one operation.
func TestAnIncidentCountsOnceHoweverManyOperationsShowIt(t *testing.T) {
	e := environments()["S5 incidents"]
	for _, parts := range []int{5, 20} {
		alone, together, one := 0, 0, 0
		for service := range uint64(8) {
			r := newRandom(300 + service)
			before, cells := e.run(r, 10, 360, 0), make([]Cells, 20)
			for k := range cells {
				cells[k] = e.run(r, 10, 360, 0)
			}
			history := split(r, before, parts)
			whole, crowd, each := Calibrate([]Cells{before}, nil), CalibrateTogether(history, nil), Calibrate(history, nil)
			for _, x := range cells {
				strata := split(r, x, parts)
				one += count(watchTogether(whole, []Cells{x}, 1, false) >= math.Log(10))
				together += count(watchTogether(crowd, strata, 1, true) >= math.Log(10))
				alone += count(watchTogether(each, strata, 1, false) >= math.Log(10))
			}
		}
		t.Logf("%d operations: of 160 healthy releases reach 10: %d; clipped in each operation alone %d; with one operation %d", parts, together, alone, one)
		if together > 16 || alone < 2*together {
			t.Errorf("%d operations: of 160 healthy releases %d reach 10, clipped in each operation alone %d; want at most 16, and fewer by far", parts, together, alone)
		}
	}
}

// A fault in all operations is found as fast as in one.
func TestAFaultIsFoundInPartsAsWell(t *testing.T) {
	e := environments()["S6 mixed"]
	r := newRandom(5)
	for range 5 {
		history, cells := e.run(r, 10, 360, 0), e.run(r, 10, 360, .03)
		c := CalibrateTogether(split(r, history, 5), nil)
		if top := watchTogether(c, split(r, cells, 5), 1, true); top < math.Log(1000) {
			t.Errorf("log E %.1f at most; want at least log 1000", top)
		}
	}
}

func TestOneStratumIsNoCrowd(t *testing.T) {
	cells := environments()["S6 mixed"].run(newRandom(1), 10, 360, 0)
	a, b := Calibrate([]Cells{cells}, nil), CalibrateTogether([]Cells{cells}, nil)
	if !sameFloats(a.PhiS, b.PhiS) || a.Tau2 != b.Tau2 || a.LongestRun != b.LongestRun {
		t.Errorf("%+v; want %+v", b, a)
	}
	for w := range 360 {
		all := crowds(b, []Cells{cells}, w)
		for i := range all {
			y := b.Winsor(0, int(cells.N[i][w]), int(cells.Y[i][w]), 0)
			if got := all[i].Thin(b, y); got != y {
				t.Fatalf("%d of %d requests are thinned from %d", got, cells.N[i][w], y)
			}
		}
	}
}

func TestThinning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &Calibration{noRate: noRate, PhiI: rapid.Float64Range(1, 5).Draw(t, "phi")}
		ys := rapid.SliceOfN(rapid.IntRange(0, 30), 1, 40).Draw(t, "y")
		var all Crowd
		total, m, v := 0, 0.0, 0.0
		for s, y := range ys {
			c.P, c.PhiW = append(c.P, rapid.Float64Range(0, .2).Draw(t, "p")), append(c.PhiW, 1)
			n := y + rapid.IntRange(0, 100).Draw(t, "n")
			all.Add(c, s, n, y, 0)
			em, ev := c.Expected(s, n, 0)
			total, m, v = total+y, m+em, v+ev
		}
		limit, sum := c.Ceiling(m, v), 0
		for _, y := range ys {
			got := all.Thin(c, y)
			if share := float64(y) * float64(min(limit, total)) / math.Max(1, float64(total)); got < 0 || got > y || math.Abs(float64(got)-share) >= 1 {
				t.Fatalf("%d of %d count; want about %.1f", got, y, share)
			}
			sum += got
		}
		if sum != min(total, limit) {
			t.Fatalf("%d count in all; want %d, the ceiling of %d", sum, min(total, limit), total)
		}
	})
}
