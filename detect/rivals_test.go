package detect

import (
	"testing"

	"unship.dev"
	"unship.dev/rules"
)

// asking makes a service's operations call others, whose releases answer.
func (s *simulation) asking(caller string, calls map[string][]string) {
	s.shows = func(v *simService, _ *simInstance, t int, w *unship.Window) {
		for k := range w.Operations {
			o := &w.Operations[k]
			if v.name != caller {
				continue
			}
			for _, callee := range calls[o.Name] {
				x := s.service(callee)
				version := x.instances[0].version
				for _, i := range x.instances {
					if t >= i.from && t < i.to {
						version = i.version
					}
				}
				id := unship.ReleaseID{Service: x.id(), Version: version}
				o.Calls = append(o.Calls, unship.Call{
					Callee: callee, Requests: o.Requests, Total: o.Requests,
					Answered: []unship.CalleeAnswer{{Release: id, Requests: o.Requests, Failed: o.FailedHere}},
				})
			}
		}
	}
}

// Three callees are replaced together with the service that fails. One of its operations calls
// none of them and fails as much: that is no callee's doing.
func TestCalleesDoNotExplainWhatDoesNotCallThem(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		s := newSimulation(seed + 1350)
		s.replace("checkout", simStart, 0)
		for _, name := range []string{"cart", "catalog", "ledger"} {
			s.replace(name, simStart, 0)
		}
		s.asking("checkout", map[string][]string{
			"GET /checkout": {"cart", "catalog", "ledger"}, "GET /checkout/{id}": {"cart", "catalog", "ledger"},
		})
		s.harm("checkout", "1.1.0", "", simStart, effect{errors: .2})
		d, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		judged := map[string]bool{}
		for w := range s.windows {
			k, r := s.tick(w)
			for _, j := range d.Observe(k, r, rules.Set{s.policy}).Judgements {
				judged[j.Release.Name] = judged[j.Release.Name] || j.Verdict == unship.Regressed
			}
		}
		if !judged["checkout"] || len(d.Rank()[0].Releases) != 4 || judged["cart"] || judged["catalog"] || judged["ledger"] {
			t.Errorf("seed %d: judged %v; want checkout alone", seed, judged)
		}
		if first := d.Rank()[0].Releases[0]; first.Service != "checkout" {
			t.Errorf("seed %d: %s comes first: %s", seed, first.Service, first.Why)
		}
	}
}

// Clients begin to send what is refused while a rolling update is under way: the old version
// refuses it, too, as long as it serves.
func TestWhatBothVersionsShowIsNotTheReleases(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		for from, guilty := range map[int]bool{1: false, 1 << 30: true} {
			s := newSimulation(seed + 1370)
			s.replace("cart", simStart, 2)
			s.harmBetween("cart", simStart+from, 1<<30, effect{rejections: .15})
			if guilty {
				s.harm("cart", "1.1.0", "", simStart, effect{rejections: .15})
			}
			if r := s.run(t)["cart"]; (r.regressed >= 0) != guilty {
				t.Errorf("seed %d: blamed after %d windows: %s; guilty: %v", seed, r.regressed, r.last.Why, guilty)
			}
		}
	}
}
