package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"unship.dev"
	"unship.dev/cmd/demo/proxy"
	"unship.dev/cmd/demo/users"
)

// The times of the story.
const (
	warmUp    = 22 * time.Second // traffic before the first release
	apart     = 8 * time.Second  // between the good release and the other two
	patience  = 95 * time.Second // from the bad release to the verified recovery
	glance    = 300 * time.Millisecond
	statusGap = 6 * time.Second // between two lines about how things are going
)

// play ships the releases and watches what becomes of them.
func (d *director) play(ctx context.Context) error {
	if err := d.idle(ctx, warmUp); err != nil {
		return err
	}
	if err := d.ship(ctx, goodRelease, "- a good release"); err != nil {
		return err
	}
	if err := d.idle(ctx, apart); err != nil {
		return err
	}
	if err := d.ship(ctx, innocentRelease, "- an innocent one"); err != nil {
		return err
	}
	if err := d.ship(ctx, badRelease, fmt.Sprintf("- a bad one: %.0f %% of %s fail, and it is slower",
		badRelease.fault.Errors*100, badRelease.fault.Operation)); err != nil {
		return err
	}
	shipped := time.Now()
	if err := d.watch(ctx, shipped.Add(patience)); err != nil {
		return err
	}
	return d.conclude(ctx)
}

// idle lets the users use the shop for a while, and says how it goes.
func (d *director) idle(ctx context.Context, t time.Duration) error {
	for end := time.Now().Add(t); time.Now().Before(end); {
		if err := pause(ctx, min(statusGap, time.Until(end))); err != nil {
			return err
		}
		if err := d.status(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *director) status(ctx context.Context) error {
	s, err := d.eyes.stats(ctx)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("users: %d requests, %d failed", s.Requests, s.Requests-s.Good)
	if s.ByFault > 0 {
		text += fmt.Sprintf(" (%d by the bad release)", s.ByFault)
	}
	known, err := d.eyes.releases(ctx)
	if err != nil {
		return err
	}
	if r, ok := known[badRelease.String()]; ok && r.Verdict != unship.Regressed && r.Threshold > 0 {
		text += fmt.Sprintf("; evidence against %s: %.1f of %.1f", badRelease, max(0, r.LogE), r.Threshold)
	}
	d.time.say(dim, "%s", text)
	return nil
}

// watch looks at the incidents until the one of the bad release has ended, or time is up.
func (d *director) watch(ctx context.Context, deadline time.Time) error {
	spoke := time.Now()
	for time.Now().Before(deadline) {
		incidents, err := d.eyes.incidents(ctx)
		if err != nil {
			return err
		}
		for _, i := range incidents {
			d.tell(i)
		}
		if i := d.ours(incidents); i != nil {
			d.result.Incident = *i
			if i.Status.Ended() {
				return nil
			}
		}
		if time.Since(spoke) > statusGap {
			spoke = time.Now()
			if err := d.status(ctx); err != nil {
				return err
			}
		}
		if err := pause(ctx, glance); err != nil {
			return err
		}
	}
	d.time.say(bad, "time is up after %v", patience)
	return nil
}

// ours is the incident whose first suspect is the bad release, or the first one there is.
func (d *director) ours(incidents []unship.Incident) *unship.Incident {
	i := slices.IndexFunc(incidents, func(i unship.Incident) bool { return blames(i, badRelease) })
	if i < 0 {
		return nil
	}
	return &incidents[i]
}

func blames(i unship.Incident, r release) bool {
	return len(i.Suspects) > 0 && i.Suspects[0].Service == r.service && i.Suspects[0].Version == r.version
}

// tell says what is new about an incident, each thing once.
func (d *director) tell(i unship.Incident) {
	once := func(key string, is bool, t tone, format string, args ...any) {
		if key = i.ID + key; is && !d.begun[key] {
			d.begun[key] = true
			d.time.say(t, format, args...)
		}
	}
	if len(i.Suspects) == 0 {
		return
	}
	s := i.Suspects[0]
	once("found", true, bad, "FOUND: %s %s is guilty with probability %.3f: %s", s.Service, s.Version, s.Probability, i.Title)
	for _, e := range i.Exonerated {
		once("free"+e.Service, true, plain, "       not guilty: %s %s (%s)", e.Service, e.Version, e.Why)
	}
	once("decided", i.Decision.Verdict != "", bold, "DECIDED: %s: %s", i.Decision.Verdict, i.Decision.Why)
	for _, a := range i.Actions {
		once(fmt.Sprint("act", a.Step, a.Result), !a.EndedAt.IsZero(), bold, "STEP %d %s: %s", a.Step, a.Result, a.Detail)
	}
	once("mitigated", i.Status == unship.StatusMitigated, plain, "       now verifying that this helped")
	once("ended", i.Status.Ended(), good, "%s: %s", ended(i.Status), i.Recovery.Why)
	if blames(i, badRelease) {
		d.clock(i)
	}
}

func ended(s unship.Status) string {
	if s == unship.StatusResolved {
		return "RECOVERED"
	}
	return "ENDED (" + string(s) + ")"
}

// clock keeps when the incident was found, acted on and over, as people would see it.
func (d *director) clock(i unship.Incident) {
	at := func(t *time.Time, is bool) {
		if is && t.IsZero() {
			*t = time.Now()
		}
	}
	at(&d.times.found, true)
	at(&d.times.acted, i.Status == unship.StatusMitigated || i.Status.Ended())
	at(&d.times.over, i.Status.Ended())
}

// times are when things happened to the incident of the bad release.
type times struct{ found, acted, over time.Time }

// conclude sends the users home and draws the balance.
func (d *director) conclude(ctx context.Context) error {
	facts, err := d.gather(ctx)
	if err != nil {
		return err
	}
	r := &d.result
	r.Requests, r.BrokenByFault = facts.users.Requests, facts.users.ByFault
	r.BrokenByRollback = max(facts.users.Other, facts.proxy.Failed)
	since := func(t time.Time) time.Duration {
		if t.IsZero() || facts.users.FirstFault.IsZero() {
			return 0
		}
		return t.Sub(facts.users.FirstFault)
	}
	r.ToDetection, r.ToRollback, r.ToRecovery = since(d.times.found), since(d.times.acted), since(d.times.over)
	r.Checks = d.checks(facts)
	return nil
}

// facts is what is known in the end.
type facts struct {
	users     users.Stats
	proxy     proxy.Stats
	incidents []unship.Incident
	releases  map[string]unship.ReleaseReport
	servers   map[string][]proxy.Server
}

func (d *director) gather(ctx context.Context) (f facts, err error) {
	if f.users, err = d.eyes.stop(ctx); err != nil {
		return f, err
	}
	if f.proxy, err = d.front.stats(ctx); err != nil {
		return f, err
	}
	if f.incidents, err = d.eyes.incidents(ctx); err != nil {
		return f, err
	}
	if f.releases, err = d.eyes.releases(ctx); err != nil {
		return f, err
	}
	f.servers = map[string][]proxy.Server{}
	for _, r := range []release{goodRelease, innocentRelease, badRelease} {
		if f.servers[r.service], err = d.front.Servers(ctx, r.service); err != nil {
			return f, err
		}
	}
	if d.result.Incident.ID == "" {
		return f, nil
	}
	report, err := d.eyes.report(ctx, d.result.Incident.ID)
	if err != nil {
		return f, err
	}
	d.result.Report = filepath.Join(d.dir, "report.md")
	return f, os.WriteFile(d.result.Report, report, 0o644)
}
