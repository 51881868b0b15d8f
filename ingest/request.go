package ingest

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"unship.dev"
)

// source is a family of metrics that count the same requests, or log records that are
// counted. A service's requests are taken from one source of each protocol, the first of
// these that it has, and from the general ones only where it has none of a protocol.
type source uint8

const (
	sourceNone  source = iota
	httpStable         // http.server.request.duration
	httpOld            // http.server.duration
	httpLibrary        // http_requests_total, http_request_duration_seconds, http.server.requests
	rpcStable          // rpc.server.call.duration
	rpcOld             // rpc.server.duration
	rpcLibrary         // grpc_server_handled_total, grpc_server_handling_seconds, grpc.server.call.duration
	messaging          // messaging.process.duration
	spanMetrics        // what a Collector counts of spans that it does not pass on
	sidecar            // Envoy, for the service behind it
	mesh               // Istio and Linkerd, as the callee's proxy tells
	accessLog          // log records: the last resort, see service.logsAlone
	sourceCount
)

// protocols group the sources: of each group the first that is heard counts.
var protocols = [...][]source{{httpStable, httpOld, httpLibrary}, {rpcStable, rpcOld, rpcLibrary}, {messaging}}

// general are the sources that count whatever the protocol.
var general = []source{spanMetrics, sidecar, mesh, accessLog}

// convention is a metric whose points count requests: as a counter or, as a
// distribution, with their durations.
type convention struct {
	source source
	unit   time.Duration          // of durations, where the metric tells none
	kind   kind                   // the kind of span that would tell the same
	counts func(l *labels) bool   // whether a point counts requests of this service; nil: all do
	name   func(l *labels) string // of the operation where no attribute tells; nil: the method
}

// conventions by canonical name: metricName.
var conventions = map[string]convention{
	"http_server_request_duration":  {source: httpStable, unit: time.Second, kind: kindServer},
	"http_server_duration":          {source: httpOld, unit: time.Millisecond, kind: kindServer},
	"http_server_requests":          {source: httpLibrary, unit: time.Second, kind: kindServer},
	"http_requests":                 {source: httpLibrary, unit: time.Second, kind: kindServer},
	"http_request_duration":         {source: httpLibrary, unit: time.Second, kind: kindServer},
	"rpc_server_call_duration":      {source: rpcStable, unit: time.Second, kind: kindServer},
	"rpc_server_duration":           {source: rpcOld, unit: time.Millisecond, kind: kindServer},
	"grpc_server_call_duration":     {source: rpcLibrary, unit: time.Second, kind: kindServer},
	"grpc_server_handled":           {source: rpcLibrary, kind: kindServer},
	"grpc_server_handling":          {source: rpcLibrary, unit: time.Second, kind: kindServer},
	"messaging_process_duration":    {source: messaging, unit: time.Second, kind: kindConsumer},
	"traces_span_metrics_calls":     {source: spanMetrics, kind: kindServer, counts: (*labels).ofEntry, name: (*labels).span},
	"traces_span_metrics_duration":  {source: spanMetrics, unit: time.Millisecond, kind: kindServer, counts: (*labels).ofEntry, name: (*labels).span},
	"calls":                         {source: spanMetrics, kind: kindServer, counts: (*labels).ofEntry, name: (*labels).span},
	"duration":                      {source: spanMetrics, unit: time.Millisecond, kind: kindServer, counts: (*labels).ofEntry, name: (*labels).span},
	"envoy_http_downstream_rq_xx":   {source: sidecar, kind: kindServer},
	"envoy_http_downstream_rq_time": {source: sidecar, unit: time.Millisecond, kind: kindServer},
	"istio_requests":                {source: mesh, kind: kindServer, counts: (*labels).ofCallee},
	"istio_request_duration":        {source: mesh, unit: time.Millisecond, kind: kindServer, counts: (*labels).ofCallee},
	"response":                      {source: mesh, kind: kindServer, counts: (*labels).inbound},
	"response_latency":              {source: mesh, unit: time.Millisecond, kind: kindServer, counts: (*labels).inbound},
}

// units of durations, as metrics tell them.
var units = map[string]time.Duration{
	"s": time.Second, "seconds": time.Second, "ms": time.Millisecond, "milliseconds": time.Millisecond,
	"us": time.Microsecond, "µs": time.Microsecond, "microseconds": time.Microsecond, "ns": 1, "nanoseconds": 1,
}

