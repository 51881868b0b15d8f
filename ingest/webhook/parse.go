// Package webhook reads the announcements of releases that CI/CD systems and
// shell scripts send.
//
// In goes JSON in one of three forms: a CDEvent about a service, a CloudEvent with
// one inside (structured, a batch, or binary with Ce- headers), or a plain object
//
//	{"service":"ledger","version":"1.1.0"}
//
// or, of a change without a new version (flag, config or infrastructure),
//
//	{"service":"ledger","change":"flag","name":"new-rates","value":"on","was":"off"}
//
// Out come [unship.Announcement] values. Their id is the sender's; where it gives
// none, a hash of what it sent, so that a request sent twice is one announcement.
//
// A CDEvent names a service by its subject's id. "shop/ledger" is the service
// ledger in the namespace shop: what is before the last slash is the namespace. The
// version comes from the package URL in artifactId: its tag, else what
// follows the @, which may be a digest. The version of the CDEvents
// specification does not matter: only the fields used here have to be there.
//
// Mistakes are named all at once, in an [*Invalid]. The functions keep no state and
// may be called concurrently.
package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"unship.dev"
)

// Invalid says what is wrong with a message, each mistake in a sentence of its own.
type Invalid struct {
	Mistakes []string
}

func (e *Invalid) Error() string { return "announcement refused: " + strings.Join(e.Mistakes, "; ") }

// errContentType is the error of a body that is not said to be JSON.
var errContentType = errors.New("content type is not JSON")

// Parse reads the announcements of one message. now stands in for a time that
// the sender left out; if it is zero, a missing time is a mistake. An event that is
// understood but announces no version of a service gives no announcement and no error.
func Parse(contentType string, body []byte, now time.Time) ([]unship.Announcement, error) {
	m, err := parse(contentType, body, now)
	return m.Accepted, err
}

// message is what was understood of a body.
type message struct {
	Accepted []unship.Announcement `json:"accepted"`
	Ignored  []string              `json:"ignored,omitempty"`
}

// maxBatch bounds the events of one message.
const maxBatch = 1000

func parse(contentType string, body []byte, now time.Time) (message, error) {
	if err := checkContentType(contentType); err != nil {
		return message{}, err
	}
	if !utf8.Valid(body) {
		return message{}, &Invalid{[]string{"the body is not UTF-8"}}
	}
	var events []json.RawMessage
	if body = bytes.TrimSpace(body); len(body) == 0 || body[0] != '[' {
		events = []json.RawMessage{body}
	} else if err := json.Unmarshal(body, &events); err != nil {
		return message{}, notJSON(err)
	}
	if len(events) > maxBatch {
		return message{}, &Invalid{[]string{fmt.Sprintf("the batch holds %d events; send at most %d at once", len(events), maxBatch)}}
	}
	out, wrong := message{Accepted: []unship.Announcement{}}, &Invalid{}
	for i, e := range events {
		a, ignored, mistakes := parseOne(e, envelope{}, now)
		if len(events) > 1 {
			mistakes = prefixed(fmt.Sprintf("event %d: ", i+1), mistakes)
		}
		wrong.Mistakes = append(wrong.Mistakes, mistakes...)
		out.add(a, ignored)
	}
	if len(wrong.Mistakes) > 0 {
		return message{}, wrong
	}
	return out, nil
}

func (m *message) add(a *unship.Announcement, ignored string) {
	if a != nil {
		m.Accepted = append(m.Accepted, *a)
	}
	if ignored != "" {
		m.Ignored = append(m.Ignored, ignored)
	}
}

func checkContentType(contentType string) error {
	if contentType == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
		return fmt.Errorf("%w: it is %q; send the header Content-Type: application/json", errContentType, contentType)
	}
	return nil
}

// parseOne reads one event of whichever form. It gives the announcement, or why
// there is none, or what is wrong.
func parseOne(body []byte, env envelope, now time.Time) (a *unship.Announcement, ignored string, mistakes []string) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(body, &keys); err != nil {
		return nil, "", notJSON(err).Mistakes
	}
	_, isCDEvent := keys["context"]
	_, isCloudEvent := keys["specversion"]
	switch {
	case isCDEvent:
		a, ignored, mistakes = parseCDEvent(body, env, now)
	case isCloudEvent && !env.Wrapped:
		return parseCloudEvent(body, now)
	default:
		a, mistakes = parsePlain(keys, env, now)
	}
	if a == nil || len(mistakes) > 0 {
		return nil, ignored, mistakes
	}
	if a.ID == "" {
		a.ID = hashOf(body)
	}
	return a, "", check(*a)
}

func notJSON(err error) *Invalid {
	if wrongType, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &Invalid{[]string{fmt.Sprintf("want a JSON object, not a %s", wrongType.Value)}}
	}
	return &Invalid{[]string{"the body is not JSON: " + err.Error()}}
}

func prefixed(prefix string, list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = prefix + s
	}
	return out
}

// hashOf stands in for an id. White space does not count.
func hashOf(body []byte) string {
	var compact bytes.Buffer
	if json.Compact(&compact, body) != nil {
		compact.Reset()
		compact.Write(body)
	}
	sum := sha256.Sum256(compact.Bytes())
	return "sha256:" + hex.EncodeToString(sum[:16])
}

// The lengths, in bytes, from which a name or a text is refused.
const (
	maxName = 256
	maxText = 2048
)

// check names what cannot be in an announcement of whichever form.
func check(a unship.Announcement) (mistakes []string) {
	need := func(what, s, where string) {
		if strings.TrimSpace(s) == "" {
			mistakes = append(mistakes, what+" is missing; "+where)
		}
	}
	need("service", a.Name, `give its service.name in "service" or, in a CDEvent, in subject.id`)
	if a.Change == (unship.Change{}) {
		need("version", a.Version, `give its service.version in "version" or, in a CDEvent, in the package URL subject.content.artifactId`)
	} else {
		mistakes = append(mistakes, checkChange(a)...)
	}
	for _, f := range []struct {
		name, value string
		most        int
	}{
		{"service", a.Name, maxName}, {"version", a.Version, maxName}, {"namespace", a.Namespace, maxName},
		{"environment", a.Environment, maxName}, {"id", a.ID, maxText}, {"by", a.By, maxText}, {"url", a.URL, maxText},
		{"revision", a.Revision, maxName}, {"schema_rev", a.SchemaRev, maxName},
		{"name", a.Change.Name, maxName}, {"value", a.Change.Value, maxName}, {"was", a.Change.Was, maxName},
	} {
		if len(f.value) > f.most {
			mistakes = append(mistakes, fmt.Sprintf("%s is %d bytes long; at most %d are taken", f.name, len(f.value), f.most))
		}
		if strings.ContainsFunc(f.value, unicode.IsControl) {
			mistakes = append(mistakes, f.name+" contains a control character")
		}
	}
	if a.At.IsZero() {
		mistakes = append(mistakes, `the time is missing; give it as RFC 3339 in "at" or, in a CDEvent, in context.timestamp`)
	} else if a.At.Year() < 1970 || a.At.Year() > 2261 {
		mistakes = append(mistakes, fmt.Sprintf("the time %s is not between 1970 and 2261", a.At.Format(time.RFC3339)))
	}
	return mistakes
}
