package browsertest

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"unship.dev"
	"unship.dev/dashboards"
	"unship.dev/dashboards/dashboardstest"
)

// server serves src; the function replaces the status it shows.
func server(t *testing.T, src *dashboardstest.Source, tokens ...dashboards.Token) (url string, setStatus func(dashboards.Status)) {
	t.Helper()
	var mu sync.Mutex
	status := dashboards.Status{
		Version: "v1.2.3", Mode: unship.ModeApprove, Watermark: dashboardstest.At(),
		Receivers: []dashboards.Receiver{{Protocol: "OTLP/gRPC", Address: "0.0.0.0:4317"}, {Protocol: "OTLP/HTTP", Address: "0.0.0.0:4318"}},
	}
	s, err := dashboards.New(dashboards.Options{
		Source: src, Control: src, Subscribe: src.Subscribe, Tokens: tokens,
		Status: func() dashboards.Status { mu.Lock(); defer mu.Unlock(); return status },
	})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() { h.CloseClientConnections(); h.Close() })
	return h.URL, func(st dashboards.Status) {
		mu.Lock()
		status = st
		mu.Unlock()
		src.Ring()
	}
}

func TestAnEmptyServerSaysWhatToDoNext(t *testing.T) {
	var src dashboardstest.Source
	url, setStatus := server(t, &src)
	setStatus(dashboards.Status{Mode: unship.ModeObserve, Receivers: []dashboards.Receiver{{Protocol: "OTLP/gRPC", Address: "0.0.0.0:4317"}}})
	p := open(t)
	p.do(chromedp.Navigate(url), chromedp.WaitVisible("#no-releases pre", chromedp.ByQuery))
	if got := p.text("#no-releases"); !strings.Contains(got, "No telemetry yet.") || !strings.Contains(got, "endpoint: 127.0.0.1:4317") {
		t.Errorf("the empty page says %q; want how to send telemetry", got)
	}
	p.picture("empty")
	setStatus(dashboards.Status{Watermark: dashboardstest.At(), Outage: "no service has sent anything for 90 s"})
	p.until(`document.querySelector("#no-releases").textContent.includes("service.version")`)
	p.until(`document.querySelector("#notices").textContent.includes("no service has sent anything for 90 s")`)
	p.picture("outage")
}

func TestRowsAppearAndChangeByThemselves(t *testing.T) {
	var src dashboardstest.Source
	for _, r := range dashboardstest.Releases() {
		src.PutRelease(r)
	}
	src.PutIncident(dashboardstest.Incident())
	url, _ := server(t, &src)
	p := open(t)
	p.do(chromedp.Navigate(url))
	p.until(`document.querySelectorAll("#releases tr").length === 3 && document.querySelectorAll("#incidents li").length === 1`)
	for _, want := range []string{"regressed", "shop/ledger", "1.1.0", "failures of POST /orders rose", "17.2 of 6.91", "1,290"} {
		if got := p.text("#releases tr:first-child"); !strings.Contains(got, want) {
			t.Errorf("the first release reads %q; want %q in it", got, want)
		}
	}
	p.picture("overview")

	changed := dashboardstest.Release()
	changed.Verdict, changed.Why = unship.Healthy, "no worse than tolerated"
	src.PutRelease(changed)
	p.until(`[...document.querySelectorAll("#releases tr")].some((r) => r.textContent.includes("cart") && r.textContent.includes("healthy"))`)
	src.PutIncident(dashboardstest.Resolved())
	p.until(`document.querySelector("#incidents .pill").textContent === "resolved"`)
	p.until(`document.querySelector("#spoken").textContent.endsWith("resolved")`)
	another := dashboardstest.Incident()
	another.ID, another.DetectedAt = "inc-2", another.DetectedAt.Add(time.Hour)
	src.PutIncident(another)
	p.until(`document.querySelectorAll("#incidents li").length === 2 && document.querySelector("#incidents a").href.endsWith("/incidents/inc-2")`)
}

