package ingest

import (
	"cmp"
	"slices"
	"strings"

	"unship.dev"
	"unship.dev/ingest/template"
)

const maxPattern = 200 // bytes

// logKey tells log records of one resource apart. The text is a number in pane.names.
type logKey struct {
	resource uint32
	severity int32
	text     uint32
	given    bool
}

// logData is a log record as a decoder hands it over. Nothing in it is kept.
type logData struct {
	time         uint64 // ns; when it happened, else when it was observed
	severity     int32  // 0: unknown
	severityText string
	template     string // as the program told it, "" if it did not
	body         string
	trace        [2]uint64
	exception    exceptionData
	event, name  string // of the event that it is: by an attribute, and by its own field
	flag         flagData
}

// field gives the place of a field; nil if it may tell of a request.
func (d *logData) field(f field) *string {
	switch f {
	case logTemplate:
		return &d.template
	case exceptionType:
		return &d.exception.typ
	case exceptionMessage:
		return &d.exception.message
	case exceptionStack:
		return &d.exception.trace
	case logEvent:
		return &d.event
	case flagKey:
		return &d.flag.key
	case flagVariant:
		return &d.flag.variant
	case flagValue:
		return &d.flag.value
	}
	return nil
}

// stagedLine is a log record on its way to its pane.
type stagedLine struct {
	time      int64
	hash      uint64 // of the text
	trace     [2]uint64
	example   string // of a warning; it may lie in the decoder's buffer
	text      uint32 // where what tells its kind begins, in lineStage.texts
	size      uint16
	given     bool
	exception int32 // 1 + index in lineStage.exceptions
	request   int32 // 1 + index in lineStage.requests
	severity  int32
	resource  uint32
}

// lineStage holds the log records of one request until all of it was read.
type lineStage struct {
	lines      []stagedLine
	texts      []byte
	exceptions []exceptionData
	requests   []stagedRequest
}

// reset empties the stage, and keeps its room unless that is more than most requests need.
func (t *lineStage) reset() {
	const most = 1 << 14
	if cap(t.lines) > most || cap(t.texts) > 64*most {
		*t = lineStage{}
	}
	clear(t.lines) // they hold on to the request
	clear(t.exceptions)
	t.lines, t.texts, t.exceptions, t.requests = t.lines[:0], t.texts[:0], t.exceptions[:0], t.requests[:0]
}

// log stages one log record of a resource; r is nil if that has no service. Every
// decoder ends here.
func (in *intake) log(r *resource, d *logData) {
	why := whyNoService
	if r != nil {
		why = invalidTime(d.time)
	}
	if why != "" {
		in.stage.refused = append(in.stage.refused, refused{why, d.time})
		return
	}
	if !in.believed(d.time) {
		return
	}
	t := &in.lines
	l := stagedLine{time: int64(d.time), trace: d.trace, resource: r.number, text: uint32(len(t.texts))}
	t.read(&l, d)
	l.request = in.access(d)
	if d.exception.typ != "" {
		if !in.thin {
			in.places.locate(&d.exception)
		}
		t.exceptions = append(t.exceptions, d.exception)
		l.exception = int32(len(t.exceptions))
	}
	t.lines = append(t.lines, l)
}

// read appends what tells the record's kind to the texts: the template that the program
// gave, else the masked line, else the type of its exception.
func (t *lineStage) read(l *stagedLine, d *logData) {
	said := readBody(d.body, d.severity != 0 || d.severityText != "")
	if l.severity = d.severity; l.severity == 0 {
		l.severity = severityOf(cmp.Or(d.severityText, said.severity))
	}
	if l.severity >= severityWarn {
		l.example = said.text
	}
	begin := len(t.texts)
	if d.template == "" {
		t.texts = template.AppendMasked(t.texts, said.text)
	}
	if len(t.texts) == begin {
		given := cut(cmp.Or(d.template, d.exception.typ), maxPattern)
		l.given = given != ""
		t.texts = append(t.texts, given...)
	}
	l.size = uint16(len(t.texts) - begin)
	l.hash = hashOf(t.texts[begin:])
}

// commitLines hands the staged records to their shards.
func (in *intake) commitLines() {
	commitRuns(in, in.lines.lines, (*stagedLine).place, func(p *pane, f fate, index int64, l *stagedLine) (added int64) {
		if !in.count(f, index) {
			return 0
		}
		in.tally.Records++
		added = in.addLine(p, l)
		if l.exception != 0 {
			added += in.addException(p, thrown{trace: l.trace, resource: l.resource}, &in.lines.exceptions[l.exception-1])
		}
		if l.request != 0 {
			added += in.addRequest(p, l.resource, &in.lines.requests[l.request-1])
		}
		return added
	})
}

