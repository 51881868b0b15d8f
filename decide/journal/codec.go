package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"unship.dev"
)

// tickForm is the first byte of an encoded tick. A form whose fields differ gets another number.
const tickForm = 8

// firstItems bounds what is made room for on the word of a list's length alone.
const firstItems = 1024

var errShort = errors.New("it ends too early")

// coder writes a value or reads it back: each type has one function that
// says both, so that the two cannot drift apart. Integers are varints, each
// string is written once and referred to afterwards, buckets of histograms are
// written as the step from the one before. Writing leaves the value alone:
// others may read it at the same time.
type coder struct {
	reading bool
	data    []byte // written so far, or left to read
	err     error

	known map[string]uint64 // writing: number of each string, from 1
	seen  []string          // reading: the strings by number
}

// encode gives the compact form of a tick.
func encode(t unship.Tick) []byte {
	c := coder{known: map[string]uint64{}, data: []byte{tickForm}}
	c.tick(&t)
	return c.data
}

// decode reads what encode wrote. Any other bytes are an error.
func decode(b []byte) (t unship.Tick, err error) {
	if len(b) == 0 || b[0] != tickForm {
		return t, errors.New("it has an unknown form")
	}
	c := coder{reading: true, data: b[1:]}
	c.tick(&t)
	if c.err == nil && len(c.data) > 0 {
		c.err = fmt.Errorf("%d bytes too many", len(c.data))
	}
	return t, c.err
}

func (c *coder) tick(t *unship.Tick) {
	c.time(&t.Start)
	c.time(&t.End)
	c.time(&t.Closed)
	list(c, &t.Windows, (*coder).window)
	list(c, &t.Announcements, (*coder).announcement)
	list(c, &t.Releases, (*coder).release)
	for _, n := range []*uint64{&t.Losses.Late, &t.Losses.Future, &t.Losses.Invalid, &t.Losses.Overflow, &t.Losses.Dropped} {
		c.uint(n)
	}
}

func (c *coder) window(w *unship.Window) {
	c.releaseID(&w.Release)
	c.text(&w.Instance.ID)
	c.text(&w.Instance.Node)
	c.time(&w.Start)
	integer(c, &w.Length)
	list(c, &w.Operations, (*coder).operation)
	list(c, &w.Logs, (*coder).log)
	list(c, &w.Exceptions, (*coder).exception)
	list(c, &w.Metrics, (*coder).metric)
	c.bool(&w.Logged)
	c.text(&w.Build)
}

func (c *coder) operation(p *unship.Operation) {
	c.text(&p.Name)
	c.uint(&p.Requests)
	c.uint(&p.Failed)
	c.uint(&p.FailedHere)
	c.uint(&p.Rejected)
	c.histogram(&p.Duration)
	c.histogram(&p.Self)
	list(c, &p.Calls, (*coder).call)
	list(c, &p.Callers, (*coder).caller)
	list(c, &p.Slices, (*coder).slice)
	c.uint(&p.Adjusted)
	c.uint(&p.Partial)
	list(c, (*[]unship.Exemplar)(&p.Exemplars), (*coder).exemplar)
}

func (c *coder) histogram(h *unship.Histogram) {
	last := int16(0)
	list(c, (*[]unship.Bucket)(h), func(c *coder, b *unship.Bucket) {
		step := b.Index - last // wraps around in both directions alike
		integer(c, &step)
		last += step
		if c.reading {
			b.Index = last
		}
		c.uint(&b.Count)
	})
}

func (c *coder) call(v *unship.Call) {
	c.text(&v.Callee)
	c.uint(&v.Requests)
	c.uint(&v.Twice)
	c.uint(&v.FourPlus)
	c.uint(&v.Total)
	c.uint(&v.Failed)
	c.uint(&v.Unanswered)
	c.uint(&v.Unseen)
	list(c, &v.Answered, (*coder).answer)
	list(c, &v.Received, (*coder).received)
}

func (c *coder) received(v *unship.CallReceived) {
	c.releaseID(&v.Release)
	c.uint(&v.Unanswered)
}

func (c *coder) answer(v *unship.CalleeAnswer) {
	c.releaseID(&v.Release)
	c.uint(&v.Requests)
	c.uint(&v.Failed)
	c.uint(&v.Garbled)
}

func (c *coder) slice(v *unship.Slice) {
	c.text(&v.Key)
	c.text(&v.Value)
	c.uint(&v.Requests)
	c.uint(&v.FailedHere)
	c.uint(&v.Rejected)
	c.histogram(&v.Duration)
}

func (c *coder) caller(v *unship.Caller) {
	c.releaseID(&v.Release)
	c.uint(&v.Requests)
	c.uint(&v.FailedHere)
	c.uint(&v.Rejected)
}

func (c *coder) exemplar(v *unship.Exemplar) {
	c.text(&v.TraceID)
	c.text(&v.SpanID)
	integer(c, &v.Duration)
	c.text(&v.Error)
	c.text(&v.Exception)
}

func (c *coder) log(v *unship.LogCount) {
	integer(c, &v.Severity)
	c.text(&v.Pattern)
	c.uint(&v.Count)
	c.text(&v.Example)
	c.text(&v.TraceID)
}

