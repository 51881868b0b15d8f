package detect

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"unship.dev"
	"unship.dev/detect/stat"
	"unship.dev/rules"
)

// Rules of the audit.
const (
	maxPlacebos    = 64
	auditDay       = 24 * time.Hour
	auditDays      = 30 // that rates are of
	auditAlpha     = .05
	maxAuditRates  = 64 // pairs of environment and comparison
	maxAuditAlarms = 10
	auditVersion   = 1
)

// audit watches placebos, one after the other in each of its slots, and counts.
//
// A slot takes a placebo at the start of each of its periods, which event time
// alone decides, and counts it at the end, whenever it alarmed. Which service and
// which instances follow from a hash of their names, the slot and the period. So
// the same ticks make the same trials, and a process that starts anew finds
// those that were under way again.
type audit struct {
	slots []slotOfAudit
	state auditState
	shown unship.Audit // of the state
	day   int64        // of shown
}

type slotOfAudit struct {
	period  int64 // 0: not known yet
	placebo *placebo
}

// auditState is what outlives a process.
type auditState struct {
	Version int                   `json:"version"`
	Until   time.Time             `json:"until"` // trials that ended by then are counted
	Counts  []auditCount          `json:"counts,omitempty"`
	Alarms  []unship.PlaceboAlarm `json:"alarms,omitempty"` // newest first
}

// auditCount are the trials of one environment and comparison, day by day.
type auditCount struct {
	Environment string            `json:"environment"`
	Comparison  unship.Comparison `json:"comparison"`
	First       int64             `json:"first"` // day, counted from the epoch of Unix
	Trials      []uint64          `json:"trials"`
	Alarms      []uint64          `json:"alarms"`
}

// AuditState gives what placebos have shown so far. Equal states give equal bytes.
func (d *Detector) AuditState() ([]byte, error) {
	s := d.audit.state
	s.Version = auditVersion
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode the audit's state: %w", err)
	}
	return b, nil
}

// RestoreAudit takes up what AuditState gave, before the first tick. Trials of
// ticks that are observed again are not counted twice.
func (d *Detector) RestoreAudit(b []byte) error {
	var s auditState
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("decode the audit's state: %w", err)
	}
	if s.Version != auditVersion {
		return fmt.Errorf("the audit's state has version %d, this program knows %d; run the version that wrote it", s.Version, auditVersion)
	}
	for _, c := range s.Counts {
		if len(c.Trials) != len(c.Alarms) {
			return fmt.Errorf("the audit's state counts %d days of trials and %d of alarms", len(c.Trials), len(c.Alarms))
		}
	}
	d.audit.state, d.audit.day = s, -1
	return nil
}

// runAudit takes window t through the placebos.
func (d *Detector) runAudit(a *unship.Assessment, tick *unship.Tick, policies rules.Set, t int32) {
	if d.opt.Placebos == 0 {
		return
	}
	counted := d.audit.state.Until
	for k := range d.audit.slots {
		x := &d.audit.slots[k]
		if p := x.placebo; p != nil {
			d.advancePlacebo(p, tick, a.Outage, t)
		}
		period, start := d.period(k, tick.End)
		if period == x.period {
			continue
		}
		if x.placebo != nil {
			d.audit.count(x.placebo, counted)
			x.placebo.end()
			x.placebo = nil
		}
		if x.period != 0 && a.Outage == "" {
			x.placebo = d.choose(k, period, policies, t)
		}
		if x.placebo != nil {
			x.placebo.ends = start.Add(d.auditPeriod())
		}
		x.period = period
	}
	a.Audit = d.audit.show(tick.Closed)
}

func (d *Detector) auditPeriod() time.Duration {
	return max(1, placeboLength/d.opt.Window) * d.opt.Window
}

// period gives the number of a slot's period at a moment, and when it began.
// The periods of the slots are spread evenly.
func (d *Detector) period(slot int, at time.Time) (number int64, start time.Time) {
	length := d.auditPeriod()
	shift := length * time.Duration(slot) / time.Duration(len(d.audit.slots))
	number = (at.UnixNano() + int64(shift)) / int64(length)
	return number, time.Unix(0, number*int64(length)-int64(shift)).UTC()
}

// choose begins the placebo of a slot's period: of the service that comes first
// in the order of hashes and has subjects. Every service comes first as often.
func (d *Detector) choose(slot int, period int64, policies rules.Set, t int32) *placebo {
	how := unship.ComparisonConcurrent
	if slot%2 == 1 {
		how = unship.ComparisonBefore
	}
	type candidate struct {
		svc  *service
		hash uint64
	}
	all := make([]candidate, 0, len(d.order))
	for _, s := range d.order {
		all = append(all, candidate{s, hashOf(uint64(period)*maxPlacebos+uint64(slot), s.id.Environment, s.id.Namespace, s.id.Name)})
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.hash, b.hash) })
	for _, c := range all {
		if chosen := d.subjects(c.svc, t, how, c.hash); len(chosen) > 0 {
			return d.newPlacebo(c.svc, chosen, how, c.hash, policies, t)
		}
	}
	return nil
}

