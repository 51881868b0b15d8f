package detect

import (
	"strings"
	"testing"

	"unship.dev"
	"unship.dev/detect/blame"
	"unship.dev/detect/stat"
)

// A service that was not released and is worse may share the cause of a release that is
// compared with its past by metrics; spans tell whose doing it is. What was noted stays.
func TestASharedCause(t *testing.T) {
	id := unship.ReleaseID{Service: unship.Service{Environment: "production", Name: "cart"}, Version: "2"}
	worse := map[string]blame.Outside{"production": {Cause: unship.CauseDependency, Name: "stock", LogE: 9, Why: "it fails 8 % of requests"}}
	for _, c := range []struct {
		name      string
		past      *past
		apart     bool
		askE      float64
		elsewhere map[string]blame.Outside
		want      string
	}{
		{"by metrics", &past{}, false, 5, worse, "stock may have the same cause: it fails 8 % of requests"},
		{"in another environment", &past{}, false, 5, map[string]blame.Outside{"staging": worse["production"]}, ""},
		{"by spans", &past{}, true, 5, worse, ""},
		{"beside the old version", nil, false, 5, worse, ""},
		{"nothing speaks against the release", &past{}, false, 1, worse, ""},
	} {
		w := &watch{svc: &service{apart: c.apart}, past: c.past, release: unship.Release{ReleaseID: id}, askE: c.askE}
		if got := w.sharesCause(c.elsewhere); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if got := w.sharesCause(nil); got != c.want {
			t.Errorf("%s, once that is over: %q, want %q", c.name, got, c.want)
		}
		w.logE, w.policy.FalseRollbacks, w.policy.FalseQuestions = 50, .001, .01
		if doubts := w.convict("", w.sharesCause(nil), .99); (len(doubts) > 0) != (c.want != "") || c.want != "" && !strings.Contains(doubts[0], "same cause") {
			t.Errorf("%s: doubts %q", c.name, doubts)
		}
	}
}

// Where logs are all there is, trouble at most of the others is no release's doing.
func TestTroubleElsewhere(t *testing.T) {
	const begin, now = 100, 130
	for _, c := range []struct {
		name    string
		trouble int // of three other services
		want    bool
	}{{"at none", 0, false}, {"at one", 1, false}, {"at two", 2, true}, {"at all", 3, true}} {
		estate := map[unship.Service]*service{}
		for k, name := range []string{"cart", "stock", "tax", "web"} {
			s := newService(unship.Service{Environment: "production", Name: name}, 0)
			s.estate, estate[s.id] = estate, s
			s.events = []*event{{acts: true}}
			i := &instance{events: [][]int32{nil}}
			for at := int32(0); at < now; at++ {
				i.heard = append(i.heard, loadCell{at: at})
				if at%20 == 0 || at >= begin && at%2 == 0 && k > 0 && k <= c.trouble {
					i.events[0] = append(i.events[0], at)
				}
			}
			s.instances = append(s.instances, i)
		}
		w := &watch{svc: estate[unship.Service{Environment: "production", Name: "cart"}], begin: begin, next: now, length: 90}
		if got := w.troubledElsewhere(); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// A judged release that calls a service more often drives it; the callee is told by the name
// that the caller has for it.
func TestARegressedCallerDrivesItsCallee(t *testing.T) {
	callee := &watch{svc: &service{id: unship.Service{Name: "stock"}, apart: true}, past: &past{}, askE: 5, begin: 10}
	for _, c := range []struct {
		name    string
		verdict unship.Verdict
		count   int
		calls   string
		askE    float64
		want    bool
	}{
		{"calls it more", unship.Regressed, countTwice, "stock", 5, true},
		{"not judged", unship.Inconclusive, countTwice, "stock", 5, false},
		{"calls it less", unship.Regressed, countNoCall, "stock", 5, false},
		{"calls another more", unship.Regressed, countTwice, "tax", 5, false},
		{"nothing speaks against the callee", unship.Regressed, countTwice, "stock", 1, false},
	} {
		s := &stream{signal: &signal{unit: ofCalls, count: c.count}, units: []int{0}, single: true, weight: .5, outcomes: &outcomes{}}
		s.divisions = []*division{newDivision([]stratum{{unit: 0}}, stat.ProcessOptions{Calibration: stat.Calibrate(nil, nil)})}
		for range 20 {
			s.divisions[0].proc.Add(0, stat.Table{NC: 50, XC: 40, NB: 50, XB: 1})
			s.divisions[0].proc.Close()
		}
		caller := &watch{verdict: c.verdict, until: 20, conc: &comparison{streams: []*stream{s}, outcomes: &outcomes{}}, svc: &service{
			units: []*unit{{operation: "op", callee: c.calls}}, names: map[string]unship.Service{"stock": {Name: "stock"}, "tax": {Name: "tax"}},
		}}
		callee.askE = c.askE
		d := &Detector{watches: []*watch{callee}, guilty: []*watch{caller}}
		if got := d.driven(callee); got != c.want {
			t.Errorf("%s: driven %v, want %v", c.name, got, c.want)
		}
	}
}
