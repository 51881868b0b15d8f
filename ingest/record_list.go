package ingest

import "sync"

// chunkSpans is how many records a full chunk holds.
const chunkSpans = 128

// recordList is a list of records that only grows. It is kept in chunks, the first ones
// small: nothing is copied as it grows, and the full ones are used again.
type recordList struct {
	full [][]record
	last []record
	size int
}

var chunkPool = sync.Pool{New: func() any { return new([chunkSpans]record) }}

func (l *recordList) add(r *record) {
	if len(l.last) == cap(l.last) {
		l.grow()
	}
	l.last = append(l.last, *r)
	l.size++
}

func (l *recordList) grow() {
	n := 2 * cap(l.last)
	if l.last != nil {
		l.full = append(l.full, l.last)
	}
	if n < chunkSpans {
		l.last = make([]record, 0, max(n, 4))
		return
	}
	l.last = chunkPool.Get().(*[chunkSpans]record)[:0]
}

// appendTo appends pointers to all records.
func (l *recordList) appendTo(list []*record) []*record {
	for _, chunk := range append(l.full, l.last) {
		for i := range chunk {
			list = append(list, &chunk[i])
		}
	}
	return list
}

// release gives the chunks up for others. Nothing may point to a record any more.
func (l *recordList) release() {
	for _, chunk := range append(l.full, l.last) {
		if cap(chunk) == chunkSpans {
			chunkPool.Put((*[chunkSpans]record)(chunk[:chunkSpans]))
		}
	}
	*l = recordList{}
}
