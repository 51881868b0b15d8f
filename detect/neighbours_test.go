package detect

import (
	"strings"
	"testing"

	"unship.dev"
	"unship.dev/rules"
)

// neighbourhood adds to a simulation a service that calls another one and
// tells which of its versions answered, and one that the other calls.
type neighbourhood struct {
	*simulation
	of         string  // the service between them
	misread    float64 // share of the new version's answers that its caller cannot use
	garbled    float64 // share of the new version's answers that make the call fail, and are asked for again
	poisoned   float64 // share of the new version's calls on which its callee fails
	refused    float64 // share of the new version's calls that its callee refuses
	both       float64 // the same of all versions: the neighbours' own fault
	share      float64 // of the traffic that goes to the new version
	releasedAt int     // window from which the caller's own new version serves as well; 0: never
	crashAt    int     // window from which nothing answers calls to the new version; 0: never
	hangs      float64 // of the calls to the new version
	lost       float64 // share of all calls that no span answers, so many windows from the release on
	lostAfter  int
	leaves     bool    // the new version leaves spans of what it did with calls that it never answered
	surges     float64 // so many times as many calls, from shortly before the release on; 0: none
	otherLoses float64 // share of the calls to another service that no span answers, from the release on
	now        int
	aside      int     // requests of the caller that call nobody
	asideFails float64 // share of those that fail, from the release on
}

const (
	callsPerWindow = 200
	hangAfter      = 12 // windows until calls begin to hang
)

func (n *neighbourhood) tick(t int) (unship.Tick, []unship.Release) {
	n.now = t
	k, r := n.simulation.tick(t)
	requests := callsPerWindow
	if n.surges > 0 && t >= simStart-3 {
		requests = int(callsPerWindow * n.surges)
	}
	k.Windows = append(k.Windows, n.caller(t, "2.0.0", requests))
	if n.releasedAt > 0 && t >= n.releasedAt {
		k.Windows = append(k.Windows, n.caller(t, "2.1.0", callsPerWindow/4))
	}
	k.Windows = append(k.Windows, n.callee(t))
	return k, r
}

func (n *neighbourhood) split(t, requests int) (fresh, old int) {
	if t < simStart {
		return 0, requests
	}
	fresh = int(n.failures(requests, n.share))
	if n.share == 1 {
		fresh = requests
	}
	return fresh, requests - fresh
}

func (n *neighbourhood) id(name, version string) unship.ReleaseID {
	return unship.ReleaseID{Service: unship.Service{Environment: "production", Namespace: "shop", Name: name}, Version: version}
}

func (n *neighbourhood) caller(t int, version string, requests int) unship.Window {
	fresh, old := n.split(t, requests)
	own := .002 + n.both
	if version == "2.1.0" {
		own += .2 // the caller's new version is bad by itself
	}
	call := unship.Call{Callee: n.of, Requests: uint64(requests), Total: uint64(requests)}
	failedCalls := 0
	if n.crashAt > 0 && t >= n.crashAt {
		call.Unanswered, failedCalls, fresh = uint64(fresh), fresh, 0
	}
	if n.hangs > 0 && t >= simStart+hangAfter {
		h := n.failures(fresh, n.hangs)
		call.Unanswered, failedCalls, fresh = h, int(h), fresh-int(h)
		n.receive(&call, h)
	}
	if t >= simStart+n.lostAfter {
		lost := n.failures(old+fresh, n.lost)
		call.Unanswered += lost
		if n.leaves {
			n.receive(&call, n.failures(int(lost), float64(fresh)/float64(max(1, old+fresh))))
		}
	}
	answers := []unship.CalleeAnswer{{Release: n.id(n.of, "1.0.0"), Requests: uint64(old), Failed: n.failures(old, own)}}
	if fresh > 0 {
		answers = append(answers, unship.CalleeAnswer{Release: n.id(n.of, "1.1.0"), Requests: uint64(fresh), Failed: n.failures(fresh, own+n.misread)})
		if n.garbled > 0 {
			answers[1].Garbled = n.failures(fresh, n.garbled)
		}
	}
	call.Answered = answers
	failed := uint64(0)
	for _, a := range answers {
		failed += a.Failed
	}
	w := unship.Window{
		Release: n.id("web", version), Instance: unship.Instance{ID: "web-" + version}, Start: simTime(t), Length: simTime(1).Sub(simTime(0)),
		Operations: []unship.Operation{{
			Name: "GET /page", Requests: uint64(requests), Failed: failed + uint64(failedCalls), FailedHere: failed,
			Calls: []unship.Call{call},
		}},
	}
	if n.surges > 0 {
		other := unship.Call{Callee: "ledger", Requests: uint64(requests), Total: uint64(requests)}
		if t >= simStart {
			other.Unanswered = n.failures(requests, n.otherLoses)
		}
		other.Answered = []unship.CalleeAnswer{{Release: n.id("ledger", "1.0.0"), Requests: uint64(requests) - other.Unanswered}}
		w.Operations[0].Calls = append(w.Operations[0].Calls, other)
	}
	if n.aside > 0 {
		p := .002
		if t >= simStart {
			p += n.asideFails
		}
		bad := n.failures(n.aside, p)
		w.Operations = append(w.Operations, unship.Operation{Name: "GET /status", Requests: uint64(n.aside), Failed: bad, FailedHere: bad})
	}
	return w
}

