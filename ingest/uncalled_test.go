package ingest

import (
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

// visit is one request of cart at a time: of web, or of nobody.
func visit(id int, at time.Duration, called bool) []testSpan {
	server := testSpan{service: "cart", version: "7", pod: "c", trace: uint64(id), id: 3, kind: ptrace.SpanKindServer, name: "get", from: at, to: at + ms}
	if !called {
		return []testSpan{server}
	}
	server.parent = 2
	return []testSpan{
		{service: "web", version: "2", pod: "w", trace: uint64(id), id: 1, kind: ptrace.SpanKindServer, name: "op", from: at, to: at + 2*ms},
		{service: "web", version: "2", pod: "w", trace: uint64(id), id: 2, parent: 1, kind: ptrace.SpanKindClient, from: at, to: at + 2*ms},
		server,
	}
}

// Probes of a service that others call are requests of another kind. Who is asked by others and by the
// world outside has one kind, and so has who is asked by nobody inside.
func TestRequestsThatNobodyCalls(t *testing.T) {
	for _, c := range []struct {
		name               string
		called, uncalled   int // in the first window
		then, thenUncalled int // in the second
		usual, apart       uint64
	}{
		{"probes", 100, 0, 50, 10, 50, 10},
		{"a few were always there", 100, 4, 50, 10, 50, 10},
		{"both ask", 100, 20, 50, 10, 60, 0},
		{"too few to know", 10, 0, 5, 1, 6, 0},
	} {
		for _, restarted := range []bool{false, true} {
			a := newAggregator(t)
			id := 0
			visits := func(n int, at time.Duration, called bool) {
				for range n {
					id++
					send(t, a, visit(id, at, called)...)
				}
			}
			visits(c.called, 0, true)
			visits(c.uncalled, 0, false)
			if restarted {
				ticks := a.Flush()
				a = newAggregator(t)
				for _, tick := range ticks {
					a.Remember(tick)
				}
			}
			visits(c.then, 7*time.Second, true)
			visits(c.thenUncalled, 7*time.Second, false)
			ticks := a.Flush()
			got := map[string]uint64{}
			for _, w := range ticks[len(ticks)-1].Windows {
				for _, op := range w.Operations {
					got[op.Name] += op.Requests
				}
			}
			if got["get"] != c.usual || got["get (no caller)"] != c.apart || got["op"] != uint64(c.then) || got["op (no caller)"] != 0 {
				t.Errorf("%s, restarted %v: %v", c.name, restarted, got)
			}
		}
	}
}

func TestRootsAreNotSetApartForGood(t *testing.T) {
	x := asked{called: 100}
	for _, c := range []struct {
		called, uncalled uint64
		apart            bool
	}{{100, 0, true}, {100, 60, true}, {100, 101, false}, {100, 60, false}, {1300, 60, true}} {
		x.called, x.uncalled = c.called, c.uncalled
		if x.decide(); x.apart != c.apart {
			t.Errorf("%d called, %d not: apart %v", c.called, c.uncalled, x.apart)
		}
	}
}
