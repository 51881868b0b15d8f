package demo

import (
	"fmt"
	"strings"
	"time"

	"unship.dev"
)

// checks holds what happened against what the demo promises.
func (d *director) checks(f facts) []Check {
	i := d.result.Incident
	return []Check{
		d.found(), onlyGuilty(f), takenBack(i, f),
		{"the recovery was verified", i.Recovery.Status == unship.Recovered, i.Recovery.Why},
		stays(f, goodRelease, "the good release stays"),
		stays(f, innocentRelease, "the innocent release beside it stays"),
		nothingBroken(f),
		{"the report is written", d.result.Report != "", d.result.Report},
	}
}

func (d *director) found() Check {
	c := Check{What: "the bad release was found", Held: d.result.Incident.ID != ""}
	if c.Why = "no incident names " + badRelease.String(); c.Held {
		c.Why = fmt.Sprintf("%s, probability %.3f", badRelease, d.result.Incident.Suspects[0].Probability)
	}
	return c
}

// onlyGuilty says that no incident blames, or acts on, anything else.
func onlyGuilty(f facts) Check {
	var others []string
	for _, i := range f.incidents {
		if !blames(i, badRelease) {
			others = append(others, i.Title)
		}
	}
	c := Check{What: "nothing else was blamed", Held: len(others) == 0, Why: strings.Join(others, "; ")}
	if c.Held {
		c.Why = "three releases were under way at once"
	}
	return c
}

func takenBack(i unship.Incident, f facts) Check {
	c := Check{What: "it was taken back by shifting its traffic"}
	weight := weightOf(f, badRelease)
	done := len(i.Actions) > 0
	for _, a := range i.Actions {
		done = done && a.Result == unship.ResultDone
		c.Why = a.Detail
	}
	c.Held = done && weight == 0 && i.Decision.Verdict == unship.DecideRollback
	if !c.Held {
		c.Why = fmt.Sprintf("decision %q, %d steps, weight %d in the end: %s", i.Decision.Verdict, len(i.Actions), weight, c.Why)
	}
	return c
}

// stays says that a release was not judged guilty and still has its traffic.
func stays(f facts, r release, what string) Check {
	c := Check{What: what}
	report, known := f.releases[r.String()]
	if !known {
		c.Why = r.String() + " was not seen as a release"
		return c
	}
	weight := weightOf(f, r)
	c.Held = report.Verdict != unship.Regressed && weight == canaries
	c.Why = fmt.Sprintf("%s: %s so far, %d of %d canaries take traffic", r, report.Verdict, weight, canaries)
	return c
}

func weightOf(f facts, r release) (n int) {
	for _, s := range f.servers[r.service] {
		if s.Version() == r.version {
			n += s.Weight
		}
	}
	return n
}

// nothingBroken says that no request failed but by the fault or as failures in the shop usually are.
func nothingBroken(f facts) Check {
	c := Check{What: "the rollback broke no request"}
	c.Held = f.users.Other == 0 && f.proxy.Failed == 0 && f.proxy.Repeated == 0
	c.Why = fmt.Sprintf("of %d requests: %d failed by the fault, %d as they usually do, %d otherwise; the proxy itself failed %d and repeated %d",
		f.users.Requests, f.users.ByFault, f.users.AsUsual, f.users.Other, f.proxy.Failed, f.proxy.Repeated)
	for _, e := range f.users.Examples {
		c.Why += "; " + e
	}
	return c
}

// print says how it went.
func (d *director) print() {
	r, l := d.result, d.time
	l.line(plain, "")
	for _, c := range r.Checks {
		mark, t := "held  ", good
		if !c.Held {
			mark, t = "FAILED", bad
		}
		l.line(t, fmt.Sprintf("  %s  %s", mark, c.What))
		l.line(dim, "          "+c.Why)
	}
	l.line(plain, "")
	row := func(what, value string) { l.line(plain, fmt.Sprintf("  %-44s %s", what, value)) }
	row("from the first broken request to the verdict", seconds(r.ToDetection))
	row("                          to the rollback", seconds(r.ToRollback))
	row("                          to the recovery", seconds(r.ToRecovery))
	row("requests that the fault broke", fmt.Sprint(r.BrokenByFault))
	row("requests that the rollback broke", fmt.Sprint(r.BrokenByRollback))
	row("report", r.Report)
	row("page", r.Page)
}

func seconds(d time.Duration) string {
	if d <= 0 {
		return "never"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