// receive notes that the new version got so many of the calls that nobody answered.
func (n *neighbourhood) receive(call *unship.Call, calls uint64) {
	if n.leaves && calls > 0 {
		call.Received = append(call.Received, unship.CallReceived{Release: n.id(n.of, "1.1.0"), Unanswered: calls})
	}
}

func (n *neighbourhood) callee(t int) unship.Window {
	fresh, old := n.split(t, callsPerWindow)
	callers := []unship.Caller{{Release: n.id(n.of, "1.0.0"), Requests: uint64(old), FailedHere: n.failures(old, .002+n.both)}}
	if fresh > 0 {
		callers = append(callers, unship.Caller{Release: n.id(n.of, "1.1.0"), Requests: uint64(fresh), FailedHere: n.failures(fresh, .002+n.both+n.poisoned), Rejected: n.failures(fresh, n.refused)})
	}
	callers = append(callers, unship.Caller{Release: n.id("zebra", "1.0.0"), Requests: callsPerWindow, FailedHere: n.failures(callsPerWindow, .002+n.both)})
	failed := uint64(0)
	for _, c := range callers {
		failed += c.FailedHere
	}
	return unship.Window{
		Release: n.id("stock", "3.0.0"), Instance: unship.Instance{ID: "stock-0"}, Start: simTime(t), Length: simTime(1).Sub(simTime(0)),
		Operations: []unship.Operation{{Name: "PUT /stock", Requests: 2 * callsPerWindow, Failed: failed, FailedHere: failed, Callers: callers}},
	}
}

// play plays it and gives the judgements of the service between, until see says that it is enough.
func (n *neighbourhood) play(t *testing.T, see func(unship.Judgement) bool) {
	t.Helper()
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for w := range n.windows {
		k, r := n.tick(w)
		for _, j := range d.Observe(k, r, rules.Set{n.policy}).Judgements {
			if j.Release.Name == n.of && see(j) {
				return
			}
		}
	}
}

// asked gives the first judgement that asks, or no judgement, and the last.
func (n *neighbourhood) asked(t *testing.T) (first, last unship.Judgement) {
	t.Helper()
	n.play(t, func(j unship.Judgement) bool {
		if j.Asks && !first.Asks {
			first = j
		}
		last = j
		return false
	})
	return first, last
}

// judge gives the first judgement that says regressed, or else the last.
func (n *neighbourhood) judge(t *testing.T) (last unship.Judgement) {
	t.Helper()
	n.play(t, func(j unship.Judgement) bool {
		last = j
		return j.Verdict == unship.Regressed
	})
	return last
}

// replaced lets the new version take everything at once.
func (n *neighbourhood) replaced() {
	n.share = 1
	n.replace(n.of, simStart, 0)
}

// crash lets the new version's instances fall silent.
func (n *neighbourhood) crash() {
	n.crashAt = simStart + 6
	n.silent = func(i *simInstance, t int) bool { return i.version == "1.1.0" && t >= simStart+6 }
}

