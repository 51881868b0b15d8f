package slack

import (
	"fmt"
	"net/url"
	"strings"

	slackgo "github.com/slack-go/slack"

	"unship.dev"
)

// Slack's limits, in characters.
const (
	limitHeader = 150
	limitText   = 3000
	limitField  = 2000
	limitFields = 10
	limitButton = 75
	limitName   = 200 // ours: one name or reason must not push out the rest
)

// blocks draws an incident. All limits hold whatever the incident holds.
func blocks(in unship.Incident, pageURL string) []slackgo.Block {
	list := []slackgo.Block{
		slackgo.NewHeaderBlock(slackgo.NewTextBlockObject(slackgo.PlainTextType, cut(headline(in), limitHeader), true, false)),
		section(summary(in)),
	}
	if fields := evidence(in); len(fields) > 0 {
		list = append(list, slackgo.NewSectionBlock(nil, fields, nil))
	}
	list = append(list, section(decision(in)))
	if lines := progress(in); len(lines) > 0 {
		list = append(list, section(lines))
	}
	if pageURL != "" {
		list = append(list, openButton(in, pageURL))
	}
	return append(list, slackgo.NewContextBlock("", markdown(footer(in), limitText)))
}

// fallbackText is what notifications and screen readers get.
func fallbackText(in unship.Incident) string {
	return cut(escape(headline(in)+" ("+string(in.Status)+")"), limitText)
}

func headline(in unship.Incident) string {
	return emoji(in.Status) + " " + line(in.Title)
}

func emoji(s unship.Status) string {
	switch s {
	case unship.StatusOpen:
		return "🔴"
	case unship.StatusMitigating:
		return "⏪"
	case unship.StatusMitigated:
		return "🟡"
	case unship.StatusResolved:
		return "✅"
	case unship.StatusEscalated:
		return "🆘"
	case unship.StatusDismissed:
		return "⚪"
	}
	return "❔"
}

func summary(in unship.Incident) []string {
	lines := []string{"*What* " + suspect(in)}
	since := "*Since* " + clock(in.StartedAt)
	if !in.DetectedAt.IsZero() && !in.StartedAt.IsZero() {
		since += fmt.Sprintf(" · detected %s, %s later", clock(in.DetectedAt), seconds(in.DetectedAt.Sub(in.StartedAt).Seconds()))
	}
	lines = append(lines, since)
	if len(in.Suspects) > 0 {
		lines = append(lines, "*How sure* "+certainty(in))
	}
	if len(in.Evidence) > 0 {
		lines = append(lines, "*Compared with* "+comparison(in))
	}
	return append(lines, fmt.Sprintf("*Impact* about %s requests failed, %s slowed beyond the usual",
		count(in.Impact.RequestsFailed), count(in.Impact.RequestsSlowed)))
}

func suspect(in unship.Incident) string {
	if len(in.Suspects) == 0 {
		return fmt.Sprintf("no release is suspected; the cause is: %s", name(string(in.Cause)))
	}
	s := in.Suspects[0]
	service := unship.Service{Namespace: s.Namespace, Name: s.Service}.String()
	text := fmt.Sprintf("*%s %s*", name(service), name(s.Version))
	if s.Previous != "" {
		text += fmt.Sprintf(", which replaced %s,", name(s.Previous))
	}
	if in.Environment != "" {
		text += " in " + name(in.Environment)
	}
	return strings.TrimSuffix(text, ",")
}

func certainty(in unship.Incident) string {
	text := percent(in.Suspects[0].Probability) + " that this release is the cause"
	strongest := 0.0
	for _, e := range in.Evidence {
		strongest = max(strongest, e.EValue)
	}
	if strongest > 1 {
		text += ", evidence " + odds(strongest) + " to 1"
	}
	return text
}

func comparison(in unship.Incident) string {
	previous := "the previous version"
	if len(in.Suspects) > 0 && in.Suspects[0].Previous != "" {
		previous = name(in.Suspects[0].Previous)
	}
	switch in.Evidence[0].Comparison {
	case unship.ComparisonConcurrent:
		return previous + " in the same moments"
	case unship.ComparisonBefore:
		return "the service's own past, before this release"
	}
	return "nothing yet"
}

