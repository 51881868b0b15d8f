package ingest

import (
	"testing"
	"time"

	"unship.dev"
)

// What the watermark has not passed when a recording ends is cut, however it was read.
func TestWhereARecordingEnds(t *testing.T) {
	for _, taken := range []bool{false, true} {
		a := newAggregator(t)
		var ticks []unship.Tick
		for k := range 10 {
			send(t, a, visit(k+1, time.Duration(k)*5*time.Second, false)...)
			if taken {
				ticks = append(ticks, a.Take()...)
			}
		}
		ticks = append(ticks, a.Flush()...)
		for _, k := range ticks {
			if last := ticks[len(ticks)-1]; k.Cut != k.Closed.After(last.Start.Add(time.Millisecond)) {
				t.Errorf("taken %v: the tick of %s, closed by %s, is cut: %v; the last is of %s", taken, k.Start, k.Closed, k.Cut, last.Start)
			}
		}
	}
}
