package detect

import (
	"math"
	"math/rand/v2"
	"testing"

	"unship.dev"
)

// estranged is how calls are lost in one window: those of the candidate and of the baseline, as parts.
type estranged struct{ share, mine, theirs float64 }

// Whether lost calls are the candidate's alone is told by the share that it had while none were
// lost, and by nothing else: of calls that are lost all the time, those that are answered tell none.
func TestSpares(t *testing.T) {
	t.Parallel()
	steady := func(mine, theirs float64, from, to int) func(int) estranged {
		return func(at int) estranged {
			if at < from || at >= to {
				return estranged{share: .2}
			}
			return estranged{.2, mine, theirs}
		}
	}
	for _, c := range []struct {
		name   string
		calls  float64 // a window
		lose   func(at int) estranged
		spared bool // nobody is asked
		blamed bool // it is known whose they are
	}{
		{"a quarter hangs, few calls", 7, steady(.25, 0, 0, 200), false, false},
		{"a quarter hangs, more calls", 40, steady(.25, 0, 0, 200), false, false},
		{"a quarter hangs, later, many calls", 200, steady(.25, 0, 60, 200), false, true},
		{"it crashes and is left out for a while, and is given more all the time", 18, func(at int) estranged {
			switch phase := at % 10; {
			case phase >= 6:
				return estranged{}
			case phase == 5:
				return estranged{.05 + float64(at)/400, 1, 0}
			}
			return estranged{share: .05 + float64(at)/400}
		}, false, false},
		{"both lose a tenth", 200, steady(.1, .1, 12, 200), true, false},
		{"both lost some for a while", 200, steady(.3, .3, 0, 24), true, false},
		{"nobody knows: both lose a tenth from the start", 200, steady(.1, .1, 0, 200), false, false},
	} {
		for seed := range uint64(5) {
			rng := rand.New(rand.NewPCG(seed, 7))
			s := newService(unship.Service{Name: "cart"}, 0)
			for at := range int32(100) {
				s.asked = append(s.asked, askedCell{at: at, calls: uint64(c.calls)})
			}
			l := newLoss(s, history{0, 100})
			l.grow(1)
			for at := range 200 {
				lose, x := c.lose(at), askedCell{}
				var mine, theirs uint64
				for range int(c.calls) {
					fresh := rng.Float64() < lose.share
					x.calls++
					switch p := rng.Float64(); {
					case fresh && p < lose.mine, !fresh && p < lose.theirs:
						x.lost++
					case fresh:
						mine++
					default:
						theirs++
					}
				}
				l.table(x, mine, theirs, 0)
			}
			if got := l.spares(); got != c.spared {
				t.Errorf("%s, seed %d: spared %v, want %v: %+v", c.name, seed, got, c.spared, *l)
			}
			if got := l.accuses(); got != c.blamed {
				t.Errorf("%s, seed %d: blamed %v, want %v: %+v", c.name, seed, got, c.blamed, *l)
			}
			if ask := l.rise.LogA() + math.Log(weightUnanswered); ask < math.Log(100) {
				t.Errorf("%s, seed %d: log E %.1f to ask, though no call was lost before", c.name, seed, ask)
			}
		}
	}
}