// evidence gives one field for each line of evidence, the strongest first.
func evidence(in unship.Incident) (fields []*slackgo.TextBlockObject) {
	for i, e := range in.Evidence {
		if i == limitFields {
			break
		}
		text := fmt.Sprintf("*%s*%s\n%s → *%s*  (%s to %s)\n%s requests against %s",
			signal(e), operation(e), value(e.Baseline, e.Unit), value(e.Candidate, e.Unit),
			value(e.Interval[0], e.Unit), value(e.Interval[1], e.Unit),
			count(e.Samples.Candidate), count(e.Samples.Baseline))
		fields = append(fields, markdown(text, limitField))
	}
	return fields
}

func signal(e unship.Evidence) string {
	text := name(strings.ReplaceAll(string(e.Signal), "_", " "))
	if e.Quantile > 0 {
		text += fmt.Sprintf(" p%g", e.Quantile*100)
	}
	if e.Name != "" {
		text += " " + name(e.Name)
	}
	return text
}

func operation(e unship.Evidence) string {
	of := " all operations"
	if e.Operation != "" {
		of = " " + name(e.Operation)
	}
	if e.Slice != "" {
		of += " for " + name(e.Slice)
	}
	return of
}

func decision(in unship.Incident) []string {
	d := in.Decision
	lines := []string{fmt.Sprintf("*Decision* %s (mode %s, policy %s)", name(string(d.Verdict)), name(string(d.Mode)), name(d.Policy))}
	if d.Why != "" {
		lines = append(lines, name(d.Why))
	}
	for _, g := range d.Gates {
		if g.Result != unship.GatePass {
			lines = append(lines, fmt.Sprintf("⛔ gate *%s*: %s. %s", name(g.Name), name(string(g.Result)), name(g.Why)))
		}
	}
	if passed := passedGates(d.Gates); passed != "" {
		lines = append(lines, "gates passed: "+passed)
	}
	return lines
}

func passedGates(gates []unship.Gate) string {
	var names []string
	for _, g := range gates {
		if g.Result == unship.GatePass {
			names = append(names, name(g.Name))
		}
	}
	return strings.Join(names, ", ")
}

// progress tells what is planned, what was done and whether it helped.
func progress(in unship.Incident) (lines []string) {
	if len(in.Actions) == 0 {
		for _, s := range in.Plan {
			lines = append(lines, fmt.Sprintf("*Plan* %d. %s: %s", s.Step, name(s.Action), name(s.Summary)))
		}
	}
	for _, a := range in.Actions {
		lines = append(lines, fmt.Sprintf("*Step %d* %s: %s. %s", a.Step, name(a.Action), name(string(a.Result)), name(a.Detail)))
	}
	if in.Recovery.Status != "" && (in.Recovery.Why != "" || len(in.Actions) > 0) {
		status := strings.ReplaceAll(string(in.Recovery.Status), "_", " ")
		lines = append(lines, fmt.Sprintf("*Recovery* %s. %s", name(status), name(in.Recovery.Why)))
	}
	return lines
}

func footer(in unship.Incident) string {
	parts := []string{"status *" + name(string(in.Status)) + "*", "incident " + name(in.ID)}
	if len(in.Exonerated) > 0 {
		parts = append(parts, fmt.Sprintf("%d other releases ruled out", len(in.Exonerated)))
	}
	return strings.Join(parts, " · ")
}

func openButton(in unship.Incident, pageURL string) slackgo.Block {
	label := slackgo.NewTextBlockObject(slackgo.PlainTextType, cut("Open the incident", limitButton), false, false)
	button := slackgo.NewButtonBlockElement("open", "", label).WithURL(pageURL + "/incidents/" + url.PathEscape(in.ID))
	return slackgo.NewActionBlock("links", button)
}

func section(lines []string) slackgo.Block {
	return slackgo.NewSectionBlock(markdown(strings.Join(lines, "\n"), limitText), nil, nil)
}

// markdown is verbatim: Slack makes no links and no mentions of what it finds in it.
func markdown(text string, limit int) *slackgo.TextBlockObject {
	return slackgo.NewTextBlockObject(slackgo.MarkdownType, cut(text, limit), false, true)
}
