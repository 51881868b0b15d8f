package ingest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// served is a point of http.server.request.duration: n requests of 80 ms since a minute.
func served(pod, status string, at time.Duration, n uint64) testPoint {
	return testPoint{
		version: "1", pod: pod, name: "http.server.request.duration", unit: "s", kind: "histogram", delta: true,
		from: at - time.Minute, at: at, value: .08 * float64(n), count: n, bounds: []float64{.05, .1}, buckets: []uint64{0, n, 0},
		attrs: map[string]any{"http.request.method": "GET", "http.route": "/a/{id}", "http.response.status_code": status},
	}
}

// All instances of a service are told of in the last window of a block, whenever they export.
func TestRequestsFromMetrics(t *testing.T) {
	run := func(reverse, spans bool) (starts []time.Time, requests, failed, rejected uint64) {
		a := newAggregator(t, func(o *Options) { o.Lateness = 10 * time.Minute })
		var points []testPoint
		for i := range 4 {
			at := time.Duration(i+1) * time.Minute
			points = append(points, served("p", "200", at-40*time.Second, 10), served("q", "500", at-20*time.Second, 2), served("q", "404", at-20*time.Second, 1))
		}
		for i := range points {
			if reverse {
				i = len(points) - 1 - i
			}
			points[i].send(t, a)
		}
		if spans {
			send(t, a, good())
		}
		for _, tick := range a.Flush() {
			for _, w := range tick.Windows {
				for _, op := range w.Operations {
					if op.Name != "GET /a/{id}" {
						continue
					}
					starts = append(starts, w.Start)
					requests, failed, rejected = requests+op.Requests, failed+op.FailedHere, rejected+op.Rejected
				}
			}
		}
		return starts, requests, failed, rejected
	}
	starts, requests, failed, rejected := run(false, false)
	if requests != 52 || failed != 8 || rejected != 4 {
		t.Errorf("%d requests, %d failed, %d rejected; want 52, 8 and 4", requests, failed, rejected)
	}
	if n := len(starts); n < 2 || !starts[n-1].Equal(starts[n-2]) {
		t.Errorf("the instances are told of at %v; want both in one window", starts)
	}
	again, n, _, _ := run(true, false)
	if diff := cmp.Diff(starts, again); diff != "" || n != requests {
		t.Errorf("in another order: %s", diff)
	}
	if _, n, _, _ := run(false, true); n != 0 {
		t.Errorf("%d requests counted by metrics although there are spans", n)
	}
}

// A flag is known by its name, whose values a point's attributes tell.
func TestFlagsThatPointsTell(t *testing.T) {
	a := newAggregator(t, func(o *Options) { o.Lateness = 10 * time.Minute })
	for i := range 4 {
		for _, variant := range []string{"off", "on"} {
			p := served("p", "200", time.Duration(i+1)*time.Minute, 100)
			p.attrs["feature_flag.key"], p.attrs["feature_flag.result.variant"] = "rates", variant
			p.send(t, a)
		}
	}
	counts := map[string]uint64{}
	for _, tick := range a.Flush() {
		for _, w := range tick.Windows {
			for _, op := range w.Operations {
				for _, x := range op.Slices {
					counts[x.Key+" "+x.Value] += x.Requests
				}
			}
		}
	}
	if off, on := counts["feature_flag.rates off"], counts["feature_flag.rates on"]; len(counts) != 2 || off == 0 || off != on {
		t.Errorf("slices %v, want as many requests with feature_flag.rates off and on", counts)
	}
}
