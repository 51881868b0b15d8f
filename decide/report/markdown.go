package report

import (
	"fmt"
	"strings"

	"unship.dev"
	"unship.dev/decide/words"
)

// page is Markdown while it is being written.
type page struct{ strings.Builder }

func (p *page) write(format string, args ...any) { fmt.Fprintf(&p.Builder, format+"\n", args...) }

// section begins a section; the first line after it is its body.
func (p *page) section(title string) { p.write("\n## %s\n", title) }

// table writes a table whose cells are already harmless.
func (p *page) table(head []string, rows [][]string) {
	p.write("| %s |", strings.Join(head, " | "))
	p.write("|%s", strings.Repeat(" --- |", len(head)))
	for _, r := range rows {
		p.write("| %s |", strings.Join(r, " | "))
	}
}

// Markdown is the whole report of an incident. Its first five lines say what
// happened, since when, how sure that is, what was done, and whether it helped.
func Markdown(in unship.Incident) string {
	var p page
	p.write("# %s", text(in.Title))
	p.write("- **Since** %s", text(since(in)))
	p.write("- **How sure** %s", text(sure(in)))
	p.write("- **Done** %s", text(done(in)))
	p.write("- **Helped** %s", text(helped(in)))
	p.write("- **Harm** %s; environment %s, incident `%s`, status **%s**", harm(in.Impact), text(in.Environment), in.ID, in.Status)
	p.evidence(in)
	p.examples(in)
	p.suspects(in)
	p.ruledOut(in)
	p.ranked(in)
	p.decision(in.Decision)
	p.plan(in)
	p.timeline(in.Timeline)
	return p.String()
}

func (p *page) evidence(in unship.Incident) {
	if len(in.Evidence) == 0 {
		return
	}
	p.section("What got worse")
	p.write("Compared with %s.\n", text(compared(in.Evidence[0], guilty(in).Previous)))
	var rows [][]string
	for _, ev := range in.Evidence {
		value := func(x float64) string { return words.Value(ev.Unit, x) }
		rows = append(rows, []string{
			text(words.Subject(ev)), text(words.Target(ev, "all requests")), value(ev.Baseline), value(ev.Candidate),
			words.Times(ev.Baseline, ev.Candidate), value(ev.Interval[0]) + " to " + value(ev.Interval[1]),
			words.OneIn(ev.EValue), words.Count(ev.Samples.Candidate) + " against " + words.Count(ev.Samples.Baseline),
			words.Clock(ev.Since),
		})
	}
	p.table([]string{"what", "of", "before", "now", "change", "interval", "chance without a cause", "requests", "since"}, rows)
	p.write("\nThe interval is that of the value now, and holds at whatever moment one looks. The chance is how often, at most, " +
		"evidence as strong as this turns up for a release that is harmless.")
}

// examples shows traces and log lines that a person can look up.
func (p *page) examples(in unship.Incident) {
	lines := traceLines(in.Evidence)
	for _, ev := range in.Evidence {
		if ev.Example != "" {
			lines = append(lines, fmt.Sprintf("- %s: %s", text(words.Subject(ev)), code(ev.Example)))
		}
	}
	for _, l := range in.Logs {
		where := ""
		if l.TraceID != "" {
			where = ", trace " + code(l.TraceID)
		}
		lines = append(lines, fmt.Sprintf("- log line, %s: %s%s", words.Of(l.Count, "time"), code(l.Example), where))
	}
	lines = append(lines, codeLines(in.Code)...)
	if len(lines) == 0 {
		return
	}
	p.section("Where to look")
	p.write("%s", strings.Join(lines, "\n"))
}

// codeLines lead to the source: what is thrown where, and what was changed.
func codeLines(c unship.Code) (lines []string) {
	for k, x := range c.Exceptions {
		l := "- exception " + code(x.Type)
		if x.Place != "" {
			l += " at " + code(x.Place)
		}
		l += ", " + words.Of(x.Count, "time")
		if k < c.New {
			l += ", not seen in the version before"
		}
		if x.Example != "" {
			l += ": " + code(x.Example)
		}
		lines = append(lines, l)
	}
	switch {
	case c.Revision != "" && c.Previous != "":
		lines = append(lines, "- what was changed: commits "+code(c.Previous+".."+c.Revision))
	case c.Revision != "":
		lines = append(lines, "- what was shipped: commit "+code(c.Revision))
	}
	if c.URL != "" {
		lines = append(lines, "- the pipeline's run: "+text(c.URL))
	}
	return lines
}

// maxTraces is how many traces a report names: enough to look at, few enough to read.
const maxTraces = 5

// traceLines names each trace once, by the most specific evidence that it is an
// example of: evidence of one operation comes before evidence of all.
func traceLines(evidence []unship.Evidence) (lines []string) {
	seen := map[string]bool{}
	for _, specific := range []bool{true, false} {
		for _, ev := range evidence {
			for _, x := range ev.Exemplars {
				if (ev.Operation != "") == specific && !seen[x.TraceID] && len(lines) < maxTraces {
					seen[x.TraceID] = true
					lines = append(lines, exampleLine(ev, x))
				}
			}
		}
	}
	return lines
}

