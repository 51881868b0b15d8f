package words_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"unship.dev"
	"unship.dev/decide/words"
)

func TestNumbersInWords(t *testing.T) {
	for got, want := range map[string]string{
		words.Percent(0.061):          "6.1 %",
		words.Percent(0.25):           "25 %",
		words.Percent(0.0005):         "0.05 %",
		words.Percent(0.98):           "98 %",
		words.Percent(0.9999):         ">99.9 %",
		words.Percent(1):              "100 %",
		words.Percent(0):              "0 %",
		words.Percent(1e-9):           "<0.001 %",
		words.Percent(math.NaN()):     "unknown",
		words.Number(9.97):            "10",
		words.Number(-12345):          "-12,345",
		words.Number(2.5e6):           "2.5 million",
		words.Number(0.30):            "0.3",
		words.Count(5120):             "5,120",
		words.Of(1, "request"):        "1 request",
		words.Of(1204, "request"):     "1,204 requests",
		words.Seconds(1.3):            "1.3 s",
		words.Seconds(0.0852):         "85 ms",
		words.Seconds(0.00042):        "420 µs",
		words.Seconds(0.9999):         "1 s",
		words.Seconds(130):            "2 min 10 s",
		words.Seconds(math.Inf(1)):    "unknown",
		words.Span(45 * time.Second):  "45 s",
		words.Span(125 * time.Minute): "2 h 5 min",
		words.Span(72 * time.Hour):    "3 days",
		words.Span(-time.Minute):      "-1 min",
		words.Times(0.002, 0.06):      "×30",
		words.Times(0, 0.06):          "",
		words.Times(1e-6, 1):          "more than ×1,000",
		words.OneIn(1.27e7):           "1 in 12 million",
		words.OneIn(4299):             "1 in 4,200",
		words.OneIn(3.19):             "1 in 3.1",
		words.OneIn(5e9):              "1 in 5 billion",
		words.OneIn(1e12):             "less than 1 in a million million",
		words.OneIn(0.4):              "no evidence",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestEvidenceIsNotOverstated: the number said is never above the e-value.
func TestEvidenceIsNotOverstated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.Float64Range(1.1, 999_999).Draw(t, "e")
		said := strings.ReplaceAll(strings.TrimPrefix(words.OneIn(e), "1 in "), ",", "")
		n, err := strconv.ParseFloat(said, 64)
		if err != nil || n > e || n < e*0.9 {
			t.Fatalf("%v is said as %q (%v)", e, words.OneIn(e), err)
		}
	})
}

func TestEveryNumberCanBeSaid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_ = words.Number(rapid.Float64().Draw(t, "any"))
		_ = words.Percent(rapid.Float64().Draw(t, "any"))
		_ = words.Bytes(rapid.Float64().Draw(t, "any"))
		_ = words.Seconds(rapid.Float64().Draw(t, "any"))
		_ = words.OneIn(rapid.Float64().Draw(t, "any"))
		_ = words.Times(rapid.Float64().Draw(t, "any"), rapid.Float64().Draw(t, "any"))
		_ = words.Span(time.Duration(rapid.Int64Min(math.MinInt64+1).Draw(t, "any")))
	})
}

func TestChanges(t *testing.T) {
	base := unship.Evidence{Operation: "POST /orders", Unit: "1", Baseline: 0.002, Candidate: 0.061}
	duration := unship.Evidence{Signal: unship.SignalDuration, Operation: "POST /orders", Unit: "s", Quantile: 0.95, Baseline: 0.2, Candidate: 1.3}
	with := func(s unship.Signal, operation string) unship.Evidence {
		ev := base
		ev.Signal, ev.Operation = s, operation
		return ev
	}
	calls := with(unship.SignalCalls, "POST /orders → postgresql")
	calls.Name = "calls twice or more"
	slice := with(unship.SignalErrorRatio, "")
	slice.Slice = "tenant.id=acme"
	memory := unship.Evidence{Signal: unship.SignalMetric, Name: "process.memory.usage", Unit: "By", Baseline: 120e6, Candidate: 1.26e9}
	threads := unship.Evidence{Signal: unship.SignalMetric, Name: "jvm.thread.count", Unit: "{thread}", Baseline: 40, Candidate: 400}
	named := func(s unship.Signal, name string) unship.Evidence {
		ev := with(s, "")
		ev.Name = name
		return ev
	}
	for got, want := range map[string]string{
		words.Change(with(unship.SignalErrorRatio, "POST /orders")):     "fails 6.1 % of POST /orders (0.2 % before)",
		words.Change(with(unship.SignalErrorRatio, "")):                 "fails 6.1 % of its requests (0.2 % before)",
		words.Change(with(unship.SignalRejectionRatio, "POST /orders")): "refuses 6.1 % of POST /orders (0.2 % before)",
		words.Change(duration):                                     "takes 1.3 s for the slowest 5 % of POST /orders (200 ms before)",
		words.Change(calls):                                        "calls twice or more in 6.1 % of POST /orders → postgresql (0.2 % before)",
		words.Change(with("heap", "")):                             "changed heap of its requests to 6.1 % (0.2 % before)",
		words.Change(named(unship.SignalException, "LedgerError")): "throws LedgerError in 6.1 % of its moments (0.2 % before)",
		words.Change(named(unship.SignalLogPattern, "cannot <*>")): `logs "cannot <*>" in 6.1 % of its moments (0.2 % before)`,
		words.Change(slice):                                        "fails 6.1 % of its requests for tenant.id=acme (0.2 % before)",
		words.Change(memory):                                       "changed process.memory.usage to 1.3 GB (120 MB before)",
		words.Change(threads):                                      "changed jvm.thread.count to 400 (40 before)",
		words.Change(with(unship.SignalUnanswered, "")):            "leaves 6.1 % of the calls to it unanswered (0.2 % before)",
		words.Change(with(unship.SignalCallerError, "GET /price")): "answers 6.1 % of GET /price with what callers cannot use (0.2 % before)",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
