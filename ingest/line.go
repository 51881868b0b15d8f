package ingest

import (
	"cmp"
	"strings"
)

// OTel severity numbers.
const (
	severityTrace = 1
	severityDebug = 5
	severityInfo  = 9
	severityWarn  = 13 // from here on examples are kept
	severityError = 17
	severityFatal = 21
)

// severityOf reads a severity as programs write it; what it does not know is INFO.
func severityOf(text string) int32 {
	var lower [len("emergency")]byte
	if len(text) > len(lower) {
		return severityInfo
	}
	for i := range len(text) {
		if lower[i] = text[i]; 'A' <= text[i] && text[i] <= 'Z' {
			lower[i] |= 0x20
		}
	}
	switch string(lower[:len(text)]) {
	case "trace", "verbose", "finest", "silly":
		return severityTrace
	case "debug", "fine", "finer":
		return severityDebug
	case "warn", "warning", "w":
		return severityWarn
	case "error", "err", "severe", "e", "failure":
		return severityError
	case "fatal", "critical", "crit", "alert", "emergency", "emerg", "panic", "f":
		return severityFatal
	}
	return severityInfo
}

// line is what a log record's body says.
type line struct {
	text     string
	severity string // as a structured body tells it, else ""
}

// Keys under which structured log lines carry their message and their severity, best first.
var (
	messageKeys  = []string{"message", "msg", "@message", "body", "event", "log"}
	severityKeys = []string{"severity", "level", "lvl", "levelname", "log.level"}
)

// readBody finds the message, and how grave it is, in a body as programs write them and
// collectors pass them on unparsed: a JSON object, pairs of keys and values (logfmt), or a
// line that names its level near its begin. Any other body is the message itself, as is
// text whose level is told beside it: it is not looked through.
func readBody(body string, told bool) line {
	trimmed := strings.TrimSpace(body)
	if len(trimmed) < 2 || trimmed[0] != '{' || trimmed[len(trimmed)-1] != '}' {
		if told {
			return line{text: body}
		}
		return readText(body, trimmed)
	}
	found := line{text: body}
	best, bestSeverity := len(messageKeys), len(severityKeys)
	o := object{rest: trimmed[1:]}
	for {
		key, value, ok := o.next()
		if !ok {
			return found
		}
		if k := indexOf(messageKeys[:best], key); k >= 0 && value != "" {
			value, _, _ = strings.Cut(value, `\n`)
			found.text, best = value, k
		}
		if k := indexOf(severityKeys[:bestSeverity], key); k >= 0 {
			found.severity, bestSeverity = cmp.Or(value, levelName(o.bare)), k
		}
	}
}

// Keys of logfmt, best first.
var (
	levelPairs   = [...]string{"level=", "lvl=", "severity="}
	messagePairs = [...]string{"msg=", "message="}
)

// readText reads a body that is no JSON object.
func readText(body, trimmed string) line {
	for _, key := range levelPairs {
		level, ok := pair(trimmed, key)
		if !ok {
			continue
		}
		for _, key := range messagePairs {
			if message, ok := pair(trimmed, key); ok && message != "" {
				return line{text: message, severity: level}
			}
		}
		return line{text: body, severity: level}
	}
	return line{text: body, severity: levelOf(trimmed)}
}

// pair finds the value of a key, which ends in an equals sign and stands at the begin or
// behind a space. Escapes stay as they are.
func pair(text, key string) (value string, ok bool) {
	for from := 0; ; {
		k := strings.Index(text[from:], key)
		if k < 0 {
			return "", false
		}
		k += from
		from = k + len(key)
		if k > 0 && text[k-1] != ' ' {
			continue
		}
		if rest := (object{rest: text[from:]}); strings.HasPrefix(rest.rest, `"`) {
			return rest.text()
		}
		value, _, _ = strings.Cut(text[from:], " ")
		return value, true
	}
}

// A line names its level in one of its first words, if it does: behind a time, a thread,
// the name of a program.
const (
	levelWords = 6
	levelBytes = 100
)

