package ingest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An access log has a record of each request that was served: what was asked, what became
// of it, and mostly how long that took. Not counted are records of requests that were made,
// of those that only ask whether an instance is well, and those that tell one of the two
// things only: a request that writes a record when it begins and another when it ends is
// counted by that which has the status.

// access is a log record that may tell of a request, by the names that spans have.
type access struct {
	labels
	took  time.Duration
	timed bool
	probe bool // somebody only asks whether the instance is well
}

// fieldText is a field of a log record and what it says.
type fieldText struct {
	field field
	text  string
}

// Fields that only log records have.
const (
	logTemplate  field = fieldCount + 1 + iota // as the program gave it
	logEvent                                   // of which the record tells, by its name
	logSide                                    // server or client
	logDirection                               // the same in other words, or anything
	logPeer                                    // who was asked
	logAgent                                   // who asked
	logGroup                                   // whose members tell as if they were attributes
	logUpstream                                // Envoy's cluster
	tookText                                   // a duration that has its unit behind it
	tookNanos                                  // durations in tookUnits
	tookMicros
	tookMillis
	tookSeconds
)

var tookUnits = [...]time.Duration{time.Nanosecond, time.Microsecond, time.Millisecond, time.Second}

// ofRequest says that a field of a log record may tell of a request.
func (f field) ofRequest() bool {
	switch f {
	case fieldOther, logTemplate, logEvent, exceptionType, exceptionMessage, exceptionStack, flagKey, flagVariant, flagValue:
		return false
	}
	return true
}

// logFieldOf finds the field of an attribute's name: as spans and points have it, in
// whatever style it is written, and as access logs name what these do not have.
func logFieldOf(key string) field {
	switch key {
	case "log.record.template", "message_template", "message_template.text", "{OriginalFormat}":
		return logTemplate
	case "event.name":
		return logEvent
	case "exception.type":
		return exceptionType
	case "exception.message":
		return exceptionMessage
	case "exception.stacktrace":
		return exceptionStack
	case "http.server.request.duration", "request_time": // the latter is nginx's
		return tookSeconds
	case "responseTime", "Elapsed": // pino-http's and Serilog's
		return tookMillis
	case "latency_human": // Echo's
		return tookText
	}
	name := snakeCase(key)
	switch name {
	case "code": // of an error, mostly
		return fieldOther
	case "path", "uri", "url", "endpoint", "request_path", "request_uri", "request_url": // no routes, as those of points are
		return urlPath
	case "span_kind", "grpc_component":
		return logSide
	case "kind", "direction":
		return logDirection
	case "net_peer_name": // on servers' side nobody tells it
		return logPeer
	case "user_agent", "user_agent_original", "http_user_agent":
		return logAgent
	case "upstream_cluster":
		return logUpstream
	case "req", "res", "request", "response", "http", "http_request", "http_response":
		return logGroup
	}
	return cmp.Or(tookField(name), metricFieldOf(key), metricFieldOf(name), fieldOf(strings.ReplaceAll(name, "_", ".")))
}

// snakeCase writes a name as Prometheus would: "RequestMethod", "requestMethod" and
// "request.method" are "request_method".
func snakeCase(key string) string {
	b := make([]byte, 0, len(key)+4)
	for i := range len(key) {
		switch c := key[i]; {
		case c == '.' || c == '-':
			b = append(b, '_')
		case c < 'A' || c > 'Z':
			b = append(b, c)
		default:
			if i > 0 && (key[i-1] < 'A' || key[i-1] > 'Z') && b[len(b)-1] != '_' {
				b = append(b, '_')
			}
			b = append(b, c|0x20)
		}
	}
	return string(b)
}

// tookField finds the field of the name of a duration, and of its unit.
func tookField(name string) field {
	unit := tookText
	if n := strings.LastIndexByte(name, '_'); n > 0 && units[name[n+1:]] > 0 {
		unit = tookNanos + field(slices.Index(tookUnits[:], units[name[n+1:]]))
		name = name[:n]
	}
	switch name {
	case "duration", "latency", "elapsed", "elapsed_time", "took", "time_taken", "request_time", "request_duration", "response_time", "grpc_time":
		return unit
	}
	return fieldOther
}

// tell takes what an attribute says. What was said first counts.
func (a *access) tell(f field, text string) {
	switch {
	case text == "" || text == "-": // proxies write that for what they do not know
	case f == logSide:
		a.spanKind = cmp.Or(a.spanKind, strings.TrimPrefix(text, "SPAN_KIND_"))
	case f == logDirection:
		a.spanKind = cmp.Or(a.spanKind, sideOf(text))
	case f == logPeer:
		a.fields[peerService] = cmp.Or(a.fields[peerService], text)
	case f == logAgent:
		a.probe = a.probe || slices.ContainsFunc(probers[:], func(p string) bool { return strings.HasPrefix(text, p) })
	case f == logUpstream:
		if strings.HasPrefix(text, outbound) {
			a.spanKind = "client"
		}
	case f >= tookText:
		a.takes(f, text)
	case f == httpStatus && !isStatus(text): // an order has a status, too
	case (f == urlPath || f == httpRoute) && strings.Contains(text, "://"):
		a.fields[urlFull] = text
	case f == urlPath && text[0] != '/':
	case f < fieldCount && a.fields[f] == "":
		a.fields[f] = text
	}
}

