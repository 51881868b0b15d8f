package scenario

import "time"

// visit is one request as one service meets it.
type visit struct {
	op     *operation
	pod    *pod
	caller *pod // nil at the entry
	at     time.Duration
	app    string
	tenant string
}

// effect changes what happens to the requests it is about.
type effect struct {
	from, until time.Duration // until 0: for ever
	ramp        time.Duration // grows from nothing for so long
	where       func(visit) bool

	fail        float64       // extra failures
	reject      float64       // extra refusals as the caller's mistake
	exception   string        // type of the exceptions behind the extra failures
	slow        float64       // multiplies the time spent here; 0 means 1
	slowShare   float64       // of the requests that are slowed; 0 means all
	misread     float64       // answers with success what the caller cannot use
	silent      bool          // no answer at all, and no telemetry of the request
	silentShare float64       // of the requests that get none; 0 means all
	repeat      int           // so many calls where one was made
	fades       time.Duration // after a pod's start it falls by a factor e in each; 0: it does not
	work        float64       // multiplies the processor time of a request; 0 means 1
	leak        float64       // bytes a second that are never freed
	cache       float64       // bytes that a pod fills after its start, more and more slowly
	caught      float64       // of requests that meet an exception and answer all the same
	chatter     string        // a line written for each request
}

// strength is how far a growing effect has grown.
func (e *effect) strength(at time.Duration) float64 {
	if e.ramp == 0 {
		return 1
	}
	return min(1, (at-e.from).Seconds()/e.ramp.Seconds())
}

// fate is what awaits one request.
type fate struct {
	usual                 float64 // everyday failures
	fail, reject, misread float64 // what effects add
	slow                  float64
	exception             string
	silent                bool
	repeat                int
	work, caught          float64
	chatter               string
}

// fate gathers everything that acts on a request: the day's noise and the
// effects of the scenario.
func (s *simulation) fate(v visit) fate {
	n := v.pod.noise.at(v.at)
	f := fate{usual: v.op.failures * n.failures, fail: n.extra, reject: v.op.rejection, slow: n.slow, repeat: 1, work: 1}
	if n.pause && s.rng.Float64() < .3 {
		f.slow *= 3
	}
	if age := v.at - v.pod.born; age < 10*time.Minute && v.pod.warmup > 0 {
		f.slow *= 1 + v.pod.warmup*decay(age, time.Minute)
	}
	for i := range s.effects {
		if e := &s.effects[i]; e.from <= v.at && (e.until == 0 || v.at < e.until) && e.where(v) {
			if e.fades > 0 && s.rng.Float64() > decay(v.at-v.pod.born, e.fades) {
				continue
			}
			f.apply(e, v.at, s.rng.Float64())
		}
	}
	return f
}

func (f *fate) apply(e *effect, at time.Duration, chance float64) {
	k := e.strength(at)
	if e.fail > 0 {
		f.exception = e.exception
	}
	f.fail += (1 - f.fail) * e.fail * k
	f.reject += (1 - f.reject) * e.reject * k
	f.misread += (1 - f.misread) * e.misread * k
	f.silent = f.silent || e.silent && (e.silentShare == 0 || chance < e.silentShare)
	if e.slow > 0 && (e.slowShare == 0 || chance < e.slowShare) {
		f.slow *= 1 + (e.slow-1)*k
	}
	if e.repeat > 1 {
		f.repeat = e.repeat
	}
	if e.work > 0 {
		f.work *= 1 + (e.work-1)*k
	}
	f.caught += (1 - f.caught) * e.caught * k
	f.chatter += e.chatter
}

// onRelease is about requests served by the pods of a release.
func onRelease(r *release) func(visit) bool {
	return func(v visit) bool { return v.pod.service == r.service && v.pod.version == r.to }
}

// onOperation is about an operation of a release only.
func onOperation(r *release, op *operation) func(visit) bool {
	return func(v visit) bool { return v.op == op && v.pod.version == r.to }
}

// calledBy is about requests to a service that come from a release.
func calledBy(r *release, callee *service) func(visit) bool {
	return func(v visit) bool {
		return v.pod.service == callee && v.caller != nil && v.caller.service == r.service && v.caller.version == r.to
	}
}

// onService is about all versions of a service.
func onService(s *service) func(visit) bool { return func(v visit) bool { return v.pod.service == s } }

func onNode(node string) func(visit) bool { return func(v visit) bool { return v.pod.node == node } }

func onPod(p *pod) func(visit) bool { return func(v visit) bool { return v.pod == p } }

func everywhere(visit) bool { return true }
