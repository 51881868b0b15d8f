package dashboards_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"unship.dev/dashboards"
	"unship.dev/dashboards/dashboardstest"
)

func options(src *dashboardstest.Source) dashboards.Options {
	return dashboards.Options{
		Source: src, Control: src, Subscribe: src.Subscribe,
		Status: func() dashboards.Status { return dashboards.Status{Watermark: dashboardstest.At()} },
	}
}

func handler(t *testing.T, o dashboards.Options) http.Handler {
	t.Helper()
	s, err := dashboards.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s.Handler()
}

// request is one from a program on this machine, to be changed.
func request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, "http://localhost:8080"+target, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:50000"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func answerTo(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const approve = "/api/v1/incidents/inc-7f3a9c/approve"

func TestWithoutTokensOnlyThisMachineIsServed(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		ok     bool
	}{
		{"a program here", func(*http.Request) {}, true},
		{"over IPv6", func(r *http.Request) { r.RemoteAddr = "[::1]:50000"; r.Host = "[::1]:8080" }, true},
		{"over IPv4 in IPv6", func(r *http.Request) { r.RemoteAddr = "[::ffff:127.0.0.1]:50000" }, true},
		{"by another loopback name", func(r *http.Request) { r.Host = "unship.localhost:8080" }, true},
		{"our own page", func(r *http.Request) {
			r.Header.Set("Origin", "http://localhost:8080")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}, true},
		{"another machine", func(r *http.Request) { r.RemoteAddr = "10.0.0.7:50000" }, false},
		{"no address", func(r *http.Request) { r.RemoteAddr = "@" }, false},
		{"a proxy here (X-Forwarded-For)", func(r *http.Request) { r.Header.Set("X-Forwarded-For", "10.0.0.7") }, false},
		{"a proxy here (X-Forwarded-Host)", func(r *http.Request) { r.Header.Set("X-Forwarded-Host", "localhost") }, false},
		{"a proxy here (Forwarded)", func(r *http.Request) { r.Header.Set("Forwarded", "for=127.0.0.1") }, false},
		{"a name rebound to this machine", func(r *http.Request) { r.Host = "evil.example:8080" }, false},
		{"a name that begins as loopback", func(r *http.Request) { r.Host = "localhost.evil.example" }, false},
		{"an address that begins as loopback", func(r *http.Request) { r.Host = "127.0.0.1.evil.example" }, false},
		{"another site's page", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, false},
		{"another port's page", func(r *http.Request) { r.Header.Set("Origin", "http://localhost:9999") }, false},
		{"a page without an origin", func(r *http.Request) { r.Header.Set("Origin", "null") }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var src dashboardstest.Source
			src.PutIncident(dashboardstest.Incident())
			h := handler(t, options(&src))
			for _, r := range []*http.Request{request("POST", approve, `{"by":"Ada"}`), request("GET", "/api/v1/incidents", "")} {
				c.change(r)
				w := answerTo(h, r)
				if got := w.Code < 300; got != c.ok {
					t.Errorf("%s answered %d (%s); want it to pass: %v", r.Method, w.Code, w.Body, c.ok)
				}
			}
			if got := len(src.Answers()) == 1; got != c.ok {
				t.Errorf("the answer was taken: %v; want %v", got, c.ok)
			}
		})
	}
}