// hashOf is a hash of a number and some names.
func hashOf(n uint64, names ...string) uint64 {
	h := fnv.New64a()
	var b [8]byte
	for k := range b {
		b[k] = byte(n >> (8 * k))
	}
	h.Write(b[:])
	for _, x := range names {
		h.Write([]byte(x))
		h.Write([]byte{0})
	}
	x := h.Sum64() // its high bits depend little on the last bytes
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x
}

// advancePlacebo takes window t through a placebo.
func (d *Detector) advancePlacebo(p *placebo, tick *unship.Tick, outage string, t int32) {
	if p.watch == nil {
		return
	}
	if p.void = p.void || d.disturbed(p); p.void || p.alarm != nil || t >= p.watch.until {
		p.end()
		return
	}
	d.seePlacebo(p, tick, outage, t)
}

// disturbed says that a trial proves nothing any more: the service was released
// or is gone, or a release in its environment was judged guilty, whose harm
// may have reached it.
func (d *Detector) disturbed(p *placebo) bool {
	s := p.of
	if d.services[s.id] != s || s.released >= p.watch.begin || len(s.watches) > 0 {
		return true
	}
	return slices.ContainsFunc(d.watches, func(w *watch) bool {
		return w.verdict == unship.Regressed && w.release.Environment == s.id.Environment
	})
}

// count takes in a trial that is over, unless it was counted before the process started.
func (a *audit) count(p *placebo, counted time.Time) {
	if p.void || !p.ends.After(counted) {
		return
	}
	if p.ends.After(a.state.Until) {
		a.state.Until = p.ends
	}
	c := a.state.of(p.of.id.Environment, p.how)
	if c == nil {
		return
	}
	alarms := uint64(0)
	if p.alarm != nil {
		alarms = 1
		a.state.Alarms = slices.Insert(a.state.Alarms, 0, *p.alarm)
		a.state.Alarms = a.state.Alarms[:min(len(a.state.Alarms), maxAuditAlarms)]
	}
	c.add(dayOf(p.ends), alarms)
	a.day = -1
}

func dayOf(t time.Time) int64 { return t.Unix() / int64(auditDay/time.Second) }

// of gives the counts of an environment and a comparison; nil beyond the bound.
func (s *auditState) of(environment string, how unship.Comparison) *auditCount {
	x := auditCount{Environment: environment, Comparison: how}
	at, ok := slices.BinarySearchFunc(s.Counts, x, func(a, b auditCount) int {
		return cmp.Or(cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.Comparison, b.Comparison))
	})
	if !ok {
		if len(s.Counts) >= maxAuditRates {
			return nil
		}
		s.Counts = slices.Insert(s.Counts, at, x)
	}
	return &s.Counts[at]
}

// add counts a trial of a day, which is no earlier than those before.
func (c *auditCount) add(day int64, alarms uint64) {
	if len(c.Trials) == 0 {
		c.First = day
	}
	c.forget(day)
	for c.First+int64(len(c.Trials)) <= day {
		c.Trials, c.Alarms = append(c.Trials, 0), append(c.Alarms, 0)
	}
	k := day - c.First
	c.Trials[k]++
	c.Alarms[k] += alarms
}

// forget drops the days that are over for so long that they count no more.
func (c *auditCount) forget(day int64) {
	k := min(max(0, day-auditDays+1-c.First), int64(len(c.Trials)))
	c.Trials, c.Alarms, c.First = slices.Clone(c.Trials[k:]), slices.Clone(c.Alarms[k:]), c.First+k
	if len(c.Trials) == 0 {
		c.First = day
	}
}

// show gives the rates and the latest alarms as of a moment.
func (a *audit) show(at time.Time) unship.Audit {
	day := dayOf(at)
	if day == a.day {
		return a.shown
	}
	a.day, a.shown = day, unship.Audit{Alarms: slices.Clone(a.state.Alarms)}
	for k := range a.state.Counts {
		c := &a.state.Counts[k]
		c.forget(day)
		r := unship.AuditRate{Environment: c.Environment, Comparison: c.Comparison}
		for i := range c.Trials {
			r.Trials, r.Alarms = r.Trials+c.Trials[i], r.Alarms+c.Alarms[i]
		}
		if r.Trials > 0 {
			r.Lower, r.Upper = stat.RateLower(r.Alarms, r.Trials, auditAlpha), stat.RateUpper(r.Alarms, r.Trials, auditAlpha)
			a.shown.Rates = append(a.shown.Rates, r)
		}
	}
	return a.shown
}
