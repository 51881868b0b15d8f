package slack

import (
	"slices"
	"sync"

	"unship.dev"
)

// queue holds the newest state of each incident that waits, oldest first.
type queue struct {
	ready chan struct{} // holds a token while something may wait

	mu     sync.Mutex
	size   int
	order  []string
	newest map[string]unship.Incident
}

func newQueue(size int) *queue {
	return &queue{ready: make(chan struct{}, 1), size: size, newest: map[string]unship.Incident{}}
}

// put makes in the newest state of its incident. When too many wait, the one
// that has waited longest gives way, and put names it.
func (q *queue) put(in unship.Incident) (dropped string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, waits := q.newest[in.ID]; !waits {
		if len(q.order) >= q.size {
			dropped = q.order[0]
			delete(q.newest, dropped)
			q.order = q.order[1:]
		}
		q.order = append(q.order, in.ID)
	}
	q.newest[in.ID] = in
	q.wake()
	return dropped
}

// take removes the incident that has waited longest.
func (q *queue) take() (in unship.Incident, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.order) == 0 {
		return in, false
	}
	id := q.order[0]
	q.order = q.order[1:]
	in = q.newest[id]
	delete(q.newest, id)
	return in, true
}

func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// newer gives the state that waits for an incident being delivered, if one
// does, and takes it out.
func (q *queue) newer(in unship.Incident) unship.Incident {
	q.mu.Lock()
	defer q.mu.Unlock()
	next, ok := q.newest[in.ID]
	if !ok {
		return in
	}
	delete(q.newest, in.ID)
	q.order = slices.DeleteFunc(q.order, func(id string) bool { return id == in.ID })
	return next
}