func TestTokensAndRoles(t *testing.T) {
	const reader, actor = "reader-secret-0123", "actor-secret-01234"
	var src dashboardstest.Source
	src.PutIncident(dashboardstest.Incident())
	o := options(&src)
	o.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	o.Tokens = []dashboards.Token{{Name: "ci", Secret: reader, Role: dashboards.RoleRead}, {Name: "on-call", Secret: actor, Role: dashboards.RoleAct}}
	h := handler(t, o)
	for _, c := range []struct {
		method, path, auth string
		want               int
	}{
		{"GET", "/api/v1/incidents", "", 401},
		{"GET", "/api/v1/events", "", 401},
		{"GET", "/metrics", "", 401},
		{"GET", "/api/v1/incidents", "Bearer wrong", 401},
		{"GET", "/api/v1/incidents", "Basic " + reader, 401},
		{"GET", "/api/v1/incidents", "Bearer " + reader, 200},
		{"GET", "/api/v1/incidents", "bearer " + actor, 200},
		{"GET", "/metrics", "Bearer " + reader, 200},
		{"POST", approve, "", 401},
		{"POST", approve, "Bearer " + reader, 403},
		{"POST", approve, "Bearer " + actor, 202},
		{"GET", "/healthz", "", 200},
		{"GET", "/readyz", "", 200},
		{"GET", "/", "", 200},
		{"GET", "/incidents/x", "", 200},
		{"GET", "/assets/app.js", "", 200},
	} {
		r := request(c.method, c.path, "")
		r.RemoteAddr, r.Host = "10.0.0.7:50000", "unship.example.org"
		if c.auth != "" {
			r.Header.Set("Authorization", c.auth)
		}
		if w := answerTo(h, r); w.Code != c.want {
			t.Errorf("%s %s with %q: %d %s; want %d", c.method, c.path, c.auth, w.Code, w.Body, c.want)
		}
	}
	if got := src.Answers(); len(got) != 1 || got[0].By != "on-call" {
		t.Errorf("answers %+v; want one, by the token's name", got)
	}
}

func TestATokenDoesNotExcuseAnotherSitesPage(t *testing.T) {
	var src dashboardstest.Source
	src.PutIncident(dashboardstest.Incident())
	o := options(&src)
	o.Tokens = []dashboards.Token{{Name: "on-call", Secret: "actor-secret-01234", Role: dashboards.RoleAct}}
	r := request("POST", approve, "")
	r.Header.Set("Authorization", "Bearer actor-secret-01234")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if w := answerTo(handler(t, o), r); w.Code != http.StatusForbidden {
		t.Errorf("answered %d; want 403", w.Code)
	}
}

func TestOpenReadsOpenNothingElse(t *testing.T) {
	var src dashboardstest.Source
	src.PutIncident(dashboardstest.Incident())
	o := options(&src)
	o.OpenReads = true
	h := handler(t, o)
	for method, want := range map[string]int{"GET /api/v1/incidents": 200, "POST " + approve: 403} {
		verb, path, _ := strings.Cut(method, " ")
		r := request(verb, path, "")
		r.RemoteAddr = "10.0.0.7:50000"
		if w := answerTo(h, r); w.Code != want {
			t.Errorf("%s answered %d; want %d", method, w.Code, want)
		}
	}
}

func TestBadTokensAreRefusedAtTheStart(t *testing.T) {
	good := dashboards.Token{Name: "a", Secret: "0123456789abcdef", Role: dashboards.RoleRead}
	for name, tokens := range map[string][]dashboards.Token{
		"short":    {{Name: "a", Secret: "short", Role: dashboards.RoleRead}},
		"nameless": {{Secret: good.Secret, Role: dashboards.RoleRead}},
		"role":     {{Name: "a", Secret: good.Secret, Role: "admin"}},
		"twice":    {good, good},
	} {
		o := options(&dashboardstest.Source{})
		o.Tokens = tokens
		if _, err := dashboards.New(o); err == nil {
			t.Errorf("%s: taken; want an error", name)
		} else if strings.Contains(err.Error(), good.Secret) {
			t.Errorf("%s: the error %q tells the secret", name, err)
		}
	}
	if _, err := dashboards.New(dashboards.Options{}); err == nil {
		t.Error("no source: taken; want an error")
	}
}

func TestHeadersKeepHostileTextFromBecomingCode(t *testing.T) {
	h := handler(t, options(&dashboardstest.Source{}))
	for _, path := range []string{"/", "/assets/app.js", "/api/v1/incidents", "/no/such"} {
		header := answerTo(h, request("GET", path, "")).Header()
		csp := header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q; want %s in it", path, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", path, header)
		}
	}
}
