package ingest

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"
)

// form is one way in which a series of an instance is written, and all that its points
// have in common: it is worked out once, and found again by the bytes. Only what stands
// last changes.
type form struct {
	name, unit, attributes string
	kind                   pointKind
	request                request
	served                 *identity // whose requests they are; nil: those of who sends them
	isLevel                bool      // of a summary's quantile
	noted                  bool      // its memory is counted by seriesForms

	heard  int64   // last window with a point; guarded by seriesForms.mu, as is the next
	levels []level // of a summary
	memory *memory // of its series, for the one who closes windows
}

// level is the series of a summary's quantile.
type level struct {
	q    float64
	form *form
}

const (
	maxMetricName = 200 // bytes
	maxAttributes = 300 // bytes of a data point's attributes
	// maxSeries bounds the series that are remembered, of all instances together: how
	// they are written and, apart from that, the last points of cumulative ones. Points
	// of further cumulative series are dropped and counted.
	maxSeries = 1 << 17
	maxLevels = 16 // of one summary that are remembered
)

// newForm works out what a point of a resource is of.
func (in *intake) newForm(r *resource, d *pointData) *form {
	f := &form{
		name: strings.Clone(cut(d.name, maxMetricName)), unit: strings.Clone(cut(d.unit, maxMetricName)),
		attributes: attributesText(d.attributes), kind: d.kind, request: in.request(d),
	}
	f.served = f.request.source.served(r, d.attributes)
	return f
}

// newLevel makes the series of a quantile of a summary with these attributes.
func (f *form) newLevel(q float64, attributes []attribute) *form {
	named := append(slices.Clone(attributes), attribute{"quantile", strconv.FormatFloat(q, 'g', -1, 64)})
	return &form{name: f.name, unit: f.unit, attributes: attributesText(named), served: f.served, isLevel: true}
}

// level finds the series of a quantile; nil if it is not remembered.
func (f *form) level(q float64) *form {
	for i := range f.levels {
		if math.Float64bits(f.levels[i].q) == math.Float64bits(q) {
			return f.levels[i].form
		}
	}
	return nil
}

// size is the estimated memory of a form.
func (f *form) size() int64 {
	served := int64(0)
	if f.served != nil {
		served = int64(unsafe.Sizeof(*f.served)) + 100
	}
	return served + int64(unsafe.Sizeof(*f)) + int64(len(f.name)+len(f.unit)+len(f.attributes)+len(f.request.operation)+len(f.request.traits)) + 100
}

// seriesForms are the forms of one instance, by kind, name, unit and attributes as they
// are written.
type seriesForms struct {
	mu    sync.Mutex // held while the points of a metric are read
	known map[string]*form
	bytes int64
}

// noteForm remembers how a series of a resource is written, if there is room. The
// resource must be in use, and its forms locked.
func (t *resources) noteForm(r *resource, written []byte, f *form) {
	if len(written) > maxFormBytes || t.series.Load() >= maxSeries {
		return
	}
	if r.series.known == nil {
		r.series.known = map[string]*form{}
	}
	f.noted = true
	r.series.known[string(written)] = f
	t.series.Add(1)
	t.charge(r, f.size()+int64(len(written)))
}

// noteLevel remembers the series of a quantile, as noteForm does.
func (t *resources) noteLevel(r *resource, f *form, q float64, l *form) {
	if !f.noted || len(f.levels) >= maxLevels {
		return
	}
	l.noted = true
	f.levels = append(f.levels, level{q, l})
	t.charge(r, l.size())
}

func (t *resources) charge(r *resource, bytes int64) {
	r.series.bytes += bytes
	t.pending.Add(bytes)
}

// forgetForms drops the forms of a resource without points since the window before. To
// have them longer makes no difference but for the memory that they take.
func (t *resources) forgetForms(r *resource, before int64) {
	r.series.mu.Lock()
	defer r.series.mu.Unlock()
	for written, f := range r.series.known {
		if f.heard >= before {
			continue
		}
		delete(r.series.known, written)
		t.series.Add(-1)
		bytes := f.size() + int64(len(written))
		for i := range f.levels {
			bytes += f.levels[i].form.size()
		}
		t.charge(r, -bytes)
	}
}
