package ingest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"pgregory.net/rapid"

	"unship.dev"
)

// settled is an Aggregator that knows services for so long that log records count.
func settled(t testing.TB, services ...unship.Service) *Aggregator {
	t.Helper()
	a := newAggregator(t)
	settle(a, services...)
	return a
}

func settle(a *Aggregator, services ...unship.Service) {
	tick := unship.Tick{Start: epoch.Add(-settleWindows * a.opt.Window)}
	for _, s := range services {
		tick.Windows = append(tick.Windows, unship.Window{Release: unship.ReleaseID{Service: s, Version: "1"}})
	}
	a.Remember(tick)
}

// logWeb is the service of tests' log records.
var logWeb = unship.Service{Name: "web"}

func TestRequestsThatRecordsTellOf(t *testing.T) {
	const (
		fine     = ": 1 requests, 0 failed, 0 rejected"
		failed   = ": 1 requests, 1 failed, 0 rejected"
		rejected = ": 1 requests, 0 failed, 1 rejected"
		none     = ""
	)
	get := func(more labelled) labelled {
		attrs := labelled{"http.request.method": "GET", "http.route": "/a/{id}", "http.response.status_code": 200}
		for k, v := range more {
			attrs[k] = v
		}
		return attrs
	}
	for name, c := range map[string]struct {
		body  any
		attrs labelled
		want  string
	}{
		"by present conventions":               {"x", get(nil), "GET /a/{id}" + fine},
		"… failed":                             {"x", get(labelled{"http.response.status_code": 503}), "GET /a/{id}" + failed},
		"… rejected, as text":                  {"x", get(labelled{"http.response.status_code": "422"}), "GET /a/{id}" + rejected},
		"… as a number with a point":           {"x", get(labelled{"http.response.status_code": 500.}), "GET /a/{id}" + failed},
		"… with the whole URL and a route":     {"x", get(labelled{"url.full": "http://a/b", "server.address": "a"}), "GET /a/{id}" + fine},
		"of a probe, by who asks":              {"x", get(labelled{"user_agent.original": "kube-probe/1.31"}), none},
		"… by the path, in vain":               {"x", labelled{"method": "GET", "path": "/readyz?verbose", "status": 503}, none},
		"… of a framework":                     {"x", labelled{"method": "GET", "path": "/actuator/health/liveness", "status": 503}, none},
		"whose path only looks like that":      {"x", labelled{"method": "GET", "path": "/healthy-food", "status": 200}, "GET /healthy-food" + fine},
		"of a call, by its kind":               {"x", labelled{"method": "GET", "path": "/b/17", "status": 200, "kind": "client"}, none},
		"… by its direction":                   {"x", labelled{"method": "GET", "path": "/b/17", "status": 200, "direction": "outbound"}, none},
		"… by whom it asked":                   {"x", labelled{"method": "GET", "path": "/b/17", "status": 200, "net.peer.name": "orders"}, none},
		"of a kind that says nothing":          {"x", labelled{"method": "GET", "path": "/b/17", "status": 200, "kind": "http"}, "GET /b/{id}" + fine},
		"of a duration that was cut off":       {"x", get(labelled{"duration_ms": 0}), "GET /a/{id}" + fine + ", 1 of 1 ms"},
		"by older conventions":                 {"x", labelled{"http.method": "PUT", "http.target": "/b/17?x=1", "http.status_code": 200}, "PUT /b/{id}" + fine},
		"by the path":                          {"x", labelled{"http.request.method": "GET", "url.path": "/b/17/c", "http.response.status_code": 200, "server.address": "shop"}, "GET /b/{id}/c" + fine},
		"… that was not found":                 {"x", labelled{"http.request.method": "GET", "url.path": "/wp-admin", "http.response.status_code": 404}, "GET" + rejected},
		"… without a method":                   {"x", labelled{"path": "/b", "status": 200}, none},
		"with underlines":                      {"x", labelled{"http_request_method": "GET", "url_path": "/b", "http_response_status_code": "500"}, "GET /b" + failed},
		"in short":                             {"x", labelled{"method": "GET", "uri": "/b?c=/d", "status": "200", "latency_human": "1.5ms"}, "GET /b" + fine + ", 1 of 1 ms"},
		"of Serilog":                           {"x", labelled{"RequestMethod": "GET", "RequestPath": "/b", "StatusCode": 500, "Elapsed": 12.5}, "GET /b" + failed + ", 1 of 12 ms"},
		"of ASP.NET":                           {"x", labelled{"Method": "GET", "Path": "/b", "StatusCode": 200, "ElapsedMilliseconds": 12.5}, "GET /b" + fine + ", 1 of 12 ms"},
		"… that begins":                        {"x", labelled{"Method": "GET", "Path": "/b"}, none},
		"of pino-http":                         {"x", labelled{"req": labelled{"method": "GET", "url": "/b/1"}, "res": labelled{"statusCode": 200}, "responseTime": 12}, "GET /b/{id}" + fine + ", 1 of 12 ms"},
		"of nginx, with fields":                {"x", labelled{"request_method": "GET", "request_uri": "/b", "status": "200", "request_time": "0.012"}, "GET /b" + fine + ", 1 of 12 ms"},
		"of gRPC":                              {"x", labelled{"rpc.service": "shop.Cart", "rpc.method": "Add", "rpc.grpc.status_code": 13}, "shop.Cart/Add" + failed},
		"… rejected":                           {"x", labelled{"rpc.service": "shop.Cart", "rpc.method": "Add", "rpc.response.status_code": "INVALID_ARGUMENT"}, "shop.Cart/Add" + rejected},
		"… by its middleware":                  {"x", labelled{"grpc.service": "shop.Cart", "grpc.method": "Add", "grpc.code": "NotFound", "grpc.component": "server", "grpc.time_ms": "12.3"}, "shop.Cart/Add" + rejected + ", 1 of 12 ms"},
		"… of a client's":                      {"x", labelled{"grpc.service": "shop.Cart", "grpc.method": "Add", "grpc.code": "NotFound", "grpc.component": "client"}, none},
		"… of a client, by the server called":  {"x", labelled{"rpc.service": "shop.Cart", "rpc.method": "Add", "rpc.grpc.status_code": 0, "server.address": "cart"}, none},
		"of a client, by its URL":              {"x", labelled{"http.request.method": "GET", "url.full": "http://cart/a", "http.response.status_code": 500}, none},
		"… and a path":                         {"x", labelled{"http.method": "GET", "http.url": "http://cart/a", "http.target": "/a", "http.status_code": 500}, none},
		"… for a path":                         {"x", labelled{"method": "GET", "path": "http://cart/a", "status": 500}, none},
		"… by its kind":                        {"x", get(labelled{"span.kind": "SPAN_KIND_CLIENT"}), none},
		"… by its peer":                        {"x", labelled{"method": "GET", "path": "/a", "status": 500, "peer.service": "cart"}, none},
		"of a server, by its kind":             {"x", labelled{"method": "GET", "path": "/a", "url.full": "http://web/a", "status": 500, "span_kind": "server"}, "GET /a" + failed},
		"of a sidecar":                         {"x", labelled{"method": "GET", "path": "/a", "response_code": 200, "upstream_cluster": "inbound|8080||"}, "GET /a" + fine},
		"… that calls":                         {"x", labelled{"method": "GET", "path": "/a", "response_code": 200, "upstream_cluster": "outbound|80||cart.shop"}, none},
		"no operation":                         {"x", labelled{"http.response.status_code": 500, "http.request.method": "GET"}, none},
		"no result":                            {"x", labelled{"http.route": "/a", "http.request.method": "GET"}, none},
		"another status":                       {"x", labelled{"status": "shipped", "path": "/orders", "method": "GET"}, none},
		"a number that is no status":           {"x", labelled{"status": 1200, "method": "GET", "path": "/orders"}, none},
		"another path":                         {"x", labelled{"status": 200, "method": "GET", "path": "orders.csv"}, none},
		"another code":                         {"x", labelled{"code": 137, "method": "GET", "path": "/usr/bin/x"}, none},
		"in the body":                          {labelled{"msg": "done", "method": "GET", "path": "/b", "status": 429., "duration": "300µs"}, nil, "GET /b" + rejected + ", 1 of 0 ms"},
		"… beside attributes, which go before": {labelled{"status": 200, "path": "/b"}, labelled{"http.response.status_code": 500, "http.request.method": "GET"}, "GET /b" + failed},
		"… in groups":                          {labelled{"http": labelled{"request": labelled{"method": "GET"}, "response": labelled{"status_code": 200}, "route": "/b/:id"}}, nil, "GET /b/:id" + fine},
		"common log format":                    {`10.1.2.3 - - [04/Jun/2031:06:12:27 +0000] "GET /b/17?x=1 HTTP/1.1" 503 612`, nil, "GET /b/{id}" + failed},
		"… combined":                           {`10.1.2.3 - ada [04/Jun/2031:06:12:27 +0000] "POST /b HTTP/2.0" 201 0 "https://shop.example/c" "Mozilla/5.0 (X11)"`, nil, "POST /b" + fine},
		"… and a duration beside it":           {`10.1.2.3 - - [-] "GET /b HTTP/1.1" 200 612`, labelled{"duration_ms": "12"}, "GET /b" + fine + ", 1 of 12 ms"},
		"… of Uvicorn":                         {`INFO:     10.1.2.3:54321 - "GET /b HTTP/1.1" 404 Not Found`, nil, "GET" + rejected},
		"… as the message of a body":           {labelled{"message": `10.1.2.3 - - [-] "GET /b HTTP/1.1" 200 612`, "stream": "stdout"}, nil, "GET /b" + fine},
		"… in JSON":                            {`{"log":"10.1.2.3 - - [-] \"GET /b HTTP/1.1\" 200 612\n","stream":"stdout"}`, nil, "GET /b" + fine},
		"JSON":                                 {`{"level":"info","method":"GET","uri":"/b?x=1","status":500,"latency":12000000,"latency_human":"12ms","error":""}`, nil, "GET /b" + failed + ", 1 of 12 ms"},
		"… of pino-http":                       {`{"level":30,"req":{"id":1,"method":"GET","url":"/b/1","headers":{"host":"web","status":"x"}},"res":{"statusCode":404},"responseTime":12,"msg":"request completed"}`, nil, "GET" + rejected + ", 1 of 12 ms"},
		"… of a caller":                        {`{"method":"GET","url":"https://cart/b","status":500}`, nil, none},
		"… that is cut off":                    {`{"method":"GET","path":"/b","status":50`, nil, none},
		"… and no object":                      {`{"status"`, nil, none},
		"… of a client":                        {`http://cart:8080 "GET /b HTTP/1.1" 500 612`, nil, none},
		"… of a sidecar that calls":            {`[2031-06-04T06:12:27Z] "GET /b HTTP/1.1" 200 - via_upstream - "-" 0 612 3 2 "-" "curl" "1" "cart" "10.1.2.3:80" outbound|80||cart.shop 10.1.2.4:1`, nil, none},
		"… cut off":                            {`10.1.2.3 - - [-] "GET /b HTTP/1.1" 20`, nil, none},
		"… without a status":                   {`upstream timed out, request: "GET /b HTTP/1.1", upstream: "http://10.1.2.3/b"`, nil, none},
		"… without a path":                     {`10.1.2.3 - - [-] "GET HTTP/1.1" 400 0`, nil, none},
		"a protocol that is talked about":      {`we speak "only HTTP/1.1" 200 times`, nil, none},
		"a duration in seconds":                {"x", get(labelled{"http.server.request.duration": .012}), "GET /a/{id}" + fine + ", 1 of 12 ms"},
		"… in ns":                              {"x", get(labelled{"duration_ns": 12_000_000}), "GET /a/{id}" + fine + ", 1 of 12 ms"},
		"… in camel's letters":                 {"x", get(labelled{"durationMs": 12}), "GET /a/{id}" + fine + ", 1 of 12 ms"},
		"… in minutes":                         {"x", get(labelled{"took": "1m2s"}), "GET /a/{id}" + fine + ", 1 of 64000 ms"},
		"… without a unit":                     {"x", get(labelled{"duration": 12}), "GET /a/{id}" + fine},
		"… unknown":                            {"x", get(labelled{"request_time": "-"}), "GET /a/{id}" + fine},
	} {
		t.Run(name, func(t *testing.T) {
			a := settled(t, logWeb)
			testLog{version: "1", body: c.body, attrs: c.attrs}.send(t, a)
			ticks := a.Flush()
			if got := told(ticks); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if logs := logsOf(ticks); len(logs) != 1 || logs[0].Count != 1 {
				t.Errorf("log records %+v, want the one", logs)
			}
		})
	}
}

