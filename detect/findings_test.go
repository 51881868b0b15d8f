package detect

import (
	"testing"

	"unship.dev"
)

func TestNumbersAreWrittenForPeople(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ got, want string }{
		{percent(0), "0 %"},
		{percent(3e-7), "less than 0.01 %"},
		{percent(.0004), "0.04 %"},
		{percent(.0613), "6.1 %"},
		{percent(.994), "99 %"},
		{percent(1), "100 %"},
		{times(.06, 0), ""},
		{times(.9, 1e-6), ""},
		{times(.06, .04), " (×1.5)"},
		{times(.3, .02), " (×15)"},
		{quantity(3.57e9, "By/h"), "3.57 GB/h"},
		{quantity(-1200, "By"), "-1.2 kB"},
		{quantity(123456, "1"), "123456"},
		{quantity(.25, "s"), "0.25 s"},
		{quantity(37.5, "%"), "37.5 %"},
	} {
		if c.got != c.want {
			t.Errorf("%q; want %q", c.got, c.want)
		}
	}
}

// What a release did while the old version served counts as well as what it did since.
func TestHarmOfARampCountsToItsEnd(t *testing.T) {
	t.Parallel()
	s := newSimulation(980)
	v := s.canary("cart", simStart, 4)
	for _, i := range v.instances {
		if i.version == "1.0.0" {
			i.to = simStart + 60
		}
	}
	s.harm("cart", "1.1.0", "", simStart, effect{errors: .2})
	r := s.run(t)["cart"]
	if want := .2 * float64(r.last.Samples.Candidate); r.last.Comparison != unship.ComparisonBefore || float64(r.last.Impact.RequestsFailed) < .85*want || float64(r.last.Impact.RequestsFailed) > 1.1*want {
		t.Errorf("compared by %v: %d of %d requests failed, want about %.0f", r.last.Comparison, r.last.Impact.RequestsFailed, r.last.Samples.Candidate, want)
	}
}
