package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	slackgo "github.com/slack-go/slack"

	"unship.dev"
)

// pace is how fast messages are sent and how failures are retried.
type pace struct {
	gap   time.Duration // between two messages; Slack takes about one a second and channel
	first time.Duration // wait after the first failure, growing from there
	most  time.Duration
}

func defaultPace() pace {
	return pace{gap: time.Second, first: time.Second, most: 2 * time.Minute}
}

// refusals are Slack's answers to which sending the same again changes nothing.
var refusals = []string{
	"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "no_text", "too_many_attachments",
	"edit_window_closed",
}

// gone are Slack's answers to an update of a message that is no longer there.
var gone = []string{"message_not_found", "cant_update_message"}

// Run sends what Notify left, until ctx ends. It returns nil then: what still
// waits is told again by whoever notifies after the next start.
func (n *Notifier) Run(ctx context.Context) error {
	for {
		in, ok := n.waiting.take()
		if !ok {
			select {
			case <-ctx.Done():
				return nil
			case <-n.waiting.ready:
			}
			continue
		}
		if !n.deliver(ctx, in) || !sleep(ctx, n.pace.gap) {
			return nil
		}
	}
}

// deliver tells the incident, in its newest state by then, however long Slack
// is down; false when ctx ended first.
func (n *Notifier) deliver(ctx context.Context, in unship.Incident) bool {
	wait := n.pace.backoff()
	for {
		err := n.tell(ctx, in)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if isAnswer(err, refusals) {
			n.log.Error("slack refused the message of an incident", "incident", in.ID, "error", err)
			return true
		}
		pause := wait.NextBackOff()
		if limited, ok := errors.AsType[*slackgo.RateLimitedError](err); ok {
			pause = limited.RetryAfter
		}
		n.log.Log(ctx, severity(err), "slack not told; will retry", "incident", in.ID, "error", err, "retry_after", pause)
		if !sleep(ctx, pause) {
			return false
		}
		in = n.waiting.newer(in)
	}
}

// severity tells what passes by itself from what a person must put right, such
// as a revoked token or a channel that the bot was not invited to.
func severity(err error) slog.Level {
	if _, ok := errors.AsType[slackgo.SlackErrorResponse](err); ok {
		return slog.LevelError
	}
	return slog.LevelWarn
}

func (p pace) backoff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = p.first, p.most
	return b
}

// outlast gives a context that ends a moment after ctx, so that a message on
// its way is not left behind unremembered, to be posted again after a restart.
func outlast(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		defer cancel()
		sleep(longer, finishWithin)
	})
	return longer, func() { stop(); cancel() }
}

// tell brings the incident's message up to date, or posts it.
func (n *Notifier) tell(ctx context.Context, in unship.Incident) error {
	ctx, cancel := outlast(ctx)
	defer cancel()
	msg, posted, err := n.message(ctx, in.ID)
	if err != nil {
		return fmt.Errorf("read which message tells of incident %s: %w", in.ID, err)
	}
	content := []slackgo.MsgOption{
		slackgo.MsgOptionText(fallbackText(in), false),
		slackgo.MsgOptionBlocks(blocks(in, n.pageURL)...),
		slackgo.MsgOptionDisableLinkUnfurl(), slackgo.MsgOptionDisableMediaUnfurl(),
	}
	if posted {
		_, _, _, err = n.api.UpdateMessageContext(ctx, msg.Channel, msg.TS, content...)
		if err == nil || !isAnswer(err, gone) {
			return wrap("update", in, err)
		}
	}
	channel, ts, err := n.api.PostMessageContext(ctx, n.channel, content...)
	if err != nil {
		return wrap("post", in, err)
	}
	n.remember(ctx, in, Message{channel, ts})
	return nil
}

// message finds the message that tells of an incident.
func (n *Notifier) message(ctx context.Context, incident string) (Message, bool, error) {
	if msg, ok, _ := n.sent.SlackMessage(ctx, incident); ok { // memory has no errors
		return msg, true, nil
	}
	return n.state.SlackMessage(ctx, incident)
}

func (n *Notifier) remember(ctx context.Context, in unship.Incident, msg Message) {
	_ = n.sent.SetSlackMessage(ctx, in.ID, msg) // memory has no errors
	if err := n.state.SetSlackMessage(ctx, in.ID, msg); err != nil {
		n.log.Error("slack message not remembered; after a restart the incident is posted again", "incident", in.ID, "error", err)
	}
}

func wrap(verb string, in unship.Incident, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s the message of incident %s: %w", verb, in.ID, err)
}

func isAnswer(err error, answers []string) bool {
	e, ok := errors.AsType[slackgo.SlackErrorResponse](err)
	return ok && slices.Contains(answers, e.Err)
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
