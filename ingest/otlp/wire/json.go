package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// Message is a kind of OTLP message.
type Message uint8

// The requests.
const (
	Traces Message = iota + 1
	Metrics
	Logs
)

// ErrNoJSON says that a body with many brackets is not JSON, or nested beyond any use.
var ErrNoJSON = errors.New("the body is not valid JSON, or is nested more than 10000 deep")

// fewBrackets are too few to overflow a stack, however they are placed.
const fewBrackets = 10_000

// AppendJSON appends a request in OTLP's JSON to dst, in protobuf. Nothing is kept of
// body. Forms that exporters do not write are read by pdata.
func AppendJSON(dst []byte, m Message, body []byte) ([]byte, error) {
	if message, ok := Transcode(dst, m, body); ok {
		return message, nil
	}
	if err := checkJSON(body); err != nil {
		return nil, err
	}
	message, err := byPdata(m, body)
	if err != nil {
		return nil, err
	}
	return append(dst, message...), nil
}

// Transcode is AppendJSON for the forms that exporters write, and says no to all others.
// Then what was appended is undefined.
func Transcode(dst []byte, m Message, body []byte) ([]byte, bool) {
	switch m {
	case Traces:
		return transcode(dst, body, tracesKeys)
	case Metrics:
		return transcode(dst, body, metricsKeys)
	case Logs:
		return transcode(dst, body, logsKeys)
	}
	return dst, false
}

// checkJSON says whether a request in JSON can be decoded by pdata without harm. Each level
// of values needs a bracket, so few of them need no second look. Otherwise the body has
// to be valid: the decoder goes on behind mistakes and could take text for structure.
func checkJSON(body []byte) error {
	if bytes.Count(body, []byte("[")) > fewBrackets && !json.Valid(body) {
		return ErrNoJSON
	}
	return nil
}

// byPdata turns JSON into protobuf. The decoder is not ours: should it panic on some
// input, that input is malformed and the process goes on.
func byPdata(m Message, body []byte) (message []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decoder gave up: %v", p)
		}
	}()
	var request interface {
		UnmarshalJSON([]byte) error
		MarshalProto() ([]byte, error)
	}
	switch m {
	case Traces:
		request = ptraceotlp.NewExportRequest()
	case Metrics:
		request = pmetricotlp.NewExportRequest()
	case Logs:
		request = plogotlp.NewExportRequest()
	default:
		return nil, fmt.Errorf("message %d is unknown", m)
	}
	if err := request.UnmarshalJSON(body); err != nil {
		return nil, err
	}
	return request.MarshalProto()
}
