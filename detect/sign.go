package detect

import (
	"slices"

	"unship.dev"
)

// sign is what an event is known by: itself and, if it is a log pattern of
// severity ERROR that some instances said with less severity before, that too
// (else −1): what was a warning and is called an error is nothing new.
type sign struct{ event, milder int }

// commonplace is the share of the windows beyond which a pattern is said anyway
// (a line for every request, an error if it failed): it stands for nothing.
const commonplace = .5

// sign tells what an event was known by in a history.
func (s *service) sign(event int, of func(*instance) bool, h history) sign {
	x, e := sign{event, -1}, s.events[event]
	if !e.acts || e.kind != unship.SignalLogPattern || e.name == "" || e.name == unship.OverflowOperation {
		return x
	}
	milder, ok := s.eventOf[eventKey{e.kind, e.name, false}]
	if !ok {
		return x
	}
	shown, heard := 0, 0
	for _, i := range s.instances {
		if !of(i) {
			continue
		}
		shown += len(i.shownIn(milder, h))
		_, n := i.heardIn(h.from, h.to)
		heard += n
	}
	if shown > 0 && float64(shown) <= commonplace*float64(heard) {
		x.milder = milder
	}
	return x
}

// gives says whether an instance showed a sign in window t.
func (i *instance) gives(x sign, t int32) bool {
	return i.shows(x.event, t) || x.milder >= 0 && i.shows(x.milder, t)
}

// shownIn gives the windows of a history in which the instance showed an event.
func (i *instance) shownIn(event int, h history) []int32 {
	if event < 0 || event >= len(i.events) {
		return nil
	}
	v := i.events[event]
	from, _ := slices.BinarySearch(v, h.from)
	to, _ := slices.BinarySearch(v, h.to)
	return v[from:to]
}
