package dashboards

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
)

// problem is the JSON form of every error.
type problem struct {
	Error      string `json:"error"`
	Candidates any    `json:"candidates,omitempty"`
}

func fail(w http.ResponseWriter, code int, format string, args ...any) {
	failWith(w, code, problem{Error: fmt.Sprintf(format, args...)})
}

func failWith(w http.ResponseWriter, code int, p problem) {
	body, _ := json.Marshal(p) // a problem is made of texts
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // the asker may have left
}

// broken reports a failure of ours: in the log with its cause, to the asker without.
func (s *Server) broken(w http.ResponseWriter, r *http.Request, what string, err error) {
	if r.Context().Err() != nil {
		return // the asker has left: nothing is broken
	}
	s.log.Error("request not answered", "http.route", r.Pattern, "tried", what, "error", err)
	fail(w, http.StatusServiceUnavailable, "cannot %s now; the server's log says why; try again", what)
}

// reply sends v as it is at this moment.
func (s *Server) reply(w http.ResponseWriter, r *http.Request, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.broken(w, r, "write the answer", err)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
}

// replyTagged sends v with an entity tag, so that who asks again for what has
// not changed is told so in a few bytes.
func (s *Server) replyTagged(w http.ResponseWriter, r *http.Request, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.broken(w, r, "write the answer", err)
		return
	}
	sendTagged(w, r, "application/json; charset=utf-8", append(body, '\n'))
}

func sendTagged(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	tag := etag(body)
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "private, no-cache")
	h.Add("Vary", "Authorization")
	h.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(body)
}

// etag is weak: the same content may travel compressed or not.
func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

func notFound(w http.ResponseWriter, r *http.Request) {
	fail(w, http.StatusNotFound, "there is no %s %s; the API is under /api/v1: incidents, releases, releases/gate, announcements, status, events", r.Method, r.URL.Path)
}

// secure sets the headers that keep hostile text in telemetry from becoming code.
func secure(h http.Handler) http.Handler {
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.ServeHTTP(w, r)
	})
}
