package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"unship.dev/rules/document"
)

// client speaks to a running serve over its HTTP API.
type client struct {
	server string
	token  document.Secret
}

// flags adds the flags that every command with a server has.
func (c *client) flags(p *Program, cmd *cobra.Command) {
	server, ok := p.Env("UNSHIP_SERVER")
	if !ok {
		server = "http://127.0.0.1:8080"
	}
	token, _ := p.Env("UNSHIP_TOKEN")
	c.token = document.Secret(token)
	cmd.PersistentFlags().StringVar(&c.server, "server", server, "address of unship serve ($UNSHIP_SERVER)")
	cmd.PersistentFlags().StringVar((*string)(&c.token), "token", "", "bearer token; better in $UNSHIP_TOKEN, where other users cannot see it")
}

// errRefused is an answer of the server that is not the one hoped for.
type errRefused struct {
	status  int
	message string
}

func (e *errRefused) Error() string { return e.message }

// call sends a request and decodes the JSON answer into out, unless it is nil.
func (c *client) call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	text, err := c.text(ctx, method, path, query, body)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read answer of %s: %w; is this an unship server?", c.server, err)
	}
	return nil
}

// text sends a request and gives the body of the answer.
func (c *client) text(ctx context.Context, method, path string, query url.Values, body any) ([]byte, error) {
	req, err := c.request(ctx, method, path, query, body)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reach unship at %s: %w; is unship serve running there? --server names another address", c.server, unwrapURL(err))
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("read answer of %s: %w", c.server, err)
	}
	if resp.StatusCode >= 300 {
		return nil, refusal(c.server, resp, text)
	}
	return text, nil
}

func (c *client) request(ctx context.Context, method, path string, query url.Values, body any) (*http.Request, error) {
	u, err := url.Parse(strings.TrimSuffix(c.server, "/") + path)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("--server is %q; want an address such as http://127.0.0.1:8080", c.server)
	}
	u.RawQuery = query.Encode()
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("write request: %w", err)
		}
		payload = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), payload)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	return req, nil
}

func refusal(server string, resp *http.Response, text []byte) error {
	var problem struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &problem) != nil || problem.Error == "" {
		problem.Error = fmt.Sprintf("%s answered %s", server, resp.Status)
	}
	return &errRefused{resp.StatusCode, problem.Error}
}

// unwrapURL takes the method and address off a client error: the caller has named them.
func unwrapURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
