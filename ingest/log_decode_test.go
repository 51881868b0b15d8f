package ingest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"unship.dev"
	"unship.dev/ingest/otlp/wire"
)

var logsWay = way{
	wire.Logs, func(a *Aggregator, message []byte) (r Refusal, malformed bool, err error) {
		req := plogotlp.NewExportRequest()
		if req.UnmarshalProto(message) != nil {
			return Refusal{}, true, nil
		}
		r, err = a.Logs(req.Logs())
		return r, false, err
	},
	func(a *Aggregator, body []byte) (Refusal, error) {
		req := plogotlp.NewExportRequest()
		if err := req.UnmarshalJSON(body); err != nil {
			return Refusal{}, err
		}
		return a.Logs(req.Logs())
	},
	(*Aggregator).LogsProto,
}

func marshalLogs(t testing.TB, ld plog.Logs) []byte {
	t.Helper()
	b, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// richLogs are records with all that OTLP allows.
func richLogs() plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.SetSchemaUrl("https://example.org/schema")
	meteredResource(rl.Resource().Attributes(), 1, 0)
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("scope")
	for i := range 12 {
		r := sl.LogRecords().AppendEmpty()
		r.SetObservedTimestamp(stamp(time.Duration(i) * time.Second))
		r.SetTraceID(traceID(uint64(i)))
		r.SetSpanID(spanID(3))
		r.SetSeverityNumber(plog.SeverityNumber(i * 3))
		r.SetSeverityText("Error")
		r.SetFlags(1)
		r.SetDroppedAttributesCount(2)
		r.SetEventName("event")
		r.Attributes().PutInt("n", int64(i))
		switch i {
		case 0:
			r.SetTimestamp(stamp(time.Minute))
			r.Body().SetStr("took 17 ms, order 4711\nmore")
		case 1:
			r.Body().SetEmptyMap().PutStr("msg", "second")
			r.Body().Map().PutStr("message", "first 12")
		case 2:
			r.Body().SetEmptyMap().PutDouble("a", .5)
			r.Body().Map().PutEmptySlice("b").AppendEmpty().SetBool(true)
		case 3:
			r.Body().SetEmptySlice().AppendEmpty().SetStr("<x>")
		case 4:
			r.Body().SetDouble(1e21)
		case 5:
			r.Body().SetEmptyBytes().Append(1, 2, 3)
		case 6:
			r.Body().SetInt(-3)
			r.Attributes().PutStr("log.record.template", "order {Id}")
		case 7:
			r.Body().SetStr(`{"level":"warn","msg":"took 3s","id":17}`)
		case 8:
			r.Attributes().PutStr("exception.type", "Broken")
			r.Attributes().PutStr("exception.message", "badly")
			r.Attributes().PutStr("exception.stacktrace", "goroutine 1 [running]:\nshop.dev/cart.Add(...)\n\t/src/cart/cart.go:7")
		case 9, 10, 11:
			r.SetEventName([]string{"feature_flag.evaluation", "", "other"}[i-9])
			r.Attributes().PutStr("event.name", "feature_flag.evaluation")
			r.Attributes().PutStr("feature_flag.key", "rates")
			r.Attributes().PutBool("feature_flag.result.value", true)
			r.Attributes().PutStr("feature_flag.provider.name", "flagd")
		}
	}
	return ld
}

func TestFlagsThatLogRecordsTell(t *testing.T) {
	a := newAggregator(t)
	if _, err := a.LogsProto(marshalLogs(t, richLogs())); err != nil {
		t.Fatal(err)
	}
	told := uint64(0)
	for _, tick := range a.Flush() {
		for _, w := range tick.Windows {
			for _, l := range w.Logs {
				if l.Pattern == unship.FlagPattern+"rates=true" {
					told += l.Count
				}
			}
		}
	}
	if told != 2 {
		t.Errorf("%d evaluations; want the two that are events of that name", told)
	}
}

func TestTheDecoderReadsAllOfLogs(t *testing.T) {
	message := marshalLogs(t, richLogs())
	logsWay.checkChanged(t, message)
	if o := logsWay.byDecoder(t, message, 1); o.Malformed || o.Stats.Records != 12 {
		t.Errorf("%+v, want twelve records", o.Stats)
	}
}

