package shop

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// routes gives the operations of the service, and what it does besides.
func (i *instance) routes() (http.Handler, func(context.Context), error) {
	mux, idle := http.NewServeMux(), func(context.Context) {}
	on := func(pattern string, a answer) { mux.Handle(pattern, i.traced(pattern, a)) }
	switch i.Service {
	case "gateway":
		i.gateway(on)
	case "catalog":
		on("GET /products", i.steps("GET /products", 3*time.Millisecond, i.store("SELECT products")))
		on("GET /products/{id}", i.steps("GET /products/{id}", 2*time.Millisecond, i.store("SELECT product")))
	case "cart":
		on("POST /carts/{user}/items", i.steps("POST /carts/{user}/items", 2*time.Millisecond, i.store("INSERT item")))
	case "orders":
		on("POST /orders", i.steps("POST /orders", 4*time.Millisecond,
			i.to("payments", http.MethodPost, "/charges"), i.store("INSERT order"), i.publish))
		on("GET /orders/{id}", i.steps("GET /orders/{id}", 2*time.Millisecond,
			i.to("payments", http.MethodGet, "/charges/{}")))
	case "payments":
		on("POST /charges", i.steps("POST /charges", 8*time.Millisecond, i.to("ledger", http.MethodPost, "/entries")))
		on("GET /charges/{id}", i.steps("GET /charges/{id}", 3*time.Millisecond))
	case "ledger":
		on("POST /entries", i.steps("POST /entries", 3*time.Millisecond, i.store("INSERT entry")))
	case "store":
		on("POST /query", i.steps("POST /query", 2*time.Millisecond))
	case "queue":
		newQueue().routes(i, mux)
	case "shipping":
		return mux, i.ship, nil
	default:
		return nil, nil, fmt.Errorf("there is no service %q in the shop", i.Service)
	}
	return mux, idle, nil
}

func (i *instance) gateway(on func(string, answer)) {
	const own = 2 * time.Millisecond
	on("GET /{$}", i.steps("GET /", own, i.to("catalog", http.MethodGet, "/products")))
	on("GET /products/{id}", i.steps("GET /products/{id}", own, i.to("catalog", http.MethodGet, "/products/{}")))
	on("POST /cart", i.steps("POST /cart", own, i.to("cart", http.MethodPost, "/carts/{}/items")))
	on("POST /checkout", i.steps("POST /checkout", own, i.to("orders", http.MethodPost, "/orders")))
	on("GET /orders/{id}", i.steps("GET /orders/{id}", own, i.to("orders", http.MethodGet, "/orders/{}")))
}

// step is a part of an operation.
type step func(ctx context.Context) error

// steps is an operation that does its own work and then one step after the other.
func (i *instance) steps(operation string, own time.Duration, then ...step) answer {
	return func(r *http.Request) (any, error) {
		if err := i.work(r.Context(), operation, own); err != nil {
			return nil, err
		}
		for _, s := range then {
			if err := s(r.Context()); err != nil {
				return nil, err
			}
		}
		return map[string]string{"service": i.Service, "version": i.Version}, nil
	}
}

// to calls an upstream; {} in the path stands for some id.
func (i *instance) to(upstream, method, path string) step {
	return func(ctx context.Context) error {
		id := strconv.Itoa(rand.IntN(10_000))
		return i.call(ctx, upstream, method, strings.Replace(path, "{}", id, 1), nil)
	}
}

func (i *instance) store(statement string) step {
	return func(ctx context.Context) error {
		return i.call(ctx, "store", http.MethodPost, "/query", map[string]string{"statement": statement})
	}
}
