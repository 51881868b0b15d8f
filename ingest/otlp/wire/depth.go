// Package wire looks at OTLP as bytes, before anything is built of them.
//
// [CheckDepth] reads a request in protobuf once, without allocating, and says whether
// its attribute values are nested deeper than anybody nests them; [CheckJSON] does so
// for JSON. Decoders are recursive: without the check one message of some megabytes
// overflows the stack, and that ends a Go process. Both are safe for concurrent use.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// MaxDepth is how deep attribute values may be nested.
const MaxDepth = 64

// ErrTooDeep says that values are nested deeper than MaxDepth.
var ErrTooDeep = errors.New("attribute values are nested more than 64 deep")

// ErrMalformed says that a message is no OTLP: bytes of no field, a field of another
// type, an id of another length; or bytes that could be read in two ways.
var ErrMalformed = errors.New("the message is no well-formed OTLP in protobuf")

// ErrNoJSON says that a body with many brackets is not JSON, or nested beyond any use.
var ErrNoJSON = errors.New("the body is not valid JSON, or is nested more than 10000 deep")

// fewBrackets are too few to overflow a stack, however they are placed.
const fewBrackets = 10_000

// Message is a kind of OTLP message.
type Message uint8

// The requests.
const (
	Traces Message = iota + 1
	Metrics
	Logs
)

// The messages on the way from a request to its attribute values, and the other ones.
const (
	resourceSpans Message = iota + 10
	resourceMetrics
	resourceLogs
	resource
	scopeSpans
	scopeMetrics
	scopeLogs
	scope
	span
	event
	spanLink
	logRecord
	metric
	gaugeOrSum
	histogram
	exponential
	summary
	numberPoint
	histogramPoint
	exponentialPoint
	summaryPoint
	exemplar
	keyValue
	anyValue
	arrayValue
	keyValueList
	entityRef
	status
	buckets
	valueAtQuantile
)

// inside gives the message that a field holds, 0 if nothing in it nests.
// The numbers are those of opentelemetry-proto.
func inside(m Message, field protowire.Number) Message {
	switch m {
	case Traces, Metrics, Logs:
		return pick(field, 1, resourceSpans+m-Traces)
	case resourceSpans, resourceMetrics, resourceLogs:
		if field == 1 {
			return resource
		}
		if field == 1000 { // before version 0.15: decoders still read it
			field = 2
		}
		return pick(field, 2, scopeSpans+m-resourceSpans)
	case resource:
		if field == 3 {
			return entityRef
		}
		return pick(field, 1, keyValue)
	case scope:
		return pick(field, 3, keyValue)
	case scopeSpans, scopeMetrics, scopeLogs:
		if field == 1 {
			return scope
		}
		return pick(field, 2, [...]Message{span, metric, logRecord}[m-scopeSpans])
	case keyValue:
		return pick(field, 2, anyValue)
	case anyValue:
		if field == 5 {
			return arrayValue
		}
		return pick(field, 6, keyValueList)
	case arrayValue:
		return pick(field, 1, anyValue)
	case keyValueList:
		return pick(field, 1, keyValue)
	case span, event, spanLink, logRecord:
		return insideRecord(m, field)
	}
	return insideMetric(m, field)
}

func insideRecord(m Message, field protowire.Number) Message {
	switch {
	case m == span && field == 9, m == event && field == 3, m == spanLink && field == 4, m == logRecord && field == 6:
		return keyValue
	case m == span && field == 11:
		return event
	case m == span && field == 13:
		return spanLink
	case m == span && field == 15:
		return status
	case m == logRecord && field == 5:
		return anyValue
	}
	return 0
}

func insideMetric(m Message, field protowire.Number) Message {
	switch m {
	case metric:
		switch field {
		case 5, 7:
			return gaugeOrSum
		case 9:
			return histogram
		case 10:
			return exponential
		case 11:
			return summary
		}
		return pick(field, 12, keyValue)
	case gaugeOrSum, histogram, exponential, summary:
		return pick(field, 1, numberPoint+m-gaugeOrSum)
	case numberPoint, summaryPoint, exemplar:
		switch {
		case field == 5 && m == numberPoint:
			return exemplar
		case field == 6 && m == summaryPoint:
			return valueAtQuantile
		}
		return pick(field, 7, keyValue)
	case histogramPoint:
		if field == 8 {
			return exemplar
		}
		return pick(field, 9, keyValue)
	case exponentialPoint:
		switch field {
		case 8, 9:
			return buckets
		case 11:
			return exemplar
		}
		return pick(field, 1, keyValue)
	}
	return 0
}

func pick(field, want protowire.Number, m Message) Message {
	if field == want {
		return m
	}
	return 0
}

// CheckDepth says whether a request is nested too deep. What it cannot read it
// refuses: a decoder that is more lenient, with a number beyond 32 bits, a varint that
// overflows or the end of a group, would go down where this did not look.
func CheckDepth(m Message, body []byte) error { return check(m, body, 0) }

func check(m Message, b []byte, depth int) error {
	if m == anyValue {
		if depth++; depth > MaxDepth {
			return ErrTooDeep
		}
	}
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 || kind == protowire.StartGroupType {
			return ErrMalformed
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(field, kind, b); n < 0 {
			return ErrMalformed
		}
		if next := inside(m, field); next != 0 && kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(b)
			if err := check(next, value, depth); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}

// CheckJSON says whether a request in JSON can be decoded without harm. Each level of
// values needs a bracket, so few of them need no second look. Otherwise the body has
// to be valid: the decoder goes on behind mistakes and could take text for structure.
func CheckJSON(body []byte) error {
	if bytes.Count(body, []byte("[")) > fewBrackets && !json.Valid(body) {
		return ErrNoJSON
	}
	return nil
}
