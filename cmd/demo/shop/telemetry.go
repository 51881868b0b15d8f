package shop

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const scope = "unship.dev/cmd/demo/shop"

// exportEvery is short, so that the demo's verdicts come soon.
const exportEvery = time.Second

// telemetry is the SDK of one process.
type telemetry struct {
	tracer trace.Tracer
	logger log.Logger
	close  func(context.Context) error
}

func newTelemetry(ctx context.Context, c Config) (telemetry, error) {
	spans, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(c.Telemetry), otlptracegrpc.WithInsecure())
	if err != nil {
		return telemetry{}, err
	}
	records, err := otlploggrpc.New(ctx, otlploggrpc.WithEndpoint(c.Telemetry), otlploggrpc.WithInsecure())
	if err != nil {
		return telemetry{}, err
	}
	res := resource.NewSchemaless(
		attribute.String("service.namespace", Namespace),
		attribute.String("service.name", c.Service),
		attribute.String("service.version", c.Version),
		attribute.String("service.instance.id", c.Instance),
		attribute.String("deployment.environment.name", Environment),
	)
	traces := sdktrace.NewTracerProvider(sdktrace.WithResource(res),
		sdktrace.WithBatcher(spans, sdktrace.WithBatchTimeout(exportEvery), sdktrace.WithMaxQueueSize(16384)))
	logs := sdklog.NewLoggerProvider(sdklog.WithResource(res),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(records, sdklog.WithExportInterval(exportEvery))))
	otel.SetTracerProvider(traces)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	return telemetry{
		tracer: traces.Tracer(scope),
		logger: logs.Logger(scope),
		close:  func(ctx context.Context) error { return errors.Join(traces.Shutdown(ctx), logs.Shutdown(ctx)) },
	}, nil
}

// exception tells of an error as instrumentation does: an event on the span and a log record.
func (t telemetry) exception(ctx context.Context, kind, message string) {
	trace.SpanFromContext(ctx).AddEvent("exception", trace.WithAttributes(
		attribute.String("exception.type", kind), attribute.String("exception.message", message)))
	var r log.Record
	r.SetTimestamp(time.Now())
	r.SetSeverity(log.SeverityError)
	r.SetSeverityText("ERROR")
	r.SetBody(attribute.StringValue(message))
	r.AddAttributes(attribute.String("exception.type", kind))
	t.logger.Emit(ctx, r)
}
