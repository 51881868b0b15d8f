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
	Delays          []int
	squares, judged float64
	Sure, SureRight int // releases given .9 or more, and the guilty among them
}

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
	for k, p := range r.Probability {
		y := 0.0
		if k == r.Guilty {
			y = 1
		}
		s.squares += (p - y) * (p - y)
		s.judged++
		if p >= .9 {
			s.Sure++
			s.SureRight += int(y)
		}
	}
}

// Merge adds another summary.
func (s *Summary) Merge(o Summary) {
	s.Runs, s.Faulty, s.Top, s.Right, s.Asked, s.Wrong = s.Runs+o.Runs, s.Faulty+o.Faulty, s.Top+o.Top, s.Right+o.Right, s.Asked+o.Asked, s.Wrong+o.Wrong
	s.Delays = append(s.Delays, o.Delays...)
	s.squares, s.judged, s.Sure, s.SureRight = s.squares+o.squares, s.judged+o.judged, s.Sure+o.Sure, s.SureRight+o.SureRight
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
	line("\truns\ttop-1 %\trolled back %\tasked %\tinnocent %\tmedian s\tBrier\tgiven ≥ .9: guilty")
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
			brier, sure = fmt.Sprintf("%.4f", r.Brier()), fmt.Sprintf("%d of %d", r.SureRight, r.Sure)
		}
		line(fmt.Sprintf("%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s", r.Name, r.Runs, of(r.Top, r.Faulty), of(r.Right, r.Faulty),
			of(r.Asked, r.Faulty), of(r.Wrong, r.Runs), median, brier, sure))
	}
	return w.Flush()
}
