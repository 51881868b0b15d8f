package scenario

import "unship.dev/cmd/eval/truth"

// What counts as right.
const (
	none     = truth.ExpectNoRollback
	rollback = truth.ExpectRollback
	either   = truth.ExpectRollbackOrAsk
)

// Kinds lists everything that can be made, harmless kinds first. A kind is added
// to one of the two lists below and nowhere else.
func Kinds() []Kind { return append(harmlessKinds(), faultyKinds()...) }

func harmlessKinds() []Kind {
	return []Kind{
		{"good-canary", "a harmless canary that takes over after four minutes", none, false, goodCanary},
		{"good-rolling", "a harmless rolling update", none, false, goodRolling},
		{"good-replaced", "a harmless release, all pods replaced at once", none, false, goodReplaced},
		{"good-blue-green", "a harmless release switched from blue to green", none, false, goodBlueGreen},
		{"good-concurrent", "four harmless releases within two minutes", none, false, goodConcurrent},
		{"dependency-outage", "what the canary's service calls fails for both versions", none, false, dependencyOutage},
		{"replaced-outage", "what a service calls fails for two minutes, a while after all its pods were replaced", none, false, replacedOutage},
		{"replaced-in-waves", "all pods are replaced where traffic comes in a rush at every full minute", none, false, replacedInWaves},
		{"slow-node", "the node of one canary pod becomes slow for everything on it", none, false, slowNode},
		{"surge", "traffic doubles during a canary and everything slows down", none, false, trafficSurge},
		{"warm-up", "new pods need a minute to warm up", none, false, warmUp},
		{"operation-mix", "the canary gets another mix of operations", none, false, operationMix},
		{"failing-before", "a service that already fails gets a hotfix that does not help", none, false, failingBefore},
		{"blip", "one canary pod fails for fifteen seconds, then never again", none, false, blip},
		{"bad-client", "one application begins to send rubbish to both versions", none, false, badClient},
		{"restart", "all pods are restarted with the version they had", none, false, restarted},
		{"telemetry-outage", "telemetry is lost for a minute in the middle of a canary", none, false, telemetryOutage},
		{"lost-spans", "what a canary's pods tell is lost for three minutes while they serve", none, false, lostSpans},
		{"callee-outage", "what a service calls fails for good, soon after all its pods were replaced", none, false, calleeOutage},
		{"rollback", "a service returns to its previous version", none, false, returned},
		{"low-traffic-canary", "a harmless canary with almost no traffic", none, false, lowTraffic},
		{"start-errors", "every pod of a service fails for half a minute when it starts", none, false, startErrors},
		{"sampled-canary", "a harmless canary, and one trace in eight is kept", none, false, sampledCanary},
		{"metrics-only-canary", "a harmless canary in an estate without spans", none, false, metricsOnlyCanary},
		{"logs-only-canary", "a harmless canary in an estate with logs only", none, false, logsOnlyCanary},
		{"access-log-canary", "a harmless canary in an estate with access logs only", none, false, accessLogCanary},
		{"new-log-lines", "a canary writes a harmless line that no version wrote before", none, false, newLogLines},
		{"cache-fills", "a service's pods grow for a quarter of an hour after they start, the canary's as well", none, false, cacheFills},
		{"cold-cache", "a canary's pods call twice until their caches are full", none, false, coldCache},
		{"idle-canary", "a canary of several pods has little to do, and processes need processor time for nothing", none, false, idleCanary},
		{"tenant-mix", "a canary gets mostly the tenant that fails often everywhere", none, false, tenantMix},
	}
}

func faultyKinds() []Kind {
	return []Kind{
		{"canary-errors", "eight percent of a canary's requests fail", rollback, true, canaryErrors},
		{"replaced-errors", "a tenth of the requests fail after all pods were replaced", rollback, true, replacedErrors},
		{"replaced-half-a-minute", "a fifth of the requests fail, half a minute after all pods were replaced", either, false, replacedLater(1. / 16)},
		{"replaced-minutes", "a fifth of the requests fail, three minutes after all pods were replaced", either, false, replacedLater(3. / 8)},
		{"errors-in-waves", "a tenth of the requests fail after all pods were replaced, where traffic comes in rushes", rollback, false, errorsInWaves},
		{"rolling-errors", "eight percent of the requests to new pods of a rolling update fail", rollback, false, rollingErrors},
		{"blue-green-errors", "a tenth of the requests fail after the switch", rollback, false, blueGreenErrors},
		{"small-errors", "a canary fails two percent more often", rollback, false, smallErrors},
		{"route-errors", "one operation of a canary fails", rollback, false, routeErrors},
		{"latency", "a canary needs twice the time", rollback, false, latency},
		{"slow-tail", "two percent of a canary's requests take ten times as long", rollback, false, slowTail},
		{"slow-growth", "a canary becomes slower by the minute", rollback, false, slowGrowth},
		{"rejections", "a canary refuses six percent of valid calls", rollback, false, rejections},
		{"rejects-one-app", "a canary refuses the valid calls of one application", rollback, false, rejectsOneApp},
		{"poisoned-callee", "a canary sends what makes its callee fail", rollback, false, poisonedCallee},
		{"bad-answer", "a canary answers with success what its callers cannot read", rollback, false, badAnswer},
		{"n-plus-one", "a canary makes five calls where there was one", either, false, nPlusOne},
		{"late-errors", "a canary begins to fail long after its start", rollback, false, lateErrors},
		{"concurrent-one-guilty", "one of three or four concurrent releases fails", rollback, false, oneGuilty},
		{"sampled-errors", "a tenth of a canary's requests fail, and one trace in eight is kept", rollback, false, sampledErrors},
		{"metrics-only-errors", "eight percent of a canary's requests fail, and only metrics tell", rollback, false, metricsOnlyErrors},
		{"metrics-only-latency", "a canary needs three times the time, and only metrics tell", rollback, false, metricsOnlyLatency},
		{"logs-only-errors", "a fifth of a canary's requests fail, and only logs tell", rollback, false, logsOnlyErrors},
		{"access-log", "a canary refuses six percent of valid calls, and only access logs tell", rollback, false, accessLogRejections},
		{"tenant-errors", "a canary fails half of the requests of one small tenant", rollback, false, tenantErrors},
		{"caught-exceptions", "a canary logs exceptions and answers as if nothing were wrong", either, false, caughtExceptions},
		{"more-work", "a canary needs three times the processor time", either, false, moreWork},
		{"memory-leak", "a canary leaks fifteen megabytes a minute", either, false, memoryLeak},
		{"crash-loop", "the new pods of a rolling update refuse half of their calls", either, false, crashLoop},
		{"silent-crash", "a canary's pods stop answering after twenty seconds", either, false, silentCrash},
	}
}
