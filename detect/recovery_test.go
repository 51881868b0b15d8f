package detect

import (
	"testing"
	"time"

	"unship.dev"
	"unship.dev/rules"
)

// rollback plays an incident to its end: the release is taken back at window
// back, and the recovery is asked for.
func rollback(t *testing.T, s *simulation, service string, back int) unship.Recovery {
	t.Helper()
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := unship.ReleaseID{Service: s.service(service).id(), Version: "1.1.0"}
	for w := range s.windows {
		if w == back {
			d.Verify(id, simTime(back))
		}
		k, r := s.tick(w)
		for _, x := range d.Observe(k, r, rules.Set{s.policy}).Recoveries {
			if x.Release != id {
				t.Fatalf("recovery of %v, want of %v", x.Release, id)
			}
			if x.Status != unship.RecoveryPending {
				return x
			}
		}
	}
	return unship.Recovery{Status: unship.RecoveryPending}
}

func TestRecovery(t *testing.T) {
	const t0, back = simStart, simStart + 30
	for _, c := range []struct {
		name   string
		want   unship.RecoveryStatus
		within time.Duration
		build  func(s *simulation)
	}{
		{"the fault goes with the release", unship.Recovered, 4 * time.Minute, func(s *simulation) {
			v := s.canary("cart", t0, 2)
			v.stop("1.1.0", back+1)
			s.harm("cart", "1.1.0", "", t0, effect{errors: .1})
		}},
		{"the fault stays with the old version", unship.NotRecovered, 2 * time.Minute, func(s *simulation) {
			v := s.canary("cart", t0, 2)
			v.stop("1.1.0", back+1)
			s.harm("cart", "1.1.0", "", t0, effect{errors: .1})
			s.harm("cart", "1.0.0", "", back, effect{errors: .1})
		}},
		{"the release serves on", unship.RecoveryUnknown, 15*time.Minute + 10*time.Second, func(s *simulation) {
			s.windows = simStart + 230
			s.policy.Watch = time.Hour
			s.canary("cart", t0, 2)
			s.harm("cart", "1.1.0", "", t0, effect{errors: .1})
		}},
		{"replaced at once and taken back", unship.Recovered, 4 * time.Minute, func(s *simulation) {
			v := s.replace("cart", t0, 0)
			v.stop("1.1.0", back+1)
			s.harm("cart", "1.1.0", "", t0, effect{errors: .1})
			for _, i := range v.instances[:4] {
				again := *i
				again.id, again.from, again.to = i.id+"-again", back, 1<<30
				v.instances = append(v.instances, &again)
			}
		}},
		{"a release that did nothing", unship.RecoveryUnknown, 10 * time.Second, func(s *simulation) {
			v := s.canary("cart", t0, 2)
			v.stop("1.1.0", back+1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(3) {
				s := newSimulation(seed + 200)
				c.build(s)
				r := rollback(t, s, "cart", back)
				if r.Status != c.want || r.At.Sub(simTime(back)) > c.within+15*time.Second || r.Why == "" {
					t.Errorf("seed %d: %s after %v: %s; want %s within %v", seed, r.Status, r.At.Sub(simTime(back)), r.Why, c.want, c.within)
				}
			}
		})
	}
}

// stop ends all instances of a version.
func (v *simService) stop(version string, at int) {
	for _, i := range v.instances {
		if i.version == version {
			i.to = min(i.to, at)
		}
	}
}
