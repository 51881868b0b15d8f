package ingest

import (
	"cmp"
	"slices"
	"time"

	"unship.dev"
)

// example is a request that may become an exemplar. Until then its ids stay numbers.
type example struct {
	trace    [2]uint64
	id       uint64
	duration int64 // ns
	failed   bool
	detail   detail // of why it failed
}

// compare orders examples as exemplars are ordered: failed ones first, then slow ones,
// ties by ids.
func (e *example) compare(o *example) int {
	if e.failed != o.failed {
		return -compareBool(e.failed, o.failed)
	}
	return cmp.Or(cmp.Compare(o.duration, e.duration), slices.Compare(e.trace[:], o.trace[:]), cmp.Compare(e.id, o.id))
}

// wants says whether an example is among the best.
func (s *sum) wants(e *example) bool {
	n := s.exampleCount
	return n < len(s.examples) || e.compare(&s.examples[n-1]) < 0
}

// keep keeps an example that is wanted.
func (s *sum) keep(e example) {
	k := 0
	for k < s.exampleCount && s.examples[k].compare(&e) < 0 {
		k++
	}
	if k < s.exampleCount && s.examples[k].compare(&e) == 0 {
		return
	}
	s.exampleCount = min(s.exampleCount+1, len(s.examples))
	copy(s.examples[k+1:s.exampleCount], s.examples[k:])
	s.examples[k] = e
}

// explain notes why a request failed. Where its own span does not say, a span inside it may.
func (j *joiner) explain(e *example, r *record, children []child) {
	if !e.failed {
		return
	}
	d := j.detail(r)
	for _, c := range children {
		if d.exception != "" {
			break
		}
		if inner := j.detail(j.at(c.span)); inner.exception != "" && !c.direct {
			d = inner
		}
	}
	e.detail = detail{cmp.Or(d.err, "error"), d.exception}
}

func (e *example) exemplar(texts *slab[byte]) unship.Exemplar {
	return unship.Exemplar{
		TraceID: hexIn(texts, e.trace[0], e.trace[1]), SpanID: hexIn(texts, e.id), Duration: time.Duration(e.duration),
		Error: e.detail.err, Exception: e.detail.exception,
	}
}

// hexIn writes an id as people write it, in a slab.
func hexIn(texts *slab[byte], words ...uint64) string {
	b := texts.take(appendHex(texts.room(16*len(words)), words...))
	return textOf(b)
}

func appendHex(dst []byte, words ...uint64) []byte {
	const digits = "0123456789abcdef"
	for _, w := range words {
		for k := range 16 {
			dst = append(dst, digits[w>>(60-4*k)&15])
		}
	}
	return dst
}

// hexOf writes an id as people write it.
func hexOf(words ...uint64) string {
	var b [32]byte
	return string(appendHex(b[:0], words...))
}

func (r *record) traceID() string { return hexOf(r.trace[0], r.trace[1]) }
