package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Control is the proxy's control API over HTTP, for [Client].
func (p *Proxy) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /services/{service}/servers", func(w http.ResponseWriter, r *http.Request) {
		servers, err := p.Servers(r.Context(), r.PathValue("service"))
		reply(w, servers, err)
	})
	mux.HandleFunc("POST /services/{service}/servers", func(w http.ResponseWriter, r *http.Request) {
		var s Server
		err := json.NewDecoder(r.Body).Decode(&s)
		if err == nil {
			err = p.Add(r.Context(), r.PathValue("service"), s)
		}
		reply(w, s, err)
	})
	mux.HandleFunc("PUT /services/{service}/weights", func(w http.ResponseWriter, r *http.Request) {
		var weights []Weight
		err := json.NewDecoder(r.Body).Decode(&weights)
		if err == nil {
			err = p.SetWeights(r.Context(), r.PathValue("service"), weights)
		}
		reply(w, weights, err)
	})
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, r *http.Request) {
		s, err := p.Stats(r.Context())
		reply(w, s, err)
	})
	return mux
}

func reply(w http.ResponseWriter, body any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

// Client is a [Balancer] over the control API of a [Proxy] in another process.
type Client struct {
	Addr string // host:port of the control API
}

// Servers lists what stands behind a service, sorted by name.
func (c Client) Servers(ctx context.Context, service string) (out []Server, err error) {
	return out, c.call(ctx, http.MethodGet, "/services/"+service+"/servers", nil, &out)
}

// Add puts a server behind a service.
func (c Client) Add(ctx context.Context, service string, s Server) error {
	return c.call(ctx, http.MethodPost, "/services/"+service+"/servers", s, nil)
}

// SetWeights changes weights, all in one moment.
func (c Client) SetWeights(ctx context.Context, service string, weights []Weight) error {
	return c.call(ctx, http.MethodPut, "/services/"+service+"/weights", weights, nil)
}

// Stats counts what the proxy did so far.
func (c Client) Stats(ctx context.Context) (s Stats, err error) {
	return s, c.call(ctx, http.MethodGet, "/stats", nil, &s)
}

func (c Client) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.Addr+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the proxy: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read the proxy's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy refused: %s", strings.TrimSpace(string(text)))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}
