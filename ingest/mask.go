package ingest

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// maxName is the length, in bytes, to which operations and callees are cut.
const maxName = 120

const (
	idMark = "{id}"
	ipMark = "{ip}"
)

// appendMasked appends a name with everything that looks like an identifier
// replaced, so that names stay few: numbers, UUIDs, hexadecimal strings of 8
// and more, long random words, addresses. What follows a question mark goes.
// Masking a name again changes nothing, unless it was cut or no UTF-8.
func appendMasked(dst []byte, name string) []byte {
	begin := len(dst)
	for name != "" && len(dst)-begin <= maxName {
		n := 0
		for n < len(name) && !endsWord[name[n]] {
			n++
		}
		dst = appendWord(dst, name[:n])
		if name = name[n:]; name == "" {
			break
		}
		switch c := name[0]; c {
		case '?', '#', ';': // a query, a fragment, a session in the path: up to the next space
			if n = strings.IndexByte(name, ' '); n < 0 {
				n = len(name)
			}
			name = name[n:]
		case '\t', '\r', '\n':
			dst = append(dst, ' ')
			name = name[1:]
		default:
			dst = append(dst, c)
			name = name[1:]
		}
	}
	return cutTail(dst, begin)
}

// endsWord are the bytes that words of a name lie between.
var endsWord = func() (t [256]bool) {
	for _, c := range []byte("/ \t\r\n?#;,&=()[]\"'") {
		t[c] = true
	}
	return t
}()

// appendWord appends one word, masked whole or in the parts between dashes,
// dots and underscores.
func appendWord(dst []byte, w string) []byte {
	switch {
	case !strings.ContainsAny(w, "0123456789"):
		if len(w) >= 8 && isHex(w) && hexUUIDLike(w) {
			return append(dst, idMark...)
		}
		return append(dst, w...)
	case isIP(w):
		return append(dst, ipMark...)
	case isIdentifier(w):
		return append(dst, idMark...)
	}
	for w != "" {
		n := strings.IndexAny(w, "-_.:@")
		if n < 0 {
			return appendPart(dst, w)
		}
		dst = append(appendPart(dst, w[:n]), w[n])
		w = w[n+1:]
	}
	return dst
}

// appendPart masks a part of a word only if it is clearly an identifier: "v2",
// "s3" and "2fa" are names.
func appendPart(dst []byte, p string) []byte {
	if len(p) >= 4 && isIdentifier(p) {
		return append(dst, idMark...)
	}
	return append(dst, p...)
}

// isIdentifier says that a word with a digit in it is not a name.
func isIdentifier(w string) bool {
	digits, letters, hex, dashes, upper := 0, 0, 0, 0, 0
	for i := range len(w) {
		c := w[i]
		switch {
		case '0' <= c && c <= '9':
			digits++
			hex++
		case hexDigit(c):
			letters++
			hex++
		case 'g' <= c && c <= 'z', 'G' <= c && c <= 'Z':
			letters++
		case c == '-', c == '_':
			dashes++
		default:
			return false
		}
		if 'A' <= c && c <= 'Z' {
			upper++
		}
	}
	switch {
	case digits == 0:
		return false
	case letters == 0: // 42, 2024-05-01
		return true
	case len(w) == 36 && hex == 32 && dashes == 4: // UUID
		return true
	case dashes == 0 && hex == len(w) && len(w) >= 8:
		return true
	}
	// Long and mixed: a token, not a word with a number at its end.
	return dashes <= 1 && len(w) >= 16 && digits >= 3 && (digits*6 >= len(w) || upper > 1 && upper < letters)
}

// hexUUIDLike says that hexadecimal letters alone are no word: no English word
// of that length is written with a to f ("effaced" and "defaced" have 7).
func hexUUIDLike(w string) bool { return len(w) >= 12 }

// isIP says that a word is an IPv4 or IPv6 address, with or without a port.
func isIP(w string) bool {
	dots, colons := strings.Count(w, "."), strings.Count(w, ":")
	for i := range len(w) {
		c := w[i]
		if !hexDigit(c) && c != '.' && c != ':' {
			return false
		}
		if dots == 3 && colons <= 1 && c > '9' && c != ':' {
			return false
		}
	}
	return dots == 3 && colons <= 1 || dots == 0 && colons >= 2
}

// masked gives a name with identifiers replaced.
func masked(name string) string { return string(appendMasked(nil, name)) }

// cut shortens s to at most n bytes of valid UTF-8.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:runeStart(s, n)]
	}
	if utf8.ValidString(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	return s[:runeStart(s, n)]
}

func runeStart(s string, n int) int {
	if len(s) <= n {
		return len(s)
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return n
}

// cutTail cuts what was appended after begin to maxName bytes of valid UTF-8.
func cutTail(dst []byte, begin int) []byte {
	return dst[:begin+len(cutBytes(dst[begin:], maxName))]
}

func cutBytes(b []byte, n int) []byte {
	if len(b) > n {
		for n > 0 && !utf8.RuneStart(b[n]) {
			n--
		}
		b = b[:n]
	}
	if utf8.Valid(b) {
		return b
	}
	valid := bytes.ToValidUTF8(b, nil)
	return b[:copy(b, valid)]
}
