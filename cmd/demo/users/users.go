// Package users is the demo's crowd: users of the shop who come at random
// moments, at a steady rate, whether or not the shop answers, and who count
// what they get. Each failure is sorted by the reason that the shop gives; one
// without a reason is nobody's intention, and is what a rollback must not cause.
package users

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"unship.dev/cmd/demo/shop"
)

// Stats is what users got so far.
type Stats struct {
	Requests uint64 `json:"requests"` // answered or given up
	Good     uint64 `json:"good"`
	ByFault  uint64 `json:"by_fault"` // failed because of the bad release
	AsUsual  uint64 `json:"as_usual"` // failed as now and then happens in the shop
	Other    uint64 `json:"other"`    // failed for any other reason
	// FirstFault and LastFault are when the first and the last request came back that the fault broke.
	FirstFault time.Time `json:"first_fault,omitzero"`
	LastFault  time.Time `json:"last_fault,omitzero"`
	Examples   []string  `json:"examples,omitempty"` // of other failures
}

const (
	patience    = 20 * time.Second
	maxExamples = 5
	// crowded is how many users wait for answers at once. On a machine that is
	// too slow for the rate, new ones come only as others leave: the demo slows
	// down instead of breaking down.
	crowded = 100
)

// page is something that users do, and how often.
type page struct {
	share  float64
	method string
	path   string // {} stands for some number
}

var pages = [...]page{
	{0.46, http.MethodPost, "/checkout"},
	{0.24, http.MethodGet, "/"},
	{0.12, http.MethodGet, "/products/{}"},
	{0.09, http.MethodPost, "/cart"},
	{0.09, http.MethodGet, "/orders/{}"},
}

// Crowd is users of one shop. It is safe for concurrent use.
type Crowd struct {
	target string // host:port
	rate   float64
	client *http.Client
	random *rand.Rand // of the one goroutine that lets users come

	mu    sync.Mutex
	stats Stats
}

// New makes a crowd that makes rate requests a second at target once it runs.
func New(target string, rate float64, seed uint64) *Crowd {
	return &Crowd{
		target: target, rate: rate,
		client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 1000, IdleConnTimeout: time.Hour}},
		random: rand.New(rand.NewPCG(seed, 1)),
	}
}

// Run lets users come until ctx ends, and waits until each has an answer.
func (c *Crowd) Run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	places := make(chan struct{}, crowded)
	next := time.Now()
	for {
		next = next.Add(time.Duration(c.random.ExpFloat64() / c.rate * float64(time.Second)))
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		places <- struct{}{}
		if late := time.Now(); late.Sub(next) > time.Second {
			next = late // who could not come in has gone elsewhere
		}
		p, id := c.choose()
		all.Go(func() { // a user who has begun waits for the answer
			defer func() { <-places }()
			c.visit(p, id)
		})
	}
}

// Stats is what users got so far.
func (c *Crowd) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Examples = append([]string(nil), s.Examples...)
	return s
}

func (c *Crowd) choose() (page, int) {
	x, id := c.random.Float64(), c.random.IntN(10_000)
	for _, p := range pages {
		if x -= p.share; x < 0 {
			return p, id
		}
	}
	return pages[0], id
}

func (c *Crowd) visit(p page, id int) {
	path := strings.Replace(p.path, "{}", fmt.Sprint(id), 1)
	req, err := http.NewRequest(p.method, "http://"+c.target+path, nil)
	if err != nil {
		c.count("", p.method+" "+path+": "+err.Error())
		return
	}
	resp, err := c.client.Do(req)
	if err != nil {
		c.count("", p.method+" "+path+": "+err.Error())
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		c.count("", p.method+" "+path+": answer broke off: "+err.Error())
	case resp.StatusCode >= 400:
		c.count(resp.Header.Get(shop.HeaderFailure), fmt.Sprintf("%s %s: %s: %s", p.method, path, resp.Status, strings.TrimSpace(string(body))))
	default:
		c.count("none", "")
	}
}

// count sorts one answer by the reason of its failure.
func (c *Crowd) count(reason, example string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, now := &c.stats, time.Now()
	s.Requests++
	switch reason {
	case "none":
		s.Good++
	case shop.FailedAsUsual:
		s.AsUsual++
	case shop.FailedByFault:
		s.ByFault++
		s.LastFault = now
		if s.FirstFault.IsZero() {
			s.FirstFault = now
		}
	default:
		s.Other++
		if len(s.Examples) < maxExamples {
			s.Examples = append(s.Examples, now.UTC().Format(time.TimeOnly)+" "+example)
		}
	}
}