// accessRecords are a second's requests of a pod of a service: some fail, some are refused.
func accessRecords(second int, pod string) (logs []testLog) {
	for i, status := range []int{200, 200, 500, 404} {
		logs = append(logs, testLog{
			version: "1", pod: pod, at: time.Duration(second)*time.Second + time.Duration(i)*time.Millisecond, severity: 9,
			body: fmt.Sprintf("handled %d", i), attrs: labelled{"method": "GET", "path": fmt.Sprintf("/orders/%d", second), "status": status, "duration_ms": 12},
		})
	}
	return logs
}

// sendMinutes sends a pod's access log of some minutes.
func sendMinutes(t testing.TB, a *Aggregator, minutes int) {
	t.Helper()
	for second := range minutes * 60 {
		for _, l := range accessRecords(second, "") {
			l.send(t, a)
		}
	}
}

// Where nothing else tells, an access log tells in each window, once it is clear that
// nothing else does.
func TestWindowsOfAnAccessLog(t *testing.T) {
	a := newAggregator(t)
	sendMinutes(t, a, 4)
	ticks := a.Flush()
	if len(ticks) != 48 {
		t.Fatalf("%d ticks, want 48", len(ticks))
	}
	for i, tick := range ticks {
		w := tick.Windows[0]
		if len(tick.Windows) != 1 || len(w.Metrics) > 0 || logRecords(w) != 20 {
			t.Fatalf("window %d: %+v", i, tick.Windows)
		}
		want := "GET /orders/{id}: 20 requests, 5 failed, 5 rejected, 20 of 12 ms"
		if i < settleWindows {
			want = ""
		}
		if got := told([]unship.Tick{tick}); got != want {
			t.Fatalf("window %d tells\n%s\nwant\n%s", i, got, want)
		}
	}
	if s := a.Stats(); s.Points != 0 || s.Records != 960 {
		t.Errorf("%d points and %d records, want 0 and 960", s.Points, s.Records)
	}
}

