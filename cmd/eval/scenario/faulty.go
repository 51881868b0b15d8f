package scenario

import "time"

// gross is the traffic, in requests a second, that a candidate needs for its
// fault to count as gross, with room for the drift of the day.
const gross = 26

func canaryErrors(b *builder) {
	r := b.canaryOf(b.busy(2*gross), b.at(), gross)
	b.extra(r, .08)
	b.blame(r, "errors", r.at)
}

func replacedErrors(b *builder) {
	r := b.replaced(b.busy(gross), b.at())
	b.add(effect{from: r.at, where: onRelease(r), fail: .1, exception: "java.lang.NullPointerException"})
	b.blame(r, "errors", r.at)
}

// replacedLater fails after a part of the time since everything was replaced: a sixteenth
// of eight minutes is half a minute, three eighths are three.
func replacedLater(part float64) func(*builder) {
	return func(b *builder) {
		r, after := b.replaced(b.busy(20), b.at()), time.Duration(part*float64(b.options.After))
		b.add(effect{from: r.at + after, where: onRelease(r), fail: .2, exception: "com.zaxxer.hikari.pool.PoolTimeout"})
		b.blame(r, "errors", r.at+after)
	}
}

func errorsInWaves(b *builder) {
	b.waves()
	replacedErrors(b)
}

func rollingErrors(b *builder) {
	r := b.rolling(b.busy(gross), b.at(), 15*time.Second)
	b.add(effect{from: r.at, where: onRelease(r), fail: .08, exception: "java.lang.NullPointerException"})
	b.blame(r, "errors", r.at)
}

func blueGreenErrors(b *builder) {
	r := b.blueGreen(b.busy(gross), b.at())
	b.add(effect{from: r.at, where: onRelease(r), fail: .1, exception: "java.lang.NullPointerException"})
	b.blame(r, "errors", r.at)
}

func smallErrors(b *builder) {
	r := b.canaryOf(b.busy(40), b.at(), 24)
	b.extra(r, .02)
	b.blame(r, "errors", r.at)
}

func routeErrors(b *builder) {
	s := b.busy(30)
	op := s.ops[0]
	for _, o := range s.ops { // a middling one: neither the busiest nor almost unused
		if o.rate < op.rate && o.rate > 5*b.options.Scale {
			op = o
		}
	}
	r := b.canaryOf(s, b.at(), 20)
	b.add(effect{from: r.at, where: onOperation(r, op), fail: .25, exception: "java.lang.NumberFormatException"})
	b.blame(r, "errors on one operation", r.at)
}

func latency(b *builder) {
	r := b.canaryOf(b.behind(25), b.at(), 20)
	b.add(effect{from: r.at, where: onRelease(r), slow: 2})
	b.blame(r, "latency", r.at)
}

func slowTail(b *builder) {
	r := b.canaryOf(b.behind(40), b.at(), 24)
	b.add(effect{from: r.at, where: onRelease(r), slow: 10, slowShare: .02})
	b.blame(r, "slow tail", r.at)
}

func slowGrowth(b *builder) {
	r := b.canaryOf(b.behind(25), b.at(), 20)
	b.add(effect{from: r.at + time.Minute, ramp: 8 * time.Minute, where: onRelease(r), slow: 4})
	b.blame(r, "growing latency", r.at+time.Minute)
}

func rejections(b *builder) {
	r := b.canaryOf(b.busy(30), b.at(), 20)
	b.add(effect{from: r.at, where: onRelease(r), reject: .06})
	b.blame(r, "rejections", r.at)
}

func rejectsOneApp(b *builder) {
	r := b.canaryOf(b.busy(40), b.at(), 20)
	on, app := onRelease(r), b.apps[3]
	b.add(effect{from: r.at, reject: .9, where: func(v visit) bool { return v.app == app && on(v) }})
	b.blame(r, "rejections of one application", r.at)
}

func poisonedCallee(b *builder) {
	s := b.caller(40)
	callee := b.needed(b.callee(s))
	r := b.canaryOf(s, b.at(), 20)
	b.add(effect{from: r.at, where: calledBy(r, callee), fail: .25, exception: "java.lang.IllegalArgumentException"})
	b.blame(r, "poisoned calls", r.at)
	if b.rng.IntN(2) == 0 {
		b.bystanders(1)
	}
}

func badAnswer(b *builder) {
	r := b.canaryOf(b.needed(b.behind(30)), b.at(), 20)
	b.add(effect{from: r.at, where: onRelease(r), misread: .2})
	b.blame(r, "unreadable answers", r.at)
}

