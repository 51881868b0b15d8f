package dashboardstest

import (
	"time"

	"unship.dev"
)

// At is the moment around which the examples happen.
func At() time.Time { return time.Date(2026, 3, 1, 12, 3, 5, 0, time.UTC) }

// Incident is an incident that waits for a person's approval.
func Incident() unship.Incident {
	at := At()
	return unship.Incident{
		Schema: unship.IncidentSchema, ID: "inc-7f3a9c", Environment: "production",
		Status: unship.StatusOpen, Cause: unship.CauseRelease,
		Title:     "shop/ledger 1.1.0: failures of POST /orders rose from 0.2 % to 6.1 %",
		StartedAt: at, DetectedAt: at.Add(38 * time.Second),
		Suspects: []unship.Suspect{{
			Namespace: "shop", Service: "ledger", Version: "1.1.0", Previous: "1.0.0", Probability: 0.98,
			Reasons: []string{"the failures begin in this service, not in what it calls", "the only release whose rollout began before the onset"},
		}},
		Exonerated: []unship.Exoneration{{Service: "cart", Version: "3.4.0", Why: "its failures are those of ledger, which it calls"}},
		Evidence:   Evidence(),
		Impact:     unship.Impact{RequestsFailed: 79, RequestsSlowed: 312},
		Decision: unship.DecisionRecord{
			Verdict: unship.DecideRollback, Mode: unship.ModeApprove, Policy: "payments", At: at.Add(38 * time.Second),
			Why: "the evidence crossed the policy's threshold; the policy wants a person to agree",
			Gates: []unship.Gate{
				{Name: "target_known", Result: unship.GatePass, Why: "1.0.0 served until 12:01:40 UTC and was healthy"},
				{Name: "budget", Result: unship.GatePass, Why: "0 of 10 rollbacks spent in 24h"},
				{Name: "approval", Result: unship.GateBlock, Why: "nobody has answered yet"},
			},
		},
		Plan: unship.Plan{
			{Step: 1, Action: "webhook", Summary: "shift traffic of shop/ledger to 1.0.0", Reversible: true},
			{Step: 2, Action: "kubernetes", Summary: "set deployment ledger to image ledger:1.0.0", Reversible: true, AtRisk: "requests of more than 30 s are cut"},
		},
		Actions: []unship.StepResult{}, Recovery: unship.Recovery{},
		Timeline: []unship.TimelineItem{
			{At: at.Add(-85 * time.Second), What: "release shop/ledger 1.1.0 first seen, rolling"},
			{At: at, What: "estimated onset of failures"},
			{At: at.Add(38 * time.Second), What: "judged regressed; approval asked"},
		},
		Logs: []unship.LogCount{{
			Severity: 17, Pattern: "charge failed: <*>", Count: 77,
			Example: "charge failed: column \"tax_rate\" does not exist", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736",
		}},
	}
}