func logRecords(w unship.Window) (n uint64) {
	for _, l := range w.Logs {
		n += l.Count
	}
	return n
}

// Requests that spans tell of, and those that metrics count, are not counted by log records
// as well; neither are they where spans are rare, nor after a restart.
func TestAccessLogsBesideOtherTelemetry(t *testing.T) {
	metric := func(t *testing.T, a *Aggregator, second int) {
		if second%60 == 50 {
			p := histogram("http.server.request.duration", "s", 1, uint64(4*second), labelled{"http.request.method": "GET", "http.route": "/m"})
			p.version, p.pod, p.from, p.at = "1", "p1", newer, time.Duration(second)*time.Second
			p.send(t, a)
		}
	}
	span := func(every int, kind ptrace.SpanKind) func(*testing.T, *Aggregator, int) {
		return func(t *testing.T, a *Aggregator, second int) {
			if second%every == 0 {
				send(t, a, entry(second, kind))
			}
		}
	}
	for name, c := range map[string]struct {
		beside  func(t *testing.T, a *Aggregator, second int)
		counted bool
	}{
		"server spans":            {span(1, ptrace.SpanKindServer), false},
		"few server spans":        {span(100, ptrace.SpanKindServer), false},
		"consumer spans":          {span(1, ptrace.SpanKindConsumer), false},
		"spans inside a process":  {span(1, ptrace.SpanKindInternal), false},
		"metrics":                 {metric, false},
		"spans of clients alone":  {span(1, ptrace.SpanKindClient), true},
		"nothing that tells more": {func(*testing.T, *Aggregator, int) {}, true},
	} {
		t.Run(name, func(t *testing.T) {
			run := func(a *Aggregator, from time.Duration, tells bool) []unship.Tick {
				for second := range 300 {
					if time.Duration(second)*time.Second < from {
						continue
					}
					c.beside(t, a, second)
					for _, l := range accessRecords(second, "") {
						if !tells {
							l.attrs = nil
						}
						l.send(t, a)
					}
				}
				return a.Flush()
			}
			plain, all := run(newAggregator(t), 0, false), run(newAggregator(t), 0, true)
			if same := cmp.Diff(plain, all) == ""; same == c.counted || told(all) == "" {
				t.Errorf("the same windows with an access log: %v; they tell\n%s", same, told(all))
			}
			if name == "metrics" {
				return // their base is lost with a restart
			}
			cutoff := 200 * time.Second
			again := newAggregator(t)
			var want []unship.Tick
			for _, tick := range all {
				if tick.End.After(epoch.Add(cutoff)) {
					want = append(want, tick)
				} else {
					again.Remember(tick)
				}
			}
			again.Resume(epoch.Add(cutoff))
			if diff := cmp.Diff(want, run(again, cutoff-time.Minute, true)); diff != "" {
				t.Errorf("after a restart: %s", diff)
			}
		})
	}
}

