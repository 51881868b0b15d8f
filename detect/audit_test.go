package detect

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unship.dev"
	"unship.dev/rules"
)

// auditOptions learn from seven minutes, so that simulated ones are few.
var auditOptions = Options{History: 90, Placebos: 8}

// simAudit is a simulation in which nothing is released.
func simAudit(seed uint64) *simulation {
	s := newSimulation(seed)
	s.policy.Watch = 30 * time.Minute
	for _, v := range s.services {
		v.rps = 3
	}
	return s
}

func newAudited(t *testing.T, o Options) *Detector {
	t.Helper()
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// show shows windows to detectors and gives the audit of the first after the last.
func (s *simulation) show(from, to int, all ...*Detector) (a unship.Assessment) {
	for t := from; t < to; t++ {
		k, r := s.tick(t)
		for i, d := range all {
			if x := d.Observe(k, r, rules.Set{s.policy}); i == 0 {
				a = x
			}
		}
	}
	return a
}

// watching is how many placebos are under watch.
func (d *Detector) watching() (n int) {
	for k := range d.audit.slots {
		if p := d.audit.slots[k].placebo; p != nil && p.watch != nil {
			n++
		}
	}
	return n
}

func trials(a unship.Audit) (trials, alarms uint64) {
	for _, r := range a.Rates {
		trials, alarms = trials+r.Trials, alarms+r.Alarms
	}
	return trials, alarms
}

func TestPlacebosOfEqualInstancesDoNotAlarm(t *testing.T) {
	for name, build := range map[string]func(*simulation){
		"nothing wrong":              func(*simulation) {},
		"failures come in clusters":  func(s *simulation) { s.cluster = 4 },
		"everything fails at times":  func(s *simulation) { s.harmBetween("", 700, 760, effect{errors: .2, latency: 2}) },
		"one service fails for long": func(s *simulation) { s.harm("cart", "", "", 300, effect{errors: .1}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := simAudit(3)
			build(s)
			a := s.show(0, 1200, newAudited(t, auditOptions))
			n, alarms := trials(a.Audit)
			if n < 12 || alarms > 0 || len(a.Audit.Rates) != 2 {
				t.Errorf("%d trials, %d alarms: %+v", n, alarms, a.Audit)
			}
		})
	}
}

// illness strikes one instance of every service after the other.
func illness(s *simulation, from, every int) {
	s.effects = append(s.effects, func(v *simService, i *simInstance, _ string, t int) effect {
		if k := slices.Index(v.instances, i); t >= from+k*every {
			return effect{errors: .3}
		}
		return effect{}
	})
}

func TestInstancesThatDifferRaiseAlarms(t *testing.T) {
	s := simAudit(1)
	illness(s, 400, 150)
	a := s.show(0, 1000, newAudited(t, auditOptions))
	n, alarms := trials(a.Audit)
	if alarms < 2 {
		t.Fatalf("%d trials, %d alarms", n, alarms)
	}
	r := a.Audit.Rates[0]
	if r.Comparison != unship.ComparisonConcurrent || r.Environment != "production" || r.Alarms < 2 || r.Lower < .01 || r.Upper < r.Lower {
		t.Errorf("rate is %+v", r)
	}
	if x := a.Audit.Alarms[0]; x.Why == "" || len(x.Instances) != 1 || x.Release.Version != "1.0.0" || x.At.IsZero() {
		t.Errorf("alarm is %+v", x)
	}
}

// busy shows everything that a copy has to copy.
func busy(s *simulation) {
	s.tenants = func(*simInstance, int) []simTenant { return []simTenant{{"a", .6}, {"b", .4}} }
	s.shows = func(v *simService, i *simInstance, t int, w *unship.Window) {
		w.Logs = append(w.Logs, unship.LogCount{Severity: 17, Pattern: "it <*> failed", Count: 1})
		w.Exceptions = append(w.Exceptions, unship.Exception{Type: "Error", Place: "main", Count: 1})
		w.Metrics = append(w.Metrics, unship.Metric{Name: "process.memory.usage", Unit: "By", At: w.Start, Value: 1e8 + 1e6*s.rng.NormFloat64()})
		for k := range w.Operations {
			p := &w.Operations[k]
			caller := unship.ReleaseID{Service: s.services[0].id(), Version: "1.0.0"}
			if v != s.services[0] {
				p.Callers = []unship.Caller{{Release: caller, Requests: p.Requests / 2, FailedHere: p.FailedHere / 2}}
			}
			p.Calls[0].Answered = []unship.CalleeAnswer{{Release: unship.ReleaseID{Service: s.services[1].id(), Version: "1.0.0"}, Requests: p.Requests}}
		}
	}
}

// A detector with placebos says of releases, bit for bit, what one without says.
func TestPlacebosChangeNoJudgement(t *testing.T) {
	for name, build := range map[string]func(*simulation){
		"harmless canary":        func(s *simulation) { s.canary("cart", 450, 2) },
		"faulty canary":          func(s *simulation) { s.canary("cart", 450, 2); s.harm("cart", "1.1.0", "", 470, effect{errors: .05}) },
		"everything is replaced": func(s *simulation) { s.replace("ledger", 450, 0); s.warmUp(3) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := simAudit(5)
			busy(s)
			build(s)
			without := auditOptions
			without.Placebos = 0
			with, bare := newAudited(t, auditOptions), newAudited(t, without)
			judged, watched := 0, 0
			for w := range 600 {
				k, r := s.tick(w)
				a, b := with.Observe(k, r, rules.Set{s.policy}), bare.Observe(k, r, rules.Set{s.policy})
				a.Audit = unship.Audit{}
				if n := len(a.Judgements); n > 0 {
					judged, watched = judged+n, watched+with.watching()
				}
				if d := cmp.Diff(b, a); d != "" {
					t.Fatalf("window %d (-without +with placebos):\n%s", w, d)
				}
			}
			if judged < 100 || watched < 100 {
				t.Fatalf("%d judgements, beside which placebos were looked at %d times", judged, watched)
			}
		})
	}
}

