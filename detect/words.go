package detect

import (
	"fmt"
	"strings"
	"time"

	"unship.dev"
)

// say puts a finding into words.
func (w *watch) say(f *unship.Finding, what string) string {
	switch f.Signal {
	case unship.SignalCallerError, unship.SignalCalleeError:
		return w.sayNear(f)
	case unship.SignalUnanswered:
		return w.sayLost(f)
	case unship.SignalThroughput:
		return w.sayMix(f)
	}
	where := f.Operation
	if where == "" {
		where = w.release.Service.String()
	}
	if f.Slice != "" {
		where = "for " + f.Slice + ", " + where
	}
	than := w.baseline + " at the same time"
	if w.past != nil {
		than = "before the release"
	} else {
		than = "in " + than
	}
	seen := fmt.Sprintf("; %d requests seen", f.Samples.Candidate)
	if f.Unit == "s" {
		return fmt.Sprintf("%s takes %s at the %g %% quantile, %s %s%s%s", where, duration(f.Candidate), 100*f.Quantile,
			duration(f.Baseline), than, times(f.Candidate, f.Baseline), seen)
	}
	verb := " " + what + " "
	if f.Signal == unship.SignalCalls {
		return fmt.Sprintf("%s: %s of requests %s, %s %s%s%s", where, percent(f.Candidate), calling(what), percent(f.Baseline), than,
			times(f.Candidate, f.Baseline), seen)
	}
	return where + verb + fmt.Sprintf("%s of requests, %s %s%s%s", percent(f.Candidate), percent(f.Baseline), than,
		times(f.Candidate, f.Baseline), seen)
}

// calling puts "makes no call" into the plural.
func calling(what string) string {
	return strings.NewReplacer("makes", "make", "calls", "call").Replace(what)
}

// percent writes a ratio with two digits, without powers of ten: what is below a
// hundredth of a percent is nothing that people tell apart.
func percent(p float64) string {
	switch {
	case p > 0 && p < 1e-4:
		return "less than 0.01 %"
	case p >= .995:
		return fmt.Sprintf("%.0f %%", 100*p)
	}
	return fmt.Sprintf("%.2g %%", 100*p)
}

func times(a, b float64) string {
	switch {
	case b <= 0, a >= 100*b: // the two ratios beside it say more
		return ""
	case a >= 10*b:
		return fmt.Sprintf(" (×%.0f)", a/b)
	}
	return fmt.Sprintf(" (×%.2g)", a/b)
}

func duration(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(100 * time.Microsecond).String()
}

// words says what the strongest finding is about.
func (w *watch) words(f *unship.Finding) string {
	for _, e := range w.streams() {
		if same := e.signal.kind == f.Signal && w.name(&e) == f.Name; same && e.event > 0 {
			return w.sayEvent(f, &e)
		} else if same && e.points != nil {
			return w.sayPoints(f, e.points)
		} else if same && e.level != nil && e.logE == f.LogE {
			return w.sayLevel(f, e.level)
		}
		if e.signal.kind == f.Signal && w.operation(&e) == f.Operation && e.slice == f.Slice && (e.signal.quantile == f.Quantile || e.signal.latency()) {
			return w.say(f, e.signal.what)
		}
	}
	return w.say(f, string(f.Signal))
}
