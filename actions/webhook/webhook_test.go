package webhook_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"unship.dev/actions"
	"unship.dev/actions/actiontest"
	"unship.dev/actions/protocol"
	"unship.dev/actions/webhook"
)

const secretEnv = "UNSHIP_TEST_WEBHOOK_SECRET"

func settings(url string) string {
	return fmt.Sprintf("url: %s\nsecret: {env: %s}\nverbs: [plan, apply, undo]\n", url, secretEnv)
}

// server is a platform behind HTTP that does each thing once, as its callers' keys ask.
type server struct {
	mu      sync.Mutex
	version string
	before  map[string]string // what was served before each decision
	seen    map[string]bool
	changes int
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if err := webhook.Verify(actions.NewSecret("sesame"), r.Header, body, time.Now(), time.Minute); err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	m, err := protocol.Decode(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(s.answer(m, r.Header.Get(webhook.HeaderKey)))
}

func (s *server) answer(m protocol.Message, key string) protocol.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Verb == protocol.Plan {
		return protocol.Answer{Summary: "serve " + m.Target, Reversible: true, InPlace: s.version == m.Target}
	}
	if s.seen[key] {
		return protocol.Answer{Detail: "done before"}
	}
	s.seen[key] = true
	if m.Verb == protocol.Apply {
		s.before[m.Decision], s.version = s.version, m.Target
		s.changes++
	} else if before, known := s.before[m.Undoes]; known {
		s.version = before
		s.changes++
	}
	return protocol.Answer{Detail: "serves " + s.version}
}

func answers(status int, header, body string) func(*testing.T) actiontest.Platform {
	return func(t *testing.T) actiontest.Platform {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(s.Close)
		return actiontest.Platform{Settings: settings(s.URL)}
	}
}

func TestConformance(t *testing.T) {
	t.Setenv(secretEnv, "sesame")
	actiontest.Run(t, webhook.Factory(), actiontest.Env{
		New: func(t *testing.T) actiontest.Platform {
			s := &server{version: "1.1.0", before: map[string]string{}, seen: map[string]bool{}}
			h := httptest.NewServer(s)
			t.Cleanup(h.Close)
			return actiontest.Platform{Settings: settings(h.URL), State: func(*testing.T) string {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.version
			}}
		},
		Temporary: answers(http.StatusServiceUnavailable, "1", "later"),
		Final:     answers(http.StatusForbidden, "", "no"),
	})
}

func TestAnswersAreClassified(t *testing.T) {
	t.Setenv(secretEnv, "sesame")
	for _, c := range []struct {
		name                 string
		platform             func(*testing.T) actiontest.Platform
		retryable, uncertain bool
		want                 string
	}{
		{"too many requests", answers(429, "7", ""), true, false, "429"},
		{"unavailable", answers(503, "", "drain"), true, false, `"drain"`},
		{"server error", answers(500, "", ""), true, true, "500"},
		{"bad gateway", answers(502, "", ""), true, true, "502"},
		{"the caller's mistake", answers(422, "", "which service?"), false, false, `"which service?"`},
		{"redirect", answers(307, "", ""), false, false, "redirects are not followed"},
		{"no JSON", answers(200, "", "<html>"), false, true, "want a JSON object"},
		{"endless answer", answers(200, "", strings.Repeat(" ", protocol.MaxAnswer+1)), false, true, "more than"},
		{"nobody there", func(t *testing.T) actiontest.Platform {
			s := httptest.NewServer(http.NotFoundHandler())
			s.Close()
			return actiontest.Platform{Settings: settings(s.URL)}
		}, true, false, "connection refused"},
		{"connection cut", func(t *testing.T) actiontest.Platform {
			s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
			t.Cleanup(s.Close)
			return actiontest.Platform{Settings: settings(s.URL)}
		}, true, true, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := webhook.Factory().New(actions.NewSettings([]byte(c.platform(t).Settings), 1))
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.Apply(t.Context(), actiontest.Request("d1"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v; want %q", err, c.want)
			}
			if r, u := actions.IsRetryable(err), actions.IsUncertain(err); r != c.retryable || u != c.uncertain {
				t.Errorf("retryable %v, uncertain %v; want %v, %v", r, u, c.retryable, c.uncertain)
			}
		})
	}
}

func TestEmptySecretIsRefused(t *testing.T) {
	t.Setenv(secretEnv, " ")
	_, err := webhook.Factory().New(actions.NewSettings([]byte(settings("https://deploy.example")), 5))
	if err == nil || !strings.Contains(err.Error(), "line 6") || !strings.Contains(err.Error(), secretEnv+" is empty") {
		t.Errorf("got %v", err)
	}
}

func TestVerify(t *testing.T) {
	secret, now, body := actions.NewSecret("sesame"), time.Unix(1_700_000_000, 0), []byte(`{"verb":"apply"}`)
	signed := func(change func(http.Header)) http.Header {
		h := http.Header{}
		webhook.Sign(secret, h, body, now)
		change(h)
		return h
	}
	same := func(http.Header) {}
	for _, c := range []struct {
		name   string
		header http.Header
		body   string
		later  time.Duration
		secret string
		want   string
	}{
		{"as signed", signed(same), string(body), 0, "sesame", ""},
		{"within the tolerance", signed(same), string(body), 5 * time.Minute, "sesame", ""},
		{"a clock that is behind", signed(same), string(body), -5 * time.Minute, "sesame", ""},
		{"replayed", signed(same), string(body), 5*time.Minute + time.Second, "sesame", webhook.ErrStale.Error()},
		{"tampered", signed(same), `{"verb":"undo"}`, 0, "sesame", webhook.ErrSignature.Error()},
		{"other secret", signed(same), string(body), 0, "other", webhook.ErrSignature.Error()},
		{"no secret", signed(same), string(body), 0, "", "secret is empty"},
		{"unsigned", http.Header{}, string(body), 0, "sesame", webhook.ErrUnsigned.Error()},
		{"timestamp moved", signed(func(h http.Header) { h.Set(webhook.HeaderTimestamp, "1700000100") }), string(body), 0, "sesame", webhook.ErrSignature.Error()},
		{"other scheme", signed(func(h http.Header) {
			h.Set(webhook.HeaderSignature, strings.Replace(h.Get(webhook.HeaderSignature), "v1=", "v0=", 1))
		}), string(body), 0, "sesame", webhook.ErrSignature.Error()},
		{"two signatures, one fits", signed(func(h http.Header) {
			h.Set(webhook.HeaderSignature, "v1=00,"+h.Get(webhook.HeaderSignature))
		}), string(body), 0, "sesame", ""},
	} {
		err := webhook.Verify(actions.NewSecret(c.secret), c.header, []byte(c.body), now.Add(c.later), 5*time.Minute)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: got %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v; want %q", c.name, err, c.want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	secret, now := actions.NewSecret("sesame"), time.Unix(1_700_000_000, 0)
	f.Add("1700000000", "v1=00", []byte("{}"))
	f.Add("-9223372036854775808", "v1=,v1=zz,", []byte(nil))
	f.Fuzz(func(t *testing.T, at, signature string, body []byte) {
		h := http.Header{}
		h.Set(webhook.HeaderTimestamp, at)
		h.Set(webhook.HeaderSignature, signature)
		if err := webhook.Verify(secret, h, body, now, time.Minute); err == nil {
			t.Errorf("a forged message was accepted: %q %q", at, signature)
		}
	})
}
