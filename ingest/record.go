package ingest

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"unship.dev"
)

const (
	maxPatterns   = 100 // log patterns told apart in one instance and window
	maxMetrics    = 500 // data points kept in one instance and window
	maxPattern    = 200 // bytes
	maxMetricName = 200 // bytes
	maxAttributes = 300 // bytes of a data point's attributes
)

// From these severity numbers on, log records are errors, and an example is kept.
const severityExample = 13

// logKey tells log records of one resource apart. The pattern is a number in pane.names.
type logKey struct {
	resource uint32
	severity int32
	pattern  uint32
}

// logData is a log record as a decoder hands it over. Nothing in it is kept.
type logData struct {
	time      uint64 // ns; when it happened, else when it was observed
	severity  int32
	pattern   string // what tells records of one kind, "" if unknown
	body      string
	trace     [2]uint64
	exception exceptionData
}

// log takes one log record of a resource. Every decoder ends here.
func (in *intake) log(r *resource, d *logData) {
	if why := invalidTime(d.time); why != "" {
		in.refuse(why, d.time)
		return
	}
	if !in.believed(d.time) {
		return
	}
	index := in.a.index(int64(d.time))
	s := &in.a.shards[r.number%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	p, f := s.at(in.a, index)
	if !in.count(f, index) {
		return
	}
	in.tally.Records++
	added := p.addLog(r, d)
	if d.exception.typ != "" {
		added += in.addException(p, r.number, d.trace, &d.exception)
	}
	p.bytes += added
	in.bytes += added
}

func (p *pane) addLog(r *resource, d *logData) (added int64) {
	key := logKey{resource: r.number, severity: d.severity}
	if d.pattern != "" {
		key.pattern, added = p.names.number([]byte(cut(d.pattern, maxPattern)))
	}
	l := p.logs[key]
	if l == nil {
		if p.logs == nil {
			p.logs = map[logKey]*unship.LogCount{}
		}
		l = &unship.LogCount{Severity: d.severity, Pattern: p.names.list0(key.pattern)}
		p.logs[key] = l
		added += 160
	}
	l.Count++
	if d.severity < severityExample || d.body == "" {
		return added
	}
	o := unship.LogCount{Example: cut(d.body, unship.MaxExample)}
	if l.Example != "" && l.Example < o.Example {
		return added
	}
	if d.trace != [2]uint64{} {
		rec := record{trace: d.trace}
		o.TraceID = rec.traceID()
	}
	if takeExample(l, o) {
		added += int64(len(o.Example)) + 32
	}
	return added
}

// list0 gives the text of a number, without needing that any text is known.
func (n *names) list0(number uint32) string {
	if number == 0 {
		return ""
	}
	return n.list[number]
}

// takeExample keeps the smaller of two examples, of equal ones the smaller trace id.
func takeExample(l *unship.LogCount, o unship.LogCount) bool {
	if o.Example == "" || l.Example != "" &&
		cmp.Or(strings.Compare(o.Example, l.Example), strings.Compare(o.TraceID, l.TraceID)) >= 0 {
		return false
	}
	l.Example, l.TraceID = strings.Clone(o.Example), o.TraceID
	return true
}

type patternKey struct {
	severity int32
	pattern  string
}

func (w *window) addLog(l *unship.LogCount) {
	key := patternKey{l.Severity, l.Pattern}
	have := w.logs[key]
	if have == nil {
		c := *l
		w.logs[key] = &c
		return
	}
	have.Count += l.Count
	takeExample(have, *l)
}

// sortedLogs keeps the patterns seen most, of equal ones the gravest, and counts
// the others without a pattern.
func (w *window) sortedLogs() []unship.LogCount {
	var list []unship.LogCount
	for _, l := range w.logs {
		list = append(list, *l)
	}
	if len(list) > maxPatterns {
		slices.SortFunc(list, func(a, b unship.LogCount) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(b.Severity, a.Severity), strings.Compare(a.Pattern, b.Pattern))
		})
		rest := &window{logs: map[patternKey]*unship.LogCount{}}
		for i, l := range list {
			if i >= maxPatterns {
				l.Pattern = ""
			}
			rest.addLog(&l)
		}
		list = list[:0]
		for _, l := range rest.logs {
			list = append(list, *l)
		}
	}
	slices.SortFunc(list, func(a, b unship.LogCount) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), strings.Compare(a.Pattern, b.Pattern))
	})
	return list
}

// point is one data point. Its texts are numbers in pane.names.
type point struct {
	at                           int64
	value                        float64
	count                        uint64
	resource                     uint32
	nameNo, unitNo, attributesNo uint32
}

// pointBytes is the estimated memory of a point, with what slices grow beyond need.
const pointBytes = 64

func (m *point) metric(n *names) unship.Metric {
	return unship.Metric{
		Name: n.list0(m.nameNo), Unit: n.list0(m.unitNo), Attributes: n.list0(m.attributesNo),
		At: time.Unix(0, m.at).UTC(), Value: m.value, Count: m.count,
	}
}

// pointData is a data point as a decoder hands it over. Nothing in it is kept.
type pointData struct {
	time       uint64
	name, unit string
	attributes []byte
	value      float64
	count      uint64
}

// point takes one data point of a resource. Every decoder ends here.
func (in *intake) point(r *resource, d *pointData) {
	why := invalidTime(d.time)
	if why == "" && (math.IsNaN(d.value) || math.IsInf(d.value, 0)) {
		why = whyNotANumber
	}
	if why != "" {
		in.refuse(why, d.time)
		return
	}
	if !in.believed(d.time) {
		return
	}
	index := in.a.index(int64(d.time))
	s := &in.a.shards[r.number%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	p, f := s.at(in.a, index)
	if !in.count(f, index) {
		return
	}
	in.tally.Points++
	added := p.addPoint(r, d)
	p.bytes += added
	in.bytes += added
}

func (p *pane) addPoint(r *resource, d *pointData) int64 {
	m := point{at: int64(d.time), value: d.value, count: d.count, resource: r.number}
	added := int64(pointBytes)
	for _, t := range []struct {
		text   []byte
		number *uint32
	}{
		{[]byte(cut(d.name, maxMetricName)), &m.nameNo},
		{[]byte(cut(d.unit, maxMetricName)), &m.unitNo},
		{d.attributes, &m.attributesNo},
	} {
		number, more := p.names.number(t.text)
		*t.number = number
		added += more
	}
	p.metrics = append(p.metrics, m)
	return added
}

// sortedMetrics sorts data points and drops those sent twice, and what is beyond
// the bound.
func (b *builder) sortedMetrics(w *window) []unship.Metric {
	slices.SortFunc(w.metrics, compareMetrics)
	list := slices.CompactFunc(w.metrics, func(x, y unship.Metric) bool { return compareMetrics(x, y) == 0 })
	if len(list) > maxMetrics {
		b.dropped += uint64(len(list) - maxMetrics)
		list = list[:maxMetrics]
	}
	return list
}

func compareMetrics(a, b unship.Metric) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Attributes, b.Attributes),
		a.At.Compare(b.At), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Count, b.Count), strings.Compare(a.Unit, b.Unit))
}
