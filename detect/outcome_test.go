package detect

import "testing"

// An attribute tells an outcome if the candidate's requests have other values than before
// while the baseline's have not: routing would have taken them from there.
func TestAttributesThatTellOutcomes(t *testing.T) {
	for _, c := range []struct {
		name                string
		key                 string
		candidate, baseline [2]float64 // requests by value; before, nine in ten had the first
		want                bool
	}{
		{"a cache that hits less", "cache.status", [2]float64{300, 700}, [2]float64{2700, 300}, true},
		{"routing by the attribute", "cache.status", [2]float64{300, 700}, [2]float64{3300, 0}, false},
		{"all requests change", "cache.status", [2]float64{300, 700}, [2]float64{900, 2100}, false},
		{"little differs", "cache.status", [2]float64{880, 120}, [2]float64{2700, 300}, false},
		{"few requests", "cache.status", [2]float64{20, 40}, [2]float64{2700, 300}, false},
		{"who asks", "tenant.id", [2]float64{300, 700}, [2]float64{2700, 300}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &service{slices: []*slice{{key: c.key, value: "a"}, {key: c.key, value: "b"}}}
			o := newOutcomes(&looks{svc: s, keys: []string{c.key}, slices: []sliceTraffic{{0, rates{n: 9000}}, {1, rates{n: 1000}}}})
			o.judge(&balance{slices: [][2]float64{{c.candidate[0], c.baseline[0]}, {c.candidate[1], c.baseline[1]}}})
			if got := o.any(); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
