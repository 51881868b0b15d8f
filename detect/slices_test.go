package detect

import (
	"math"
	"slices"
	"strings"
	"testing"

	"unship.dev"
	"unship.dev/rules"
)

// manyTenants is a Zipf-like mix; lean gives more weight to later tenants.
func manyTenants(lean float64) []simTenant {
	var out []simTenant
	sum := 0.0
	for k, name := range []string{"acme", "borealis", "cygnus", "delta", "elm"} {
		share := math.Pow(float64(k+1), lean)
		out = append(out, simTenant{name, share})
		sum += share
	}
	for k := range out {
		out[k].share /= sum
	}
	return out
}

func TestAFaultOfOneTenantIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		s := newSimulation(seed + 400)
		s.tenants = func(*simInstance, int) []simTenant { return manyTenants(-1) }
		s.canary("cart", simStart, 2)
		s.harm("cart", "1.1.0", "POST /cart", simStart, effect{rejections: .7, tenant: "elm"})
		r := s.run(t)["cart"]
		if r.regressed < 0 || r.regressed > 60 {
			t.Fatalf("seed %d: regressed after %d windows, want within 60; last: %s, log E %.1f", seed, r.regressed, r.last.Why, r.last.LogE)
		}
		f := r.first.Findings[0]
		if f.Slice != "tenant.id=elm" || f.Signal != unship.SignalRejectionRatio || !strings.HasPrefix(r.first.Why, "for tenant.id=elm, POST /cart rejects") {
			t.Errorf("seed %d: %q, finding %+v; want the tenant and its operation named", seed, r.first.Why, f)
		}
	}
}

func TestOneTenantIsSlow(t *testing.T) {
	t.Parallel()
	s := newSimulation(450)
	s.tenants = func(*simInstance, int) []simTenant { return manyTenants(-.5) }
	s.canary("cart", simStart, 2)
	s.harm("cart", "1.1.0", "", simStart, effect{latency: 5, tenant: "delta"})
	r := s.run(t)["cart"]
	at := slices.IndexFunc(r.first.Findings, func(f unship.Finding) bool { return f.Slice == "tenant.id=delta" })
	if r.regressed < 0 || at < 0 || r.first.Findings[at].Candidate < 2*r.first.Findings[at].Baseline {
		t.Fatalf("regressed after %d windows: %+v; want tenant delta, several times slower", r.regressed, r.first.Findings)
	}
}

// A tenant sends rubbish to both versions, and the candidate serves more of it.
func TestAnotherMixOfTenantsIsNotTheReleasesFault(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		s := newSimulation(seed + 500)
		s.tenants = func(i *simInstance, _ int) []simTenant {
			if i.version == "1.1.0" {
				return manyTenants(.8)
			}
			return manyTenants(-.8)
		}
		s.canary("cart", simStart, 2)
		s.harm("cart", "", "", simStart-20*int(seed%2)+10, effect{rejections: .4, errors: .2, latency: 3, tenant: "elm"})
		if r := s.run(t)["cart"]; r.regressed >= 0 {
			t.Errorf("seed %d: blamed after %d windows: %s, log E %.1f", seed, r.regressed, r.first.Why, r.first.LogE)
		}
	}
}

func TestSlicesAreBounded(t *testing.T) {
	t.Parallel()
	s := newService(unship.Service{Name: "cart"}, 1)
	u := s.unit("GET /", "")
	for k := range 3 * maxSlices {
		s.slice(u, "tenant.id", string(rune('a'+k)), int32(k))
	}
	if len(s.slices) != maxSlices || len(s.sliceOf) != maxSlices {
		t.Fatalf("%d slices are kept, %d known; want %d", len(s.slices), len(s.sliceOf), maxSlices)
	}
	s.forget(50)
	if k := s.slice(u, "tenant.id", "late", 400); k < 0 || s.slices[k].value != "late" || len(s.sliceOf) != maxSlices {
		t.Errorf("the late slice has place %d, %d are known; want the place of a silent one", k, len(s.sliceOf))
	}
	if k := s.slice(s.unit("GET /", ""), "tenant.id", "a", 400); k < 0 {
		t.Error("a slice that was dropped cannot come back")
	}
}

// Which slices are looked at, and with what weight, is fixed before the release.
func TestWeightsSumToOneAtMost(t *testing.T) {
	t.Parallel()
	s := newSimulation(3)
	s.tenants = func(*simInstance, int) []simTenant { return manyTenants(-1) }
	s.canary("cart", simStart, 2)
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for w := range simStart + 5 {
		k, r := s.tick(w)
		d.Observe(k, r, rules.Set{s.policy})
	}
	sum, sliced := 0.0, 0
	for _, x := range d.watches[0].conc.streams {
		sum += x.weight
		if x.slice != "" {
			sliced++
		}
	}
	if sum > 1 || sum < .6 || sliced == 0 {
		t.Errorf("weights sum to %v with %d streams of slices; want at most 1, most of it used, some slices", sum, sliced)
	}
}
