package ingest

import (
	"cmp"
	"strconv"
	"strings"
)

// field is a span attribute that matters here, under its present and its older names.
type field uint8

const (
	fieldOther field = iota
	httpMethod
	httpStatus
	httpRoute
	urlPath
	urlFull
	rpcSystem
	rpcService
	rpcMethod
	rpcStatus
	messagingSystem
	messagingOperation
	messagingOperationType
	messagingDestination
	messagingTemplate
	dbSystem
	dbNamespace
	peerService
	serverAddress
	peerAddress
	errorType
	exceptionType
	exceptionMessage
	exceptionStack
	samplingProbability
	samplingThreshold
	samplerType
	samplerParam
	sampleRate
	flagKey
	flagVariant
	flagValue
	syntheticType
	fieldCount
)

// fieldOf finds the field of an attribute's name.
func fieldOf(key string) field {
	switch key {
	case "http.request.method", "http.method":
		return httpMethod
	case "http.response.status_code", "http.status_code":
		return httpStatus
	case "http.route":
		return httpRoute
	case "url.path", "http.target":
		return urlPath
	case "url.full", "http.url":
		return urlFull
	case "peer.service":
		return peerService
	case "server.address", "net.peer.name", "http.host":
		return serverAddress
	case "network.peer.address", "net.sock.peer.addr", "net.peer.ip":
		return peerAddress
	case "error.type":
		return errorType
	case "feature_flag.key":
		return flagKey
	case "feature_flag.result.variant", "feature_flag.variant":
		return flagVariant
	case "feature_flag.result.value":
		return flagValue
	case "user_agent.synthetic.type":
		return syntheticType
	}
	switch {
	case strings.HasPrefix(key, "sampl"), key == "SampleRate":
		return samplingField(key)
	case strings.HasPrefix(key, "rpc."):
		return rpcField(key)
	case strings.HasPrefix(key, "messaging."):
		return messagingField(key)
	case strings.HasPrefix(key, "db."):
		return dbField(key)
	}
	return fieldOther
}

func rpcField(key string) field {
	switch key {
	case "rpc.system.name", "rpc.system":
		return rpcSystem
	case "rpc.service":
		return rpcService
	case "rpc.method":
		return rpcMethod
	case "rpc.response.status_code", "rpc.grpc.status_code", "rpc.status_code":
		return rpcStatus
	}
	return fieldOther
}

func messagingField(key string) field {
	switch key {
	case "messaging.system":
		return messagingSystem
	case "messaging.operation.name", "messaging.operation":
		return messagingOperation
	case "messaging.operation.type":
		return messagingOperationType
	case "messaging.destination.name", "messaging.destination":
		return messagingDestination
	case "messaging.destination.template":
		return messagingTemplate
	}
	return fieldOther
}

func dbField(key string) field {
	switch key {
	case "db.system.name", "db.system":
		return dbSystem
	case "db.namespace", "db.name":
		return dbNamespace
	}
	return fieldOther
}

func samplingField(key string) field {
	switch key {
	case "sampling.probability":
		return samplingProbability
	case "sampling.threshold":
		return samplingThreshold
	case "sampler.type":
		return samplerType
	case "sampler.param":
		return samplerParam
	case "SampleRate", "sampleRate", "sample_rate":
		return sampleRate
	}
	return fieldOther
}

// kind is a span's kind, with OTLP's numbers.
type kind uint8

const (
	kindUnspecified kind = iota
	kindInternal
	kindServer
	kindClient
	kindProducer
	kindConsumer
	kindCount
)

// kindNumbered reads a kind; what OTLP does not know is as good as unspecified.
func kindNumbered(n int32) kind {
	if n < 0 || n > int32(kindConsumer) {
		return kindUnspecified
	}
	return kind(n)
}

func (k kind) isEntry() bool { return k == kindServer || k == kindConsumer }
func (k kind) isCall() bool  { return k == kindClient || k == kindProducer }

// result is what became of a span.
type result uint8

const (
	succeeded result = iota
	rejected         // the caller's mistake
	failed
	cancelled // of a server span: the caller gave up, which is nobody's mistake and no answer
	unread    // of a server span that did not end well: its caller had another answer, and never saw this one
)

// well says that nothing went wrong.
func (r result) well() bool { return r == succeeded || r == cancelled }

// asCall is what became of a call by the span that answers it: one that was cancelled was not served.
func (r result) asCall() result {
	if r == cancelled {
		return rejected
	}
	return r
}

// spanData is a span as a decoder hands it over: values of the fields that
// matter, as they stand in the message. Nothing in it is kept: strings may
// point into the decoder's buffer.
type spanData struct {
	trace      [2]uint64 // big endian
	id, parent uint64
	start, end uint64 // ns since the epoch
	kind       kind
	failed     bool // status ERROR
	name       string
	message    string // of the status
	traceState string
	fields     [fieldCount]string
	traits     []trait // of a request
}

// clear empties the span, and keeps the room for traits.
func (d *spanData) clear() { *d = spanData{traits: d.traits[:0]} }

