package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// failure is why a request fails.
type failure struct {
	status int
	reason string // the value of HeaderFailure; "" if nobody intended it
	text   string
}

func (f *failure) Error() string { return f.text }

// answer computes what one operation answers.
type answer func(r *http.Request) (any, error)

// traced serves an operation under a server span.
func (i *instance) traced(pattern string, a answer) http.Handler {
	return otelhttp.NewHandler(plain(a), pattern)
}

// plain serves an operation that no span tells of.
func plain(a answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := a(r)
		if err == nil {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(body)
			return
		}
		status := http.StatusInternalServerError
		if f, ok := errors.AsType[*failure](err); ok {
			status = f.status
			if f.reason != "" {
				w.Header().Set(HeaderFailure, f.reason)
			}
		}
		http.Error(w, err.Error(), status)
	})
}

// usual is how often a service's own work fails with nothing wrong.
func usual(service string) float64 {
	switch service {
	case "catalog":
		return 0.003
	case "cart":
		return 0.01
	}
	return 0
}

// work does an operation's own work: it waits for about the given time, and may fail.
func (i *instance) work(ctx context.Context, operation string, about time.Duration) error {
	slower, errs, lost := 1.0, 0.0, usual(i.Service)
	if f := i.Fault; f != nil && f.Operation == operation {
		slower, errs = f.Slower, f.Errors
	}
	if err := wait(ctx, time.Duration(float64(about)*slower*math.Exp(0.3*rand.NormFloat64()))); err != nil {
		return err
	}
	switch p := rand.Float64(); {
	case p < errs:
		message := fmt.Sprintf("amount %d.%03d has three decimals", rand.IntN(90)+10, rand.IntN(900)+100)
		i.telemetry.exception(ctx, "money.PrecisionError", message)
		return &failure{http.StatusInternalServerError, FailedByFault, message}
	case p < errs+lost:
		i.telemetry.exception(ctx, "io.ConnectionReset", "connection reset by peer")
		return &failure{http.StatusInternalServerError, FailedAsUsual, "connection reset by peer"}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// call asks an upstream. Its failure becomes ours, with the reason it gave.
func (i *instance) call(ctx context.Context, upstream, method, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+i.Upstreams[upstream]+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	resp, err := i.clients[upstream].Do(req)
	if err != nil {
		return &failure{http.StatusBadGateway, "", "call " + upstream + ": " + err.Error()}
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return &failure{http.StatusBadGateway, "", "read answer of " + upstream + ": " + err.Error()}
	}
	if resp.StatusCode >= 400 {
		return &failure{http.StatusBadGateway, resp.Header.Get(HeaderFailure), fmt.Sprintf("%s answered %s", upstream, resp.Status)}
	}
	return nil
}
