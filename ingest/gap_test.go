package ingest

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

// losing is a request of web that fails, as its call of cart does through a client span, of which spans are lost.
func losing(lost ...uint64) (spans []testSpan) {
	for _, s := range []testSpan{
		{service: "web", version: "2", pod: "w", trace: 1, id: 1, kind: ptrace.SpanKindServer, name: "op", to: 50 * ms, failed: true},
		{service: "web", version: "2", pod: "w", trace: 1, id: 2, parent: 1, kind: ptrace.SpanKindInternal, name: "work", from: ms, to: 45 * ms},
		{service: "web", version: "2", pod: "w", trace: 1, id: 3, parent: 2, kind: ptrace.SpanKindClient, from: 5 * ms, to: 40 * ms, failed: true, attrs: map[string]any{"peer.service": "cart"}},
		{service: "cart", version: "7", pod: "c", trace: 1, id: 4, parent: 3, kind: ptrace.SpanKindServer, name: "get", from: 10 * ms, to: 30 * ms, failed: true},
	} {
		keep := true
		for _, id := range lost {
			keep = keep && s.id != id
		}
		if keep {
			spans = append(spans, s)
		}
	}
	return spans
}

// What fails in a call whose span was lost did not fail here, and of such a request nothing tells
// what its own time is.
func TestRequestsOfWhichSpansAreLost(t *testing.T) {
	proxied := losing()
	proxied[3].parent = 77 // a span of a proxy that sends none
	second := append(losing(3), testSpan{service: "web", version: "2", pod: "w", trace: 1, id: 5, parent: 1, kind: ptrace.SpanKindClient, from: 41 * ms, to: 44 * ms, attrs: map[string]any{"peer.service": "stock"}})
	well := losing(3)
	well[2].failed = false
	other := losing(3)
	other[2].from, other[2].to = 60*ms, 70*ms
	inner := append(losing(3), // a request of another service inside, which is the nearer one
		testSpan{service: "web", version: "2", pod: "w", trace: 1, id: 6, parent: 1, kind: ptrace.SpanKindClient, from: 6 * ms, to: 38 * ms, failed: true, attrs: map[string]any{"peer.service": "stock"}},
		testSpan{service: "stock", version: "1", pod: "s", trace: 1, id: 7, parent: 6, kind: ptrace.SpanKindServer, name: "in", from: 8 * ms, to: 36 * ms, failed: true})
	for _, c := range []struct {
		name          string
		spans         []testSpan
		service, op   string
		here, partial uint64
		ownTime       bool
	}{
		{"nothing is lost", losing(), "web", "op", 0, 0, false},
		{"the call", losing(3), "web", "op", 0, 1, false},
		{"what is above the call", losing(2), "web", "op", 0, 1, false},
		{"the call, beside another one", second, "web", "op", 0, 1, false},
		{"the call, which ended well", well, "web", "op", 1, 1, false},
		{"the answer", losing(4), "web", "op", 0, 0, false},
		{"both", losing(3, 4), "web", "op", 1, 0, true},
		{"what a proxy between them did", proxied, "web", "op", 0, 0, false},
		{"the call of some other request", other, "web", "op", 1, 0, true},
		{"the call of a request inside", inner, "stock", "in", 0, 1, false},
		{"the call of a request inside, which is no other's", inner, "web", "op", 0, 0, false},
	} {
		op := operation(t, take(t, c.spans...), c.service, c.op)
		if op.FailedHere != c.here || op.Partial != c.partial || (op.Self.Total() > 0) != c.ownTime {
			t.Errorf("%s: failed here %d, partial %d, own time %v; want %d, %d, %v", c.name, op.FailedHere, op.Partial, op.Self, c.here, c.partial, c.ownTime)
		}
	}
}
