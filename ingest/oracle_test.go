package ingest

import (
	"google.golang.org/protobuf/encoding/protowire"

	"unship.dev/ingest/otlp/wire"
)

// The oracle pdata is more lenient than a decoder may be that is to refuse what can be
// read in two ways, and it goes as deep as a message does. What it is asked about is
// checked here, by another library.

// The messages on the way from a request to its attribute values, and the other ones.
const (
	msgResourceSpans wire.Message = iota + 10
	msgResourceMetrics
	msgResourceLogs
	msgResource
	msgScopeSpans
	msgScopeMetrics
	msgScopeLogs
	msgScope
	msgSpan
	msgEvent
	msgSpanLink
	msgLogRecord
	msgMetric
	msgGaugeOrSum
	msgHistogram
	msgExponential
	msgSummary
	msgNumberPoint
	msgHistogramPoint
	msgExponentialPoint
	msgSummaryPoint
	msgExemplar
	msgKeyValue
	msgAnyValue
	msgArrayValue
	msgKeyValueList
	msgEntityRef
	msgStatus
	msgBuckets
	msgValueAtQuantile
)

// inside gives the message that a field holds, 0 if nothing in it nests.
// The numbers are those of opentelemetry-proto.
func inside(m wire.Message, field protowire.Number) wire.Message {
	switch m {
	case wire.Traces, wire.Metrics, wire.Logs:
		return pick(field, 1, msgResourceSpans+m-wire.Traces)
	case msgResourceSpans, msgResourceMetrics, msgResourceLogs:
		if field == 1 {
			return msgResource
		}
		if field == 1000 { // before version 0.15: decoders still read it
			field = 2
		}
		return pick(field, 2, msgScopeSpans+m-msgResourceSpans)
	case msgResource:
		if field == 3 {
			return msgEntityRef
		}
		return pick(field, 1, msgKeyValue)
	case msgScope:
		return pick(field, 3, msgKeyValue)
	case msgScopeSpans, msgScopeMetrics, msgScopeLogs:
		if field == 1 {
			return msgScope
		}
		return pick(field, 2, [...]wire.Message{msgSpan, msgMetric, msgLogRecord}[m-msgScopeSpans])
	case msgKeyValue:
		return pick(field, 2, msgAnyValue)
	case msgAnyValue:
		if field == 5 {
			return msgArrayValue
		}
		return pick(field, 6, msgKeyValueList)
	case msgArrayValue:
		return pick(field, 1, msgAnyValue)
	case msgKeyValueList:
		return pick(field, 1, msgKeyValue)
	case msgSpan, msgEvent, msgSpanLink, msgLogRecord:
		return insideRecord(m, field)
	}
	return insideMetric(m, field)
}

func insideRecord(m wire.Message, field protowire.Number) wire.Message {
	switch {
	case m == msgSpan && field == 9, m == msgEvent && field == 3, m == msgSpanLink && field == 4, m == msgLogRecord && field == 6:
		return msgKeyValue
	case m == msgSpan && field == 11:
		return msgEvent
	case m == msgSpan && field == 13:
		return msgSpanLink
	case m == msgSpan && field == 15:
		return msgStatus
	case m == msgLogRecord && field == 5:
		return msgAnyValue
	}
	return 0
}

func insideMetric(m wire.Message, field protowire.Number) wire.Message {
	switch m {
	case msgMetric:
		switch field {
		case 5, 7:
			return msgGaugeOrSum
		case 9:
			return msgHistogram
		case 10:
			return msgExponential
		case 11:
			return msgSummary
		}
		return pick(field, 12, msgKeyValue)
	case msgGaugeOrSum, msgHistogram, msgExponential, msgSummary:
		return pick(field, 1, msgNumberPoint+m-msgGaugeOrSum)
	case msgNumberPoint, msgSummaryPoint, msgExemplar:
		switch {
		case field == 5 && m == msgNumberPoint:
			return msgExemplar
		case field == 6 && m == msgSummaryPoint:
			return msgValueAtQuantile
		}
		return pick(field, 7, msgKeyValue)
	case msgHistogramPoint:
		if field == 8 {
			return msgExemplar
		}
		return pick(field, 9, msgKeyValue)
	case msgExponentialPoint:
		switch field {
		case 8, 9:
			return msgBuckets
		case 11:
			return msgExemplar
		}
		return pick(field, 1, msgKeyValue)
	}
	return 0
}

func pick(field, want protowire.Number, m wire.Message) wire.Message {
	if field == want {
		return m
	}
	return 0
}

// checkDepth says whether a request is nested too deep. What it cannot read it
// refuses: a decoder that is more lenient, with a number beyond 32 bits, a varint that
// overflows or the end of a group, would go down where this did not look.
func checkDepth(m wire.Message, body []byte) error { return check(m, body, 0) }

func check(m wire.Message, b []byte, depth int) error {
	if m == msgAnyValue {
		if depth++; depth > wire.MaxDepth {
			return wire.ErrTooDeep
		}
	}
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 || kind == protowire.StartGroupType {
			return wire.ErrMalformed
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(field, kind, b); n < 0 {
			return wire.ErrMalformed
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
