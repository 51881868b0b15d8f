package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/user"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"unship.dev"
	"unship.dev/decide/report"
)

func (p *Program) incident() *cobra.Command {
	c := &client{}
	cmd := &cobra.Command{
		Use:   "incident",
		Short: "List, read and answer incidents",
		RunE:  group,
	}
	c.flags(p, cmd)
	cmd.AddCommand(p.incidentList(c), p.incidentShow(c),
		p.incidentAnswer(c, unship.AnswerApprove, "Approve the rollback that an incident proposes"),
		p.incidentAnswer(c, unship.AnswerReject, "Say that it is not the release: nothing is rolled back, the incident is dismissed"),
		p.incidentAnswer(c, unship.AnswerUndo, "Take a rollback back: restore the release"))
	return cmd
}

func (p *Program) incidentList(c *client) *cobra.Command {
	var output, status string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List incidents, newest first",
		Example: "  unship incident list --status open",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			var got struct {
				Incidents []unship.Incident `json:"incidents"`
			}
			query := url.Values{}
			if status != "" {
				query.Set("status", status)
			}
			if err := c.call(cmd.Context(), http.MethodGet, "/api/v1/incidents", query, nil, &got); err != nil {
				return err
			}
			if output == "json" {
				return jsonLines(p.Out, got.Incidents)
			}
			w := tabwriter.NewWriter(p.Out, 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tSTATUS\tDETECTED\tTITLE")
			for _, i := range got.Incidents {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", i.ID, i.Status, i.DetectedAt.Format(time.RFC3339), i.Title)
			}
			return w.Flush()
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().StringVar(&status, "status", "", "only those with this status: open, mitigating, mitigated, resolved, escalated, dismissed")
	return cmd
}

func (p *Program) incidentShow(c *client) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show the report of an incident",
		Example: "  unship incident show 7f3a\n  unship incident show 7f3a -o md > report.md",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", output, "text", "json", "md"); err != nil {
				return err
			}
			var i unship.Incident
			if err := c.call(cmd.Context(), http.MethodGet, "/api/v1/incidents/"+url.PathEscape(args[0]), nil, nil, &i); err != nil {
				return missing(err)
			}
			return p.printIncident(i, output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, md or json")
	return cmd
}

func (p *Program) incidentAnswer(c *client, kind, short string) *cobra.Command {
	var by, comment string
	cmd := &cobra.Command{
		Use:     kind + " ID",
		Short:   short,
		Example: "  unship incident " + kind + " 7f3a --comment 'seen in the logs'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]string{"by": by, "comment": comment}
			var got struct {
				Incident unship.Incident `json:"incident"`
			}
			if err := c.call(cmd.Context(), http.MethodPost, "/api/v1/incidents/"+url.PathEscape(args[0])+"/"+kind, nil, body, &got); err != nil {
				return missing(err)
			}
			i := got.Incident
			fmt.Fprintf(p.Out, "%s: %s: %s\n", i.ID, i.Status, i.Title)
			return nil
		},
	}
	cmd.Flags().StringVar(&by, "by", userName(), "who answers; stands in the audit trail")
	cmd.Flags().StringVar(&comment, "comment", "", "why; stands in the report")
	return cmd
}

func (p *Program) printIncident(i unship.Incident, output string) error {
	switch output {
	case "json":
		return jsonLines(p.Out, []unship.Incident{i})
	case "md":
		_, err := fmt.Fprint(p.Out, report.Markdown(i))
		return err
	}
	_, err := fmt.Fprint(p.Out, report.Text(i))
	return err
}

// jsonLines prints values as JSON, one a line.
func jsonLines[T any](out io.Writer, values []T) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for _, v := range values {
		if err := enc.Encode(v); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}

func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "text or json")
}

func oneOf(flag, value string, known ...string) error {
	for _, k := range known {
		if value == k {
			return nil
		}
	}
	return fmt.Errorf("--%s is %q; want one of %v", flag, value, known)
}

// missing turns an answer "not found" into a failure of the command, not of its usage.
func missing(err error) error {
	var r *errRefused
	if errors.As(err, &r) {
		return failed(err)
	}
	return err
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}
