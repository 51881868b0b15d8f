package ingest

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"unship.dev"
	"unship.dev/ingest/otlp/wire"
)

// outcome is all that a request leaves behind.
type outcome struct {
	Malformed bool
	Refusal   Refusal
	Stats     Stats
	Ticks     []unship.Tick
}

// way is how requests of a signal are read, by pdata and here.
type way struct {
	kind   wire.Message
	oracle func(a *Aggregator, message []byte) (r Refusal, malformed bool, err error)
	json   func(a *Aggregator, body []byte) (Refusal, error)
	here   func(a *Aggregator, message []byte) (Refusal, error)
}

var tracesWay = way{
	wire.Traces, func(a *Aggregator, message []byte) (r Refusal, malformed bool, err error) {
		req := ptraceotlp.NewExportRequest()
		if req.UnmarshalProto(message) != nil {
			return Refusal{}, true, nil
		}
		r, err = a.Traces(req.Traces())
		return r, false, err
	},
	func(a *Aggregator, body []byte) (Refusal, error) {
		req := ptraceotlp.NewExportRequest()
		if err := req.UnmarshalJSON(body); err != nil {
			return Refusal{}, err
		}
		return a.Traces(req.Traces())
	},
	(*Aggregator).TracesProto,
}

// byOracle takes a request by way of pdata, so many times.
func (w way) byOracle(t testing.TB, message []byte, times int) (o outcome) {
	a := newAggregator(t)
	if checkDepth(w.kind, message) != nil {
		return outcome{Malformed: true}
	}
	for range times {
		r, malformed, err := w.oracle(a, message)
		if malformed {
			return outcome{Malformed: true}
		}
		if err != nil {
			t.Fatal(err)
		}
		o.Refusal = r
	}
	return o.finish(a)
}

func (w way) byDecoder(t testing.TB, message []byte, times int) (o outcome) {
	a := newAggregator(t)
	for range times {
		r, err := w.here(a, message)
		if errors.Is(err, wire.ErrMalformed) || errors.Is(err, wire.ErrTooDeep) {
			if ticks, s := a.Flush(), a.Stats(); len(ticks) > 0 || s.Spans+s.Points+s.Records+s.Future > 0 || len(s.Invalid) > 0 {
				t.Errorf("something of a malformed request was taken: %+v, %+v", ticks, s)
			}
			return outcome{Malformed: true}
		}
		if err != nil {
			t.Fatal(err)
		}
		o.Refusal = r
	}
	return o.finish(a)
}

// after is the way with something done to the Aggregator before each request.
func (w way) after(prepare func(*Aggregator)) way {
	oracle, here := w.oracle, w.here
	w.oracle = func(a *Aggregator, message []byte) (Refusal, bool, error) {
		prepare(a)
		return oracle(a, message)
	}
	w.here = func(a *Aggregator, message []byte) (Refusal, error) {
		prepare(a)
		return here(a, message)
	}
	return w
}

// checkSame wants the same of a message by both ways, also when it comes once more.
func (w way) checkSame(t testing.TB, message []byte) {
	t.Helper()
	w.check(t, message, 1)
	w.check(t, message, 2)
}

func (w way) check(t testing.TB, message []byte, times int) {
	t.Helper()
	if diff := cmp.Diff(w.byOracle(t, message, times), w.byDecoder(t, message, times)); diff != "" {
		t.Errorf("%d times %s\n%s", times, hex.EncodeToString(message), diff)
	}
}

// checkChanged wants the same of a message that is cut, or changed, anywhere.
func (w way) checkChanged(t testing.TB, message []byte) {
	t.Helper()
	for n := range message {
		w.check(t, message[:n], 1)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 3_000 {
		b := append([]byte(nil), message...)
		for range 1 + r.IntN(3) {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
		w.check(t, b, 1)
	}
}

func byDecoder(t testing.TB, message []byte) outcome { return tracesWay.byDecoder(t, message, 1) }

func (o outcome) finish(a *Aggregator) outcome {
	o.Ticks, o.Stats = a.Flush(), a.Stats()
	o.Stats.PendingBytes = 0 // the decoder remembers how resources are written
	return o
}

func checkSame(t testing.TB, message []byte) {
	t.Helper()
	tracesWay.checkSame(t, message)
}

func marshal(t testing.TB, td ptrace.Traces) []byte {
	t.Helper()
	b, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheDecoderGivesWhatPdataGives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		td := ptrace.NewTraces()
		for _, s := range drawSpans(rt) {
			s.put(t, td)
		}
		checkSame(t, marshal(t, td))
	})
}

