package actiontest

import (
	"context"
	"sync"

	"unship.dev"
)

// Ledger is an actions.Ledger in memory. Its zero value is ready to use.
type Ledger struct {
	mu    sync.Mutex
	steps map[key]unship.StepResult
}

type key struct {
	decision string
	step     int
}

// Begin notes the beginning of a step.
func (l *Ledger) Begin(_ context.Context, decision string, s unship.Step) (unship.StepResult, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := key{decision, s.Step}
	if known, ok := l.steps[k]; ok {
		return known, true, nil
	}
	if l.steps == nil {
		l.steps = map[key]unship.StepResult{}
	}
	l.steps[k] = unship.StepResult{Step: s.Step, Action: s.Action, Result: unship.ResultUnknown}
	return unship.StepResult{}, false, nil
}

// End notes what became of a step.
func (l *Ledger) End(_ context.Context, decision string, r unship.StepResult) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps[key{decision, r.Step}] = r
	return nil
}