func TestTheDecoderReadsUnusualLogs(t *testing.T) {
	ld := richLogs()
	ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().RemoveIf(func(r plog.LogRecord) bool { return r.SeverityNumber() != 6 })
	message := marshalLogs(t, ld)
	r := wire.Reader{Rest: message}
	for _, number := range []uint32{1, 2, 2} { // down to the record
		for r.Next() && r.Field != number {
		}
		r = wire.Reader{Rest: r.Data}
	}
	record := r.Rest
	wrap := func(record []byte) []byte {
		for _, number := range []uint32{2, 2} {
			record = appendBytes(nil, number, record)
		}
		resource := appendBytes(nil, 1, append(appendBytes(nil, 1, []byte("service.name")), appendBytes(nil, 2, appendBytes(nil, 1, []byte("web")))...))
		return appendBytes(nil, 1, append(appendBytes(nil, 1, resource), record...))
	}
	more := func(b ...byte) []byte { return wrap(append(append([]byte(nil), record...), b...)) }
	for what, message := range map[string][]byte{
		"as it is":                    wrap(record),
		"another body":                more(5<<3|2, 3, 1<<3|2, 1, 'x'),
		"an empty body behind":        more(5<<3|2, 0),
		"a body of two kinds":         more(5<<3|2, 5, 1<<3|2, 1, 'x', 2<<3, 1),
		"a body by index":             more(5<<3|2, 2, 8<<3, 7),
		"an index beyond 32 bits":     more(5<<3|2, 6, 8<<3, 0xff, 0xff, 0xff, 0xff, 0x7f),
		"a body that is false":        more(5<<3|2, 2, 2<<3, 0),
		"a list with a key twice":     more(5<<3|2, 20, 6<<3|2, 18, 1<<3|2, 7, 1<<3|2, 3, 'm', 's', 'g', 2<<3|2, 0, 1<<3|2, 7, 1<<3|2, 3, 'm', 's', 'g', 2<<3|2, 0),
		"a severity below zero":       more(2<<3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
		"a severity beyond 32 bits":   more(2<<3, 0x85, 0x80, 0x80, 0x80, 0x10),
		"an attribute by its index":   more(6<<3|2, 2, 3<<3, 1),
		"an attribute malformed":      more(6<<3|2, 2, 1<<3, 1),
		"a value before its key":      more(6<<3|2, 21, 2<<3|2, 3, 1<<3|2, 1, 'E', 1<<3|2, 14, 'e', 'x', 'c', 'e', 'p', 't', 'i', 'o', 'n', '.', 't', 'y', 'p', 'e'),
		"flags of another type":       more(8<<3, 1),
		"a trace id of seven bytes":   more(9<<3|2, 7, 1, 2, 3, 4, 5, 6, 7),
		"a trace id of no bytes":      more(9<<3|2, 0),
		"a span id of seven bytes":    more(10<<3|2, 7, 1, 2, 3, 4, 5, 6, 7),
		"a time of another type":      more(1<<3, 1),
		"an event name of no type":    more(12<<3, 1),
		"an unknown field":            more(13<<3, 1),
		"a group":                     more(13<<3|3, 13<<3|4),
		"a severity of no text":       more(2<<3, 0, 3<<3|2, 1, 0xff),
		"a severity without a number": more(2<<3, 0, 3<<3|2, 4, 'W', 'a', 'R', 'n'),
	} {
		t.Run(what, func(t *testing.T) { logsWay.checkSame(t, message) })
	}
}

// What is remembered must not lie in the request, whose bytes are used again.
func TestNothingRememberedLiesInTheRequest(t *testing.T) {
	late := func(o *Options) { o.Lateness = time.Hour }
	for name, c := range map[string]struct {
		way     way
		message []byte
	}{
		"logs": {logsWay, marshalLogs(t, richLogs())}, "metrics": {metricsWay, marshalMetrics(t, richMetrics())}, "traces": {tracesWay, marshal(t, rich(t))},
	} {
		kept, used := newAggregator(t, late), newAggregator(t, late)
		for range 2 { // the second time all is known
			body := slices.Clone(c.message)
			_, err := c.way.here(kept, c.message)
			_, wrong := c.way.here(used, body)
			if err != nil || wrong != nil {
				t.Fatal(err, wrong)
			}
			for i := range body {
				body[i] = 'X'
			}
		}
		if diff := cmp.Diff(kept.Flush(), used.Flush()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func FuzzLogsProto(f *testing.F) {
	f.Add(marshalLogs(f, richLogs()))
	f.Add(marshalLogs(f, logPayload(1, 30)))
	f.Add(marshalLogs(f, accessLogs(f)))
	f.Fuzz(func(t *testing.T, message []byte) { logsCounting.checkSame(t, message) })
}
