package ingest

import "sync"

// lists are slices at rest, empty and with room.
type lists[T any] struct{ pool sync.Pool }

func (l *lists[T]) get() []T {
	if p, ok := l.pool.Get().(*[]T); ok {
		return *p
	}
	return []T{}
}

// put takes a list that nobody uses any more. What it holds on to is let go.
func (l *lists[T]) put(list []T) {
	if cap(list) > 0 {
		clear(list)
		list = list[:0]
		l.pool.Put(&list)
	}
}
