// Package words says numbers, signals and evidence in words that people read
// at a glance: "6.1 %", "×30", "1.3 s", "1 in 10 million". It is pure.
package words

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Percent says a ratio: 0.061 is "6.1 %".
func Percent(ratio float64) string {
	p := ratio * 100
	switch {
	case math.IsNaN(p) || math.IsInf(p, 0):
		return "unknown"
	case p == 0:
		return "0 %"
	case p > 99.9 && p < 100: // rounding must not say "all" of what is not all
		return ">99.9 %"
	case p > 0 && p < 0.001:
		return "<0.001 %"
	}
	return Number(p) + " %"
}

// Number says a number with two significant digits, or all digits before the point.
func Number(x float64) string {
	abs := math.Abs(x)
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "unknown"
	case abs == 0:
		return "0"
	case abs >= 1e6:
		return trim(x/1e6, 1) + " million"
	case abs >= 9.95:
		return group(strconv.FormatFloat(x, 'f', 0, 64))
	}
	digits := 1 - int(math.Floor(math.Log10(abs)))
	return trim(x, min(max(digits, 0), 9))
}

// trim writes x with so many decimals at most.
func trim(x float64, decimals int) string {
	s := strconv.FormatFloat(x, 'f', decimals, 64)
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

// Count says a count: 5120 is "5,120".
func Count(n uint64) string { return group(strconv.FormatUint(n, 10)) }

func group(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for k := len(digits) - 3; k > 0; k -= 3 {
		digits = digits[:k] + "," + digits[k:]
	}
	return sign + digits
}

// Of says how many of something: "1 request", "79 requests".
func Of(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(n) + " " + noun + "s"
}

// Seconds says a duration that is given in seconds: 1.3 is "1.3 s", 0.0852 is "85 ms".
func Seconds(s float64) string {
	switch {
	case math.IsNaN(s) || math.IsInf(s, 0):
		return "unknown"
	case s == 0:
		return "0 s"
	case math.Abs(s) < 0.0009995:
		return Number(s*1e6) + " µs"
	case math.Abs(s) < 0.9995:
		return Number(s*1e3) + " ms"
	case math.Abs(s) < 60:
		return Number(s) + " s"
	case math.Abs(s) > math.MaxInt64/1e9:
		return Number(s) + " s"
	}
	return Span(time.Duration(s * 1e9))
}

// Bytes says an amount of memory: "230 MB", "1.2 GB"; steps of a thousand.
func Bytes(n float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	k := 0
	for math.Abs(n) >= 999.5 && k < len(units)-1 {
		n /= 1000
		k++
	}
	return Number(n) + " " + units[k]
}

// Span says how long something lasted: "45 s", "4 min 20 s", "2 h 5 min", "3 days".
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Span(-d)
	case d < time.Second:
		return Seconds(d.Seconds())
	case d < time.Minute:
		return trim(d.Seconds(), 0) + " s"
	case d < time.Hour:
		return pair(d, time.Minute, "min", time.Second, "s")
	case d < 48*time.Hour:
		return pair(d, time.Hour, "h", time.Minute, "min")
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

func pair(d, big time.Duration, bigUnit string, small time.Duration, smallUnit string) string {
	if rest := d % big / small; rest > 0 {
		return fmt.Sprintf("%d %s %d %s", d/big, bigUnit, rest, smallUnit)
	}
	return fmt.Sprintf("%d %s", d/big, bigUnit)
}

// Times says by how much a value grew or shrank: 0.002 to 0.06 is "×30",
// "" where the first is nothing.
func Times(from, to float64) string {
	if from <= 0 || to < 0 || math.IsInf(to, 0) || math.IsNaN(to+from) {
		return ""
	}
	if to/from >= 1000 {
		return "more than ×1,000"
	}
	return "×" + Number(to/from)
}

// OneIn says an e-value as the chance that it comes about without a cause:
// 1.2e7 is "1 in 12 million". The chance is at most that (Ville 1939).
func OneIn(e float64) string {
	switch {
	case math.IsNaN(e) || e <= 1:
		return "no evidence"
	case e >= 1e12:
		return "less than 1 in a million million"
	case e >= 1e9:
		return "1 in " + round(e/1e9) + " billion"
	case e >= 1e6:
		return "1 in " + round(e/1e6) + " million"
	}
	return "1 in " + round(e)
}

// round keeps two digits, rounded down: evidence is not to be overstated.
func round(x float64) string {
	scale := math.Pow(10, math.Floor(math.Log10(x))-1)
	if x < 10 {
		return trim(math.Floor(x*10)/10, 1)
	}
	return group(strconv.FormatFloat(math.Floor(x/scale)*scale, 'f', 0, 64))
}

// Clock is the time of day: "12:40:05 UTC".
func Clock(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" }

// Moment is date and time of day: "2026-05-04 12:40:05 UTC".
func Moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }
