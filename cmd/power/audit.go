package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"unship.dev"
	"unship.dev/cmd/power/world"
	"unship.dev/detect"
	"unship.dev/detect/stat"
	"unship.dev/rules"
)

// auditPlacebos is how many placebos are watched at once in one world: half of
// them beside other instances, half against the past.
const auditPlacebos = 8

// auditPlan is what placebos show in one environment in which nothing is released.
type auditPlan struct {
	env     world.Environment
	seed    uint64
	windows int
	shown   unship.Audit
}

// measureAudit lets time pass without a release, in each environment, and tells what placebos show.
func (o options) measureAudit(ctx context.Context, all []world.Environment, out, errs io.Writer) error {
	plans := make([]*auditPlan, len(all))
	for k, e := range all {
		plans[k] = &auditPlan{env: e, seed: o.seed<<32 + uint64(k), windows: int(o.audit / (5 * time.Second))}
	}
	var group errgroup.Group
	group.SetLimit(o.workers)
	for _, p := range plans {
		group.Go(func() error { return p.simulate(ctx) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if o.verbose {
		for _, p := range plans {
			for _, a := range p.shown.Alarms {
				fmt.Fprintf(errs, "%s: %s, %s: %s\n", p.env.Name, a.Comparison, a.At.Format(time.RFC3339), a.Why)
			}
		}
	}
	writeAudit(out, plans)
	return nil
}

func (p *auditPlan) simulate(ctx context.Context) error {
	d, err := detect.New(detect.Options{Placebos: auditPlacebos})
	if err != nil {
		panic(err) // the options are valid
	}
	w, policies := world.New(p.env, p.seed), rules.Set{rules.Default(unship.ModeAuto)}
	for range p.windows {
		if err := ctx.Err(); err != nil {
			return err
		}
		tick, _ := w.Step()
		p.shown = d.Observe(*tick, nil, policies).Audit
	}
	return nil
}

func writeAudit(out io.Writer, plans []*auditPlan) {
	fmt.Fprintf(out, "False alarms of placebos, where nothing is released:\n\n| environment | comparison | placebos | alarms | upper limit |\n|---|---|---|---|---|\n")
	var all [2]unship.AuditRate
	for _, p := range plans {
		for _, r := range p.shown.Rates {
			writeRate(out, p.env.Name+": "+p.env.About, r)
			k := 0
			if r.Comparison == unship.ComparisonBefore {
				k = 1
			}
			all[k].Comparison = r.Comparison
			all[k].Trials, all[k].Alarms = all[k].Trials+r.Trials, all[k].Alarms+r.Alarms
		}
	}
	for _, r := range all {
		if r.Trials > 0 {
			writeRate(out, "all", r)
		}
	}
}

func writeRate(out io.Writer, name string, r unship.AuditRate) {
	fmt.Fprintf(out, "| %s | %s | %d | %d | %.2g |\n", name, r.Comparison, r.Trials, r.Alarms, stat.RateUpper(r.Alarms, r.Trials, .05))
}