func TestATrialIsVoidWhenItsServiceIsReleased(t *testing.T) {
	s := simAudit(2)
	for k, v := range s.services {
		s.replace(v.name, 300+10*k, 0)
		for _, i := range v.instances {
			i.bias = 5 * float64(1+k%2)
		}
	}
	d := newAudited(t, auditOptions)
	begun := 0
	for w := range 700 {
		a := s.show(w, w+1, d)
		begun += d.watching()
		if n, _ := trials(a.Audit); w < 480 && n > 0 {
			t.Fatalf("window %d: a trial was counted although its service was released meanwhile: %+v", w, a.Audit)
		}
	}
	if begun == 0 {
		t.Fatal("no placebo was ever watched")
	}
}

// A process that ends and starts anew counts each trial once, and those under
// way as if it had not ended. What services remember of longer ago than the
// journal keeps is lost to it, so that an alarm may come some windows sooner or later.
func TestTheAuditSurvivesARestart(t *testing.T) {
	s := simAudit(1)
	illness(s, 400, 150)
	type step struct {
		tick     unship.Tick
		releases []unship.Release
	}
	var steps []step
	for w := range 960 {
		k, r := s.tick(w)
		steps = append(steps, step{k, r})
	}
	set := rules.Set{s.policy}
	whole := newAudited(t, auditOptions)
	states := make([][]byte, len(steps))
	for w, x := range steps {
		whole.Observe(x.tick, x.releases, set)
		states[w] = auditStateOf(t, whole)
	}
	if n, alarms := trials(whole.audit.shown); n < 10 || alarms == 0 {
		t.Fatalf("%d trials, %d alarms", n, alarms)
	}
	const kept = 540 // windows that the journal keeps
	for _, killed := range []int{600, 815} {
		again := newAudited(t, auditOptions)
		if err := again.RestoreAudit(states[killed]); err != nil {
			t.Fatal(err)
		}
		for w := killed + 1 - kept; w < len(steps); w++ {
			again.Observe(steps[w].tick, steps[w].releases, set)
			if w == killed && !bytes.Equal(auditStateOf(t, again), states[killed]) {
				t.Errorf("killed after %d: windows observed again changed the state to\n%s\nfrom\n%s", killed, auditStateOf(t, again), states[killed])
			}
		}
		got, want := again.audit.shown, whole.audit.shown
		if d := cmp.Diff(want.Rates, got.Rates); d != "" {
			t.Errorf("killed after %d (-whole +restarted):\n%s", killed, d)
		}
		for _, alarms := range [2][]unship.PlaceboAlarm{want.Alarms, got.Alarms} {
			for k := range alarms {
				alarms[k].At, alarms[k].Why = time.Time{}, ""
			}
		}
		if d := cmp.Diff(want.Alarms, got.Alarms); d != "" {
			t.Errorf("killed after %d (-whole +restarted):\n%s", killed, d)
		}
	}
}

func auditStateOf(t *testing.T, d *Detector) []byte {
	t.Helper()
	b, err := d.AuditState()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAStateOfAnotherVersionIsRefused(t *testing.T) {
	for _, text := range []string{`{"version":2}`, `{`, `{"version":1,"counts":[{"trials":[1],"alarms":[]}]}`} {
		if err := newAudited(t, auditOptions).RestoreAudit([]byte(text)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

func TestServicesHeardOnceAMinuteAreAuditedToo(t *testing.T) {
	s := simAudit(4)
	s.services = s.services[:2]
	rare := s.services[0]
	rare.rps *= 12
	s.silent = func(i *simInstance, t int) bool { return slices.Contains(rare.instances, i) && t%12 != 6 }
	d, watched := newAudited(t, auditOptions), 0
	var a unship.Assessment
	for w := range 900 {
		a = s.show(w, w+1, d)
		for k := range d.audit.slots {
			if p := d.audit.slots[k].placebo; p != nil && p.of.id == rare.id() {
				watched++
			}
		}
	}
	if n, alarms := trials(a.Audit); watched == 0 || n < 5 || alarms > 0 {
		t.Errorf("%d trials, %d alarms; the service was looked at %d times", n, alarms, watched)
	}
}

func TestRatesAreOfThirtyDays(t *testing.T) {
	var c auditCount
	for day := range int64(45) {
		c.add(day, uint64(day%2))
		c.add(day, 0)
	}
	sum, alarms := uint64(0), uint64(0)
	for k := range c.Trials {
		sum, alarms = sum+c.Trials[k], alarms+c.Alarms[k]
	}
	if c.First != 15 || sum != 60 || alarms != 15 {
		t.Errorf("first day is %d, %d trials, %d alarms: %+v", c.First, sum, alarms, c)
	}
	c.forget(100)
	if len(c.Trials) != 0 {
		t.Errorf("after 55 quiet days there are %+v", c)
	}
}
