// Package unship is the vocabulary of Unship: the nouns that every stage of
// the pipeline speaks, and nothing else. It imports the standard library only.
//
// # The pipeline
//
//	OTLP, files, webhooks ─► ingest ─Tick─► detect ─Assessment─► decide ─Decision─► actions ─► platform
//	                                                               ▲                   │
//	                                                               └───── Outcome ─────┘
//
// # The words
//
//   - [Service]: what is released: environment, namespace, name.
//   - [Release]: one version of one service: when first seen, what it replaced, how it rolled out.
//   - [Instance]: one running copy of a release (a pod, a process).
//   - [Cohort]: the candidate (the new release) or the baseline (what it is compared with).
//   - [Operation]: what an instance did under one low-cardinality name ("POST /orders") in one window.
//   - [Slice]: the part of an operation with one value of one attribute: a tenant, a calling application.
//   - [Window]: what one instance did in one short span of event time. Windows merge exactly.
//   - [Tick]: all windows of one span, complete as far as the allowed lateness goes.
//   - [Signal]: a way in which a release can be worse: error ratio, duration, …
//   - [Finding]: the evidence of one signal: effect, interval, e-value, verdict.
//   - [Verdict]: healthy, regressed or inconclusive; the zero value is unknown.
//   - [Judgement]: everything known about one release at one moment.
//   - [Suspect]: a release that may be guilty, with its probability and the reasons.
//   - [Incident]: what happened, from onset to recovery. Its JSON form is unship.incident/v1.
//   - [Gate]: a condition that can stop a rollback, and its answer.
//   - [Decision]: what is to be done, decided from evidence, policy and gates alone.
//   - [Plan], [Step]: how a rollback is carried out, in order.
//   - [Outcome]: what became of a decision.
//   - [Recovery]: whether the rollback helped.
//
// One word per idea. We do not say deploy for release, anomaly for finding,
// alert for incident, pod for instance, endpoint or route for operation.
//
// # Time
//
// Every time in this package is event time: the time that the telemetry
// carries. No stage after ingest knows another clock, so a recording gives the
// same incidents as the live stream it was recorded from.
package unship
