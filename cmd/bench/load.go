package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"unship.dev/ingest/otlp/wire"
)

// way is how spans are sent.
type way struct {
	transport string // grpc or http
	gzip      bool
	batch     int // spans of a request
}

func parseWay(text string) (way, error) {
	parts := strings.Split(text, "/")
	w := way{transport: parts[0], batch: 512}
	ok := w.transport == "grpc" || w.transport == "http"
	for _, p := range parts[1:] {
		n, err := strconv.Atoi(p)
		switch {
		case p == "gzip":
			w.gzip = true
		case err == nil && n > 0:
			w.batch = n
		default:
			ok = false
		}
	}
	if !ok {
		return w, fmt.Errorf("way %q: want grpc or http, then perhaps /gzip and /SPANS", text)
	}
	return w, nil
}

func (w way) String() string {
	text := w.transport
	if w.gzip {
		text += ", gzip"
	}
	return fmt.Sprintf("%s, batches of %d", text, w.batch)
}

// roundSpans is how many spans are made; they are sent again and again, each round
// with times and trace ids of its own.
const roundSpans = 48 << 10

// load is the requests of one round.
type load struct {
	plain  [][]byte // as protobuf
	bodies [][]byte // as sent
	marks  []marks  // by request
	gzip   bool
	length time.Duration // of a round, in event time
	at     time.Time     // that the next round begins at
	serial uint64        // of the round
}

// marks are the places in a request that differ from round to round.
type marks struct {
	times, traces []int
}

func newLoad(w way, rate int) (*load, error) {
	l := &load{gzip: w.gzip, at: time.Unix(0, 0), length: time.Duration(roundSpans) * time.Second / time.Duration(rate)}
	r := rand.New(rand.NewPCG(1, 2))
	for n := 0; n < roundSpans; n += w.batch {
		td := batch(r, n, w.batch, time.Second/time.Duration(rate))
		b, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
		if err != nil {
			return nil, err
		}
		l.plain, l.marks = append(l.plain, b), append(l.marks, find(b))
	}
	l.bodies = make([][]byte, len(l.plain))
	return l, nil
}

func (l *load) spans() int {
	n := 0
	for i := range l.marks {
		n += len(l.marks[i].traces)
	}
	return n
}

// rewind lets so many rounds end now.
func (l *load) rewind(rounds int) {
	l.move(time.Now().Add(-time.Duration(rounds) * l.length).Sub(l.at))
}

// next makes the bodies of the next round.
func (l *load) next() error {
	l.move(l.length)
	l.serial++
	for i, b := range l.plain {
		for _, at := range l.marks[i].traces {
			id := binary.LittleEndian.Uint64(b[at:])
			binary.LittleEndian.PutUint64(b[at:], id^l.serial*0x9e3779b97f4a7c15)
		}
		l.bodies[i] = b
		if !l.gzip {
			continue
		}
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		if _, err := w.Write(b); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		l.bodies[i] = z.Bytes()
	}
	return nil
}

func (l *load) move(by time.Duration) {
	l.at = l.at.Add(by)
	for i, b := range l.plain {
		for _, at := range l.marks[i].times {
			binary.LittleEndian.PutUint64(b[at:], binary.LittleEndian.Uint64(b[at:])+uint64(by))
		}
	}
}

// find gives the places of the times and of the trace ids of all spans.
func find(request []byte) (m marks) {
	fields(0, request, 1, func(at int, resource []byte) {
		fields(at, resource, 2, func(at int, scope []byte) {
			fields(at, scope, 2, func(at int, span []byte) {
				fields(at, span, 1, func(at int, _ []byte) { m.traces = append(m.traces, at) })
				for _, number := range []uint32{7, 8} {
					fields(at, span, number, func(at int, _ []byte) { m.times = append(m.times, at) })
				}
			})
		})
	})
	return m
}

