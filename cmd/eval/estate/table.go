package estate

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// Summary is how a judge did in many runs.
type Summary struct {
	Runs, Faulty    int
	Top, Right      int // faulty runs: guilty one named first; rolled back
	Asked           int // faulty runs in which a person was asked about the guilty one instead
	Wrong           int // runs in which an innocent one was rolled back
	Idle            int // runs in which a person was asked about an innocent one
	Delays          []int
	squares, judged float64
	given           [len(steps)]given
	Named           int // runs without a guilty release: what went wrong was named
}

// given counts the releases that were given a probability from one step up to
// the next: how many, the guilty among them, the sum of the probabilities.
type given struct {
	n, guilty int
	sum       float64
}

// steps are the probabilities by which calibration is shown.
var steps = [...]float64{0, .05, .2, .5, .8, .9, .99}

// Add adds a run.
func (s *Summary) Add(r Result) {
	s.Runs++
	if r.Guilty >= 0 {
		s.Faulty++
		if r.Top == r.Guilty {
			s.Top++
		}
		switch {
		case r.Blamed == r.Guilty && !r.Wrong:
			s.Right++
			s.Delays = append(s.Delays, r.Delay)
		case r.Asked && !r.Wrong:
			s.Asked++
		}
	}
	if r.Wrong {
		s.Wrong++
	}
	if r.Idle {
		s.Idle++
	}
	for k, p := range r.Probability {
		y := 0.0
		if k == r.Guilty {
			y = 1
		}
		s.squares += (p - y) * (p - y)
		s.judged++
		b := 0
		for b+1 < len(steps) && p >= steps[b+1] {
			b++
		}
		s.given[b].add(given{1, int(y), p})
	}
	if r.Guilty < 0 && r.Named {
		s.Named++
	}
}

func (g *given) add(o given) { g.n, g.guilty, g.sum = g.n+o.n, g.guilty+o.guilty, g.sum+o.sum }

// sure gives how many releases were given .9 or more, and the guilty among them.
func (s *Summary) sure() (n, guilty int) {
	for k, g := range s.given {
		if steps[k] >= .9 {
			n, guilty = n+g.n, guilty+g.guilty
		}
	}
	return n, guilty
}

// Merge adds another summary.
func (s *Summary) Merge(o Summary) {
	s.Runs, s.Faulty, s.Top, s.Right, s.Asked, s.Wrong = s.Runs+o.Runs, s.Faulty+o.Faulty, s.Top+o.Top, s.Right+o.Right, s.Asked+o.Asked, s.Wrong+o.Wrong
	s.Idle += o.Idle
	s.Delays = append(s.Delays, o.Delays...)
	s.squares, s.judged, s.Named = s.squares+o.squares, s.judged+o.judged, s.Named+o.Named
	for k := range s.given {
		s.given[k].add(o.given[k])
	}
}

// Brier is the mean square of probability less truth over all releases.
func (s *Summary) Brier() float64 {
	if s.judged == 0 {
		return 0
	}
	return s.squares / s.judged
}

// Median is the median delay in seconds.
func (s *Summary) Median() float64 {
	if len(s.Delays) == 0 {
		return 0
	}
	d := slices.Sorted(slices.Values(s.Delays))
	return float64(d[len(d)/2]) * Window.Seconds()
}

// Row is a line of a table.
type Row struct {
	Name string
	Summary
}

// Print writes a table.
func Print(out io.Writer, title string, rows []Row) error {
	if _, err := fmt.Fprintf(out, "\n%s\n", title); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(cells string) { fmt.Fprintln(w, cells) }
	line("\truns\ttop-1 %\trolled back %\tasked %\tinnocent %\tasked about %\tmedian s\tBrier\tgiven ≥ .9: guilty")
	for _, r := range rows {
		of := func(n, all int) string {
			if all == 0 {
				return "–"
			}
			return fmt.Sprintf("%.1f", 100*float64(n)/float64(all))
		}
		median, brier, sure := "–", "–", "–"
		if len(r.Delays) > 0 && r.judged > 0 {
			median = fmt.Sprintf("%.0f", r.Median())
		}
		if r.judged > 0 {
			n, guilty := r.sure()
			brier, sure = fmt.Sprintf("%.4f", r.Brier()), fmt.Sprintf("%d of %d", guilty, n)
		}
		line(fmt.Sprintf("%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", r.Name, r.Runs, of(r.Top, r.Faulty), of(r.Right, r.Faulty),
			of(r.Asked, r.Faulty), of(r.Wrong, r.Runs), of(r.Idle, r.Runs), median, brier, sure))
	}
	return w.Flush()
}

// PrintCalibration writes how often releases were guilty that were given some probability.
func PrintCalibration(out io.Writer, title string, s Summary) error {
	if _, err := fmt.Fprintf(out, "\n%s\n", title); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "given\treleases\tmean\tguilty")
	for k, g := range s.given {
		to := 1.0
		if k+1 < len(steps) {
			to = steps[k+1]
		}
		if g.n > 0 {
			fmt.Fprintf(w, "%g to %g\t%d\t%.3f\t%.3f\n", steps[k], to, g.n, g.sum/float64(g.n), float64(g.guilty)/float64(g.n))
		}
	}
	return w.Flush()
}
