package detect

import (
	"math"
	"slices"
	"strings"
	"testing"

	"unship.dev"
)

const meshStart = simStart + 180 // windows of history before releases

// mesh makes an estate of services that send two points a minute for each
// instance, summed up by something else: a success ratio and a 90 % quantile.
// Each is of about so many requests, and instances differ for good.
func mesh(seed uint64, requests float64, worse func(v *simService, i *simInstance, t int) (fail, slow float64)) *simulation {
	s := newSimulation(seed)
	for _, v := range s.services {
		v.ops = nil
	}
	s.shows = func(v *simService, i *simInstance, t int, w *unship.Window) {
		phase := 0
		for _, b := range []byte(i.id) {
			phase += int(b)
		}
		if (t+phase)%12 != 0 {
			return
		}
		n := s.poisson(requests)
		if n == 0 {
			return
		}
		fail, slow := worse(v, i, t)
		own := math.Exp(.1 * math.Sin(float64(phase)))
		failed, durations := 0, []float64{}
		for range n {
			if s.rng.Float64() < .004+fail {
				failed++
			}
			durations = append(durations, .05*own*slow*math.Exp(.5*s.rng.NormFloat64()))
		}
		slices.Sort(durations)
		s.gauge(w, "mesh.request.success_ratio", "1", 1-float64(failed)/float64(n))
		w.Metrics = append(w.Metrics, unship.Metric{Name: "mesh.request.duration", Unit: "s", Attributes: "quantile=0.9", At: w.Start.Add(w.Length), Value: durations[n*9/10]})
	}
	return s
}

// to harms the version 1.1.0 of the cart.
func to(fail, slow float64) func(v *simService, i *simInstance, t int) (float64, float64) {
	return func(v *simService, i *simInstance, _ int) (float64, float64) {
		if v.name == "cart" && i.version == "1.1.0" {
			return fail, slow
		}
		return 0, 1
	}
}

func TestPointsWithoutCountsFindFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		fail, slow float64
		copies     int // of the canary; 0: everything is replaced
		asked      bool
	}{
		{"a fifth fails", .2, 1, 2, false},
		{"a fifth fails on one instance", .2, 1, 1, false},
		{"three times as slow", 0, 3, 2, false},
		{"three times as slow on one instance", 0, 3, 1, true},
		{"replaced, a fifth fails", .2, 1, 0, false},
	} {
		for seed := range uint64(2) {
			s := mesh(seed+1200, 30, to(c.fail, c.slow))
			s.windows, s.policy.Watch = meshStart+370, 1800e9
			if c.copies > 0 {
				s.canary("cart", meshStart, c.copies)
			} else {
				s.replace("cart", meshStart, 0)
			}
			r := s.run(t)["cart"]
			if r.regressed < 0 {
				t.Errorf("%s, seed %d: not found; last: %s, log E %.1f, doubts %v, %+v", c.name, seed, r.last.Why, r.last.LogE, r.last.Doubts, r.last.Findings)
				continue
			}
			f := r.first.Findings[0]
			t.Logf("%s: after %d windows: %s", c.name, r.regressed-meshStart+simStart, r.first.Why)
			if f.Signal != unship.SignalMetric || f.Ambiguous != c.asked || f.Candidate <= f.Baseline || f.Samples.Candidate < 4 ||
				!strings.Contains(f.Name, map[bool]string{true: "success_ratio", false: "duration"}[c.fail > 0]) {
				t.Errorf("%s, seed %d: %q, %+v", c.name, seed, r.first.Why, f)
			}
		}
	}
}

