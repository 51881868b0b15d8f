package detect

import (
	"math"
	"strings"
	"testing"
	"time"

	"unship.dev"
)

func (s *simulation) gauge(w *unship.Window, name, unit string, v float64) {
	w.Metrics = append(w.Metrics, unship.Metric{Name: name, Unit: unit, Kind: unship.MetricGauge, At: w.Start.Add(w.Length), Value: v})
}

func (s *simulation) counter(w *unship.Window, name, unit string, v float64) {
	w.Metrics = append(w.Metrics, unship.Metric{Name: name, Unit: unit, Kind: unship.MetricCount, At: w.Start.Add(w.Length), Over: w.Length, Value: v})
}

// usage shows what every process shows: processor time by request and a heap
// that rises and falls, both unlike from instance to instance.
func (s *simulation) usage(i *simInstance, t int, w *unship.Window, cpu, leak float64) {
	requests := 0.0
	for k := range w.Operations {
		requests += float64(w.Operations[k].Requests)
	}
	own := math.Sin(float64(len(i.id)*7 + int(i.id[len(i.id)-1])*13 + len(i.node)))
	s.counter(w, "process.cpu.time", "s", .01*(requests+5)*(1+.05*own)*cpu*(1+.1*s.rng.NormFloat64()))
	age := float64(t - i.from)
	heap := 200e6*(1+.08*own) + 30e6*(1-math.Exp(-age/24)) + 60e6*float64((t*7+len(i.id))%30)/30 + leak*age
	s.gauge(w, "process.memory.usage", "By", heap*(1+.01*s.rng.NormFloat64()))
	s.gauge(w, "k8s.container.memory_limit", "By", 1e9)
}

func longSimulation(seed uint64) *simulation {
	s := newSimulation(seed)
	s.windows, s.policy.Watch = simStart+370, 30*time.Minute
	return s
}

func TestProcessorTimeByRequestIsFound(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		s := longSimulation(seed + 700)
		s.canary("cart", simStart, 2)
		s.shows = func(v *simService, i *simInstance, t int, w *unship.Window) {
			cpu := 1.
			if v.name == "cart" && i.version == "1.1.0" {
				cpu = 3
			}
			s.usage(i, t, w, cpu, 0)
		}
		r := s.run(t)["cart"]
		if r.regressed < 0 {
			t.Fatalf("seed %d: not found; last: %s, log E %.1f, %+v", seed, r.last.Why, r.last.LogE, r.last.Findings)
		}
		f := r.first.Findings[0]
		if f.Name != "process.cpu.time" || f.Unit != "s/{request}" || f.Ambiguous || f.Candidate < 2.5*f.Baseline || f.Interval[0] > f.Candidate ||
			f.Interval[0] < f.Baseline || f.Interval[1] < f.Candidate {
			t.Errorf("seed %d, after %d windows: %+v; want three times the processor time a request", seed, r.regressed, f)
		}
		if !strings.Contains(r.first.Why, "process.cpu.time is") {
			t.Errorf("seed %d: %q; want it in words", seed, r.first.Why)
		}
	}
}

// Whoever spends processor time while idle spends the more on each request the fewer there
// are: a canary with a small share of the traffic. Of things that are counted, such as
// orders, fewer on each request are fewer.
func TestLevelsForEachRequestOfAnIdleCanary(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		cpu, order float64 // of the candidate's requests, in times of the others'
		found      string
	}{
		{"harmless", 1, 1, ""},
		{"twenty times the processor time", 20, 1, "process.cpu.time"},
		{"a third of the orders", 1, .33, "orders_total"},
	} {
		s := longSimulation(740)
		s.canary("cart", simStart, 3)
		s.mix = func(i *simInstance, _ string) float64 {
			if i.version == "1.1.0" {
				return .15
			}
			return 1
		}
		s.shows = func(v *simService, i *simInstance, t int, w *unship.Window) {
			requests, cpu, order := 0.0, 1.0, 1.0
			for k := range w.Operations {
				requests += float64(w.Operations[k].Requests)
			}
			if v.name == "cart" && i.version == "1.1.0" {
				cpu, order = c.cpu, c.order
			}
			s.counter(w, "process.cpu.time", "s", (.05+.002*requests*cpu)*(1+.05*s.rng.NormFloat64()))
			s.counter(w, "orders_total", "{order}", float64(s.poisson(requests*order)))
		}
		r := s.run(t)["cart"]
		found := ""
		for _, f := range r.last.Findings {
			if f.Signal == unship.SignalMetric && found == "" {
				found = f.Name
			}
		}
		if found != c.found || r.regressed >= 0 && c.found == "" {
			t.Errorf("%s: regressed after %d, asked after %d, %q shown first: %s; want %q", c.name, r.regressed, r.asked, found, r.last.Why, c.found)
		}
	}
}

