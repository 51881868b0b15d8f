package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"unship.dev"
	"unship.dev/actions"
	"unship.dev/cmd/pipeline"
	"unship.dev/dashboards"
	"unship.dev/dashboards/slack"
	"unship.dev/decide/journal"
	"unship.dev/ingest"
	"unship.dev/ingest/wal"
)

// live is the running service: what serve is made of, less its listeners.
//
// One goroutine, run, owns the pipeline. It takes ticks from the aggregator and
// words from the inbox, makes each step durable, and only then hands its
// decisions to goroutines of their own, whose outcomes come back by the inbox.
type live struct {
	config Config
	log    *slog.Logger
	agg    *ingest.Aggregator
	wal    *wal.Log
	store  *journal.Store
	pipe   *pipeline.Pipeline
	runner *actions.Runner
	slack  *slack.Notifier // nil: not configured
	bell   dashboards.Bell

	holdUntil time.Time // until then windows stay open for what senders kept during a restart; zero: they do not

	walFull  atomic.Uint64 // requests that the write-ahead log had no room for
	refused  uint64        // requests, for want of room, so far; of the loop alone
	inbox    chan message
	acting   context.Context // of the decisions being carried out: ends when a shutdown has waited long enough
	stop     context.CancelFunc
	draining bool // no decision is begun any more
	working  sync.WaitGroup
	started  time.Time
	told     map[string]telling // by incident; of the loop alone
	state    atomic.Pointer[liveState]
}

// liveState is what others may see of the loop.
type liveState struct {
	watermark time.Time
	outage    string
	trouble   string // why nothing is judged at present
	losses    unship.Losses
	audit     unship.Audit
	ranking   []unship.Ranking
}

// message is a word from outside: an outcome, or a person's answer that wants a reply.
type message struct {
	outcomes []unship.Outcome
	answers  []unship.Answer
	reply    chan error // nil: nobody waits
}

// keepTicks is how much event time of closed ticks the journal keeps beyond the
// longest watch: what a detector learns a release's past from.
const keepTicks = 45 * time.Minute

// walTurn is how often the write-ahead log begins a new segment.
const walTurn = 10 * time.Second

// openLive opens the state and takes up where the last process ended.
func openLive(ctx context.Context, c Config, factories []actions.Factory, log *slog.Logger) (*live, error) {
	l := &live{config: c, log: log, inbox: make(chan message, 64), told: map[string]telling{}, started: time.Now()}
	l.acting, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	registry, err := actions.NewRegistry(factories...)
	if err != nil {
		return nil, err
	}
	if l.store, err = journal.Open(ctx, c.State, journal.Options{}); err != nil {
		return nil, fmt.Errorf("open state in %s: %w", c.State, err)
	}
	if err := l.assemble(registry); err != nil {
		return nil, errors.Join(err, l.store.Close())
	}
	if err := l.recall(ctx); err != nil {
		return nil, errors.Join(err, l.close())
	}
	l.state.Store(&liveState{watermark: l.pipe.At(), audit: l.pipe.Audit()})
	return l, nil
}

func (l *live) assemble(registry *actions.Registry) (err error) {
	c := l.config
	l.runner, err = actions.NewRunner(actions.Options{Registry: registry, Ledger: l.store, Logger: l.log})
	if err != nil {
		return err
	}
	if l.pipe, err = pipeline.New(pipeline.Options{Window: c.Window, Settle: c.Settle, Policies: c.Set(), Placebos: c.Audit.Placebos}); err != nil {
		return err
	}
	l.agg, err = ingest.New(ingest.Options{
		Window: c.Window, Lateness: c.Lateness, MaxOperations: c.Limits.Operations, MaxPendingBytes: int64(c.Limits.Pending),
		Ceiling: func() time.Time { return time.Now().Add(clockSlack) }, Clock: time.Now, Logger: l.log,
	})
	if err != nil {
		return err
	}
	l.wal, err = wal.Open(filepath.Join(c.State, "wal"), wal.Options{OnDamage: func(d wal.Damage) {
		l.log.Warn("a part of the write-ahead log cannot be read", "segment", d.Segment, "offset", d.Offset, "bytes", d.Bytes, "why", d.Why)
	}})
	if err != nil {
		return fmt.Errorf("open write-ahead log: %w", err)
	}
	l.slack, err = newSlack(c.Slack, l.store, l.log)
	return err
}

