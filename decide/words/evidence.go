package words

import (
	"fmt"

	"unship.dev"
)

// Value says a value in its unit: "6.1 %" for ratios, "1.3 s" for durations.
func Value(signal unship.Signal, unit string, x float64) string {
	switch {
	case unit == "s":
		return Seconds(x)
	case unit == "1" && signal == unship.SignalCalls:
		return Number(x)
	case unit == "1":
		return Percent(x)
	case unit == "x":
		return "×" + Number(x)
	case unit == "":
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
	}
	return "", false
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
	value := func(x float64) string { return Value(ev.Signal, ev.Unit, x) }
	now, before := value(ev.Candidate), value(ev.Baseline)
	of := orAll(ev.Operation, "its requests")
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
		return fmt.Sprintf("makes %s calls for each of %s (%s before)", now, of, before)
	case unship.SignalCalleeError:
		return fmt.Sprintf("makes %s of its calls to %s fail (%s before)", now, orAll(ev.Operation, "others"), before)
	}
	name := Signal(ev.Signal, ev.Quantile)
	if ev.Operation != "" {
		name += " " + ev.Operation
	}
	return fmt.Sprintf("changed %s to %s (%s before)", name, now, before)
}

func slowest(quantile float64) string {
	if p := part(quantile); p != "" {
		return p[len(" of "):] + " of "
	}
	return ""
}

func orAll(operation, all string) string {
	if operation == "" {
		return all
	}
	return operation
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