// rich is one span with all that OTLP allows.
func rich(t testing.TB) ptrace.Traces {
	second := good()
	second.id = 2
	td := traces(t, good(), second)
	rs := td.ResourceSpans().At(0)
	rs.SetSchemaUrl("https://example.org/schema")
	rs.Resource().SetDroppedAttributesCount(1)
	scope := rs.ScopeSpans().At(0).Scope()
	scope.SetName("scope")
	scope.SetVersion("1")
	scope.Attributes().PutBool("b", true)
	s := only(td)
	s.Status().SetCode(ptrace.StatusCodeError)
	s.Status().SetMessage("broke\nbadly")
	s.TraceState().FromRaw("ot=th:8")
	s.SetFlags(1)
	s.SetDroppedEventsCount(3)
	a := s.Attributes()
	a.PutInt("http.response.status_code", 503)
	a.PutDouble("sampling.probability", 0.5)
	a.PutStr("http.request.method", "POST")
	a.PutStr("http.route", "/orders/{id}")
	a.PutInt("tenant.id", -7)
	a.PutEmptyBytes("bytes").Append(1)
	a.PutEmptyMap("map").PutEmptySlice("list").AppendEmpty().SetStr("x")
	a.PutEmptySlice("rpc.method").AppendEmpty().SetEmptySlice().AppendEmpty().SetBool(true)
	for range 2 {
		e := s.Events().AppendEmpty()
		e.SetName("exception")
		e.SetTimestamp(stamp(0))
		e.Attributes().PutStr("exception.type", "Broken")
		e.Attributes().PutStr("exception.message", "badly")
		e.Attributes().PutStr("exception.stacktrace", "at shop.Cart.add(Cart.java:7)")
	}
	for _, name := range []string{"feature_flag.evaluation", "feature_flag", "feature_flag.evaluation", "other"} {
		e := s.Events().AppendEmpty()
		e.SetName(name)
		e.Attributes().PutStr("feature_flag.key", "new-"+name)
		e.Attributes().PutBool("feature_flag.result.value", s.Events().Len()%2 == 0)
		if name == "feature_flag" {
			e.Attributes().PutStr("feature_flag.variant", "green")
		}
	}
	l := s.Links().AppendEmpty()
	l.SetTraceID(traceID(7))
	l.SetSpanID(spanID(7))
	l.SetFlags(1)
	l.Attributes().PutStr("k", "v")
	return td
}

func TestTheDecoderReadsEverything(t *testing.T) {
	message := marshal(t, rich(t))
	checkSame(t, message)
	if o := byDecoder(t, message); o.Malformed || o.Stats.Spans != 2 {
		t.Errorf("%+v, want two spans", o)
	}
	tracesWay.checkChanged(t, message)
}