func TestFalseAlarmsAreShownOnceTheyAreKnown(t *testing.T) {
	var src dashboardstest.Source
	url, setStatus := server(t, &src)
	p := open(t)
	p.do(chromedp.Navigate(url))
	p.until(`document.querySelector("#audit-rates")?.closest("section").hidden`)
	setStatus(dashboards.Status{Watermark: dashboardstest.At(), Audit: unship.Audit{
		Rates: []unship.AuditRate{
			{Environment: "production", Comparison: unship.ComparisonConcurrent, Trials: 2880, Upper: .00104},
			{Environment: "production", Comparison: unship.ComparisonBefore, Trials: 200, Alarms: 3, Lower: .0017, Upper: .038},
		},
		Alarms: []unship.PlaceboAlarm{{
			At: dashboardstest.At(), Release: unship.ReleaseID{Service: unship.Service{Environment: "production", Namespace: "shop", Name: "cart"}, Version: "1.0.0"},
			Comparison: unship.ComparisonBefore, Instances: []string{"cart-1"}, Why: "it fails <b>more</b>",
		}},
	}})
	p.until(`document.querySelectorAll("#audit-rates tr").length === 2 && !document.querySelector("#audit-rates")?.closest("section").hidden`)
	for what, wants := range map[string][]string{
		"#audit-rates":  {"2,880", "at most 0.104 %", "with the past", "0.17 % to 3.8 %"},
		"#audit-alarms": {"shop/cart 1.0.0 (cart-1), compared with the past: it fails <b>more</b>"},
	} {
		for _, want := range wants {
			if got := p.text(what); !strings.Contains(got, want) {
				t.Errorf("%s reads %q; want %q in it", what, got, want)
			}
		}
	}
	p.picture("audit")
}

func TestAPersonApproves(t *testing.T) {
	var src dashboardstest.Source
	src.PutIncident(dashboardstest.Incident())
	url, _ := server(t, &src)
	p := open(t)
	p.do(chromedp.Navigate(url), chromedp.WaitVisible("#incidents a", chromedp.ByQuery), chromedp.Click("#incidents a", chromedp.ByQuery),
		chromedp.WaitVisible(`button[data-kind="approve"]`, chromedp.ByQuery))
	p.until(`document.querySelectorAll(".evidence tbody tr").length === 2 && document.querySelectorAll("svg.interval circle").length === 2`)
	p.picture("incident")
	p.do(chromedp.Click(`button[data-kind="approve"]`, chromedp.ByQuery), chromedp.WaitVisible("#dialog input", chromedp.ByQuery))
	if got := p.text("#dialog-title"); got != "Roll shop/ledger 1.1.0 back to 1.0.0?" {
		t.Errorf("the question is %q", got)
	}
	p.picture("confirm")
	if got := src.Answers(); len(got) != 0 {
		t.Fatalf("answered before it was confirmed: %v", got)
	}
	p.do(chromedp.SendKeys(`#dialog input`, "Ada", chromedp.ByQuery), chromedp.SendKeys(`#dialog textarea`, "go", chromedp.ByQuery),
		chromedp.Click(`#dialog button[type="submit"]`, chromedp.ByQuery))
	p.until(`!document.querySelector("#dialog").open`)
	want := []unship.Answer{{Incident: "inc-7f3a9c", Kind: unship.AnswerApprove, By: "Ada", Comment: "go"}}
	if diff := cmp.Diff(want, src.Answers()); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	src.PutIncident(dashboardstest.Resolved())
	p.until(`document.querySelector(".incident-head .pill").textContent === "resolved" && !document.querySelector('button[data-kind="approve"]')`)
	p.picture("resolved")
}

