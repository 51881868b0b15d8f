package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"unship.dev"
)

// MaxBody is the length of a request from which it is refused.
const MaxBody = 1 << 20

// Handler receives announcements by POST and hands each to sink. It answers
//
//	202 {"accepted":[…],"ignored":["…"]}  what was understood
//	400 {"error":"…","mistakes":["…"]}    nothing of the message was taken
//	405, 413, 415 {"error":"…"}           not POST, beyond MaxBody, not JSON
//	503 {"error":"…"}                     sink did not take it; send it again
//
// A message sent again has the same ids, so that nothing counts twice.
func Handler(sink func(context.Context, unship.Announcement) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			refuse(w, http.StatusMethodNotAllowed, errors.New("send announcements by POST"))
			return
		}
		m, status, err := receive(w, r)
		if err != nil {
			refuse(w, status, err)
			return
		}
		for _, a := range m.Accepted {
			if err := sink(r.Context(), a); err != nil {
				w.Header().Set("Retry-After", "5")
				refuse(w, http.StatusServiceUnavailable, fmt.Errorf("take announcement %s of %s: %w; send it again", a.ID, a.ReleaseID, err))
				return
			}
		}
		answer(w, http.StatusAccepted, m)
	})
}

// receive reads the request's message; with an error comes the status to answer.
func receive(w http.ResponseWriter, r *http.Request) (message, int, error) {
	if err := checkContentType(r.Header.Get("Content-Type")); err != nil {
		return message{}, http.StatusUnsupportedMediaType, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return message{}, http.StatusRequestEntityTooLarge, fmt.Errorf("the body is longer than %d bytes; an announcement is short", MaxBody)
	}
	if err != nil {
		return message{}, http.StatusBadRequest, fmt.Errorf("read the body: %w", err)
	}
	var m message
	if r.Header.Get("Ce-Type") != "" || r.Header.Get("Ce-Id") != "" {
		m, err = parseBinary(r.Header, body, time.Now())
	} else {
		m, err = parse(r.Header.Get("Content-Type"), body, time.Now())
	}
	return m, http.StatusBadRequest, err
}

func refuse(w http.ResponseWriter, status int, err error) {
	out := struct {
		Error    string   `json:"error"`
		Mistakes []string `json:"mistakes,omitempty"`
	}{Error: err.Error()}
	if invalid, ok := errors.AsType[*Invalid](err); ok {
		out.Mistakes = invalid.Mistakes
	}
	answer(w, status, out)
}

func answer(w http.ResponseWriter, status int, what any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(what) // the sender has gone: nobody to tell
}
