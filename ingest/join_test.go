package ingest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"unship.dev"
)

const ms = time.Millisecond

// shop is one trace: web calls cart twice at once and a database; the second call of cart
// fails, so that web has no time of its own.
func shop() []testSpan {
	return []testSpan{
		{service: "web", version: "2", pod: "web-1", trace: 1, id: 1, kind: ptrace.SpanKindServer, name: "GET /", from: 0, to: 100 * ms, failed: true},
		{service: "web", version: "2", pod: "web-1", trace: 1, id: 2, parent: 1, kind: ptrace.SpanKindInternal, name: "render", from: 5 * ms, to: 95 * ms, failed: true},
		{service: "web", version: "2", pod: "web-1", trace: 1, id: 3, parent: 2, kind: ptrace.SpanKindClient, name: "GET", from: 10 * ms, to: 50 * ms, attrs: map[string]any{"server.address": "cart:8080"}},
		{service: "web", version: "2", pod: "web-1", trace: 1, id: 4, parent: 2, kind: ptrace.SpanKindClient, name: "GET", from: 30 * ms, to: 60 * ms, failed: true, attrs: map[string]any{"server.address": "cart"}},
		{service: "web", version: "2", pod: "web-1", trace: 1, id: 5, parent: 1, kind: ptrace.SpanKindClient, name: "SELECT", from: 80 * ms, to: 120 * ms, attrs: map[string]any{"db.system.name": "postgresql", "db.namespace": "orders"}},
		{service: "cart", version: "7", pod: "cart-1", trace: 1, id: 6, parent: 3, kind: ptrace.SpanKindServer, name: "GET /cart", from: 12 * ms, to: 45 * ms},
		{service: "cart", version: "7", pod: "cart-1", trace: 1, id: 7, parent: 4, kind: ptrace.SpanKindServer, name: "GET /cart", from: 32 * ms, to: 55 * ms, attrs: map[string]any{"http.status_code": 503}},
	}
}

func release(service, version string) unship.ReleaseID {
	return unship.ReleaseID{Service: unship.Service{Name: service}, Version: version}
}

