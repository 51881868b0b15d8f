package detect

import (
	"strings"
	"testing"

	"unship.dev"
	"unship.dev/rules"
)

// turn changes something of a service in window t; no version is new.
func (s *simulation) turn(name string, t int, c unship.Change) {
	v := s.service(name)
	v.releases[t] = unship.Release{
		ReleaseID: unship.ReleaseID{Service: v.id(), Version: "1.0.0 (" + c.String() + ")"}, Previous: "1.0.0",
		FirstSeen: simTime(t), LastSeen: simTime(t + 1), Rollout: unship.RolloutReplaced, Change: c,
	}
}

func TestAChangeWithoutAVersionIsBlamed(t *testing.T) {
	t.Parallel()
	flag := unship.Change{Kind: unship.ChangeFlag, Name: "new-rates", Value: "on", Was: "off"}
	for _, c := range []struct {
		name    string
		harm    int // window from which the service fails; 0: never
		replace int // window in which a new version replaces the old one; 0: never
		blamed  string
	}{
		{"a flag after which requests fail", simStart, 0, "1.0.0 (flag new-rates=on)"},
		{"a flag that takes half a minute to reach all", simStart + 6, 0, "1.0.0 (flag new-rates=on)"},
		{"a harmless flag", 0, 0, ""},
		{"failures from long before the flag on", simStart - 24, 0, ""},
		{"a bad release after a harmless flag", simStart + 20, simStart + 20, "1.1.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(3) {
				s := newSimulation(seed + 1200)
				s.turn("ledger", simStart, flag)
				if c.replace > 0 {
					s.replace("ledger", c.replace, 0)
				}
				if c.harm > 0 {
					s.harm("ledger", "", "", c.harm, effect{errors: .1})
				}
				blamed, why := firstBlamed(t, s)
				if blamed != c.blamed {
					t.Fatalf("seed %d: %q is blamed: %s; want %q", seed, blamed, why, c.blamed)
				}
				if c.blamed != "" && !strings.Contains(why, "ledger fails") && !strings.Contains(why, "/ledger") {
					t.Errorf("seed %d: %s; want what fails", seed, why)
				}
			}
		})
	}
}

// firstBlamed plays a simulation to its first verdict of guilt.
func firstBlamed(t *testing.T, s *simulation) (version, why string) {
	t.Helper()
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for w := range s.windows {
		k, r := s.tick(w)
		for _, j := range d.Observe(k, r, rules.Set{s.policy}).Judgements {
			if j.Verdict == unship.Regressed {
				return j.Release.Version, j.Why
			}
		}
	}
	return "", ""
}