// What SDKs do not write and protobuf allows.
func TestTheDecoderReadsUnusualForms(t *testing.T) {
	field := func(number protowire.Number, value []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
	}
	attribute := func(key, v string) []byte {
		return append(field(1, []byte(key)), field(2, field(1, []byte(v)))...)
	}
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	var s []byte
	{
		td := marshal(t, traces(t, good()))
		req := ptraceotlp.NewExportRequest()
		if err := req.UnmarshalProto(td); err != nil {
			t.Fatal(err)
		}
		r := wire.Reader{Rest: td}
		for _, number := range []uint32{1, 2, 2} { // down to the span
			for r.Next() && r.Field != number {
			}
			r = wire.Reader{Rest: r.Data}
		}
		s = r.Rest
	}
	name, version := field(1, attribute("service.name", "web")), field(1, attribute("service.version", "1"))
	for what, message := range map[string][]byte{
		"empty":                        {},
		"nothing inside":               field(1, nil),
		"scopes before the resource":   field(1, join(field(2, field(2, s)), field(1, name))),
		"a resource in two parts":      field(1, join(field(1, name), field(2, field(2, s)), field(1, version))),
		"the old number of scopes":     field(1, join(field(1, name), field(1000, field(2, s)))),
		"both numbers of scopes":       field(1, join(field(1, name), field(1000, field(2, s)), field(2, field(2, join(s, field(5, []byte("new"))))))),
		"a field twice":                field(1, join(field(1, name), field(2, field(2, join(s, field(5, []byte("new"))))))),
		"a value twice":                field(1, join(field(1, field(1, join(attribute("service.name", "old"), field(2, field(1, []byte("new")))))), field(2, field(2, s)))),
		"a value of two kinds":         field(1, join(field(1, field(1, join(field(1, []byte("service.name")), field(2, join(field(1, []byte("a")), []byte{2 << 3, 1}))))), field(2, field(2, s)))),
		"a value before its key":       field(1, join(field(1, field(1, join(field(2, field(1, []byte("web"))), field(1, []byte("service.name"))))), field(2, field(2, s)))),
		"an unknown field":             field(1, join(field(1, name), field(99, []byte("?")), field(2, field(2, join(s, field(77, nil)))))),
		"a group in a status":          field(1, join(field(1, name), field(2, field(2, join(s, field(15, []byte{9<<3 | 3, 9<<3 | 4})))))),
		"a group in a reference":       field(1, join(field(1, join(name, field(3, []byte{9<<3 | 3, 9<<3 | 4}))), field(2, field(2, s)))),
		"an id of seven bytes":         field(1, join(field(1, name), field(2, field(2, join(s, field(4, make([]byte, 7))))))),
		"an id of no bytes":            field(1, join(field(1, name), field(2, field(2, join(s, field(4, nil)))))),
		"a link to an id of two bytes": field(1, join(field(1, name), field(2, field(2, join(s, field(13, field(2, make([]byte, 2)))))))),
		"a kind beyond":                field(1, join(field(1, name), field(2, field(2, join(s, []byte{6 << 3, 77}))))),
		"another kind":                 field(1, join(field(1, name), field(2, field(2, join(s, field(9, attribute("tenant.id", "x")), []byte{6 << 3, 3, 6 << 3, 2}))))),
		"a number before its key":      field(1, join(field(1, name), field(2, field(2, join(s, field(9, join(field(2, []byte{3 << 3, 0xf4, 3}), field(1, []byte("http.response.status_code"))))))))),
		"a number after its key":       field(1, join(field(1, name), field(2, field(2, join(s, field(9, join(field(1, []byte("http.response.status_code")), field(2, []byte{3 << 3, 0xf4, 3})))))))),
		"a number that does not end":   field(1, join(field(1, name), field(2, field(2, join(s, field(9, join(field(1, []byte("k")), field(2, []byte{3 << 3, 0xf4})))))))),
		"a size that does not end":     field(1, join(field(1, name), field(2, field(2, join(s, field(9, join(field(1, []byte("k")), []byte{2<<3 | 2, 0x80, 1<<3 | 2, 126}, make([]byte, 126)))))))),
		"no text":                      field(1, join(field(1, name), field(2, field(2, join(s, field(9, attribute("tenant.id", "\xff"))))))),
	} {
		t.Run(what, func(t *testing.T) { checkSame(t, message) })
	}
}

// TestTheDecoderReadsWhatChangesFromSpanToSpan has spans most of whose attributes are those of
// the span before: some have others, more, fewer, in another order, or values of another type.
func TestTheDecoderReadsWhatChangesFromSpanToSpan(t *testing.T) {
	keys := []string{
		"http.request.method", "http.route", "http.response.status_code", "server.address", "peer.service", "tenant", "app.client",
		"error.type", "thread.name", "sampling.probability", "feature_flag.key", "feature_flag.result.variant", "k",
	}
	values := []string{"", "GET", "POST", "200", "503", "/a", "/b/{id}", "0.5", strings.Repeat("long ", 40), strings.Repeat("longer ", 400)}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		td := ptrace.NewTraces()
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", "cart")
		list := rs.ScopeSpans().AppendEmpty().Spans()
		a := pcommon.NewMap()
		for n := range 30 {
			s := list.AppendEmpty()
			s.SetTraceID(traceID(uint64(n/3 + 1)))
			s.SetSpanID(spanID(uint64(n + 1)))
			s.SetKind(ptrace.SpanKind(r.IntN(6)))
			s.SetStartTimestamp(stamp(0))
			s.SetEndTimestamp(stamp(time.Duration(r.IntN(50)) * time.Millisecond))
			for range r.IntN(3) {
				change(r, a, keys[r.IntN(len(keys))], values[r.IntN(len(values))])
			}
			a.CopyTo(s.Attributes())
		}
		checkSame(t, marshal(t, td))
	}
}

func change(r *rand.Rand, a pcommon.Map, key, value string) {
	switch r.IntN(6) {
	case 0:
		a.Remove(key)
	case 1:
		a.PutInt(key, int64(r.IntN(600)))
	case 2:
		list := a.PutEmptySlice(key)
		list.AppendEmpty().SetStr(value)
		list.AppendEmpty().SetBool(true)
	case 3:
		a.PutDouble(key, r.Float64())
	default:
		a.PutStr(key, value)
	}
}

func TestMalformedIsRefusedWhole(t *testing.T) {
	a := newAggregator(t)
	message := append(marshal(t, traces(t, good())), 0xff)
	if _, err := a.TracesProto(message); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("%v, want %v", err, wire.ErrMalformed)
	}
	if got := a.Flush(); len(got) != 0 {
		t.Errorf("%+v was taken", got)
	}
}

