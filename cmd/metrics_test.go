package cmd

import (
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"unship.dev"
)

func TestFalseAlarmsAreMetrics(t *testing.T) {
	l := &live{}
	l.state.Store(&liveState{audit: unship.Audit{Rates: []unship.AuditRate{
		{Environment: "production", Comparison: unship.ComparisonBefore, Trials: 40, Alarms: 3, Lower: .013, Upper: .18},
	}}})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(audited{l})
	want := `# HELP unship_audit_alarms Placebo releases judged regressed in the last 30 days: false alarms.
# TYPE unship_audit_alarms gauge
unship_audit_alarms{comparison="before_after",environment="production"} 3
# HELP unship_audit_ratio_lower Lower 95 % limit of the probability of a false alarm.
# TYPE unship_audit_ratio_lower gauge
unship_audit_ratio_lower{comparison="before_after",environment="production"} 0.013
# HELP unship_audit_ratio_upper Upper 95 % limit of the probability of a false alarm.
# TYPE unship_audit_ratio_upper gauge
unship_audit_ratio_upper{comparison="before_after",environment="production"} 0.18
# HELP unship_audit_trials Placebo releases judged in the last 30 days.
# TYPE unship_audit_trials gauge
unship_audit_trials{comparison="before_after",environment="production"} 40
`
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	if got := answer.Body.String(); got != want {
		t.Errorf("the metrics are\n%s\nwant\n%s", got, want)
	}
}
