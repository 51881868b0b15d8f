package dashboards

import "sync"

// Bell tells subscribers that something has changed, and not what: who hears
// it reads again. Rings that nobody has heard yet are one ring, so a slow
// subscriber holds nobody up and nothing piles up. The zero value is ready.
type Bell struct {
	mu   sync.Mutex
	ears map[chan struct{}]struct{}
}

// Ring wakes every subscriber. It never blocks.
func (b *Bell) Ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ear := range b.ears {
		select {
		case ear <- struct{}{}:
		default:
		}
	}
}

// Subscribe gives a channel that receives after each ring, and a function that
// ends the subscription.
func (b *Bell) Subscribe() (<-chan struct{}, func()) {
	ear := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ears == nil {
		b.ears = map[chan struct{}]struct{}{}
	}
	b.ears[ear] = struct{}{}
	return ear, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.ears, ear)
	}
}