// grpcResult sorts the gRPC status codes by whose mistake they tell of, as the
// semantic conventions do for servers. The two they leave open go where their
// HTTP equals are: RESOURCE_EXHAUSTED (429), ABORTED (409). CANCELLED is
// nobody's mistake.
func grpcResult(code string) result {
	if code == "" {
		return succeeded
	}
	switch strings.ToUpper(code) {
	case "2", "UNKNOWN", "4", "DEADLINE_EXCEEDED", "12", "UNIMPLEMENTED", "13", "INTERNAL",
		"14", "UNAVAILABLE", "15", "DATA_LOSS":
		return failed
	case "3", "INVALID_ARGUMENT", "5", "NOT_FOUND", "6", "ALREADY_EXISTS", "7", "PERMISSION_DENIED",
		"8", "RESOURCE_EXHAUSTED", "9", "FAILED_PRECONDITION", "10", "ABORTED", "11", "OUT_OF_RANGE",
		"16", "UNAUTHENTICATED":
		return rejected
	}
	return succeeded
}

// statusCode reads an HTTP status; 0 if it is none.
func statusCode(text string) int {
	if text == "" {
		return 0
	}
	code, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return code
}

// result says what became of a request or a call. An error status counts as
// failed whatever the code: who set it knew more. Codes tell of servers only
// where the status is unset, and of clients only the server's failure: what
// was refused to a client need not have failed it.
func (d *spanData) result() result {
	if d.failed {
		return failed
	}
	switch code := statusCode(d.fields[httpStatus]); {
	case code >= 500 && code <= 599:
		return failed
	case code >= 400 && code <= 499 && d.kind == kindServer:
		return rejected
	}
	if r := grpcResult(d.fields[rpcStatus]); r == failed || r == rejected && d.kind.isEntry() {
		return r
	}
	return succeeded
}

// ending is the result of a span, which may have no end of its own: a gRPC server that is
// told that its caller gave up ends then and there.
func (d *spanData) ending() result {
	r := d.result()
	if code := d.fields[rpcStatus]; r == succeeded && d.kind == kindServer && (code == "1" || strings.EqualFold(code, "CANCELLED")) {
		return cancelled
	}
	return r
}

// operation is what a request is counted under, by what was asked. Who asks is mostly told
// apart otherwise (slice.go), but requests that no user sends (user_agent.synthetic.type) are an
// operation of their own: probes and load tests go where somebody sends them, often to a new
// version alone, and are made to ask what users do not, so that they compare with each other only.
func (d *spanData) operation() naming {
	n := d.asked()
	for _, kind := range [...]string{"test", "bot"} { // those that the conventions know
		if d.fields[syntheticType] == kind {
			n.kind = kind
		}
	}
	return n
}

// asked names what was asked: "METHOD route", the RPC's service and method, the messaging
// operation and destination, else the span's name.
func (d *spanData) asked() naming {
	f := &d.fields
	switch {
	case f[httpRoute] != "":
		return naming{a: f[httpMethod], b: f[httpRoute], separator: ' '}
	case f[rpcMethod] != "":
		return naming{a: f[rpcService], b: f[rpcMethod], separator: '/'}
	case f[messagingDestination] != "" || f[messagingTemplate] != "":
		op := cmp.Or(f[messagingOperation], f[messagingOperationType], "process")
		return naming{a: op, b: cmp.Or(f[messagingTemplate], f[messagingDestination]), separator: ' '}
	case d.nameTellsNothing() && f[httpStatus] != notFound:
		return naming{a: f[httpMethod], b: f[urlPath], separator: ' '}
	}
	return naming{b: d.name}
}

// unnamed stands for an operation without any name.
const unnamed = "(unnamed)"

// nameTellsNothing says that a span is named by its method alone while its path
// is known. Paths that were not found are not used: scanners invent them.
func (d *spanData) nameTellsNothing() bool {
	m := d.fields[httpMethod]
	return m != "" && d.fields[urlPath] != "" &&
		(d.name == "" || d.name == m || len(d.name) == len(m)+5 && d.name[:5] == "HTTP " && d.name[5:] == m)
}

// callee is what a client or producer span called; nothing if the span does not tell.
// It uses the span's attributes only, so that a call has one name whether or not the
// callee was seen.
func (d *spanData) callee() naming {
	f := &d.fields
	if f[peerService] != "" {
		return naming{b: f[peerService]}
	}
	address := hostname(f[serverAddress])
	if address == "" {
		address = hostOf(f[urlFull])
	}
	switch {
	case f[dbSystem] != "":
		return naming{a: f[dbSystem], b: cmp.Or(address, f[dbNamespace]), separator: ' '}
	case f[messagingSystem] != "" || f[messagingDestination] != "":
		return naming{a: f[messagingSystem], b: cmp.Or(f[messagingTemplate], f[messagingDestination]), separator: ' '}
	}
	return naming{b: cmp.Or(address, f[rpcService], f[peerAddress])}
}

// hostOf gives the host of a URL.
func hostOf(url string) string {
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		return ""
	}
	if n := strings.IndexAny(rest, "/?#"); n >= 0 {
		rest = rest[:n]
	}
	return hostname(rest[strings.LastIndexByte(rest, '@')+1:])
}

// hostname takes a port off.
func hostname(address string) string {
	if host, port, ok := strings.Cut(address, ":"); ok && !strings.Contains(port, ":") {
		return host
	}
	return address
}

// errorName is a short name for why a span failed.
func (d *spanData) errorName() string {
	for _, f := range [...]field{exceptionType, errorType} {
		if v := d.fields[f]; v != "" && v != "_OTHER" {
			return v
		}
	}
	for _, f := range [...]field{httpStatus, rpcStatus} {
		if v := d.fields[f]; v != "" && v != "0" && v != "200" {
			return v
		}
	}
	return "error"
}

// errorText is the first line of what the span says about its failure.
func (d *spanData) errorText() string {
	text := d.fields[exceptionMessage]
	if text == "" {
		text = d.message
	}
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	return text
}