// outcries are how runtimes begin to tell of what nobody caught.
var outcries = [...]string{"panic: ", "fatal error: ", "Traceback (most recent call last)", "Exception in thread ", "Unhandled exception"}

// levelOf finds the level that a line names: in capitals or in brackets, for "error" is a
// word like others, or as the letter that klog begins with. "" if there is none.
func levelOf(text string) string {
	for _, s := range outcries {
		if strings.HasPrefix(text, s) {
			return "error"
		}
	}
	rest := text[:min(len(text), levelBytes)]
	for n := 0; n < levelWords && rest != ""; n++ {
		var word string
		word, rest, _ = strings.Cut(strings.TrimLeft(rest, " \t"), " ")
		if n == 0 && isKlog(word) {
			return word[:1]
		}
		bare := strings.Trim(word, "[]()<>|:,*-")
		if isLevel(bare) && (isCapital(bare) || word[0] == '[' || word[0] == '<' || word[0] == '(') {
			return bare
		}
	}
	return ""
}

// isLevel says that a word of two letters and more names a level.
func isLevel(word string) bool {
	return len(word) > 1 && (severityOf(word) != severityInfo || strings.EqualFold(word, "info") || strings.EqualFold(word, "notice"))
}

func isCapital(word string) bool {
	for i := range len(word) {
		if word[i] < 'A' || word[i] > 'Z' {
			return false
		}
	}
	return true
}

// isKlog says that a line begins like "E0712": a level, the month and the day.
func isKlog(word string) bool {
	if len(word) != 5 || !strings.Contains("IWEF", word[:1]) {
		return false
	}
	for i := 1; i < 5; i++ {
		if word[i] < '0' || word[i] > '9' {
			return false
		}
	}
	return true
}

func indexOf(keys []string, key string) int {
	for i, k := range keys {
		if k == key {
			return i
		}
	}
	return -1
}

// object reads the members of a JSON object, leniently and without allocating.
type object struct {
	rest string
	bare string // the latest value that was no string
}

// next gives the next member. The value is "" unless it is a string; escapes stay as they are.
func (o *object) next() (key, value string, ok bool) {
	o.rest = strings.TrimLeft(o.rest, " \t\r\n,")
	if key, ok = o.text(); !ok {
		return "", "", false
	}
	o.rest = strings.TrimLeft(o.rest, " \t\r\n")
	if !strings.HasPrefix(o.rest, ":") {
		return "", "", false
	}
	o.rest = strings.TrimLeft(o.rest[1:], " \t\r\n")
	if value, ok = o.text(); ok {
		return key, value, true
	}
	rest := o.rest
	ok = o.skip()
	o.bare = strings.TrimSpace(rest[:len(rest)-len(o.rest)])
	return key, "", ok
}

// levelName gives the name of a level that is told by its number, as pino and bunyan do.
func levelName(number string) string {
	switch number {
	case "10":
		return "trace"
	case "20":
		return "debug"
	case "30":
		return "info"
	case "40":
		return "warn"
	case "50":
		return "error"
	case "60":
		return "fatal"
	}
	return ""
}

// text reads a string.
func (o *object) text() (string, bool) {
	if !strings.HasPrefix(o.rest, `"`) {
		return "", false
	}
	for i := 1; i < len(o.rest); i++ {
		switch o.rest[i] {
		case '\\':
			i++
		case '"':
			s := o.rest[1:i]
			o.rest = o.rest[i+1:]
			return s, true
		}
	}
	return "", false
}

// skip passes over a value that is no string, up to the comma or the bracket after it.
func (o *object) skip() bool {
	depth := 0
	for o.rest != "" {
		switch c := o.rest[0]; {
		case c == '"':
			if _, ok := o.text(); !ok {
				return false
			}
			continue
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == ',' || c == '}'):
			return true
		case c == '}' || c == ']':
			depth--
		}
		o.rest = o.rest[1:]
	}
	return false
}