func (l *stagedLine) place() (resource uint32, at int64) { return l.resource, l.time }

// lineSum are the records of one kind in a pane, and of warnings an example.
type lineSum struct {
	count   uint64
	example string
	trace   [2]uint64
}

// lineSumBytes is the estimated memory of one, with its key.
const lineSumBytes = 120

func (in *intake) addLine(p *pane, l *stagedLine) (added int64) {
	text, hash, given := in.lines.texts[l.text:][:l.size], l.hash, l.given
	if in.thin {
		if _, known := p.names.find(hash, text); !known {
			in.drop(p)
			text, given = nil, false
		}
	}
	number, added := p.names.hashed(hash, text)
	key := logKey{resource: l.resource, severity: l.severity, text: number, given: given}
	sum := p.logs[key]
	if sum == nil {
		if p.logs == nil {
			p.logs = map[logKey]*lineSum{}
		}
		sum = &lineSum{}
		p.logs[key] = sum
		added += lineSumBytes
	}
	sum.count++
	return added + sum.takeExample(l.example, l.trace)
}

// takeExample keeps the smaller of two examples, of equal ones the smaller trace id.
func (s *lineSum) takeExample(text string, trace [2]uint64) (added int64) {
	text = cut(text, unship.MaxExample)
	if text == "" || s.example != "" && cmp.Or(strings.Compare(s.example, text), slices.Compare(s.trace[:], trace[:])) <= 0 {
		return 0
	}
	added = int64(len(text) - len(s.example))
	s.example, s.trace = strings.Clone(text), trace
	return added
}

// logCount gives the sum of a severity as windows have it.
func (s *lineSum) logCount(severity int32) unship.LogCount {
	c := unship.LogCount{Severity: severity, Count: s.count, Example: s.example}
	if s.trace != [2]uint64{} {
		r := record{trace: s.trace}
		c.TraceID = r.traceID()
	}
	return c
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

// lineKey tells log records of one instance apart: by masked lines until these
// are mined, then by patterns.
type lineKey struct {
	severity int32
	text     string
	given    bool
}

func (w *window) addLog(key lineKey, l *unship.LogCount) {
	have := w.logs[key]
	if have == nil {
		c := *l
		w.logs[key] = &c
		return
	}
	have.Count += l.Count
	takeExample(have, *l)
}

// mineLogs puts patterns in the place of masked lines, for each service at once:
// its versions are to be compared.
func (b *builder) mineLogs() {
	lines := map[unship.Service]map[lineKey]template.Line{}
	for key, w := range b.windows {
		if len(w.logs) == 0 {
			continue
		}
		if lines[key.release.Service] == nil {
			lines[key.release.Service] = map[lineKey]template.Line{}
		}
		for k, l := range w.logs {
			grave := k.severity >= severityWarn
			k.severity = 0
			line := lines[key.release.Service][k]
			lines[key.release.Service][k] = template.Line{
				Text: k.text, Given: k.given, Grave: line.Grave || grave, Count: line.Count + l.Count,
			}
		}
	}
	patterns := map[unship.Service]map[lineKey]string{}
	for id, m := range lines {
		patterns[id] = b.a.service(id).mine(b.index, m)
	}
	for key, w := range b.windows {
		w.logs = renamed(w.logs, patterns[key.release.Service])
	}
}

// mine gives the pattern of each line of a window.
func (s *service) mine(index int64, lines map[lineKey]template.Line) map[lineKey]string {
	var keys []lineKey
	var list []template.Line
	for k, l := range lines {
		keys, list = append(keys, k), append(list, l)
	}
	patterns := make(map[lineKey]string, len(keys))
	for i, pattern := range s.templates.Mine(index, list) {
		patterns[keys[i]] = pattern
	}
	return patterns
}

func renamed(logs map[lineKey]*unship.LogCount, patterns map[lineKey]string) map[lineKey]*unship.LogCount {
	w := &window{logs: make(map[lineKey]*unship.LogCount, len(logs))}
	for k, l := range logs {
		l.Pattern = patterns[lineKey{text: k.text, given: k.given}]
		w.addLog(lineKey{severity: k.severity, text: l.Pattern}, l)
	}
	return w.logs
}

func (w *window) sortedLogs() []unship.LogCount {
	var list []unship.LogCount
	for _, l := range w.logs {
		list = append(list, *l)
	}
	slices.SortFunc(list, func(a, b unship.LogCount) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), strings.Compare(a.Pattern, b.Pattern))
	})
	return list
}
