package ingest

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"unship.dev"
)

// A request of spans is kept by a journal reduced to what windows are made of, a ninth of
// its bytes: who keeps that need compress nothing, and who reads it back need not decode,
// mask or resolve again. All numbers but ids are varints, a text is its length and its
// bytes, and what is named again and again has a number, in the order in which it comes up;
// behind a number that is new stands what it is of.
//
//	version          1
//	refused          how many, then of each the number of why and its time
//	future           how many were refused as beyond the ceiling
//	spans            to the end
//
// A span is
//
//	marks            a byte: kind, result, and the marks below
//	resource         number; new: the texts of its identity
//	trace            16 bytes, unless it is that of the span before
//	id               8 bytes
//	parent           8 bytes, if marked
//	end              ns since the end of the span before, signed
//	duration         ns
//	name             number from 1 on of the operation or the callee; new: its text; 0: none
//	sampling         its weight, if marked
//	traits           how many, then of each the number of its key and its value, if marked; new: the key's text
//	failure          the error and what is said of it, and the exception's type, message and place, if marked
const reducedVersion = 1

const (
	resultMark   = 3 // bits to the left; the kind stands in those before
	sameTrace    = 1 << 5
	parentMark   = 1 << 6
	moreMark     = 1 << 7 // another byte of marks follows
	samplingMark = 1 << 0
	traitsMark   = 1 << 1
	failureMark  = 1 << 2
)

// whys are the reasons for which records are refused. Their places are written to journals
// and never change.
var whys = [...]string{whyNoService, whyNoTime, whyAncient, whyBackwards, whyNoTrace, whyNoSpan}

// reducer writes the spans of a request in their reduced form.
type reducer struct {
	dst       []byte
	resources []uint32          // by number in the request
	keys      []uint16          // of traits, likewise
	names     uint32            // how many have a number
	known     [256]numberedName // by hash
}

// numberedName is a name that was given a number. Another one with such a hash takes its
// place: then it gets a new number when it comes again.
type numberedName struct {
	hash   uint64
	number uint32 // 0: free
	name   passage
}

// reset lets go of room that is more than most requests need.
func (w *reducer) reset() {
	if cap(w.dst) > 1<<20 {
		w.dst = nil
	}
}

// reduce writes what is staged, for as long as the intake is at work on it.
func (in *intake) reduce() []byte {
	w, t := &in.reducer, &in.stage
	w.resources, w.keys, w.names = w.resources[:0], w.keys[:0], 0
	clear(w.known[:])
	w.dst = append(w.dst[:0], reducedVersion)
	w.number(uint64(len(t.refused)))
	for _, x := range t.refused {
		w.number(uint64(slices.Index(whys[:], x.why)))
		w.number(x.end)
	}
	w.number(in.tally.Future)
	var last record
	for i := range t.spans {
		w.span(in, &t.spans[i], &last)
		last = t.spans[i].record
	}
	return w.dst
}

func (w *reducer) number(n uint64) { w.dst = binary.AppendUvarint(w.dst, n) }

func (w *reducer) text(s string) { w.dst = appendText(w.dst, s) }

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func (w *reducer) span(in *intake, s *staged, last *record) {
	t := &in.stage
	traits := t.text(s.traitsAt)
	marks, more := byte(s.kind)|byte(s.result)<<resultMark, byte(0)
	if s.trace == last.trace {
		marks |= sameTrace
	}
	if s.parent != 0 {
		marks |= parentMark
	}
	if s.sampling != 0 {
		more |= samplingMark
	}
	if len(traits) > 0 {
		more |= traitsMark
	}
	if s.failure != 0 {
		more |= failureMark
	}
	if more != 0 {
		w.dst = append(w.dst, marks|moreMark, more)
	} else {
		w.dst = append(w.dst, marks)
	}
	w.resource(t, s.resource)
	if marks&sameTrace == 0 {
		w.dst = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(w.dst, s.trace[0]), s.trace[1])
	}
	w.dst = binary.BigEndian.AppendUint64(w.dst, s.id)
	if s.parent != 0 {
		w.dst = binary.BigEndian.AppendUint64(w.dst, s.parent)
	}
	w.dst = binary.AppendVarint(w.dst, s.end-last.end)
	w.number(uint64(s.end - s.start))
	w.name(t, s)
	if more != 0 {
		w.rest(in, s, traits)
	}
}

// rest writes what few spans have.
func (w *reducer) rest(in *intake, s *staged, traits []byte) {
	if s.sampling != 0 {
		w.number(uint64(s.sampling))
	}
	if len(traits) > 0 {
		w.traits(in, traits[4:])
	}
	if s.failure != 0 {
		f := &in.stage.failures[s.failure-1]
		message, _, _ := strings.Cut(strings.TrimSpace(f.exception.message), "\n")
		for _, text := range [...]string{
			cut(f.err, maxError), cut(f.text, maxException), f.exception.typ, cut(message, unship.MaxExample), f.exception.place,
		} {
			w.text(text)
		}
	}
}

// resource writes the number of a resource. They come one after the other.
func (w *reducer) resource(t *stage, number uint32) {
	for k := len(w.resources) - 1; k >= 0; k-- {
		if w.resources[k] == number {
			w.number(uint64(k))
			return
		}
	}
	w.number(uint64(len(w.resources)))
	w.resources = append(w.resources, number)
	k := slices.IndexFunc(t.using, func(r *resource) bool { return r.number == number })
	w.dst = append(w.dst, t.using[k].reduced...)
}

func (w *reducer) name(t *stage, s *staged) {
	if s.nameAt.size == 0 {
		w.number(0)
		return
	}
	k := &w.known[uint8(s.nameHash)]
	if k.number != 0 && k.hash == s.nameHash && (k.name == s.nameAt || bytes.Equal(t.text(k.name), t.text(s.nameAt))) {
		w.number(uint64(k.number))
		return
	}
	w.names++
	*k = numberedName{s.nameHash, w.names, s.nameAt}
	w.number(uint64(w.names))
	w.text(textOf(t.text(s.nameAt)))
}

// traits writes a combination of traits, without the number of its service.
func (w *reducer) traits(in *intake, list []byte) {
	count := uint64(0)
	for rest := list; len(rest) > 0; count++ {
		_, _, size := nextTrait(rest)
		rest = rest[size:]
	}
	w.number(count)
	for len(list) > 0 {
		key, value, size := nextTrait(list)
		list = list[size:]
		k := slices.Index(w.keys, key)
		if k < 0 {
			k = len(w.keys)
			w.keys = append(w.keys, key)
			w.number(uint64(k))
			w.text(in.a.keys.names()[key])
		} else {
			w.number(uint64(k))
		}
		w.text(textOf(value))
	}
}
