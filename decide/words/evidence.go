package words

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"unship.dev"
)

// Value says a value in its unit: "6.1 %" for ratios, "1.3 s" for durations, "230 MB" for bytes.
func Value(unit string, x float64) string {
	switch {
	case unit == "s":
		return Seconds(x)
	case unit == "1":
		return Percent(x)
	case unit == "x":
		return "×" + Number(x)
	case unit == "By":
		return Bytes(x)
	case unit == "" || strings.HasPrefix(unit, "{"): // an annotation says what is counted, not in what (UCUM)
		return Number(x)
	}
	return Number(x) + " " + unit
}

// Signal names a signal: "failures", "duration of the slowest 5 %".
func Signal(s unship.Signal, quantile float64) string {
	name, known := signalNames(s)
	if !known {
		return string(s)
	}
	return name + part(quantile)
}

func signalNames(s unship.Signal) (string, bool) {
	switch s {
	case unship.SignalErrorRatio:
		return "failures", true
	case unship.SignalInclusiveError:
		return "failures wherever they began", true
	case unship.SignalRejectionRatio:
		return "requests refused", true
	case unship.SignalDuration:
		return "duration", true
	case unship.SignalSelfDuration:
		return "own time", true
	case unship.SignalThroughput:
		return "requests served", true
	case unship.SignalCalls:
		return "calls per request", true
	case unship.SignalLogPattern:
		return "log lines", true
	case unship.SignalException:
		return "exceptions", true
	case unship.SignalCalleeError:
		return "failures of what it calls", true
	case unship.SignalCallerError:
		return "answers that callers could not use", true
	case unship.SignalUnanswered:
		return "calls left unanswered", true
	case unship.SignalMetric:
		return "metric", true
	}
	return "", false
}

// Target says what evidence is about: "POST /orders for tenant.id=acme", the
// words of all where it is about everything.
func Target(ev unship.Evidence, all string) string {
	of := cmp.Or(ev.Operation, all)
	if ev.Slice != "" {
		of += " for " + ev.Slice
	}
	return of
}

// Subject names what got worse: the signal, and of which name where it has several.
func Subject(ev unship.Evidence) string {
	if ev.Name == "" {
		return Signal(ev.Signal, ev.Quantile)
	}
	return Signal(ev.Signal, ev.Quantile) + ": " + ev.Name
}

// part says which part of a distribution is meant; "" for the whole or the middle.
func part(quantile float64) string {
	if quantile <= 0.5 || quantile >= 1 {
		return ""
	}
	return " of the slowest " + Percent(1-quantile)
}

// Change says in what a release is worse: "fails 6.1 % of POST /orders (0.2 % before)".
func Change(ev unship.Evidence) string {
	now, before := Value(ev.Unit, ev.Candidate), Value(ev.Unit, ev.Baseline)
	of := Target(ev, "its requests")
	switch ev.Signal {
	case unship.SignalErrorRatio, unship.SignalInclusiveError:
		return fmt.Sprintf("fails %s of %s (%s before)", now, of, before)
	case unship.SignalRejectionRatio:
		return fmt.Sprintf("refuses %s of %s (%s before)", now, of, before)
	case unship.SignalDuration:
		return fmt.Sprintf("takes %s for %s%s (%s before)", now, slowest(ev.Quantile), of, before)
	case unship.SignalSelfDuration:
		return fmt.Sprintf("spends %s of its own on %s%s (%s before)", now, slowest(ev.Quantile), of, before)
	case unship.SignalThroughput:
		return fmt.Sprintf("serves %s of %s (%s before)", now, of, before)
	case unship.SignalCalls:
		return fmt.Sprintf("%s in %s of %s (%s before)", cmp.Or(ev.Name, "calls differently"), now, of, before)
	case unship.SignalCalleeError:
		return fmt.Sprintf("makes %s of its calls to %s fail (%s before)", now, Target(ev, "others"), before)
	case unship.SignalCallerError:
		return fmt.Sprintf("answers %s of %s with what callers cannot use (%s before)", now, of, before)
	case unship.SignalUnanswered:
		return fmt.Sprintf("leaves %s of the calls to it unanswered (%s before)", now, before)
	case unship.SignalException:
		return fmt.Sprintf("throws %s in %s of its moments (%s before)", cmp.Or(ev.Name, "exceptions"), now, before)
	case unship.SignalLogPattern:
		return fmt.Sprintf("logs %q in %s of its moments (%s before)", ev.Name, now, before)
	case unship.SignalMetric:
		return fmt.Sprintf("changed %s to %s (%s before)", cmp.Or(ev.Name, "a metric"), now, before)
	}
	return fmt.Sprintf("changed %s of %s to %s (%s before)", Signal(ev.Signal, ev.Quantile), of, now, before)
}

func slowest(quantile float64) string {
	if p := part(quantile); p != "" {
		return p[len(" of "):] + " of "
	}
	return ""
}

// FalseAlarms says how often a harmless release is blamed at most, at a level of
// log evidence that is asked for.
func FalseAlarms(c unship.Comparison, threshold float64) string {
	rate := fmt.Sprintf("one in %s harmless releases at most", Count(uint64(math.Round(math.Exp(min(threshold, 40))))))
	if c == unship.ComparisonBefore {
		return rate + ", in the mean over what time alone does to the service"
	}
	return rate
}

// Compared says what a release was compared with.
func Compared(c unship.Comparison, previous string) string {
	if previous == "" {
		previous = "the previous version"
	}
	switch c {
	case unship.ComparisonConcurrent:
		return previous + " in the same moments"
	case unship.ComparisonBefore:
		return "the service's own past"
	}
	return "nothing yet"
}