func TestALeakIsFoundBeforeItHurts(t *testing.T) {
	t.Parallel()
	s := longSimulation(710)
	s.canary("cart", simStart, 2)
	s.shows = func(v *simService, i *simInstance, t int, w *unship.Window) {
		leak := 0.
		if v.name == "cart" && i.version == "1.1.0" {
			leak = 20e6 / 12 // 20 MB a minute
		}
		s.usage(i, t, w, 1, leak)
	}
	r := s.run(t)["cart"]
	if r.regressed < 0 {
		t.Fatalf("not found; last: %s, log E %.1f, %+v", r.last.Why, r.last.LogE, r.last.Findings)
	}
	f := r.first.Findings[0]
	if f.Name != "process.memory.usage" || f.Unit != "By/h" || math.Abs(f.Candidate-1200e6) > 300e6 {
		t.Errorf("after %d windows: %+v; want about 1.2 GB an hour", r.regressed, f)
	}
	if !strings.Contains(r.first.Why, "its limit is reached in") {
		t.Errorf("%q; want the time until the limit", r.first.Why)
	}
	if !f.Ambiguous || !strings.Contains(strings.Join(f.Warnings, " "), "may still settle") {
		t.Errorf("after %d windows: %+v; want people to be asked while it may be a cache that fills", r.regressed, f)
	}
	for _, f := range r.last.Findings {
		if f.Unit == "By/h" && f.Ambiguous {
			t.Errorf("at the end: %+v; want what goes on growing to be acted on", f)
		}
	}
	t.Logf("after %d windows: %s; at the end %s", r.regressed, r.first.Why, r.last.Why)
}

func TestRestartsAreEvents(t *testing.T) {
	t.Parallel()
	s := newSimulation(720)
	s.canary("cart", simStart, 2)
	restarts := map[string]float64{}
	s.shows = func(v *simService, i *simInstance, t int, w *unship.Window) {
		if i.version == "1.1.0" && t%6 == int(i.id[len(i.id)-1])%6 {
			restarts[i.id]++
		}
		s.gauge(w, "k8s.container.restarts", "{restart}", restarts[i.id])
	}
	r := s.run(t)["cart"]
	if r.regressed < 0 || r.first.Findings[0].Signal != unship.SignalMetric || r.first.Findings[0].Name != "k8s.container.restarts" {
		t.Fatalf("regressed after %d windows with %+v; want the restarts; last: %s, log E %.1f", r.regressed, r.first.Findings, r.last.Why, r.last.LogE)
	}
}

// Restarts that began while the old version still served are not forgotten once it is gone.
func TestRestartsThatBeganBeside(t *testing.T) {
	t.Parallel()
	s := newSimulation(721)
	s.replace("cart", simStart, 10)
	restarts := map[string]float64{}
	s.shows = func(v *simService, i *simInstance, t int, w *unship.Window) {
		if i.version == "1.1.0" && t%9 == int(i.id[len(i.id)-1])%9 {
			restarts[i.id]++
		}
		s.gauge(w, "k8s.container.restarts", "{restart}", restarts[i.id])
	}
	r := s.run(t)["cart"]
	if r.last.Comparison != unship.ComparisonBefore || r.regressed < 0 || r.first.Findings[0].Name != "k8s.container.restarts" {
		t.Fatalf("%s: regressed after %d windows with %+v; want the restarts; last: %s, log E %.1f", r.last.Comparison, r.regressed, r.first.Findings, r.last.Why, r.last.LogE)
	}
}