func TestNeighboursTell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		set    func(*neighbourhood)
		signal unship.Signal // "": not regressed
		words  string
	}{
		{"answers that only the caller finds bad", func(n *neighbourhood) { n.misread = .15 }, unship.SignalCallerError,
			"shop/web GET /page: "},
		{"answers on which calls fail, of requests that end well", func(n *neighbourhood) { n.garbled = .15 }, unship.SignalCallerError,
			"get nothing that they can use, though it looks like success"},
		{"calls on which the callee fails", func(n *neighbourhood) { n.poisoned = .2 }, unship.SignalCalleeError,
			"shop/stock PUT /stock: "},
		{"calls that the callee refuses", func(n *neighbourhood) { n.refused = .2 }, unship.SignalCalleeError,
			"shop/stock PUT /stock: 2"},
		{"neighbours that fail on both versions", func(n *neighbourhood) { n.both = .1 }, "", ""},
		{"a caller whose own new version is bad", func(n *neighbourhood) { n.releasedAt = simStart + 4 }, "", ""},
		{"a crash without a word", func(n *neighbourhood) { n.crash() }, unship.SignalUnanswered, "of the calls meant for shop/cart 1.1.0 go unanswered"},
		{"traffic taken away", func(n *neighbourhood) { n.crash(); n.crashAt = 0 }, "", ""},
		{"calls of both versions that leave no span", func(n *neighbourhood) { n.lost = .3 }, "", ""},
		{"replaced: answers that only the caller finds bad", func(n *neighbourhood) { n.replaced(); n.misread = .15; n.aside = callsPerWindow / 2 },
			unship.SignalCallerError, "shop/web GET /page: "},
		{"replaced: answers on which calls fail", func(n *neighbourhood) { n.replaced(); n.garbled = .15; n.aside = callsPerWindow / 2 },
			unship.SignalCallerError, "shop/web GET /page: "},
		{"replaced: a caller that fails by itself", func(n *neighbourhood) {
			n.replaced()
			n.misread, n.aside, n.asideFails = .15, callsPerWindow/2, .15
		}, "", ""},
		{"replaced: a crash without a word", func(n *neighbourhood) { n.replaced(); n.crash() }, unship.SignalUnanswered, "of the calls to shop/cart go unanswered"},
		{"replaced: calls on which the callee fails", func(n *neighbourhood) { n.replaced(); n.poisoned = .2 },
			unship.SignalCalleeError, "shop/stock PUT /stock: "},
		{"replaced: neighbours that fail", func(n *neighbourhood) { n.replaced(); n.both = .1 }, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(3) {
				n := &neighbourhood{simulation: newSimulation(seed + 900), of: "cart", share: .2}
				c.set(n)
				if n.share < 1 {
					n.canary("cart", simStart, 2)
				}
				j := n.judge(t)
				if (j.Verdict == unship.Regressed) != (c.signal != "") {
					t.Fatalf("seed %d: %v, log E %.1f: %s; want %q", seed, j.Verdict, j.LogE, j.Why, c.signal)
				}
				if f := j.Findings; c.signal == unship.SignalUnanswered && n.share < 1 && f[0].Candidate < .8 {
					t.Errorf("seed %d: %.2f of the calls are lost by the finding; want nearly all since the crash", seed, f[0].Candidate)
				}
				if c.signal != "" && (j.Findings[0].Signal != c.signal || !strings.Contains(j.Why, c.words)) {
					t.Errorf("seed %d: %s: %q; want %s, with %q", seed, j.Findings[0].Signal, j.Why, c.signal, c.words)
				}
			}
		})
	}
}

// hang lets a part of the calls to the new version hang: nobody answers, and its instances
// tell of the others only.
func (n *neighbourhood) hang(part float64) {
	n.hangs = part
	n.mix = func(i *simInstance, _ string) float64 {
		if i.version == "1.1.0" && n.now >= simStart+hangAfter {
			return 1 - part
		}
		return 1
	}
}