// sideOf reads what programs write of whether they served a request or made it; "" if it says
// neither.
func sideOf(text string) string {
	switch strings.ToLower(text) {
	case "client", "outbound", "egress", "outgoing":
		return "client"
	case "server", "inbound", "ingress", "incoming":
		return "server"
	}
	return ""
}

// probers begin the names of those who ask only whether an instance is well.
var probers = [...]string{"kube-probe/", "ELB-HealthChecker/", "GoogleHC/", "Consul Health Check", "Envoy/HC"}

// isProbe says that a path is one at which programs tell whether they are well. Those that
// start answer there that they are not, and no user sees it.
func isProbe(path string) bool {
	path, _, _ = strings.Cut(path, "?")
	switch strings.TrimSuffix(path, "/") {
	case "/healthz", "/livez", "/readyz", "/health", "/live", "/ready", "/healthcheck", "/-/healthy", "/-/ready":
		return true
	}
	return strings.HasPrefix(path, "/actuator/health") || strings.HasPrefix(path, "/health/")
}

// outbound begins the name of a cluster, as Istio gives it, that is called.
const outbound = "outbound|"

// isStatus says that a text is a status of HTTP.
func isStatus(text string) bool {
	return len(text) == 3 && '1' <= text[0] && text[0] <= '5' && isDigit(text[1]) && isDigit(text[2])
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// takes notes a duration, unless nothing tells its unit.
func (a *access) takes(f field, text string) {
	if a.timed || !isDigit(text[0]) {
		return
	}
	if f == tookText {
		if text[len(text)-1] != 's' { // of whatever unit
			return
		}
		d, err := time.ParseDuration(text)
		a.took, a.timed = d, err == nil
		return
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		if v == 0 { // cut off
			v = 1
		}
		ns := v * float64(tookUnits[f-tookNanos])
		a.took, a.timed = time.Duration(min(ns, maxTook)), ns <= maxTook
	}
}

// maxTook is the longest duration believed, in ns: eleven days.
const maxTook = 1e15

// served says that the record tells of a request that was served. A path alone is no
// operation, as with spans: it may be anything's.
func (a *access) served() bool {
	f := &a.fields
	asked := f[httpMethod] != "" && f[urlPath] != ""
	switch {
	case a.probe || isProbe(cmp.Or(f[httpRoute], f[urlPath])):
		return false
	case f[httpStatus] == "" && f[rpcStatus] == "", !asked && f[httpRoute] == "" && f[rpcMethod] == "":
		return false
	case a.spanKind != "":
		return strings.EqualFold(a.spanKind, "server")
	case f[httpRoute] != "": // only who serves knows it
		return true
	}
	for _, of := range [...]field{urlFull, peerService, dbSystem, messagingSystem} {
		if f[of] != "" { // only who asks tells it
			return false
		}
	}
	return asked || f[serverAddress] == "" // which clients of RPCs have to tell
}

const (
	// httpMark stands in a request line, behind what was asked for and a space.
	httpMark = "HTTP/"
	// maxRequestLine is how many bytes of a text are looked through for one.
	maxRequestLine = 8 << 10
)

// readLine reads a request line with a status behind it, as the common log format has it
// and what is made after it: "GET /a?x=1 HTTP/1.1" 503 612. The mark stands at a place of
// the text. Quotes may be escaped. Whoever called writes the host before it, or Envoy the
// cluster behind it.
func (a *access) readLine(text string, mark int) bool {
	before, line, ok := cutLast(text[:mark-1], '"')
	method, path, two := strings.Cut(line, " ")
	if !ok || !two || method == "" || !isCapital(method) {
		return false
	}
	rest := strings.TrimLeft(text[mark+len(httpMark):], ".0123456789")
	rest, ok = strings.CutPrefix(strings.TrimPrefix(rest, `\`), `" `)
	if !ok || len(rest) < 3 || len(rest) > 3 && isDigit(rest[3]) {
		return false
	}
	_, last, _ := cutLast(strings.TrimRight(before, ` \`), ' ')
	if strings.Contains(last, "://") || strings.Contains(rest, outbound) {
		return false
	}
	a.tell(httpMethod, method)
	a.tell(urlPath, path)
	a.tell(httpStatus, rest[:3])
	return a.served()
}

// markOf finds the mark of a request line; -1 if there is none. Most texts have no quotes.
func markOf(text string) int {
	quote := strings.IndexByte(text, '"')
	if quote < 0 {
		return -1
	}
	if n := strings.Index(text[quote:], httpMark); n > 0 && text[quote+n-1] == ' ' {
		return quote + n
	}
	return -1
}

// hasStatus says that a text is a JSON object that may tell a status.
func hasStatus(text string) bool {
	return len(text) > 0 && text[0] == '{' && (strings.Contains(text, "tatus") || strings.Contains(text, "_code"))
}

// cutLast is [strings.Cut] at the last separator; all is behind it if there is none.
func cutLast(s string, separator byte) (before, after string, found bool) {
	if n := strings.LastIndexByte(s, separator); n >= 0 {
		return s[:n], s[n+1:], true
	}
	return "", s, false
}
