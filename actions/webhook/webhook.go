// Package webhook is the action that asks a server over HTTP: one JSON message
// of package protocol as a POST, one JSON answer in the response.
//
//   - kind: webhook
//     with:
//     url: https://deploy.example/unship
//     secret: {env: DEPLOY_SECRET}    # or {file: /run/secrets/deploy}; never the secret itself
//     verbs: [plan, apply, undo]      # what the server understands; apply alone if absent
//
// Each message is signed, see [Sign]; servers check it with [Verify] and use the
// header Idempotency-Key to do each thing once. 429 and 5xx and broken
// connections are tried again, not before Retry-After; any other answer that is
// not 2xx is final. Redirects are not followed: a signature is for one server.
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"unship.dev/actions"
	"unship.dev/actions/protocol"
)

// HeaderKey carries the key of idempotency: decision, step and, unless it is
// apply, the verb.
const HeaderKey = "Idempotency-Key"

// Factory makes webhook actions.
func Factory() actions.Factory {
	return actions.Factory{Kind: "webhook", Summary: "asks a server over HTTP, with a signed JSON message", New: newHook}
}

type settings struct {
	URL    string               `yaml:"url"`
	Secret actions.SecretSource `yaml:"secret"`
	Verbs  protocol.Verbs       `yaml:"verbs"`
}

func newHook(s actions.Settings) (actions.Action, error) {
	var set settings
	if err := s.Decode(&set); err != nil {
		return nil, err
	}
	var all []error
	to, err := url.Parse(set.URL)
	if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		all = append(all, s.Mistake("$.url", "url: want an address that begins with https:// or http://"))
	}
	if what := set.Verbs.Check(); what != "" {
		all = append(all, s.Mistake("$.verbs", "verbs: %s", what))
	}
	secret, err := set.Secret.Read()
	if err != nil {
		all = append(all, s.Mistake("$.secret", "secret: %v", err))
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return protocol.NewAction(to.Host, set.Verbs, &hook{url: to.String(), secret: secret, client: client()}), nil
}

func client() *http.Client {
	return &http.Client{
		Transport:     http.DefaultTransport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// hook carries messages to a server.
type hook struct {
	url    string
	secret actions.Secret
	client *http.Client
}

// Call sends one message.
func (h *hook) Call(ctx context.Context, v protocol.Verb, r actions.Request) (protocol.Answer, error) {
	req, err := h.request(ctx, v, r)
	if err != nil {
		return protocol.Answer{}, err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return protocol.Answer{}, unreachable(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, protocol.MaxAnswer+1))
	switch {
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return protocol.Answer{}, refused(resp, body)
	case err != nil:
		return protocol.Answer{}, actions.Retryable(actions.Uncertain(fmt.Errorf("read its answer: %w", err)))
	case len(body) > protocol.MaxAnswer:
		return protocol.Answer{}, actions.Uncertain(fmt.Errorf("its answer has more than %d bytes", protocol.MaxAnswer))
	}
	ans, err := protocol.Parse(v, body)
	if err != nil {
		return ans, actions.Uncertain(err)
	}
	return ans, nil
}

func (h *hook) request(ctx context.Context, v protocol.Verb, r actions.Request) (*http.Request, error) {
	body, err := protocol.Encode(v, r)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "unship")
	req.Header.Set(HeaderKey, idempotencyKey(v, r))
	Sign(h.secret, req.Header, body, time.Now())
	return req, nil
}

func idempotencyKey(v protocol.Verb, r actions.Request) string {
	if v == protocol.Apply {
		return r.Key()
	}
	return r.Key() + "/" + string(v)
}

// unreachable says what it means that no answer came. Where not even a
// connection was made, nothing can have happened.
func unreachable(err error) error {
	cause := err
	if u, ok := errors.AsType[*url.Error](err); ok {
		cause = u.Err // the address stands in the message already
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return actions.Retryable(cause)
	}
	return actions.Retryable(actions.Uncertain(cause))
}

// refused says what an answer other than 2xx means.
func refused(resp *http.Response, body []byte) error {
	err := fmt.Errorf("it answered %s%s", resp.Status, quote(body))
	wait := retryAfter(resp.Header.Get("Retry-After"), time.Now())
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		return actions.RetryAfter(err, wait)
	case code >= 500: // it may have done a part of it
		return actions.RetryAfter(actions.Uncertain(err), wait)
	case code >= 300 && code <= 399:
		return fmt.Errorf("%w; redirects are not followed: set url to where it leads", err)
	}
	return err
}

func quote(body []byte) string {
	text := strings.TrimSpace(string(body[:min(len(body), 300)]))
	if text == "" {
		return ""
	}
	return fmt.Sprintf(": %q", text)
}

// retryAfter reads Retry-After: seconds or a date. 0 means that nothing usable was said.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