// Evidence is an error ratio and a duration that got worse.
func Evidence() []unship.Evidence {
	at := At()
	return []unship.Evidence{
		{
			Service: "ledger", Version: "1.1.0", Signal: unship.SignalErrorRatio, Operation: "POST /orders", Unit: "1",
			Baseline: 0.002, Candidate: 0.061, Interval: [2]float64{0.04, 0.09}, EValue: 3.1e7,
			Comparison: unship.ComparisonConcurrent, Samples: unship.Samples{Baseline: 5120, Candidate: 1290}, Since: at,
			Exemplars: unship.Exemplars{
				{TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", SpanID: "00f067aa0ba902b7", Duration: 93 * time.Millisecond, Error: "pq.Error"},
				{TraceID: "a3ce929d0e0e47364bf92f3577b34da6", SpanID: "b7ad6b7169203331", Duration: 71 * time.Millisecond, Error: "pq.Error"},
			},
		},
		{
			Service: "ledger", Version: "1.1.0", Signal: unship.SignalDuration, Operation: "GET /orders/{id}", Quantile: 0.95, Unit: "s",
			Baseline: 0.084, Candidate: 0.131, Interval: [2]float64{0.112, 0.149}, EValue: 4180,
			Comparison: unship.ComparisonConcurrent, Samples: unship.Samples{Baseline: 21480, Candidate: 5311}, Since: at,
		},
	}
}

// Resolved is the incident after an approved rollback that helped.
func Resolved() unship.Incident {
	in, at := Incident(), At()
	in.Status, in.EndedAt = unship.StatusResolved, at.Add(4*time.Minute)
	in.Actions = []unship.StepResult{
		{Step: 1, Action: "webhook", StartedAt: at.Add(50 * time.Second), EndedAt: at.Add(51 * time.Second), Result: unship.ResultDone, Detail: "200 OK"},
		{Step: 2, Action: "kubernetes", StartedAt: at.Add(51 * time.Second), EndedAt: at.Add(74 * time.Second), Result: unship.ResultDone, Detail: "12 of 12 pods run 1.0.0"},
	}
	in.Decision.Gates[2] = unship.Gate{Name: "approval", Result: unship.GatePass, Why: "approved by Ada"}
	in.Recovery = unship.Recovery{Status: unship.Recovered, At: in.EndedAt, Why: "failures are back at 0.2 %, as the baseline predicts"}
	in.Timeline = append(in.Timeline, unship.TimelineItem{At: in.EndedAt, What: "recovered"})
	return in
}

// Release is a release under watch, not yet judged.
func Release() unship.ReleaseReport {
	at := At()
	return unship.ReleaseReport{
		Schema: unship.ReleaseSchema, Environment: "production", Namespace: "shop", Service: "cart", Version: "3.4.0", Previous: "3.3.2",
		FirstSeen: at.Add(-3 * time.Minute), Announced: true, Rollout: unship.RolloutCanary,
		Verdict: unship.Inconclusive, Why: "too few requests yet to tell a doubling of failures from chance",
		Detectable: []unship.Detectable{
			{Signal: unship.SignalErrorRatio, Unit: "1", Baseline: 0.004, Change: 0.021},
			{Signal: unship.SignalDuration, Unit: "x", Baseline: 0.08, Change: 1.18},
		},
		Samples: unship.Samples{Baseline: 9800, Candidate: 410}, Comparison: unship.ComparisonConcurrent,
		LogE: 1.72, Threshold: 6.91, UpdatedAt: at,
	}
}

// Releases are one release of each verdict.
func Releases() []unship.ReleaseReport {
	healthy, regressed := Release(), Release()
	healthy.Service, healthy.Version, healthy.Previous = "checkout", "2026.02.28-4", "2026.02.27-1"
	healthy.Verdict, healthy.Why, healthy.Done = unship.Healthy, "no worse than tolerated on every signal, over the whole watch", true
	healthy.FirstSeen, healthy.Rollout, healthy.LogE = At().Add(-40*time.Minute), unship.RolloutReplaced, -2.3
	healthy.Samples = unship.Samples{Baseline: 1_204_331, Candidate: 1_190_422}
	regressed.Service, regressed.Version, regressed.Previous = "ledger", "1.1.0", "1.0.0"
	regressed.Verdict, regressed.Why = unship.Regressed, "failures of POST /orders rose from 0.2 % to 6.1 %"
	regressed.FirstSeen, regressed.Rollout, regressed.LogE = At().Add(-85*time.Second), unship.RolloutRolling, 17.2
	regressed.Samples = unship.Samples{Baseline: 5120, Candidate: 1290}
	return []unship.ReleaseReport{healthy, Release(), regressed}
}

// Hostile is an incident whose texts try to become code, links and mentions.
func Hostile() unship.Incident {
	const evil = `<img src=x onerror="window.owned=1"><!channel> @channel & <script>window.owned=1</script>`
	in := Incident()
	in.ID, in.Title, in.Environment = "inc-evil", evil, evil
	in.Suspects[0].Service, in.Suspects[0].Reasons = evil, []string{evil}
	in.Evidence[0].Operation, in.Evidence[0].Service = evil, evil
	in.Evidence[0].Exemplars[0] = unship.Exemplar{TraceID: `"><svg onload=window.owned=1>`, SpanID: evil, Error: evil}
	in.Decision.Why, in.Decision.Gates[0].Why = evil, evil
	in.Timeline[0].What = evil
	in.Logs[0].Example = "<!everyone>\n" + evil + "\u202e"
	return in
}
