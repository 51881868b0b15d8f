package scenario

import (
	"fmt"
	"time"
)

func goodCanary(b *builder) {
	r := b.canaryOf(b.busy(12), b.at(), 10)
	b.promote(r, b.at()+4*time.Minute)
}

func goodRolling(b *builder) { b.rolling(b.busy(8), b.at(), 15*time.Second) }

func goodReplaced(b *builder) { b.replaced(b.busy(8), b.at()) }

func goodBlueGreen(b *builder) { b.blueGreen(b.busy(8), b.at()) }

func goodConcurrent(b *builder) { b.bystanders(4) }

// dependencyOutage lets a callee fail and slow down for two minutes, for old
// and new callers alike.
func dependencyOutage(b *builder) {
	s := b.caller(15)
	b.canaryOf(s, b.at(), 10)
	from := b.at() + 90*time.Second
	b.add(effect{from: from, until: from + 2*time.Minute, where: onService(b.callee(s)), fail: .25, slow: 3, exception: "java.sql.SQLException"})
}

// replacedOutage lets what a replaced service calls fail a while after, and recover.
func replacedOutage(b *builder) {
	s := b.caller(15)
	b.replaced(s, b.at())
	from := b.at() + 2*time.Minute
	b.add(effect{from: from, until: from + 2*time.Minute, where: onService(b.callee(s)), fail: .25, slow: 3, exception: "java.sql.SQLException"})
}

// waves lets traffic come in a rush at every full minute, in which all is slower.
func (b *builder) waves() {
	for from := time.Duration(0); from < b.length(); from += time.Minute {
		b.surges = append(b.surges, surge{from: from, until: from + 5*time.Second, factor: 8})
		b.add(effect{from: from, until: from + 5*time.Second, where: everywhere, slow: 1.6, fail: .004})
	}
}

func replacedInWaves(b *builder) {
	b.waves()
	b.replaced(b.busy(gross), b.at())
}

func slowNode(b *builder) {
	r := b.canaryOf(b.busy(12), b.at(), 10)
	node := r.pods[0].node
	for _, p := range r.pods[1:] { // the other canary pods run elsewhere
		p.node = "node-7"
	}
	b.add(effect{from: b.at() + time.Minute, where: onNode(node), slow: 2.5, fail: .01})
}

func trafficSurge(b *builder) {
	b.canaryOf(b.busy(12), b.at(), 10)
	from := b.at() + time.Minute
	b.surges = append(b.surges, surge{from: from, until: from + 3*time.Minute, factor: 2})
	b.add(effect{from: from, until: from + 3*time.Minute, ramp: 30 * time.Second, where: everywhere, slow: 1.6, fail: .004})
}

func warmUp(b *builder) {
	r := b.canaryOf(b.busy(12), b.at(), 10)
	for _, p := range r.pods {
		p.warmup = .8 + .6*b.rng.Float64()
	}
}

// operationMix sends mostly the worst operation of a service to its canary.
func operationMix(b *builder) {
	s := b.busy(15)
	worst := s.ops[len(s.ops)-1]
	worst.failures, worst.median = .04, 4*worst.median
	r := b.canaryOf(s, b.at(), 10)
	for _, p := range r.pods {
		p.bias = map[*operation]float64{}
		for _, op := range s.ops {
			p.bias[op] = .3
		}
		p.bias[worst] = 1
	}
}

func failingBefore(b *builder) {
	s := b.busy(15)
	b.add(effect{from: b.at() - 200*time.Second, where: onService(s), fail: .06, exception: "java.sql.SQLException"})
	if b.rng.IntN(2) == 0 {
		b.canaryOf(s, b.at(), 10)
		return
	}
	b.rolling(s, b.at(), 10*time.Second)
}

func blip(b *builder) {
	r := b.canaryOf(b.busy(15), b.at(), 12)
	from := b.at() + 100*time.Second
	b.add(effect{from: from, until: from + 15*time.Second, where: onPod(r.pods[0]), fail: .4, slow: 4})
}

// badClient lets one application send several times as much, of which the
// canary's service refuses most, whichever version it meets.
func badClient(b *builder) {
	s := b.busy(15)
	b.canaryOf(s, b.at(), 10)
	from := b.at() + time.Minute
	app := b.apps[3]
	b.surges = append(b.surges, surge{from: from, until: b.length(), factor: 4, app: app})
	b.add(effect{from: from, reject: .7, where: func(v visit) bool { return v.pod.service == s && v.app == app }})
}

