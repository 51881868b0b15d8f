package dashboards_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unship.dev"
	"unship.dev/dashboards"
	"unship.dev/dashboards/dashboardstest"
	"unship.dev/decide/journal"
	"unship.dev/decide/report"
)

// The journal is the source that the handlers were made for.
var _ dashboards.Source = (*journal.Store)(nil)

func full(t *testing.T) (*dashboardstest.Source, http.Handler) {
	t.Helper()
	var src dashboardstest.Source
	src.PutIncident(dashboardstest.Incident())
	for _, r := range dashboardstest.Releases() {
		src.PutRelease(r)
	}
	return &src, handler(t, options(&src))
}

func decode[T any](t *testing.T, body string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

func TestListsAndSingleIncidents(t *testing.T) {
	_, h := full(t)
	type lists struct {
		Incidents []unship.Incident
		Releases  []unship.ReleaseReport
	}
	for path, want := range map[string]int{
		"/api/v1/incidents":                         1,
		"/api/v1/incidents?status=open":             1,
		"/api/v1/incidents?status=resolved":         0,
		"/api/v1/incidents?environment=staging":     0,
		"/api/v1/incidents?service=ledger&limit=10": 1,
		"/api/v1/releases":                          3,
		"/api/v1/releases?limit=2":                  2,
		"/api/v1/releases?service=shop/cart":        1,
	} {
		w := answerTo(h, request("GET", path, ""))
		got := decode[lists](t, w.Body.String())
		if n := len(got.Incidents) + len(got.Releases); w.Code != 200 || n != want {
			t.Errorf("%s: %d with %d entries; want %d: %s", path, w.Code, n, want, w.Body)
		}
		if strings.Contains(w.Body.String(), "null") && want == 0 {
			t.Errorf("%s: %s; want an empty list, not null", path, w.Body)
		}
	}
	w := answerTo(h, request("GET", "/api/v1/incidents/inc-7f3a9c", ""))
	if diff := cmp.Diff(dashboardstest.Incident(), decode[unship.Incident](t, w.Body.String())); diff != "" {
		t.Errorf("incident (-want +got):\n%s", diff)
	}
	w = answerTo(h, request("GET", "/api/v1/incidents/inc-7f3a9c/report.md", ""))
	if got, want := w.Body.String(), report.Markdown(dashboardstest.Incident()); got != want || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/markdown") {
		t.Errorf("report %q (%v); want %q", got, w.Header(), want)
	}
}

func TestWhatIsWrongIsSaidInJSON(t *testing.T) {
	_, h := full(t)
	for _, c := range []struct {
		method, path, body string
		code               int
		says               string
	}{
		{"GET", "/api/v1/incidents?status=broken", "", 400, "mitigating"},
		{"GET", "/api/v1/incidents?limit=0", "", 400, "1 to 1000"},
		{"GET", "/api/v1/incidents?servcie=x", "", 400, "have environment, service"},
		{"GET", "/api/v1/releases?status=open", "", 400, "no status"},
		{"GET", "/api/v1/incidents/nope", "", 404, "lists them"},
		{"GET", "/api/v1/incidents/nope/report.md", "", 404, "lists them"},
		{"POST", "/api/v1/incidents/nope/approve", "", 404, "lists them"},
		{"POST", "/api/v1/incidents/inc-7f3a9c/explode", "", 404, "/api/v1"},
		{"POST", approve, `{"by":1}`, 400, `{"by":"…","comment":"…"}`},
		{"POST", approve, `{"who":"Ada"}`, 400, "unknown field"},
		{"POST", approve, `{} {}`, 400, "the body"},
		{"POST", approve, `{"comment":"` + strings.Repeat("x", 3000) + `"}`, 400, "2000"},
		{"POST", approve, strings.Repeat(" ", 70_000), 400, "65536"},
		{"GET", "/api/v1/releases/gate?service=ledger", "", 400, "version"},
		{"GET", "/api/v1/releases/gate?service=l&version=1&wait=1h", "", 400, "10m"},
		{"GET", "/metrics", "", 404, "no GET /metrics"},
		{"GET", "/nowhere", "", 404, "/api/v1"},
	} {
		w := answerTo(h, request(c.method, c.path, c.body))
		got := decode[struct{ Error string }](t, w.Body.String())
		if w.Code != c.code || !strings.Contains(got.Error, c.says) {
			t.Errorf("%s %s: %d %q; want %d and %q in it", c.method, c.path, w.Code, got.Error, c.code, c.says)
		}
	}
	r := request("POST", approve, `{"by":"Ada"}`)
	r.Header.Set("Content-Type", "text/plain")
	if w := answerTo(h, r); w.Code != 400 || !strings.Contains(w.Body.String(), "application/json") {
		t.Errorf("a form's body: %d %s; want it refused", w.Code, w.Body)
	}
}

