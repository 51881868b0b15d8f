package ingest

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

// The thresholds are examples of the OpenTelemetry specification of probability sampling.
func TestWeight(t *testing.T) {
	for _, tt := range []struct {
		name, state string
		fields      map[field]string
		want        float64
	}{
		{"nothing told", "", nil, 0},
		{"everything kept", "ot=th:0", nil, 1},
		{"half", "vendor=x,ot=rv:abc;th:8", nil, 2},
		{"a quarter", "ot=th:c", nil, 4},
		{"one in ten", "ot=th:e6666666666666", nil, 10},
		{"about one in a hundred", " ot=th:fd71;rv:f", nil, 100.0546875},
		{"a power of two", "ot=r:10;p:3", nil, 8},
		{"nobody knows", "ot=p:63", nil, 0},
		{"threshold before power", "ot=p:3;th:8", nil, 2},
		{"no hexadecimal", "ot=th:xyz", nil, 0},
		{"too long", "ot=th:000000000000000", nil, 0},
		{"another vendor's", "hot=th:8", nil, 0},
		{"probability", "", map[field]string{samplingProbability: "0.25"}, 4},
		{"no probability", "", map[field]string{samplingProbability: "7"}, 0},
		{"the Collector's threshold", "", map[field]string{samplingThreshold: "c"}, 4},
		{"Jaeger", "", map[field]string{samplerType: "probabilistic", samplerParam: "0.5"}, 2},
		{"Jaeger by rate", "", map[field]string{samplerType: "ratelimiting", samplerParam: "0.5"}, 0},
		{"one in twenty", "", map[field]string{sampleRate: "20"}, 20},
		{"one in none", "", map[field]string{sampleRate: "0"}, 0},
		{"beyond measure", "ot=th:ffffffffffffff", nil, 1<<24 - 1.0/256},
	} {
		d := spanData{traceState: tt.state}
		for f, v := range tt.fields {
			d.fields[f] = v
		}
		if got := float64(d.weight()) / float64(weightOne); got != tt.want {
			t.Errorf("%s: weight %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestAdjustedCountsWhatWasSampledAway(t *testing.T) {
	span := func(trace, id, parent uint64, service, state string, attrs map[string]any) testSpan {
		return testSpan{service: service, version: "1", pod: "p", trace: trace, id: id, parent: parent, kind: ptrace.SpanKindServer, name: "op", to: ms, traceState: state, attrs: attrs}
	}
	ticks := take(t,
		span(1, 1, 0, "web", "ot=th:c", nil), span(2, 1, 0, "web", "ot=th:8", nil), span(3, 1, 0, "web", "", nil),
		span(4, 1, 0, "jobs", "", nil),
		// Only the root of a trace tells Jaeger's probability; it holds for the whole trace.
		span(5, 1, 0, "edge", "", map[string]any{"sampler.type": "probabilistic", "sampler.param": 0.1}), span(5, 2, 1, "behind", "", nil),
	)
	for service, want := range map[string]uint64{"web": 7, "jobs": 0, "edge": 10, "behind": 10} {
		if got := operation(t, ticks, service, "op").Adjusted; got != want {
			t.Errorf("%s: adjusted %d, want %d", service, got, want)
		}
	}
}