func TestPointsOfHarmlessReleases(t *testing.T) {
	t.Parallel()
	for name, worse := range map[string]func(v *simService, i *simInstance, t int) (float64, float64){
		"nothing wrong": to(0, 1),
		"everything fails for three minutes": func(_ *simService, _ *simInstance, t int) (float64, float64) {
			return map[bool]float64{true: .3}[t > meshStart+30 && t < meshStart+66], 1
		},
		"a surge": func(_ *simService, _ *simInstance, t int) (float64, float64) {
			return 0, map[bool]float64{true: 2, false: 1}[t > meshStart+20]
		},
		"it was so before": func(v *simService, _ *simInstance, t int) (float64, float64) {
			return map[bool]float64{true: .2}[v.name == "cart" && t > meshStart-40], 1
		},
		"starting takes a while": func(_ *simService, i *simInstance, t int) (float64, float64) {
			return 0, 1 + 3*math.Exp(-float64(t-i.from)/12)*map[bool]float64{true: 1}[i.from > 0]
		},
		"one instance is half as slow again": func(_ *simService, i *simInstance, _ int) (float64, float64) {
			return 0, map[bool]float64{true: 1.5, false: 1}[strings.HasSuffix(i.id, "new-0")]
		},
	} {
		for seed := range uint64(6) {
			s := mesh(seed+1300, []float64{2, 30, 300}[seed%3], worse)
			s.windows, s.policy.Watch = meshStart+250, 1200e9
			if seed >= 3 && name != "starting takes a while" && name != "one instance is half as slow again" {
				s.replace("cart", meshStart, 0)
			} else {
				s.canary("cart", meshStart, 1+int(seed%2))
			}
			if r := s.run(t)["cart"]; r.regressed >= 0 {
				t.Errorf("%s, seed %d: blamed after %d windows: %s, log E %.1f, %+v", name, seed, r.regressed, r.first.Why, r.first.LogE, r.first.Findings[0])
			}
		}
	}
}

func TestWhatPointsAre(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    unship.Metric
		want pointClass
	}{
		{unship.Metric{Name: "istio.request.success_ratio", Unit: "1"}, pointRatio},
		{unship.Metric{Name: "service.availability", Unit: "%"}, pointRatio},
		{unship.Metric{Name: "error_rate"}, pointRatio},
		{unship.Metric{Name: "request.latency", Unit: "s", Attributes: "aggregation=p90"}, pointDuration},
		{unship.Metric{Name: "istio_request_duration_milliseconds", Attributes: "quantile=0.99"}, pointDuration},
		{unship.Metric{Name: "jvm.gc.duration", Unit: "s"}, pointNone},
		{unship.Metric{Name: "request.duration", Unit: "s", Kind: unship.MetricDistribution}, pointNone},
		{unship.Metric{Name: "process.memory.usage", Unit: "By"}, pointNone},
		{unship.Metric{Name: "k8s.pod.memory_limit_utilization", Unit: "1"}, pointNone},
	} {
		if got := newMetric(&c.p).class; got != c.want {
			t.Errorf("%s: class %d, want %d", c.p.Name, got, c.want)
		}
	}
	if m := newMetric(&unship.Metric{Name: "k8s.pod.memory_limit_utilization", Unit: "1"}); m.limit || m.worse != 1 {
		t.Errorf("%+v; want usage, not a limit", m)
	}
}

// An estate of metrics only tells of itself once in an export interval.
func TestTelemetryOnceAMinute(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		s := newSimulation(seed + 1400)
		start := meshStart + 5 // where something is told
		s.canary("cart", start, 2)
		s.windows, s.policy.Watch = meshStart+250, 1200e9
		s.silent = func(_ *simInstance, t int) bool { return t%12 != 11 }
		s.load = func(int) float64 { return 12 }
		if seed > 0 {
			s.harm("cart", "1.1.0", "", start, effect{errors: .1})
		}
		r := s.run(t)["cart"]
		switch {
		case seed == 0 && (r.regressed >= 0 || r.last.Verdict != unship.Healthy):
			t.Errorf("harmless: %v: %s", r.last.Verdict, r.last.Why)
		case seed > 0 && (r.regressed < 0 || r.regressed > meshStart-simStart+110):
			t.Errorf("seed %d: found after %d windows; last: %s, log E %.1f, doubts %v", seed, r.regressed, r.last.Why, r.last.LogE, r.last.Doubts)
		}
	}
}

func TestSilence(t *testing.T) {
	for _, c := range []struct {
		name string
		gaps []int32
		want []bool
	}{
		{"every window", []int32{1, 1, 1, 1, 4, 1, 1, 3, 1, 20}, []bool{false, false, false, false, true, false, false, false, false, true}},
		{"every minute", []int32{12, 12, 12, 12, 13, 12, 36, 12}, []bool{true, true, false, false, false, false, true, false}},
		{"two senders every minute", []int32{1, 11, 1, 11, 1, 11, 1, 11, 1, 35}, []bool{false, true, false, true, false, false, false, false, false, true}},
	} {
		d := &Detector{}
		for k, gap := range c.gaps {
			if got := d.silence(gap); got != c.want[k] {
				t.Errorf("%s, pause %d of %d windows: %v", c.name, k, gap, got)
			}
		}
	}
}
