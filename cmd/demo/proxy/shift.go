package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"unship.dev/actions"
)

// Shift is the action that takes a release back by giving its traffic to the
// servers of the version before it. It raises the good version first, then
// lowers the bad one, and ends when the bad one has answered its last request.
type Shift struct {
	Balancer Balancer
	Notes    string // folder in which it remembers, by decision, how weights were
}

const drainPoll = 20 * time.Millisecond

// Plan says which weights would change.
func (s Shift) Plan(ctx context.Context, r actions.Request) (actions.Preview, error) {
	bad, good, err := s.sides(ctx, r)
	if err != nil {
		return actions.Preview{}, err
	}
	return actions.Preview{
		Summary: fmt.Sprintf("give the traffic of %s %s (%d servers) to %s (%d servers), then wait until its last request is answered",
			r.Release.Name, r.Release.Version, len(bad), r.Target, len(good)),
		Reversible: true,
		InPlace:    sum(bad, weight) == 0 && sum(bad, busy) == 0 && sum(good, weight) > 0,
	}, nil
}

// Apply shifts the traffic and drains.
func (s Shift) Apply(ctx context.Context, r actions.Request) (string, error) {
	bad, good, err := s.sides(ctx, r)
	if err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := s.remember(r, append(bad, good...)); err != nil {
		return "", err
	}
	var change []Weight
	for _, g := range good {
		change = append(change, Weight{g.Name, max(1, g.Weight)})
	}
	for _, b := range bad {
		change = append(change, Weight{b.Name, 0})
	}
	if err := s.Balancer.SetWeights(ctx, r.Release.Name, change); err != nil {
		return "", err
	}
	start := time.Now()
	if err := s.drain(ctx, r); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: all traffic goes to %s; %s answered its last request after %d ms",
		r.Release.Name, r.Target, r.Release.Version, time.Since(start).Milliseconds()), nil
}

// Undo gives the weights back that the servers had, the higher ones first.
func (s Shift) Undo(ctx context.Context, r actions.Request) (string, error) {
	b, err := os.ReadFile(s.note(r.Undoes, r.Step))
	if errors.Is(err, fs.ErrNotExist) {
		return "nothing to take back", nil
	}
	if err != nil {
		return "", err
	}
	var before []Server
	if err := json.Unmarshal(b, &before); err != nil {
		return "", fmt.Errorf("read how the weights were: %w", err)
	}
	var raise, lower []Weight
	for _, v := range before {
		if v.Weight > 0 {
			raise = append(raise, Weight{v.Name, v.Weight})
		} else {
			lower = append(lower, Weight{v.Name, 0})
		}
	}
	if err := s.Balancer.SetWeights(ctx, r.Release.Name, append(raise, lower...)); err != nil {
		return "", err
	}
	return r.Release.Name + ": the weights are as they were", nil
}

// sides are the servers of the release and those of the target.
func (s Shift) sides(ctx context.Context, r actions.Request) (bad, good []Server, err error) {
	servers, err := s.Balancer.Servers(ctx, r.Release.Name)
	if err != nil {
		return nil, nil, err
	}
	for _, v := range servers {
		switch v.Version() {
		case r.Release.Version:
			bad = append(bad, v)
		case r.Target:
			good = append(good, v)
		}
	}
	if len(good) == 0 {
		return nil, nil, fmt.Errorf("no server of %s runs %s; start one first", r.Release.Name, r.Target)
	}
	return bad, good, nil
}

func (s Shift) drain(ctx context.Context, r actions.Request) error {
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for {
		bad, _, err := s.sides(ctx, r)
		if err != nil {
			return err
		}
		if sum(bad, busy) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d requests are still under way at %s: %w", sum(bad, busy), r.Release, ctx.Err())
		}
	}
}

// remember notes how the weights were, unless the same decision did before.
func (s Shift) remember(r actions.Request, servers []Server) error {
	text, err := json.Marshal(servers)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(s.Notes, ".shift-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(text)
	if err := errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), s.note(r.Decision, r.Step)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func (s Shift) note(decision string, step int) string {
	return filepath.Join(s.Notes, fmt.Sprintf("shift-%s-%d.json", strings.NewReplacer("/", "_", `\`, "_").Replace(decision), step))
}

func weight(s Server) int { return s.Weight }
func busy(s Server) int   { return s.Busy }

func sum(servers []Server, of func(Server) int) (n int) {
	for _, s := range servers {
		n += of(s)
	}
	return n
}
