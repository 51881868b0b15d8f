package detect

import (
	"fmt"
	"math"
	"testing"

	"unship.dev"
)

// A canary's only instance is ill for twenty seconds in all of its operations.
// Clipped in each operation alone, its failures would count many times.
func TestAnInstanceThatIsIllInAllOperationsCountsOnce(t *testing.T) {
	for seed := range uint64(5) {
		s := newSimulation(seed + 1)
		v := s.canary("cart", simStart, 1)
		v.ops = v.ops[:0]
		for k := range 12 {
			v.ops = append(v.ops, simOp{fmt.Sprintf("GET /cart/%d", k), 1.0 / 12, .01, .01, .02})
		}
		s.effects = append(s.effects, func(v *simService, i *simInstance, _ string, t int) effect {
			if v.name == "cart" && i.version == "1.1.0" && t >= simStart+30 && t < simStart+34 {
				return effect{errors: .4}
			}
			return effect{}
		})
		d, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.play(t, d, 0, simStart+34)
		for _, x := range d.watches[0].conc.streams {
			if x.signal.kind == unship.SignalErrorRatio && !x.single && x.weakest().proc.Raw() > math.Log(30) {
				t.Errorf("seed %d: the evidence of all operations together is %.1f; want less than log 30", seed, x.weakest().proc.Raw())
			}
		}
	}
}