func TestAnswersAreRecordedWithWhoAndWhy(t *testing.T) {
	src, h := full(t)
	for _, kind := range []string{"approve", "reject", "undo"} {
		w := answerTo(h, request("POST", "/api/v1/incidents/inc-7f3a9c/"+kind, `{"by":" Ada\nLovelace ","comment":"why\tnot"}`))
		if w.Code != http.StatusAccepted {
			t.Fatalf("%s: %d %s", kind, w.Code, w.Body)
		}
	}
	if w := answerTo(h, request("POST", approve, "")); w.Code != http.StatusAccepted {
		t.Fatalf("without a body: %d %s", w.Code, w.Body)
	}
	const id = "inc-7f3a9c"
	want := []unship.Answer{
		{Incident: id, Kind: unship.AnswerApprove, By: "Ada Lovelace", Comment: "why not"},
		{Incident: id, Kind: unship.AnswerReject, By: "Ada Lovelace", Comment: "why not"},
		{Incident: id, Kind: unship.AnswerUndo, By: "Ada Lovelace", Comment: "why not"},
		{Incident: id, Kind: unship.AnswerApprove, By: "someone on this machine"},
	}
	if diff := cmp.Diff(want, src.Answers()); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestTheNameOnATokenIsKeptBesideTheClaimedOne(t *testing.T) {
	src, _ := full(t)
	o := options(src)
	o.Tokens = []dashboards.Token{{Name: "on-call", Secret: "actor-secret-01234", Role: dashboards.RoleAct}}
	r := request("POST", approve, `{"by":"Ada"}`)
	r.Header.Set("Authorization", "Bearer actor-secret-01234")
	answerTo(handler(t, o), r)
	if got := src.Answers(); len(got) != 1 || got[0].By != "Ada (token on-call)" {
		t.Errorf("answers %+v; want both names", got)
	}
}

func TestAnswersThatCannotBeTaken(t *testing.T) {
	src, h := full(t)
	src.Refuse(fmt.Errorf("%w: the incident is resolved", dashboards.ErrRefused))
	if w := answerTo(h, request("POST", approve, "")); w.Code != 409 || !strings.Contains(w.Body.String(), "the incident is resolved") {
		t.Errorf("refused: %d %s; want 409 and why", w.Code, w.Body)
	}
	src.Refuse(errors.New("disk /secret/path is full"))
	if w := answerTo(h, request("POST", approve, "")); w.Code != 503 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("broken: %d %s; want 503 without the cause", w.Code, w.Body)
	}
	o := options(src)
	o.Control = nil
	if w := answerTo(handler(t, o), request("POST", approve, "")); w.Code != 409 {
		t.Errorf("without a pipeline: %d %s; want 409", w.Code, w.Body)
	}
}

func TestUnchangedListsAreNotSentAgain(t *testing.T) {
	src, h := full(t)
	first := answerTo(h, request("GET", "/api/v1/releases", ""))
	again := request("GET", "/api/v1/releases", "")
	again.Header.Set("If-None-Match", first.Header().Get("ETag"))
	if w := answerTo(h, again); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("unchanged: %d with %d bytes; want 304 and none", w.Code, w.Body.Len())
	}
	changed := dashboardstest.Release()
	changed.LogE++
	src.PutRelease(changed)
	if w := answerTo(h, again); w.Code != 200 {
		t.Errorf("changed: %d; want 200", w.Code)
	}
}

func TestLargeListsTravelCompressed(t *testing.T) {
	_, h := full(t)
	r := request("GET", "/api/v1/releases", "")
	r.Header.Set("Accept-Encoding", "gzip")
	w := answerTo(h, r)
	if w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("headers %v; want gzip", w.Header())
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Releases []unship.ReleaseReport }
	if err := json.NewDecoder(z).Decode(&list); err != nil || len(list.Releases) != 3 {
		t.Errorf("%d releases, %v; want 3", len(list.Releases), err)
	}
}

func TestReadinessAndMountedHandlers(t *testing.T) {
	src, _ := full(t)
	o := options(src)
	o.Status = func() dashboards.Status { return dashboards.Status{NotReady: "the journal is being read"} }
	o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "unship_ticks_total 1") })
	o.Announcements = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	h := handler(t, o)
	for path, want := range map[string]int{
		"GET /readyz": 503, "GET /healthz": 200, "GET /api/v1/status": 200, "GET /metrics": 200, "POST /api/v1/announcements": http.StatusTeapot,
	} {
		method, path, _ := strings.Cut(path, " ")
		if w := answerTo(h, request(method, path, "")); w.Code != want {
			t.Errorf("%s: %d %s; want %d", path, w.Code, w.Body, want)
		}
	}
}