func exampleLine(ev unship.Evidence, x unship.Exemplar) string {
	l := fmt.Sprintf("- trace %s, span %s: %s", code(x.TraceID), code(x.SpanID), text(words.Target(ev, "all requests")))
	if x.Duration > 0 {
		l += ", " + words.Seconds(x.Duration.Seconds())
	}
	if x.Error != "" {
		l += ", " + text(x.Error)
	}
	if x.Exception != "" && x.Exception != x.Error {
		l += ", " + text(x.Exception)
	}
	return l
}

func (p *page) suspects(in unship.Incident) {
	if len(in.Suspects) == 0 {
		return
	}
	p.section("Suspects")
	for _, s := range in.Suspects {
		name := unship.Service{Namespace: s.Namespace, Name: s.Service}.String() + " " + s.Version
		p.write("- **%s**, %s", text(name), words.Percent(s.Probability))
		for _, r := range s.Reasons {
			p.write("  - %s", text(r))
		}
	}
	for _, h := range in.Hypotheses {
		if h.Cause != unship.CauseRelease && h.Probability >= leastPossible {
			p.write("- %s, %s", otherwise(h), words.Percent(h.Probability))
		}
	}
}

// ranked lists all releases that were watched, where there were several.
func (p *page) ranked(in unship.Incident) {
	if len(in.Ranking) < 2 {
		return
	}
	p.section("Releases under watch")
	for _, x := range in.Ranking {
		p.write("- %s, %s: %s", text(unship.Service{Namespace: x.Namespace, Name: x.Service}.String()+" "+x.Version), words.Percent(x.Share), text(x.Why))
	}
}

// leastPossible is the probability from which people are told what else may be the cause.
const leastPossible = .01

// otherwise names a cause that is no release.
func otherwise(h unship.Hypothesis) string {
	name, why := "", ""
	if h.Name != "" {
		name = " " + text(h.Name)
	}
	if h.Why != "" {
		why = " (" + text(h.Why) + ")"
	}
	switch h.Cause {
	case unship.CauseDependency:
		return "another service," + name + why
	case unship.CauseInfrastructure:
		return "where it runs," + name + why
	case unship.CauseTraffic:
		return "the traffic" + why
	}
	return "nothing of this"
}

// ruledOut lists who was near and is innocent.
func (p *page) ruledOut(in unship.Incident) {
	if len(in.Exonerated) == 0 {
		return
	}
	p.section("Ruled out")
	for _, x := range in.Exonerated {
		p.write("- %s %s: %s", text(x.Service), text(x.Version), text(x.Why))
	}
}

func (p *page) decision(d unship.DecisionRecord) {
	p.section("Decision")
	p.write("**%s** at %s, by policy %s in mode %s: %s\n", d.Verdict, words.Moment(d.At), text(d.Policy), d.Mode, text(d.Why))
	var rows [][]string
	for _, g := range d.Gates {
		rows = append(rows, []string{text(g.Name), mark(g.Result), text(g.Why)})
	}
	if len(rows) > 0 {
		p.table([]string{"gate", "answer", "why"}, rows)
	}
}

func mark(r unship.GateResult) string {
	if r == unship.GatePass {
		return string(r)
	}
	return "**" + string(r) + "**"
}

func (p *page) plan(in unship.Incident) {
	if len(in.First) > 0 {
		p.section("What must go back, in this order")
		for k, d := range in.First {
			p.write("%d. %s to %s: %s", k+1, text(d.Release.String()), text(d.Previous), text(d.Why))
		}
		p.write("%d. %s %s to %s", len(in.First)+1, text(guilty(in).Service), text(guilty(in).Version), text(guilty(in).Previous))
	}
	if len(in.Plan) > 0 {
		p.section("Plan")
		var rows [][]string
		for _, s := range in.Plan {
			rows = append(rows, []string{
				fmt.Sprint(s.Step), text(s.Action), text(s.Summary), yes(s.Reversible), orDash(text(s.AtRisk)),
			})
		}
		p.table([]string{"step", "action", "what it does", "reversible", "at risk"}, rows)
	}
	if len(in.Actions) > 0 {
		p.section("Actions")
		var rows [][]string
		for _, a := range in.Actions {
			rows = append(rows, []string{
				fmt.Sprint(a.Step), text(a.Action), words.Clock(a.StartedAt), words.Span(a.EndedAt.Sub(a.StartedAt)),
				string(a.Result), orDash(text(a.Detail)),
			})
		}
		p.table([]string{"step", "action", "began", "took", "result", "detail"}, rows)
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "**no**"
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func (p *page) timeline(items []unship.TimelineItem) {
	if len(items) == 0 {
		return
	}
	p.section("Timeline")
	for _, t := range items {
		p.write("- %s %s", words.Moment(t.At), text(t.What))
	}
}

// text makes a text from outside harmless inside Markdown, tables included.
// Underscores and dots stay readable: they only matter at the ends of words.
func text(s string) string {
	return markup().Replace(plain(s))
}

func markup() *strings.Replacer {
	return strings.NewReplacer(
		`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "#", `\#`, "@", "&#64;")
}

// code is a code span that holds s, whatever backticks are in it.
func code(s string) string {
	s = plain(s)
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if strings.Contains(s, "`") {
		return fence + " " + s + " " + fence
	}
	return fence + s + fence
}