// harmlessMetrics must not have a release blamed.
var harmlessMetrics = []struct {
	name string
	show func(s *simulation, v *simService, i *simInstance, t int, w *unship.Window)
}{
	{"all the same", func(s *simulation, _ *simService, i *simInstance, t int, w *unship.Window) { s.usage(i, t, w, 1, 0) }},
	{"everything leaks", func(s *simulation, _ *simService, i *simInstance, t int, w *unship.Window) { s.usage(i, t, w, 1, 1e6) }},
	{"a fifth more", func(s *simulation, v *simService, i *simInstance, t int, w *unship.Window) {
		s.usage(i, t, w, 1+.2*float64(len(i.version)-len("1.0.0")+strings.Count(i.version, "1.1")), 0)
	}},
	{"starting costs", func(s *simulation, _ *simService, i *simInstance, t int, w *unship.Window) {
		s.usage(i, t, w, 1+4*math.Exp(-float64(t-i.from)/12), 0)
	}},
	{"one instance leads", func(s *simulation, _ *simService, i *simInstance, t int, w *unship.Window) {
		s.usage(i, t, w, 1, 0)
		lead := 1.
		if strings.HasSuffix(i.id, "new-0") {
			lead = 40 // no old one does now
		}
		s.gauge(w, "queue.depth", "{message}", lead*(1+.05*s.rng.Float64()))
	}},
	{"caches fill in two minutes", fills(24, 300e6)},
	{"caches fill in ten minutes", fills(120, 300e6)},
	{"caches fill in half an hour", fills(360, 400e6)},
	{"day's course", func(s *simulation, _ *simService, i *simInstance, t int, w *unship.Window) {
		s.usage(i, t, w, 2+math.Sin(float64(t)/60), 0)
	}},
}

// fills makes every instance that starts grow by so many bytes and no further,
// by a factor e slower every so many windows; those that serve already are full.
func fills(windows, bytes float64) func(s *simulation, v *simService, i *simInstance, t int, w *unship.Window) {
	return func(s *simulation, _ *simService, i *simInstance, t int, w *unship.Window) {
		s.usage(i, t, w, 1, 0)
		for k := range w.Metrics {
			if m := &w.Metrics[k]; m.Name == "process.memory.usage" {
				m.Value += bytes * (1 - math.Exp(-float64(t-i.from)/windows))
			}
		}
	}
}

func TestHarmlessMetrics(t *testing.T) {
	harmlessMetricsWhere(t, 740, func(s *simulation) { s.canary("cart", simStart, 2) })
}

func TestHarmlessMetricsAfterAReplacement(t *testing.T) {
	harmlessMetricsWhere(t, 770, func(s *simulation) { s.replace("cart", simStart, 1) })
}

// harmlessMetricsWhere releases with each of the harmless metrics: nobody is blamed or asked.
func harmlessMetricsWhere(t *testing.T, seed uint64, release func(*simulation)) {
	for _, c := range harmlessMetrics {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for k := range uint64(2) {
				s := longSimulation(seed + k)
				for _, v := range s.services {
					for k := range v.ops {
						v.ops[k].errors, v.ops[k].reject = 0, 0
					}
				}
				release(s)
				s.shows = func(v *simService, i *simInstance, t int, w *unship.Window) { c.show(s, v, i, t, w) }
				if r := s.run(t)["cart"]; r.regressed >= 0 || r.asked >= 0 {
					t.Errorf("seed %d: blamed after %d windows, asked after %d: %s, log E %.1f", k, r.regressed, r.asked, r.first.Why, r.first.LogE)
				}
			}
		})
	}
}

