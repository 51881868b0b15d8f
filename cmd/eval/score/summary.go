package score

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// GrossLimit is how long, in seconds, a gross fault may take to be decided.
const GrossLimit = 60

// Summary is how a group of recordings went.
type Summary struct {
	Group     string  `json:"group"`
	Cases     int     `json:"cases"`
	Faulty    int     `json:"faulty"`
	Found     int     `json:"found"`
	Asked     int     `json:"asked"`
	Missed    int     `json:"missed"`
	Named     int     `json:"named"` // first of the suspects of an incident
	Top1      int     `json:"top1"`  // first in the ranking at the end, acted on or not
	Top3      int     `json:"top3"`
	Avg5      float64 `json:"avg5"`         // mean of the shares that are among the first 1 to 5
	Wrong     int     `json:"wrong"`        // wrong rollbacks
	WrongIn   int     `json:"wrong_in"`     // recordings with one
	Idle      int     `json:"idle"`         // needless questions
	Late      int     `json:"late"`         // gross faults not decided in time
	Failed    int     `json:"failed"`       // replays that ended badly
	Median    float64 `json:"delay_median"` // seconds, over those found
	Max       float64 `json:"delay_max"`    // seconds, over those found
	Bound     float64 `json:"bound"`        // median of the bounds, where known
	CPU       float64 `json:"cpu_seconds"`  // mean of a replay
	Incidents float64 `json:"incidents"`    // mean per recording
}

// Summarize adds up the results of a group.
func Summarize(group string, results []Result) Summary {
	s := Summary{Group: group, Cases: len(results)}
	var delays, bounds []float64
	for _, r := range results {
		s.add(r)
		if r.Found {
			delays = append(delays, r.Delay)
		}
		if r.Bound > 0 {
			bounds = append(bounds, r.Bound)
		}
	}
	s.Median, s.Bound = median(delays), median(bounds)
	if len(delays) > 0 {
		s.Max = slices.Max(delays)
	}
	if s.Faulty > 0 {
		s.Avg5 /= float64(s.Faulty)
	}
	if s.Cases > 0 {
		s.CPU /= float64(s.Cases)
		s.Incidents /= float64(s.Cases)
	}
	return s
}

func (s *Summary) add(r Result) {
	s.CPU += r.CPU
	s.Incidents += float64(r.Incidents)
	s.Wrong += len(r.Wrong)
	s.Idle += len(r.Idle)
	s.WrongIn += count(len(r.Wrong) > 0)
	s.Failed += count(r.Exit != 0 || r.Problem != "")
	if r.Control {
		return
	}
	s.Faulty++
	s.Found += count(r.Found)
	s.Asked += count(r.Asked)
	s.Missed += count(!r.Found && !r.Asked)
	s.Late += count(r.Late())
	s.Named += count(r.Rank == 1)
	s.Top1 += count(r.Stand == 1)
	s.Top3 += count(1 <= r.Stand && r.Stand <= 3)
	if r.Stand > 0 {
		s.Avg5 += max(0, float64(6-r.Stand)) / 5
	}
}

// Late says that a gross fault was not decided in time.
func (r Result) Late() bool { return r.Gross && (!r.Found || r.Delay > GrossLimit) }

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// Groups summarizes results by group in the order in which groups first
// appear, and adds a line for all of them.
func Groups(results []Result) []Summary {
	var names []string
	by := map[string][]Result{}
	for _, r := range results {
		if by[r.Group] == nil {
			names = append(names, r.Group)
		}
		by[r.Group] = append(by[r.Group], r)
	}
	var out []Summary
	for _, n := range names {
		out = append(out, Summarize(n, by[n]))
	}
	if len(out) > 1 {
		out = append(out, Summarize("all", results))
	}
	return out
}

// Table writes the summaries for people, then what went wrong, case by case.
func Table(w io.Writer, title string, results []Result) error {
	fmt.Fprintf(w, "%s\n", title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "group\tcases\tfaulty\tfound\tasked\tmissed\tnamed\ttop-1\ttop-3\tavg@5\twrong\tneedless asks\tdelay median\tmax\tbound\tlate\tfailed\tCPU\t")
	for _, s := range Groups(results) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\t%d\t%d\t%.1fs\t\n",
			s.Group, s.Cases, s.Faulty,
			s.of(s.Found), s.of(s.Asked), s.of(s.Missed), s.of(s.Named), s.of(s.Top1), s.of(s.Top3), s.ratio(),
			s.Wrong, s.Idle, seconds(s.Median, s.Found > 0), seconds(s.Max, s.Found > 0), seconds(s.Bound, s.Bound > 0),
			s.Late, s.Failed, s.CPU)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	for _, r := range results {
		if !r.OK() || r.Late() || len(r.Idle) > 0 {
			fmt.Fprintf(w, "  %s: %s\n", r.Case, r.Words())
		}
	}
	fmt.Fprintln(w)
	return nil
}

// of shows a count among the faulty, or nothing where none is faulty.
func (s Summary) of(n int) string {
	if s.Faulty == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func (s Summary) ratio() string {
	if s.Faulty == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f", s.Avg5)
}

func seconds(x float64, known bool) string {
	if !known {
		return "-"
	}
	return fmt.Sprintf("%.0fs", x)
}

// Words says in one line how a recording went.
func (r Result) Words() string {
	var parts []string
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch {
	case r.Found:
		say("found after %.0fs", r.Delay)
	case r.Asked:
		say("asked")
	case !r.Control:
		say("missed, the release is %s", or(r.Judged, "not seen"))
		if r.Why != "" {
			say("%q", r.Why)
		}
	}
	if !r.Control && r.Rank != 1 {
		say("rank %d", r.Stand)
	}
	if len(r.Wrong) > 0 {
		say("WRONG rollback of %s", strings.Join(r.Wrong, ", "))
	}
	if len(r.Idle) > 0 {
		say("needless question about %s", strings.Join(r.Idle, ", "))
	}
	if r.Exit != 0 || r.Problem != "" {
		say("exit %d: %s", r.Exit, r.Problem)
	}
	if len(parts) == 0 {
		say("quiet")
	}
	return strings.Join(parts, "; ")
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}
