package dashboards

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"unship.dev"
	"unship.dev/decide/journal"
	"unship.dev/decide/report"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
	maxBody      = 64 << 10
	maxBy        = 200  // characters of a person's name
	maxComment   = 2000 // characters of a comment
)

type incidentList struct {
	Incidents []unship.Incident `json:"incidents"`
}

func (s *Server) listIncidents(w http.ResponseWriter, r *http.Request) {
	f, err := readFilter(r)
	if err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	list, err := s.opt.Source.Incidents(r.Context(), f)
	if err != nil {
		s.broken(w, r, "read the incidents", err)
		return
	}
	s.replyTagged(w, r, incidentList{orEmpty(list)})
}

func (s *Server) showIncident(w http.ResponseWriter, r *http.Request) {
	if in, ok := s.incident(w, r); ok {
		s.replyTagged(w, r, in)
	}
}

func (s *Server) showReport(w http.ResponseWriter, r *http.Request) {
	if in, ok := s.incident(w, r); ok {
		sendTagged(w, r, "text/markdown; charset=utf-8", []byte(report.Markdown(in)))
	}
}

// incident reads the incident that the path names, or answers that it cannot.
func (s *Server) incident(w http.ResponseWriter, r *http.Request) (unship.Incident, bool) {
	id := r.PathValue("id")
	in, err := s.opt.Source.Incident(r.Context(), id)
	switch {
	case errors.Is(err, journal.ErrNotFound):
		fail(w, http.StatusNotFound, "there is no incident %q; GET /api/v1/incidents lists them", id)
	case errors.Is(err, journal.ErrAmbiguous):
		fail(w, http.StatusConflict, "%v", err)
	case err != nil:
		s.broken(w, r, "read the incident", err)
	}
	return in, err == nil
}

// accepted tells what was recorded, and the incident as it stood before it.
type accepted struct {
	Answer   unship.Answer   `json:"answer"`
	Incident unship.Incident `json:"incident"`
}

func (s *Server) answer(kind string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.opt.Control == nil {
			fail(w, http.StatusConflict, "this server only shows what was recorded; ask the one that runs the pipeline")
			return
		}
		a, err := readAnswer(w, r)
		if err != nil {
			fail(w, http.StatusBadRequest, "%v", err)
			return
		}
		in, ok := s.incident(w, r)
		if !ok {
			return
		}
		a.Incident, a.Kind = in.ID, kind
		s.take(w, r, accepted{a, in})
	})
}

func (s *Server) take(w http.ResponseWriter, r *http.Request, a accepted) {
	err := s.opt.Control.Answer(r.Context(), a.Answer)
	switch {
	case errors.Is(err, ErrRefused):
		fail(w, http.StatusConflict, "%v", err)
	case err != nil:
		s.broken(w, r, "record the answer", err)
	default:
		s.log.Info("answer taken", "incident", a.Answer.Incident, "kind", a.Answer.Kind, "by", a.Answer.By)
		s.reply(w, r, http.StatusAccepted, a)
	}
}

// readAnswer reads {"by":"…","comment":"…"}; an empty body is an answer too.
func readAnswer(w http.ResponseWriter, r *http.Request) (a unship.Answer, err error) {
	var in struct{ By, Comment string }
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return a, fmt.Errorf("the body cannot be read (%w); send at most %d bytes", err, maxBody)
	}
	if len(body) > 0 {
		if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
			return a, fmt.Errorf("the content type is %q; send application/json", r.Header.Get("Content-Type"))
		}
		d := json.NewDecoder(strings.NewReader(string(body)))
		d.DisallowUnknownFields()
		err := d.Decode(&in)
		if err == nil && d.More() {
			err = errors.New("something follows it")
		}
		if err != nil {
			return a, fmt.Errorf(`the body is not {"by":"…","comment":"…"}: %w`, err)
		}
	}
	a.By, a.Comment = signed(plain(in.By), holder(r.Context())), plain(in.Comment)
	if utf8.RuneCountInString(a.By) > maxBy || utf8.RuneCountInString(a.Comment) > maxComment {
		return a, fmt.Errorf("by may have %d characters and comment %d", maxBy, maxComment)
	}
	return a, nil
}

// signed makes the audit trail's name from what a person claims to be called
// and the token that proves who let them in.
func signed(claimed, token string) string {
	switch {
	case token == "" && claimed == "":
		return "someone on this machine"
	case token == "" || claimed == token:
		return claimed
	case claimed == "":
		return token
	}
	return claimed + " (token " + token + ")"
}

// plain keeps text on one line: names and comments stand in reports and logs.
func plain(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�")))
}

func readFilter(r *http.Request) (journal.Filter, error) {
	q := r.URL.Query()
	f := journal.Filter{
		Environment: q.Get("environment"), Service: q.Get("service"),
		Status: unship.Status(q.Get("status")), Limit: defaultLimit,
	}
	for key := range q {
		switch key {
		case "environment", "service", "status", "limit":
		default:
			return f, fmt.Errorf("there is no parameter %q; have environment, service, status, limit", key)
		}
	}
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxLimit {
			return f, fmt.Errorf("limit is %q; want a whole number from 1 to %d", v, maxLimit)
		}
		f.Limit = n
	}
	return f, checkStatus(f.Status)
}

func checkStatus(s unship.Status) error {
	switch s {
	case "", unship.StatusOpen, unship.StatusMitigating, unship.StatusMitigated,
		unship.StatusResolved, unship.StatusEscalated, unship.StatusDismissed:
		return nil
	}
	return fmt.Errorf("status is %q; want open, mitigating, mitigated, resolved, escalated or dismissed", s)
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