// fields gives the fields with a number of the message that lies at base: their places and values.
func fields(base int, message []byte, number uint32, do func(at int, data []byte)) {
	for r := (wire.Reader{Rest: message}); r.Next(); {
		end := base + len(message) - len(r.Rest)
		switch {
		case r.Field != number:
		case r.Type == wire.Fixed64:
			do(end-8, nil)
		case r.Type == wire.Bytes:
			do(end-len(r.Data), r.Data)
		}
	}
}

// batch makes spans number n and on: traces of a server span with two calls, all of one
// process; one trace in a hundred fails with an exception.
func batch(r *rand.Rand, n, size int, apart time.Duration) ptrace.Traces {
	td := ptrace.NewTraces()
	var scopes [24]ptrace.SpanSlice
	var trace pcommon.TraceID
	var root pcommon.SpanID
	for k := range size {
		if k%3 == 0 {
			binary.BigEndian.PutUint64(trace[:8], r.Uint64())
			binary.BigEndian.PutUint64(trace[8:], r.Uint64())
		}
		which := int(trace[0]) % len(scopes)
		if scopes[which] == (ptrace.SpanSlice{}) {
			scopes[which] = scope(td, which)
		}
		s := scopes[which].AppendEmpty()
		var id pcommon.SpanID
		binary.BigEndian.PutUint64(id[:], r.Uint64()|1)
		s.SetTraceID(trace)
		s.SetSpanID(id)
		end := time.Duration(n+k) * apart
		s.SetEndTimestamp(pcommon.Timestamp(end))
		s.SetStartTimestamp(pcommon.Timestamp(end - time.Duration(5+r.IntN(40))*time.Millisecond)) // may wrap; rewind adds more
		if k%3 == 0 {
			root = id
			s.SetKind(ptrace.SpanKindServer)
		} else {
			s.SetKind(ptrace.SpanKindClient)
			s.SetParentSpanID(root)
		}
		fill(s, n+k)
		if trace[1]%100 == 0 {
			fail(s)
		}
	}
	return td
}

func scope(td ptrace.Traces, which int) ptrace.SpanSlice {
	rs := td.ResourceSpans().AppendEmpty()
	a := rs.Resource().Attributes()
	a.PutStr("service.name", fmt.Sprintf("service-%d", which/2))
	a.PutStr("service.version", fmt.Sprintf("1.%d.0", which%2))
	a.PutStr("k8s.pod.name", fmt.Sprintf("service-%d-5c66d57d5%d-zxw8n", which/2, which%2))
	a.PutStr("deployment.environment.name", "production")
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp")
	return ss.Spans()
}

func fill(s ptrace.Span, n int) {
	route := fmt.Sprintf("/orders/%c/{id}", 'a'+n%10)
	s.SetName("GET " + route)
	a := s.Attributes()
	a.PutStr("http.request.method", "GET")
	a.PutStr("http.route", route)
	a.PutStr("url.path", fmt.Sprintf("/orders/%c/%d", 'a'+n%10, n))
	a.PutInt("http.response.status_code", 200)
	a.PutStr("server.address", "orders.shop.svc.cluster.local")
	a.PutInt("server.port", 8080)
	a.PutStr("network.protocol.version", "1.1")
	a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)")
	a.PutStr("client.address", "10.1.2.3")
	a.PutStr("thread.name", "worker-17")
}

func fail(s ptrace.Span) {
	s.Status().SetCode(ptrace.StatusCodeError)
	s.Status().SetMessage("connection refused")
	e := s.Events().AppendEmpty()
	e.SetName("exception")
	e.Attributes().PutStr("exception.type", "java.net.ConnectException")
	e.Attributes().PutStr("exception.message", "connection refused")
	e.Attributes().PutStr("exception.stacktrace", "java.net.ConnectException: connection refused\n\tat shop.Orders.get(Orders.java:77)\n\tat shop.Server.handle(Server.java:31)\n")
}
