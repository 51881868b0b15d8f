package detect

import (
	"fmt"
	"runtime"
	"testing"

	"unship.dev"
	"unship.dev/rules"
)

// graph is an estate of many services, each of which calls ten others; a few are
// replaced at once, and the callers of the first of these cannot use its answers.
type graph struct {
	services, releases int
	edges              bool // tell of callers and answers
	begin              int
}

const (
	graphCalls    = 10
	graphRequests = 200
)

func (g *graph) id(k int) unship.Service {
	return unship.Service{Environment: "production", Namespace: "shop", Name: fmt.Sprintf("service-%04d", k)}
}

func (g *graph) release(k, t int) unship.ReleaseID {
	version := "1"
	if k < g.releases && t >= g.begin {
		version = "2"
	}
	return unship.ReleaseID{Service: g.id(k), Version: version}
}

// callee is whom service k calls: edges are spread evenly, and service 0 is called by ten.
func (g *graph) callee(k, j int) int { return (k + 1 + j*(g.services/graphCalls)) % g.services }

func (g *graph) caller(k, j int) int {
	return (k - 1 - j*(g.services/graphCalls) + 2*g.services) % g.services
}

func (g *graph) tick(t int) (unship.Tick, []unship.Release) {
	k := unship.Tick{Start: simTime(t), End: simTime(t + 1), Closed: simTime(t + 3)}
	for s := range g.services {
		for i := range 2 {
			k.Windows = append(k.Windows, g.window(s, i, t))
		}
	}
	var begun []unship.Release
	for s := 0; s < g.releases && t == g.begin; s++ {
		begun = append(begun, unship.Release{ReleaseID: g.release(s, t), Previous: "1", FirstSeen: k.Start, LastSeen: k.End})
	}
	return k, begun
}

func (g *graph) window(s, i, t int) unship.Window {
	get := unship.Operation{Name: "GET /", Requests: graphRequests}
	get.Self.Add(int16(-80+(t+s)%7), graphRequests)
	get.Duration = get.Self
	status := unship.Operation{Name: "GET /status", Requests: graphRequests}
	for j := range graphCalls {
		c := g.callee(s, j)
		a := unship.CalleeAnswer{Release: g.release(c, t), Requests: graphRequests / graphCalls}
		if c == 0 && t >= g.begin {
			a.Failed = 5
			get.Failed, get.FailedHere = 5, 5
		}
		if g.edges {
			get.Calls = append(get.Calls, unship.Call{Callee: g.id(c).Name, Requests: a.Requests, Total: a.Requests, Answered: []unship.CalleeAnswer{a}})
			get.Callers = append(get.Callers, unship.Caller{Release: g.release(g.caller(s, j), t), Requests: graphRequests / graphCalls})
		}
	}
	sortCalls(&get)
	r := g.release(s, t)
	return unship.Window{
		Release: r, Instance: unship.Instance{ID: fmt.Sprintf("%s-%s-%d", r.Name, r.Version, i), Node: fmt.Sprintf("node-%d", (s+i)%50)},
		Start: simTime(t), Length: simTime(1).Sub(simTime(0)), Operations: []unship.Operation{get, status},
	}
}

func sortCalls(p *unship.Operation) {
	var sorted unship.Operation
	for _, c := range p.Calls {
		sorted.Merge(unship.Operation{Calls: []unship.Call{c}})
	}
	for _, c := range p.Callers {
		sorted.Merge(unship.Operation{Callers: []unship.Caller{c}})
	}
	p.Calls, p.Callers = sorted.Calls, sorted.Callers
}

// play lets a detector see the estate up to a window.
func (g *graph) play(tb testing.TB, to int) *Detector {
	tb.Helper()
	d, err := New(Options{})
	if err != nil {
		tb.Fatal(err)
	}
	for t := range to {
		k, begun := g.tick(t)
		d.Observe(k, begun, rules.Set{rules.Default(unship.ModeAuto)})
	}
	return d
}

// BenchmarkGraph measures one tick in the middle of an incident, all judgements
// and the blame included, and what an edge costs in memory.
func BenchmarkGraph(b *testing.B) {
	const begin, into = 40, 20
	heap := func(edges bool) (float64, *Detector) {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		d := (&graph{services: 1000, releases: 5, edges: edges, begin: begin}).play(b, begin+into)
		runtime.GC()
		runtime.ReadMemStats(&after)
		return float64(after.HeapAlloc) - float64(before.HeapAlloc), d
	}
	without, _ := heap(false)
	with, d := heap(true)
	g := &graph{services: 1000, releases: 5, edges: true, begin: begin}
	t := begin + into
	for b.Loop() {
		b.StopTimer()
		k, begun := g.tick(t)
		b.StartTimer()
		d.Observe(k, begun, rules.Set{rules.Default(unship.ModeAuto)})
		t++
	}
	b.ReportMetric((with-without)/1e4/(begin+into), "B/edge/window")
}

// The guilty one of five is found in a large graph, too.
func TestTheGuiltyReleaseOfALargeGraph(t *testing.T) {
	t.Parallel()
	g := &graph{services: 200, releases: 5, edges: true, begin: 40}
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for w := range 70 {
		k, begun := g.tick(w)
		a := d.Observe(k, begun, rules.Set{rules.Default(unship.ModeAuto)})
		for _, j := range a.Judgements {
			if j.Verdict != unship.Regressed {
				continue
			}
			if j.Release != g.release(0, w) || len(j.Findings) == 0 || j.Findings[0].Signal != unship.SignalCallerError {
				t.Fatalf("window %d: %s is blamed: %s", w, j.Release, j.Why)
			}
			return
		}
	}
	t.Fatal("nobody is blamed")
}

// BenchmarkRank measures one ranking of five releases of a large graph, which a
// pipeline makes once a minute: whoever calls them within three calls is looked at.
func BenchmarkRank(b *testing.B) {
	d := (&graph{services: 1000, releases: 5, edges: true, begin: 40}).play(b, 60)
	for b.Loop() {
		if r := d.Rank(); len(r) != 1 || len(r[0].Releases) != 5 {
			b.Fatal(r)
		}
	}
}