func nPlusOne(b *builder) {
	r := b.canaryOf(b.caller(25), b.at(), 15)
	b.add(effect{from: r.at, where: onRelease(r), repeat: 5})
	b.blame(r, "more calls per request", r.at)
}

func lateErrors(b *builder) {
	r := b.canaryOf(b.busy(40), b.at(), 24)
	from := r.at + b.options.After/2
	b.add(effect{from: from, where: onRelease(r), fail: .06, exception: "java.lang.OutOfMemoryError"})
	b.note(r, .06)
	b.blame(r, "late errors", from)
}

func oneGuilty(b *builder) {
	s := b.busy(30)
	var r *release
	if b.rng.IntN(2) == 0 {
		r = b.canaryOf(s, b.at(), 20)
	} else {
		r = b.rolling(s, b.at(), 12*time.Second)
	}
	b.add(effect{from: r.at, where: onRelease(r), fail: .1, exception: "java.lang.NullPointerException"})
	b.blame(r, "errors", r.at)
	b.bystanders(2 + b.rng.IntN(2))
}

func silentCrash(b *builder) {
	r := b.canaryOf(b.needed(b.behind(25)), b.at(), 15)
	from := r.at + 20*time.Second
	b.add(effect{from: from, where: onRelease(r), silent: true})
	b.blame(r, "crash without a word", from)
}

// crashLoop lets the new pods of a rolling update refuse half of their calls from their
// start: nothing but their callers tells of that.
func crashLoop(b *builder) {
	r := b.rolling(b.needed(b.behind(25)), b.at(), 15*time.Second)
	b.add(effect{from: r.at, where: onRelease(r), silent: true, silentShare: .5})
	b.blame(r, "crash loop", r.at)
}

func sampledErrors(b *builder) {
	b.telemetry = sampledTraces
	r := b.canaryOf(b.busy(40), b.at(), 30)
	b.add(effect{from: r.at, where: onRelease(r), fail: .1, exception: "java.lang.NullPointerException"})
	b.blame(r, "errors", r.at)
}

func metricsOnlyErrors(b *builder) {
	b.telemetry = metricsOnly
	r := b.canaryOf(b.busy(2*gross), b.at(), gross)
	b.extra(r, .08)
	b.blame(r, "errors", r.at)
}

func metricsOnlyLatency(b *builder) {
	b.telemetry = metricsOnly
	r := b.canaryOf(b.behind(25), b.at(), 20)
	b.add(effect{from: r.at, where: onRelease(r), slow: 3})
	b.blame(r, "latency", r.at)
}

func logsOnlyErrors(b *builder) {
	b.telemetry = logsOnly
	r := b.canaryOf(b.busy(2*gross), b.at(), gross)
	b.add(effect{from: r.at, where: onRelease(r), fail: .2, exception: "java.lang.ArrayIndexOutOfBoundsException"})
	b.blame(r, "errors", r.at)
}

// accessLogRejections breaks a contract: nothing but the status of its answers says so.
func accessLogRejections(b *builder) {
	b.telemetry = accessLogs
	r := b.canaryOf(b.busy(30), b.at(), 20)
	b.add(effect{from: r.at, where: onRelease(r), reject: .06})
	b.blame(r, "rejections", r.at)
}

func tenantErrors(b *builder) {
	r := b.canaryOf(b.busy(40), b.at(), 24)
	on, tenant := onRelease(r), b.tenants[3]
	b.add(effect{from: r.at, fail: .5, exception: "java.lang.NumberFormatException", where: func(v visit) bool { return v.tenant == tenant && on(v) }})
	b.blame(r, "errors of one tenant", r.at)
}

func caughtExceptions(b *builder) {
	r := b.canaryOf(b.busy(40), b.at(), 24)
	b.add(effect{from: r.at, where: onRelease(r), caught: .1})
	b.blame(r, "exceptions behind answers that look well", r.at)
}

func moreWork(b *builder) {
	r := b.canaryOf(b.busy(40), b.at(), 24)
	b.add(effect{from: r.at, where: onRelease(r), work: 3})
	b.blame(r, "processor time", r.at)
}

// memoryLeak needs longer than other kinds: a leak shows in its trend.
func memoryLeak(b *builder) {
	b.options.After = b.options.After * 5 / 2
	r := b.canaryOf(b.busy(30), b.at(), 20)
	b.add(effect{from: r.at, where: onRelease(r), leak: 2.5e5})
	b.blame(r, "memory leak", r.at)
}
