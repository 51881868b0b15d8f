// Package wire looks at OTLP as bytes, before anything is built of them.
//
// A [Reader] walks the fields of a message in protobuf. [AppendJSON] turns a request in
// JSON into protobuf, so that there is one way to read either. All of it is safe for
// concurrent use, but for a Reader.
package wire

import "errors"

// MaxDepth is how deep attribute values may be nested. Decoders are recursive: without a
// bound one message of some megabytes overflows the stack, and that ends a Go process.
const MaxDepth = 64

// ErrTooDeep says that values are nested deeper than MaxDepth.
var ErrTooDeep = errors.New("attribute values are nested more than 64 deep")

// ErrMalformed says that a message is no OTLP: bytes of no field, a field of another
// type, an id of another length; or bytes that could be read in two ways.
var ErrMalformed = errors.New("the message is no well-formed OTLP in protobuf")