// appendMetricName appends the canonical form of a metric's name: with underlines,
// as Prometheus has it, and without the unit and the kind at its end. These may tell
// the unit.
func appendMetricName(dst []byte, name string) (canonical []byte, unit time.Duration) {
	if short, ok := strings.CutSuffix(name, "_total"); ok {
		name = short
	}
	if n := strings.LastIndexByte(name, '_'); n > 0 {
		if unit = units[name[n+1:]]; unit > 0 && len(name)-n > 2 {
			name = name[:n]
		}
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '.' || c == '-' || c == '/':
			c = '_'
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst, unit
}

// request is what the data points of a series tell of the requests that they count.
type request struct {
	source    source
	timed     bool          // distributions of durations; else counters
	unit      time.Duration // of the durations
	result    result
	operation string
	traits    string // pairs, as appendPairs writes them
}

// labels are the attributes of a point that counts requests, under the names that
// spans have for them.
type labels struct {
	spanData
	spanKind, spanName, spanStatus string
	reporter, direction, outcome   string
	caller, protocol               string
	rest                           []attribute // that may tell requests apart
}

// readLabels sorts attributes by what they mean.
func (in *intake) readLabels(list []attribute) *labels {
	l := &in.labels
	*l = labels{rest: l.rest[:0]}
	for _, a := range list {
		switch f := metricFieldOf(a.key); {
		case f != fieldOther:
			l.fields[f] = a.value
		case l.own(a.key, a.value):
		case in.a.keys.kind(a.key).trait != 0 && a.value != "" && len(a.value) <= maxTraitValue && len(l.rest) < maxTraits:
			l.rest = append(l.rest, a)
		}
	}
	if f := l.flag(); f.whole() && len(l.rest) < maxTraits {
		l.rest = append(l.rest, attribute{key: flagPrefix + f.key, value: f.result()})
	}
	if status, ok := strings.CutPrefix(l.fields[httpStatus], "STATUS_CODE_"); ok { // of a span, as Prometheus names it
		l.spanStatus, l.fields[httpStatus] = status, ""
	}
	l.fields[httpStatus] = codeOfClass(l.fields[httpStatus])
	l.fields[rpcStatus] = codeName(l.fields[rpcStatus])
	return l
}

// metricFieldOf finds the field of an attribute's name, as spans, libraries, proxies
// and Prometheus write it.
func metricFieldOf(key string) field {
	switch key {
	case "method", "http_method", "http_request_method", "request_method", "verb":
		return httpMethod
	case "code", "status", "status_code", "http_code", "http_status", "http_status_code", "http_response_status_code",
		"response_code", "envoy_response_code", "envoy_response_code_class":
		return httpStatus
	case "route", "http_route", "handler", "path", "uri", "endpoint":
		return httpRoute
	case "grpc_service", "rpc_service":
		return rpcService
	case "grpc_method", "rpc_method", "grpc.method":
		return rpcMethod
	case "grpc_code", "grpc.status", "grpc_status", "grpc_response_status", "rpc_grpc_status_code", "rpc_response_status_code":
		return rpcStatus
	case "messaging_destination_name":
		return messagingDestination
	case "error_type":
		return errorType
	}
	return fieldOf(key)
}

// own takes what only metrics have attributes for.
func (l *labels) own(key, value string) bool {
	switch key {
	case "span.kind", "span_kind":
		l.spanKind = strings.TrimPrefix(value, "SPAN_KIND_")
	case "span.name", "span_name":
		l.spanName = value
	case "status.code":
		l.spanStatus = strings.TrimPrefix(value, "STATUS_CODE_")
	case "reporter":
		l.reporter = value
	case "direction":
		l.direction = value
	case "classification", "outcome":
		l.outcome = value
	case "source_workload", "source.service":
		l.caller = value
	case "request_protocol":
		l.protocol = value
	default:
		return false
	}
	return true
}

func (l *labels) ofEntry() bool  { return l.spanKind == "SERVER" || l.spanKind == "CONSUMER" }
func (l *labels) ofCallee() bool { return l.reporter != "source" }
func (l *labels) inbound() bool  { return l.direction == "inbound" }
func (l *labels) span() string   { return l.spanName }

// codeOfClass gives the code of a class of codes: of "5xx" and of "5" it is 500.
func codeOfClass(s string) string {
	if len(s) == 1 || len(s) == 3 && strings.EqualFold(s[1:], "xx") {
		return s[:1] + "00"
	}
	return s
}

// codeName gives gRPC's name of a status to what libraries write like "NotFound".
func codeName(s string) string {
	if s == strings.ToUpper(s) {
		return s
	}
	var b strings.Builder
	for i, c := range s {
		if i > 0 && 'A' <= c && c <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(c)
	}
	return strings.ToUpper(b.String())
}

// result says what became of the requests. An error type alone says that they
// failed, unless it is the code of a rejection.
func (l *labels) result(k kind) result {
	l.kind = k
	l.failed = l.spanStatus == "ERROR" || l.outcome == "failure"
	r := l.spanData.result()
	if r != succeeded || l.fields[errorType] == "" {
		return r
	}
	if code := l.fields[errorType]; len(code) == 3 && code[0] == '4' {
		return rejected
	}
	return failed
}

// request finds out whether the points of a series count requests, and which.
func (in *intake) request(d *pointData) (q request) {
	if d.kind != pointSum && d.kind != pointDistribution {
		return q
	}
	canonical, unit := appendMetricName(in.scratch[:0], d.name)
	in.scratch = canonical
	c, ok := conventions[string(canonical)]
	if !ok || d.kind == pointDistribution && c.unit == 0 {
		return q
	}
	l := in.readLabels(d.attributes)
	if c.counts != nil && !c.counts(l) {
		return q
	}
	q = request{source: c.source, timed: d.kind == pointDistribution, result: l.result(c.kind)}
	l.spanData.name = l.fallback(&c)
	in.scratch = l.operation().appendMasked(in.scratch[:0])
	q.operation = cmp.Or(string(in.scratch), unnamed)
	in.scratch = l.appendPairs(in.scratch[:0])
	q.traits = string(in.scratch)
	if q.timed {
		q.unit = cmp.Or(units[d.unit], unit, c.unit)
	}
	return q
}

// fallback names an operation that no route, method or destination names.
func (l *labels) fallback(c *convention) string {
	if c.name != nil && c.name(l) != "" {
		return c.name(l)
	}
	for _, name := range [...]string{l.fields[httpMethod], l.protocol} {
		if name != "" {
			return name
		}
	}
	return ""
}

// appendPairs appends what may tell requests apart as key, 0, value, 0, sorted by key.
func (l *labels) appendPairs(dst []byte) []byte {
	if l.caller != "" && len(l.caller) <= maxTraitValue {
		l.rest = append(l.rest, attribute{callerKey, l.caller})
	}
	slices.SortFunc(l.rest, func(a, b attribute) int { return strings.Compare(a.key, b.key) })
	for _, a := range l.rest {
		if strings.IndexByte(a.key, 0) >= 0 || strings.IndexByte(a.value, 0) >= 0 {
			continue
		}
		dst = append(append(dst, a.key...), 0)
		dst = append(append(dst, a.value...), 0)
	}
	return dst
}

// pairs gives what appendPairs wrote.
func pairs(text string) (list []attribute) {
	for text != "" {
		key, rest, _ := strings.Cut(text, "\x00")
		value, more, _ := strings.Cut(rest, "\x00")
		list, text = append(list, attribute{key, value}), more
	}
	return list
}

// beyond is how much longer than the last bound of explicit buckets the durations
// above it are taken to be, in buckets of ours: twice as long.
const beyond = 16

// appendDurations appends the buckets of a distribution of durations. What one bucket
// holds may be as long as its upper bound, and is counted as that. Exponential
// buckets of seconds that are no wider than ours are joined exactly.
func appendDurations(dst unship.Histogram, d *pointData, unit time.Duration) unship.Histogram {
	if len(d.buckets) == len(d.bounds)+1 && len(d.bounds) > 0 {
		for i, n := range d.buckets {
			switch {
			case n == 0:
			case i < len(d.bounds):
				dst.Add(bucketOf(d.bounds[i], unit), n)
			default:
				dst.Add(bucketOf(d.bounds[i-1], unit)+beyond, n)
			}
		}
	}
	dst.Add(bucketOf(0, unit), d.zero)
	for k, n := range d.positive {
		if n == 0 {
			continue
		}
		i := int64(d.offset) + int64(k)
		if d.scale >= 4 && unit == time.Second {
			dst.Add(int16(min(max(i>>(min(d.scale, 60)-4), math.MinInt16), math.MaxInt16)), n)
			continue
		}
		dst.Add(bucketOf(math.Exp2(math.Ldexp(float64(i+1), -int(min(max(d.scale, -60), 60)))), unit), n)
	}
	return dst
}

func bucketOf(value float64, unit time.Duration) int16 {
	ns := value * float64(unit)
	if !(ns >= 1) {
		return unship.BucketOf(1)
	}
	return unship.BucketOf(time.Duration(min(ns, math.MaxInt64/2)))
}
