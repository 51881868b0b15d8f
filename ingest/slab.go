package ingest

// slab gives many small lists room in few allocations. What holds on to one list holds
// on to some hundreds of its neighbours, so a slab is not large.
type slab[T any] struct {
	free []T // its capacity is the room
}

const slabRoom = 256

// room gives an empty list with room for n elements.
func (s *slab[T]) room(n int) []T {
	if cap(s.free) < n {
		s.free = make([]T, 0, max(n, slabRoom))
	}
	return s.free[:0:n]
}

// take keeps a list that was made in the latest room, and gives it; nil if it is empty.
// To append to it copies it.
func (s *slab[T]) take(list []T) []T {
	n := len(list)
	if n == 0 {
		return nil
	}
	s.free = s.free[n:n:cap(s.free)]
	return list[:n:n]
}
