package cmd

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// ownMetrics is every metric of our own in one table.
var ownMetrics = []struct {
	name, help string
	counter    bool
	value      func(*live) float64
}{
	{"unship_spans_total", "Spans accepted.", true, func(l *live) float64 { return float64(l.agg.Stats().Spans) }},
	{"unship_metric_points_total", "Metric points accepted.", true, func(l *live) float64 { return float64(l.agg.Stats().Points) }},
	{"unship_log_records_total", "Log records accepted.", true, func(l *live) float64 { return float64(l.agg.Stats().Records) }},
	{"unship_late_total", "Records that came after their window had closed.", true, func(l *live) float64 { return float64(l.agg.Stats().Late) }},
	{"unship_future_total", "Records from further ahead than a clock can be wrong.", true, func(l *live) float64 { return float64(l.agg.Stats().Future) }},
	{"unship_duplicate_total", "Spans that came a second time.", true, func(l *live) float64 { return float64(l.agg.Stats().Duplicate) }},
	{"unship_overloaded_total", "Requests answered: send again later.", true, func(l *live) float64 { return float64(l.overloaded()) }},
	{"unship_pending_bytes", "Estimated memory of open windows.", false, func(l *live) float64 { return float64(l.agg.Stats().PendingBytes) }},
	{"unship_wal_bytes", "Size of the write-ahead log.", false, func(l *live) float64 { return float64(l.wal.Size()) }},
	{"unship_watermark_age_seconds", "Wall time less the event time up to which everything is judged.", false, func(l *live) float64 {
		w := l.state.Load().watermark
		if w.IsZero() {
			return 0
		}
		return time.Since(w).Seconds()
	}},
}

// metrics answers /metrics in the Prometheus format.
func (l *live) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, m := range ownMetrics {
		value := func() float64 { return m.value(l) }
		if m.counter {
			registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: m.name, Help: m.help}, value))
		} else {
			registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: m.name, Help: m.help}, value))
		}
	}
	registry.MustRegister(refused{l}, audited{l})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// refused counts refused records by reason.
type refused struct{ l *live }

var refusedDesc = prometheus.NewDesc("unship_refused_total", "Records refused for good.", []string{"reason"}, nil)

// Describe names the metric.
func (refused) Describe(ch chan<- *prometheus.Desc) { ch <- refusedDesc }

// Collect gives one counter a reason.
func (r refused) Collect(ch chan<- prometheus.Metric) {
	for reason, n := range r.l.agg.Stats().Invalid {
		ch <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(n), reason)
	}
}

// audited tells how often placebos raised an alarm, by environment and comparison.
type audited struct{ l *live }

var auditedDescs = func(labels ...string) [4]*prometheus.Desc {
	return [4]*prometheus.Desc{
		prometheus.NewDesc("unship_audit_trials", "Placebo releases judged in the last 30 days.", labels, nil),
		prometheus.NewDesc("unship_audit_alarms", "Placebo releases judged regressed in the last 30 days: false alarms.", labels, nil),
		prometheus.NewDesc("unship_audit_ratio_lower", "Lower 95 % limit of the probability of a false alarm.", labels, nil),
		prometheus.NewDesc("unship_audit_ratio_upper", "Upper 95 % limit of the probability of a false alarm.", labels, nil),
	}
}("environment", "comparison")

// Describe names the metrics.
func (audited) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range auditedDescs {
		ch <- d
	}
}

// Collect gives each metric once for each environment and comparison.
func (a audited) Collect(ch chan<- prometheus.Metric) {
	for _, r := range a.l.state.Load().audit.Rates {
		for k, v := range [4]float64{float64(r.Trials), float64(r.Alarms), r.Lower, r.Upper} {
			ch <- prometheus.MustNewConstMetric(auditedDescs[k], prometheus.GaugeValue, v, r.Environment, r.Comparison.String())
		}
	}
}
