package ingest

import (
	"encoding/binary"

	"unship.dev/ingest/otlp/wire"
)

// TracesReduced takes again what [Aggregator.TracesKept] gave to be kept, now or in an
// earlier process. The error is wire.ErrMalformed or ErrOverloaded, and then nothing was
// taken, or nil.
func (a *Aggregator) TracesReduced(message []byte) error {
	in, err := a.begin(0)
	if err != nil {
		return err
	}
	r := reducedReader{in: in, rest: message}
	r.request()
	switch {
	case r.bad:
		err = wire.ErrMalformed
	case !a.room(len(in.stage.spans)):
		err = a.overloaded()
	}
	if err != nil {
		in.letGo()
		in.done()
		return err
	}
	in.commit()
	in.end()
	return nil
}

// reducedReader reads what a reducer wrote into an intake. Once something is bad it
// reads zeros to the end.
type reducedReader struct {
	in        *intake
	rest      []byte
	bad       bool
	resources []*resource // by number in the request
	keys      []uint16    // of traits, likewise; 0: not to be told apart here
	names     []readName  // likewise, from 1 on
}

type readName struct {
	passage passage
	hash    uint64
}

func (r *reducedReader) fail() {
	r.bad, r.rest = true, nil
}

func (r *reducedReader) octet() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reducedReader) word() uint64 {
	if len(r.rest) < 8 {
		r.fail()
		return 0
	}
	n := binary.BigEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return n
}

func (r *reducedReader) number() uint64 { return varint(r, binary.Uvarint) }

func (r *reducedReader) signed() int64 { return varint(r, binary.Varint) }

func varint[T uint64 | int64](r *reducedReader, decode func([]byte) (T, int)) T {
	n, size := decode(r.rest)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// place reads a number of which there are so many, or one more: then it is new.
func (r *reducedReader) place(known int) (at int, isNew bool) {
	n := r.number()
	if n > uint64(known) {
		r.fail()
		n = uint64(known)
	}
	return int(n), n == uint64(known)
}

// bytes reads a text of at most so many bytes.
func (r *reducedReader) bytes(most int) []byte {
	n := r.number()
	if n > uint64(len(r.rest)) || n > uint64(most) {
		r.fail()
		return nil
	}
	text := r.rest[:n:n]
	r.rest = r.rest[n:]
	return text
}

func (r *reducedReader) text() string { return textOf(r.bytes(len(r.rest))) }

func (r *reducedReader) request() {
	if r.octet() != reducedVersion {
		r.fail()
	}
	for n := r.number(); n > 0 && !r.bad; n-- {
		why, end := r.number(), r.number()
		if why >= uint64(len(whys)) {
			r.fail()
			break
		}
		r.in.stage.refused = append(r.in.stage.refused, refused{whys[why], end})
	}
	r.in.tally.Future += r.number()
	var last record
	for len(r.rest) > 0 {
		if s := r.span(&last); !r.bad && r.in.believed(uint64(s.end)) {
			p := r.in.stage.add(s.trace)
			*p = s
		}
	}
}

// span reads a span; last is the one before, and then this.
func (r *reducedReader) span(last *record) (s staged) {
	marks, more := r.octet(), byte(0)
	if marks&moreMark != 0 {
		more = r.octet()
	}
	s.kind, s.result = kindNumbered(int32(marks&(1<<resultMark-1))), result(marks>>resultMark&3)
	from := r.resource()
	if from == nil {
		r.fail()
		return s
	}
	s.resource = from.number
	s.trace = last.trace
	if marks&sameTrace == 0 {
		s.trace = [2]uint64{r.word(), r.word()}
	}
	s.id = r.word()
	if marks&parentMark != 0 {
		s.parent = r.word()
	}
	s.end = last.end + r.signed()
	s.start = s.end - int64(r.number())
	*last = s.record
	if name := r.name(); name != nil {
		s.nameAt, s.nameHash = name.passage, name.hash
	}
	r.more(&s, from, more)
	d := spanData{trace: s.trace, id: s.id, start: uint64(s.start), end: uint64(s.end)}
	if d.invalid() != "" {
		r.fail()
	}
	return s
}

// more reads what few spans have.
func (r *reducedReader) more(s *staged, from *resource, marks byte) {
	t := &r.in.stage
	if marks&samplingMark != 0 {
		s.sampling = weight(r.number())
	}
	if marks&traitsMark != 0 {
		begin := len(t.texts)
		t.texts = r.traits(t.texts, from)
		s.traitsAt = t.from(begin)
	}
	if marks&failureMark != 0 {
		f := failure{err: r.text(), text: r.text()}
		f.exception = exceptionData{typ: r.text(), message: r.text(), place: r.text()}
		t.failures = append(t.failures, f)
		s.failure = int32(len(t.failures))
	}
}

func (r *reducedReader) resource() *resource {
	k, isNew := r.place(len(r.resources))
	if isNew {
		var id identity
		for _, text := range id.texts() {
			*text = r.text()
		}
		if r.bad {
			return nil
		}
		r.resources = append(r.resources, r.in.stage.use(r.in.a.resources.find(id)))
	}
	return r.resources[k]
}

// name reads a name; nil if there is none.
func (r *reducedReader) name() *readName {
	k, isNew := r.place(len(r.names) + 1)
	if k == 0 {
		return nil
	}
	if isNew {
		t := &r.in.stage
		begin := len(t.texts)
		t.texts = append(t.texts, r.bytes(maxName)...)
		r.names = append(r.names, readName{t.from(begin), hashOf(t.texts[begin:])})
	}
	return &r.names[k-1]
}

// traits appends a combination as appendTraits does.
func (r *reducedReader) traits(dst []byte, from *resource) []byte {
	begin := len(dst)
	n := r.number()
	if n > maxTraits {
		r.fail()
	}
	for ; n > 0 && !r.bad; n-- {
		k, isNew := r.place(len(r.keys))
		if isNew {
			r.keys = append(r.keys, r.in.a.keys.kind(string(r.bytes(maxTraitKey))).trait)
		}
		value := r.bytes(maxTraitValue)
		if r.keys[k] == 0 {
			continue
		}
		if len(dst) == begin {
			dst = binary.LittleEndian.AppendUint32(dst, from.service)
		}
		dst = appendTrait(dst, r.keys[k], textOf(value))
	}
	return dst
}
