package ingest

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// Traits are the attributes of a request that may tell it apart from others: a tenant,
// a calling application, a feature flag. A record carries the number of a whole
// combination, written as
//
//	number of the service (4 bytes), then for each trait: key, length, value
//
// with key and length as varints, in the order of the span. Which traits become
// slices is decided when windows close: slice.go.
const (
	maxTraits     = 32 // candidates looked at in one span
	maxTraitKey   = 80 // bytes; longer names are passed over
	maxTraitValue = 64 // bytes; longer values are passed over
	// maxPaneValues is how many values of one key of one service a pane remembers.
	// A key with more in a single window has too many for good.
	maxPaneValues = giveUpValues
)

// traits are the combinations that one pane has seen.
type traits struct {
	names
	seen map[traitKey]*valueSet
}

type traitKey struct {
	service uint32
	key     uint16
}

// valueSet remembers values by their hashes. The answer "more than maxPaneValues"
// does not depend on the order in which they come.
type valueSet struct {
	hashes []uint64
	over   bool
}

// valueSetBytes is the estimated memory of one.
const valueSetBytes = 8*maxPaneValues + 100

func (v *valueSet) add(value []byte) {
	if v.over {
		return
	}
	h := hashOf(value)
	for _, have := range v.hashes {
		if have == h {
			return
		}
	}
	if v.hashes = append(v.hashes, h); len(v.hashes) > maxPaneValues {
		v.hashes, v.over = nil, true
	}
}

// number finds or adds a combination, whose text may be changed.
func (t *traits) number(text []byte) (number uint32, added int64) {
	if k, ok := t.find(hashOf(text), text); ok {
		return k, 0
	}
	kept, more := t.strip(text)
	number, added = t.names.number(kept)
	return number, added + more
}

// strip notes the values of a new combination, and takes those out whose key has too many.
func (t *traits) strip(text []byte) (kept []byte, added int64) {
	if t.seen == nil {
		t.seen = map[traitKey]*valueSet{}
	}
	service := binary.LittleEndian.Uint32(text)
	kept = text[:4]
	for rest := text[4:]; len(rest) > 0; {
		key, value, size := nextTrait(rest)
		id := traitKey{service, key}
		set := t.seen[id]
		if set == nil {
			set = &valueSet{}
			t.seen[id] = set
			added += valueSetBytes
		}
		if set.add(value); !set.over {
			kept = append(kept, rest[:size]...)
		}
		rest = rest[size:]
	}
	return kept, added
}

// over says that a key has too many values in this pane.
func (t *traits) over(service uint32, key uint16) bool {
	set := t.seen[traitKey{service, key}]
	return set != nil && set.over
}

// nextTrait reads the first trait of a text that appendTrait wrote.
func nextTrait[T string | []byte](text T) (key uint16, value T, size int) {
	k, n := uvarint(text)
	length, m := uvarint(text[n:])
	size = n + m + int(length)
	return uint16(k), text[n+m : size], size
}

func uvarint[T string | []byte](text T) (v uint64, size int) {
	for shift := 0; ; shift += 7 {
		c := text[size]
		size++
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, size
		}
	}
}

func appendTrait(dst []byte, key uint16, value string) []byte {
	dst = binary.AppendUvarint(dst, uint64(key))
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

// appendTraits appends the combination of a request's traits, without those whose key
// the service has dropped; nothing if there is none.
func (d *spanData) appendTraits(dst []byte, r *resource) []byte {
	begin := len(dst)
	dropped := r.dropped.Load()
	for _, t := range d.traits {
		if !dropped.has(t.key) {
			if len(dst) == begin {
				dst = binary.LittleEndian.AppendUint32(dst, r.service)
			}
			dst = appendTrait(dst, t.key, t.value)
		}
	}
	return dst
}

// trait is an attribute of a span that may tell requests apart.
type trait struct {
	key   uint16
	value string
}

// addTrait keeps a trait, unless its value is empty, long or no text. How many
// candidates are looked at does not depend on which keys are dropped.
func (d *spanData) addTrait(key uint16, value string) {
	if len(d.traits) < maxTraits && value != "" && len(value) <= maxTraitValue && utf8.ValidString(value) {
		d.traits = append(d.traits, trait{key, value})
	}
}

// compareTraits orders two combinations by content. Numbers of keys and the values of
// keys that have too many depend on the order of arrival, and do not count.
func (j *joiner) compareTraits(a, b uint32) int {
	if a == b {
		return 0
	}
	x, y := j.describe(a), j.describe(b)
	return strings.Compare(x, y)
}

func (j *joiner) describe(number uint32) string {
	var b strings.Builder
	for key, value := range pairsOf(j.p.traits.usable(number)) {
		b.WriteString(j.keys[key])
		b.WriteByte(0)
		b.WriteString(value)
		b.WriteByte(0)
	}
	return b.String()
}

// usable gives a combination without the traits whose key has too many values in this
// pane; nothing if none is left.
func (t *traits) usable(number uint32) string {
	if number == 0 {
		return ""
	}
	text := t.list[number]
	service := binary.LittleEndian.Uint32([]byte(text[:4]))
	kept, whole := []byte(text[:4]), true
	for rest := text[4:]; rest != ""; {
		key, _, size := nextTrait(rest)
		if t.over(service, key) {
			whole = false
		} else {
			kept = append(kept, rest[:size]...)
		}
		rest = rest[size:]
	}
	switch {
	case whole:
		return text
	case len(kept) == 4:
		return ""
	}
	return string(kept)
}

// pairsOf gives the traits of a combination.
func pairsOf(text string) func(yield func(key uint16, value string) bool) {
	return func(yield func(uint16, string) bool) {
		if text == "" {
			return
		}
		for rest := text[4:]; rest != ""; {
			key, value, size := nextTrait(rest)
			rest = rest[size:]
			if !yield(key, value) {
				return
			}
		}
	}
}

// keySet is a set of keys of traits by number. A nil one is empty.
type keySet []uint64

func (s *keySet) has(key uint16) bool {
	return s != nil && int(key>>6) < len(*s) && (*s)[key>>6]>>(key&63)&1 == 1
}

// with gives the set and one key more.
func (s *keySet) with(key uint16) *keySet {
	var next keySet
	if s != nil {
		next = append(next, *s...)
	}
	for len(next) <= int(key>>6) {
		next = append(next, 0)
	}
	next[key>>6] |= 1 << (key & 63)
	return &next
}
