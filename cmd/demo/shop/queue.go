package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const (
	topic     = "orders"
	queueSize = 10_000
	batchSize = 32
	pollWait  = time.Second
)

// message is what travels through the queue; its headers carry the trace.
type message struct {
	Headers map[string]string `json:"headers"`
}

// queue keeps messages until somebody fetches them.
type queue struct{ messages chan message }

func newQueue() queue { return queue{make(chan message, queueSize)} }

func (q queue) routes(i *instance, mux *http.ServeMux) {
	mux.Handle("POST /topics/{topic}/messages", i.traced("POST /topics/{topic}/messages", q.put))
	mux.Handle("GET /topics/{topic}/messages", plain(q.fetch)) // a poll that waits is not a slow request
}

func (q queue) put(r *http.Request) (any, error) {
	var m message
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		return nil, &failure{http.StatusBadRequest, "", "read message: " + err.Error()}
	}
	select {
	case q.messages <- m:
		return struct{}{}, nil
	default:
		return nil, &failure{http.StatusInsufficientStorage, "", fmt.Sprintf("the queue is full: %d messages wait", queueSize)}
	}
}

// fetch waits for a first message and then gives what is there.
func (q queue) fetch(r *http.Request) (any, error) {
	batch := []message{}
	timeout := time.After(pollWait)
	select {
	case m := <-q.messages:
		batch = append(batch, m)
	case <-timeout:
	case <-r.Context().Done():
	}
	for len(batch) > 0 && len(batch) < batchSize {
		select {
		case m := <-q.messages:
			batch = append(batch, m)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

func messaging(operation string) trace.SpanStartOption {
	return trace.WithAttributes(
		attribute.String("messaging.system", "shop_queue"),
		attribute.String("messaging.destination.name", topic),
		attribute.String("messaging.operation.name", operation),
		attribute.String("messaging.operation.type", operation),
	)
}

// publish sends a message, under a producer span.
func (i *instance) publish(ctx context.Context) error {
	ctx, span := i.telemetry.tracer.Start(ctx, "send "+topic, trace.WithSpanKind(trace.SpanKindProducer), messaging("send"))
	defer span.End()
	m := message{Headers: map[string]string{}}
	otel.GetTextMapPropagator().Inject(ctx, propagation.MapCarrier(m.Headers))
	err := i.call(ctx, "queue", http.MethodPost, "/topics/"+topic+"/messages", m)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}

// ship fetches messages and works on each, until ctx ends.
func (i *instance) ship(ctx context.Context) {
	client := &http.Client{}
	for ctx.Err() == nil {
		batch, err := i.fetch(ctx, client)
		if err != nil {
			_ = wait(ctx, 100*time.Millisecond)
			continue
		}
		for _, m := range batch {
			go i.process(context.WithoutCancel(ctx), m)
		}
	}
}

func (i *instance) fetch(ctx context.Context, client *http.Client) (batch []message, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+i.Upstreams["queue"]+"/topics/"+topic+"/messages", nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	return batch, json.NewDecoder(resp.Body).Decode(&batch)
}

// process works on one message, under a consumer span of the sender's trace.
func (i *instance) process(ctx context.Context, m message) {
	ctx = otel.GetTextMapPropagator().Extract(ctx, propagation.MapCarrier(m.Headers))
	ctx, span := i.telemetry.tracer.Start(ctx, "process "+topic, trace.WithSpanKind(trace.SpanKindConsumer), messaging("process"))
	defer span.End()
	err := i.work(ctx, "process "+topic, 5*time.Millisecond)
	if err == nil {
		err = i.store("INSERT parcel")(ctx)
	}
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
}
