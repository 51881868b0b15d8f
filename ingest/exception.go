package ingest

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"

	"unship.dev"
	"unship.dev/ingest/stack"
)

const (
	maxExceptions    = 100 // types and places told apart in one instance and window
	maxExceptionType = 120 // bytes
)

// exceptionData is an exception as a decoder hands it over: an event of a span, or
// the attributes of a log record. Nothing in it is kept.
type exceptionData struct {
	typ, message, trace string
	place               string // in own code, as far as the trace tells
}

// placeCache remembers which place a stack trace tells, by its hash: what goes wrong often
// goes wrong in few ways. It has a fixed size, and belongs to one goroutine.
type placeCache [256]struct {
	hash  uint64
	place string
}

// locate finds the place. To read a trace that is not known takes long: call it before a
// shard is locked.
func (c *placeCache) locate(d *exceptionData) {
	if d.trace == "" {
		return
	}
	hash := maphash.String(nameSeed, d.trace)
	e := &c[hash%uint64(len(c))]
	if e.hash != hash {
		e.hash, e.place = hash, strings.Clone(stack.Place(d.trace)) // it may lie in the decoder's buffer
	}
	d.place = e.place
}

func (d *spanData) exception() *exceptionData {
	return &exceptionData{typ: d.fields[exceptionType], message: d.fields[exceptionMessage], trace: d.fields[exceptionStack]}
}

// thrown is one exception as it waits for its window to close. Its texts are
// numbers in pane.names.
type thrown struct {
	trace              [2]uint64
	resource           uint32
	typ, place, sample uint32
	handled            bool // the span that tells of it ended well
}

// thrownBytes is the estimated memory of a thrown, with what slices grow beyond need.
const thrownBytes = 64

// addException keeps an exception, of which the texts are added. It is the first to go when memory runs short.
func (in *intake) addException(p *pane, x thrown, d *exceptionData) (added int64) {
	if in.thin {
		p.losses.Dropped++
		in.tally.Dropped++
		return 0
	}
	added = thrownBytes
	sample, _, _ := strings.Cut(strings.TrimSpace(d.message), "\n")
	for _, t := range []struct {
		text   string
		number *uint32
	}{
		{cut(d.typ, maxExceptionType), &x.typ},
		{d.place, &x.place},
		{cut(sample, unship.MaxExample), &x.sample},
	} {
		number, more := p.names.number([]byte(t.text))
		*t.number = number
		added += more
	}
	p.exceptions = append(p.exceptions, x)
	return added
}

// exception is a thrown with its texts.
type exception struct {
	trace              [2]uint64
	typ, place, sample string
	handled            bool
}

func (x *thrown) exception(n *names) exception {
	return exception{x.trace, n.list0(x.typ), n.list0(x.place), n.list0(x.sample), x.handled}
}

// sortedExceptions counts what was thrown. In one trace an exception counts once,
// though several spans and log records tell of it, each of them perhaps with a
// shorter way down its stack. Without a trace each counts. It is handled if all that tell
// of it say so.
func (w *window) sortedExceptions() []unship.Exception {
	slices.SortFunc(w.exceptions, func(a, b exception) int {
		return cmp.Or(slices.Compare(a.trace[:], b.trace[:]), strings.Compare(a.typ, b.typ),
			strings.Compare(a.place, b.place), strings.Compare(a.sample, b.sample))
	})
	var sum unship.Window
	sample, handled := "", true
	for i, x := range w.exceptions {
		handled = handled && x.handled
		if sample == "" || x.sample != "" && x.sample < sample {
			sample = x.sample
		}
		if i+1 < len(w.exceptions) && w.exceptions[i+1].retells(&x) {
			continue
		}
		one := unship.Exception{Type: x.typ, Place: x.place, Count: 1, Example: sample}
		if handled {
			one.Handled = 1
		}
		sample, handled = "", true
		if x.trace != [2]uint64{} {
			r := record{trace: x.trace}
			one.TraceID = r.traceID()
		}
		sum.Merge(unship.Window{Exceptions: []unship.Exception{one}})
	}
	return boundedExceptions(sum.Exceptions)
}

// retells says that x tells of what o tells of, and as much of its place or more.
// Sorted, whatever retells o follows it directly.
func (x *exception) retells(o *exception) bool {
	rest, more := strings.CutPrefix(x.place, o.place)
	return x.trace == o.trace && x.trace != [2]uint64{} && x.typ == o.typ && more &&
		(rest == "" || o.place == "" || strings.HasPrefix(rest, " < "))
}

// boundedExceptions keeps the types and places seen most, and counts the others together.
func boundedExceptions(list []unship.Exception) []unship.Exception {
	if len(list) <= maxExceptions {
		return list
	}
	slices.SortFunc(list, func(a, b unship.Exception) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Type, b.Type), strings.Compare(a.Place, b.Place))
	})
	var kept unship.Window
	for i, x := range list {
		if i >= maxExceptions {
			x.Type, x.Place = unship.OverflowOperation, ""
		}
		kept.Merge(unship.Window{Exceptions: []unship.Exception{x}})
	}
	return kept.Exceptions
}
