// Package slack tells a Slack channel of incidents: one message each, updated
// as the incident goes on.
//
// In: incidents, by [Notifier.Notify], which never blocks and never fails: of
// each incident only the newest state waits, and of incidents at most
// [Options.Queue]. Out: chat.postMessage and chat.update, at the pace that
// Slack allows, retried while Slack is down. Which message belongs to which
// incident is kept in a [State], so a restart updates and does not post again.
//
// All text that comes from telemetry is escaped: a service's name cannot ping
// anybody, and text beyond Slack's limits is cut, never refused.
//
// A [Notifier] is safe for concurrent use; [Notifier.Run] is its one goroutine
// and belongs to the caller.
package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"

	"unship.dev"
)

// State remembers the message of each incident, through restarts.
type State interface {
	SlackMessage(ctx context.Context, incident string) (m Message, ok bool, err error)
	SetSlackMessage(ctx context.Context, incident string, m Message) error
}

// Message is where an incident's message stands.
type Message struct {
	Channel string `json:"channel"` // the id, not the name
	TS      string `json:"ts"`
}

// Options is what a [Notifier] is made of.
type Options struct {
	Token   string // of a bot with the scope chat:write
	Channel string // id or name
	State   State
	// PageURL is where people reach Unship's page, such as
	// "https://unship.example.org"; empty leaves the links out.
	PageURL string
	// APIURL is where Slack's API is; empty means Slack itself.
	APIURL string
	// Queue bounds the incidents that wait for Slack; 0 means 1,000.
	Queue  int
	Logger *slog.Logger
}

const (
	defaultQueue = 1000
	callTimeout  = 20 * time.Second
	finishWithin = 5 * time.Second // after Run's context has ended, for the message on its way
)

// Notifier keeps Slack's messages up to date.
type Notifier struct {
	api     *slackgo.Client
	channel string
	pageURL string
	state   State
	log     *slog.Logger
	waiting *queue
	sent    Memory // by this process: what State could not keep is not posted twice
	pace    pace
}

// New checks the options. It does not call Slack: Slack being down is no
// reason not to start.
func New(o Options) (*Notifier, error) {
	if strings.TrimSpace(o.Token) == "" || strings.TrimSpace(o.Channel) == "" {
		return nil, errors.New("slack: token and channel are needed; create a bot with the scope chat:write and invite it to the channel")
	}
	if o.State == nil {
		return nil, errors.New("slack: needs a state that remembers its messages")
	}
	for name, u := range map[string]string{"page URL": o.PageURL, "API URL": o.APIURL} {
		if err := checkURL(u); err != nil {
			return nil, fmt.Errorf("slack: %s: %w", name, err)
		}
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	size := o.Queue
	if size <= 0 {
		size = defaultQueue
	}
	opts := []slackgo.Option{slackgo.OptionHTTPClient(&http.Client{Timeout: callTimeout})}
	if o.APIURL != "" {
		opts = append(opts, slackgo.OptionAPIURL(strings.TrimSuffix(o.APIURL, "/")+"/"))
	}
	return &Notifier{
		api: slackgo.New(o.Token, opts...), channel: o.Channel, pageURL: strings.TrimSuffix(o.PageURL, "/"),
		state: o.State, log: log, waiting: newQueue(size), pace: defaultPace(),
	}, nil
}

func checkURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is not an http or https address", s)
	}
	return nil
}

// Notify has the incident's message brought to this state, soon.
func (n *Notifier) Notify(in unship.Incident) {
	if dropped := n.waiting.put(in); dropped != "" {
		n.log.Warn("incident not told to slack: too many wait", "incident", dropped)
	}
}
