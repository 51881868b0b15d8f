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
	key, body := in.readLine(r, d)
	if d.exception.typ != "" && !in.thin {
		d.exception.locate()
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
	added := in.addLog(p, key, body, d.trace)
	if d.exception.typ != "" {
		added += in.addException(p, r.number, d.trace, &d.exception)
	}
	p.bytes += added
	in.bytes += added
}

// readLine leaves what tells the record's kind in in.scratch: the template that
// the program gave, else the masked line, else the type of its exception.
func (in *intake) readLine(r *resource, d *logData) (key logKey, body string) {
	line := readBody(d.body)
	key = logKey{resource: r.number, severity: cmp.Or(d.severity, severityOf(cmp.Or(d.severityText, line.severity)))}
	in.scratch = in.scratch[:0]
	if d.template == "" {
		in.scratch = template.AppendMasked(in.scratch, line.text)
	}
	if len(in.scratch) == 0 {
		given := cut(cmp.Or(d.template, d.exception.typ), maxPattern)
		key.given = given != ""
		in.scratch = append(in.scratch, given...)
	}
	return key, line.text
}

// addLog counts a record of which in.scratch tells the kind.
func (in *intake) addLog(p *pane, key logKey, body string, trace [2]uint64) (added int64) {
	if _, known := p.names.find(hashOf(in.scratch), in.scratch); in.thin && !known {
		p.losses.Dropped++
		in.tally.Dropped++
		in.scratch, key.given = in.scratch[:0], false
	}
	key.text, added = p.names.number(in.scratch)
	l := p.logs[key]
	if l == nil {
		if p.logs == nil {
			p.logs = map[logKey]*unship.LogCount{}
		}
		l = &unship.LogCount{Severity: key.severity, Pattern: p.names.list0(key.text)}
		p.logs[key] = l
		added += 160
	}
	l.Count++
	if key.severity < severityWarn || body == "" {
		return added
	}
	o := unship.LogCount{Example: cut(body, unship.MaxExample)}
	if l.Example != "" && l.Example < o.Example {
		return added
	}
	if trace != [2]uint64{} {
		rec := record{trace: trace}
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
