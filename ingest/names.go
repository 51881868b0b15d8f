package ingest

import (
	"hash/maphash"
	"unsafe"
)

// names numbers texts. Number 0 is the empty text.
type names struct {
	list   []string // by number
	hashes []uint64 // by number
	slots  []uint32 // open addressing by hash; 0: free
}

var nameSeed = maphash.MakeSeed()

// nameBytes is the estimated memory of a text, beside its bytes.
const nameBytes = 48

func hashOf(text []byte) uint64 { return maphash.Bytes(nameSeed, text) }

// number finds or adds a text, which may lie in a scratch buffer.
func (n *names) number(text []byte) (number uint32, added int64) {
	return n.hashed(hashOf(text), text)
}

// hashed is number with the text's hash by nameSeed.
func (n *names) hashed(hash uint64, text []byte) (number uint32, added int64) {
	if len(text) == 0 {
		return 0, 0
	}
	if len(n.list)*2 >= len(n.slots) {
		n.grow()
	}
	at := n.slot(hash, unsafe.String(unsafe.SliceData(text), len(text))) // compared only, not kept
	if n.slots[at] != 0 {
		return n.slots[at], 0
	}
	n.put(at, hash, string(text))
	return n.slots[at], int64(len(text)) + nameBytes
}

// find gives the number of a text that is known.
func (n *names) find(hash uint64, text []byte) (number uint32, ok bool) {
	if len(n.slots) == 0 {
		return 0, false
	}
	number = n.slots[n.slot(hash, unsafe.String(unsafe.SliceData(text), len(text)))]
	return number, number != 0
}

func (n *names) numberOf(text string) uint32 {
	if text == "" {
		return 0
	}
	if len(n.list)*2 >= len(n.slots) {
		n.grow()
	}
	hash := maphash.String(nameSeed, text)
	at := n.slot(hash, text)
	if n.slots[at] == 0 {
		n.put(at, hash, text)
	}
	return n.slots[at]
}

// slot gives the place of a text: where it is, or where it would be.
func (n *names) slot(hash uint64, text string) int {
	mask := len(n.slots) - 1
	for at := int(hash) & mask; ; at = (at + 1) & mask {
		k := n.slots[at]
		if k == 0 || n.hashes[k] == hash && n.list[k] == text {
			return at
		}
	}
}

func (n *names) put(at int, hash uint64, text string) {
	n.slots[at] = uint32(len(n.list))
	n.list, n.hashes = append(n.list, text), append(n.hashes, hash)
}

func (n *names) grow() {
	if n.list == nil {
		n.list, n.hashes = []string{""}, []uint64{0}
	}
	n.slots = make([]uint32, max(16, 2*len(n.slots)))
	mask := len(n.slots) - 1
	for k := 1; k < len(n.list); k++ {
		at := int(n.hashes[k]) & mask
		for n.slots[at] != 0 {
			at = (at + 1) & mask
		}
		n.slots[at] = uint32(k)
	}
}

// naming is what an operation or a callee is called by: two texts, either of which may
// be empty, with a separator between them if neither is, and what kind of it is meant, in
// brackets; "": the usual one.
type naming struct {
	a, b      string
	separator byte
	kind      string
}

// appendMasked appends the name, identifiers masked, cut to maxName.
func (n naming) appendMasked(dst []byte) []byte {
	begin := len(dst)
	dst = appendMasked(dst, n.a)
	if n.a != "" && n.b != "" {
		dst = append(dst, n.separator)
	}
	dst = cutTail(appendMasked(dst, n.b), begin)
	if n.kind != "" {
		dst = appendKind(dst, begin, n.kind)
	}
	return dst
}

// appendKind appends the kind of an operation to its name, which is cut where both are too long.
func appendKind(dst []byte, begin int, kind string) []byte {
	room := maxName - len(kind) - len(" ()")
	dst = append(dst[:begin], cutBytes(dst[begin:], min(room, len(dst)-begin))...)
	return append(append(append(dst, " ("...), kind...), ')')
}

const (
	cachedNames = 256
	maxRawName  = 160 // bytes; longer ones are masked each time
)

// nameCache remembers what namings look like masked: few are new. It has a fixed size,
// and belongs to one goroutine.
type nameCache [cachedNames]cachedName

type cachedName struct {
	naming naming // its texts lie in raw
	raw    [maxRawName]byte
	name   [maxName]byte // masked
	size   uint8         // of name
	hash   uint64        // of name, by nameSeed
	// Where the name stands in a stage's texts, while the request of that serial is at work.
	passage passage
	serial  uint64
}

// of gives what is remembered of a naming, now if not before; nil if it is too long for that.
func (c *nameCache) of(n naming) *cachedName {
	if len(n.a)+len(n.b) > maxRawName {
		return nil
	}
	e := &c[(maphash.String(nameSeed, n.b)+keyHash(n.a))%cachedNames]
	if e.naming != n || e.hash == 0 {
		e.learn(n)
	}
	return e
}

func (e *cachedName) learn(n naming) {
	a := copy(e.raw[:], n.a)
	b := copy(e.raw[a:], n.b)
	e.naming = naming{textOf(e.raw[:a]), textOf(e.raw[a:][:b]), n.separator, n.kind}
	masked := n.appendMasked(e.name[:0])
	e.size, e.hash, e.serial = uint8(copy(e.name[:], masked)), hashOf(masked), 0
}
