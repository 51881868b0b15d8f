package slack

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"unship.dev"
)

// name makes hostile text harmless and short: one line, nothing that Slack
// takes for a mention or a link.
func name(s string) string { return cut(escape(line(s)), limitName) }

// line keeps text on one line, without control characters and without those
// that turn the direction of writing.
func line(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�")))
}

// escape replaces the three characters with which Slack's markup begins.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// cut shortens text to a number of characters as Slack counts them, between
// runes and never inside an escape.
func cut(s string, limit int) string {
	length, end := 0, 0 // end: where the text fits with an ellipsis after it
	for i, r := range s {
		if length <= limit-1 {
			end = i
		}
		length += utf16.RuneLen(r)
	}
	if length <= limit {
		return s
	}
	s = s[:end]
	if amp := strings.LastIndexByte(s, '&'); amp >= 0 && !strings.Contains(s[amp:], ";") {
		s = s[:amp]
	}
	return s + "…"
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// value writes a measured value with its unit.
func value(v float64, unit string) string {
	switch unit {
	case "1":
		return percent(v)
	case "s":
		return seconds(v)
	}
	return strings.TrimSpace(number(v) + " " + name(unit))
}

func percent(v float64) string { return number(v*100) + " %" }

func seconds(v float64) string {
	switch a := math.Abs(v); {
	case a < 1e-3:
		return number(v*1e6) + " µs"
	case a < 1:
		return number(v*1e3) + " ms"
	case a < 120:
		return number(v) + " s"
	}
	return number(v/60) + " min"
}

// number keeps three significant digits.
func number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "unknown"
	}
	return strconv.FormatFloat(round3(v), 'f', -1, 64)
}

func round3(v float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64) // what FormatFloat wrote
	return r
}

func odds(e float64) string {
	e = min(e, unship.MaxEValue)
	if e >= 1e6 {
		return fmt.Sprintf("more than %s million", count(uint64(e/1e6)))
	}
	return count(uint64(e))
}

// count groups digits by three.
func count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
