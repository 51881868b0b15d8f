package score_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unship.dev"
	"unship.dev/cmd/eval/score"
	"unship.dev/cmd/eval/truth"
)

var onset = time.Date(2026, 3, 2, 9, 8, 0, 0, time.UTC)

func faulty() truth.Truth {
	service, release := "ledger", "ledger@1.1.0"
	return truth.Truth{
		Case: "case", Service: &service, Release: &release, Start: onset, End: onset.Add(8 * time.Minute),
		Releases: []truth.Release{{Service: "ledger", To: "1.1.0", Time: onset}, {Service: "cart", To: "2.0.0", Time: onset}},
	}
}

func control() truth.Truth {
	t := faulty()
	t.Service, t.Release = nil, nil
	return t
}

func incident(v unship.DecisionVerdict, after time.Duration, suspects ...string) unship.Incident {
	i := unship.Incident{Schema: unship.IncidentSchema, DetectedAt: onset.Add(after), Decision: unship.DecisionRecord{Verdict: v, At: onset.Add(after)}}
	for _, s := range suspects {
		service, version, _ := strings.Cut(s, "@")
		i.Suspects = append(i.Suspects, unship.Suspect{Namespace: "shop", Service: service, Version: version})
	}
	return i
}

// verdict is the part of a result that a replay decides.
type verdict struct {
	Found, Asked bool
	Rank         int
	Delay        float64
	Wrong, Idle  int
	OK           bool
}

