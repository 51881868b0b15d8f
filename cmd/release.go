package cmd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"unship.dev"
	"unship.dev/decide/report"
)

func (p *Program) release() *cobra.Command {
	c := &client{}
	cmd := &cobra.Command{
		Use:   "release",
		Short: "Announce releases, list them, and ask whether one is healthy",
		RunE:  group,
	}
	c.flags(p, cmd)
	cmd.AddCommand(p.releaseAnnounce(c), p.releaseList(c), p.releaseShow(c), p.releaseRank(c), p.releaseGate(c))
	return cmd
}

// scope are the flags that say which service is meant.
type scope struct{ environment, namespace string }

func (s *scope) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.environment, "environment", "", "deployment.environment.name; needed only where the service is in several")
	cmd.Flags().StringVar(&s.namespace, "namespace", "", "service.namespace; needed only where the name is in several")
}

func (s scope) query(service, version string) url.Values {
	q := url.Values{}
	for key, value := range map[string]string{"environment": s.environment, "namespace": s.namespace, "service": service, "version": version} {
		if value != "" {
			q.Set(key, value)
		}
	}
	return q
}

func (p *Program) releaseAnnounce(c *client) *cobra.Command {
	var s scope
	var a struct {
		By, URL, Revision string
		Rollback          bool
	}
	cmd := &cobra.Command{
		Use:     "announce SERVICE VERSION",
		Short:   "Say that a release is being rolled out",
		Example: "  unship release announce ledger 1.1.0 --namespace shop --revision $(git rev-parse HEAD)",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{
				"service": args[0], "version": args[1], "environment": s.environment, "namespace": s.namespace,
				"by": a.By, "url": a.URL, "revision": a.Revision, "rollback": a.Rollback,
				"at": time.Now().UTC().Format(time.RFC3339Nano),
			}
			for key, value := range body {
				if value == "" || value == false {
					delete(body, key)
				}
			}
			if err := c.call(cmd.Context(), http.MethodPost, "/api/v1/announcements", nil, body, nil); err != nil {
				return missing(err)
			}
			fmt.Fprintf(p.Out, "announced %s %s\n", args[0], args[1])
			return nil
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&a.By, "by", userName(), "who releases")
	cmd.Flags().StringVar(&a.URL, "url", "", "of the pipeline's run")
	cmd.Flags().StringVar(&a.Revision, "revision", "", "commit that is released")
	cmd.Flags().BoolVar(&a.Rollback, "rollback", false, "this is a return to an earlier version")
	return cmd
}

func (p *Program) releaseList(c *client) *cobra.Command {
	var s scope
	var output, service string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List releases with their verdicts so far, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			reports, err := c.releases(cmd.Context(), s.query(service, ""))
			if err != nil {
				return err
			}
			return p.printReleases(reports, output)
		},
	}
	s.flags(cmd)
	outputFlag(cmd, &output)
	cmd.Flags().StringVar(&service, "service", "", "only this service")
	return cmd
}

func (p *Program) releaseShow(c *client) *cobra.Command {
	var s scope
	var output string
	cmd := &cobra.Command{
		Use:   "show SERVICE VERSION",
		Short: "Show one release: its verdict, why, and what would have been seen by now",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			reports, err := c.releases(cmd.Context(), s.query(args[0], args[1]))
			if err != nil {
				return err
			}
			if len(reports) == 0 {
				return failed(fmt.Errorf("no release %s %s was seen; unship release list shows those that were", args[0], args[1]))
			}
			return p.printReleases(reports, output)
		},
	}
	s.flags(cmd)
	outputFlag(cmd, &output)
	return cmd
}

func (p *Program) releaseRank(c *client) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "rank",
		Short: "Rank the releases under watch: the most suspect first, sure or not",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			var got struct {
				Ranking []unship.Ranking `json:"ranking"`
			}
			if err := c.call(cmd.Context(), http.MethodGet, "/api/v1/status", nil, nil, &got); err != nil {
				return err
			}
			if output == "json" {
				return jsonLines(p.Out, got.Ranking)
			}
			for _, r := range got.Ranking {
				fmt.Fprintln(p.Out, report.RankingText(r))
			}
			return nil
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

func (c *client) releases(ctx context.Context, query url.Values) ([]unship.ReleaseReport, error) {
	var got struct {
		Releases []unship.ReleaseReport `json:"releases"`
	}
	err := c.call(ctx, http.MethodGet, "/api/v1/releases", query, nil, &got)
	return got.Releases, err
}

func (p *Program) printReleases(reports []unship.ReleaseReport, output string) error {
	if output == "json" {
		return jsonLines(p.Out, reports)
	}
	w := tabwriter.NewWriter(p.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "SERVICE\tVERSION\tPREVIOUS\tFIRST SEEN\tROLLOUT\tVERDICT\tWHY")
	for _, r := range reports {
		svc := unship.Service{Namespace: r.Namespace, Name: r.Service}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", svc, r.Version, r.Previous, r.FirstSeen.Format(time.RFC3339), r.Rollout, r.Verdict, r.Why)
	}
	return w.Flush()
}

func (p *Program) releaseGate(c *client) *cobra.Command {
	var s scope
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "gate SERVICE VERSION",
		Short: "Wait for the verdict on a release",
		Long: `Waits until the release is judged and says so by the exit status:
  0  healthy
  1  faulty: stop the rollout
  3  cannot tell in time
  2  wrong usage, or no connection`,
		Example: "  unship release gate ledger 1.1.0 --wait 10m && promote",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if wait < 0 {
				return fmt.Errorf("--wait is %v; want 0s or more", wait)
			}
			return p.gate(cmd.Context(), c, s.query(args[0], args[1]), wait)
		},
	}
	s.flags(cmd)
	cmd.Flags().DurationVar(&wait, "wait", 10*time.Minute, "how long to wait for a verdict")
	return cmd
}

// answer is what the gate says.
type answer struct {
	Verdict unship.Verdict `json:"verdict"`
	Why     string         `json:"why"`
	Release struct {
		Done bool `json:"done"` // the watch is over: no other verdict will follow
	} `json:"release"`
}

// gate asks until there is a verdict or the time is up. A server that restarts
// meanwhile is waited for; one that was never reached is an error at once.
func (p *Program) gate(ctx context.Context, c *client, query url.Values, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	last, reached := answer{Why: "nothing was heard of the release"}, false
	for {
		left := max(0, time.Until(deadline))
		query.Set("wait", min(left, time.Minute).Round(time.Millisecond).String())
		var a answer
		err := c.call(ctx, http.MethodGet, "/api/v1/releases/gate", query, nil, &a)
		var refusal *errRefused
		switch {
		case errors.As(err, &refusal) && refusal.status < http.StatusInternalServerError, err != nil && !reached:
			return err
		case err == nil:
			last, reached = a, true
		}
		switch last.Verdict {
		case unship.Healthy:
			fmt.Fprintf(p.Out, "healthy: %s\n", last.Why)
			return nil
		case unship.Regressed:
			fmt.Fprintf(p.Out, "faulty: %s\n", last.Why)
			return &statusError{status: exitFailed}
		case unship.Unknown, unship.Inconclusive:
		}
		if left == 0 || last.Release.Done || ctx.Err() != nil {
			fmt.Fprintf(p.Out, "cannot tell: %s\n", last.Why)
			return &statusError{status: exitUnknown}
		}
		if err != nil {
			fmt.Fprintf(p.Err, "unship: %v; trying again\n", err)
			pause(ctx, time.Second)
		}
	}
}

// pause waits, or less if the context ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