func TestDirectionsOfMetrics(t *testing.T) {
	for _, c := range []struct {
		p       unship.Metric
		worse   int8
		scale   scale
		grows   bool
		counted bool
	}{
		{unship.Metric{Name: "process.cpu.time", Unit: "s", Kind: unship.MetricCount}, 1, scaleLog, false, false},
		{unship.Metric{Name: "process.memory.usage", Unit: "By"}, 1, scaleLog, true, false},
		{unship.Metric{Name: "k8s.container.memory_limit", Unit: "By"}, 0, scaleLog, false, false},
		{unship.Metric{Name: "http.client.errors", Unit: "{error}", Kind: unship.MetricCount}, 1, scaleLog, false, true},
		{unship.Metric{Name: "orders.processed", Attributes: "outcome=failed", Unit: "1", Kind: unship.MetricCount}, 1, scaleLog, false, true},
		{unship.Metric{Name: "istio.request.success_ratio", Unit: "1"}, -1, scaleShare, false, false},
		{unship.Metric{Name: "error_rate", Unit: "%"}, 1, scaleShare, false, false},
		{unship.Metric{Name: "cache.hit.ratio"}, -1, scaleShare, false, false},
		{unship.Metric{Name: "jvm.gc.duration", Unit: "s", Kind: unship.MetricDistribution}, 1, scaleLog, false, false},
		{unship.Metric{Name: "container.cpu.throttled_time", Unit: "s", Kind: unship.MetricCount}, 1, scaleLog, false, false},
		{unship.Metric{Name: "orders.value", Unit: "EUR"}, 0, scaleLog, false, false},
	} {
		m := newMetric(&c.p)
		if m.worse != c.worse || m.scale != c.scale || m.grows != c.grows || m.counted() != c.counted {
			t.Errorf("%s: worse %d, scale %d, grows %v, counted %v; want %+v", c.p.Name, m.worse, m.scale, m.grows, m.counted(), c)
		}
	}
}

func TestMetricsAreBoundedAndRefuseNonsense(t *testing.T) {
	t.Parallel()
	s := newService(unship.Service{Name: "cart"}, 1)
	i := s.instance(&unship.Window{Instance: unship.Instance{ID: "a"}}, 1, 10)
	w := unship.Window{}
	for k := range 2 * maxMetrics {
		w.Metrics = append(w.Metrics, unship.Metric{Name: strings.Repeat("x", k+1), Value: float64(k)})
	}
	w.Metrics = append(w.Metrics, unship.Metric{Name: "x", Value: math.NaN()}, unship.Metric{Name: "x", Value: math.Inf(1)})
	s.readMetrics(i, &w, 1, 0)
	if len(s.metrics) != maxMetrics || len(s.metricOf) != maxMetrics {
		t.Errorf("%d metrics are kept; want %d", len(s.metrics), maxMetrics)
	}
	if b := i.metrics[0].at(0); b.n != 1 || b.sum != 0 {
		t.Errorf("block %+v; want the one point that is a number", b)
	}
}

func TestTheFloorIgnoresTheSawtooth(t *testing.T) {
	var b gaugeBlock
	for k := range 30 {
		b.add(100+float64(k*11%30), int32(k))
	}
	if got := b.floor(); got != 101 {
		t.Errorf("floor %v; want the mean of the lowest three, 101", got)
	}
}

// Where everything was replaced, a leak is asked about.
func TestALeakAfterAReplacement(t *testing.T) {
	t.Parallel()
	s := longSimulation(760)
	s.replace("cart", simStart, 1)
	s.shows = func(v *simService, i *simInstance, t int, w *unship.Window) {
		leak := 0.
		if v.name == "cart" && i.version == "1.1.0" {
			leak = 20e6 / 12
		}
		s.usage(i, t, w, 1, leak)
	}
	r := s.run(t)["cart"]
	if r.regressed < 0 {
		t.Fatalf("not found; last: %s, log E %.1f, %+v", r.last.Why, r.last.LogE, r.last.Findings)
	}
	f := r.first.Findings[0]
	if f.Name != "process.memory.usage" || f.Unit != "By/h" || !f.Ambiguous || len(f.Warnings) == 0 {
		t.Errorf("after %d windows: %+v; want it asked about", r.regressed, f)
	}
	if f = r.last.Findings[0]; !f.Ambiguous {
		t.Errorf("at the end: %+v; want it asked about, with nothing old beside it", f)
	}
}