func TestARefusalIsShown(t *testing.T) {
	var src dashboardstest.Source
	src.PutIncident(dashboardstest.Incident())
	src.Refuse(dashboards.ErrRefused)
	url, _ := server(t, &src)
	p := open(t)
	p.do(chromedp.Navigate(url+"/incidents/inc-7f3a9c"), chromedp.WaitVisible(`button[data-kind="reject"]`, chromedp.ByQuery),
		chromedp.Click(`button[data-kind="reject"]`, chromedp.ByQuery), chromedp.WaitVisible("#dialog input", chromedp.ByQuery),
		chromedp.Click(`#dialog button[type="submit"]`, chromedp.ByQuery), chromedp.WaitVisible("#dialog .wrong", chromedp.ByQuery))
	if got := p.text("#dialog .wrong"); !strings.Contains(got, "refused") {
		t.Errorf("the dialog says %q; want the refusal", got)
	}
}

func TestHostileTextIsInert(t *testing.T) {
	var src dashboardstest.Source
	evil := dashboardstest.Hostile()
	src.PutIncident(evil)
	r := dashboardstest.Release()
	r.Service, r.Version, r.Why = evil.Title, evil.Title, evil.Title
	src.PutRelease(r)
	url, _ := server(t, &src)
	p := open(t)
	for _, at := range []string{url, url + "/incidents/inc-evil"} {
		p.do(chromedp.Navigate(at))
		p.until(`document.querySelector("main").textContent.includes("<script>window.owned=1</script>")`)
		var found struct {
			Owned  bool
			Alien  int
			Inline int
		}
		p.do(chromedp.Evaluate(`({Owned: window.owned === 1, Alien: document.querySelectorAll("main img, main script, main iframe").length,
			Inline: [...document.querySelectorAll("*")].filter((e) => [...e.attributes].some((a) => a.name.startsWith("on"))).length})`, &found))
		if found.Owned || found.Alien != 0 || found.Inline != 0 {
			t.Errorf("%s: hostile text became code: %+v", at, found)
		}
		p.picture("hostile")
	}
}

func TestATokenOpensThePage(t *testing.T) {
	var src dashboardstest.Source
	src.PutIncident(dashboardstest.Incident())
	url, _ := server(t, &src, dashboards.Token{Name: "on-call", Secret: "a-long-enough-secret", Role: dashboards.RoleAct})
	p := open(t)
	p.do(chromedp.Navigate(url), chromedp.WaitVisible("input[name=token]", chromedp.ByQuery))
	p.picture("token")
	p.do(chromedp.SendKeys("input[name=token]", "wrong-but-long-enough", chromedp.ByQuery), chromedp.Click("form.token button", chromedp.ByQuery),
		chromedp.WaitVisible(".wrong", chromedp.ByQuery),
		chromedp.SendKeys("input[name=token]", "a-long-enough-secret", chromedp.ByQuery), chromedp.Click("form.token button", chromedp.ByQuery),
		chromedp.WaitVisible("#incidents li", chromedp.ByQuery))
	var stored map[string]string
	p.do(chromedp.Evaluate(`Object.fromEntries(Object.entries(localStorage))`, &stored))
	if len(stored) != 0 {
		t.Errorf("local storage holds %v; want the token in this tab alone", stored)
	}
}

// At phone width nothing may stick out sideways.
func TestThePageFitsAPhone(t *testing.T) {
	var src dashboardstest.Source
	src.PutIncident(dashboardstest.Hostile())
	for _, r := range dashboardstest.Releases() {
		src.PutRelease(r)
	}
	url, _ := server(t, &src)
	p := open(t)
	p.do(chromedp.EmulateViewport(360, 740))
	for _, at := range []string{url, url + "/incidents/inc-evil"} {
		p.do(chromedp.Navigate(at), chromedp.WaitVisible("main .pill", chromedp.ByQuery))
		var widths struct{ Page, Window int }
		p.do(chromedp.Evaluate(`({Page: document.documentElement.scrollWidth, Window: document.documentElement.clientWidth})`, &widths))
		if widths.Page > widths.Window {
			body, _ := json.Marshal(widths)
			t.Errorf("%s sticks out: %s", at, body)
		}
	}
}
