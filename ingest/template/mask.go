package template

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Wildcard stands for what differs from line to line.
const Wildcard = "<*>"

// maxLine is the length, in bytes, to which masked lines are cut, at the end of a word.
const maxLine = 200

// AppendMasked appends the first line of a log message with everything that is
// clearly a value replaced by [Wildcard]: numbers with their units, times,
// hexadecimal and other identifiers, UUIDs, addresses, URLs, paths, e-mail
// addresses, and what stands in quotes. Words are kept. Runs of white space
// become one space, colours are left out. It does not allocate as long as dst has room.
func AppendMasked(dst []byte, line string) []byte {
	begin := len(dst)
	if line != "" && line[0] <= ' ' { // to look for several characters takes a while
		line = strings.TrimLeft(line, " \t\r\n")
	}
	if n := strings.IndexByte(line, '\n'); n >= 0 {
		line = line[:n]
	}
	m := masker{dst: dst, begin: begin, line: line}
	for m.at < len(m.line) && m.word() {
	}
	return valid(m.dst, begin)
}

// valid repairs what was appended after begin where it is no UTF-8.
func valid(dst []byte, begin int) []byte {
	if utf8.Valid(dst[begin:]) {
		return dst
	}
	return append(dst[:begin], bytes.ToValidUTF8(dst[begin:], []byte("\uFFFD"))...)
}

// masker is at work on one line.
type masker struct {
	dst   []byte
	begin int // of the line in dst
	last  int // of the word before in dst; its end is where the word at work begins
	line  string
	at    int
	words int
}

// class sorts bytes. What is no ASCII is a letter.
type class uint8

const (
	space class = iota
	letter
	digit
	split  // separates atoms
	joiner // separates the parts of an atom
)

var classes = func() (t [256]class) {
	for i := range t {
		c := byte(i)
		switch {
		case c <= ' ' || c == 0x7f:
			t[i] = space
		case '0' <= c && c <= '9':
			t[i] = digit
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf:
			t[i] = letter
		case strings.IndexByte(",;=()[]{}<>|\"'`", c) >= 0:
			t[i] = split
		default:
			t[i] = joiner
		}
	}
	return t
}()

// word masks up to the next space, and says whether there is room for more.
func (m *masker) word() bool {
	for m.at < len(m.line) && (m.colour() || classes[m.line[m.at]] == space) {
		m.at++
	}
	from := len(m.dst)
	if m.words > 0 && m.at < len(m.line) {
		m.dst = append(m.dst, ' ')
	}
	body := len(m.dst)
	for m.at < len(m.line) && classes[m.line[m.at]] != space {
		c := m.line[m.at]
		switch {
		case classes[c] != split:
			m.atom()
		case isQuote(c) && m.quoted():
		default:
			m.dst = append(m.dst, c)
			m.at++
		}
	}
	switch {
	case len(m.dst) == body:
		m.dst = m.dst[:from]
	case m.words == 0 && len(m.dst)-m.begin > maxLine:
		m.dst = append(m.dst[:m.begin], Wildcard...)
	case len(m.dst)-m.begin > maxLine:
		m.dst = m.dst[:from]
		return false
	case m.words > 0 && isValue(m.dst[body:]) && bytes.Equal(m.dst[m.last:from], m.dst[body:]):
		m.dst = m.dst[:from] // one more element of a list
	default:
		m.words++
		m.last = body
	}
	return true
}

// colour skips an escape sequence of a terminal but for its last byte.
func (m *masker) colour() bool {
	rest := m.line[m.at:]
	if len(rest) < 3 || rest[0] != 0x1b || rest[1] != '[' {
		return false
	}
	n := 2
	for n < len(rest)-1 && classes[rest[n]] != letter {
		n++
	}
	m.at += n
	return true
}

// isValue says that a masked word is a wildcard with nothing but punctuation around it.
func isValue(word []byte) bool {
	found := false
	for i, c := range word {
		if k := classes[c]; k == letter || k == digit {
			return false
		}
		found = found || c == '*' && i > 0 && word[i-1] == '<'
	}
	return found
}

func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }

// quoted masks a quoted text. An apostrophe within a word opens none. The keys of
// JSON, and the message of a line in logfmt, are no values: they are kept.
func (m *masker) quoted() bool {
	if m.at > 0 {
		if k := classes[m.line[m.at-1]]; k == letter || k == digit {
			return false
		}
	}
	n := closing(m.line[m.at+1:], m.line[m.at])
	if n < 0 {
		return false
	}
	end := m.at + n + 2
	if end < len(m.line) && m.line[end] == ':' || n > 0 && m.namesEvent() {
		return false
	}
	m.wildcard()
	m.at = end
	return true
}

// closing finds the quote that ends a quoted text, or gives -1.
func closing(s string, quote byte) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case quote:
			if i+1 == len(s) || classes[s[i+1]] != letter && classes[s[i+1]] != digit {
				return i
			}
		}
	}
	return -1
}

// namesEvent says that a quoted text is the message of a line in logfmt.
func (m *masker) namesEvent() bool {
	before := m.line[:m.at]
	for _, key := range [...]string{"msg=", "message=", "event="} {
		if strings.HasSuffix(before, key) {
			return true
		}
	}
	return false
}