func restarted(b *builder) { b.restart(b.busy(12), b.at()) }

func telemetryOutage(b *builder) {
	b.canaryOf(b.busy(12), b.at(), 10)
	from := b.at() + 2*time.Minute
	b.outages = append(b.outages, outage{from: from, until: from + time.Minute, share: .5 + .5*float64(b.rng.IntN(2))})
}

// lostSpans loses what a canary's pods tell for three minutes, while they serve as before.
func lostSpans(b *builder) {
	r := b.canaryOf(b.busy(20), b.at(), 12)
	b.outages = append(b.outages, outage{from: r.at + 2*time.Minute, until: r.at + 5*time.Minute, of: r})
}

// calleeOutage lets what a service calls fail for good, soon after the service was replaced.
func calleeOutage(b *builder) {
	s := b.caller(15)
	b.replaced(s, b.at())
	b.add(effect{from: b.at() + 12*time.Second, where: onService(b.callee(s)), fail: .3, exception: "java.net.ConnectException"})
}

// startErrors lets every pod of a service fail for half a minute when it
// starts: those that are restarted before the release, and the release's.
func startErrors(b *builder) {
	s := b.busy(15)
	b.restart(s, b.at()/3)
	b.canaryOf(s, b.at(), 12)
	b.add(effect{
		where: func(v visit) bool {
			return v.pod.service == s && v.pod.born > 0 && v.at < v.pod.born+30*time.Second
		},
		fail: .3, exception: "java.net.ConnectException",
	})
}

// sampledCanary is a harmless canary in an estate that keeps one trace in eight.
func sampledCanary(b *builder) {
	b.telemetry = sampledTraces
	b.canaryOf(b.busy(30), b.at(), 24)
}

func metricsOnlyCanary(b *builder) {
	b.telemetry = metricsOnly
	b.canaryOf(b.busy(15), b.at(), 12)
}

func logsOnlyCanary(b *builder) {
	b.telemetry = logsOnly
	b.canaryOf(b.busy(15), b.at(), 12)
}

func accessLogCanary(b *builder) {
	b.telemetry = accessLogs
	b.canaryOf(b.busy(15), b.at(), 12)
}

// newLogLines lets a canary write a line for each request that no version wrote before.
func newLogLines(b *builder) {
	r := b.canaryOf(b.busy(15), b.at(), 12)
	b.add(effect{from: r.at, where: onRelease(r), chatter: "cache refreshed for order"})
}

// cacheFills makes the canary's pods grow as all of their service did when they started.
func cacheFills(b *builder) {
	b.options.After = b.options.After * 5 / 2
	r := b.canaryOf(b.busy(30), b.at(), 20)
	b.add(effect{cache: 3e8, where: func(v visit) bool { return v.pod.service == r.service }})
}

// coldCache lets a canary's pods call twice where they called once until their caches are full.
func coldCache(b *builder) {
	r := b.canaryOf(b.needed(b.behind(25)), b.at(), 20)
	b.add(effect{from: r.at, where: onRelease(r), repeat: 2, fades: 40 * time.Second})
}

// idleCanary gives three pods of a canary a twentieth of the traffic, where every process
// spends processor time without requests, most of it when it starts.
func idleCanary(b *builder) {
	b.idle = .04
	b.canary(b.busy(40), b.at(), 3, .05)
}

// tenantMix sends a canary mostly the requests of a tenant that fails often everywhere.
func tenantMix(b *builder) {
	s := b.busy(20)
	r := b.canaryOf(s, b.at(), 12)
	tenant := b.tenants[2]
	b.add(effect{fail: .05, exception: "java.lang.IllegalStateException", where: func(v visit) bool { return v.pod.service == s && v.tenant == tenant }})
	for _, p := range r.pods {
		p.favours = tenant
	}
}

// returned releases a version early and goes back to the one before it.
func returned(b *builder) {
	s := b.busy(12)
	first := b.replaced(s, b.at()-4*time.Minute)
	back := b.replaced(s, b.at())
	back.to = first.from
	for _, p := range back.pods {
		p.version = back.to
		p.name = fmt.Sprintf("%s-back", p.name)
	}
}

func lowTraffic(b *builder) {
	s := b.busy(12)
	b.canary(s, b.at(), 1, min(.02, .5*b.options.Scale/s.rate))
}