func TestTheDecoderSaysWhenMemoryIsFull(t *testing.T) {
	a := newAggregator(t, func(o *Options) { o.MaxPendingBytes = 1 << 20 })
	message := marshal(t, payload(0, 512))
	var refused int
	for range 100 {
		if _, err := a.TracesProto(message); errors.Is(err, ErrOverloaded) {
			refused++
		}
	}
	s := a.Stats()
	if refused == 0 || s.Overloaded != uint64(refused) || s.PendingBytes > 3<<19 {
		t.Errorf("%d refused, %d counted, %d bytes pending", refused, s.Overloaded, s.PendingBytes)
	}
	var counted uint64
	for _, tick := range a.Flush() {
		for _, w := range tick.Windows {
			for _, op := range w.Operations {
				counted += op.Requests
			}
		}
	}
	if s = a.Stats(); s.Spans != 512 || counted != 171 {
		t.Errorf("%d spans and %d requests, want the 512 and 171 of one batch that was sent again and again", s.Spans, counted)
	}
}

func TestTheDecoderAllocatesNothing(t *testing.T) {
	a := newAggregator(t, func(o *Options) { o.MaxPendingBytes = 1 << 40 })
	td := payload(0, 512)
	for _, rs := range td.ResourceSpans().All() {
		for _, s := range rs.ScopeSpans().At(0).Spans().All() {
			e := s.Events().AppendEmpty()
			e.SetName("feature_flag.evaluation")
			e.Attributes().PutStr("feature_flag.key", "rates")
			e.Attributes().PutStr("feature_flag.result.variant", "on")
		}
	}
	message := marshal(t, td)
	per := testing.AllocsPerRun(200, func() {
		if _, err := a.TracesProto(message); err != nil {
			t.Fatal(err)
		}
	})
	if per > 16*pools { // the panes grow
		t.Errorf("%v allocations for 512 spans, want hardly any", per)
	}
}

func FuzzTracesProto(f *testing.F) {
	f.Add(marshal(f, rich(f)))
	f.Add(marshal(f, traces(f, shop()...)))
	f.Add(marshal(f, payload(1, 5)))
	f.Fuzz(func(t *testing.T, message []byte) {
		checkSame(t, message)
		checkReduced(t, message)
	})
}

// BenchmarkTracesProto is the whole way of spans: bytes to windows.
func BenchmarkTracesProto(b *testing.B) {
	const batches, spans = 400, 512
	var all [][]byte
	size := 0
	for i := range batches {
		all = append(all, marshal(b, payload(i, spans)))
		size += len(all[i])
	}
	benchBatches(b, batches, spans, 50, "span", func(a *Aggregator, batch int) error {
		_, err := a.TracesProto(all[batch])
		return err
	})
	b.ReportMetric(float64(size)/batches/spans, "B/span")
}

// BenchmarkTracesKept is the same with what is written to a journal, in large and in small
// batches, as senders of few spans have them: eleven resources with three spans each.
func BenchmarkTracesKept(b *testing.B) {
	for _, spans := range []int{512, 32} {
		batches := 400 * 512 / spans
		b.Run(strconv.Itoa(spans), func(b *testing.B) {
			var all [][]byte
			for i := range batches {
				p := payload(i, spans)
				p.ResourceSpans().RemoveIf(func(rs ptrace.ResourceSpans) bool { return rs.ScopeSpans().At(0).Spans().Len() == 0 })
				all = append(all, marshal(b, p))
			}
			size := 0
			keep := func(reduced []byte) error {
				size = len(reduced)
				return nil
			}
			benchBatches(b, batches, spans, 50*512/spans, "span", func(a *Aggregator, batch int) error {
				_, err := a.TracesKept(all[batch], keep)
				return err
			})
			b.ReportMetric(float64(size)/float64(spans), "kept-B/span")
		})
	}
}

// BenchmarkPlainRead adds up the bytes that BenchmarkTracesProto decodes: what reading them costs at least.
func BenchmarkPlainRead(b *testing.B) {
	const batches, spans = 400, 512
	var all [][]byte
	for i := range batches {
		all = append(all, marshal(b, payload(i, spans)))
	}
	sum := uint64(0)
	begin, n := cpu(b), 0
	for b.Loop() {
		for m := all[n%batches]; len(m) >= 8; m = m[8:] {
			sum += binary.LittleEndian.Uint64(m)
		}
		n++
	}
	b.ReportMetric(float64((cpu(b)-begin).Nanoseconds())/float64(n*spans), "CPU-ns/span")
	if sum == 0 {
		b.Error("nothing was read")
	}
}