// entry is a request of each second as a span of a kind tells it.
func entry(second int, kind ptrace.SpanKind) testSpan {
	at := time.Duration(second) * time.Second
	return testSpan{service: "web", version: "1", pod: "p1", trace: uint64(second + 1), id: 1, kind: kind, name: "GET /a", from: at, to: at + ms}
}

// Paths that nothing masks are told apart up to a bound, and each is counted.
func TestOperationsOfAnAccessLogAreBounded(t *testing.T) {
	const n = 3 * maxLogged
	for name, thin := range map[string]bool{"as many as that": false, "where memory runs short": true} {
		a := settled(t, logWeb)
		if thin {
			a.opt.MaxPendingBytes = 1 << 20
			a.pending.Store(1 << 20 / 8 * 7)
		}
		for i := range n {
			word := fmt.Sprintf("/%c%c%c%c", 'a'+i%26, 'a'+i/26%26, 'a'+i/676, 'a'+i%7)
			testLog{version: "1", body: "x", attrs: labelled{"method": "GET", "path": word, "status": 200}}.send(t, a)
		}
		kept, most := 0, 0
		for i := range a.shards {
			for _, p := range a.shards[i].panes {
				for _, sums := range p.logged {
					kept += len(sums)
				}
			}
		}
		if most = maxLogged + 1; thin {
			most = 1
		}
		if kept != most {
			t.Errorf("%s: %d sums kept, want %d", name, kept, most)
		}
		var requests uint64
		for _, tick := range a.Flush() {
			for _, w := range tick.Windows {
				if len(w.Operations) > a.opt.MaxOperations+1 {
					t.Errorf("%s: %d operations", name, len(w.Operations))
				}
				for _, op := range w.Operations {
					requests += op.Requests
				}
			}
		}
		if s := a.Stats(); requests != n || s.Dropped < n-maxLogged {
			t.Errorf("%s: %d requests counted, %d dropped; want %d and what is beyond the bound", name, requests, s.Dropped, n)
		}
	}
}