func (c *coder) exception(v *unship.Exception) {
	c.text(&v.Type)
	c.text(&v.Place)
	c.uint(&v.Count)
	c.uint(&v.Handled)
	c.text(&v.Example)
	c.text(&v.TraceID)
}

func (c *coder) metric(v *unship.Metric) {
	c.text(&v.Name)
	c.text(&v.Unit)
	c.text(&v.Attributes)
	kind := uint64(v.Kind)
	c.uint(&kind)
	if c.reading {
		v.Kind = unship.MetricKind(kind)
	}
	c.time(&v.At)
	integer(c, &v.Over)
	bits := math.Float64bits(v.Value)
	c.uint(&bits)
	if c.reading {
		v.Value = math.Float64frombits(bits)
	}
	c.uint(&v.Count)
}

func (c *coder) announcement(v *unship.Announcement) {
	c.releaseID(&v.ReleaseID)
	c.text(&v.ID)
	c.time(&v.At)
	c.text(&v.By)
	c.text(&v.URL)
	c.text(&v.Revision)
	c.bool(&v.Rollback)
	c.bool(&v.Finished)
	c.text(&v.SchemaRev)
	c.change(&v.Change)
}

func (c *coder) change(v *unship.Change) {
	kind := string(v.Kind)
	c.text(&kind)
	if c.reading {
		v.Kind = unship.ChangeKind(kind)
	}
	c.text(&v.Name)
	c.text(&v.Value)
	c.text(&v.Was)
}

func (c *coder) release(r *unship.Release) {
	c.releaseID(&r.ReleaseID)
	c.text(&r.Previous)
	c.time(&r.FirstSeen)
	c.time(&r.LastSeen)
	rollout := uint64(r.Rollout)
	c.uint(&rollout)
	c.text(&r.RollbackOf)
	announced := r.Announcement != nil
	c.bool(&announced)
	if c.reading {
		r.Rollout = unship.Rollout(rollout)
		if announced {
			r.Announcement = &unship.Announcement{}
		}
	}
	if announced {
		c.announcement(r.Announcement)
	}
	c.change(&r.Change)
}

func (c *coder) releaseID(r *unship.ReleaseID) {
	c.text(&r.Environment)
	c.text(&r.Namespace)
	c.text(&r.Name)
	c.text(&r.Version)
}

func (c *coder) uint(v *uint64) {
	if !c.reading {
		c.data = binary.AppendUvarint(c.data, *v)
		return
	}
	n, size := binary.Uvarint(c.data)
	if size <= 0 {
		c.fail(errShort)
		return
	}
	*v, c.data = n, c.data[size:]
}

// fail keeps the first error; nothing more is read after it.
func (c *coder) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.data = nil
}

func integer[T ~int16 | ~int32 | ~int64](c *coder, v *T) {
	n := int64(*v)
	zigzag := uint64(n<<1) ^ uint64(n>>63)
	c.uint(&zigzag)
	if c.reading {
		*v = T(int64(zigzag>>1) ^ -int64(zigzag&1))
	}
}

func (c *coder) bool(v *bool) {
	n := uint64(0)
	if *v {
		n = 1
	}
	c.uint(&n)
	if c.reading { // any number but 0 is true
		*v = n != 0
	}
}

// time is exact to the nanosecond; the zero time stays the zero time.
func (c *coder) time(t *time.Time) {
	sec, nsec := t.Unix(), int64(t.Nanosecond())
	integer(c, &sec)
	integer(c, &nsec)
	if c.reading {
		*t = time.Unix(sec, nsec).UTC()
	}
}

func (c *coder) text(s *string) {
	if c.reading {
		c.readText(s)
		return
	}
	n, again := c.known[*s]
	c.data = binary.AppendUvarint(c.data, n) // 0: a new one follows
	if again {
		return
	}
	c.known[*s] = uint64(len(c.known) + 1)
	c.data = binary.AppendUvarint(c.data, uint64(len(*s)))
	c.data = append(c.data, *s...)
}

func (c *coder) readText(s *string) {
	var n, size uint64
	c.uint(&n)
	if n > 0 {
		if n > uint64(len(c.seen)) {
			c.fail(errors.New("it refers to a string that is not there"))
			return
		}
		*s = c.seen[n-1]
		return
	}
	c.uint(&size)
	if size > uint64(len(c.data)) {
		c.fail(errShort)
		return
	}
	*s = string(c.data[:size])
	c.data = c.data[size:]
	c.seen = append(c.seen, *s)
}

// list codes a slice; an empty one is read back as nil.
func list[T any](c *coder, v *[]T, item func(*coder, *T)) {
	n := uint64(len(*v))
	c.uint(&n)
	if !c.reading {
		for k := range *v {
			item(c, &(*v)[k])
		}
		return
	}
	if n > uint64(len(c.data)) { // every item takes a byte at least
		c.fail(errShort)
		return
	}
	if n == 0 {
		return
	}
	all := make([]T, 0, min(n, firstItems))
	for range n {
		var none T
		all = append(all, none)
		if item(c, &all[len(all)-1]); c.err != nil {
			return
		}
	}
	*v = all
}
