package ingest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"unship.dev"
)

// told is what the windows tell of requests, one line for each operation:
// name, requests, failed, rejected, and the middle of the durations in ms.
func told(ticks []unship.Tick) string {
	sum := map[string]*unship.Operation{}
	for _, tick := range ticks {
		for _, w := range tick.Windows {
			for _, op := range w.Operations {
				if sum[op.Name] == nil {
					sum[op.Name] = &unship.Operation{Name: op.Name}
				}
				sum[op.Name].Merge(op)
			}
		}
	}
	var lines []string
	for name, op := range sum {
		line := fmt.Sprintf("%s: %d requests, %d failed, %d rejected", name, op.Requests, op.FailedHere, op.Rejected)
		if k, ok := op.Duration.Quantile(.5); ok {
			line += fmt.Sprintf(", %d of %d ms", op.Duration.Total(), unship.UpperBound(k).Milliseconds())
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// point is one of a metric as an exporter sends it, a minute after the last.
func (p testPoint) minute(n int) testPoint {
	p.version, p.pod = "1", "p"
	p.at = time.Duration(n) * time.Minute
	switch {
	case p.delta:
		p.from = p.at - time.Minute
	case p.from == 0:
		p.from = newer
	}
	return p
}

// counter is a sum of n requests; delta if it is not cumulative.
func counter(name string, n float64, attrs map[string]any) testPoint {
	return testPoint{name: name, unit: "1", kind: "sum", value: n, attrs: attrs}
}

// histogram is one of n requests of up to 100 ms, in a unit of which a second has so many.
func histogram(name, unit string, second float64, n uint64, attrs map[string]any) testPoint {
	return testPoint{name: name, unit: unit, kind: "histogram", count: n, value: .08 * second * float64(n),
		bounds: []float64{.05 * second, .1 * second, second}, buckets: []uint64{0, n, 0, 0}, attrs: attrs}
}

type labelled = map[string]any

func TestRequestsByConvention(t *testing.T) {
	get := labelled{"http.request.method": "GET", "http.route": "/a/{id}", "http.response.status_code": 200}
	lost := labelled{"http.request.method": "GET", "http.route": "/a/{id}", "http.response.status_code": 503, "error.type": "503"}
	delta := func(p testPoint) testPoint { p.delta = true; return p }
	for name, c := range map[string]struct {
		points []testPoint
		want   string
	}{
		"OpenTelemetry, cumulative, with a restart of the process": {[]testPoint{
			histogram("http.server.request.duration", "s", 1, 10, get).minute(1),
			histogram("http.server.request.duration", "s", 1, 25, get).minute(2),
			testPoint{from: 130 * time.Second, name: "http.server.request.duration", unit: "s", kind: "histogram", count: 4, value: .3,
				bounds: []float64{.05, .1, 1}, buckets: []uint64{0, 4, 0, 0}, attrs: get}.minute(3),
			histogram("http.server.request.duration", "s", 1, 3, lost).minute(2),
		}, "GET /a/{id}: 32 requests, 3 failed, 0 rejected, 32 of 100 ms"},
		"OpenTelemetry, cumulative, a reset that no start tells of": {[]testPoint{
			testPoint{from: older, name: "http.server.request.duration", unit: "s", kind: "histogram", count: 100, bounds: []float64{.1}, buckets: []uint64{100, 0}, attrs: get}.minute(1),
			testPoint{from: older, name: "http.server.request.duration", unit: "s", kind: "histogram", count: 7, bounds: []float64{.1}, buckets: []uint64{7, 0}, attrs: get}.minute(2),
			testPoint{from: older, name: "http.server.request.duration", unit: "s", kind: "histogram", count: 9, bounds: []float64{.1}, buckets: []uint64{9, 0}, attrs: get}.minute(3),
		}, "GET /a/{id}: 9 requests, 0 failed, 0 rejected, 9 of 100 ms"},
		"OpenTelemetry before 1.23, delta": {[]testPoint{
			delta(histogram("http.server.duration", "ms", 1000, 5, labelled{"http.method": "GET", "http.route": "/a/{id}", "http.status_code": 200})).minute(1),
			delta(histogram("http.server.duration", "ms", 1000, 2, labelled{"http.method": "GET", "http.route": "/a/{id}", "http.status_code": 429})).minute(2),
		}, "GET /a/{id}: 7 requests, 0 failed, 2 rejected, 7 of 100 ms"},
		"exponential histogram, delta, finer than ours": {[]testPoint{
			delta(testPoint{name: "http.server.request.duration", unit: "s", kind: "exponential", count: 6, value: .5, scale: 6, offset: -216, buckets: []uint64{2, 4}, attrs: get}).minute(1),
		}, "GET /a/{id}: 6 requests, 0 failed, 0 rejected, 6 of 100 ms"},
		"exponential histogram, cumulative, whose scale changes": {[]testPoint{
			testPoint{name: "http.server.request.duration", unit: "s", kind: "exponential", count: 6, value: .5, scale: 4, offset: -54, buckets: []uint64{6}, attrs: get}.minute(1),
			testPoint{name: "http.server.request.duration", unit: "s", kind: "exponential", count: 9, value: .9, scale: 2, offset: -14, buckets: []uint64{9}, attrs: get}.minute(2),
			testPoint{name: "http.server.request.duration", unit: "s", kind: "exponential", count: 12, value: 1.2, scale: 2, offset: -14, buckets: []uint64{12}, attrs: get}.minute(3),
		}, "GET /a/{id}: 12 requests, 0 failed, 0 rejected, 9 of 100 ms"},
		"Prometheus client, counter and histogram of the same requests": {[]testPoint{
			counter("http_requests_total", 8, labelled{"method": "GET", "handler": "/a/:id", "code": "200"}).minute(1),
			counter("http_requests_total", 2, labelled{"method": "GET", "handler": "/a/:id", "code": "500"}).minute(1),
			histogram("http_request_duration_seconds", "", 1, 10, labelled{"method": "GET", "handler": "/a/:id"}).minute(1),
		}, "GET /a/:id: 10 requests, 2 failed, 0 rejected, 10 of 100 ms"},
		"Micrometer": {[]testPoint{
			histogram("http.server.requests", "milliseconds", 1000, 8, labelled{"method": "POST", "uri": "/orders", "status": "200", "outcome": "SUCCESS"}).minute(1),
			histogram("http.server.requests", "milliseconds", 1000, 1, labelled{"method": "POST", "uri": "/orders", "status": "500", "outcome": "SERVER_ERROR"}).minute(1),
			histogram("http.server.requests", "milliseconds", 1000, 1, labelled{"method": "POST", "uri": "/orders", "status": "400", "outcome": "CLIENT_ERROR"}).minute(1),
		}, "POST /orders: 10 requests, 1 failed, 1 rejected, 10 of 100 ms"},
		"gRPC for Prometheus": {[]testPoint{
			counter("grpc_server_handled_total", 5, labelled{"grpc_service": "shop.Cart", "grpc_method": "Add", "grpc_code": "OK"}).minute(1),
			counter("grpc_server_handled_total", 2, labelled{"grpc_service": "shop.Cart", "grpc_method": "Add", "grpc_code": "Internal"}).minute(1),
			counter("grpc_server_handled_total", 1, labelled{"grpc_service": "shop.Cart", "grpc_method": "Add", "grpc_code": "InvalidArgument"}).minute(1),
		}, "shop.Cart/Add: 8 requests, 2 failed, 1 rejected"},
		"spans that a Collector counted": {[]testPoint{
			counter("traces.span.metrics.calls", 9, labelled{"span.name": "GET /a", "span.kind": "SPAN_KIND_SERVER", "status.code": "STATUS_CODE_UNSET"}).minute(1),
			counter("traces.span.metrics.calls", 1, labelled{"span.name": "GET /a", "span.kind": "SPAN_KIND_SERVER", "status.code": "STATUS_CODE_ERROR"}).minute(1),
			counter("traces.span.metrics.calls", 30, labelled{"span.name": "GET /b", "span.kind": "SPAN_KIND_CLIENT", "status.code": "STATUS_CODE_UNSET"}).minute(1),
			histogram("traces.span.metrics.duration", "ms", 1000, 10, labelled{"span.name": "GET /a", "span.kind": "SPAN_KIND_SERVER"}).minute(1),
		}, "GET /a: 10 requests, 1 failed, 0 rejected, 10 of 100 ms"},
		"Istio, by the callee's proxy": {[]testPoint{
			counter("istio_requests_total", 7, labelled{"reporter": "destination", "response_code": "200", "request_protocol": "http", "source_workload": "front"}).minute(1),
			counter("istio_requests_total", 3, labelled{"reporter": "destination", "response_code": "503", "request_protocol": "http", "source_workload": "front"}).minute(1),
			counter("istio_requests_total", 50, labelled{"reporter": "source", "response_code": "200", "request_protocol": "http"}).minute(1),
			histogram("istio_request_duration_milliseconds", "", 1000, 10, labelled{"reporter": "destination", "request_protocol": "http"}).minute(1),
		}, "http: 10 requests, 3 failed, 0 rejected, 10 of 100 ms"},
		"Linkerd, inbound": {[]testPoint{
			counter("response_total", 6, labelled{"direction": "inbound", "classification": "success", "status_code": "200"}).minute(1),
			counter("response_total", 2, labelled{"direction": "inbound", "classification": "failure", "status_code": "200"}).minute(1),
			counter("response_total", 40, labelled{"direction": "outbound", "classification": "success"}).minute(1),
		}, "(unnamed): 8 requests, 2 failed, 0 rejected"},
		"Envoy beside the service": {[]testPoint{
			counter("envoy_http_downstream_rq_xx", 6, labelled{"envoy_response_code_class": "2"}).minute(1),
			counter("envoy_http_downstream_rq_xx", 1, labelled{"envoy_response_code_class": "5"}).minute(1),
			counter("envoy_http_downstream_rq_xx", 1, labelled{"envoy_response_code_class": "4"}).minute(1),
		}, "(unnamed): 8 requests, 1 failed, 1 rejected"},
		"an application's own metrics count before its proxy's": {[]testPoint{
			delta(histogram("http.server.request.duration", "s", 1, 5, get)).minute(1),
			counter("istio_requests_total", 50, labelled{"reporter": "destination", "response_code": "200", "request_protocol": "http"}).minute(1),
		}, "GET /a/{id}: 5 requests, 0 failed, 0 rejected, 5 of 100 ms"},
		"messages": {[]testPoint{
			delta(histogram("messaging.process.duration", "s", 1, 5, labelled{"messaging.destination.name": "orders", "messaging.operation.name": "process"})).minute(1),
			delta(histogram("messaging.process.duration", "s", 1, 2, labelled{"messaging.destination.name": "orders", "messaging.operation.name": "process", "error.type": "TimeoutException"})).minute(1),
		}, "process orders: 7 requests, 2 failed, 0 rejected, 7 of 100 ms"},
		"counters tell methods apart, distributions routes": {[]testPoint{
			counter("http_requests_total", 6, labelled{"method": "get", "handler": "/a", "code": "200"}).minute(1),
			counter("http_requests_total", 2, labelled{"method": "post", "handler": "/a", "code": "500"}).minute(1),
			histogram("http_request_duration_seconds", "", 1, 8, labelled{"handler": "/a"}).minute(1),
		}, "/a: 8 requests, 2 failed, 0 rejected, 8 of 100 ms"},
		"counters tell codes, distributions routes": {[]testPoint{
			counter("http_requests_total", 6, labelled{"code": "200"}).minute(1),
			counter("http_requests_total", 2, labelled{"code": "500"}).minute(1),
			histogram("http_request_duration_seconds", "", 1, 8, labelled{"handler": "/a"}).minute(1),
		}, "(unnamed): 8 requests, 2 failed, 0 rejected\n/a: 8 requests, 0 failed, 0 rejected, 8 of 100 ms"},
		"a gauge of the same name counts nothing": {[]testPoint{
			testPoint{name: "http_requests_total", kind: "gauge", value: 7, attrs: labelled{"method": "GET"}}.minute(1),
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, reverse := range []bool{false, true} {
				a := newAggregator(t, func(o *Options) { o.Lateness = 10 * time.Minute })
				points := append([]testPoint{{version: "1", pod: "p", name: "up", kind: "gauge", at: time.Second, value: 1}}, c.points...)
				if reverse {
					slices.Reverse(points)
				}
				for _, p := range points {
					if r := p.send(t, a); r.Count > 0 {
						t.Errorf("%s of %v was refused: %+v", p.name, p.at, r)
					}
				}
				if got := told(a.Flush()); got != c.want {
					t.Errorf("reverse %v:\n%s\nwant\n%s", reverse, got, c.want)
				}
			}
		})
	}
}