func TestJoin(t *testing.T) {
	ticks := take(t, shop()...)
	got := operation(t, ticks, "web", "GET /")
	want := unship.Operation{
		Name: "GET /", Requests: 1, Failed: 1,
		Duration: unship.Histogram{{Index: unship.BucketOf(100 * ms), Count: 1}},
		Calls: []unship.Call{
			{Callee: "cart", Requests: 1, Total: 2, Failed: 1, Answered: []unship.CalleeAnswer{{Release: release("cart", "7"), Requests: 1}}},
			{Callee: "postgresql orders", Requests: 1, Total: 1, Unseen: 1},
		},
		Exemplars: unship.Exemplars{{TraceID: "00000000000000000000000000000001", SpanID: "0000000000000001", Duration: 100 * ms, Error: "error"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	cart := operation(t, ticks, "cart", "GET /cart")
	if cart.Requests != 2 || cart.Failed != 1 || cart.FailedHere != 1 {
		t.Errorf("cart: %d requests, %d failed, %d here; want 2, 1, 1", cart.Requests, cart.Failed, cart.FailedHere)
	}
	if diff := cmp.Diff([]unship.Caller{{Release: release("web", "2"), Requests: 2, FailedHere: 1}}, cart.Callers); diff != "" {
		t.Error(diff)
	}
}

func TestAFailureInsideTheProcessBeganHere(t *testing.T) {
	spans := shop()[:3] // the calls that are left succeed
	op := operation(t, take(t, spans...), "web", "GET /")
	if op.FailedHere != 1 {
		t.Errorf("failed here %d, want 1: the internal span that failed is web's own", op.FailedHere)
	}
}

func TestRetriesInOneTraceAreOneFailure(t *testing.T) {
	var spans []testSpan
	for i := range 3 {
		spans = append(spans, testSpan{service: "cart", version: "1", pod: "p", trace: 9, id: uint64(i + 1), parent: 77, kind: ptrace.SpanKindServer, name: "op", from: 0, to: time.Duration(i+1) * ms, failed: true})
	}
	op := operation(t, take(t, spans...), "cart", "op")
	if op.Requests != 3 || op.Failed != 1 || op.FailedHere != 1 {
		t.Errorf("got %d requests, %d failed, %d here; want 3, 1, 1", op.Requests, op.Failed, op.FailedHere)
	}
}

func TestChildrenWaitForTheirRequest(t *testing.T) {
	a := newAggregator(t)
	send(t, a, testSpan{service: "web", version: "1", pod: "p", trace: 3, id: 2, parent: 1, kind: ptrace.SpanKindClient, from: 1 * time.Second, to: 4 * time.Second, failed: true, attrs: map[string]any{"peer.service": "slow"}})
	send(t, a, testSpan{service: "web", version: "1", pod: "p", trace: 4, id: 9, kind: ptrace.SpanKindServer, name: "other", from: 30 * time.Second, to: 31 * time.Second})
	if n := len(a.Take()); n != 1 {
		t.Fatalf("%d ticks, want the first window's", n)
	}
	send(t, a, testSpan{service: "web", version: "1", pod: "p", trace: 3, id: 1, kind: ptrace.SpanKindServer, name: "op", from: 0, to: 40 * time.Second, failed: true})
	op := operation(t, a.Flush(), "web", "op")
	want := []unship.Call{{Callee: "slow", Requests: 1, Total: 1, Failed: 1, Unanswered: 1}}
	if diff := cmp.Diff(want, op.Calls); diff != "" || op.FailedHere != 0 {
		t.Errorf("failed here %d, want 0: its call failed %s", op.FailedHere, diff)
	}
}

func TestOwnTimeIsOfRequestsWhoseCallsWereServed(t *testing.T) {
	request := testSpan{service: "web", version: "1", pod: "p", trace: 1, id: 1, kind: ptrace.SpanKindServer, name: "op", from: 0, to: 100 * ms}
	call := func(id int, kind ptrace.SpanKind, from, to time.Duration) testSpan {
		s := testSpan{service: "web", version: "1", pod: "p", trace: 1, id: uint64(id), parent: 1, kind: kind, name: "call", from: from, to: to, attrs: map[string]any{"peer.service": "cart"}}
		if kind == ptrace.SpanKindServer { // without a client span
			s.service, s.pod, s.attrs = "cart", "q", map[string]any{}
		}
		return s
	}
	answered := func(s testSpan, code int) testSpan {
		s.attrs["http.response.status_code"] = code
		return s
	}
	client, server := ptrace.SpanKindClient, ptrace.SpanKindServer
	for name, c := range map[string]struct {
		calls []testSpan
		want  time.Duration // 0: none
	}{
		"no calls":           {nil, 100 * ms},
		"calls that overlap": {[]testSpan{call(2, client, 10*ms, 50*ms), call(3, client, 30*ms, 60*ms), call(4, client, 80*ms, 120*ms)}, 30 * ms},
		"pauses of its own":  {[]testSpan{call(2, client, 10*ms, 20*ms), call(3, client, 70*ms, 80*ms)}, 80 * ms},
		"back-off":           {[]testSpan{answered(call(2, client, 10*ms, 20*ms), 503), call(3, client, 70*ms, 80*ms)}, 0},
		"it gives up":        {[]testSpan{call(2, client, 10*ms, 20*ms), answered(call(3, client, 70*ms, 80*ms), 503)}, 0},
		"no client spans":    {[]testSpan{call(2, server, 10*ms, 20*ms), call(3, server, 70*ms, 80*ms)}, 80 * ms},
		"… and a failure":    {[]testSpan{answered(call(2, server, 10*ms, 20*ms), 503), call(3, server, 70*ms, 80*ms)}, 0},
		"… and a rejection":  {[]testSpan{answered(call(2, server, 10*ms, 20*ms), 429), call(3, server, 70*ms, 80*ms)}, 0},
	} {
		op := operation(t, take(t, append(c.calls, request)...), "web", "op")
		var want unship.Histogram
		if c.want > 0 {
			want.Add(unship.BucketOf(c.want), 1)
		}
		if diff := cmp.Diff(want, op.Self); diff != "" || op.Requests != 1 || op.Duration.Total() != 1 || !op.Apart() {
			t.Errorf("%s: own time %v, want %v of 1 request: %+v", name, op.Self, want, op)
		}
	}
}

// Where calls fail, windows may hold no own time at all: spans told of them nevertheless.
func TestSpansWithoutOwnTimeAreRemembered(t *testing.T) {
	a, tick := newAggregator(t), take(t, shop()...)[0]
	a.Remember(tick)
	for name, version := range map[string]string{"web": "2", "cart": "7"} {
		if s := a.service(release(name, version).Service); s.told != a.index(tick.Start.UnixNano()) {
			t.Errorf("%s: spans told of it last in window %d", name, s.told)
		}
	}
}

func TestSpansThatWaitLeaveTheirOwnTime(t *testing.T) {
	a := newAggregator(t)
	send(t, a, testSpan{service: "web", version: "1", pod: "p", trace: 3, id: 2, parent: 1, kind: ptrace.SpanKindClient, from: 1 * time.Second, to: 4 * time.Second, attrs: map[string]any{"peer.service": "slow"}})
	send(t, a, testSpan{service: "web", version: "1", pod: "p", trace: 4, id: 9, kind: ptrace.SpanKindServer, name: "other", from: 30 * time.Second, to: 31 * time.Second})
	send(t, a, testSpan{service: "web", version: "1", pod: "p", trace: 3, id: 1, kind: ptrace.SpanKindServer, name: "op", from: 0, to: 40 * time.Second})
	if got := operation(t, a.Flush(), "web", "op").Self; got.Total() != 1 || got[0].Index != unship.BucketOf(37*time.Second) {
		t.Errorf("own time %v, want 37 s", got)
	}
}

// Who hangs or dies has told of what it called, and tells of the request never.
func TestWhoGotACallThatNobodyAnswers(t *testing.T) {
	call := func(failed bool) []testSpan {
		return []testSpan{
			{service: "web", version: "1", pod: "w", trace: 1, id: 1, kind: ptrace.SpanKindServer, name: "op", to: 3 * time.Second, failed: failed},
			{service: "web", version: "1", pod: "w", trace: 1, id: 2, parent: 1, kind: ptrace.SpanKindClient, from: 100 * ms, to: 2 * time.Second, failed: failed, attrs: map[string]any{"peer.service": "cart"}},
		}
	}
	left := func(service, version string, id uint64, from time.Duration) testSpan {
		return testSpan{service: service, version: version, pod: service + version, trace: 1, id: id, parent: id + 100, kind: ptrace.SpanKindClient, from: from, to: from + ms, attrs: map[string]any{"peer.service": "stock"}}
	}
	got := func(service, version string) unship.CallReceived {
		return unship.CallReceived{Release: release(service, version), Unanswered: 1}
	}
	for _, c := range []struct {
		name  string
		spans []testSpan
		want  []unship.CallReceived
	}{
		{"two spans without their request", append(call(true), left("cart", "7", 3, 200*ms), left("cart", "7", 4, time.Second)), []unship.CallReceived{got("cart", "7")}},
		{"they waited for another service, which left some as well", append(call(true), left("stock", "1", 3, 300*ms), left("cart", "7", 4, 200*ms)), []unship.CallReceived{got("cart", "7"), got("stock", "1")}},
		{"two versions left some", append(call(true), left("cart", "7", 3, 200*ms), left("cart", "8", 4, 200*ms), left("stock", "1", 5, 200*ms)), []unship.CallReceived{got("stock", "1")}},
		{"what the caller left itself", append(call(true), left("web", "1", 3, 200*ms)), nil},
		{"before the call and after it", append(call(true), left("cart", "7", 3, 50*ms), left("cart", "7", 4, 2500*ms)), nil},
		{"a call that ended well", append(call(false), left("cart", "7", 3, 200*ms)), nil},
	} {
		calls := operation(t, take(t, c.spans...), "web", "op").Calls
		if len(calls) != 1 {
			t.Fatalf("%s: %+v", c.name, calls)
		}
		if diff := cmp.Diff(c.want, calls[0].Received); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestACallWithoutAClientSpan(t *testing.T) {
	spans := []testSpan{
		{service: "a", version: "1", pod: "a-1", trace: 1, id: 1, kind: ptrace.SpanKindServer, name: "op", from: 0, to: 50 * ms, failed: true},
		{service: "b", version: "1", pod: "b-1", trace: 1, id: 2, parent: 1, kind: ptrace.SpanKindServer, name: "sub", from: 10 * ms, to: 40 * ms, failed: true},
	}
	ticks := take(t, spans...)
	op := operation(t, ticks, "a", "op")
	want := []unship.Call{{
		Callee: "b", Requests: 1, Total: 1, Failed: 1, Answered: []unship.CalleeAnswer{{Release: release("b", "1"), Requests: 1}},
	}}
	if diff := cmp.Diff(want, op.Calls); diff != "" || op.FailedHere != 0 {
		t.Errorf("failed here %d, want 0; %s", op.FailedHere, diff)
	}
	if sub := operation(t, ticks, "b", "sub"); sub.FailedHere != 1 || len(sub.Callers) != 1 {
		t.Errorf("sub: %+v", sub)
	}
}

func TestTheCalleeIsNamedByWhoAnswered(t *testing.T) {
	spans := shop()
	delete(spans[2].attrs, "server.address")
	op := operation(t, take(t, spans...), "web", "GET /")
	if len(op.Calls) != 2 || op.Calls[0].Callee != "cart" || op.Calls[0].Total != 2 {
		t.Errorf("calls %+v, want cart twice", op.Calls)
	}
}

func TestCallersOfEarlierWindows(t *testing.T) {
	a := newAggregator(t)
	send(t, a, testSpan{service: "web", version: "3", pod: "p", trace: 5, id: 2, parent: 1, kind: ptrace.SpanKindProducer, name: "send", from: 0, to: ms})
	send(t, a, testSpan{service: "worker", version: "1", pod: "w", trace: 5, id: 7, parent: 2, kind: ptrace.SpanKindConsumer, name: "process jobs", from: 20 * time.Second, to: 21 * time.Second})
	op := operation(t, a.Flush(), "worker", "process jobs")
	if len(op.Callers) != 1 || op.Callers[0].Release.Version != "3" {
		t.Errorf("callers %+v, want web 3", op.Callers)
	}
}

func TestRootsAreRequestsWhereNothingServes(t *testing.T) {
	root := testSpan{service: "cron", version: "1", pod: "p", trace: 6, id: 1, kind: ptrace.SpanKindInternal, name: "clean up", to: ms}
	if op := operation(t, take(t, root), "cron", "clean up"); op.Requests != 1 {
		t.Errorf("%+v", op)
	}
	server := root
	server.trace, server.kind, server.name = 7, ptrace.SpanKindServer, "serve"
	for _, w := range take(t, root, server)[0].Windows {
		if len(w.Operations) != 1 || w.Operations[0].Name != "serve" {
			t.Errorf("operations %+v, want those served only", w.Operations)
		}
	}
}

func TestDuplicatesCountOnce(t *testing.T) {
	a := newAggregator(t)
	send(t, a, shop()...)
	send(t, a, shop()...)
	if diff := cmp.Diff(take(t, shop()...), a.Flush()); diff != "" {
		t.Error(diff)
	}
	if s := a.Stats(); s.Duplicate != 7 || s.Spans != 7 {
		t.Errorf("duplicates %d, spans %d; want 7 and 7", s.Duplicate, s.Spans)
	}
}

func TestCyclesEnd(t *testing.T) {
	var spans []testSpan
	for i := range uint64(2000) {
		spans = append(spans, testSpan{service: "a", version: "1", pod: "p", trace: 1, id: i + 1, parent: (i+1)%2000 + 1, kind: ptrace.SpanKindClient, to: ms})
	}
	if ticks := take(t, spans...); len(ticks) != 1 {
		t.Errorf("%d ticks, want 1", len(ticks))
	}
}

// asks is one request of web that calls cart some times, which answers with these statuses,
// a request that ends well itself. 0 is an answer that is not seen.
func asks(trace uint64, clientFails bool, statuses ...int) []testSpan {
	out := []testSpan{{service: "web", version: "2", pod: "w", trace: trace, id: 1, kind: ptrace.SpanKindServer, name: "op", to: 100 * ms}}
	for k, status := range statuses {
		from, id := time.Duration(10*k)*ms, uint64(2*k+2)
		call := testSpan{service: "web", version: "2", pod: "w", trace: trace, id: id, parent: 1, kind: ptrace.SpanKindClient, from: from, to: from + 5*ms, attrs: map[string]any{"peer.service": "cart"}}
		if status != 0 {
			call.attrs["http.response.status_code"] = status
			out = append(out, testSpan{service: "cart", version: "7", pod: "c", trace: trace, id: id + 1, parent: id, kind: ptrace.SpanKindServer, name: "get", from: from, to: from + 4*ms, attrs: map[string]any{"http.response.status_code": status}})
		}
		call.failed = status >= 400 || status == 0 && clientFails
		out = append(out, call)
	}
	return out
}

// Who renews a token or tries again asks once, and a call that ended well was answered.
func TestCallsThatAreRepeated(t *testing.T) {
	for _, c := range []struct {
		name  string
		spans []testSpan
		want  unship.Call
		// of cart's requests from web
		rejected uint64
	}{
		{"refused and repeated", asks(1, false, 401, 200), unship.Call{Requests: 1, Total: 2, Failed: 1}, 0},
		{"refused", asks(1, false, 401), unship.Call{Requests: 1, Total: 1, Failed: 1}, 1},
		{"refused after it was served", asks(1, false, 200, 401), unship.Call{Requests: 1, Total: 2, Failed: 1}, 1},
		{"fails three times, then is served", asks(1, false, 500, 500, 500, 200), unship.Call{Requests: 1, Total: 4, Failed: 3}, 0},
		{"called four times", asks(1, false, 200, 200, 200, 200), unship.Call{Requests: 1, Twice: 1, FourPlus: 1, Total: 4}, 0},
		{"served twice", asks(1, false, 200, 200), unship.Call{Requests: 1, Twice: 1, Total: 2}, 0},
		{"the answer's span was lost", asks(1, false, 0), unship.Call{Requests: 1, Total: 1, Unseen: 1}, 0},
		{"no answer", asks(1, true, 0), unship.Call{Requests: 1, Total: 1, Failed: 1, Unanswered: 1}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			ticks := take(t, c.spans...)
			got := operation(t, ticks, "web", "op").Calls[0]
			got.Callee, got.Answered = "", nil
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if len(c.spans) > 2 {
				if from := operation(t, ticks, "cart", "get").Callers; len(from) != 1 || from[0].Rejected != c.rejected {
					t.Errorf("callers %+v; want %d refused", from, c.rejected)
				}
			}
		})
	}
}

// answered is one request of web that calls cart, which answers with success.
func answered(trace uint64, version string, failed bool, status int) []testSpan {
	return []testSpan{
		{service: "web", version: "2", pod: "w", trace: trace, id: 1, kind: ptrace.SpanKindServer, name: "op", to: 50 * ms, failed: failed, attrs: map[string]any{"http.response.status_code": status}},
		{service: "web", version: "2", pod: "w", trace: trace, id: 2, parent: 1, kind: ptrace.SpanKindClient, to: 40 * ms, attrs: map[string]any{"peer.service": "cart"}},
		{service: "cart", version: version, pod: "c" + version, trace: trace, id: 3, parent: 2, kind: ptrace.SpanKindServer, name: "get", to: 30 * ms},
	}
}

func TestAnswersThatTheCallerCannotUse(t *testing.T) {
	spans := slices.Concat(
		answered(1, "7", false, 200), answered(2, "7", false, 200), answered(3, "7", true, 500),
		answered(4, "8", true, 500), answered(5, "8", false, 422), answered(6, "8", false, 200))
	spans[len(spans)-1].failed = true // cart's own span; web's client span succeeds
	lost := answered(7, "8", true, 500)[:2]
	lost[1].failed = true
	op := operation(t, take(t, append(spans, lost...)...), "web", "op")
	want := []unship.Call{{
		Callee: "cart", Requests: 7, Total: 7, Failed: 1, Unanswered: 1,
		Answered: []unship.CalleeAnswer{
			{Release: release("cart", "7"), Requests: 3, Failed: 1},
			{Release: release("cart", "8"), Requests: 3, Failed: 2},
		},
	}}
	if diff := cmp.Diff(want, op.Calls); diff != "" {
		t.Error(diff)
	}
}

// A call may fail although its answer looked like success, whatever becomes of the request: it
// was none that the caller could use. What was refused, and what came after the caller had
// given up, is another matter.
func TestCallsThatFailThoughTheyWereAnswered(t *testing.T) {
	failing := func(trace uint64, set func(call, answer *testSpan)) []testSpan {
		s := answered(trace, "8", false, 200)
		s[1].failed = true
		set(&s[1], &s[2])
		return s
	}
	untouched := func(*testSpan, *testSpan) {}
	for _, c := range []struct {
		name  string
		spans []testSpan
		want  unship.CalleeAnswer
	}{
		{"the request ends well all the same", failing(1, untouched), unship.CalleeAnswer{Requests: 1, Garbled: 1}},
		{"the request fails as well", func() []testSpan {
			s := failing(1, untouched)
			s[0].failed = true
			return s
		}(), unship.CalleeAnswer{Requests: 1, Garbled: 1}},
		{"another try ends well", append(failing(1, untouched),
			testSpan{service: "web", version: "2", pod: "w", trace: 1, id: 4, parent: 1, kind: ptrace.SpanKindClient, from: 40 * ms, to: 45 * ms, attrs: map[string]any{"peer.service": "cart"}},
			testSpan{service: "cart", version: "8", pod: "c8", trace: 1, id: 5, parent: 4, kind: ptrace.SpanKindServer, name: "get", from: 41 * ms, to: 44 * ms}),
			unship.CalleeAnswer{Requests: 1, Garbled: 1}},
		{"clocks differ", failing(1, func(_, answer *testSpan) { answer.from, answer.to = 60*ms, 90*ms }), unship.CalleeAnswer{Requests: 1, Garbled: 1}},
		{"it was refused", failing(1, func(_, answer *testSpan) { answer.attrs = map[string]any{"http.response.status_code": 404} }), unship.CalleeAnswer{Requests: 1}},
		{"it failed", failing(1, func(_, answer *testSpan) { answer.failed = true }), unship.CalleeAnswer{Requests: 1}},
		{"the caller gave up", failing(1, func(_, answer *testSpan) { answer.to = 70 * ms }), unship.CalleeAnswer{Requests: 1}},
		{"the caller gave up, and the server with it", failing(1, func(_, answer *testSpan) { answer.attrs = map[string]any{"rpc.grpc.status_code": 1} }), unship.CalleeAnswer{Requests: 1}},
	} {
		c.want.Release = release("cart", "8")
		calls := operation(t, take(t, c.spans...), "web", "op").Calls
		if diff := cmp.Diff([]unship.CalleeAnswer{c.want}, calls[0].Answered); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// A copy of a call, whose answer nobody reads, is no request of anybody where it fares otherwise than
// what the caller saw. What a proxy tries again failed.
func TestCopiesOfACall(t *testing.T) {
	for _, c := range []struct {
		name                     string
		call                     bool          // fails
		real, copied             int           // statuses
		after                    time.Duration // of the copy
		copies, rejected, failed uint64        // of the version that has the copy
	}{
		{"the copy is refused", false, 200, 409, 0, 0, 0, 0},
		{"the copy fails", false, 200, 500, 0, 0, 0, 0},
		{"both end well", false, 200, 200, 0, 1, 0, 0},
		{"both are refused", false, 409, 409, 0, 1, 1, 0},
		{"the call fails", true, 500, 200, 0, 1, 0, 0},
		{"both fail", true, 500, 500, 0, 1, 0, 1},
		{"the second try fails", true, 500, 500, 35 * ms, 1, 0, 1},
		{"it failed before it was tried again", false, 200, 500, -35 * ms, 1, 0, 1},
	} {
		for _, first := range []bool{false, true} {
			s := answered(1, "7", c.call, 200)
			s[0].failed, s[1].failed, s[0].from, s[0].to, s[1].to = false, c.call, -100*ms, 100*ms, 70*ms
			s[1].from = -60 * ms
			s[2].attrs = map[string]any{"http.response.status_code": c.real}
			copied := s[2]
			copied.version, copied.pod, copied.id, copied.from, copied.to = "8", "c8", 4, c.after, c.after+30*ms
			if copied.attrs = map[string]any{"http.response.status_code": c.copied}; first {
				copied.id, s[2].id = 3, 5
			}
			for i := range s {
				s[i].from, s[i].to = s[i].from+time.Second, s[i].to+time.Second
			}
			copied.from, copied.to = copied.from+time.Second, copied.to+time.Second
			ticks := take(t, append(s, copied)...)
			var got unship.Operation
			for _, w := range ticks[0].Windows {
				if w.Release.Version == "8" {
					for _, op := range w.Operations {
						got.Requests, got.Rejected, got.Failed = op.Requests, op.Rejected, op.Failed
					}
				}
			}
			if got.Requests != c.copies || got.Rejected != c.rejected || got.Failed != c.failed {
				t.Errorf("%s, first %v: %+v; want %d requests, %d refused, %d failed", c.name, first, got, c.copies, c.rejected, c.failed)
			}
			for _, a := range operation(t, ticks, "web", "op").Calls[0].Answered {
				if c.real != c.copied && c.after == 0 && a.Release.Version != "7" || a.Garbled != 0 {
					t.Errorf("%s, first %v: answered by %+v", c.name, first, a)
				}
			}
		}
	}
}

// The answer may end in the window before its call, or in one after it, as long as the
// request that called has not ended.
func TestAnswersOfOtherWindows(t *testing.T) {
	for name, ends := range map[string][3]time.Duration{
		"before": {13 * time.Second, 11 * time.Second, 8 * time.Second},
		"after":  {31 * time.Second, 11 * time.Second, 22 * time.Second},
	} {
		spans := answered(1, "7", false, 200)
		for i := range spans {
			spans[i].to = ends[i]
		}
		calls := operation(t, take(t, spans...), "web", "op").Calls
		if len(calls) != 1 || calls[0].Unanswered != 0 || len(calls[0].Answered) != 1 {
			t.Errorf("%s: %+v, want an answer", name, calls)
		}
	}
}
