package otlp

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// newHTTP makes the HTTP server.
func (s *Server) newHTTP() *http.Server {
	mux := http.NewServeMux()
	for _, signal := range []Signal{Traces, Metrics, Logs} {
		mux.HandleFunc("/v1/"+signal.String(), func(w http.ResponseWriter, r *http.Request) { s.serveHTTP(w, r, signal) })
	}
	h := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second, // of one whole request
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       5 * time.Minute, // exporters keep connections
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.opt.Logger.Handler(), slog.LevelDebug),
	}
	if s.opt.TLS != nil {
		h.TLSConfig = s.opt.TLS.Clone()
		h.TLSConfig.NextProtos = []string{"h2", "http/1.1"}
	}
	return h
}

// httpError is an answer with a status of its own.
type httpError struct {
	code int
	err  error
}

func (e httpError) Error() string { return e.err.Error() }

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request, signal Signal) {
	encoding, answer, err := s.exportHTTP(r, signal)
	if err != nil {
		s.answerError(w, encoding, err)
		return
	}
	w.Header().Set("Content-Type", contentType(encoding))
	w.WriteHeader(http.StatusOK)
	s.write(w, answer)
}

func (s *Server) exportHTTP(r *http.Request, signal Signal) (Encoding, []byte, error) {
	encoding, err := encodingOf(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost {
		return max(encoding, Protobuf), nil, httpError{http.StatusMethodNotAllowed, fmt.Errorf("method %s: want POST", r.Method)}
	}
	if !s.tokens.allow(r.Header.Get("Authorization")) {
		return max(encoding, Protobuf), nil, httpError{http.StatusUnauthorized, errors.New("missing or wrong bearer token in Authorization")}
	}
	if err != nil {
		return Protobuf, nil, httpError{http.StatusUnsupportedMediaType, err}
	}
	body, compression, err := s.readBody(r)
	if err != nil {
		return encoding, nil, err
	}
	defer shared.Put(body)
	answer, err := s.exporter.export(signal, encoding, compression, *body)
	return encoding, answer, err
}

// readBody reads a body as it came, into a buffer that the caller puts back. Neither the
// compressed nor the plain form may be larger than a message may be.
func (s *Server) readBody(r *http.Request) (body *[]byte, compression string, err error) {
	compression = strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	switch compression {
	case "", "identity":
		compression = ""
	case "gzip", "zstd":
	default:
		return nil, "", httpError{http.StatusUnsupportedMediaType, fmt.Errorf("content encoding %q: want gzip, zstd or none", compression)}
	}
	limit := s.opt.MaxMessageBytes
	if r.ContentLength > int64(limit) {
		return nil, "", httpError{http.StatusRequestEntityTooLarge, tooLarge(limit)}
	}
	const believed = 1 << 20 // of what a sender says that it will send
	body, err = shared.readAll(r.Body, int(min(max(r.ContentLength, 0), believed)), limit)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, "", httpError{http.StatusRequestEntityTooLarge, tooLarge(limit)}
	case err != nil:
		return nil, "", httpError{http.StatusBadRequest, fmt.Errorf("read body: %w", err)}
	}
	return body, compression, nil
}

func encodingOf(contentType string) (Encoding, error) {
	if contentType == "application/x-protobuf" {
		return Protobuf, nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err == nil && media == "application/x-protobuf":
		return Protobuf, nil
	case err == nil && media == "application/json":
		return JSON, nil
	}
	return 0, fmt.Errorf("content type %q: want application/x-protobuf or application/json", contentType)
}

func contentType(e Encoding) string {
	if e == JSON {
		return "application/json"
	}
	return "application/x-protobuf"
}

// answerError answers with a google.rpc.Status in the request's encoding.
func (s *Server) answerError(w http.ResponseWriter, encoding Encoding, err error) {
	st := status.Convert(err)
	code := httpCode(st.Code())
	if errors.Is(err, errTooLarge) {
		code = http.StatusRequestEntityTooLarge
	}
	var own httpError
	if errors.As(err, &own) {
		code, st = own.code, status.New(codeOf(own.code), printable(own.Error()))
	}
	marshal := proto.Marshal
	if encoding == JSON {
		marshal = protojson.Marshal
	}
	body, err := marshal(st.Proto())
	if err != nil {
		body = nil
	}
	h := w.Header()
	h.Set("Content-Type", contentType(encoding))
	switch code {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
	case http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodPost)
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusRequestEntityTooLarge:
		h.Set("Connection", "close")
	}
	w.WriteHeader(code)
	s.write(w, body)
}

func httpCode(c codes.Code) int {
	switch c {
	case codes.InvalidArgument:
		return http.StatusBadRequest
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func codeOf(httpCode int) codes.Code {
	switch httpCode {
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusRequestEntityTooLarge:
		return codes.ResourceExhausted
	}
	return codes.InvalidArgument
}

func (s *Server) write(w io.Writer, body []byte) {
	if _, err := w.Write(body); err != nil {
		s.opt.Logger.Debug("answer OTLP request", "err", err)
	}
}
