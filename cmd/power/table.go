package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"unship.dev/cmd/power/judges"
	"unship.dev/detect/stat"
)

// The columns of the detector: what it judges, and what a person is asked about at the latest.
const (
	judged = iota
	asked
	others
)

// columns gives the names of all that judge, ours first.
func columns() []string {
	names := []string{judged: "**unship**", asked: "asked"}
	for _, m := range judges.All() {
		names = append(names, m.Name)
	}
	return names
}

// decided gives the windows in which one column decided on a plan's releases.
func (p *plan) decided(column int) (at []int) {
	for _, world := range p.results {
		for _, r := range world {
			switch column {
			case judged:
				at = append(at, r.unship)
			case asked:
				at = append(at, r.asked)
			default:
				at = append(at, r.judges[column-others])
			}
		}
	}
	return at
}

// cannot says that a column's judge has nothing to compare with in the plan's environment.
func (p *plan) cannot(column int) bool {
	return column >= others && p.env.Replaced && !judges.All()[column-others].Alone
}

func writeHarmless(out io.Writer, plans []*plan) {
	names := columns()
	fmt.Fprintf(out, "False rollbacks, of harmless releases watched for half an hour:\n\n| environment | releases | ")
	fmt.Fprintf(out, "%s | upper limit | %s |\n|%s\n", names[0], strings.Join(names[1:], " | "), strings.Repeat("---|", len(names)+3))
	for _, p := range plans {
		if !p.harmless {
			continue
		}
		fmt.Fprintf(out, "| %s: %s | %d |", p.env.Name, p.env.About, p.releases)
		for c := range names {
			if p.cannot(c) {
				fmt.Fprint(out, " – |")
				continue
			}
			at := p.decided(c)
			bad := len(at) - len(missed(at))
			if c == judged {
				fmt.Fprintf(out, " %d | %.2g |", bad, stat.RateUpper(uint64(bad), uint64(len(at)), .05))
				continue
			}
			fmt.Fprintf(out, " %s |", share(bad, len(at)))
		}
		fmt.Fprintln(out)
	}
}

func writeFaulty(out io.Writer, plans []*plan) {
	names := columns()
	last := ""
	for _, p := range plans {
		if p.harmless {
			continue
		}
		if p.env.Name != last {
			fmt.Fprintf(out, "\n%s, %s: median seconds to the decision (share found in half an hour, where not all)\n\n| effect | releases | %s |\n|%s\n",
				p.env.Name, p.env.About, strings.Join(names, " | "), strings.Repeat("---|", len(names)+2))
			last = p.env.Name
		}
		fmt.Fprintf(out, "| %s | %d |", p.effect.Name, p.releases)
		for c := range names {
			if p.cannot(c) {
				fmt.Fprint(out, " – |")
				continue
			}
			fmt.Fprintf(out, " %s |", delays(p.decided(c), p.effect.After))
		}
		fmt.Fprintln(out)
	}
}

func missed(at []int) (out []int) {
	for _, t := range at {
		if t < 0 {
			out = append(out, t)
		}
	}
	return out
}

// delays gives the median seconds from the window after which the effect begins
// to the close of the deciding window, over all releases: those never found
// count as infinitely late, those taken back before the effect as not found.
func delays(at []int, after int) string {
	var seconds []float64
	found := 0
	for _, t := range at {
		if t < after {
			seconds = append(seconds, math.Inf(1))
			continue
		}
		found++
		seconds = append(seconds, float64(5*(t+1-after)))
	}
	slices.Sort(seconds)
	if len(seconds) == 0 {
		return "–"
	}
	middle := seconds[(len(seconds)-1)/2]
	note := ""
	if found < len(seconds) {
		note = fmt.Sprintf(" (%.0f %%)", 100*float64(found)/float64(len(seconds)))
	}
	if math.IsInf(middle, 1) {
		return strings.TrimSpace(note)
	}
	return fmt.Sprintf("%.0f%s", middle, note)
}

func share(bad, all int) string {
	if bad == 0 || all == 0 {
		return "0"
	}
	return fmt.Sprintf("%.3g", float64(bad)/float64(all))
}

func tellBlamed(out io.Writer, plans []*plan) {
	for _, p := range plans {
		if !p.harmless {
			continue
		}
		for n, world := range p.results {
			for k, r := range world {
				if r.unship >= 0 {
					fmt.Fprintf(out, "%s: world %d (seed %d), release %d blamed in window %d (%s): %s\n", p.env.Name, n, p.seeds[n], k, r.unship, r.at, r.why)
				}
			}
		}
	}
}
