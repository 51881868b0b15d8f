package scenario

import (
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// clientCall is one attempt of a call, as its client sees it.
type clientCall struct {
	id     [8]byte
	to     *operation
	at     time.Duration
	reply  reply
	late   bool
	resend int
}

// server records the span of a request with the pod that served it, and the log
// lines that go with it.
func (x *exporter) server(h *handling, s *simulation) {
	b := x.batch(h.pod, h.end)
	b.used.cpu += h.cpu
	b.used.done = append(b.used.done, finished{h.op, h.status, h.end - h.at})
	sp := b.span(s.trace, h.id, h.parent, h.at, h.end)
	kind := ptrace.SpanKindServer
	if h.op.service.worker {
		kind = ptrace.SpanKindConsumer
	}
	sp.SetKind(kind)
	describeServer(sp, h, s)
	if h.status >= 500 {
		sp.Status().SetCode(ptrace.StatusCodeError)
	}
	if h.exception != "" {
		addException(sp, h)
	}
	b.log(h, s)
	if x.telemetry == accessLogs {
		b.access(h, s)
	}
}

func describeServer(sp ptrace.Span, h *handling, s *simulation) {
	a := sp.Attributes()
	switch op := h.op; {
	case op.service.worker:
		sp.SetName("process " + op.route)
		a.PutStr("messaging.system", "rabbitmq")
		a.PutStr("messaging.destination.name", op.route)
		a.PutStr("messaging.operation.type", "process")
	case op.service.grpc:
		sp.SetName(op.method + "/" + op.route)
		putRPC(a, op, h.status)
	default:
		sp.SetName(op.method + " " + op.route)
		a.PutStr("http.request.method", op.method)
		a.PutStr("http.route", op.route)
		a.PutStr("url.path", path(op, s))
		a.PutStr("url.scheme", "http")
		a.PutInt("http.response.status_code", int64(h.status))
		a.PutStr("server.address", op.service.name)
	}
	a.PutStr("tenant.id", h.tenant)
	if h.caller == nil {
		a.PutStr("user_agent.original", s.app+"/3.2")
	}
	if h.exception != "" {
		a.PutStr("error.type", h.exception)
	} else if h.status >= 500 {
		a.PutStr("error.type", fmt.Sprint(h.status))
	}
}

func putRPC(a pcommon.Map, op *operation, status int) {
	a.PutStr("rpc.system", "grpc")
	a.PutStr("rpc.service", op.method)
	a.PutStr("rpc.method", op.route)
	a.PutInt("rpc.grpc.status_code", grpcCode(status))
}

// grpcCode gives the gRPC status that stands for one of HTTP.
func grpcCode(status int) int64 {
	switch {
	case status == 0:
		return 14 // unavailable
	case status >= 500:
		return 13 // internal
	case status >= 400:
		return 3 // invalid argument
	}
	return 0
}

func addException(sp ptrace.Span, h *handling) {
	ev := sp.Events().AppendEmpty()
	ev.SetName("exception")
	ev.SetTimestamp(stamp(h.end - 20*time.Microsecond))
	ev.Attributes().PutStr("exception.type", h.exception)
	ev.Attributes().PutStr("exception.message", "cannot complete "+h.op.route)
	ev.Attributes().PutStr("exception.stacktrace", h.exception+"\n\tat shop."+h.pod.service.name+".Handler.handle(Handler.java:42)")
}

// client records the span of a call with the pod that made it.
func (x *exporter) client(h *handling, s *simulation, c clientCall) {
	b := x.batch(h.pod, c.reply.end)
	sp := b.span(s.trace, c.id, h.id, c.at, c.reply.end)
	sp.SetKind(ptrace.SpanKindClient)
	a := sp.Attributes()
	a.PutStr("server.address", c.to.service.name)
	a.PutInt("server.port", 8080)
	if c.to.service.grpc {
		sp.SetName(c.to.method + "/" + c.to.route)
		putRPC(a, c.to, c.reply.status)
	} else {
		sp.SetName(c.to.method)
		a.PutStr("http.request.method", c.to.method)
		if c.reply.status > 0 {
			a.PutInt("http.response.status_code", int64(c.reply.status))
		}
	}
	if c.resend > 0 {
		a.PutInt("http.request.resend_count", int64(c.resend))
	}
	if !c.reply.ok() {
		sp.Status().SetCode(ptrace.StatusCodeError) // a client's span is in error from 400 on
		a.PutStr("error.type", c.errorType())
	}
}

func (c clientCall) errorType() string {
	switch {
	case c.late:
		return "timeout"
	case c.reply.status == 0:
		return "connection_refused"
	}
	return fmt.Sprint(c.reply.status)
}

// producer records the span of a message sent.
func (x *exporter) producer(h *handling, s *simulation, c clientCall) {
	b := x.batch(h.pod, c.reply.end)
	sp := b.span(s.trace, c.id, h.id, c.at, c.reply.end)
	sp.SetKind(ptrace.SpanKindProducer)
	sp.SetName("send " + c.to.route)
	a := sp.Attributes()
	a.PutStr("messaging.system", "rabbitmq")
	a.PutStr("messaging.destination.name", c.to.route)
	a.PutStr("messaging.operation.type", "send")
}

// query records the span of one statement to a database.
func (x *exporter) query(h *handling, s *simulation, at, end time.Duration) {
	b := x.batch(h.pod, end)
	sp := b.span(s.trace, s.newID(), h.id, at, end)
	sp.SetKind(ptrace.SpanKindClient)
	system := h.op.service.database
	if system == "" {
		system = "postgresql"
	}
	sp.SetName("SELECT " + h.op.service.name)
	a := sp.Attributes()
	a.PutStr("db.system.name", system)
	a.PutStr("db.namespace", h.op.service.name)
	a.PutStr("db.operation.name", "SELECT")
	a.PutStr("server.address", h.op.service.name+"-db")
}

// log records what a pod writes about a request: an error where a failure
// began, a warning where it passed through, and now and then a plain line.
func (b *batch) log(h *handling, s *simulation) {
	order := s.rng.IntN(90000)
	if h.chatter != "" {
		b.record(h, s, plog.SeverityNumberInfo, fmt.Sprintf("%s %d", h.chatter, order))
	}
	switch {
	case h.exception != "":
		r := b.record(h, s, plog.SeverityNumberError, fmt.Sprintf("request failed: cannot complete order %d", order))
		r.Attributes().PutStr("exception.type", h.exception)
		r.Attributes().PutStr("exception.message", "cannot complete "+h.op.route)
	case h.caught != "":
		r := b.record(h, s, plog.SeverityNumberError, fmt.Sprintf("cannot store the receipt of order %d, going on without it", order))
		r.Attributes().PutStr("exception.type", h.caught)
	case h.status >= 500:
		b.record(h, s, plog.SeverityNumberWarn, fmt.Sprintf("upstream call failed for order %d", order))
	case s.rng.Float64() < .01:
		b.record(h, s, plog.SeverityNumberInfo, fmt.Sprintf("handled order %d in %d ms", order, (h.end-h.at).Milliseconds()))
	}
}

// access records a line of the access log. Who takes messages from a queue has none.
func (b *batch) access(h *handling, s *simulation) {
	if h.op.service.worker {
		return
	}
	a := b.record(h, s, plog.SeverityNumberInfo, "request completed").Attributes()
	a.PutDouble("duration_ms", float64((h.end-h.at).Microseconds())/1000)
	if h.op.service.grpc {
		putRPC(a, h.op, h.status)
		return
	}
	a.PutStr("http.request.method", h.op.method)
	a.PutStr("url.path", path(h.op, s))
	a.PutInt("http.response.status_code", int64(h.status))
}

// path is what a request of an operation asks for.
func path(op *operation, s *simulation) string {
	return strings.ReplaceAll(op.route, "{id}", fmt.Sprint(1+s.rng.IntN(90000)))
}

func (b *batch) record(h *handling, s *simulation, severity plog.SeverityNumber, body string) plog.LogRecord {
	r := b.logRecords().AppendEmpty()
	r.SetTimestamp(stamp(h.end))
	r.SetObservedTimestamp(stamp(h.end))
	r.SetSeverityNumber(severity)
	r.SetSeverityText(strings.ToUpper(severity.String()))
	r.Body().SetStr(body)
	r.SetTraceID(s.trace)
	r.SetSpanID(h.id)
	return r
}

func stamp(at time.Duration) pcommon.Timestamp {
	return pcommon.NewTimestampFromTime(epoch.Add(at))
}

// resource describes the pod that sends.
func resource(p *pod, r pcommon.Resource) {
	a := r.Attributes()
	a.PutStr("service.name", p.service.name)
	a.PutStr("service.namespace", namespace)
	a.PutStr("service.version", p.version)
	a.PutStr("service.instance.id", p.name+".app")
	a.PutStr("deployment.environment.name", environment)
	a.PutStr("k8s.namespace.name", namespace)
	a.PutStr("k8s.deployment.name", p.service.name)
	a.PutStr("k8s.pod.name", p.name)
	a.PutStr("k8s.node.name", p.node)
	a.PutStr("telemetry.sdk.language", p.service.runtime)
	a.PutStr("telemetry.sdk.name", "opentelemetry")
}
