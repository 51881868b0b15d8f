package detect

import "testing"

// What looks worse at first sight is beyond a quarter more of the odds and beyond chance.
func TestWorseAtFirstSight(t *testing.T) {
	for _, c := range []struct {
		name   string
		totals []tally
		want   bool
	}{
		{"nothing", nil, false},
		{"one cohort only", []tally{{xc: 5, nc: 10}}, false},
		{"alike", []tally{{xc: 50, nc: 1000, xb: 50, nb: 1000}}, false},
		{"a fifth more of many", []tally{{xc: 6000, nc: 100000, xb: 5000, nb: 100000}}, false},
		{"half as slow again", []tally{{xc: 479, nc: 791, xb: 636, nb: 1346}}, true},
		{"twice as many of few", []tally{{xc: 4, nc: 100, xb: 2, nb: 100}}, false},
		{"twice as many of many", []tally{{xc: 400, nc: 10000, xb: 200, nb: 10000}}, true},
		{"in two strata together", []tally{{xc: 30, nc: 300, xb: 15, nb: 300}, {xc: 60, nc: 200, xb: 30, nb: 200}}, true},
	} {
		e := evidence{totals: c.totals}
		if got := e.worse(); got != c.want {
			t.Errorf("%s: worse %v, want %v", c.name, got, c.want)
		}
	}
}