// Whether a few calls that nobody answers were meant for the new version, nobody knows: a
// person is asked, unless the new version answers its share of the calls all the same.
func TestRisingLossIsAskedAbout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		set  func(*neighbourhood)
		asks bool
	}{
		{"a part of the calls to the canary hang", func(n *neighbourhood) { n.hang(.1) }, true},
		{"a tenth of all calls leave no span", func(n *neighbourhood) { n.lost, n.lostAfter = .1, hangAfter }, false},
		{"hardly any call hangs", func(n *neighbourhood) { n.hang(.01) }, false},
	} {
		for seed := range uint64(6) {
			n := &neighbourhood{simulation: newSimulation(seed + 950), of: "cart", share: .2}
			c.set(n)
			n.canary("cart", simStart, 2)
			asked, last := n.asked(t)
			if asked.Asks != c.asks || last.Verdict == unship.Regressed && !c.asks {
				t.Errorf("%s, seed %d: asked %v, %v: %s; want asked %v", c.name, seed, asked.Asks, last.Verdict, last.Why, c.asks)
			}
			if c.asks && asked.Asks {
				f := asked.Findings[0]
				if f.Signal != unship.SignalUnanswered || f.Ambiguous && (f.Candidate < .005 || f.Candidate > .03) || !strings.Contains(asked.Why, "go unanswered") {
					t.Errorf("%s, seed %d: %+v: %s", c.name, seed, f, asked.Why)
				}
				if last.Verdict == unship.Healthy {
					t.Errorf("%s, seed %d: healthy: %s", c.name, seed, last.Why)
				}
			}
		}
	}
}

// Spans of what the new version did with calls that it never answered tell that they were
// meant for it; that the old version leaves none, when calls of both are lost, is not held
// against the new one.
func TestCallsThatWereReceivedTell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		set  func(*neighbourhood)
		says string // "": it is not blamed
	}{
		{"a tenth hang", func(n *neighbourhood) { n.hang(.1) }, "by what it began to do for them"},
		{"a tenth of all calls leave no span of the callee", func(n *neighbourhood) { n.lost, n.lostAfter = .1, hangAfter }, ""},
	} {
		for seed := range uint64(3) {
			n := &neighbourhood{simulation: newSimulation(seed + 990), of: "cart", share: .2, leaves: true}
			c.set(n)
			n.canary("cart", simStart, 2)
			if j := n.judge(t); (j.Verdict == unship.Regressed) != (c.says != "") || !strings.Contains(j.Why, c.says) {
				t.Errorf("%s, seed %d: %v, log E %.1f: %s", c.name, seed, j.Verdict, j.LogE, j.Why)
			}
		}
	}
}

// More calls, and that everything gets slower with them, excuse none that nobody answers where
// none were lost before, unless another service that is called more loses some as well.
func TestSurgesExcuseNoLoss(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		lost, other float64
		regressed   bool
	}{
		{"calls are lost", .1, 0, true},
		{"others lose as many", .1, .1, false},
		{"none are lost", 0, 0, false},
	} {
		for seed := range uint64(3) {
			n := &neighbourhood{simulation: newSimulation(seed + 970), of: "cart", surges: 2.5, lost: c.lost, lostAfter: 1, otherLoses: c.other}
			n.load = func(t int) float64 {
				if t >= simStart-3 {
					return n.surges
				}
				return 1
			}
			n.harmBetween("", simStart-3, 1<<30, effect{latency: 2})
			n.replaced()
			if j := n.judge(t); (j.Verdict == unship.Regressed) != c.regressed || c.regressed && j.Findings[0].Signal != unship.SignalUnanswered {
				t.Errorf("%s, seed %d: %v, log E %.1f: %s", c.name, seed, j.Verdict, j.LogE, j.Why)
			}
		}
	}
}

// A caller all of whose requests call the release tells nothing apart: it may
// have broken by itself at that moment. A person is asked.
func TestALonelyCallerIsAskedAbout(t *testing.T) {
	t.Parallel()
	n := &neighbourhood{simulation: newSimulation(900), of: "cart"}
	n.replaced()
	n.misread = .15
	j := n.judge(t)
	if j.Verdict != unship.Regressed || j.Findings[0].Signal != unship.SignalCallerError || !j.Findings[0].Ambiguous {
		t.Fatalf("%v, log E %.1f: %s: %+v; want an ambiguous finding", j.Verdict, j.LogE, j.Why, j.Findings)
	}
}

// Where callers tell of answers of which no span comes any more, what the release itself
// calls cannot be told; where that was so before, it is no news.
func TestLostSpansBlind(t *testing.T) {
	for _, c := range []struct {
		before, since uint64 // calls of 100 in a window of which no span comes
		want          bool
	}{{0, 30, true}, {30, 31, false}, {0, 2, false}, {30, 0, false}} {
		s := newService(unship.Service{Name: "cart"}, 0)
		for at := range int32(60) {
			x := askedCell{at: at, calls: 100, unseen: c.before}
			if at >= 40 {
				x.unseen = c.since
			}
			s.asked = append(s.asked, x)
		}
		w := &watch{svc: s, begin: 40, length: 40}
		if got := w.blind(59); got != c.want {
			t.Errorf("%d of 100 before, %d since: blind %v, want %v", c.before, c.since, got, c.want)
		}
	}
}