func TestJudge(t *testing.T) {
	const rollback, ask = unship.DecideRollback, unship.DecideAsk
	rows := []struct {
		name      string
		truth     truth.Truth
		incidents []unship.Incident
		want      verdict
	}{
		{"silence about a fault misses it", faulty(), nil, verdict{}},
		{"silence about a control is right", control(), nil, verdict{OK: true}},
		{
			"the guilty release is rolled back", faulty(),
			[]unship.Incident{incident(rollback, 40*time.Second, "ledger@1.1.0", "cart@2.0.0")},
			verdict{Found: true, Rank: 1, Delay: 40, OK: true},
		},
		{
			"any rollback in a control is wrong", control(),
			[]unship.Incident{incident(rollback, 40*time.Second, "ledger@1.1.0")},
			verdict{Wrong: 1},
		},
		{
			"an innocent one is rolled back", faulty(),
			[]unship.Incident{incident(rollback, 40*time.Second, "cart@2.0.0", "ledger@1.1.0")},
			verdict{Rank: 2, Wrong: 1},
		},
		{
			"found, but an innocent one as well", faulty(),
			[]unship.Incident{
				incident(rollback, 90*time.Second, "cart@2.0.0"),
				incident(rollback, 40*time.Second, "ledger@1.1.0"),
			},
			verdict{Found: true, Rank: 1, Delay: 40, Wrong: 1},
		},
		{
			"another version of the guilty service", faulty(),
			[]unship.Incident{incident(rollback, 40*time.Second, "ledger@1.0.0")},
			verdict{Wrong: 1},
		},
		{
			"a rollback before the fault began", faulty(),
			[]unship.Incident{incident(rollback, -time.Second, "ledger@1.1.0")},
			verdict{Rank: 1, Wrong: 1},
		},
		{
			"asked about the guilty release", faulty(),
			[]unship.Incident{incident(ask, time.Minute, "ledger@1.1.0")},
			verdict{Asked: true, Rank: 1},
		},
		{
			"asked first, rolled back later", faulty(),
			[]unship.Incident{incident(ask, time.Minute, "ledger@1.1.0"), incident(rollback, 2*time.Minute, "ledger@1.1.0")},
			verdict{Found: true, Rank: 1, Delay: 120, OK: true},
		},
		{
			"asked about an innocent release", control(),
			[]unship.Incident{incident(ask, time.Minute, "cart@2.0.0")},
			verdict{Idle: 1, OK: true},
		},
		{
			"an incident without suspects", faulty(),
			[]unship.Incident{incident(unship.DecideObserve, time.Minute)},
			verdict{},
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := score.Judge("group", row.truth, score.Replay{Incidents: row.incidents})
			got := verdict{r.Found, r.Asked, r.Rank, r.Delay, len(r.Wrong), len(r.Idle), r.OK()}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAskingIsEnoughWhereTheLabelSaysSo(t *testing.T) {
	label := faulty()
	label.Expect = truth.ExpectRollbackOrAsk
	r := score.Judge("", label, score.Replay{Incidents: []unship.Incident{incident(unship.DecideAsk, time.Minute, "ledger@1.1.0")}})
	if !r.OK() {
		t.Errorf("%s; want it to count as right", r.Words())
	}
}

func TestLabelsWithNamespace(t *testing.T) {
	label := faulty()
	service, release := "shop/ledger", "shop/ledger@1.1.0"
	label.Service, label.Release = &service, &release
	r := score.Judge("", label, score.Replay{Incidents: []unship.Incident{incident(unship.DecideRollback, time.Minute, "ledger@1.1.0")}})
	if !r.Found {
		t.Error("the release was not recognised under its namespace")
	}
}

func TestParse(t *testing.T) {
	r, err := score.Parse(strings.NewReader(`{"schema":"unship.incident/v1","id":"a","decision":{"verdict":"ask"},"detected_at":"2026-03-02T09:08:00Z","a_field_of_tomorrow":1}

{"schema":"unship.release/v1","service":"cart","version":"2.0.0","verdict":"healthy"}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Incidents) != 1 || r.Incidents[0].Decision.Verdict != unship.DecideAsk {
		t.Errorf("incidents %+v; want one that asks", r.Incidents)
	}
	if len(r.Releases) != 1 || r.Releases[0].Verdict != unship.Healthy {
		t.Errorf("releases %+v; want a healthy one", r.Releases)
	}
	for _, bad := range []string{"nonsense", `{"schema":"other/v1"}`, "{}\n"} {
		if _, err := score.Parse(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("Parse(%q): %v; want an error that names the line", bad, err)
		}
	}
}

// Nothing was blamed, yet the ranking tells; of those that share a place none is the first.
func TestStandingOfTheGuiltyRelease(t *testing.T) {
	ranking := func(shares ...string) score.Replay {
		var lines []string
		for _, x := range shares {
			service, share, _ := strings.Cut(x, " ")
			lines = append(lines, `{"namespace":"shop","service":"`+service+`","version":"1.1.0","share":`+share+`}`)
		}
		r, err := score.Parse(strings.NewReader(`{"schema":"unship.ranking/v1","environment":"production","releases":[` + strings.Join(lines, ",") + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, c := range []struct {
		shares []string
		want   int
	}{
		{[]string{"ledger .7", "cart .2", "search .1"}, 1},
		{[]string{"cart .5", "ledger .3", "search .2"}, 2},
		{[]string{"ledger .4", "cart .4", "search .2"}, 2},
		{[]string{"cart 1"}, 0},
	} {
		for k, x := range c.shares {
			c.shares[k] = strings.Replace(x, " .", " 0.", 1)
		}
		if r := score.Judge("g", faulty(), ranking(c.shares...)); r.Stand != c.want || r.Rank != 0 || r.Found {
			t.Errorf("%v: %+v; want place %d", c.shares, r, c.want)
		}
	}
	blamed := ranking("cart 1")
	blamed.Incidents = []unship.Incident{incident(unship.DecideRollback, time.Minute, "ledger@1.1.0")}
	if r := score.Judge("g", faulty(), blamed); r.Stand != 1 {
		t.Errorf("its watch is over, its incident names it first: %+v", r)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schema":"unship.incident/v1","suspects":[{"service":"a"}]}`))
	f.Add([]byte("{}\n\x00"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if r, err := score.Parse(strings.NewReader(string(data))); err == nil {
			score.Judge("", faulty(), r)
		}
	})
}

func TestSummarize(t *testing.T) {
	s := score.Summarize("g", []score.Result{
		{Found: true, Rank: 1, Stand: 1, Delay: 30, Bound: 10, Gross: true},
		{Found: true, Rank: 2, Stand: 2, Delay: 80, Bound: 20, Gross: true},
		{Asked: true, Stand: 4},
		{},
		{Control: true, Wrong: []string{"a", "b"}},
		{Control: true, Problem: "crashed"},
	})
	want := score.Summary{
		Group: "g", Cases: 6, Faulty: 4, Found: 2, Asked: 1, Missed: 1, Named: 1, Top1: 1, Top3: 2,
		Avg5: (1 + .8 + .4) / 4, Wrong: 2, WrongIn: 1, Late: 1, Failed: 1, Median: 55, Max: 80, Bound: 15,
	}
	if diff := cmp.Diff(want, s, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The bound for 0.5 % against 8.5 % with 50 and 26 requests a second: the log of
// 1000 over the divergence a second of both ratios from the pooled one.
func TestBound(t *testing.T) {
	label := faulty()
	label.Effect = &truth.Effect{Baseline: .005, Candidate: .085, BaselineRate: 50, CandidateRate: 26}
	got := score.Judge("", label, score.Replay{}).Bound
	p := (26*.085 + 50*.005) / 76
	kl := func(a, b float64) float64 { return a*math.Log(a/b) + (1-a)*math.Log((1-a)/(1-b)) }
	want := math.Log(1000) / (26*kl(.085, p) + 50*kl(.005, p))
	if math.Abs(got-want) > 1e-6*want {
		t.Errorf("bound %v; want %v", got, want)
	}
}

func TestTableNamesWhatWentWrong(t *testing.T) {
	var out strings.Builder
	err := score.Table(&out, "Scenarios", []score.Result{
		{Group: "good", Case: "good-1", Control: true, Expect: truth.ExpectNoRollback},
		{Group: "bad", Case: "bad-1", Expect: truth.ExpectRollback, Judged: "inconclusive"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "bad-1: missed, the release is inconclusive") || strings.Contains(got, "good-1") {
		t.Errorf("table:\n%s", got)
	}
}
