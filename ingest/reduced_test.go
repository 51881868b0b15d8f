package ingest

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"pgregory.net/rapid"

	"unship.dev/ingest/otlp/wire"
)

// reduced gives what is to be kept of a message; nil if that is malformed.
func reduced(t testing.TB, a *Aggregator, message []byte) (kept []byte) {
	t.Helper()
	_, err := a.TracesKept(message, func(b []byte) error {
		kept = slices.Clone(b)
		return nil
	})
	if err != nil && !errors.Is(err, wire.ErrMalformed) && !errors.Is(err, wire.ErrTooDeep) {
		t.Fatal(err)
	}
	return kept
}

// checkReduced wants the same of a message and of what is kept of it.
func checkReduced(t testing.TB, message []byte) {
	t.Helper()
	first, second := newAggregator(t), newAggregator(t)
	kept := reduced(t, first, message)
	if kept == nil {
		return
	}
	if err := second.TracesReduced(kept); err != nil {
		t.Fatalf("%v of what was kept of %x", err, message)
	}
	want, got := outcome{}.finish(first), outcome{}.finish(second)
	want.Stats.Resources = got.Stats.Resources // those without spans are not kept
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%x\n%s", message, diff)
	}
}

func TestWhatIsKeptGivesTheSame(t *testing.T) {
	checkReduced(t, marshal(t, rich(t)))
	checkReduced(t, marshal(t, payload(0, 512)))
	rapid.Check(t, func(rt *rapid.T) {
		td := ptrace.NewTraces()
		for _, s := range drawSpans(rt) {
			s.put(t, td)
		}
		checkReduced(t, marshal(t, td))
	})
}

func TestWhatIsKeptIsSmall(t *testing.T) {
	message := marshal(t, payload(0, 512))
	if kept := reduced(t, newAggregator(t), message); len(kept) > len(message)/8 {
		t.Errorf("%d bytes are kept of %d", len(kept), len(message))
	}
}

// A journal's errors reach the sender, who sends again.
func TestKeepingMayFail(t *testing.T) {
	full := errors.New("full")
	a := newAggregator(t)
	if _, err := a.TracesKept(marshal(t, traces(t, good())), func([]byte) error { return full }); !errors.Is(err, full) {
		t.Errorf("%v, want %v", err, full)
	}
}

// Whatever is read back, nothing breaks, and what is malformed leaves nothing behind.
func FuzzTracesReduced(f *testing.F) {
	a := newAggregator(f)
	f.Add(reduced(f, a, marshal(f, rich(f))))
	f.Add(reduced(f, a, marshal(f, traces(f, shop()...))))
	f.Add(reduced(f, a, marshal(f, payload(1, 5))))
	f.Fuzz(func(t *testing.T, message []byte) {
		a := newAggregator(t)
		err := a.TracesReduced(message)
		ticks, s := a.Flush(), a.Stats()
		if err != nil && (!errors.Is(err, wire.ErrMalformed) || len(ticks) > 0 || s.Spans+s.Future > 0) {
			t.Errorf("%v, and taken: %+v, %+v", err, ticks, s)
		}
	})
}

// BenchmarkTracesReduced is the whole way of spans that a journal gives back.
func BenchmarkTracesReduced(b *testing.B) {
	const batches, spans = 400, 512
	a := newAggregator(b, func(o *Options) { o.MaxPendingBytes = 1 << 40 })
	var all [][]byte
	size := 0
	for i := range batches {
		all = append(all, reduced(b, a, marshal(b, payload(i, spans))))
		size += len(all[i])
	}
	benchBatches(b, batches, spans, 50, "span", func(a *Aggregator, batch int) error {
		return a.TracesReduced(all[batch])
	})
	b.ReportMetric(float64(size)/batches/spans, "B/span")
}
