package ingest

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"unship.dev"
)

// requestsOf makes n requests in each of some windows; about gives the attributes of each.
func requestsOf(windows, n int, about func(window, i int) testSpan) (spans []testSpan) {
	for w := range windows {
		for i := range n {
			s := about(w, i)
			s.version, s.name, s.kind = "1", "op", ptrace.SpanKindServer
			s.trace, s.id = uint64(w*n+i+1), 1
			s.from = time.Duration(w) * 5 * time.Second
			s.to = s.from + ms
			spans = append(spans, s)
		}
	}
	return spans
}

// keysOf lists the slices' keys of a tick, each once.
func keysOf(tick unship.Tick) (keys []string) {
	for _, w := range tick.Windows {
		for _, op := range w.Operations {
			for _, s := range op.Slices {
				keys = append(keys, s.Key)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func TestSlicesAreFoundByThemselves(t *testing.T) {
	ticks := take(t, requestsOf(4, 400, func(w, i int) testSpan {
		s := testSpan{service: "web", pod: fmt.Sprint("p", i%2), region: fmt.Sprint("r", i%2), attrs: map[string]any{
			"tenant.id":           fmt.Sprint("t", i%3),
			"cart.gift":           i%5 == 0,
			"items":               i % 4,
			"request.number":      w*1000 + i, // always new
			"worker":              fmt.Sprint("of pod ", i%2),
			"always":              "the same",
			"http.request.method": "GET",
			"thread.name":         fmt.Sprint("thread ", i%4),
			"long":                fmt.Sprintf("%080d", i%2),
		}}
		if i%20 == 0 {
			s.attrs["rare"] = i%40 == 0
		}
		return s
	})...)
	if got := keysOf(ticks[0]); len(got) != 0 {
		t.Errorf("in the first window slices by %v, before anything was known", got)
	}
	want := []string{"cart.gift", "cloud.region", "items", "tenant.id"}
	for _, tick := range ticks[1:] {
		if diff := cmp.Diff(want, keysOf(tick)); diff != "" {
			t.Error(diff)
		}
	}
}

// How large a request is tells requests apart by orders; how large its answer was, and how
// often it was tried, are what became of it.
func TestSizesTellRequestsApart(t *testing.T) {
	ticks := take(t, requestsOf(3, 400, func(_, i int) testSpan {
		size := 100
		if i%4 == 0 {
			size = 50_000
		}
		return testSpan{service: "web", pod: "p", attrs: map[string]any{
			"http.request.body.size": size + i, "cart.item_count": float64(i % 3), "messaging.message.body.size": -i,
			"http.response.body.size": size + i, "http.request.resend_count": i % 3, "db.operation.batch.size": i % 3, "attempt.count": i,
		}}
	})...)
	seen := map[string]uint64{}
	for _, w := range ticks[2].Windows {
		for _, op := range w.Operations {
			for _, x := range op.Slices {
				seen[x.Key+" "+x.Value] += x.Requests
			}
		}
	}
	want := map[string]uint64{
		"cart.item_count 0": 134, "cart.item_count 1 to 3": 266,
		"http.request.body.size 64 to 255": 117, "http.request.body.size 256 to 1023": 183, "http.request.body.size 16384 to 65535": 100,
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

func TestOrdersOfSizes(t *testing.T) {
	for size, want := range map[float64]string{
		0: "0", .5: "0", 1: "1 to 3", 3: "1 to 3", 4: "4 to 15", 15.9: "4 to 15", 1 << 20: "1048576 to 4194303", 1<<60 - 1024: "288230376151711744 to 1152921504606846975",
		-1: "", math.NaN(): "", math.Inf(1): "", 1 << 60: "",
	} {
		if got := orderOf(size); got != want {
			t.Errorf("%g is %q; want %q", size, got, want)
		}
	}
}

// Flags are told by events of the span that serves the request: each under its own name,
// whichever convention names it; what was found last counts.
func TestFlagsThatEventsTell(t *testing.T) {
	ticks := take(t, requestsOf(3, 400, func(_, i int) testSpan {
		on := []string{"off", "on"}[i%2]
		return testSpan{service: "web", pod: "p", events: []map[string]any{
			{"name": "feature_flag.evaluation", "feature_flag.key": "rates", "feature_flag.result.variant": "neither", "feature_flag.set.id": "x"},
			{"name": "feature_flag.evaluation", "feature_flag.key": "rates", "feature_flag.result.variant": on, "feature_flag.result.value": i},
			{"name": "feature_flag.evaluation", "feature_flag.key": "gifts", "feature_flag.result.value": i%4 == 0, "feature_flag.provider.name": "flagd"},
			{"name": "feature_flag", "feature_flag.key": "colour", "feature_flag.variant": on, "feature_flag.provider_name": "flagd"},
			{"name": "feature_flag", "feature_flag.variant": on},
			{"name": "something.else", "feature_flag.key": "other", "feature_flag.variant": on},
		}}
	})...)
	counts := map[string]uint64{}
	for _, s := range operation(t, ticks[1:2], "web", "op").Slices {
		counts[s.Key+" "+s.Value] = s.Requests
	}
	want := map[string]uint64{
		"feature_flag.rates off": 200, "feature_flag.rates on": 200, "feature_flag.gifts true": 100, "feature_flag.gifts false": 300,
		"feature_flag.colour off": 200, "feature_flag.colour on": 200,
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}
}

// A flag that a span's own attributes tell of, or a point's, is known by its name too.
func TestFlagsThatAttributesTell(t *testing.T) {
	ticks := take(t, requestsOf(3, 400, func(_, i int) testSpan {
		return testSpan{service: "web", pod: "p", attrs: map[string]any{
			"feature_flag.key": "rates", "feature_flag.result.variant": []string{"off", "on"}[i%2], "feature_flag.provider.name": "flagd",
			"feature_flag.version": []string{"1", "2"}[i%2],
		}}
	})...)
	var got []string
	for _, s := range operation(t, ticks[1:2], "web", "op").Slices {
		got = append(got, fmt.Sprint(s.Key, " ", s.Value, " ", s.Requests))
	}
	if diff := cmp.Diff([]string{"feature_flag.rates off 200", "feature_flag.rates on 200"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSlicesCountTheirPart(t *testing.T) {
	ticks := take(t, requestsOf(2, 300, func(_, i int) testSpan {
		s := testSpan{service: "web", pod: "p", attrs: map[string]any{"tenant.id": fmt.Sprint("t", i%2)}}
		switch {
		case i < 10:
			s.failed = true
		case i < 16:
			s.attrs["http.response.status_code"] = 404
		}
		return s
	})...)
	self := unship.Histogram{{Index: unship.BucketOf(ms), Count: 150}}
	want := []unship.Slice{
		{Key: "tenant.id", Value: "t0", Requests: 150, FailedHere: 5, Rejected: 3, Duration: self},
		{Key: "tenant.id", Value: "t1", Requests: 150, FailedHere: 5, Rejected: 3, Duration: self},
	}
	if diff := cmp.Diff(want, operation(t, ticks[1:], "web", "op").Slices); diff != "" {
		t.Error(diff)
	}
}

func TestSlicesByCallingService(t *testing.T) {
	var spans []testSpan
	for _, s := range requestsOf(2, 300, func(_, i int) testSpan { return testSpan{service: "cart", pod: "c"} }) {
		call := s
		call.kind, call.service, call.pod = ptrace.SpanKindClient, fmt.Sprint("app", s.trace%2), "a"
		s.id, s.parent = 2, 1
		spans = append(spans, call, s)
	}
	got := operation(t, take(t, spans...)[1:], "cart", "op").Slices
	if len(got) != 2 || got[0].Key != "caller" || got[0].Value != "app0" || got[1].Value != "app1" || got[0].Requests != 150 {
		t.Errorf("slices %+v, want those of two callers", got)
	}
}

// A key that grows keeps the values it has, counts a few more together, and goes when
// they are many; it never comes back.
func TestAGrowingKey(t *testing.T) {
	values := []int{4, 4, 20, 20, 100, 4, 4, 4}
	ticks := take(t, requestsOf(len(values), 500, func(w, i int) testSpan {
		return testSpan{service: "web", pod: "p", attrs: map[string]any{"shard": fmt.Sprintf("s%02d", i%values[w])}}
	})...)
	for w, want := range []int{0, 4, 17, 17, 0, 0, 0, 0} {
		var got []string
		for _, s := range operation(t, ticks[w:w+1], "web", "op").Slices {
			got = append(got, s.Value)
		}
		if len(got) != want {
			t.Errorf("window %d: %d values %v, want %d", w, len(got), got, want)
		}
		if want == 17 && (got[0] != unship.OverflowOperation || got[1] != "s00" || got[16] != "s15") {
			t.Errorf("window %d: %v, want the known ones, the first of the new ones, and the rest together", w, got)
		}
	}
}

// Attributes that nobody can tell apart from text cost memory once, not for ever.
func TestEndlessValuesAreNotKept(t *testing.T) {
	a := newAggregator(t)
	spans := requestsOf(20, 1000, func(w, i int) testSpan {
		return testSpan{service: "web", pod: "p", attrs: map[string]any{"order": fmt.Sprint(w, "-", i), "basket": fmt.Sprint(i, "+", w)}}
	})
	for i := 0; i < len(spans); i += 1000 {
		send(t, a, spans[i:i+1000]...)
		a.Take()
	}
	kept := 0
	for i := range a.shards {
		for _, p := range a.shards[i].panes {
			kept += len(p.traits.list)
		}
	}
	if kept != 0 {
		t.Errorf("%d combinations are kept in the last windows, want none: both keys were given up", kept)
	}
}

func TestSlicesAreTaughtAgain(t *testing.T) {
	spans := requestsOf(20, 100, func(_, i int) testSpan {
		return testSpan{service: "web", pod: fmt.Sprint("p", i%2), attrs: map[string]any{"tenant.id": fmt.Sprint("t", i%3), "plan": i%2 == 0 || i%7 == 0}}
	})
	want := take(t, spans...)
	cutoff := epoch.Add(50 * time.Second)
	a := newAggregator(t)
	a.Resume(cutoff)
	for _, tick := range want[:10] {
		a.Remember(tick)
	}
	send(t, a, spans...)
	if diff := cmp.Diff(want[10:], a.Flush()); diff != "" {
		t.Error(diff)
	}
}

// Known names come before found ones, even where these were first.
func TestKnownKeysComeFirst(t *testing.T) {
	ticks := take(t, requestsOf(4, 300, func(w, i int) testSpan {
		s := testSpan{service: "web", pod: "p", attrs: map[string]any{}}
		for k := range 5 {
			s.attrs[fmt.Sprint("found", k)] = i >> k & 1
		}
		if w > 0 {
			s.attrs["user_agent.name"] = fmt.Sprint("browser", i%3)
		}
		return s
	})...)
	if diff := cmp.Diff([]string{"found0", "found1", "found2", "found3"}, keysOf(ticks[1])); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"found0", "found1", "found2", "user_agent.name"}, keysOf(ticks[2])); diff != "" {
		t.Error(diff)
	}
}
