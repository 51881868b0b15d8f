package wire

// The forms of OTLP's JSON that exporters write are turned into protobuf here, one key
// after the other, without building anything. All others are left to a complete decoder,
// even valid ones: enumerations by name, bytes, keys that come twice, escapes by number.

// transcode appends a request that is written in OTLP's JSON to dst, in protobuf. Where it
// says yes, both have the same meaning. Nothing is kept of body; on no, what was appended
// is undefined.
func transcode(dst, body []byte, request keys) ([]byte, bool) {
	t := transcoder{in: body, out: dst, ok: true}
	request.read(&t)
	if t.next() != 0 || t.at < len(t.in) {
		t.ok = false
	}
	return t.out, t.ok
}

// transcoder reads JSON and writes protobuf.
type transcoder struct {
	in      []byte
	at      int
	out     []byte
	ok      bool
	depth   int
	scratch []byte
}

// key is a key of an object, and the field that its value becomes.
type key struct {
	name  string
	field byte
	// bit is another for each key, but for those of which an object has no more than one.
	bit  byte
	read func(t *transcoder, field byte)
}

// keys are those of one kind of object.
type keys []key

// read reads an object.
func (k keys) read(t *transcoder) {
	t.object(func(name string) int {
		for i := range k {
			if x := &k[i]; x.name == name {
				x.read(t, x.field)
				return int(x.bit)
			}
		}
		return 0
	})
}

// one reads an object that becomes a submessage.
func one(of func(*transcoder)) func(*transcoder, byte) {
	return func(t *transcoder, field byte) { t.message(field, func() { of(t) }) }
}

// many reads a list of objects, each of which becomes a submessage.
func many(of func(*transcoder)) func(*transcoder, byte) {
	return func(t *transcoder, field byte) { t.list(field, func() { of(t) }) }
}

// The requests.
var (
	tracesKeys  = requestKeys("resourceSpans", "scopeSpans", "spans", spanKeys)
	metricsKeys = requestKeys("resourceMetrics", "scopeMetrics", "metrics", metricKeys)
	logsKeys    = requestKeys("resourceLogs", "scopeLogs", "logRecords", logKeys)
)

// requestKeys are those of a request: of resources, of scopes, of records.
func requestKeys(resources, scopes, records string, record keys) keys {
	scoped := keys{
		{"scope", 1, 1, one(scopeKeys.read)},
		{records, 2, 2, many(record.read)},
		{"schemaUrl", 3, 3, (*transcoder).text},
	}
	resource := keys{
		{"resource", 1, 1, one(resourceKeys.read)},
		{scopes, 2, 2, many(scoped.read)},
		{"schemaUrl", 3, 3, (*transcoder).text},
	}
	return keys{{resources, 1, 1, many(resource.read)}}
}

var resourceKeys = keys{
	{"attributes", 1, 1, many((*transcoder).attribute)},
	{"droppedAttributesCount", 2, 2, (*transcoder).count},
}

var scopeKeys = keys{
	{"name", 1, 1, (*transcoder).text},
	{"version", 2, 2, (*transcoder).text},
	{"attributes", 3, 3, many((*transcoder).attribute)},
	{"droppedAttributesCount", 4, 4, (*transcoder).count},
}

var spanKeys = keys{
	{"traceId", 1, 1, (*transcoder).traceID},
	{"spanId", 2, 2, (*transcoder).spanID},
	{"parentSpanId", 4, 4, (*transcoder).spanID},
	{"name", 5, 5, (*transcoder).text},
	{"kind", 6, 6, (*transcoder).number32},
	{"startTimeUnixNano", 7, 7, (*transcoder).fixed64},
	{"endTimeUnixNano", 8, 8, (*transcoder).fixed64},
	{"attributes", 9, 9, many((*transcoder).attribute)},
	{"events", 11, 11, many(eventKeys.read)},
	{"links", 13, 13, many(linkKeys.read)},
	{"status", 15, 15, one(statusKeys.read)},
	{"traceState", 3, 3, (*transcoder).text},
	{"flags", 16, 16, (*transcoder).count},
	{"droppedAttributesCount", 10, 10, (*transcoder).count},
	{"droppedEventsCount", 12, 12, (*transcoder).count},
	{"droppedLinksCount", 14, 14, (*transcoder).count},
}

var eventKeys = keys{
	{"timeUnixNano", 1, 1, (*transcoder).fixed64},
	{"name", 2, 2, (*transcoder).text},
	{"attributes", 3, 3, many((*transcoder).attribute)},
	{"droppedAttributesCount", 4, 4, (*transcoder).count},
}

var linkKeys = keys{
	{"traceId", 1, 1, (*transcoder).traceID},
	{"spanId", 2, 2, (*transcoder).spanID},
	{"traceState", 3, 3, (*transcoder).text},
	{"attributes", 4, 4, many((*transcoder).attribute)},
	{"droppedAttributesCount", 5, 5, (*transcoder).count},
	{"flags", 6, 6, (*transcoder).count},
}

var statusKeys = keys{
	{"message", 2, 2, (*transcoder).text},
	{"code", 3, 3, (*transcoder).number32},
}

var logKeys = keys{
	{"timeUnixNano", 1, 1, (*transcoder).fixed64},
	{"observedTimeUnixNano", 11, 11, (*transcoder).fixed64},
	{"severityNumber", 2, 2, (*transcoder).number32},
	{"severityText", 3, 3, (*transcoder).text},
	{"body", 5, 5, one((*transcoder).value)},
	{"attributes", 6, 6, many((*transcoder).attribute)},
	{"traceId", 9, 9, (*transcoder).traceID},
	{"spanId", 10, 10, (*transcoder).spanID},
	{"flags", 8, 8, (*transcoder).count},
	{"droppedAttributesCount", 7, 7, (*transcoder).count},
	{"eventName", 12, 12, (*transcoder).text},
}

// attribute is a method, as are the next, because values nest.
func (t *transcoder) attribute() {
	t.object(func(key string) int {
		switch key {
		case "key":
			t.text(1)
			return 1
		case "value":
			t.message(2, t.value)
			return 2
		}
		return 0
	})
}

// value writes an AnyValue. All its keys have one bit: a value has one of them.
func (t *transcoder) value() {
	t.object(func(key string) int {
		switch key {
		case "stringValue":
			t.text(1)
		case "boolValue":
			t.truth(2)
		case "intValue":
			t.integer(3)
		case "doubleValue":
			t.float(4)
		case "arrayValue":
			t.message(5, func() { t.values(t.value) })
		case "kvlistValue":
			t.message(6, func() { t.values(t.attribute) })
		default:
			return 0
		}
		return 1
	})
}

// values writes what an array or a list holds.
func (t *transcoder) values(element func()) {
	if t.depth++; t.depth > 8 {
		t.ok = false
		return
	}
	t.object(func(key string) int {
		if key == "values" {
			t.list(1, element)
			return 1
		}
		return 0
	})
	t.depth--
}