// clockSlack is how far a sender's clock may be ahead of ours.
const clockSlack = time.Minute

// recall restores what the last process knew: the snapshot of the stages, the
// closed ticks, and the telemetry that was accepted and not yet in one.
func (l *live) recall(ctx context.Context) error {
	if err := l.pipe.Restore(func(name string) ([]byte, error) { return l.store.State(ctx, name) }); err != nil {
		return err
	}
	for t, err := range l.store.Ticks(ctx, time.Time{}) {
		if err != nil {
			return fmt.Errorf("read closed ticks: %w", err)
		}
		l.pipe.Reobserve(t) // Tick by tick: the whole of them need not fit into memory.
		l.agg.Remember(t)
	}
	if err := l.resume(ctx); err != nil {
		return err
	}
	if end := l.pipe.JudgedUntil(); !end.IsZero() {
		l.agg.Resume(end)
		l.agg.Hold(true)
		l.holdUntil = l.started.Add(min(max(time.Since(end), leastHold), mostHold))
	}
	return l.recallPending()
}

// After a restart senders hand in what they kept meanwhile, late and beside what
// is new. For as long as the service was away, within these bounds, windows stay
// open for it: a Collector tries again after 5 to 30 seconds.
const leastHold, mostHold = 5 * time.Second, 30 * time.Second

// resume reminds detect of what is being verified, and people of what is open.
func (l *live) resume(ctx context.Context) error {
	for _, i := range l.pipe.Incidents() {
		if i.Status.Ended() {
			continue
		}
		l.tellOf(i)
		decisions, err := l.store.Decisions(ctx, i.ID)
		if err != nil {
			return fmt.Errorf("read decisions about incident %s: %w", i.ID, err)
		}
		l.pipe.Resume(decisions)
	}
	return nil
}

func (l *live) close() error {
	l.stop()
	return errors.Join(l.wal.Close(), l.store.Close())
}

// run judges until ctx ends, then waits for actions that are under way.
func (l *live) run(ctx context.Context) error {
	if err := l.resumeDecisions(ctx); err != nil {
		return err
	}
	poll := time.NewTicker(200 * time.Millisecond)
	defer poll.Stop()
	idle := idleClock{}
	turned := time.Now()
	for {
		select {
		case <-ctx.Done():
			return l.drain()
		case m := <-l.inbox:
			l.hear(ctx, m)
		case <-l.agg.Ready():
			if err := l.judge(ctx); err != nil {
				return err
			}
		case <-poll.C:
			l.letGo()
			if to, ok := idle.advance(l.agg.MaxTime(), time.Now(), l.config.Lateness, l.refusing()); ok {
				l.agg.Advance(to)
			}
			if err := l.judge(ctx); err != nil {
				return err
			}
			if time.Since(turned) >= walTurn {
				turned = time.Now()
				l.turnLog(ctx)
			}
		}
	}
}

// refusing says that senders were told to come again since it was last asked.
func (l *live) refusing() bool {
	before := l.refused
	l.refused = l.overloaded()
	return l.refused > before
}

// overloaded counts the requests that were refused for want of memory, or of room in the log.
func (l *live) overloaded() uint64 { return l.agg.Stats().Overloaded + l.walFull.Load() }

// letGo lets the watermark follow again when the time for what senders kept is over.
func (l *live) letGo() {
	if l.holdUntil.IsZero() || time.Now().Before(l.holdUntil) {
		return
	}
	l.holdUntil = time.Time{}
	l.agg.Hold(false)
}

// judge takes the ticks that have closed through the pipeline.
func (l *live) judge(ctx context.Context) error {
	for _, t := range l.agg.Take() {
		l.losses(t.Losses)
		if err := l.commit(ctx, l.pipe.Tick(t), message{}); err != nil {
			if ctx.Err() != nil {
				return nil // the next process judges it again
			}
			return err
		}
	}
	return nil
}

