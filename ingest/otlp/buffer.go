package otlp

import (
	"errors"
	"io"
	"math/bits"
	"sync"
)

// buffers pools byte slices by powers of two. They are not filled with zeros: with telemetry
// that was a tenth of all work.
type buffers struct {
	pools [32]sync.Pool // of *[]byte, by the logarithm of their capacity
}

// shared serves gRPC's messages, bodies as they come, and bodies inflated.
var shared buffers

const leastBuffer = 8 // 256 bytes

// Get gives a buffer of a length; what is in it is not defined.
func (b *buffers) Get(length int) *[]byte {
	k := max(bits.Len(uint(max(length, 1)-1)), leastBuffer)
	if k >= len(b.pools) {
		p := make([]byte, length)
		return &p
	}
	p, ok := b.pools[k].Get().(*[]byte)
	if !ok {
		fresh := make([]byte, 1<<k)
		p = &fresh
	}
	*p = (*p)[:length]
	return p
}

// Put takes a buffer back.
func (b *buffers) Put(p *[]byte) {
	n := cap(*p)
	if k := bits.Len(uint(n)) - 1; n == 1<<k && k >= leastBuffer && k < len(b.pools) {
		*p = (*p)[:n]
		b.pools[k].Put(p)
	}
}

// errTooLarge says that there is more to read than may be.
var errTooLarge = errors.New("too large")

// readAll reads up to limit bytes into a buffer, which the caller puts back. Expected is
// a guess of how many there are; errTooLarge says that there are more than limit.
func (b *buffers) readAll(r io.Reader, expected, limit int) (*[]byte, error) {
	p := b.Get(min(max(expected, 512), limit))
	n := 0
	for {
		if n == len(*p) { // mostly at the end
			var one [1]byte
			switch m, err := io.ReadFull(r, one[:]); {
			case err != nil && m == 0 && errors.Is(err, io.EOF):
				return p, nil
			case err != nil:
				b.Put(p)
				return nil, err
			case n == limit:
				b.Put(p)
				return nil, errTooLarge
			}
			more := b.Get(min(2*n, limit))
			copy(*more, *p)
			(*more)[n] = one[0]
			b.Put(p)
			p = more
			n++
			continue
		}
		m, err := r.Read((*p)[n:])
		n += m
		switch {
		case errors.Is(err, io.EOF):
			*p = (*p)[:n]
			return p, nil
		case err != nil:
			b.Put(p)
			return nil, err
		}
	}
}
