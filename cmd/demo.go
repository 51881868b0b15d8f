package cmd

import (
	"errors"

	"github.com/spf13/cobra"

	"unship.dev/cmd/demo"
)

func (p *Program) demo() *cobra.Command {
	o := demo.Options{Out: p.Out}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch it work: a live shop, a good release that stays, a bad one that is taken back",
		Long: `Starts a small shop of real services, each a process of its own that is
instrumented by the OpenTelemetry SDK, behind a proxy that splits traffic by
version, with users who buy. Ships a good release, which must stay, then a bad
one beside an innocent one. The bad one must be found, named, taken back without
a request lost, and the recovery verified. Takes about a minute and a half and
needs nothing but this binary. Exit status: 0 if all of that held, 1 if not.`,
		Example: "  unship demo\n  unship demo --proxy haproxy\n  unship demo --keep   # leaves the page up until Ctrl-C",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("proxy", o.Proxy, "builtin", "haproxy"); err != nil {
				return err
			}
			_, noColor := p.Env("NO_COLOR")
			o.Color = !noColor && newProgress(p.Out, false).out != nil
			result, err := demo.Run(cmd.Context(), o)
			if err != nil {
				return failed(err)
			}
			if !result.Held() {
				return failed(errors.New("the demo did not hold what it promises; see above"))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&o.Proxy, "proxy", "builtin", "builtin, or haproxy: a real HAProxy, installed with apt if it is missing")
	cmd.Flags().StringVar(&o.Dir, "dir", "unship-demo", "folder for the report and the state; emptied at the start")
	cmd.Flags().BoolVar(&o.Keep, "keep", false, "leave everything running at the end, until Ctrl-C")
	return cmd
}

// demoProcess is one process of the demo: a service, the proxy, the users.
func (p *Program) demoProcess() *cobra.Command {
	return &cobra.Command{
		Use:                "demo-process ROLE …",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE:               func(cmd *cobra.Command, args []string) error { return failed(demo.Process(cmd.Context(), args)) },
	}
}
