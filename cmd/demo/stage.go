package demo

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	"golang.org/x/sync/errgroup"

	"unship.dev/cmd/demo/proxy"
	"unship.dev/cmd/demo/shop"
)

// actor is a service of the shop as it is before anything is released.
type actor struct {
	service, version string
	instances        int
	upstreams        []string
	balanced         bool // reached through the balancer, so that versions can share its traffic
}

// cast is in the order of starting: what is called comes before its callers.
var cast = [...]actor{
	{"store", "15.2", 1, nil, false},
	{"queue", "3.9.0", 1, nil, false},
	{"ledger", "1.7.2", 1, []string{"store"}, true},
	{"payments", "2.3.0", 3, []string{"ledger"}, true},
	{"catalog", "1.4.0", 3, []string{"store"}, true},
	{"cart", "4.0.1", 1, []string{"store"}, true},
	{"orders", "3.1.0", 3, []string{"payments", "store", "queue"}, true},
	{"shipping", "0.8.0", 1, []string{"store", "queue"}, false},
	{"gateway", "5.5.0", 1, []string{"catalog", "cart", "orders"}, true},
}

// canaries is how many instances of a new version take traffic beside the old ones.
const canaries = 2

// release is a new version of a service.
type release struct {
	service, version string
	fault            *shop.Fault
}

func (r release) String() string { return r.service + " " + r.version }

var (
	goodRelease     = release{"catalog", "1.5.0", nil}
	innocentRelease = release{"orders", "3.2.0", nil}
	badRelease      = release{"payments", "2.4.0", &shop.Fault{Operation: "POST /charges", Errors: 0.10, Slower: 1.3}}
)

// rate is how many requests users make in a second. Somewhat less than half of
// them check out, two fifths of which come to a canary of payments.
const rate = 140

// open starts everything and lets the users in.
func (d *director) open(ctx context.Context) (err error) {
	total := 0
	for _, a := range cast {
		total += a.instances
	}
	d.time.say(plain, "opening the shop: %d services in %d processes, behind %s", len(cast), total, d.proxyName())
	if err := d.openFront(ctx); err != nil {
		return err
	}
	if d.eyes.page, d.otlp, err = d.startServe(ctx); err != nil {
		return err
	}
	d.result.Page = d.eyes.page
	d.time.say(plain, "unship serve watches; its page: %s", d.eyes.page)
	return d.openShop(ctx)
}

func (d *director) openFront(ctx context.Context) (err error) {
	var balanced []string
	for _, a := range cast {
		if a.balanced {
			balanced = append(balanced, a.service)
		}
	}
	d.front, err = startFront(ctx, d.ps, d.proxy, balanced)
	return err
}

// openShop starts the services and then the users.
func (d *director) openShop(ctx context.Context) error {
	for _, a := range cast {
		if err := d.start(ctx, a, a.version, a.instances, nil); err != nil {
			return err
		}
	}
	at, err := d.ps.role(ctx, "users", roleUsers, crowdConfig{Target: d.front.at["gateway"], Rate: d.rate, Seed: d.seed})
	if err != nil {
		return err
	}
	d.eyes.users = at[control]
	d.time.say(plain, "the users come: %.0f requests a second", d.rate)
	return nil
}

func (d *director) proxyName() string {
	if d.proxy == "haproxy" {
		return "a real HAProxy"
	}
	return "a reverse proxy"
}

// start starts instances of one version of a service, all of them before the
// first gets traffic.
func (d *director) start(ctx context.Context, a actor, version string, n int, fault *shop.Fault) error {
	addrs := make([]string, n)
	var group errgroup.Group
	for i := range n {
		group.Go(func() error {
			c := shop.Config{
				Service: a.service, Version: version, Instance: a.service + "-" + version + "-" + strconv.Itoa(i+1),
				Telemetry: d.otlp, Upstreams: d.upstreams(a), Fault: fault,
			}
			at, err := d.ps.role(ctx, c.Instance, roleService, c)
			addrs[i] = at[a.service]
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if !a.balanced {
		d.direct[a.service] = addrs[0]
		return nil
	}
	for i, addr := range addrs {
		s := proxy.Server{Name: proxy.ServerName(version, i+1), Addr: addr, Weight: 1}
		if err := d.front.Add(ctx, a.service, s); err != nil {
			return fmt.Errorf("put %s behind the proxy: %w", a.service, err)
		}
	}
	return nil
}

// upstreams is where the service finds those it calls.
func (d *director) upstreams(a actor) map[string]string {
	known, out := maps.Clone(d.direct), map[string]string{}
	maps.Copy(known, d.front.at)
	for _, u := range a.upstreams {
		out[u] = known[u]
	}
	return out
}

// ship starts canaries of a release beside the instances of the version before it.
func (d *director) ship(ctx context.Context, r release, what string) error {
	for _, a := range cast {
		if a.service != r.service {
			continue
		}
		d.time.say(bold, "ship %s (after %s) %s: %d canaries beside %d old instances", r, a.version, what, canaries, a.instances)
		return d.start(ctx, a, r.version, canaries, r.fault)
	}
	return fmt.Errorf("ship %s: there is no such service", r)
}
