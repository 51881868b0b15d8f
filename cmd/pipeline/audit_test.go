package pipeline_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/cmd/pipeline"
	"unship.dev/rules"
)

var epoch = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

const (
	illFrom, illTo = 540, 640 // windows in which every other instance fails
	releasedAt     = 1000
)

// estate makes ticks: four services of four instances, of which every other one
// falls ill for a while, if they do at all. Then a faulty version of the first is released.
type estate struct {
	rng *rand.Rand
	ill bool
}

func (e *estate) tick(t int) unship.Tick {
	start := epoch.Add(time.Duration(t) * 5 * time.Second)
	k := unship.Tick{Start: start, End: start.Add(5 * time.Second), Closed: start.Add(15 * time.Second)}
	for _, name := range []string{"cart", "ledger", "search", "users"} {
		id := unship.Service{Environment: "production", Namespace: "shop", Name: name}
		for i := range 4 {
			p := .005
			if e.ill && i%2 == 1 && t >= illFrom && t < illTo {
				p = .4
			}
			k.Windows = append(k.Windows, e.window(id, "1.0.0", fmt.Sprintf("%s-%d", name, i), p, k.Start))
		}
		if name == "cart" && t >= releasedAt {
			for i := range 2 {
				k.Windows = append(k.Windows, e.window(id, "1.1.0", fmt.Sprintf("cart-new-%d", i), .6, k.Start))
			}
		}
	}
	return k
}

func (e *estate) window(id unship.Service, version, instance string, p float64, at time.Time) unship.Window {
	op := unship.Operation{Name: "GET /", Requests: uint64(15 + e.rng.IntN(10))}
	for range op.Requests {
		if e.rng.Float64() < p {
			op.Failed, op.FailedHere = op.Failed+1, op.FailedHere+1
		}
	}
	return unship.Window{
		Release: unship.ReleaseID{Service: id, Version: version}, Instance: unship.Instance{ID: instance},
		Start: at, Length: 5 * time.Second, Operations: []unship.Operation{op},
	}
}

// verdict is what was decided about the faulty release, if anything was.
func verdict(t *testing.T, ill bool, killed int) unship.DecisionRecord {
	t.Helper()
	e := &estate{rand.New(rand.NewPCG(1, 1)), ill}
	sure := rules.Default(unship.ModeAuto)
	sure.FalseQuestions = sure.FalseRollbacks // nobody is asked before
	o := pipeline.Options{Window: 5 * time.Second, Policies: rules.Set{sure}, Placebos: 16}
	p, err := pipeline.New(o)
	if err != nil {
		t.Fatal(err)
	}
	var judged []unship.Tick
	for w := range releasedAt + 40 {
		r := p.Tick(e.tick(w))
		judged = append(judged, *r.Tick)
		if n := len(r.Incidents); n > 0 {
			return r.Incidents[0].Decision
		}
		if w == killed {
			p = again(t, p, o, judged[len(judged)-900:])
		}
	}
	t.Fatalf("no incident; the audit is %+v", p.Audit())
	return unship.DecisionRecord{}
}

// again gives what takes up the work of a pipeline that was killed.
func again(t *testing.T, p *pipeline.Pipeline, o pipeline.Options, judged []unship.Tick) *pipeline.Pipeline {
	t.Helper()
	states, err := p.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	q, err := pipeline.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Restore(func(name string) ([]byte, error) { return states[name], nil }); err != nil {
		t.Fatal(err)
	}
	for _, k := range judged {
		q.Reobserve(k)
	}
	if a, b := fmt.Sprint(p.Audit()), fmt.Sprint(q.Audit()); a != b {
		t.Errorf("after a restart the audit is\n%s\nbefore it was\n%s", b, a)
	}
	return q
}

func TestWherePlacebosAlarmAPersonIsAsked(t *testing.T) {
	for name, killed := range map[string]int{"in one life": -1, "killed before the release": releasedAt - 5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if d := verdict(t, false, killed); d.Verdict != unship.DecideRollback {
				t.Errorf("where instances are alike the decision is %s: %s", d.Verdict, d.Why)
			}
			if d := verdict(t, true, killed); d.Verdict != unship.DecideAsk || !strings.Contains(d.Why, "placebos raised a false alarm") {
				t.Errorf("where placebos alarmed the decision is %s: %s", d.Verdict, d.Why)
			}
		})
	}
}