// accessLogs are records as access logs have them, and some that are much like these.
func accessLogs(t testing.TB) plog.Logs {
	t.Helper()
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", logWeb.Name)
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	add := func(body any, attrs ...any) {
		r := records.AppendEmpty()
		r.SetTimestamp(stamp(time.Duration(records.Len()) * time.Second))
		if err := r.Body().FromRaw(body); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(attrs); i += 2 {
			if err := r.Attributes().PutEmpty(attrs[i].(string)).FromRaw(attrs[i+1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	add("x", "http.request.method", "GET", "http.route", "/a/{id}", "http.response.status_code", 200, "http.server.request.duration", .012)
	add("x", "method", "GET", "path", "/b/17?x=1", "status", "503", "duration", "12ms", "status_code", 200)
	add("x", "request", labelled{"method": "PUT"}, "req", labelled{"url": "/c"}, "res", labelled{"statusCode": 404.}, "responseTime", 12)
	add("x", "http", labelled{"request": labelled{"method": "GET"}, "code": 1, "exception.type": "E"}, "http_request", 3, "path", []any{"/d"}, "status", []any{200})
	add("x", "rpc.service", "shop.Cart", "rpc.method", "Add", "rpc.grpc.status_code", -1, "span.kind", true)
	add("x", "method", "GET", "url", "http://cart/a", "status", 500, "exception.type", "E")
	add(labelled{"method": "GET"}, "path", "/e", "status", 200, "error.type", "")
	add(labelled{"status": 429., "method": "GET"}, "path", "/e")
	add(labelled{"status": 429.}, "path", "/i")
	add(labelled{"req": labelled{"res": labelled{"status": 200}, "method": "GET"}}, "path", "/f", "latency_ms", "1e300")
	add(labelled{"message": `- "GET /g HTTP/1.1" 500 1`})
	add(`{"method":"GET","path":"/h/17","status":500,"duration_s":0.012}`)
	add(`- - "GET /h/17 HTTP/1.1" 200 612 "-" "curl"`, "request_time", "0.012", "status", "-")
	return ld
}

// logsCounting are logs of services that are known by nothing else.
var logsCounting = logsWay.after(func(a *Aggregator) {
	settle(a, logWeb, unship.Service{Name: "service-1", Environment: "production"})
})

// Paths that are not found count under operations of which others were found, and else, as
// many as somebody likes to try, under their method.
func TestPathsThatAreNotFound(t *testing.T) {
	for known, want := range map[bool]string{false: "GET: 1500 requests, 0 failed, 1500 rejected", true: "GET /a/x: 2 requests, 0 failed, 1 rejected\nGET: 1499 requests, 0 failed, 1499 rejected"} {
		a := settled(t, logWeb)
		send := func(path string, status int) {
			l := testLog{version: "1", pod: "p", at: time.Second, severity: 9, body: "x", attrs: labelled{"method": "GET", "path": path, "status": status}}
			l.send(t, a)
		}
		if known {
			send("/a/x", 200)
			send("/a/x", 404)
		}
		for i := range 1500 - map[bool]int{true: 1}[known] {
			send("/"+strings.Repeat(string(rune('a'+i%26)), 1+i/26), 404)
		}
		if got := told(a.Flush()); got != want {
			t.Errorf("known %v:\n%s\nwant\n%s", known, got, want)
		}
	}
}

func TestTheDecoderReadsAccessLogs(t *testing.T) {
	message := marshalLogs(t, accessLogs(t))
	logsCounting.checkSame(t, message)
	logsCounting.checkChanged(t, message)
	want := `GET /a/{id}: 1 requests, 0 failed, 0 rejected, 1 of 12 ms
GET /b/{id}: 1 requests, 1 failed, 0 rejected, 1 of 12 ms
GET /d: 1 requests, 0 failed, 0 rejected
GET /e: 2 requests, 0 failed, 1 rejected
GET /f: 1 requests, 0 failed, 0 rejected
GET /g: 1 requests, 1 failed, 0 rejected
GET /h/{id}: 2 requests, 1 failed, 0 rejected, 2 of 12 ms
PUT: 1 requests, 0 failed, 1 rejected, 1 of 12 ms`
	if got := told(logsCounting.byDecoder(t, message, 1).Ticks); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// What an access log tells depends neither on batches nor on the order of arrival.
func TestAccessLogsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var logs []testLog
		for range rapid.IntRange(1, 60).Draw(rt, "logs") {
			l := testLog{version: "1", pod: rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "pod"), body: "x", at: time.Duration(rapid.IntRange(0, 19).Draw(rt, "at")) * time.Second}
			l.attrs = labelled{
				"method": "GET", "path": rapid.SampledFrom([]string{"/a", "/b/1", "/b/2", "/c", "/d", "/e"}).Draw(rt, "path"), "status": rapid.SampledFrom([]int{200, 404, 500}).Draw(rt, "status"),
				"took_ms": rapid.IntRange(0, 9000).Draw(rt, "took"),
			}
			logs = append(logs, l)
		}
		run := func(logs []testLog) []unship.Tick {
			a := newAggregator(t, func(o *Options) { o.MaxOperations, o.Lateness = 3, time.Minute })
			settle(a, logWeb)
			for _, l := range logs {
				l.send(t, a)
			}
			return a.Flush()
		}
		if diff := cmp.Diff(run(logs), run(rapid.Permutation(logs).Draw(rt, "order"))); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// Whatever a text says, it is read to its end and tells of one request at most.
func FuzzAccess(f *testing.F) {
	for _, body := range []string{`x "GET /a HTTP/1.1" 200`, `"GET / HTTP/`, ` HTTP/1.1" 200`, `{"status":200,"method":"GET","path":"/a"}`, `{"req":{"req":{"_code":`, `{"status":"`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		a := settled(t, logWeb)
		testLog{version: "1", body: body}.send(t, a)
		var requests uint64
		for _, w := range a.Flush()[0].Windows {
			for _, op := range w.Operations {
				requests += op.Requests
			}
		}
		if requests > 1 {
			t.Errorf("%q is %d requests", body, requests)
		}
	})
}

// accessPayload is one batch of an access log of 24 instances.
func accessPayload(batch, n int) plog.Logs {
	ld := logPayload(batch, n)
	for _, rl := range ld.ResourceLogs().All() {
		for i, r := range rl.ScopeLogs().At(0).LogRecords().All() {
			r.Body().SetStr("request completed")
			a := r.Attributes()
			a.PutStr("http.request.method", "GET")
			a.PutStr("url.path", fmt.Sprintf("/orders/%d/items", batch*n+i))
			a.PutInt("http.response.status_code", int64(200+100*(i%4)))
			a.PutDouble("duration_ms", float64(i)/7)
		}
	}
	return ld
}

func TestTheDecoderOfAccessLogsAllocatesNothing(t *testing.T) {
	a := newAggregator(t, func(o *Options) { o.MaxPendingBytes = 1 << 40 })
	message := marshalLogs(t, accessPayload(0, 512))
	per := testing.AllocsPerRun(200, func() {
		if _, err := a.LogsProto(message); err != nil {
			t.Fatal(err)
		}
	})
	if per > 16*pools {
		t.Errorf("%v allocations for 512 records, want hardly any", per)
	}
}

// BenchmarkAccessLogsProto is the whole way of an access log's records: bytes to windows.
func BenchmarkAccessLogsProto(b *testing.B) {
	const batches, records = 400, 512
	var all [][]byte
	for i := range batches {
		all = append(all, marshalLogs(b, accessPayload(i, records)))
	}
	benchBatches(b, batches, records, 12, "record", func(a *Aggregator, batch int) error {
		_, err := a.LogsProto(all[batch])
		return err
	})
}
