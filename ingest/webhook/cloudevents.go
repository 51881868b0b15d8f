package webhook

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"unship.dev"
)

// envelope is what a CloudEvent tells around its data. The data's own word counts more.
type envelope struct {
	ID      string
	Time    time.Time
	Wrapped bool // there is one: another inside it is not looked for
}

func (e envelope) at(now time.Time) time.Time {
	if !e.Time.IsZero() {
		return e.Time.UTC()
	}
	return now.UTC()
}

// parseCloudEvent reads the structured form: the envelope and the data in one object.
func parseCloudEvent(body []byte, now time.Time) (a *unship.Announcement, ignored string, mistakes []string) {
	var e struct {
		ID         string          `json:"id"`
		Type       string          `json:"type"`
		Time       string          `json:"time"`
		Data       json.RawMessage `json:"data"`
		DataBase64 string          `json:"data_base64"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, "", []string{"the event is not a CloudEvent: " + err.Error()}
	}
	if foreign(e.Type) {
		return nil, fmt.Sprintf("%s announces no version of a service", shorten(e.Type)), nil
	}
	if e.DataBase64 != "" {
		data, err := base64.StdEncoding.DecodeString(e.DataBase64)
		if err != nil {
			return nil, "", []string{"data_base64 is not base64: " + err.Error()}
		}
		e.Data = data
	}
	if len(e.Data) == 0 {
		return nil, "", []string{"the CloudEvent has no data; want the CDEvent in it"}
	}
	env, err := newEnvelope(e.ID, e.Time)
	if err != nil {
		return nil, "", []string{err.Error()}
	}
	return parseOne(e.Data, env, now)
}

// foreign says that a CloudEvent's type is of something that is no business of
// ours. A type of one's own around the plain form is accepted.
func foreign(eventType string) bool {
	rest, ok := strings.CutPrefix(eventType, typePrefix)
	return ok && !strings.HasPrefix(rest, "service.")
}

func newEnvelope(id, at string) (envelope, error) {
	if at == "" {
		return envelope{ID: id, Wrapped: true}, nil
	}
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return envelope{}, fmt.Errorf("the CloudEvent's time is %q; want a time as RFC 3339", shorten(at))
	}
	return envelope{ID: id, Time: t, Wrapped: true}, nil
}

// parseBinary reads a CloudEvent whose envelope is in the headers of the request.
func parseBinary(h http.Header, body []byte, now time.Time) (message, error) {
	if err := checkContentType(h.Get("Content-Type")); err != nil {
		return message{}, err
	}
	out := message{Accepted: []unship.Announcement{}}
	if t := h.Get("Ce-Type"); foreign(t) {
		out.add(nil, fmt.Sprintf("%s announces no version of a service", shorten(t)))
		return out, nil
	}
	env, err := newEnvelope(h.Get("Ce-Id"), h.Get("Ce-Time"))
	if err != nil {
		return message{}, &Invalid{[]string{err.Error()}}
	}
	a, ignored, mistakes := parseOne(body, env, now)
	if len(mistakes) > 0 {
		return message{}, &Invalid{mistakes}
	}
	out.add(a, ignored)
	return out, nil
}
