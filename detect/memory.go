package detect

import (
	"hash/fnv"
	"time"

	"unship.dev"
	"unship.dev/detect/stat"
)

// remembered is about how many histories a memory holds: with half hours, a day.
const remembered = 48

// memory is what a service's healthy instances showed of each signal before the
// history that a comparison learns from.
//
// One history after another is digested. The latest digest waits until the
// next, so that what is remembered never overlaps a history: the windows of
// both are counted once.
type memory struct {
	turn  int64        // number of the history that was digested last
	fresh *lesson      // its digest
	past  []*stat.Past // by signal, of those before; nil without any

	season season
}

// remember digests the history of services whose turn has come. Turns follow
// from names and event time alone, and are spread evenly.
func (d *Detector) remember(start time.Time, t int32) {
	at, length := start.UnixNano()/int64(d.opt.Window), int64(d.opt.History)
	for _, s := range d.order {
		turn := (at + phase(s.id, length)) / length
		switch {
		case s.memory.turn == 0:
			s.memory.turn = turn
		case turn > s.memory.turn:
			s.memory.turn = turn
			s.memory.take(d.digest(s, t))
			d.learnSeason(s, turn, t)
		}
	}
}

// phase spreads services over a period by their names.
func phase(s unship.Service, period int64) int64 {
	h := fnv.New32a()
	for _, part := range []string{s.Environment, s.Namespace, s.Name} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return int64(h.Sum32()) % period
}

// take remembers the digest that waited, and lets l wait.
func (m *memory) take(l *lesson) {
	if m.fresh != nil {
		for len(m.past) < len(m.fresh.cal) {
			m.past = append(m.past, &stat.Past{})
		}
		for k, c := range m.fresh.cal {
			m.past[k].Forget(1 - 1.0/remembered)
			if c != nil {
				m.past[k].Add(c)
			}
		}
	}
	m.fresh = l
}

// of gives what is remembered of signal k; nil if nothing is.
func (m *memory) of(k int) *stat.Past {
	if k >= len(m.past) {
		return nil
	}
	return m.past[k]
}
