package slack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"
)

// slackServer stands in for Slack: it holds messages to Slack's limits and
// keeps what it was sent.
type slackServer struct {
	t   *testing.T
	url string

	mu       sync.Mutex
	calls    []call
	messages map[string]string // blocks by ts
	fail     func(method string, n int) (code int, retryAfter, answer string)
	arrived  chan struct{}
}

type call struct {
	method string
	ts     string
	text   string
	blocks string
}

func newSlackServer(t *testing.T) *slackServer {
	s := &slackServer{t: t, messages: map[string]string{}, arrived: make(chan struct{}, 1000)}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.url = h.URL
	return s
}

func (s *slackServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := strings.TrimPrefix(r.URL.Path, "/")
	if err := r.ParseForm(); err != nil {
		s.t.Errorf("%s: %v", method, err)
	}
	if token := r.Form.Get("token") + r.Header.Get("Authorization"); !strings.Contains(token, "xoxb-test") {
		s.t.Errorf("%s without the token", method)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := call{method, r.Form.Get("ts"), r.Form.Get("text"), r.Form.Get("blocks")}
	s.calls = append(s.calls, c)
	defer func() { s.arrived <- struct{}{} }()
	if s.fail != nil {
		if code, retryAfter, answer := s.fail(method, len(s.calls)); code != 0 {
			if retryAfter != "" {
				w.Header().Set("Retry-After", retryAfter)
			}
			w.WriteHeader(code)
			fmt.Fprint(w, answer)
			return
		}
	}
	checkLimits(s.t, c.blocks, c.text)
	s.store(w, c)
}

func (s *slackServer) store(w http.ResponseWriter, c call) {
	switch c.method {
	case "chat.postMessage":
		c.ts = fmt.Sprintf("170000000.%06d", len(s.messages)+1)
	case "chat.update":
		if _, ok := s.messages[c.ts]; !ok {
			fmt.Fprint(w, `{"ok":false,"error":"message_not_found"}`)
			return
		}
	default:
		s.t.Errorf("unexpected call of %s", c.method)
	}
	s.messages[c.ts] = c.blocks
	fmt.Fprintf(w, `{"ok":true,"channel":"C012345","ts":%q}`, c.ts)
}

// methods gives the calls so far, in order.
func (s *slackServer) methods() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		list = append(list, strings.TrimSpace(c.method+" "+c.ts))
	}
	return list
}

// message gives the blocks of the first message as they stand now.
func (s *slackServer) message() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages["170000000.000001"]
}

func (s *slackServer) last() call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[len(s.calls)-1]
}

// checkLimits holds a message to what Slack documents for Block Kit.
func checkLimits(t *testing.T, blocks, text string) {
	t.Helper()
	var list []map[string]any
	if err := json.Unmarshal([]byte(blocks), &list); err != nil {
		t.Errorf("blocks: %v in %s", err, blocks)
	}
	if len(list) == 0 || len(list) > 50 {
		t.Errorf("%d blocks; Slack takes 1 to 50", len(list))
	}
	limit := func(what string, v any, most int) {
		s := textOf(v)
		if n := len(utf16.Encode([]rune(s))); n == 0 || n > most {
			t.Errorf("%s has %d characters; Slack takes 1 to %d", what, n, most)
		}
	}
	for _, b := range list {
		switch b["type"] {
		case "header":
			limit("header", b["text"], 150)
		case "section":
			fields, _ := b["fields"].([]any)
			if len(fields) > 10 || len(fields) == 0 && b["text"] == nil {
				t.Errorf("a section has %d fields; Slack takes up to 10, or a text", len(fields))
			}
			for _, f := range fields {
				limit("field", f, 2000)
			}
			if b["text"] != nil {
				limit("section", b["text"], 3000)
			}
		case "actions":
			for _, e := range b["elements"].([]any) {
				limit("button", e.(map[string]any)["text"], 75)
				limit("link", e.(map[string]any)["url"], 3000)
			}
		case "context":
			for _, e := range b["elements"].([]any) {
				limit("context", e, 3000)
			}
		default:
			t.Errorf("unknown block %v", b["type"])
		}
	}
	limit("text", text, 3000)
}

func textOf(v any) string {
	if m, ok := v.(map[string]any); ok {
		v = m["text"]
	}
	s, _ := v.(string)
	return s
}