// hear takes a word from outside through the pipeline.
func (l *live) hear(ctx context.Context, m message) {
	err := l.commit(ctx, l.pipe.Hear(m.outcomes, m.answers), m)
	if m.reply != nil {
		m.reply <- err
	}
}

// commit makes a step durable, tries until it is, and then lets it take effect.
func (l *live) commit(ctx context.Context, r pipeline.Result, m message) error {
	states, err := l.pipe.Snapshot()
	if err != nil {
		return err
	}
	c := journal.Commit{
		Tick: r.Tick, Reports: r.Reports, Incidents: r.Incidents, Decisions: r.Decisions,
		Outcomes: m.outcomes, Answers: m.answers, States: states,
	}
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		err := l.store.Commit(ctx, c)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return fmt.Errorf("store a step before the end: %w", err) // not durable, so it did not happen
		}
		l.log.Error("a step cannot be stored; nothing is decided until it is", "error", err, "retry", wait)
		l.trouble(err.Error())
		pause(ctx, wait)
	}
	l.effect(r)
	return nil
}

// effect carries out what has been made durable.
func (l *live) effect(r pipeline.Result) {
	old := *l.state.Load()
	old.watermark, old.outage, old.trouble, old.audit, old.ranking = l.pipe.At(), r.Outage, "", r.Audit, r.Ranking
	l.state.Store(&old)
	for _, i := range r.Incidents {
		l.tellOf(i)
	}
	for _, d := range r.Decisions {
		l.carry(d)
	}
	if len(r.Incidents)+len(r.Reports) > 0 {
		l.bell.Ring()
	}
}

// tellAgain is how often people are told that an incident's figures have grown.
const tellAgain = 30 * time.Second

// forgetTold is when an incident that has not changed is forgotten here: later than by the engine.
const forgetTold = 8 * 24 * time.Hour

// telling is what was last told of an incident, and when.
type telling struct {
	status unship.Status
	events int
	at     time.Time
}

// tellOf tells people what happened to an incident, and now and then how its figures grow.
func (l *live) tellOf(i unship.Incident) {
	last, now := l.told[i.ID], telling{i.Status, len(i.Timeline), time.Now()}
	news := last.status != now.status || last.events != now.events
	if !news && now.at.Sub(last.at) < tellAgain {
		return
	}
	l.told[i.ID] = now
	if news {
		l.log.Info("incident", "incident", i.ID, "status", i.Status, "title", i.Title, "last", i.Timeline[len(i.Timeline)-1].What)
	}
	if l.slack != nil {
		l.slack.Notify(i)
	}
}

func (l *live) losses(n unship.Losses) {
	s := *l.state.Load()
	s.losses.Late += n.Late
	s.losses.Future += n.Future
	s.losses.Invalid += n.Invalid
	s.losses.Overflow += n.Overflow
	s.losses.Dropped += n.Dropped
	l.state.Store(&s)
}

func (l *live) trouble(why string) {
	s := *l.state.Load()
	s.trouble = why
	l.state.Store(&s)
}

// turnLog lets go of telemetry that is in closed, durable ticks.
func (l *live) turnLog(ctx context.Context) {
	if err := l.wal.RotateWith(l.agg.Latest); err != nil {
		l.log.Error("the write-ahead log cannot begin a new segment", "error", err)
	}
	if err := l.wal.Trim(l.pipe.JudgedUntil()); err != nil {
		l.log.Error("the write-ahead log cannot be trimmed", "error", err)
	}
	maps.DeleteFunc(l.told, func(_ string, t telling) bool { return time.Since(t.at) > forgetTold })
	watch := keepTicks
	for _, p := range l.config.Set() {
		watch = max(watch, p.Watch+keepTicks)
	}
	if err := l.store.PruneTicks(ctx, l.pipe.At().Add(-watch)); err != nil {
		l.log.Error("old ticks cannot be pruned", "error", err)
	}
}
