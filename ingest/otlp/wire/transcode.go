package wire

// AppendTracesJSON appends a request of traces that is written in OTLP's JSON to dst, in
// protobuf. It knows the forms that exporters write, and says no to all others, even
// to valid ones (enumerations by name, bytes, lists of pairs, keys that come twice,
// escapes by number): those are for a complete decoder. Where it says yes, both have the
// same meaning. Nothing is kept of body; on no, what was appended is undefined.
func AppendTracesJSON(dst, body []byte) ([]byte, bool) {
	t := transcoder{in: body, out: dst, ok: true}
	t.object(func(key string) int {
		if key == "resourceSpans" {
			t.list(1, t.resourceSpans)
			return 1
		}
		return 0
	})
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

func (t *transcoder) resourceSpans() {
	t.object(func(key string) int {
		switch key {
		case "resource":
			t.message(1, t.resource)
			return 1
		case "scopeSpans":
			t.list(2, t.scopeSpans)
			return 2
		case "schemaUrl":
			t.text(3)
			return 3
		}
		return 0
	})
}

func (t *transcoder) resource() {
	t.object(func(key string) int {
		switch key {
		case "attributes":
			t.list(1, t.attribute)
			return 1
		case "droppedAttributesCount":
			t.count()
			return 2
		}
		return 0
	})
}

func (t *transcoder) scopeSpans() {
	t.object(func(key string) int {
		switch key {
		case "scope":
			t.message(1, t.scope)
			return 1
		case "spans":
			t.list(2, t.span)
			return 2
		case "schemaUrl":
			t.text(3)
			return 3
		}
		return 0
	})
}

func (t *transcoder) scope() {
	t.object(func(key string) int {
		switch key {
		case "name":
			t.text(1)
			return 1
		case "version":
			t.text(2)
			return 2
		case "attributes":
			t.list(3, t.attribute)
			return 3
		case "droppedAttributesCount":
			t.count()
			return 4
		}
		return 0
	})
}

func (t *transcoder) span() {
	t.object(func(key string) int {
		switch key {
		case "traceId":
			t.id(1, 16)
			return 1
		case "spanId":
			t.id(2, 8)
			return 2
		case "traceState":
			t.text(3)
			return 3
		case "parentSpanId":
			t.id(4, 8)
			return 4
		case "name":
			t.text(5)
			return 5
		case "kind":
			t.number32(6)
			return 6
		case "startTimeUnixNano":
			t.fixed64(7)
			return 7
		case "endTimeUnixNano":
			t.fixed64(8)
			return 8
		case "attributes":
			t.list(9, t.attribute)
			return 9
		case "events":
			t.list(11, t.event)
			return 11
		case "links":
			t.list(13, t.link)
			return 13
		case "status":
			t.message(15, t.status)
			return 15
		case "droppedAttributesCount":
			t.count()
			return 10
		case "droppedEventsCount":
			t.count()
			return 12
		case "droppedLinksCount":
			t.count()
			return 14
		case "flags":
			t.count()
			return 16
		}
		return 0
	})
}

func (t *transcoder) event() {
	t.object(func(key string) int {
		switch key {
		case "timeUnixNano":
			t.fixed64(1)
			return 1
		case "name":
			t.text(2)
			return 2
		case "attributes":
			t.list(3, t.attribute)
			return 3
		case "droppedAttributesCount":
			t.count()
			return 4
		}
		return 0
	})
}

func (t *transcoder) link() {
	t.object(func(key string) int {
		switch key {
		case "traceId":
			t.id(1, 16)
			return 1
		case "spanId":
			t.id(2, 8)
			return 2
		case "traceState":
			t.text(3)
			return 3
		case "attributes":
			t.list(4, t.attribute)
			return 4
		case "droppedAttributesCount":
			t.count()
			return 5
		case "flags":
			t.count()
			return 6
		}
		return 0
	})
}

func (t *transcoder) status() {
	t.object(func(key string) int {
		switch key {
		case "message":
			t.text(2)
			return 2
		case "code":
			t.number32(3)
			return 3
		}
		return 0
	})
}

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
			t.message(5, t.array)
		default:
			return 0
		}
		return 1
	})
}

func (t *transcoder) array() {
	if t.depth++; t.depth > 8 {
		t.ok = false
		return
	}
	t.object(func(key string) int {
		if key == "values" {
			t.list(1, t.value)
			return 1
		}
		return 0
	})
	t.depth--
}
