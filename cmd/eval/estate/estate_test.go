package estate

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unship.dev/detect"
)

// fault finds one by name.
func faultOf(t *testing.T, name string) Fault {
	t.Helper()
	for _, f := range Faults() {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no fault %q", name)
	return Fault{}
}

// A shortened run of the evaluation: `make eval-blame` has the figures.
func TestTheGuiltyReleaseIsBlamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		style Style
		fault string
	}{
		{Canary, "failure 20 %, one operation"}, {Canary, "poisons callee 20 %"}, {Canary, "bad answers 20 %"},
		{Canary, "crash"}, {Replaced, "failure 20 %, one operation"}, {Rolling, "none"}, {Canary, "none"},
	} {
		t.Run(c.style.String()+", "+c.fault, func(t *testing.T) {
			t.Parallel()
			r := New(3, Options{Style: c.style, Fault: faultOf(t, c.fault), Distractor: true}).Play(0)
			if r.Wrong || r.Blamed != r.Guilty || r.Guilty >= 0 && (r.Top != r.Guilty || r.Probability[r.Guilty] < .8) {
				t.Errorf("%+v; want the guilty one blamed, and nobody else", r)
			}
		})
	}
}

// Where calls keep to new versions along their way, whoever goes with the guilty release shows
// what that one does.
func TestCompanyOfTheGuiltyIsNotBlamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault string
		seed  uint64
	}{
		{"failure 20 %, one operation", 4002}, {"poisons callee 20 %", 4006}, {"bad answers 20 %", 4005},
		{"failure 20 %, one operation", 5106}, // hardly any of what fails has to do with another release
	} {
		t.Run(fmt.Sprintf("%s, seed %d", c.fault, c.seed), func(t *testing.T) {
			t.Parallel()
			r := New(c.seed, Options{Style: Canary, Fault: faultOf(t, c.fault), Distractor: true, Together: .95}).Play(0)
			if r.Wrong || r.Top != r.Guilty || r.Blamed != r.Guilty {
				t.Errorf("%+v; want the guilty one blamed, and nobody else", r)
			}
		})
	}
}

func TestWhatIsLeftOutIsMissed(t *testing.T) {
	t.Parallel()
	o := Options{Style: Canary, Fault: faultOf(t, "bad answers 20 %"), Distractor: true}
	if r := New(3, o).Play(detect.PartNeighbours); r.Blamed >= 0 {
		t.Errorf("%+v; want nobody blamed for what only callers see when nobody asks them", r)
	}
}

func TestCountsAgree(t *testing.T) {
	t.Parallel()
	for _, f := range Faults() {
		e := New(5, Options{Style: Mixed, Fault: f, Distractor: true})
		for w := range history + rollouts + 30 {
			tick, _ := e.Tick(w)
			if w%10 > 0 {
				continue
			}
			var requests, answered, lost, calls uint64
			for i, x := range tick.Windows {
				if i > 0 && tick.Windows[i-1].Release.Compare(x.Release) > 0 {
					t.Fatalf("%s: windows are not sorted", f.Name)
				}
				for _, p := range x.Operations {
					if p.Failed > p.Requests || p.FailedHere > p.Failed || p.Self.Total() > p.Requests || p.Duration.Total() != p.Requests {
						t.Fatalf("%s, window %d: %+v does not add up", f.Name, w, p)
					}
					for _, c := range p.Callers {
						requests += c.Requests
					}
					for _, c := range p.Calls {
						calls, lost = calls+c.Total, lost+c.Unanswered
						for _, a := range c.Answered {
							answered += a.Requests
						}
					}
				}
			}
			if requests != calls-lost || answered > calls {
				t.Fatalf("%s, window %d: %d requests with a caller for %d calls, %d of them lost", f.Name, w, requests, calls, lost)
			}
		}
	}
}

func TestTheSameSeedIsTheSameRun(t *testing.T) {
	t.Parallel()
	o := Options{Style: Mixed, Fault: faultOf(t, "five calls for one"), Distractor: true}
	a, b := New(8, o), New(8, o)
	for w := range 80 {
		x, _ := a.Tick(w)
		y, _ := b.Tick(w)
		if d := cmp.Diff(x, y); d != "" {
			t.Fatalf("window %d (-first +second):\n%s", w, d)
		}
	}
}

// The rivals find what is plain to see, and name somebody else when a
// dependency of everybody fails: their figures are worth comparing with.
func TestRivals(t *testing.T) {
	t.Parallel()
	found, wrong := map[string]int{}, map[string]int{}
	for seed := range uint64(4) {
		for name, r := range New(seed, Options{Style: Canary, Fault: faultOf(t, "failure 20 %, one operation")}).PlayRivals() {
			if r.Top == r.Guilty {
				found[name]++
			}
		}
		for name, r := range New(seed, Options{Style: Canary, Distractor: true}).PlayRivals() {
			if r.Wrong {
				wrong[name]++
			}
		}
	}
	for _, r := range Rivals() {
		if r.Name == "vote and veto (Gandalf)" && found[r.Name] < 3 {
			t.Errorf("%s finds %d of 4 gross faults; want 3 or more", r.Name, found[r.Name])
		}
	}
	if wrong["latest deployment"] == 0 {
		t.Error("the latest deployment is never blamed wrongly, although something goes wrong in every run")
	}
}
