package ingest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/bits"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// attributeKind is what the name of an attribute means here.
type attributeKind struct {
	field field
	trait uint16 // number of a name whose values may tell requests apart; 0: they do not
	large bool   // the values of a trait are how large a request is
	key   string // the name itself, where it is remembered
}

// maxAttributeKeys bounds the names remembered. Beyond it names mean what they mean,
// and tell no requests apart: who sends more has no slices by those seen last.
const maxAttributeKeys = 4096

// attributeKeys knows the names of attributes seen so far, of spans or of log records. It
// may be used from many goroutines; reading takes no lock.
type attributeKeys struct {
	fieldOf func(key string) field
	known   atomic.Pointer[map[string]attributeKind]

	mu     sync.Mutex
	traits []string // by number; number 0 is none
}

func newAttributeKeys(fieldOf func(key string) field) *attributeKeys {
	k := &attributeKeys{fieldOf: fieldOf, traits: []string{""}}
	k.known.Store(&map[string]attributeKind{})
	return k
}

// kind gives what a name means. The name may lie in a decoder's buffer.
func (k *attributeKeys) kind(key string) attributeKind {
	if kind, ok := (*k.known.Load())[key]; ok {
		return kind
	}
	return k.learn(key)
}

func (k *attributeKeys) learn(key string) attributeKind {
	kind := attributeKind{field: k.fieldOf(key)}
	k.mu.Lock()
	defer k.mu.Unlock()
	known := *k.known.Load()
	if have, ok := known[key]; ok || len(known) >= maxAttributeKeys || len(key) > maxTraitKey {
		have.field = kind.field
		return have
	}
	key = strings.Clone(key)
	kind.key = key
	if kind.field == fieldOther && mayTell(key) {
		kind.trait, kind.large = uint16(len(k.traits)), tellsSize(key)
		k.traits = append(k.traits, key)
	}
	next := maps.Clone(known)
	next[key] = kind
	k.known.Store(&next)
	return kind
}

// keyCache remembers what a few names mean. It belongs to one goroutine. A name has two
// places, so that hardly two of those in use are in each other's way. Of each it remembers
// which name came next: spans of one kind mostly have the same names in the same order.
type keyCache struct {
	places [256]cachedKey
	first  cachedKey // stands before the first name of a span
	last   *cachedKey
}

type cachedKey struct {
	attributeKind
	next *cachedKey // what came after it; nil: nothing yet
}

// begin says that the names of another span follow.
func (c *keyCache) begin() { c.last = &c.first }

// kind gives what a name means, until the next name is asked for.
func (c *keyCache) kind(all *attributeKeys, key string) *cachedKey {
	next := c.last.next
	if next == nil || next.key != key || key == "" {
		next = c.find(all, key)
		c.last.next = next
	}
	c.last = next
	return next
}

func (c *keyCache) find(all *attributeKeys, key string) *cachedKey {
	h := keyHash(key)
	first, second := &c.places[uint8(h)], &c.places[uint8(h>>8)]
	switch {
	case first.key == key && key != "":
		return first
	case second.key == key && key != "":
		return second
	}
	if first.key != "" {
		first = second
	}
	first.attributeKind = all.kind(key)
	return first
}

// keyHash hashes a name by its length, its beginning and its end.
func keyHash(key string) uint64 {
	const mix = 0x9e3779b97f4a7c15
	n := len(key)
	h := uint64(n)
	if n < 8 {
		for i := range n {
			h = h<<8 | uint64(key[i])
		}
	} else {
		b := unsafe.Slice(unsafe.StringData(key), n)
		h = (binary.LittleEndian.Uint64(b)+h)*mix ^ binary.LittleEndian.Uint64(b[n-8:])
	}
	return h * mix >> 48
}

// names gives the names of traits by number.
func (k *attributeKeys) names() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.traits[:len(k.traits):len(k.traits)]
}

// mayTell says whether the values of an attribute that is none of the fields may tell
// requests apart. Those that are used elsewhere, that name a place in the code or in
// the network, or that are different each time, do not. What is not in this list and
// has too many values is found out by its values.
func mayTell(key string) bool {
	family, rest, _ := strings.Cut(key, ".")
	switch family {
	case "http":
		return strings.HasPrefix(rest, "request.header.") || strings.HasPrefix(rest, "request") && tellsSize(key)
	case "messaging":
		return tellsSize(key)
	case "client", "source":
		return rest != "address" && rest != "port" && rest != "ip"
	case "user_agent":
		return rest != "original"
	case "feature_flag": // what tells of a flag beside its value; which is told under its own name
		switch rest {
		case "provider.name", "provider_name", "set.id", "context.id", "result.reason", "version", "error.message":
			return false
		}
	case "url", "net", "network", "server", "destination", "peer", "db", "rpc", "code", "thread",
		"exception", "error", "otel", "process", "telemetry", "service", "host", "k8s", "container", "cloud", "os",
		"deployment", "oci", "vcs", "span", "trace", "tls", "dns", "caller", "sampler", "sampling":
		return false
	}
	return true
}

// tellsSize says that the values of an attribute are how large a request is, in bytes or in
// items. That of an answer, and how often something was tried, is what became of it.
func tellsSize(key string) bool {
	at := strings.LastIndexAny(key, "._")
	switch key[at+1:] {
	case "size", "length", "count", "bytes":
	default:
		return false
	}
	for _, became := range [...]string{"response", "result", "resend", "retry", "attempt", "error"} {
		if strings.Contains(key, became) {
			return false
		}
	}
	return true
}

// orders are the values of such an attribute: all numbers that begin alike, to the base
// of four, are one.
var orders = func() (texts [32]string) {
	texts[0] = "0"
	for k, from := 1, uint64(1); k < len(texts); k, from = k+1, from*4 {
		texts[k] = fmt.Sprintf("%d to %d", from, from*4-1)
	}
	return texts
}()

// orderOf gives the order of a size; "" of what is none.
func orderOf(size float64) string {
	if !(size >= 0 && size < 1<<60) {
		return ""
	}
	return orders[(bits.Len64(uint64(size))+1)/2]
}

// keyRank orders the names of slices: those that are known to tell callers apart come
// before those that were merely found to have few values.
func keyRank(key string) int {
	family, _, _ := strings.Cut(key, ".")
	switch family {
	case "tenant", "tenant_id", "organization", "org", "account", "customer":
		return 0
	case callerKey, "client", "client_id", "app", "application", "app_id", "api_key", "oauth":
		return 1
	case "enduser", "user_agent":
		return 2
	case "feature_flag":
		return 3
	case "cloud", "k8s", "geo":
		return 4
	}
	return 5
}
