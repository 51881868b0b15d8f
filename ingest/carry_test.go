package ingest

import (
	"math/rand/v2"
	"testing"
)

// TestCallsOfAWindowAreFound looks up calls of more and fewer resources, in windows that take
// the room of each other. Of two calls with one id the first counts.
func TestCallsOfAWindowAreFound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	id := func() ([2]uint64, uint64) { return [2]uint64{r.Uint64(), r.Uint64()}, r.Uint64() }
	type ids struct {
		trace [2]uint64
		id    uint64
	}
	resources := make([]*resource, 3*maxRecent)
	var j joiner
	var room calls
	for _, n := range []int{1, 3, maxRecent, 5000, 4990, 1, maxRecent} {
		j.begin(7, 1, resources, nil)
		want, list := map[ids]uint32{}, []call{}
		for k := range n {
			trace, span := id()
			resource := uint32(r.IntN(len(resources)))
			if k%2 == 0 {
				resource = uint32(r.IntN(3))
			}
			want[ids{trace, span}] = resource
			list = append(list, call{hashCall(trace, span), resource})
		}
		list = append(list, call{list[0].hash, uint32(len(resources) - 1)})
		room = j.indexed(list[:min(len(list), maxRecent)], room)
		for x, resource := range want {
			if got, ok := room.find(x.trace, x.id); !ok || got != resource {
				t.Fatalf("of %d calls: found resource %d, %t; want %d", n, got, ok, resource)
			}
		}
		for range 1000 {
			if got, ok := room.find(id()); ok {
				t.Fatalf("of %d calls: found resource %d for a call that nobody made", n, got)
			}
		}
	}
}
