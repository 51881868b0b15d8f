package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"unship.dev"
	"unship.dev/ingest/otlp"
)

// drainTimeout is how long a shutdown waits for actions that are under way. One
// that takes longer is taken up again by the next process.
const drainTimeout = 30 * time.Second

// carry lets the runner do what a decision orders, and hands the outcome to the loop.
func (l *live) carry(d unship.Decision) {
	if l.draining {
		return // durable, and not begun: the next process takes it up
	}
	switch d.Order {
	case unship.OrderVerify:
		return
	case unship.OrderEscalate:
		l.log.Error("a person must act", "incident", d.Incident, "release", d.Release.String(), "why", d.Why)
		return
	case unship.OrderPlan, unship.OrderRollback, unship.OrderUndo:
	}
	policies := l.config.Set()
	l.working.Go(func() {
		var out unship.Outcome
		if d.Order == unship.OrderPlan {
			out = planned(l.acting, l.runner, policies, d)
		} else {
			out = l.runner.Carry(l.acting, d, specs(policies.For(d.Release.Service)))
		}
		if l.acting.Err() != nil && out.Result == unship.ResultUnknown {
			return // interrupted: the next process takes it up again
		}
		l.inbox <- message{outcomes: []unship.Outcome{out}}
	})
}

// resumeDecisions takes up the decisions whose outcome the last process did not record.
func (l *live) resumeDecisions(ctx context.Context) error {
	open, err := l.store.Unfinished(ctx)
	if err != nil {
		return fmt.Errorf("read unfinished decisions: %w", err)
	}
	for _, d := range open {
		l.log.Warn("taking up a decision that was not finished", "decision", d.ID, "order", d.Order, "release", d.Release.String())
		l.carry(d)
	}
	return nil
}

// drain waits for actions that are under way and records what became of them.
// Those that take too long are interrupted.
func (l *live) drain() error {
	l.draining = true
	ended := make(chan struct{})
	go func() {
		l.working.Wait()
		close(ended)
	}()
	tooLong := time.After(drainTimeout)
	for {
		select {
		case m := <-l.inbox:
			l.hear(l.acting, m)
		case <-ended:
			for len(l.inbox) > 0 {
				l.hear(l.acting, <-l.inbox)
			}
			return nil
		case <-tooLong:
			l.log.Warn("actions are still under way and are interrupted; the next start takes them up again")
			l.stop()
		}
	}
}

// recallPending consumes again what was accepted and is in no closed tick.
func (l *live) recallPending() error {
	var taken, lost int
	err := l.wal.Replay(func(signal, encoding string, body []byte) error {
		if err := l.recallRecord(signal, encoding, body); err != nil {
			lost++ // one record that cannot be taken up is no reason not to start
			l.log.Error("a request of the write-ahead log cannot be taken up", "error", err)
			return nil
		}
		taken++
		return nil
	})
	if err != nil {
		return fmt.Errorf("read write-ahead log: %w", err)
	}
	if taken+lost > 0 {
		l.log.Info("took up telemetry that was accepted before the restart", "requests", taken, "lost", lost)
	}
	return nil
}

func (l *live) recallRecord(signal, encoding string, body []byte) error {
	if signal == walAnnouncement {
		return l.recallAnnouncement(body)
	}
	s, e, err := parseRecord(signal, encoding)
	if err != nil {
		return err
	}
	return otlp.Replay(s, e, body, l.agg)
}

// walAnnouncement marks announcements in the write-ahead log, where OTLP requests have their signal.
const walAnnouncement = "announcement"

func (l *live) recallAnnouncement(body []byte) error {
	var a unship.Announcement
	if err := json.Unmarshal(body, &a); err != nil {
		return fmt.Errorf("read announcement: %w", err)
	}
	return l.agg.Announce(a)
}

// walJournal writes OTLP requests to the write-ahead log.
type walJournal struct {
	log interface {
		Append(signal, encoding string, body []byte, dense bool) error
		Room(bytes int) error
	}
	full *atomic.Uint64 // counts requests that found no room
}

// Room says whether a request fits, before it is taken.
func (j walJournal) Room(bytes int) error {
	err := j.log.Room(bytes)
	if err != nil {
		j.full.Add(1)
	}
	return err
}

// Append stores a request before it is answered.
func (j walJournal) Append(signal otlp.Signal, encoding otlp.Encoding, body []byte) error {
	return j.log.Append(strconv.Itoa(int(signal)), strconv.Itoa(int(encoding)), body, encoding.Dense())
}

func parseRecord(signal, encoding string) (s otlp.Signal, e otlp.Encoding, err error) {
	_, err1 := fmt.Sscan(signal, (*uint8)(&s))
	_, err2 := fmt.Sscan(encoding, (*uint8)(&e))
	return s, e, errors.Join(err1, err2)
}

// quiet is how long nothing new must have come, beyond the allowed lateness,
// before time moves on by itself: senders batch, and a batch is not silence.
const quiet = 20 * time.Second

// idleClock moves event time on while nobody sends, as fast as the wall clock,
// so that windows close and rollbacks are verified in silence too. While senders are
// told to come again because memory is full, it does so at once: what they would tell
// is not known, but windows have to close, or there will never be room again.
type idleClock struct {
	max  time.Time // latest event time
	seen time.Time // wall time at which it was first seen
}

func (c *idleClock) advance(latest, now time.Time, lateness time.Duration, refusing bool) (time.Time, bool) {
	if latest.IsZero() {
		return time.Time{}, false
	}
	if !latest.Equal(c.max) {
		c.max, c.seen = latest, now
		return time.Time{}, false
	}
	idle := now.Sub(c.seen) - lateness
	if refusing {
		return latest.Add(idle), true
	}
	idle -= quiet
	return latest.Add(idle), idle > 0
}