// wildcard appends the mark, once for values that are joined.
func (m *masker) wildcard() {
	if n := len(m.dst) - 1 - len(Wildcard); n >= m.begin && classes[m.dst[n+len(Wildcard)]] == joiner &&
		string(m.dst[n:n+len(Wildcard)]) == Wildcard {
		m.dst = m.dst[:n+len(Wildcard)]
		return
	}
	if !bytes.HasSuffix(m.dst[m.begin:], []byte(Wildcard)) {
		m.dst = append(m.dst, Wildcard...)
	}
}

// mark says what a byte makes possible for the atom that it is in.
type mark uint8

const (
	anyDigit mark = 1 << iota
	anySlash
	anyColon
	anyMail
	ends // no byte of an atom, unless that is a URL
)

var marks = func() (t [256]mark) {
	for i := range t {
		switch classes[i] {
		case space, split:
			t[i] = ends
		case digit:
			t[i] = anyDigit
		}
	}
	t['/'], t['\\'], t[':'], t['@'] = anySlash, anySlash, anyColon, anyMail
	return t
}()

// scan goes to the end of an atom, and gives what is in it.
func (m *masker) scan() (seen mark, slashes int) {
	from, line, at, url := m.at, m.line, m.at, false
	for ; at < len(line); at++ {
		k := marks[line[at]]
		if k&(ends|anySlash) != 0 {
			if k == ends && !(url && strings.IndexByte("=,;", line[at]) >= 0) {
				break
			}
			if k == anySlash {
				slashes++
				url = url || at >= from+2 && line[at-2:at] == ":/"
			}
		}
		seen |= k
	}
	m.at = at
	return seen, slashes
}

// atom masks up to the next space or split: whole, or the parts of it that are values.
func (m *masker) atom() {
	from := m.at
	seen, slashes := m.scan()
	whole := m.line[from:m.at]
	a := trimmed(whole)
	switch {
	case a == "":
	case isPlace(a, slashes), seen&anyMail != 0 && isMail(a), isUUID(a), seen&anyDigit == 0 && len(a) >= 16 && isHex(a),
		seen&anyDigit != 0 && seen&anyColon != 0 && strings.Count(whole, ":") >= 2 && isIPv6(a):
		m.wildcard()
	case seen&anyDigit == 0:
		m.dst = append(m.dst, whole...)
		return
	default:
		m.parts(a)
	}
	m.dst = append(m.dst, whole[len(a):]...)
}

// trimmed takes the punctuation at the end of an atom off.
func trimmed(a string) string {
	for n := len(a); n > 0; n-- {
		switch a[n-1] {
		case ':', '.', '!', '?':
		default:
			return a[:n]
		}
	}
	return ""
}

// isPlace says that an atom is a path or a URL. "text/html" and "n/a" are words.
func isPlace(a string, slashes int) bool {
	return slashes >= 2 || slashes == 1 && len(a) > 1 && (a[0] == '/' || a[0] == '\\' || a[0] == '~' || a[0] == '.')
}

func isMail(a string) bool {
	at := strings.IndexByte(a, '@')
	return at > 0 && strings.IndexByte(a[at:], '.') > 1
}

// isIPv6 says that an atom could be such an address; a time of day could be one, too.
func isIPv6(a string) bool {
	for i := range len(a) {
		if c := a[i]; c != ':' && c != '.' && !isHex(a[i:i+1]) {
			return false
		}
	}
	return true
}

func isUUID(a string) bool {
	if len(a) != 36 || a[8] != '-' || a[13] != '-' || a[18] != '-' || a[23] != '-' {
		return false
	}
	return isHex(a[:8]) && isHex(a[9:13]) && isHex(a[14:18]) && isHex(a[19:23]) && isHex(a[24:])
}

func isHex(a string) bool {
	for i := range len(a) {
		if c := a[i] | 0x20; classes[a[i]] != digit && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// parts masks the values in an atom with digits: "order-17" is "order-<*>", and
// "12:30:01.5" one value.
func (m *masker) parts(a string) {
	if (a[0] == '-' || a[0] == '+') && len(a) > 1 && classes[a[1]] == digit {
		a = a[1:]
	}
	for a != "" {
		n := 0
		for n < len(a) && classes[a[n]] != joiner {
			n++
		}
		switch {
		case n == 0:
			m.dst = append(m.dst, a[0])
			n = 1
		case isNumber(a[:n]):
			m.wildcard()
		default:
			m.dst = append(m.dst, a[:n]...)
		}
		a = a[n:]
	}
}

// isNumber says that a part is a value: a number with or without a unit, a version,
// a piece of an identifier. "s3", "utf8" and "Travel2Controller" are names.
func isNumber(p string) bool {
	if classes[p[0]] == digit {
		return true
	}
	digits := 0
	for i := range len(p) {
		if classes[p[i]] == digit {
			digits++
		}
	}
	switch {
	case digits == 0:
		return false
	case digits == len(p)-1 && p[0]|0x20 == 'v', digits >= 3:
		return true
	}
	return isHex(p) && (len(p) >= 8 || len(p) >= 4 && digits >= 2)
}