// Where requests of the release's must have called what no call of theirs is seen of, which was not so
// before, what it calls cannot be told either.
func TestMissingSpansBlind(t *testing.T) {
	for _, c := range []struct {
		before, since uint32 // of 100 requests of an instance in a window
		want          bool
	}{{0, 20, true}, {20, 21, false}, {0, 2, false}, {20, 0, false}} {
		s := newService(unship.Service{Name: "cart"}, 0)
		old, young := &instance{version: "1"}, &instance{version: "2"}
		s.instances = []*instance{old, young}
		for at := range int32(60) {
			old.hear(at, &loadCell{n: 100, partial: c.before})
			if at >= 40 {
				young.hear(at, &loadCell{n: 100, partial: c.since})
			}
		}
		w := &watch{svc: s, begin: 40, length: 40, release: unship.Release{ReleaseID: unship.ReleaseID{Version: "2"}}}
		if got := w.blind(59); got != c.want {
			t.Errorf("%d of 100 before, %d since: blind %v, want %v", c.before, c.since, got, c.want)
		}
	}
}

// Nobody calls healthy what makes more of its calls fail, though callers differ as much.
func TestWhatNeighboursSeeIsNotHealthy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		set     func(*neighbourhood)
		healthy bool
		words   string
	}{
		{"nothing happens", func(*neighbourhood) {}, true, ""},
		{"some of its calls are refused", func(n *neighbourhood) { n.refused = .008 }, false, "fail or are refused"},
		{"neighbours fail alike", func(n *neighbourhood) { n.both = .05 }, true, ""},
	} {
		for seed := range uint64(3) {
			n := &neighbourhood{simulation: newSimulation(seed + 980), of: "cart", share: .2}
			c.set(n)
			n.canary("cart", simStart, 2)
			_, last := n.asked(t)
			if (last.Verdict == unship.Healthy) != c.healthy || !strings.Contains(last.Why, c.words) {
				t.Errorf("%s, seed %d: %v: %s; want healthy %v, %q", c.name, seed, last.Verdict, last.Why, c.healthy, c.words)
			}
		}
	}
}

// Nor what is called in vain more often than before, whichever version the calls were meant for.
func TestLosingMoreIsNotHealthy(t *testing.T) {
	s := newService(unship.Service{Name: "cart"}, 0)
	for at := range int32(90) {
		s.asked = append(s.asked, askedCell{at: at, calls: 100, lost: 1})
	}
	for _, c := range []struct {
		name      string
		lost, all float64
		want      bool
	}{
		{"no call", 0, 0, false},
		{"as many as before", 60, 6000, false},
		{"no more than while instances come and go", 100, 6000, false},
		{"five in a hundred", 300, 6000, true},
		{"five of a hundred", 5, 100, false},
	} {
		l := newLoss(s, history{0, 90})
		l.lost, l.all = c.lost, c.all
		w := &watch{svc: s, conc: &comparison{streams: []*stream{{signal: &signal{}, rise: l}}}}
		if got := w.losesMore(); (got != "") != c.want || c.want && !strings.Contains(got, "go unanswered since the release, 1 % before") {
			t.Errorf("%s: %q, want something said: %v", c.name, got, c.want)
		}
	}
}

// What a caller makes of the answers of others, calls that fail included, is what the
// release's are compared with.
func TestCallersAreComparedWithTheirOtherRequests(t *testing.T) {
	cart, tax := unship.Service{Name: "cart"}, unship.Service{Name: "tax"}
	s := newService(unship.Service{Name: "web"}, 0)
	s.load = []loadCell{{at: 1, n: 100, bad: 7, garbled: 11}}
	for other, garbled := range map[unship.Service]uint64{cart: 5, tax: 6} {
		s.answers.add(relationKey{0, other}, "1", "1", 1, 50, 3+garbled)
	}
	n, bad := s.unlike([]neighbour{{svc: s, rel: s.answers[relationKey{0, cart}]}}, history{0, 2})
	if n != 50 || bad != 7-3+6 {
		t.Errorf("%d bad of %d, want 10 of 50", bad, n)
	}
}
